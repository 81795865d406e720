//! `md5sum` and its like, and `cksum`: digests of files.

use super::Input;
use super::common::{Done, Run, length, records, text, unsupported};
use super::options::{Grammar, Takes};
use sha2::Digest as _;

/// A digest, in hexadecimal.
type Hash = fn(&[u8]) -> String;

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// The MD5 of bytes, as `md5sum` prints it.
pub(super) fn md5_of(data: &[u8]) -> String {
    hexadecimal(&md5::Md5::digest(data))
}

/// `md5sum`.
pub(super) fn md5sum(input: &mut Input<'_>) -> Done {
    sums("md5sum", "MD5", 32, |data| hexadecimal(&md5::Md5::digest(data)), input)
}

/// `sha1sum`.
pub(super) fn sha1sum(input: &mut Input<'_>) -> Done {
    sums("sha1sum", "SHA1", 40, |data| hexadecimal(&<sha1::Sha1 as sha1::Digest>::digest(data)), input)
}

/// `sha224sum`.
pub(super) fn sha224sum(input: &mut Input<'_>) -> Done {
    sums("sha224sum", "SHA224", 56, |data| hexadecimal(&sha2::Sha224::digest(data)), input)
}

/// `sha256sum`.
pub(super) fn sha256sum(input: &mut Input<'_>) -> Done {
    sums("sha256sum", "SHA256", 64, |data| hexadecimal(&sha2::Sha256::digest(data)), input)
}

/// `sha384sum`.
pub(super) fn sha384sum(input: &mut Input<'_>) -> Done {
    sums("sha384sum", "SHA384", 96, |data| hexadecimal(&sha2::Sha384::digest(data)), input)
}

/// `sha512sum`.
pub(super) fn sha512sum(input: &mut Input<'_>) -> Done {
    sums("sha512sum", "SHA512", 128, |data| hexadecimal(&sha2::Sha512::digest(data)), input)
}

fn sums(name: &'static str, tag: &str, width: usize, hash: Hash, input: &mut Input<'_>) -> Done {
    let grammar = Grammar {
        name,
        short: "bctwz",
        long: &[
            ("binary", 'b', Takes::Nothing),
            ("check", 'c', Takes::Nothing),
            ("text", 't', Takes::Nothing),
            ("warn", 'w', Takes::Nothing),
            ("zero", 'z', Takes::Nothing),
            ("tag", 'T', Takes::Nothing),
            ("quiet", 'q', Takes::Nothing),
            ("status", 's', Takes::Nothing),
            ("strict", 'S', Takes::Nothing),
            ("ignore-missing", 'i', Takes::Nothing),
        ],
        in_order: false,
    };
    let given = grammar.read(input.args)?;
    let mut run = Run::new(name, input);
    let has = |letter| given.options.iter().any(|(found, _)| *found == letter);
    let files = if given.operands.is_empty() { vec![b"-".to_vec()] } else { given.operands.clone() };
    if has('c') {
        for list in &files {
            check(&mut run, list, tag, width, hash, &has)?;
        }
        return run.finish();
    }
    let end = if has('z') { 0 } else { b'\n' };
    for file in &files {
        let Some(data) = run.open_or_complain(file, 1) else { continue };
        run.step(length(data.len()) / 64 + 1)?;
        let digest = hash(&data);
        let escaped = !has('z') && file.iter().any(|byte| matches!(byte, b'\\' | b'\n' | b'\r'));
        let shown = if escaped { escape(file) } else { file.clone() };
        if escaped {
            run.put(b"\\")?;
        }
        if has('T') {
            run.put(&[tag.as_bytes(), b" (", &shown, b") = ", digest.as_bytes()].concat())?;
        } else {
            let mark: &[u8] = if has('b') { b" *" } else { b"  " };
            run.put(&[digest.as_bytes(), mark, &shown].concat())?;
        }
        run.put(&[end])?;
    }
    run.finish()
}

fn escape(file: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::new();
    for byte in file {
        match byte {
            b'\\' => escaped.extend_from_slice(b"\\\\"),
            b'\n' => escaped.extend_from_slice(b"\\n"),
            b'\r' => escaped.extend_from_slice(b"\\r"),
            other => escaped.push(*other),
        }
    }
    escaped
}

/// Digest and file of a line of a list.
fn entry<'l>(line: &'l [u8], tag: &str, width: usize) -> Option<(String, &'l [u8])> {
    let digest = |bytes: &[u8]| {
        (bytes.len() == width && bytes.iter().all(u8::is_ascii_hexdigit))
            .then(|| text(bytes).to_ascii_lowercase())
    };
    if let Some(rest) = line.strip_prefix(tag.as_bytes()).and_then(|rest| rest.strip_prefix(b" (")) {
        let at = rest.windows(4).rposition(|window| window == b") = ")?;
        return Some((digest(&rest[at + 4..])?, &rest[..at]));
    }
    let blank = line.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let line = &line[blank..];
    let sum = digest(line.get(..width)?)?;
    match &line[width..] {
        [b' ', b' ' | b'*', file @ ..] if !file.is_empty() => Some((sum, file)),
        [b' ', file @ ..] if !file.is_empty() => Some((sum, file)),
        _ => None,
    }
}

fn check(
    run: &mut Run<'_, '_>,
    list: &[u8],
    tag: &str,
    width: usize,
    hash: Hash,
    has: &dyn Fn(char) -> bool,
) -> Result<(), super::Failure> {
    let Some(data) = run.open_or_complain(list, 1) else { return Ok(()) };
    let (mut proper, mut improper, mut missing, mut wrong, mut checked) = (0u64, 0u64, 0u64, 0u64, 0u64);
    for line in records(&data, b'\n') {
        run.step(1)?;
        if line.starts_with(b"#") {
            continue;
        }
        if line.starts_with(b"\\") {
            return unsupported(format!("{} -c of a file name with escapes", run.name));
        }
        let Some((digest, file)) = entry(line.strip_suffix(b"\r").unwrap_or(line), tag, width) else {
            improper += 1;
            continue;
        };
        proper += 1;
        let status = !has('s');
        match run.open(file) {
            Err(error) if error == "No such file or directory" && has('i') => {}
            Err(error) => {
                run.complain(&format!("{}: {error}", text(file)));
                missing += 1;
                if status {
                    run.put(&[file, b": FAILED open or read\n"].concat())?;
                }
            }
            Ok(data) => {
                run.step(length(data.len()) / 64 + 1)?;
                checked += 1;
                if hash(&data) == digest {
                    if status && !has('q') {
                        run.put(&[file, b": OK\n"].concat())?;
                    }
                } else {
                    wrong += 1;
                    if status {
                        run.put(&[file, b": FAILED\n"].concat())?;
                    }
                }
            }
        }
    }
    let list = if list == b"-" { "standard input".to_owned() } else { text(list) };
    if proper == 0 {
        run.complain(&format!("{list}: no properly formatted checksum lines found"));
        run.out.status = 1;
        return Ok(());
    }
    let warn = |run: &mut Run<'_, '_>, count: u64, one: &str, many: &str| {
        if count > 0 && !has('s') {
            run.complain(&format!("WARNING: {count} {}", if count == 1 { one } else { many }));
        }
    };
    warn(run, improper, "line is improperly formatted", "lines are improperly formatted");
    warn(run, missing, "listed file could not be read", "listed files could not be read");
    warn(run, wrong, "computed checksum did NOT match", "computed checksums did NOT match");
    if checked == 0 && has('i') {
        run.complain(&format!("{list}: no file was verified"));
    }
    if missing > 0 || wrong > 0 || improper > 0 && has('S') || checked == 0 {
        run.out.status = 1;
    }
    Ok(())
}

/// `cksum`: the CRC of POSIX and the length.
pub(super) fn cksum(input: &mut Input<'_>) -> Done {
    const GRAMMAR: Grammar = Grammar { name: "cksum", short: "", long: &[], in_order: false };
    let given = GRAMMAR.read(input.args)?;
    let mut run = Run::new("cksum", input);
    let stdin = given.operands.is_empty();
    let files = if stdin { vec![b"-".to_vec()] } else { given.operands };
    for file in &files {
        let Some(data) = run.open_or_complain(file, 1) else { continue };
        run.step(length(data.len()) / 8 + 1)?;
        let mut crc = data.iter().fold(0, |crc, byte| shift(crc, *byte));
        let mut rest = data.len();
        while rest != 0 {
            crc = shift(crc, u8::try_from(rest & 0xff).unwrap_or_default());
            rest >>= 8;
        }
        let name = if stdin { String::new() } else { format!(" {}", text(file)) };
        run.put(format!("{} {}{name}\n", !crc, data.len()).as_bytes())?;
    }
    run.finish()
}

fn shift(crc: u32, byte: u8) -> u32 {
    let mut crc = crc ^ u32::from(byte) << 24;
    for _ in 0..8 {
        crc = crc << 1 ^ if crc & 0x8000_0000 == 0 { 0 } else { 0x04c1_1db7 };
    }
    crc
}
