//! MIME messages (RFC 2045, 2046), as far as user-data has them: multi-part, nested, with transfer encodings.

use crate::encoding;

/// How deep parts may be nested.
const MOST_DEPTH: usize = 8;
/// How many parts a message may have.
const MOST_PARTS: usize = 256;
/// How many lines of headers a part may have.
const MOST_HEADERS: usize = 256;

/// One part that is not multi-part itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its type, in small letters: `text/cloud-config`.
    pub kind: String,
    /// The name of its file, where it has one.
    pub file_name: Option<String>,
    /// Names of further headers, in small letters, that ask for something: `merge-type`, …
    pub headers: Vec<String>,
    /// What it holds, decoded.
    pub body: Vec<u8>,
}

/// Whether `bytes` begin as a MIME message does.
#[must_use]
pub fn is_message(bytes: &[u8]) -> bool {
    let start = bytes.get(..bytes.len().min(14)).unwrap_or_default().to_ascii_lowercase();
    start.starts_with(b"content-type:") || start.starts_with(b"mime-version:")
}

/// The parts of a message, in their order.
///
/// # Errors
///
/// A multi-part message without a boundary, a transfer encoding that is not known or damaged, too many parts.
pub fn parts(bytes: &[u8]) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    message(bytes, 0, &mut parts)?;
    Ok(parts)
}

fn message(bytes: &[u8], depth: usize, parts: &mut Vec<Part>) -> Result<(), String> {
    if depth > MOST_DEPTH {
        return Err(format!("MIME: expected at most {MOST_DEPTH} levels of parts"));
    }
    let (headers, body) = headers(bytes)?;
    let find = |name: &str| headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let (kind, parameters) = parameters(find("content-type").unwrap_or("text/plain"));
    if kind.starts_with("multipart/") {
        let boundary = parameters.iter().find(|(key, _)| key == "boundary").map(|(_, value)| value.as_str());
        let boundary = boundary.filter(|boundary| !boundary.is_empty());
        let boundary = boundary.ok_or("MIME: a multi-part message without a boundary")?;
        for part in split(body, boundary) {
            message(part, depth + 1, parts)?;
        }
        return Ok(());
    }
    if parts.len() >= MOST_PARTS {
        return Err(format!("MIME: expected at most {MOST_PARTS} parts"));
    }
    let encoding = find("content-transfer-encoding").unwrap_or("7bit").trim().to_ascii_lowercase();
    let body = match encoding.as_str() {
        "" | "7bit" | "8bit" | "binary" => body.to_vec(),
        "base64" => encoding::base64(body)?,
        "quoted-printable" => quoted_printable(body)?,
        _ => return Err(format!("MIME: unknown transfer encoding `{}`", encoding.escape_default())),
    };
    let (_, disposition) = self::parameters(find("content-disposition").unwrap_or_default());
    let named = |name: &str, from: &[(String, String)]| {
        from.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
    };
    let file_name = named("filename", &disposition).or_else(|| named("name", &parameters));
    let asks = ["merge-type", "x-merge-type", "launch-index"];
    let asked = headers.iter().filter(|(key, _)| asks.contains(&key.as_str()));
    parts.push(Part { kind, file_name, headers: asked.map(|(key, _)| key.clone()).collect(), body });
    Ok(())
}

/// Names in small letters, and values.
type Headers = Vec<(String, String)>;

/// The headers with names in small letters, folded lines joined, and what is after the empty line.
fn headers(bytes: &[u8]) -> Result<(Headers, &[u8]), String> {
    let mut headers = Headers::new();
    let mut rest = bytes;
    loop {
        let (line, after) = match rest.iter().position(|byte| *byte == b'\n') {
            Some(at) => rest.split_at(at + 1),
            None => (rest, &rest[rest.len()..]),
        };
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            return Ok((headers, after));
        }
        if text.starts_with([' ', '\t']) {
            if let Some((_, value)) = headers.last_mut() {
                value.push(' ');
                value.push_str(text.trim());
            }
        } else if let Some((key, value)) = text.split_once(':') {
            headers.push((key.trim().to_ascii_lowercase(), value.trim().to_owned()));
        } else if !text.starts_with("From ") {
            // no header: the body begins without an empty line
            return Ok((headers, rest));
        }
        if headers.len() > MOST_HEADERS {
            return Err(format!("MIME: expected at most {MOST_HEADERS} headers"));
        }
        rest = after;
    }
}

/// `text/plain; charset="utf-8"`: the value in small letters, and its parameters.
fn parameters(value: &str) -> (String, Vec<(String, String)>) {
    let mut parts = Vec::new();
    let (mut current, mut quoted) = (String::new(), false);
    for one in value.chars() {
        match one {
            '"' => quoted = !quoted,
            ';' if !quoted => parts.push(std::mem::take(&mut current)),
            _ => current.push(one),
        }
    }
    parts.push(current);
    let mut parts = parts.into_iter();
    let kind = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
    let pair = |part: String| {
        part.split_once('=').map(|(key, value)| (key.trim().to_ascii_lowercase(), value.trim().to_owned()))
    };
    (kind, parts.filter_map(pair).collect())
}

/// What is between the lines of a boundary; the last line break before one belongs to it.
fn split<'b>(body: &'b [u8], boundary: &str) -> Vec<&'b [u8]> {
    let (open, close) = (format!("--{boundary}"), format!("--{boundary}--"));
    let (mut parts, mut start, mut at) = (Vec::new(), None, 0);
    while at < body.len() {
        let end =
            body[at..].iter().position(|byte| *byte == b'\n').map_or(body.len(), |found| at + found + 1);
        let line = body[at..end].trim_ascii_end();
        let closes = line == close.as_bytes();
        if closes || line == open.as_bytes() {
            if let Some(start) = start {
                let part = &body[start..at.max(start)];
                let part = part.strip_suffix(b"\n").unwrap_or(part);
                parts.push(part.strip_suffix(b"\r").unwrap_or(part));
            }
            start = Some(end);
            if closes {
                return parts;
            }
        }
        at = end;
    }
    // the last boundary may be cut off: Python's reader takes what is there
    parts.extend(start.filter(|start| *start < body.len()).map(|start| &body[start..]));
    parts
}

fn quoted_printable(body: &[u8]) -> Result<Vec<u8>, String> {
    let mut plain = Vec::with_capacity(body.len());
    let mut at = 0;
    while let Some(byte) = body.get(at) {
        if *byte != b'=' {
            plain.push(*byte);
            at += 1;
            continue;
        }
        match body.get(at + 1..) {
            Some([b'\n', ..]) => at += 2,
            Some([b'\r', b'\n', ..]) => at += 3,
            Some([high, low, ..]) => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let (high, low) = digit(*high).zip(digit(*low)).ok_or("MIME: invalid quoted-printable")?;
                plain.push(u8::try_from(high * 16 + low).unwrap_or_default());
                at += 3;
            }
            _ => return Err("MIME: invalid quoted-printable".to_owned()),
        }
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = "Content-Type: multipart/mixed;\n boundary=\"==B==\"\nMIME-Version: 1.0\n\npreamble\n--==B==\n\
        Content-Type: text/cloud-config; charset=\"us-ascii\"\nContent-Disposition: attachment; filename=\"a.cfg\"\n\nhostname: a\n\n--==B==\n\
        Content-Type: text/x-shellscript\nContent-Transfer-Encoding: base64\n\nIyEvYmluL3NoCg==\n--==B==\nContent-Type: text/plain\n\
        Content-Transfer-Encoding: quoted-printable\n\na=3Db=\nc\n--==B==--\nepilogue\n";

    #[test]
    fn parts_are_decoded_in_their_order() {
        for text in [MESSAGE.to_owned(), MESSAGE.replace('\n', "\r\n")] {
            let parts = parts(text.as_bytes()).unwrap();
            let kinds: Vec<&str> = parts.iter().map(|part| part.kind.as_str()).collect();
            assert_eq!(kinds, ["text/cloud-config", "text/x-shellscript", "text/plain"]);
            assert_eq!(parts[0].file_name.as_deref(), Some("a.cfg"));
            assert_eq!(parts[0].body.trim_ascii_end(), b"hostname: a");
            assert_eq!(parts[1].body, b"#!/bin/sh\n");
            assert_eq!(parts[2].body, b"a=bc");
        }
    }

    #[test]
    fn bad_messages_are_errors() {
        let nested = |depth: usize| {
            let mut text = "Content-Type: text/plain\n\nx".to_owned();
            for level in 0..depth {
                text = format!(
                    "Content-Type: multipart/mixed; boundary=b{level}\n\n--b{level}\n{text}\n--b{level}--\n"
                );
            }
            text
        };
        assert_eq!(parts(nested(8).as_bytes()).unwrap().len(), 1);
        let many = format!("Content-Type: multipart/mixed; boundary=b\n\n{}", "--b\n\nx\n".repeat(300));
        for text in [
            "Content-Type: multipart/mixed\n\n--b\n",
            "Content-Type: text/plain\nContent-Transfer-Encoding: uuencode\n\nx",
            "Content-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n\n=zz",
            &nested(9),
            &many,
        ] {
            assert!(parts(text.as_bytes()).is_err(), "{text:.60}");
        }
    }
}
