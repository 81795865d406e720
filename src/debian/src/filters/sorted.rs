//! Filters of sorted lines: `comm`, `join`; and `tsort`.

use super::common::{Done, Run, number, records, size, text, unsupported};
use super::options::{Grammar, Takes};
use super::{Failure, Input};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// `comm`.
pub(super) fn comm(input: &mut Input<'_>) -> Done {
    const GRAMMAR: Grammar = Grammar {
        name: "comm",
        short: "123z",
        long: &[("output-delimiter", 'd', Takes::Value), ("zero-terminated", 'z', Takes::Nothing)],
        in_order: false,
    };
    let given = GRAMMAR.read(input.args)?;
    let mut run = Run::new("comm", input);
    let has = |letter| given.options.iter().any(|(found, _)| *found == letter);
    let end = if has('z') { 0 } else { b'\n' };
    let separator =
        given.options.iter().rev().find(|(letter, _)| *letter == 'd').map_or(b"\t".as_slice(), |(_, v)| v);
    let Some((a, b)) = two(&mut run, &given.operands)? else { return run.finish() };
    let (a, b): (Vec<&[u8]>, Vec<&[u8]>) = (records(&a, end).collect(), records(&b, end).collect());
    if !a.is_sorted() || !b.is_sorted() {
        return unsupported("comm of lines that are not sorted");
    }
    let (mut i, mut j) = (0, 0);
    loop {
        run.step(1)?;
        let (column, line) = match (a.get(i), b.get(j)) {
            (None, None) => break,
            (Some(one), None) => (1, one),
            (None, Some(other)) => (2, other),
            (Some(one), Some(other)) => match one.cmp(other) {
                Ordering::Less => (1, one),
                Ordering::Greater => (2, other),
                Ordering::Equal => (3, one),
            },
        };
        i += usize::from(column != 2);
        j += usize::from(column != 1);
        if has(['1', '2', '3'][column - 1]) {
            continue;
        }
        let before = ['1', '2'].iter().take(column - 1).filter(|column| !has(**column)).count();
        for _ in 0..before {
            run.put(separator)?;
        }
        run.line(line, end)?;
    }
    run.finish()
}

type Files<'a> = (std::borrow::Cow<'a, [u8]>, std::borrow::Cow<'a, [u8]>);

/// Both files of a program that takes two.
fn two<'a>(run: &mut Run<'_, 'a>, operands: &[Vec<u8>]) -> Result<Option<Files<'a>>, Failure> {
    let [one, other] = operands else {
        run.complain("it takes two files");
        run.out.status = 1;
        return Ok(None);
    };
    let (Some(one), Some(other)) = (run.open_or_complain(one, 1), run.open_or_complain(other, 1)) else {
        return Ok(None);
    };
    Ok(Some((one, other)))
}

/// `join`.
pub(super) fn join(input: &mut Input<'_>) -> Done {
    const GRAMMAR: Grammar = Grammar {
        name: "join",
        short: "1:2:a:e:ij:o:t:v:",
        long: &[("ignore-case", 'i', Takes::Nothing)],
        in_order: false,
    };
    let given = GRAMMAR.read(input.args)?;
    let mut run = Run::new("join", input);
    let (mut keys, mut unpaired, mut paired) = ([0usize, 0], [false, false], true);
    let (mut empty, mut separator, mut form) = (Vec::new(), None, None);
    for (letter, value) in given.options {
        let digit = number(&value).map(size);
        match (letter, digit) {
            ('1', Some(field @ 1..)) => keys[0] = field - 1,
            ('2', Some(field @ 1..)) => keys[1] = field - 1,
            ('j', Some(field @ 1..)) => keys = [field - 1; 2],
            ('a', Some(file @ 1..=2)) => unpaired[file - 1] = true,
            ('v', Some(file @ 1..=2)) => {
                unpaired[file - 1] = true;
                paired = false;
            }
            ('e', _) => empty = value,
            ('t', _) => match value.as_slice() {
                [one] if separator.is_some_and(|known| known != *one) => {
                    return run.fail("incompatible tabs", 1);
                }
                [one] => separator = Some(*one),
                _ => return unsupported(format!("join -t {}", text(&value))),
            },
            ('o', _) => match shape(&value) {
                Some(shape) => form.get_or_insert_with(Vec::new).extend(shape),
                None => return unsupported(format!("join -o {}", text(&value))),
            },
            _ => return unsupported(format!("join -{letter} {}", text(&value))),
        }
    }
    let Some((a, b)) = two(&mut run, &given.operands)? else { return run.finish() };
    let split = |data: &[u8], key: usize| -> Vec<(Vec<u8>, Vec<Vec<u8>>)> {
        records(data, b'\n')
            .map(|line| {
                let fields: Vec<Vec<u8>> = match separator {
                    Some(separator) => line.split(|byte| *byte == separator).map(<[u8]>::to_vec).collect(),
                    None => blank_fields(line),
                };
                (fields.get(key).cloned().unwrap_or_default(), fields)
            })
            .collect()
    };
    let (a, b) = (split(&a, keys[0]), split(&b, keys[1]));
    if !a.is_sorted_by(|x, y| x.0 <= y.0) || !b.is_sorted_by(|x, y| x.0 <= y.0) {
        return unsupported("join of lines that are not sorted");
    }
    let glue = [separator.unwrap_or(b' ')];
    let print = |run: &mut Run<'_, '_>, key: &[u8], lines: [Option<&Vec<Vec<u8>>>; 2]| {
        let mut fields: Vec<&[u8]> = Vec::new();
        match &form {
            Some(form) => {
                for place in form {
                    fields.push(match place {
                        None if key.is_empty() => &empty,
                        None => key,
                        Some((file, field)) => {
                            let field = lines[*file].and_then(|line| line.get(*field)).map(Vec::as_slice);
                            field.filter(|field| !field.is_empty()).unwrap_or(&empty)
                        }
                    });
                }
            }
            None => {
                fields.push(if key.is_empty() { &empty } else { key });
                for (line, key) in lines.into_iter().zip(keys) {
                    let rest = line.into_iter().flatten().enumerate().filter(|(index, _)| *index != key);
                    fields.extend(
                        rest.map(|(_, field)| if field.is_empty() { &empty } else { field.as_slice() }),
                    );
                }
            }
        }
        run.step(1)?;
        run.line(&fields.join(&glue[..]), b'\n')
    };
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        let order = match (a.get(i), b.get(j)) {
            (Some(one), Some(other)) => one.0.cmp(&other.0),
            (Some(_), None) => Ordering::Less,
            _ => Ordering::Greater,
        };
        match order {
            Ordering::Less => {
                if unpaired[0] {
                    print(&mut run, &a[i].0, [Some(&a[i].1), None])?;
                }
                i += 1;
            }
            Ordering::Greater => {
                if unpaired[1] {
                    print(&mut run, &b[j].0, [None, Some(&b[j].1)])?;
                }
                j += 1;
            }
            Ordering::Equal => {
                let key = a[i].0.clone();
                let last_a = i + a[i..].iter().take_while(|line| line.0 == key).count();
                let last_b = j + b[j..].iter().take_while(|line| line.0 == key).count();
                if paired {
                    for one in &a[i..last_a] {
                        for other in &b[j..last_b] {
                            print(&mut run, &key, [Some(&one.1), Some(&other.1)])?;
                        }
                    }
                }
                (i, j) = (last_a, last_b);
            }
        }
        run.step(1)?;
    }
    run.finish()
}

/// Fields between blanks; blanks at the end have an empty one after them.
fn blank_fields(line: &[u8]) -> Vec<Vec<u8>> {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = line.iter().take_while(|byte| blank(byte)).count();
    let rest = &line[start..];
    if rest.is_empty() {
        return Vec::new();
    }
    let mut fields: Vec<Vec<u8>> =
        rest.split(|byte| blank(byte)).filter(|field| !field.is_empty()).map(<[u8]>::to_vec).collect();
    if rest.last().is_some_and(blank) {
        fields.push(Vec::new());
    }
    fields
}

/// The list of `-o`: the join field (`0`), or file and field.
fn shape(value: &[u8]) -> Option<Vec<Option<(usize, usize)>>> {
    let places = value.split(|byte| matches!(byte, b',' | b' '));
    places
        .map(|place| match place {
            b"0" => Some(None),
            [file @ (b'1' | b'2'), b'.', field @ ..] => {
                Some(Some((usize::from(file - b'1'), size(number(field)?).checked_sub(1)?)))
            }
            _ => None,
        })
        .collect()
}

/// `tsort`: an order in which each word comes before those it was paired with.
pub(super) fn tsort(input: &mut Input<'_>) -> Done {
    const GRAMMAR: Grammar = Grammar { name: "tsort", short: "", long: &[], in_order: false };
    let given = GRAMMAR.read(input.args)?;
    let mut run = Run::new("tsort", input);
    let data = run.all(&given.operands, 1)?;
    let words: Vec<&[u8]> =
        data.split(|byte| matches!(byte, b' ' | b'\t' | b'\n')).filter(|word| !word.is_empty()).collect();
    if !words.len().is_multiple_of(2) {
        return run.fail("-: input contains an odd number of tokens", 1);
    }
    // successors in the reverse of their order, as GNU's program has them
    let mut items: BTreeMap<&[u8], (usize, Vec<&[u8]>)> = BTreeMap::new();
    for pair in words.chunks_exact(2) {
        run.step(1)?;
        items.entry(pair[0]).or_default();
        items.entry(pair[1]).or_default();
        if pair[0] != pair[1] {
            if let Some(item) = items.get_mut(pair[1]) {
                item.0 += 1;
            }
            if let Some(item) = items.get_mut(pair[0]) {
                item.1.insert(0, pair[1]);
            }
        }
    }
    let mut ready: std::collections::VecDeque<&[u8]> =
        items.iter().filter(|(_, item)| item.0 == 0).map(|(word, _)| *word).collect();
    let mut printed = 0;
    while let Some(word) = ready.pop_front() {
        run.step(1)?;
        run.line(word, b'\n')?;
        printed += 1;
        let next = items.get(word).map(|item| item.1.clone()).unwrap_or_default();
        for successor in next {
            if let Some(item) = items.get_mut(successor) {
                item.0 -= 1;
                if item.0 == 0 {
                    ready.push_back(successor);
                }
            }
        }
    }
    if printed < items.len() {
        return unsupported("tsort of a loop");
    }
    run.finish()
}
