//! ROUGE-L: the longest common subsequence with the references, precision and recall taken apart.

/// Weight of recall against precision.
const BETA: f64 = 1.2;

/// ROUGE-L of one candidate; precision and recall are each the best over the references.
pub fn rouge_l(candidate: &[u32], references: &[Vec<u32>]) -> f64 {
    let (mut precision, mut recall) = (0.0f64, 0.0f64);
    for reference in references {
        let common = longest_common_subsequence(candidate, reference) as f64;
        precision = precision.max(common / candidate.len() as f64);
        recall = recall.max(common / reference.len() as f64);
    }
    if precision == 0.0 || recall == 0.0 {
        return 0.0;
    }
    (1.0 + BETA * BETA) * precision * recall / (recall + BETA * BETA * precision)
}

fn longest_common_subsequence(first: &[u32], second: &[u32]) -> usize {
    // lengths[j]: of the words of `first` so far and the first j of `second`.
    let mut lengths = vec![0; second.len() + 1];
    for word in first {
        let mut diagonal = 0;
        for (place, other) in second.iter().enumerate() {
            let above = lengths[place + 1];
            lengths[place + 1] = if word == other { diagonal + 1 } else { above.max(lengths[place]) };
            diagonal = above;
        }
    }
    lengths[second.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subsequences_may_have_gaps() {
        assert_eq!(longest_common_subsequence(&[1, 2, 3, 4], &[1, 3, 9, 4]), 3);
        assert_eq!(longest_common_subsequence(&[1, 2], &[2, 1]), 1);
        assert_eq!(longest_common_subsequence(&[], &[1]), 0);
    }

    #[test]
    fn precision_and_recall_may_come_from_different_references() {
        // 2 of 4 words against the first (precision 1/2, recall 2/8), 1 of 4 against the second (recall 1).
        let references = [vec![1, 2, 9, 9, 9, 9, 9, 9], vec![3]];
        let expected = 2.44 * 0.5 * 1.0 / (1.0 + 1.44 * 0.5);
        assert!((rouge_l(&[1, 2, 3, 4], &references) - expected).abs() < 1e-12);
        assert_eq!(rouge_l(&[7], &references), 0.0);
    }
}
