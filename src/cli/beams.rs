//! Bounds on the beams of a search, whose memory grows with their square.

use anyhow::bail;

/// The most beams of a search: far more than better captions are found with, and with one photo at a time they fit into
/// a small machine's memory.
pub(super) const MOST: usize = 500;

/// Refuses numbers of beams that no search can or should have.
pub(super) fn check(beams: usize, most: usize) -> anyhow::Result<()> {
    if !(1..=most).contains(&beams) {
        bail!("--beam-size must be from 1 to {most}, not {beams}");
    }
    Ok(())
}

/// How many photos may be searched together with so many beams.
pub(super) fn photos_at_once(beams: usize) -> usize {
    (MOST / beams.max(1)).pow(2).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_searches_are_bounded() {
        check(1, MOST).and_then(|()| check(MOST, MOST)).expect("are searches");
        for beams in [0, MOST + 1, 100_000] {
            let error = check(beams, MOST).expect_err("is none").to_string();
            assert_eq!(error, format!("--beam-size must be from 1 to 500, not {beams}"));
        }
        assert_eq!([5, 100, 200, 400, 500].map(photos_at_once), [10_000, 25, 4, 1, 1]);
    }
}
