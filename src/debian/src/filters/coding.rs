//! `base64`, `iconv` and `printenv`.

use super::Input;
use super::common::{Done, Run, length, number, size, text, unsupported};
use super::options::{Grammar, Takes};
use base64::Engine as _;

/// `base64`.
pub(super) fn base64(input: &mut Input<'_>) -> Done {
    const GRAMMAR: Grammar = Grammar {
        name: "base64",
        short: "diw:",
        long: &[
            ("decode", 'd', Takes::Nothing),
            ("ignore-garbage", 'i', Takes::Nothing),
            ("wrap", 'w', Takes::Value),
        ],
        in_order: false,
    };
    let given = GRAMMAR.read(input.args)?;
    let mut run = Run::new("base64", input);
    let (mut decode, mut ignore, mut wrap) = (false, false, 76);
    for (letter, value) in given.options {
        match letter {
            'd' => decode = true,
            'i' => ignore = true,
            _ => match number(&value) {
                Some(value) => wrap = size(value),
                None => return run.fail(&format!("invalid wrap size: '{}'", text(&value)), 1),
            },
        }
    }
    if given.operands.len() > 1 {
        return run.fail(&format!("extra operand '{}'", text(&given.operands[1])), 1);
    }
    let data = run.all(&given.operands, 1)?;
    run.step(length(data.len()) / 64 + 1)?;
    let engine = base64::engine::general_purpose::STANDARD;
    if decode {
        let known = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
        let bytes: Vec<u8> = data.iter().filter(|b| **b != b'\n' && (!ignore || known(b))).copied().collect();
        match engine.decode(&bytes) {
            Ok(decoded) => run.put(&decoded)?,
            // how much is printed before the complaint is not ours to guess
            Err(_) => return unsupported("base64 -d of invalid input"),
        }
        return run.finish();
    }
    let encoded = engine.encode(&data).into_bytes();
    if wrap == 0 {
        run.put(&encoded)?;
    } else {
        for line in encoded.chunks(wrap) {
            run.line(line, b'\n')?;
        }
    }
    run.finish()
}

/// `iconv` between encodings of which the text is the same in both.
pub(super) fn iconv(input: &mut Input<'_>) -> Done {
    const GRAMMAR: Grammar = Grammar {
        name: "iconv",
        short: "f:t:",
        long: &[("from-code", 'f', Takes::Value), ("to-code", 't', Takes::Value)],
        in_order: false,
    };
    let given = GRAMMAR.read(input.args)?;
    let mut run = Run::new("iconv", input);
    let coding = |wanted: char| {
        let value =
            given.options.iter().rev().find(|(letter, _)| *letter == wanted).map(|(_, value)| text(value));
        value.unwrap_or_default().to_ascii_uppercase()
    };
    let (from, to) = (coding('f'), coding('t'));
    // what cannot be written is said otherwise or left out: nothing here is such a text
    let to = to.split_once("//").map_or(to.as_str(), |(name, _)| name);
    let data = run.all(&given.operands, 1)?;
    run.step(length(data.len()) / 64 + 1)?;
    let utf8 = |name: &str| matches!(name, "UTF-8" | "UTF8");
    let ascii = |name: &str| matches!(name, "ASCII" | "US-ASCII" | "ANSI_X3.4-1968");
    let same = std::str::from_utf8(&data).is_ok() && utf8(&from) && utf8(to)
        || data.is_ascii() && (utf8(&from) || ascii(&from)) && (utf8(to) || ascii(to));
    if !same {
        return unsupported(format!("iconv from {from} to {to} of this text"));
    }
    run.put(&data)?;
    run.finish()
}

/// `printenv`.
pub(super) fn printenv(input: &mut Input<'_>) -> Done {
    const GRAMMAR: Grammar =
        Grammar { name: "printenv", short: "0", long: &[("null", '0', Takes::Nothing)], in_order: true };
    let given = GRAMMAR.read(input.args)?;
    let end = if given.options.is_empty() { b'\n' } else { 0 };
    let env = input.env;
    let mut run = Run::new("printenv", input);
    if given.operands.is_empty() {
        for (name, value) in env {
            run.step(1)?;
            run.line(&[name.as_slice(), b"=", value].concat(), end)?;
        }
        return run.finish();
    }
    for wanted in &given.operands {
        run.step(1)?;
        match env.iter().find(|(name, _)| name == wanted) {
            Some((_, value)) => run.line(value, end)?,
            None => run.out.status = 1,
        }
    }
    run.finish()
}
