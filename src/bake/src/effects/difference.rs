//! The difference of two texts in the unified form of diff(1), for people who review a changed script.

use similar::DiffTag;
use similar::algorithms::{Capture, Compact, Replace, myers};
use similar::udiff::UnifiedHunkHeader;
use std::convert::Infallible;
use std::fmt::Write as _;

/// Lines around a change.
const CONTEXT: usize = 3;
/// Texts of more lines are shown whole: comparing them would take too much time, and no clock is read here.
const MOST_LINES: usize = 4000;

/// What changes from `old` to `new`, a line a line; empty when nothing does.
#[must_use]
pub fn unified(old: &str, new: &str) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) =
        (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
    let mut out = String::new();
    // writing to a String cannot fail
    if a.len() <= MOST_LINES && b.len() <= MOST_LINES {
        let _ = hunks(&mut out, &a, &b);
    } else if old != new {
        let _ = writeln!(out, "@@ -1,{} +1,{} @@", a.len(), b.len());
        let _ = lines(&mut out, '-', &a).and_then(|()| lines(&mut out, '+', &b));
    }
    out
}

/// Appends the hunks of a difference to `out`.
///
/// Not by `similar::TextDiff`, which has each of its algorithms compiled for what is one function here: a fifteenth of this crate.
fn hunks(out: &mut String, old: &[&str], new: &[&str]) -> std::fmt::Result {
    let mut found = Compact::new(Replace::new(Capture::new()), old, new);
    let compared: Result<(), Infallible> = myers::diff(&mut found, old, 0..old.len(), new, 0..new.len());
    let Ok(()) = compared;
    for hunk in found.into_inner().into_inner().into_grouped_ops(CONTEXT) {
        writeln!(out, "{}", UnifiedHunkHeader::new(&hunk))?;
        for step in &hunk {
            let (gone, come) = (&old[step.old_range()], &new[step.new_range()]);
            match step.tag() {
                DiffTag::Equal => lines(out, ' ', gone)?,
                DiffTag::Delete | DiffTag::Insert | DiffTag::Replace => {
                    lines(out, '-', gone)?;
                    lines(out, '+', come)?;
                }
            }
        }
    }
    Ok(())
}

fn lines(out: &mut String, sign: char, lines: &[&str]) -> std::fmt::Result {
    lines.iter().try_for_each(|line| writeln!(out, "{sign}{}", line.strip_suffix('\n').unwrap_or(line)))
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
