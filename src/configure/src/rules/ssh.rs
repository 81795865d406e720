//! Lines of `authorized_keys` (sshd(8)) and the public keys in them: RFC 4253 6.6, RFC 5656 3.1, RFC 8709 4, and OpenSSH's
//! PROTOCOL.u2f and PROTOCOL.certkeys. What `ssh-keygen -l` reads is taken; sshd passes over anything else without a word,
//! and nobody can log in.

use crate::base64::decode;

/// The first line that is wrong; it does not hold the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// Which line of the value, from 1.
    pub line: usize,
    /// The rule that it breaks.
    pub rule: &'static str,
    /// The way out.
    pub hint: &'static str,
}

const KEY: &str = "expected a comment, or an SSH public key with or without options before it";
const PRIVATE: &str = "expected an SSH public key, found a private key";
const BODY: &str = "expected base64 of a whole public key of the type before it";
const SEVERAL: &str = "expected one SSH public key per line, found several";
const CONTROL: &str = "expected no control characters";

/// The first fault of `value`, whose lines are those of the file.
pub(crate) fn check(value: &str) -> Result<(), Wrong> {
    for (line, number) in value.split('\n').zip(1..) {
        check_line(line).map_err(|rule| Wrong { line: number, rule, hint: hint(rule) })?;
    }
    Ok(())
}

fn hint(rule: &str) -> &'static str {
    match rule {
        PRIVATE => {
            "give the `.pub` file that is beside it; who has seen this key can use it, so make a new one"
        }
        SEVERAL => "a line break is a line break within the quotes, or `\\n` in `$'…'`: `\"…\\n…\"` has none",
        _ => "`ssh-keygen -lf FILE` shows which lines of a file are keys",
    }
}

fn check_line(line: &str) -> Result<(), &'static str> {
    let line = line.trim_matches([' ', '\t']);
    if line.contains("PRIVATE KEY") {
        return Err(PRIVATE);
    }
    if line.contains(|character: char| character != '\t' && character.is_control()) {
        return Err(CONTROL);
    }
    if line.is_empty() || line.starts_with('#') {
        return Ok(());
    }
    let (first, behind) = word(line);
    let (kind, behind) = match Kind::of(first) {
        Some(kind) => (kind, behind),
        None => {
            let (name, behind) = word(behind_options(line).ok_or(KEY)?);
            (Kind::of(name).ok_or(KEY)?, behind)
        }
    };
    let (body, comment) = word(behind);
    if !kind.is_body(body) {
        // what was joined to it may be another key
        return Err(if body.contains("\\n") { SEVERAL } else { BODY });
    }
    if has_key(comment) { Err(SEVERAL) } else { Ok(()) }
}

/// The first word, and what is behind it.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start_matches([' ', '\t']);
    text.split_once([' ', '\t']).unwrap_or((text, ""))
}

/// What is behind the options that `line` starts with: names, with a value in double quotes or none, and commas between
/// them. None when it starts with anything else.
fn behind_options(line: &str) -> Option<&str> {
    let mut rest = line;
    loop {
        let end = rest.find(|character: char| !character.is_ascii_alphanumeric() && character != '-')?;
        let (name, after) = rest.split_at_checked(end)?;
        if name.is_empty() {
            return None;
        }
        rest = match after.strip_prefix("=\"") {
            Some(quoted) => behind_quotes(quoted)?,
            None => after,
        };
        match rest.chars().next()? {
            ',' => rest = rest.get(1..)?,
            ' ' | '\t' => return Some(rest),
            _ => return None,
        }
    }
}

/// What is behind the closing quote; `\"` is none.
fn behind_quotes(text: &str) -> Option<&str> {
    let mut escaped = false;
    let end = text.find(|character| {
        let closes = character == '"' && !escaped;
        escaped = character == '\\' && !escaped;
        closes
    })?;
    text.get(end..)?.strip_prefix('"')
}

/// Whether a whole key stands in `comment`, whatever it was joined with.
fn has_key(comment: &str) -> bool {
    Kind::ALL.into_iter().any(|kind| {
        comment.match_indices(kind.name()).any(|(at, name)| {
            let behind = comment.get(at + name.len()..).unwrap_or_default();
            let end =
                |character: char| !character.is_ascii_alphanumeric() && !matches!(character, '+' | '/' | '=');
            let body = behind.trim_start_matches([' ', '\t']).split(end).next().unwrap_or_default();
            behind.starts_with([' ', '\t']) && kind.is_body(body)
        })
    })
}

/// A type of public keys. DSA is none: OpenSSH has not known it since 10.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ed25519,
    Rsa,
    /// A curve of NIST by its name, and the bytes of a coordinate.
    Ecdsa(&'static str, &'static str, usize),
    SecurityEd25519,
    SecurityEcdsa,
    /// A key signed by an authority.
    Certificate(&'static str),
}

impl Kind {
    const ALL: [Self; 14] = [
        Self::Ed25519,
        Self::Rsa,
        Self::Ecdsa("ecdsa-sha2-nistp256", "nistp256", 32),
        Self::Ecdsa("ecdsa-sha2-nistp384", "nistp384", 48),
        Self::Ecdsa("ecdsa-sha2-nistp521", "nistp521", 66),
        Self::SecurityEd25519,
        Self::SecurityEcdsa,
        Self::Certificate("ssh-ed25519-cert-v01@openssh.com"),
        Self::Certificate("ssh-rsa-cert-v01@openssh.com"),
        Self::Certificate("ecdsa-sha2-nistp256-cert-v01@openssh.com"),
        Self::Certificate("ecdsa-sha2-nistp384-cert-v01@openssh.com"),
        Self::Certificate("ecdsa-sha2-nistp521-cert-v01@openssh.com"),
        Self::Certificate("sk-ssh-ed25519-cert-v01@openssh.com"),
        Self::Certificate("sk-ecdsa-sha2-nistp256-cert-v01@openssh.com"),
    ];

    fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ssh-ed25519",
            Self::Rsa => "ssh-rsa",
            Self::SecurityEd25519 => "sk-ssh-ed25519@openssh.com",
            Self::SecurityEcdsa => "sk-ecdsa-sha2-nistp256@openssh.com",
            Self::Ecdsa(name, ..) | Self::Certificate(name) => name,
        }
    }

    /// Whether `text` is base64 of a whole key that says the same type of itself.
    fn is_body(self, text: &str) -> bool {
        decode(text).is_some_and(|bytes| self.is_key(&bytes).is_some())
    }

    /// None when it is not.
    fn is_key(self, bytes: &[u8]) -> Option<()> {
        let (name, rest) = string(bytes)?;
        (name == self.name().as_bytes()).then_some(())?;
        let rest = match self {
            Self::Ed25519 => raw(rest)?,
            Self::SecurityEd25519 => string(raw(rest)?)?.1,
            Self::Ecdsa(_, curve, size) => point(rest, curve, size)?,
            Self::SecurityEcdsa => string(point(rest, "nistp256", 32)?)?.1,
            Self::Rsa => {
                let (exponent, rest) = string(rest)?;
                let (modulus, rest) = string(rest)?;
                (bits(exponent)? > 0 && (1024..=16_384).contains(&bits(modulus)?)).then_some(rest)?
            }
            // the nonce; what follows is the authority's to judge
            Self::Certificate(_) => {
                string(rest).filter(|(nonce, rest)| !nonce.is_empty() && !rest.is_empty())?;
                &[]
            }
        };
        rest.is_empty().then_some(())
    }
}

/// A string of RFC 4251 5, and what is behind it.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_at_checked(4)?;
    let length = u32::from_be_bytes(length.try_into().ok()?);
    rest.split_at_checked(usize::try_from(length).ok()?)
}

/// What is behind the 32 bytes of an Ed25519 key.
fn raw(bytes: &[u8]) -> Option<&[u8]> {
    string(bytes).filter(|(key, _)| key.len() == 32).map(|(_, rest)| rest)
}

/// What is behind the name of `curve` and an uncompressed point of two coordinates of `size` bytes.
fn point<'a>(bytes: &'a [u8], curve: &str, size: usize) -> Option<&'a [u8]> {
    let (name, rest) = string(bytes)?;
    let (point, rest) = string(rest)?;
    (name == curve.as_bytes() && point.len() == 1 + 2 * size && point.first() == Some(&4)).then_some(rest)
}

/// How many bits a positive number has.
fn bits(number: &[u8]) -> Option<usize> {
    if number.first().is_some_and(|byte| byte & 0x80 != 0) {
        return None;
    }
    let at = number.iter().position(|byte| *byte != 0);
    at.map_or(Some(0), |at| {
        let first = number.get(at)?;
        Some((number.len() - at) * 8 - usize::try_from(first.leading_zeros()).ok()?)
    })
}

#[cfg(test)]
pub(crate) mod tests;
