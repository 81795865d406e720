//! `modules/table`: which modules lie beside this program, and which device each serves. The bake writes it
//! (`src/bake/src/stage/initrd/table.rs`):
//!
//! ```text
//! vmbake-initrd 1
//! module NAME FILE [NEEDED…]     NEEDED in the order of loading
//! alias PATTERN NAME             as in modules.alias(5)
//! load NAME                      whatever the machine has
//! ```

use std::collections::BTreeMap;

/// The table, read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// Modules by name.
    pub modules: BTreeMap<String, Module>,
    aliases: Vec<(String, String)>,
    /// Modules that are loaded whatever the machine has.
    pub load: Vec<String>,
}

/// One module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Its file beside the table.
    pub file: String,
    /// What must be loaded before it, in this order.
    pub needed: Vec<String>,
}

/// Reads the table; an error names the line.
pub fn parse(text: &str) -> Result<Table, String> {
    let mut lines = (1..).zip(text.lines());
    if lines.next().is_none_or(|(_, head)| head != "vmbake-initrd 1") {
        return Err("the table of modules is of another version than this program".to_owned());
    }
    let mut table = Table::default();
    for (number, line) in lines {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["module", name, file, needed @ ..] => {
                let needed = needed.iter().map(|name| (*name).to_owned()).collect();
                table.modules.insert((*name).to_owned(), Module { file: (*file).to_owned(), needed });
            }
            ["alias", pattern, name] => table.aliases.push(((*pattern).to_owned(), (*name).to_owned())),
            ["load", name] => table.load.push((*name).to_owned()),
            _ => return Err(format!("line {number} of the table of modules cannot be read")),
        }
    }
    Ok(table)
}

impl Table {
    /// The modules that serve what `alias` names: a device's `modalias`, `fs-xfs`.
    pub fn serving<'a>(&'a self, alias: &'a str) -> impl Iterator<Item = &'a str> {
        let fits = move |(pattern, _): &&(String, String)| matches(pattern, alias);
        self.aliases.iter().filter(fits).map(|(_, name)| name.as_str())
    }
}

/// Whether `text` is of the shell pattern `pattern`: `*`, `?`, `[a-z]`; dashes and underscores are one, as libkmod has it.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // where the last `*` is, and how much of the text it has taken
    let mut star: Option<(usize, usize)> = None;
    loop {
        match (pattern.get(p), text.get(t)) {
            (Some(b'*'), _) => {
                star = Some((p, t));
                p += 1;
                continue;
            }
            (Some(_), Some(byte)) => {
                if let Some(next) = step(pattern, p, *byte) {
                    (p, t) = (next, t + 1);
                    continue;
                }
            }
            (None, None) => return true,
            _ => {}
        }
        match star {
            Some((at, taken)) if taken < text.len() => {
                star = Some((at, taken + 1));
                (p, t) = (at + 1, taken + 1);
            }
            _ => return false,
        }
    }
}

/// Behind the element at `p`, where that fits `byte`.
fn step(pattern: &[u8], p: usize, byte: u8) -> Option<usize> {
    let plain = |byte: u8| if byte == b'-' { b'_' } else { byte };
    match pattern.get(p)? {
        b'?' => Some(p + 1),
        b'[' => {
            let end = p + pattern.get(p..)?.iter().position(|byte| *byte == b']')?;
            let mut set = pattern.get(p + 1..end)?;
            let is_not = set.first() == Some(&b'!');
            set = if is_not { &set[1..] } else { set };
            let mut is_in = false;
            while let Some((first, rest)) = set.split_first() {
                (is_in, set) = match rest {
                    [b'-', last, rest @ ..] => (is_in || (*first..=*last).contains(&byte), rest),
                    _ => (is_in || *first == byte, rest),
                };
            }
            (is_in != is_not).then_some(end + 1)
        }
        other => (plain(*other) == plain(byte)).then_some(p + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_says_which_module_serves_a_device() {
        let table = parse(
            "vmbake-initrd 1\nmodule scsi_mod scsi_mod.ko.xz\nmodule sd_mod sd_mod.ko.xz scsi_mod\n\
             alias scsi:t-0x00* sd_mod\nalias fs-xfs xfs\nload sd_mod\n",
        )
        .unwrap();
        assert_eq!(table.modules["sd_mod"].needed, ["scsi_mod"]);
        assert_eq!(table.serving("scsi:t-0x00").collect::<Vec<_>>(), ["sd_mod"]);
        assert_eq!(table.serving("fs-xfs").collect::<Vec<_>>(), ["xfs"]);
        assert_eq!(table.serving("scsi:t-0x05").count(), 0);
        assert_eq!(table.load, ["sd_mod"]);
    }

    #[test]
    fn another_version_and_another_line_are_refused() {
        assert!(parse("").is_err());
        assert!(parse("vmbake-initrd 2\n").is_err());
        assert_eq!(
            parse("vmbake-initrd 1\nmodule x\n").unwrap_err(),
            "line 2 of the table of modules cannot be read"
        );
    }

    #[test]
    fn patterns_are_those_of_a_shell() {
        for (pattern, text, expected) in [
            ("virtio:d00000002v*", "virtio:d00000002v00001AF4", true),
            ("virtio:d00000002v*", "virtio:d00000008v00001AF4", false),
            ("pci:v*d*sv*sd*bc01sc06i01*", "pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01", true),
            ("pci:v*d*sv*sd*bc01sc06i01*", "pci:v00008086d00002922sv00001AF4sd00001100bc01sc08i02", false),
            ("of:N*T*Cvirtio,mmio", "of:Nvirtio_mmioT(null)Cvirtio,mmio", true),
            ("acpi*:VMBUS:*", "acpi:VMBUS:", true),
            ("xen:vbd", "xen:vbd", true),
            ("scsi:t-0x0[0-7]", "scsi:t-0x05", true),
            ("scsi:t_0x0[!0-7]", "scsi:t-0x08", true),
            ("scsi:t-0x0[0-7]", "scsi:t-0x08", false),
            ("a[", "a[", false),
            ("a?c", "abc", true),
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXbXbXd", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_pattern_of_stars_takes_no_long_time() {
        assert!(!matches(&"*a".repeat(64), &"a".repeat(4096).replace("aaaa", "aaab")[..40]));
        assert!(!matches(&format!("{}b", "*a".repeat(100)), &"a".repeat(4096)));
    }
}
