//! The files themselves: modules.dep(5) and its kin, as text and as tries.

use super::trie::{TooLarge, Trie};
use super::{Modules, graph};
use std::fmt::Write as _;

/// Keys of the built-in kernel's index; longer ones are in no kernel.
const MAX_KEY: usize = 1024;

/// All indexes, by name.
pub(super) fn files(of: &Modules) -> Result<Vec<(&'static str, Vec<u8>)>, TooLarge> {
    let symbols = symbols(of);
    Ok(vec![
        ("modules.alias", aliases(of).into()),
        ("modules.alias.bin", alias_trie(of).print()?),
        (
            "modules.builtin.alias.bin",
            match &of.builtin_modinfo {
                Some(modinfo) => builtin_alias_trie(modinfo).print()?,
                None => Vec::new(),
            },
        ),
        (
            "modules.builtin.bin",
            match &of.builtin {
                Some(text) => builtin_trie(text).print()?,
                None => Vec::new(),
            },
        ),
        ("modules.dep", of.modules.iter().map(|module| line(of, module) + "\n").collect::<String>().into()),
        ("modules.dep.bin", dependency_trie(of).print()?),
        ("modules.devname", devnames(of).into()),
        ("modules.softdep", said(of, "Soft dependencies", "softdep").into()),
        ("modules.symbols", symbols_text(&symbols).into()),
        ("modules.symbols.bin", symbol_trie(&symbols).print()?),
        ("modules.weakdep", said(of, "Weak dependencies", "weakdep").into()),
    ])
}

/// The name of the module in `file`: without folders and what follows the first dot, `_` for `-`.
pub(super) fn name_of(file: &str) -> String {
    let base = file.rsplit('/').next().unwrap_or_default();
    base.split('.').next().unwrap_or_default().replace('-', "_")
}

/// The names in the text of `modules.builtin`.
pub(super) fn names(text: &str) -> impl Iterator<Item = String> {
    text.lines().filter(|line| line.starts_with(|first: char| first.is_ascii_alphabetic())).map(name_of)
}

/// `file: need need`.
fn line(of: &Modules, module: &super::Module) -> String {
    let mut line = format!("{}:", module.file);
    for &need in &module.needs {
        line.push(' ');
        line.push_str(&of.modules[need].file);
    }
    line
}

fn dependency_trie(of: &Modules) -> Trie {
    let mut trie = Trie::default();
    for (place, module) in (0u32..).zip(&of.modules) {
        trie.insert(&module.name, &line(of, module), place);
    }
    trie
}

fn aliases(of: &Modules) -> String {
    let mut text = "# Aliases extracted from modules themselves.\n".to_owned();
    for module in &of.modules {
        for alias in &module.facts.aliases {
            // writing to a string cannot fail
            let _ = writeln!(text, "alias {alias} {}", module.name);
        }
    }
    text
}

fn alias_trie(of: &Modules) -> Trie {
    let mut trie = Trie::default();
    for (place, module) in (0u32..).zip(&of.modules) {
        for alias in module.facts.aliases.iter().filter_map(|alias| normal(alias)) {
            trie.insert(&alias, &module.name, place);
        }
    }
    trie
}

/// `alias` as it is looked for: `_` for `-`, but within brackets. None where brackets do not match.
pub(super) fn normal(alias: &str) -> Option<String> {
    let mut within = false;
    let mut out = String::with_capacity(alias.len());
    for char in alias.chars() {
        out.push(match char {
            '-' if !within => '_',
            other => other,
        });
        match char {
            ']' if !within => return None,
            ']' => within = false,
            '[' => within = true,
            _ => {}
        }
    }
    (!within).then_some(out)
}

/// The lines of `modules.softdep` and `modules.weakdep`.
fn said(of: &Modules, what: &str, word: &str) -> String {
    let mut text = format!("# {what} extracted from modules themselves.\n");
    for module in &of.modules {
        let values = if word == "softdep" { &module.facts.softdeps } else { &module.facts.weakdeps };
        for value in values {
            let _ = writeln!(text, "{word} {} {value}", module.name);
        }
    }
    text
}

/// Each symbol with the place and the name of its owner, by name.
fn symbols(of: &Modules) -> Vec<(&str, u32, &str)> {
    let owners = graph::owners(of.modules.iter().map(|module| &module.facts));
    owners
        .into_iter()
        .filter_map(|(name, at)| Some((name, u32::try_from(at).ok()?, of.modules.get(at)?.name.as_str())))
        .collect()
}

fn symbols_text(symbols: &[(&str, u32, &str)]) -> String {
    let mut text = "# Aliases for symbols, used by symbol_request().\n".to_owned();
    for (name, _, owner) in symbols {
        let _ = writeln!(text, "alias symbol:{name} {owner}");
    }
    text
}

fn symbol_trie(symbols: &[(&str, u32, &str)]) -> Trie {
    let mut trie = Trie::default();
    for (name, place, owner) in symbols {
        trie.insert(&format!("symbol:{name}"), owner, *place);
    }
    trie
}

fn builtin_trie(text: &str) -> Trie {
    let mut trie = Trie::default();
    for name in names(text).filter(|name| name.len() <= MAX_KEY) {
        trie.insert(&name, "", 0);
    }
    trie
}

/// `modules.builtin.modinfo` has `module.key=value`, each ended by NUL.
fn builtin_alias_trie(modinfo: &[u8]) -> Trie {
    let mut trie = Trie::default();
    for record in modinfo.split(|byte| *byte == 0) {
        let Ok(text) = std::str::from_utf8(record) else { continue };
        let Some((module, rest)) = text.split_once('.') else { continue };
        let Some(alias) = rest.strip_prefix("alias=").filter(|alias| !alias.is_empty()) else { continue };
        if text.len() <= MAX_KEY
            && text.is_ascii()
            && let Some(alias) = normal(alias)
        {
            trie.insert(&alias, module, 0);
        }
    }
    trie
}

/// `module name c10:229`: nodes that are there before their module is, so that opening one loads it.
fn devnames(of: &Modules) -> String {
    let mut text = String::new();
    for module in &of.modules {
        let (mut name, mut numbers) = (None, None);
        for alias in &module.facts.aliases {
            if let Some(rest) = alias.strip_prefix("devname:") {
                name = Some(rest);
            } else if let Some(found) = major_minor(alias) {
                numbers = Some(found);
            }
            if let (Some(name), Some((sort, major, minor))) = (name, numbers) {
                if text.is_empty() {
                    text.push_str("# Device nodes to trigger on-demand module loading.\n");
                }
                let _ = writeln!(text, "{} {name} {sort}{major}:{minor}", module.name);
                break;
            }
        }
    }
    text
}

/// `char-major-10-229`, with whatever after it.
fn major_minor(alias: &str) -> Option<(char, u32, u32)> {
    let (sort, rest) = match alias.strip_prefix("char-major-") {
        Some(rest) => ('c', rest),
        None => ('b', alias.strip_prefix("block-major-")?),
    };
    let (major, minor) = rest.split_once('-')?;
    let digits = minor.find(|char: char| !char.is_ascii_digit()).unwrap_or(minor.len());
    Some((sort, major.parse().ok()?, minor[..digits].parse().ok()?))
}
