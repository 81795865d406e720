//! Words of awk programs.

use super::super::Failure;
use super::super::common::{text, unsupported};
use super::super::number;
use super::super::regex::awk_escape;

/// A word.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Newline,
    Number(f64),
    Text(Vec<u8>),
    Pattern(Vec<u8>),
    /// A name that is not a word of the language.
    Name(Vec<u8>),
    /// A name with a parenthesis right after it: the call of a function.
    Call(Vec<u8>),
    /// A word of the language, or a function that it has.
    Word(&'static str),
    /// An operator.
    Mark(&'static str),
    End,
}

/// Words of the language.
const WORDS: &[&str] = &[
    "BEGIN", "END", "function", "func", "if", "else", "while", "for", "do", "break", "continue", "next",
    "nextfile", "exit", "return", "delete", "in", "getline", "print", "printf", "length", "substr", "index",
    "split", "sub", "gsub", "match", "sprintf", "tolower", "toupper", "sin", "cos", "atan2", "exp", "log",
    "sqrt", "int", "rand", "srand", "system", "close", "fflush",
];

/// Functions of gawk or mawk alone, and what depends on the machine.
const FOREIGN: &[&[u8]] = &[
    b"gensub",
    b"strftime",
    b"systime",
    b"mktime",
    b"asort",
    b"asorti",
    b"strtonum",
    b"patsplit",
    b"and",
    b"or",
    b"xor",
    b"lshift",
    b"rshift",
    b"compl",
    b"switch",
    b"BEGINFILE",
    b"ENDFILE",
    b"isarray",
    b"typeof",
];

/// Operators, the longer ones first.
const MARKS: &[&str] = &[
    "&&", "||", "++", "--", "+=", "-=", "*=", "/=", "%=", "^=", "==", "<=", ">=", "!=", "!~", ">>", "{", "}",
    "(", ")", "[", "]", ";", ",", "+", "-", "*", "/", "%", "^", "!", ">", "<", "|", "?", ":", "~", "$", "=",
];

/// The words of a program.
pub(super) fn lex(program: &[u8]) -> Result<Vec<Token>, Failure> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut at = 0;
    while let Some(byte) = program.get(at) {
        match byte {
            b' ' | b'\t' | b'\r' => at += 1,
            b'\n' => {
                tokens.push(Token::Newline);
                at += 1;
            }
            b'#' => at += program[at..].iter().take_while(|byte| **byte != b'\n').count(),
            b'\\' if program.get(at + 1) == Some(&b'\n') => at += 2,
            b'\\' if program.get(at + 1) == Some(&b'\r') && program.get(at + 2) == Some(&b'\n') => at += 3,
            b'"' => {
                let (string, end) = string(program, at + 1)?;
                tokens.push(Token::Text(string));
                at = end;
            }
            b'/' if starts_pattern(tokens.last()) => {
                let (pattern, end) = pattern(program, at + 1)?;
                tokens.push(Token::Pattern(pattern));
                at = end;
            }
            b'0'..=b'9' | b'.' => {
                let rest = &program[at..];
                // a number of awk has no sign and is decimal
                let end = rest
                    .iter()
                    .take_while(|byte| {
                        byte.is_ascii_alphanumeric() || **byte == b'.' || **byte == b'+' || **byte == b'-'
                    })
                    .count();
                let decimal =
                    if rest.get(1).is_some_and(|byte| matches!(byte, b'x' | b'X')) { 1 } else { end };
                let (value, read) = number::real(&rest[..decimal]);
                if read == 0 {
                    return unsupported(format!("awk program: {}", text(&rest[..rest.len().min(20)])));
                }
                tokens.push(Token::Number(value));
                at += read;
            }
            letter if letter.is_ascii_alphabetic() || *letter == b'_' => {
                let rest = &program[at..];
                let length =
                    rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
                let name = &rest[..length];
                at += length;
                if FOREIGN.contains(&name) {
                    return unsupported(format!("{} of awk", text(name)));
                }
                tokens.push(match WORDS.iter().find(|word| word.as_bytes() == name) {
                    Some(&"func") => Token::Word("function"),
                    Some(word) => Token::Word(word),
                    None if program.get(at) == Some(&b'(') => Token::Call(name.to_vec()),
                    None => Token::Name(name.to_vec()),
                });
            }
            b'*' if program.get(at + 1) == Some(&b'*') => return unsupported("** of awk"),
            _ => match MARKS.iter().find(|mark| program[at..].starts_with(mark.as_bytes())) {
                Some(mark) => {
                    tokens.push(Token::Mark(mark));
                    at += mark.len();
                }
                None => {
                    let rest = &program[at..program.len().min(at + 20)];
                    return unsupported(format!("awk program: {}", text(rest)));
                }
            },
        }
    }
    tokens.push(Token::Newline);
    tokens.push(Token::End);
    Ok(tokens)
}

/// A slash divides after a value; elsewhere it starts a pattern.
fn starts_pattern(last: Option<&Token>) -> bool {
    match last {
        None | Some(Token::Newline) => true,
        Some(Token::Mark(mark)) => !matches!(*mark, ")" | "]" | "$" | "++" | "--"),
        Some(Token::Word(word)) => !matches!(*word, "length" | "getline"),
        _ => false,
    }
}

/// A string, after its quotation mark, and where it ends.
fn string(program: &[u8], mut at: usize) -> Result<(Vec<u8>, usize), Failure> {
    let mut found = Vec::new();
    while let Some(byte) = program.get(at) {
        at += 1;
        match byte {
            b'"' => return Ok((found, at)),
            b'\n' => break,
            b'\\' => {
                let Some(next) = program.get(at) else { break };
                at += 1;
                escape(program, &mut at, *next, &mut found)?;
            }
            other => found.push(*other),
        }
    }
    unsupported("awk program: a string without its end")
}

fn escape(program: &[u8], at: &mut usize, next: u8, found: &mut Vec<u8>) -> Result<(), Failure> {
    match awk_escape(program, at, next) {
        None if next == b'x' => {
            let rest = program.get(*at..).unwrap_or_default();
            let digits: Vec<u32> =
                rest.iter().take(2).map_while(|digit| char::from(*digit).to_digit(16)).collect();
            if digits.is_empty() {
                return unsupported("\\x without digits in a string of awk");
            }
            *at += digits.len();
            found.push(digits.iter().fold(0, |sum, digit| sum * 16 + digit).to_le_bytes()[0]);
        }
        // mawk keeps the slash's backslash; in a pattern, where it may end up, it makes no difference
        Some(b'/') => found.push(b'/'),
        Some(byte) => found.push(byte),
        None if next == b'\n' => {}
        None => found.extend_from_slice(&[b'\\', next]),
    }
    Ok(())
}

/// Escapes of a value that was given by `-v` or as an operand.
pub(super) fn unescape(value: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(byte) = value.get(at) {
        at += 1;
        match (byte, value.get(at)) {
            (b'\\', Some(next)) => {
                at += 1;
                escape(value, &mut at, *next, &mut found)?;
            }
            (other, _) => found.push(*other),
        }
    }
    Ok(found)
}

/// A pattern, after its slash, and where it ends.
fn pattern(program: &[u8], mut at: usize) -> Result<(Vec<u8>, usize), Failure> {
    let mut found = Vec::new();
    let mut bracket: Option<usize> = None;
    while let Some(byte) = program.get(at) {
        at += 1;
        match byte {
            b'\n' => break,
            b'/' if bracket.is_none() => return Ok((found, at)),
            b'\\' => {
                let Some(next) = program.get(at) else { break };
                at += 1;
                found.extend_from_slice(&[b'\\', *next]);
            }
            b'[' if bracket.is_none() => {
                found.push(b'[');
                if program.get(at) == Some(&b'^') {
                    found.push(b'^');
                    at += 1;
                }
                bracket = Some(at);
            }
            b'[' if matches!(program.get(at), Some(b':' | b'.' | b'=')) => {
                let kind = program[at];
                let rest = &program[at + 1..];
                found.push(b'[');
                if let Some(length) = rest.windows(2).position(|pair| pair == [kind, b']']) {
                    found.extend_from_slice(&program[at..at + 1 + length + 2]);
                    at += 1 + length + 2;
                }
            }
            b']' if bracket.is_some_and(|start| at - 1 > start) => {
                found.push(b']');
                bracket = None;
            }
            other => found.push(*other),
        }
    }
    unsupported("awk program: a pattern without its end")
}
