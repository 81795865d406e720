//! The time, as cloud-init's files and logs have it. A clock at 1970 is no error.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Time since 1970.
#[must_use]
pub fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Year, month, day, hour, minute, second, day of the week from Thursday on.
fn civil(time: Duration) -> [u64; 7] {
    let (days, seconds) = (time.as_secs() / 86_400, time.as_secs() % 86_400);
    // Howard Hinnant's days to a civil date, for days from 1970 on
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    [year, month, day, seconds / 3600, seconds / 60 % 60, seconds % 60, days % 7]
}

/// `2026-11-30 15:04:05,678`.
#[must_use]
pub fn log_time(time: Duration) -> String {
    let [year, month, day, hour, minute, second, _] = civil(time);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02},{:03}", time.subsec_millis())
}

/// `Mon, 30 Nov 2026 15:04:05 +0000`.
#[must_use]
pub fn mail_time(time: Duration) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let [year, month, day, hour, minute, second, weekday] = civil(time);
    let name = |names: &[&'static str], at: u64| {
        usize::try_from(at).ok().and_then(|at| names.get(at).copied()).unwrap_or_default()
    };
    let (weekday, month) = (name(&DAYS, weekday), name(&MONTHS, month - 1));
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} +0000")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_logs_have_them() {
        assert_eq!(log_time(Duration::ZERO), "1970-01-01 00:00:00,000");
        assert_eq!(log_time(Duration::from_millis(1_709_210_096_007)), "2024-02-29 12:34:56,007");
        assert_eq!(mail_time(Duration::from_secs(1_796_051_045)), "Mon, 30 Nov 2026 15:04:05 +0000");
        assert_eq!(mail_time(Duration::ZERO), "Thu, 01 Jan 1970 00:00:00 +0000");
    }
}
