//! Programs that run others: env, xargs, run-parts, nice and their like.

use super::options::parse;
use crate::files::{Bytes, Kind, join};
use crate::sh::{Call, Stop};

pub(super) fn env(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let options = parse(call, "+iu:", &[("ignore-environment", b'i'), ("unset", b'u')])?;
    let words: Vec<Bytes> = options.operands.iter().skip_while(|w| w.contains(&b'=')).cloned().collect();
    let values: Vec<Bytes> = options.operands.iter().take_while(|w| w.contains(&b'=')).cloned().collect();
    if words.is_empty() {
        let list = call.sh.s.vars.environment();
        for (name, value) in list {
            call.out.extend_from_slice(&[&name[..], b"=", &value, b"\n"].concat());
        }
        return Ok(0);
    }
    call.sh.s.vars.push();
    let mut old: Vec<Bytes> =
        options.all().filter(|(l, _)| *l == b'u').map(|(_, name)| name.clone()).collect();
    if options.has(b'i') {
        old.extend(call.sh.s.vars.environment().into_iter().map(|(name, _)| name));
    }
    for name in old {
        let _ = call.sh.s.vars.local(&name);
        let _ = call.sh.s.vars.unset(&name);
    }
    for word in values {
        let at = word.iter().position(|b| *b == b'=').unwrap_or(word.len());
        let name = word.get(..at).unwrap_or_default();
        let _ = call.sh.s.vars.local(name);
        let _ = call.sh.s.vars.set(name, word.get(at + 1..).unwrap_or_default().to_vec());
        call.sh.s.vars.export(name);
    }
    let result = call.run(&words);
    call.sh.s.vars.pop();
    result
}

/// `nice`, `nohup`, `ionice`, `stdbuf`, `timeout`, `setsid`, `runcon`: the command as it stands.
pub(super) fn as_it_stands(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let short = match call.name {
        "nice" => "+n:",
        "ionice" => "+c:n:t",
        "stdbuf" => "+i:o:e:",
        "timeout" => "+k:s:",
        _ => "+",
    };
    let options = parse(call, short, &[])?;
    let skipped = usize::from(call.name == "timeout");
    let words = options.operands.get(skipped..).unwrap_or_default().to_vec();
    call.run(&words)
}

pub(super) fn xargs(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let long = [
        ("null", b'0'),
        ("no-run-if-empty", b'r'),
        ("max-args", b'n'),
        ("delimiter", b'd'),
        ("replace", b'I'),
    ];
    let options = parse(call, "+0rn:d:I:tL:P:", &long)?;
    if options.has(b'L') {
        return Err(call.option(b"-L"));
    }
    let input = call.sh.read_all(0);
    let items: Vec<Bytes> = if options.has(b'0') {
        input.split(|b| *b == 0).filter(|item| !item.is_empty()).map(<[u8]>::to_vec).collect()
    } else if options.has(b'I') || options.value(b'd').is_some_and(|d| d == b"\\n" || d == b"\n") {
        input
            .split(|b| *b == b'\n')
            .map(<[u8]>::trim_ascii_start)
            .filter(|item| !item.is_empty())
            .map(<[u8]>::to_vec)
            .collect()
    } else if options.has(b'd') {
        return Err(call.option(b"-d"));
    } else {
        match words(&input) {
            Some(words) => words,
            None => return Ok(call.complain("unmatched quote")),
        }
    };
    let command = if options.operands.is_empty() { vec![b"echo".to_vec()] } else { options.operands.clone() };
    let mut status = 0;
    let mut note = |result: u8| {
        if result != 0 {
            status = 123;
        }
    };
    if let Some(mark) = options.value(b'I') {
        for item in items {
            let words: Vec<Bytes> = command.iter().map(|word| replace(word, mark, &item)).collect();
            note(call.run(&words)?);
        }
        return Ok(status);
    }
    if items.is_empty() {
        if !options.has(b'r') {
            note(call.run(&command)?);
        }
        return Ok(status);
    }
    let chunk = options.value(b'n').and_then(|n| super::mode::number(n)).map_or(5000, |n| n.max(1) as usize);
    for part in items.chunks(chunk) {
        note(call.run(&[&command[..], part].concat())?);
    }
    Ok(status)
}

pub(super) fn replace(word: &[u8], mark: &[u8], with: &[u8]) -> Bytes {
    let mut out = Vec::new();
    let mut rest = word;
    while !rest.is_empty() {
        if !mark.is_empty() && rest.starts_with(mark) {
            out.extend_from_slice(with);
            rest = rest.get(mark.len()..).unwrap_or_default();
        } else if let Some((byte, tail)) = rest.split_first() {
            out.push(*byte);
            rest = tail;
        }
    }
    out
}

/// Words by blanks, with quotes and backslashes as xargs has them.
fn words(input: &[u8]) -> Option<Vec<Bytes>> {
    let (mut all, mut word): (Vec<Bytes>, Option<Bytes>) = (Vec::new(), None);
    let mut bytes = input.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b' ' | b'\t' | b'\n' => all.extend(word.take()),
            b'\'' | b'"' => {
                let word = word.get_or_insert_default();
                loop {
                    match bytes.next()? {
                        end if end == byte => break,
                        inner => word.push(inner),
                    }
                }
            }
            b'\\' => word.get_or_insert_default().extend(bytes.next()),
            byte => word.get_or_insert_default().push(byte),
        }
    }
    all.extend(word);
    Some(all)
}

pub(super) fn run_parts(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let long = [
        ("verbose", b'v'),
        ("report", b'r'),
        ("exit-on-error", b'e'),
        ("arg", b'a'),
        ("lsbsysinit", b'l'),
        ("test", b't'),
        ("list", b'L'),
        ("regex", b'x'),
    ];
    let options = parse(call, "va:elrtLx:", &long)?;
    if options.has(b'x') {
        return Err(call.option(b"--regex"));
    }
    let Some(directory) = options.operands.first() else { return Ok(call.complain("missing operand")) };
    let at = match call.sh.files.resolve(&call.path(directory), true) {
        Ok(at) => at,
        Err(errno) => return call.errno("failed to open directory", directory, errno),
    };
    let names = match call.sh.files.list(&at) {
        Ok(names) => names,
        Err(errno) => return call.errno("failed to open directory", directory, errno),
    };
    let args: Vec<Bytes> =
        options.all().filter(|(l, _)| *l == b'a').map(|(_, value)| value.clone()).collect();
    let mut status = 0;
    for name in names {
        let lsb = options.has(b'l') && name.iter().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(b));
        if !lsb && !name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')) {
            continue;
        }
        let path = join(directory, &name);
        let meta = call.sh.files.stat(&call.path(&path));
        if !meta.is_some_and(|m| m.kind == Kind::File && m.mode & 0o111 != 0) {
            continue;
        }
        if options.has(b't') || options.has(b'L') {
            call.out.extend_from_slice(&[&path[..], b"\n"].concat());
            continue;
        }
        let result = call.run(&[std::slice::from_ref(&path), &args[..]].concat())?;
        if result != 0 {
            status = 1;
            call.complain(&format!("{} exited with return code {result}", String::from_utf8_lossy(&path)));
            if options.has(b'e') {
                break;
            }
        }
    }
    Ok(status)
}
