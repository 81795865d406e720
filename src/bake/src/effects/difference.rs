//! The difference of two texts in the unified form of diff(1), for people who review a changed script.

use std::fmt::Write as _;

/// Lines around a change.
const CONTEXT: usize = 3;
/// Texts of more lines are shown whole: the table of a comparison would take too much memory.
const MOST_LINES: usize = 4000;

/// What changes from `old` to `new`, a line a line; empty when nothing does.
#[must_use]
pub fn unified(old: &str, new: &str) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let edits = edits(&a, &b);
    let changed: Vec<usize> =
        edits.iter().enumerate().filter(|(_, (sign, _))| *sign != ' ').map(|(at, _)| at).collect();
    let mut out = String::new();
    let mut at = 0;
    let (mut line_a, mut line_b) = (1, 1);
    while let Some(&first) = changed.iter().find(|&&change| change >= at) {
        let start = first.saturating_sub(CONTEXT).max(at);
        // changes closer than twice the context are one piece
        let mut last = first;
        for &change in changed.iter().filter(|&&change| change > first) {
            if change - last > 2 * CONTEXT {
                break;
            }
            last = change;
        }
        let end = (last + CONTEXT + 1).min(edits.len());
        let skipped = start - at;
        (line_a, line_b) = (line_a + skipped, line_b + skipped);
        let piece = &edits[start..end];
        let count = |sign: char| piece.iter().filter(|(known, _)| *known == ' ' || *known == sign).count();
        let (of_a, of_b) = (count('-'), count('+'));
        // writing to a String cannot fail
        let _ = writeln!(out, "@@ -{line_a},{of_a} +{line_b},{of_b} @@");
        for (sign, line) in piece {
            let _ = writeln!(out, "{sign}{line}");
        }
        (line_a, line_b, at) = (line_a + of_a, line_b + of_b, end);
    }
    out
}

/// All lines with ` `, `-` or `+`: the fewest changes, by the longest common subsequence.
fn edits<'t>(a: &[&'t str], b: &[&'t str]) -> Vec<(char, &'t str)> {
    if a.len() > MOST_LINES || b.len() > MOST_LINES {
        return a.iter().map(|line| ('-', *line)).chain(b.iter().map(|line| ('+', *line))).collect();
    }
    let width = b.len() + 1;
    let mut common = vec![0_u16; (a.len() + 1) * width];
    for (i, left) in a.iter().enumerate().rev() {
        for (j, right) in b.iter().enumerate().rev() {
            common[i * width + j] = if left == right {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut out = Vec::new();
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            out.push((' ', a[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == b.len() || (i < a.len() && common[(i + 1) * width + j] >= common[i * width + j + 1]) {
            out.push(('-', a[i]));
            i += 1;
        } else {
            out.push(('+', b[j]));
            j += 1;
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
        assert_eq!(unified("", "a\nb\n"), "@@ -1,0 +1,2 @@\n+a\n+b\n");
    }

    #[test]
    fn texts_of_any_length_are_compared_in_bounded_memory() {
        let long = "x\n".repeat(100_000);
        assert!(unified(&long, "y\n").ends_with("-x\n+y\n"));
    }
}
