//! Times as text: always UTC, whatever the host's zone is.

/// `seconds` since 1970 as RFC 3339, or as a number where it has no date.
#[must_use]
pub fn show(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_time_is_shown_in_utc() {
        assert_eq!(super::show(1_789_199_741), "2026-09-12T07:55:41Z");
        assert_eq!(super::show(i64::MAX), i64::MAX.to_string());
    }
}
