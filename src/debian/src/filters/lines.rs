//! Filters that print the lines of files in another form: `cat`, `tac`, `rev`, `nl`, `paste`, `fold`, `expand`, `tee`.

use super::Input;
use super::common::{Done, Run, length, number, push, records, size, text, unsupported};
use super::options::{Grammar, Takes};

fn or_stdin(operands: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    if operands.is_empty() { vec![b"-".to_vec()] } else { operands }
}

/// Lines with the byte that ends each.
fn whole_lines(data: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    data.split_inclusive(|byte| *byte == b'\n')
}

/// `cat`.
pub(super) fn cat(input: &mut Input<'_>) -> Done {
    const GRAMMAR: Grammar = Grammar {
        name: "cat",
        short: "AbeEnstTuv",
        long: &[
            ("show-all", 'A', Takes::Nothing),
            ("number-nonblank", 'b', Takes::Nothing),
            ("show-ends", 'E', Takes::Nothing),
            ("number", 'n', Takes::Nothing),
            ("squeeze-blank", 's', Takes::Nothing),
            ("show-tabs", 'T', Takes::Nothing),
            ("show-nonprinting", 'v', Takes::Nothing),
        ],
        in_order: false,
    };
    let given = GRAMMAR.read(input.args)?;
    let mut run = Run::new("cat", input);
    let has = |letters: &str| given.options.iter().any(|(found, _)| letters.contains(*found));
    let (ends, tabs, visible) = (has("AeE"), has("AtT"), has("Aetv"));
    let (numbers, nonblank, squeeze) = (has("nb"), has("b"), has("s"));
    let plain = !(ends || tabs || visible || numbers || squeeze);
    if ends && run.input.stdin.contains(&b'\r') {
        return unsupported("cat -E of carriage returns");
    }
    let data = run.all(&given.operands, 1)?;
    run.step(length(data.len()) / 64 + 1)?;
    if plain {
        run.put(&data)?;
        return run.finish();
    }
    let (mut count, mut blank) = (0u64, false);
    for line in whole_lines(&data) {
        run.step(1)?;
        let empty = line == b"\n";
        if empty && squeeze && blank {
            continue;
        }
        blank = empty;
        if numbers && !(nonblank && empty) {
            count += 1;
            run.put(format!("{count:6}\t").as_bytes())?;
        }
        let body = line.strip_suffix(b"\n").unwrap_or(line);
        for byte in body {
            match byte {
                b'\t' if tabs => run.put(b"^I")?,
                byte if visible && *byte != b'\t' => show(&mut run, *byte)?,
                byte => run.put(&[*byte])?,
            }
        }
        if body.len() < line.len() {
            run.put(if ends { b"$\n" } else { b"\n" })?;
        }
    }
    run.finish()
}

fn show(run: &mut Run<'_, '_>, byte: u8) -> Result<(), super::Failure> {
    let low = byte & 0x7f;
    if byte >= 0x80 {
        run.put(b"M-")?;
    }
    match low {
        0..=31 => run.put(&[b'^', low + 64]),
        127 => run.put(b"^?"),
        other => run.put(&[other]),
    }
}

/// `tac`.
pub(super) fn tac(input: &mut Input<'_>) -> Done {
    const GRAMMAR: Grammar = Grammar { name: "tac", short: "", long: &[], in_order: false };
    let given = GRAMMAR.read(input.args)?;
    let mut run = Run::new("tac", input);
    for file in or_stdin(given.operands) {
        let data = match run.open(&file) {
            Ok(data) => data,
            Err(error) => {
                run.complain(&format!("failed to open '{}' for reading: {error}", text(&file)));
                run.out.status = 1;
                continue;
            }
        };
        for line in whole_lines(&data).rev() {
            run.step(1)?;
            run.put(line)?;
        }
    }
    run.finish()
}

/// `rev` of util-linux.
pub(super) fn rev(input: &mut Input<'_>) -> Done {
    const GRAMMAR: Grammar = Grammar { name: "rev", short: "", long: &[], in_order: false };
    let given = GRAMMAR.read(input.args)?;
    let mut run = Run::new("rev", input);
    // it knows no `-`
    let stdin = given.operands.is_empty();
    for file in or_stdin(given.operands) {
        let data =
            if stdin { Ok(run.stdin().into()) } else { (run.input.read)(&file).map(std::borrow::Cow::Owned) };
        let data = match data {
            Ok(data) => data,
            Err(error) => {
                run.complain(&format!("cannot open {}: {error}", text(&file)));
                run.out.status = 1;
                continue;
            }
        };
        for line in whole_lines(&data) {
            run.step(1)?;
            let body = line.strip_suffix(b"\n").unwrap_or(line);
            let mut reversed: Vec<u8> = body.iter().rev().copied().collect();
            reversed.extend_from_slice(&line[body.len()..]);
            run.put(&reversed)?;
        }
    }
    run.finish()
}

/// `nl`, without pages.
pub(super) fn nl(input: &mut Input<'_>) -> Done {
    const GRAMMAR: Grammar = Grammar {
        name: "nl",
        short: "b:i:n:s:v:w:",
        long: &[
            ("body-numbering", 'b', Takes::Value),
            ("line-increment", 'i', Takes::Value),
            ("number-format", 'n', Takes::Value),
            ("number-separator", 's', Takes::Value),
            ("starting-line-number", 'v', Takes::Value),
            ("number-width", 'w', Takes::Value),
        ],
        in_order: false,
    };
    let given = GRAMMAR.read(input.args)?;
    let mut run = Run::new("nl", input);
    let (mut style, mut by, mut form, mut separator) = (b"t".to_vec(), 1, b"rn".to_vec(), b"\t".to_vec());
    let (mut next, mut width) = (1u64, 6usize);
    for (letter, value) in given.options {
        let digits = number(&value);
        match (letter, digits) {
            ('b', _) => style = value,
            ('n', _) => form = value,
            ('s', _) => separator = value,
            ('i', Some(value)) => by = value,
            ('v', Some(value)) => next = value,
            ('w', Some(value @ 1..=512)) => width = size(value),
            _ => return unsupported(format!("nl -{letter} {}", text(&value))),
        }
    }
    if !matches!(style.as_slice(), b"a" | b"t" | b"n") || !matches!(form.as_slice(), b"rn" | b"ln" | b"rz") {
        return unsupported(format!("nl -b {} -n {}", text(&style), text(&form)));
    }
    let mut all = Vec::new();
    for file in or_stdin(given.operands) {
        let Some(data) = run.open_or_complain(&file, 1) else { continue };
        push(&mut all, &data)?;
        if !all.is_empty() && !all.ends_with(b"\n") {
            all.push(b'\n');
        }
    }
    for line in records(&all, b'\n') {
        run.step(1)?;
        if matches!(line, b"\\:" | b"\\:\\:" | b"\\:\\:\\:") {
            return unsupported("nl of logical pages");
        }
        if style == b"a" || style == b"t" && !line.is_empty() {
            let number = match form.as_slice() {
                b"ln" => format!("{next:<width$}"),
                b"rz" => format!("{next:0>width$}"),
                _ => format!("{next:>width$}"),
            };
            run.put(number.as_bytes())?;
            run.put(&separator)?;
            next = next.saturating_add(by);
        } else {
            run.put(&vec![b' '; width + separator.len()])?;
        }
        run.line(line, b'\n')?;
    }
    run.finish()
}

/// `paste`.
pub(super) fn paste(input: &mut Input<'_>) -> Done {
    const GRAMMAR: Grammar = Grammar {
        name: "paste",
        short: "d:sz",
        long: &[
            ("delimiters", 'd', Takes::Value),
            ("serial", 's', Takes::Nothing),
            ("zero-terminated", 'z', Takes::Nothing),
        ],
        in_order: false,
    };
    let given = GRAMMAR.read(input.args)?;
    let mut run = Run::new("paste", input);
    let (mut serial, mut end, mut list) = (false, b'\n', b"\t".to_vec());
    for (letter, value) in given.options {
        match letter {
            'd' => list = value,
            's' => serial = true,
            _ => end = 0,
        }
    }
    // a delimiter may be nothing at all
    let mut delimiters: Vec<Option<u8>> = Vec::new();
    let mut bytes = list.iter();
    while let Some(byte) = bytes.next() {
        delimiters.push(match byte {
            b'\\' => match bytes.next() {
                Some(b'0') => None,
                Some(b'n') => Some(b'\n'),
                Some(b't') => Some(b'\t'),
                Some(b'b') => Some(8),
                Some(b'f') => Some(12),
                Some(b'r') => Some(13),
                Some(b'v') => Some(11),
                Some(other) => Some(*other),
                None => return run.fail("delimiter list ends with an unescaped backslash: \\", 1),
            },
            other => Some(*other),
        });
    }
    if delimiters.is_empty() {
        delimiters.push(None);
    }
    let files = or_stdin(given.operands);
    let shared = files.iter().filter(|file| *file == b"-").count();
    if serial {
        for file in &files {
            let Some(data) = run.open_or_complain(file, 1) else { continue };
            for (index, line) in records(&data, end).enumerate() {
                run.step(1)?;
                if index > 0
                    && let Some(delimiter) = delimiters[(index - 1) % delimiters.len()]
                {
                    run.put(&[delimiter])?;
                }
                run.put(line)?;
            }
            run.put(&[end])?;
        }
        return run.finish();
    }
    // several `-` take lines of standard input in turn
    let stdin = if shared > 0 { run.stdin() } else { &[] };
    let mut turn = 0;
    let mut columns: Vec<Vec<Vec<u8>>> = Vec::new();
    for file in &files {
        if file == b"-" {
            columns.push(records(stdin, end).skip(turn).step_by(shared).map(<[u8]>::to_vec).collect());
            turn += 1;
        } else {
            let data = match run.open(file) {
                Ok(data) => data,
                Err(error) => return run.fail(&format!("{}: {error}", text(file)), 1),
            };
            columns.push(records(&data, end).map(<[u8]>::to_vec).collect());
        }
    }
    for row in 0..columns.iter().map(Vec::len).max().unwrap_or(0) {
        for (index, column) in columns.iter().enumerate() {
            run.step(1)?;
            if index > 0
                && let Some(delimiter) = delimiters[(index - 1) % delimiters.len()]
            {
                run.put(&[delimiter])?;
            }
            run.put(column.get(row).map(Vec::as_slice).unwrap_or_default())?;
        }
        run.put(&[end])?;
    }
    run.finish()
}

/// `fold`.
pub(super) fn fold(input: &mut Input<'_>) -> Done {
    const GRAMMAR: Grammar = Grammar {
        name: "fold",
        short: "bsw:",
        long: &[
            ("bytes", 'b', Takes::Nothing),
            ("spaces", 's', Takes::Nothing),
            ("width", 'w', Takes::Value),
        ],
        in_order: false,
    };
    let given = GRAMMAR.read(input.args)?;
    let mut run = Run::new("fold", input);
    let (mut bytes, mut spaces, mut width) = (false, false, 80);
    for (letter, value) in given.options {
        match letter {
            'b' => bytes = true,
            's' => spaces = true,
            _ => match number(&value) {
                Some(value @ 1..) => width = size(value),
                _ => return run.fail(&format!("invalid number of columns: '{}'", text(&value)), 1),
            },
        }
    }
    let advance = |column: usize, byte: u8| match byte {
        _ if bytes => column + 1,
        8 => column.saturating_sub(1),
        b'\r' => 0,
        b'\t' => column + 8 - column % 8,
        _ => column + 1,
    };
    for file in or_stdin(given.operands) {
        let Some(data) = run.open_or_complain(&file, 1) else { continue };
        let mut line: Vec<u8> = Vec::new();
        let mut column = 0;
        for byte in data.iter() {
            run.step(1)?;
            if *byte == b'\n' {
                line.push(b'\n');
                run.put(&line)?;
                line.clear();
                column = 0;
                continue;
            }
            loop {
                let next = advance(column, *byte);
                if next <= width {
                    column = next;
                    line.push(*byte);
                    break;
                }
                if spaces && let Some(at) = line.iter().rposition(|byte| matches!(byte, b' ' | b'\t')) {
                    let rest = line.split_off(at + 1);
                    run.line(&line, b'\n')?;
                    line = rest;
                    column = line.iter().fold(0, |column, byte| advance(column, *byte));
                    continue;
                }
                if line.is_empty() {
                    column = next;
                    line.push(*byte);
                    break;
                }
                run.line(&line, b'\n')?;
                line.clear();
                column = 0;
            }
        }
        run.put(&line)?;
    }
    run.finish()
}

/// `expand`.
pub(super) fn expand(input: &mut Input<'_>) -> Done {
    const GRAMMAR: Grammar = Grammar {
        name: "expand",
        short: "it:",
        long: &[("initial", 'i', Takes::Nothing), ("tabs", 't', Takes::Value)],
        in_order: false,
    };
    let given = GRAMMAR.read(input.args)?;
    let mut run = Run::new("expand", input);
    let (mut initial, mut width, mut lists) = (false, 8, 0);
    for (letter, value) in given.options {
        lists += usize::from(letter == 't');
        match (letter, number(&value)) {
            ('i', _) => initial = true,
            (_, Some(value @ 1..=8192)) if lists == 1 => width = size(value),
            _ => return unsupported(format!("expand -t {}", text(&value))),
        }
    }
    let data = run.all(&given.operands, 1)?;
    let (mut column, mut leading) = (0, true);
    for byte in data.iter() {
        run.step(1)?;
        match byte {
            b'\t' if leading || !initial => {
                let gap = width - column % width;
                run.put(&vec![b' '; gap])?;
                column += gap;
            }
            b'\n' => {
                run.put(b"\n")?;
                (column, leading) = (0, true);
            }
            8 => {
                run.put(&[8])?;
                column = column.saturating_sub(1);
                leading = false;
            }
            other => {
                run.put(&[*other])?;
                column += 1;
                leading &= matches!(other, b' ' | b'\t');
            }
        }
    }
    run.finish()
}

/// `tee`.
pub(super) fn tee(input: &mut Input<'_>) -> Done {
    const GRAMMAR: Grammar = Grammar {
        name: "tee",
        short: "ai",
        long: &[("append", 'a', Takes::Nothing), ("ignore-interrupts", 'i', Takes::Nothing)],
        in_order: false,
    };
    let given = GRAMMAR.read(input.args)?;
    let mut run = Run::new("tee", input);
    let append = given.options.iter().any(|(letter, _)| *letter == 'a');
    let data = run.stdin();
    run.step(length(data.len()) / 64 + 1)?;
    run.put(data)?;
    for file in &given.operands {
        match file.as_slice() {
            b"/dev/null" => continue,
            b"/dev/stdout" => {
                run.put(data)?;
                continue;
            }
            b"/dev/stderr" => {
                push(&mut run.out.stderr, data)?;
                continue;
            }
            _ => {}
        }
        let mut written = Vec::new();
        if append {
            let before =
                run.out.writes.iter().rev().find(|(name, _)| name == file).map(|(_, data)| data.clone());
            match before.map_or_else(|| (run.input.read)(file), Ok) {
                Ok(old) => written = old,
                Err(error) if error == "No such file or directory" => {}
                Err(error) => {
                    run.complain(&format!("{}: {error}", text(file)));
                    run.out.status = 1;
                    continue;
                }
            }
        }
        push(&mut written, data)?;
        run.write(file, written)?;
    }
    run.finish()
}
