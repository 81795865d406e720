//! `head` and `tail`: the first and last lines or bytes.

use super::Input;
use super::common::{Done, Run, length, number, size, text, unsupported};
use super::options::{Grammar, Takes};

const HEAD: Grammar = Grammar {
    name: "head",
    short: "c:n:qvz",
    long: &[
        ("bytes", 'c', Takes::Value),
        ("lines", 'n', Takes::Value),
        ("quiet", 'q', Takes::Nothing),
        ("silent", 'q', Takes::Nothing),
        ("verbose", 'v', Takes::Nothing),
        ("zero-terminated", 'z', Takes::Nothing),
    ],
    in_order: false,
};

const TAIL: Grammar = Grammar { name: "tail", ..HEAD };

/// From which side to count.
#[derive(Clone, Copy)]
enum Count {
    /// So many.
    Only(usize),
    /// All but so many (`head -n -N`), or from that one on (`tail -n +N`).
    Other(usize),
}

/// `head`.
pub(super) fn head(input: &mut Input<'_>) -> Done {
    ends(&HEAD, b'-', input)
}

/// `tail`.
pub(super) fn tail(input: &mut Input<'_>) -> Done {
    ends(&TAIL, b'+', input)
}

/// A number with a suffix of GNU's.
fn count(value: &[u8], other: u8) -> Option<Count> {
    let (mark, value) = match value.first() {
        Some(mark @ (b'+' | b'-')) => (Some(*mark), &value[1..]),
        _ => (None, value),
    };
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let factor: u64 = match &value[digits..] {
        b"" => 1,
        b"b" => 512,
        b"kB" => 1000,
        b"K" | b"k" | b"KiB" => 1 << 10,
        b"MB" => 1_000_000,
        b"M" | b"m" | b"MiB" => 1 << 20,
        b"GB" => 1_000_000_000,
        b"G" | b"GiB" => 1 << 30,
        _ => return None,
    };
    let count = size(number(&value[..digits])?.saturating_mul(factor));
    Some(if mark == Some(other) { Count::Other(count) } else { Count::Only(count) })
}

fn ends(grammar: &'static Grammar, other: u8, input: &mut Input<'_>) -> Done {
    // `-5` stands for `-n 5`, as the first word only
    let mut args = input.args.to_vec();
    if let Some(first) = args.first_mut()
        && let Some(rest) = first.strip_prefix(b"-")
        && rest.first().is_some_and(u8::is_ascii_digit)
    {
        let alone = match input.args {
            [_] => true,
            [_, next] => !(next.len() > 1 && next.starts_with(b"-")),
            [_, next, ..] => next == b"--",
            [] => false,
        };
        if other == b'+' && !alone {
            return Run::new("tail", input)
                .fail(&format!("option used in invalid context -- {}", text(rest)), 1);
        }
        if !rest.iter().all(u8::is_ascii_digit) {
            return unsupported(format!("{} {}", grammar.name, text(first)));
        }
        *first = [b"-n", rest].concat();
    }
    let given = grammar.read(&args)?;
    let mut run = Run::new(grammar.name, input);
    let (mut bytes, mut wanted, mut end, mut titles) = (false, Count::Only(10), b'\n', None);
    // what `tail` was told once holds for all numbers after it
    let mut from = false;
    for (letter, value) in &given.options {
        match letter {
            'c' | 'n' => {
                bytes = *letter == 'c';
                let Some(count) = count(value, other) else {
                    let what = if bytes { "bytes" } else { "lines" };
                    return run.fail(&format!("invalid number of {what}: '{}'", text(value)), 1);
                };
                wanted = match count {
                    Count::Only(count) if from => Count::Other(count),
                    count => count,
                };
                from = other == b'+' && matches!(wanted, Count::Other(_));
            }
            'q' => titles = Some(false),
            'v' => titles = Some(true),
            'z' => end = 0,
            _ => {}
        }
    }
    let files = if given.operands.is_empty() { vec![b"-".to_vec()] } else { given.operands };
    if other == b'+' && matches!(wanted, Count::Only(0)) {
        // nothing would be printed, so nothing is read
        return run.finish();
    }
    let titles = titles.unwrap_or(files.len() > 1);
    let mut first = true;
    for file in &files {
        let data = match run.open(file) {
            Ok(data) => data,
            Err(error) => {
                run.complain(&format!("cannot open '{}' for reading: {error}", text(file)));
                run.out.status = 1;
                continue;
            }
        };
        if titles {
            let name = if file == b"-" { b"standard input".as_slice() } else { file };
            let gap: &[u8] = if first { b"" } else { b"\n" };
            run.put(&[gap, b"==> ", name, b" <==\n"].concat())?;
        }
        first = false;
        let unit = if bytes { None } else { Some(end) };
        let cut = if other == b'-' {
            match wanted {
                Count::Only(count) => ..forward(&data, count, unit),
                Count::Other(count) => ..backward(&data, count, unit),
            }
        } else {
            ..match wanted {
                Count::Only(count) => backward(&data, count, unit),
                Count::Other(count) => forward(&data, count.saturating_sub(1), unit),
            }
        };
        run.step(length(data.len()) / 64 + 1)?;
        let part = if other == b'-' { &data[cut] } else { &data[cut.end..] };
        run.put(part)?;
    }
    run.finish()
}

/// Where the first `count` units end.
fn forward(data: &[u8], count: usize, unit: Option<u8>) -> usize {
    let Some(end) = unit else { return count.min(data.len()) };
    if count == 0 {
        return 0;
    }
    let mut ends = data.iter().enumerate().filter(|(_, byte)| **byte == end);
    ends.nth(count - 1).map_or(data.len(), |(at, _)| at + 1)
}

/// Where the last `count` units start.
fn backward(data: &[u8], count: usize, unit: Option<u8>) -> usize {
    let Some(end) = unit else { return data.len().saturating_sub(count) };
    if count == 0 {
        return data.len();
    }
    let body = data.strip_suffix(&[end]).unwrap_or(data);
    let mut ends = body.iter().enumerate().rev().filter(|(_, byte)| **byte == end);
    ends.nth(count - 1).map_or(0, |(at, _)| at + 1)
}
