//! Numbers, times and sizes as people read them.

/// Two decimals and a real minus sign.
pub(super) fn score_text(score: f64) -> String {
    format!("{score:.2}").replace('-', "\u{2212}")
}

/// A mean log-probability per token as the probability it stands for: `-0.61` is 54 %.
pub(super) fn probability_text(score: f64) -> String {
    format!("{:.0}\u{a0}%", score.exp() * 100.0)
}

/// `2026-01-01T12:00:00Z` as `2026-01-01 12:00`.
pub(in crate::web) fn minute_text(time: &str) -> String {
    time.get(..16).unwrap_or(time).replace('T', " ")
}

/// A clock by the minutes that it is ahead of UTC: `UTC`, `UTC+05:30`.
pub(super) fn clock_text(utc_offset_minutes: i32) -> String {
    let sign = match utc_offset_minutes {
        0 => return "UTC".to_owned(),
        ..0 => '\u{2212}',
        1.. => '+',
    };
    let minutes = utc_offset_minutes.abs();
    format!("UTC{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// `20 MB`, `1.5 MB`, `64 kB`, `7 bytes`.
pub(in crate::web) fn size_text(bytes: usize) -> String {
    let in_units = |unit: usize, name| {
        let tenths = bytes * 10 / unit;
        if tenths.is_multiple_of(10) {
            format!("{} {name}", tenths / 10)
        } else {
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        }
    };
    match bytes {
        1_000_000.. => in_units(1_000_000, "MB"),
        1_000.. => in_units(1_000, "kB"),
        _ => format!("{bytes} bytes"),
    }
}

/// Milliseconds as `87 ms` or `2.3 s`.
pub(super) fn duration_text(milliseconds: f64) -> String {
    if milliseconds < 1000.0 { format!("{milliseconds:.0} ms") } else { format!("{:.1} s", milliseconds / 1000.0) }
}

/// `1 caption`, `1,234 captions`.
pub(super) fn count_text(count: u64, one: &str, many: &str) -> String {
    let digits = count.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{grouped} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_have_a_real_minus_and_stand_for_probabilities() {
        assert_eq!(score_text(-0.608), "\u{2212}0.61");
        assert_eq!(probability_text(-0.608), "54\u{a0}%");
        assert_eq!(probability_text(0.0), "100\u{a0}%");
    }

    #[test]
    fn times_are_cut_at_the_minute() {
        assert_eq!(minute_text("2026-01-01T12:00:00Z"), "2026-01-01 12:00");
        assert_eq!(duration_text(87.4), "87 ms");
        assert_eq!(duration_text(2345.0), "2.3 s");
    }

    #[test]
    fn clocks_are_named_by_hours_and_minutes() {
        assert_eq!(clock_text(0), "UTC");
        assert_eq!(clock_text(330), "UTC+05:30");
        assert_eq!(clock_text(-210), "UTC\u{2212}03:30");
    }

    #[test]
    fn sizes_take_the_unit_that_fits() {
        assert_eq!(size_text(20_000_000), "20 MB");
        assert_eq!(size_text(1_500_000), "1.5 MB");
        assert_eq!(size_text(64_000), "64 kB");
        assert_eq!(size_text(7), "7 bytes");
    }

    #[test]
    fn counts_are_grouped_and_agree_with_their_noun() {
        assert_eq!(count_text(0, "caption", "captions"), "0 captions");
        assert_eq!(count_text(1, "caption", "captions"), "1 caption");
        assert_eq!(count_text(123, "caption", "captions"), "123 captions");
        assert_eq!(count_text(1_234_567, "caption", "captions"), "1,234,567 captions");
    }
}
