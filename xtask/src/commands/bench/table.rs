//! The figures as rows, with their ratios and the goals that they are held to.

use super::measure::Sample;
use anyhow::{Context as _, Result};
use serde::Serialize;

/// What was measured, over all runs.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    /// What was done.
    pub(crate) what: String,
    /// Wall time in seconds: the median.
    pub(crate) seconds: f64,
    /// The shortest.
    pub(crate) shortest: f64,
    /// The longest.
    pub(crate) longest: f64,
    /// Processor time in seconds: the median.
    pub(crate) cpu_seconds: f64,
    /// The most memory of any run, in MiB.
    pub(crate) peak_mib: Option<f64>,
    /// Millions of bytes in a second, where a number of bytes was given.
    pub(crate) megabytes_per_second: Option<f64>,
}

/// A ratio of two rows, or a figure, and what it should be.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Ratio {
    /// What is compared.
    pub(crate) what: String,
    /// The figure.
    pub(crate) value: f64,
    /// The goal, as `<= 1.3`; none where the figure is for information.
    pub(crate) goal: Option<String>,
    /// Whether the goal is reached.
    pub(crate) reached: Option<bool>,
}

impl Row {
    /// A row from the samples of all runs, of which there is one at least.
    pub(crate) fn of(what: &str, samples: &[Sample], bytes: Option<u64>) -> Self {
        let sorted = |of: fn(&Sample) -> f64| {
            let mut all: Vec<f64> = samples.iter().map(of).collect();
            all.sort_unstable_by(f64::total_cmp);
            all
        };
        let wall = sorted(|sample| sample.wall);
        let seconds = median(&wall);
        let peak = samples.iter().filter_map(|sample| sample.peak).max();
        Self {
            what: what.to_owned(),
            seconds,
            shortest: wall.first().copied().unwrap_or_default(),
            longest: wall.last().copied().unwrap_or_default(),
            cpu_seconds: median(&sorted(|sample| sample.cpu)),
            peak_mib: peak.map(|bytes| bytes as f64 / f64::from(1 << 20)),
            megabytes_per_second: bytes.map(|bytes| bytes as f64 / 1e6 / seconds),
        }
    }

    fn print(&self) -> String {
        let optional = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.0}"));
        format!(
            "{:<52} {:>8.2} {:>8.2} {:>8.2} {:>8.2} {:>9} {:>8}",
            self.what,
            self.seconds,
            self.shortest,
            self.longest,
            self.cpu_seconds,
            optional(self.peak_mib),
            optional(self.megabytes_per_second)
        )
    }
}

impl Ratio {
    /// A figure that should be at most `goal`.
    pub(crate) fn at_most(what: &str, value: f64, goal: f64) -> Self {
        Self {
            what: what.to_owned(),
            value,
            goal: Some(format!("<= {goal:.2}")),
            reached: Some(value <= goal),
        }
    }

    /// A figure that should be at least `goal`.
    pub(crate) fn at_least(what: &str, value: f64, goal: f64) -> Self {
        Self {
            what: what.to_owned(),
            value,
            goal: Some(format!(">= {goal:.2}")),
            reached: Some(value >= goal),
        }
    }

    /// A figure for information.
    pub(crate) fn only(what: &str, value: f64) -> Self {
        Self { what: what.to_owned(), value, goal: None, reached: None }
    }

    fn print(&self) -> String {
        let verdict = match self.reached {
            None => "",
            Some(true) => "reached",
            Some(false) => "missed",
        };
        format!(
            "{:<52} {:>8.2}  {:<9} {verdict}",
            self.what,
            self.value,
            self.goal.as_deref().unwrap_or_default()
        )
    }
}

/// The row of what was measured under this name.
pub(crate) fn row<'r>(rows: &'r [Row], what: &str) -> Result<&'r Row> {
    rows.iter().find(|row| row.what == what).with_context(|| format!("`{what}` was not measured"))
}

/// All of it as lines of text.
pub(crate) fn print(rows: &[Row], ratios: &[Ratio]) -> String {
    let head = format!(
        "{:<52} {:>8} {:>8} {:>8} {:>8} {:>9} {:>8}",
        "", "median s", "min s", "max s", "cpu s", "peak MiB", "MB/s"
    );
    let rows = rows.iter().map(Row::print);
    let lines: Vec<String> = [head].into_iter().chain(rows).map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n") + "\n\n" + &print_ratios(ratios)
}

/// The ratios alone.
pub(crate) fn print_ratios(ratios: &[Ratio]) -> String {
    ratios.iter().map(|ratio| ratio.print().trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// The middle one of sorted values, or the mean of the two in the middle.
pub(crate) fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    match (sorted.get(middle), sorted.len() % 2) {
        (None, _) => 0.0,
        (Some(value), 1) => *value,
        (Some(value), _) => f64::midpoint(sorted[middle - 1], *value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(wall: f64) -> Sample {
        Sample { wall, cpu: 2.0 * wall, peak: Some(3 << 20) }
    }

    #[test]
    fn a_row_has_the_median_and_both_ends() {
        let row = Row::of("x", &[sample(3.0), sample(1.0), sample(2.0)], Some(4_000_000));
        assert_eq!((row.seconds, row.shortest, row.longest, row.cpu_seconds), (2.0, 1.0, 3.0, 4.0));
        assert_eq!((row.peak_mib, row.megabytes_per_second), (Some(3.0), Some(2.0)));
        assert_eq!(Row::of("y", &[sample(1.0), sample(2.0)], None).seconds, 1.5);
    }

    #[test]
    fn goals_are_reached_or_missed() {
        let text = print(
            &[],
            &[Ratio::at_most("a", 1.31, 1.3), Ratio::at_least("b", 6.0, 6.0), Ratio::only("c", 1.0)],
        );
        let words: Vec<Vec<&str>> =
            text.lines().skip(2).map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(
            words,
            [
                vec!["a", "1.31", "<=", "1.30", "missed"],
                vec!["b", "6.00", ">=", "6.00", "reached"],
                vec!["c", "1.00"]
            ]
        );
    }
}
