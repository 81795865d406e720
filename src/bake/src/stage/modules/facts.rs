//! What one kernel module says of itself: a relocatable ELF64 file, little endian, of either architecture.
//!
//! ```text
//! .modinfo     "key=value" strings, each ended by NUL: alias, softdep, weakdep are what indexes are made from
//! .symtab      `__crc_NAME` for each symbol that it exports (kernels with MODVERSIONS); undefined symbols: what it needs
//! __versions   the needed symbols again, with checksums; some are only here
//! __ksymtab_strings   the exported names, where there are no checksums
//! ```
//! include/linux/moduleparam.h, include/linux/export-internal.h and include/linux/module.h of Linux 6.12. Deliberately
//! absent: the checksums themselves, which the kernel compares, and the signature after the ELF file.

use object::LittleEndian;
use object::elf::{self, FileHeader64};
use object::read::elf::{FileHeader as _, SectionHeader as _, Sym as _};
use serde::{Deserialize, Serialize};

/// Longer strings are in no module: the kernel's own symbols have at most 511 bytes.
const MAX_STRING: usize = 1024;
/// More of one sort are in no module; `i915` has some 400 aliases, `amdgpu` needs 1,500 symbols.
const MAX_STRINGS: usize = 65_536;
/// `struct modversion_info`: an unsigned long, then the name.
const VERSION_SIZE: usize = 64;
const VERSION_NAME: usize = 8;

/// What one module says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::stage) struct Facts {
    /// Patterns of the devices, file systems and other requests that it serves.
    pub(in crate::stage) aliases: Vec<String>,
    /// `pre: a b post: c`, as written.
    pub(in crate::stage) softdeps: Vec<String>,
    /// Names that it may ask for.
    pub(in crate::stage) weakdeps: Vec<String>,
    /// Symbols that it has for others.
    pub(in crate::stage) exports: Vec<String>,
    /// Symbols that others must have, in the order of its symbol table.
    pub(in crate::stage) needs: Vec<String>,
}

/// Why a file is not a module.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(in crate::stage) enum FactsError {
    /// The ELF structure is broken.
    #[error("not an ELF64 kernel module: {0}")]
    Form(String),
    /// Not what an index can hold.
    #[error("`{section}`: a string is not printable ASCII of at most {MAX_STRING} bytes")]
    Text {
        /// Where it is.
        section: &'static str,
    },
    /// More than any module has.
    #[error("`{section}`: more than {MAX_STRINGS} strings")]
    Count {
        /// Where they are.
        section: &'static str,
    },
}

/// Reads what the module `data` says.
pub(in crate::stage) fn of(data: &[u8]) -> Result<Facts, FactsError> {
    let form = |error: object::Error| FactsError::Form(error.to_string());
    let header = FileHeader64::<LittleEndian>::parse(data).map_err(form)?;
    let endian = header.endian().map_err(form)?;
    if header.e_type(endian) != elf::ET_REL {
        return Err(FactsError::Form("expected a relocatable object".to_owned()));
    }
    let sections = header.sections(endian, data).map_err(form)?;
    let section = |name: &str| match sections.section_by_name(endian, name.as_bytes()) {
        Some((_, section)) => section.data(endian, data).map_err(form),
        None => Ok(&[][..]),
    };
    let mut facts = Facts::default();
    for text in strings(section(".modinfo")?) {
        let Some(at) = text.iter().position(|byte| *byte == b'=') else { continue };
        let (key, value) = (&text[..at], &text[at + 1..]);
        let list = match key {
            b"alias" => &mut facts.aliases,
            b"softdep" => &mut facts.softdeps,
            b"weakdep" => &mut facts.weakdeps,
            _ => continue,
        };
        list.push(ascii(".modinfo", value)?);
        limit(".modinfo", list.len())?;
    }
    let symbols = sections.symbols(endian, data, elf::SHT_SYMTAB).map_err(form)?;
    for symbol in symbols.iter().skip(1) {
        let name = symbols.symbol_name(endian, symbol).map_err(form)?;
        if symbol.is_undefined(endian) && !name.is_empty() {
            facts.needs.push(ascii(".symtab", name)?);
        }
        if let Some(exported) = name.strip_prefix(b"__crc_") {
            facts.exports.push(ascii(".symtab", exported)?);
        }
        limit(".symtab", facts.needs.len().max(facts.exports.len()))?;
    }
    if facts.exports.is_empty() {
        for name in strings(section("__ksymtab_strings")?) {
            facts.exports.push(ascii("__ksymtab_strings", name)?);
            limit("__ksymtab_strings", facts.exports.len())?;
        }
    }
    facts.needs.extend(only_in_versions(section("__versions")?, &facts.needs)?);
    Ok(facts)
}

/// The names of `__versions` that are not undefined symbols.
fn only_in_versions(table: &[u8], known: &[String]) -> Result<Vec<String>, FactsError> {
    const SECTION: &str = "__versions";
    if table.is_empty() {
        return Ok(Vec::new());
    }
    if !table.len().is_multiple_of(VERSION_SIZE) {
        return Err(FactsError::Form(format!("`{SECTION}` is not a table of {VERSION_SIZE} bytes each")));
    }
    limit(SECTION, table.len() / VERSION_SIZE)?;
    let known: std::collections::BTreeSet<&str> = known.iter().map(String::as_str).collect();
    let mut names = Vec::new();
    for entry in table.chunks_exact(VERSION_SIZE) {
        let name = strings(&entry[VERSION_NAME..]).next().unwrap_or_default();
        let name = ascii(SECTION, name)?;
        if !known.contains(name.as_str()) {
            names.push(name);
        }
    }
    Ok(names)
}

/// The strings of a section, without the padding between them.
fn strings(section: &[u8]) -> impl Iterator<Item = &[u8]> {
    section.split(|byte| *byte == 0).filter(|text| !text.is_empty())
}

fn ascii(section: &'static str, text: &[u8]) -> Result<String, FactsError> {
    let fits = text.len() <= MAX_STRING && text.iter().all(|byte| (b' '..=b'~').contains(byte));
    match std::str::from_utf8(text) {
        Ok(text) if fits => Ok(text.to_owned()),
        _ => Err(FactsError::Text { section }),
    }
}

fn limit(section: &'static str, count: usize) -> Result<(), FactsError> {
    if count > MAX_STRINGS { Err(FactsError::Count { section }) } else { Ok(()) }
}
