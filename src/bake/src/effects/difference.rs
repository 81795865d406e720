//! The difference of two texts in the unified form of diff(1), for people who review a changed script.

use similar::TextDiff;
use std::fmt::Write as _;

/// Lines around a change.
const CONTEXT: usize = 3;
/// Texts of more lines are shown whole: comparing them would take too much time, and no clock is read here.
const MOST_LINES: usize = 4000;

/// What changes from `old` to `new`, a line a line; empty when nothing does.
#[must_use]
pub fn unified(old: &str, new: &str) -> String {
    let (a, b) = (old.lines().count(), new.lines().count());
    if a <= MOST_LINES && b <= MOST_LINES {
        return TextDiff::from_lines(old, new)
            .unified_diff()
            .context_radius(CONTEXT)
            .missing_newline_hint(false)
            .to_string();
    }
    let mut out = String::new();
    if old == new {
        return out;
    }
    // writing to a String cannot fail
    let _ = writeln!(out, "@@ -1,{a} +1,{b} @@");
    for (sign, text) in [('-', old), ('+', new)] {
        for line in text.lines() {
            let _ = writeln!(out, "{sign}{line}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_that_of_diff() {
        let old: String = (1..=30).map(|n| format!("line {n}\n")).collect();
        let new =
            old.replace("line 5\n", "line five\n").replace("line 25\n", "").replace("line 9\n", "9\nnine\n");
        let expected = "@@ -2,11 +2,12 @@\n line 2\n line 3\n line 4\n-line 5\n+line five\n line 6\n line 7\n line 8\n-line 9\n+9\n+nine\n \
            line 10\n line 11\n line 12\n@@ -22,7 +23,6 @@\n line 22\n line 23\n line 24\n-line 25\n line 26\n line 27\n line 28\n";
        assert_eq!(unified(&old, &new), expected);
        assert_eq!(unified(&old, &old), "");
        assert_eq!(unified("", "a\nb\n"), "@@ -0,0 +1,2 @@\n+a\n+b\n");
        assert_eq!(unified("a\nb", "a\nc"), "@@ -1,2 +1,2 @@\n a\n-b\n+c\n");
    }

    #[test]
    fn texts_of_any_length_are_compared_in_bounded_time() {
        let long = "x\n".repeat(100_000);
        assert!(unified(&long, "y\n").ends_with("-x\n+y\n"));
        assert_eq!(unified(&long, &long), "");
    }
}
