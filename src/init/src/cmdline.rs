//! The kernel's command line as the kernel itself cuts it: `next_arg` in lib/cmdline.c of Linux.
//!
//! Words are separated by white space that is not between double quotes. A quote in front of a word, or behind its `=`,
//! is taken away with the one at the end. Behind a word `--` all is for init. Names are compared with `-` as `_`.

/// A command line longer than this is longer than any kernel takes.
const MAX: usize = 64 << 10;

/// One word: `name` or `name=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// In front of the first `=`.
    pub name: String,
    /// Behind it.
    pub value: Option<String>,
}

impl Word {
    /// Whether it is called `name`, dashes and underscores being one.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        let same = |(a, b): (u8, u8)| a == b || matches!((a, b), (b'-', b'_') | (b'_', b'-'));
        self.name.len() == name.len() && self.name.bytes().zip(name.bytes()).all(same)
    }
}

/// The words for the kernel and for us, up to `--`.
#[must_use]
pub fn parse(text: &str) -> Vec<Word> {
    let end = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= MAX).last().unwrap_or(0);
    let text = if text.len() > MAX { &text[..end] } else { text };
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let mut quoted = false;
        let stop = rest.find(|char: char| {
            quoted ^= char == '"';
            char.is_ascii_whitespace() && !quoted
        });
        let (word, after) = rest.split_at(stop.unwrap_or(rest.len()));
        if word == "--" {
            break;
        }
        words.push(one(word));
        rest = after.trim_start();
    }
    words
}

fn one(text: &str) -> Word {
    let (text, opened) = match text.strip_prefix('"') {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    let whole = if opened { text.strip_suffix('"').unwrap_or(text) } else { text };
    match whole.split_once('=') {
        None => Word { name: whole.to_owned(), value: None },
        Some((name, value)) => {
            let bare = value.strip_prefix('"').map(|bare| bare.strip_suffix('"').unwrap_or(bare));
            Word { name: name.to_owned(), value: Some(bare.unwrap_or(value).to_owned()) }
        }
    }
}

/// The parameters of the module `name` among `words`: `name.key=value` as `key=value`, with spaces between.
#[must_use]
pub fn of_module(words: &[Word], name: &str) -> String {
    let mut found = Vec::new();
    for word in words {
        let Some((module, key)) = word.name.split_once('.') else { continue };
        if module.replace('-', "_") != name {
            continue;
        }
        found.push(match &word.value {
            None => key.to_owned(),
            Some(value) if value.contains(char::is_whitespace) => format!("{key}=\"{value}\""),
            Some(value) => format!("{key}={value}"),
        });
    }
    found.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_as_the_kernel_cuts_them() {
        for (text, expected) in [
            ("", vec![]),
            ("  ro  quiet\n", vec![("ro", None), ("quiet", None)]),
            ("root=LABEL=root rw", vec![("root", Some("LABEL=root")), ("rw", None)]),
            ("a=\"b c\" d", vec![("a", Some("b c")), ("d", None)]),
            ("\"a=b c\" d", vec![("a", Some("b c")), ("d", None)]),
            ("root=\"LABEL=my root\"", vec![("root", Some("LABEL=my root"))]),
            ("a=\"b", vec![("a", Some("b"))]),
            ("a= b", vec![("a", Some("")), ("b", None)]),
            ("ro -- single root=/dev/x", vec![("ro", None)]),
            ("a=-- b", vec![("a", Some("--")), ("b", None)]),
            ("a=b\"c d\"e f", vec![("a", Some("b\"c d\"e")), ("f", None)]),
        ] {
            let words = parse(text);
            let got: Vec<(&str, Option<&str>)> =
                words.iter().map(|word| (word.name.as_str(), word.value.as_deref())).collect();
            assert_eq!(got, expected, "{text}");
        }
    }

    #[test]
    fn a_command_line_without_end_is_cut() {
        let long = "é".repeat(MAX);
        assert!(parse(&long)[0].name.len() <= MAX);
    }

    #[test]
    fn dashes_and_underscores_in_names_are_one() {
        let words =
            parse("virtio-blk.queue_depth=64 virtio_blk.num_request_queues=2 nvme.x virtio_blk.s=\"a b\"");
        assert_eq!(of_module(&words, "virtio_blk"), "queue_depth=64 num_request_queues=2 s=\"a b\"");
        assert_eq!(of_module(&words, "nvme"), "x");
        assert_eq!(of_module(&words, "sd_mod"), "");
        assert!(parse("root_wait")[0].is("root-wait") && !parse("rootwait")[0].is("root-wait"));
    }
}
