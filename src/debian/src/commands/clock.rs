//! Dates, in UTC.

/// Year, month and day of a number of days since 1970.
pub(crate) fn civil(days: i64) -> (i64, i64, i64) {
    // Howard Hinnant's days_from_civil, the other way round
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

/// The time that `date` without a format wrote, `Fri Oct  3 12:00:00 UTC 2025`, or `@SECONDS`.
pub(super) fn parse(text: &str) -> Option<i64> {
    if let Some(seconds) = text.strip_prefix('@') {
        return seconds.parse().ok();
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let [_, month, day, time, "UTC", year] = words[..] else { return None };
    let month = MONTHS.iter().position(|name| name.get(..3) == Some(month))?;
    let (day, year): (i64, i64) = (day.parse().ok()?, year.parse().ok()?);
    let parts: Vec<i64> = time.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [hour, minute, second] = parts[..] else { return None };
    // the day is found by counting from the first of January of that year
    let start = (0..20_000).map(|n| n * 31).take_while(|days| civil(*days).0 < year).last().unwrap_or(0);
    let month = i64::try_from(month).ok()? + 1;
    let days = (start..start + 800).find(|days| civil(*days) == (year, month, day))?;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A time as strftime writes it; `None` for a conversion that is not known.
pub(super) fn format(seconds: i64, format: &[u8]) -> Option<Vec<u8>> {
    let (year, month, day) = civil(seconds.div_euclid(86_400));
    let of_day = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    let mut out = Vec::new();
    let mut rest = format;
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        if *byte != b'%' {
            out.push(*byte);
            continue;
        }
        let (letter, tail) = rest.split_first()?;
        rest = tail;
        let text = match letter {
            b'Y' => format!("{year:04}"),
            b'y' => format!("{:02}", year.rem_euclid(100)),
            b'm' => format!("{month:02}"),
            b'd' => format!("{day:02}"),
            b'e' => format!("{day:2}"),
            b'H' => format!("{hour:02}"),
            b'M' => format!("{minute:02}"),
            b'S' => format!("{second:02}"),
            b'N' => "000000000".to_owned(),
            b's' => seconds.to_string(),
            b'F' => format!("{year:04}-{month:02}-{day:02}"),
            b'T' => format!("{hour:02}:{minute:02}:{second:02}"),
            b'D' => format!("{month:02}/{day:02}/{:02}", year.rem_euclid(100)),
            b'a' => DAYS
                .get(usize::try_from((seconds.div_euclid(86_400) + 4).rem_euclid(7)).ok()?)?
                .get(..3)?
                .to_owned(),
            b'A' => {
                (*DAYS.get(usize::try_from((seconds.div_euclid(86_400) + 4).rem_euclid(7)).ok()?)?).to_owned()
            }
            b'b' | b'h' => MONTHS.get(usize::try_from(month - 1).ok()?)?.get(..3)?.to_owned(),
            b'B' => (*MONTHS.get(usize::try_from(month - 1).ok()?)?).to_owned(),
            b'Z' => "UTC".to_owned(),
            b'z' => "+0000".to_owned(),
            b'%' => "%".to_owned(),
            b'n' => "\n".to_owned(),
            _ => return None,
        };
        out.extend_from_slice(text.as_bytes());
    }
    Some(out)
}
