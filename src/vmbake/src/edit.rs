//! Changes of a recipe's text that leave all else as someone has written it: its comments, its order, its lines.
//!
//! ```text
//! [packages]
//! install = ["jq"]   ─add htop─►   install = ["jq", "htop"]   ─remove jq─►   install = ["htop"]
//! ```
//! A comment at the end of a line belongs to what stands before it on that line, one on a line of its own to what stands
//! below it.

use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, Value, value};
use tree::name::Name;

/// A recipe that cannot be changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EditError {
    /// It is not TOML.
    #[error("{0}")]
    Form(#[from] toml_edit::TomlError),
    /// A key that holds something else than a recipe has there.
    #[error("expected {1} as `{0}`")]
    Kind(&'static str, &'static str),
}

/// The lists of `[packages]` that ask for packages.
const ASKING: [&str; 3] = ["install", "install-amd64", "install-arm64"];

/// `text` that asks for `packages`, too, and which of them it did not ask for before.
pub(crate) fn add(text: &str, packages: &[Name]) -> Result<(String, Vec<Name>), EditError> {
    let mut document: DocumentMut = text.parse()?;
    let table = packages_of(&mut document)?;
    let mut added = Vec::new();
    for name in packages {
        let name_text = name.as_str();
        let excluded = list(table, "without")?.is_some_and(|without| remove_from(without, name_text));
        if excluded {
            added.push(name.clone());
            continue;
        }
        if table.contains_key(name_text) || added.contains(name) {
            continue;
        }
        if !table.contains_key("install") {
            table.insert("install", value(Array::new()));
        }
        let Some(install) = list(table, "install")? else { continue };
        if position(install, name_text).is_none() {
            append(install, name_text);
            added.push(name.clone());
        }
    }
    remove_empty(table, "without");
    Ok((document.to_string(), added))
}

/// `text` that asks for none of `packages`, and for which of them it had asked.
pub(crate) fn remove(text: &str, packages: &[Name]) -> Result<(String, Vec<Name>), EditError> {
    let mut document: DocumentMut = text.parse()?;
    let table = packages_of(&mut document)?;
    let mut removed = Vec::new();
    for name in packages {
        let mut found = table.get(name.as_str()).is_some_and(Item::is_value) && !is_key(name.as_str());
        if found {
            table.remove(name.as_str());
        }
        for key in ASKING {
            if let Some(asked) = list(table, key)? {
                found |= remove_from(asked, name.as_str());
            }
        }
        if found {
            removed.push(name.clone());
        }
    }
    Ok((document.to_string(), removed))
}

/// `text` with a table `[components.NAME]` that installs `files`, each from where to where, without `strip` leading parts of an
/// archive's paths; unchanged where it has one.
pub(crate) fn add_component(
    text: &str,
    name: &Name,
    strip: u8,
    files: &[(String, String)],
) -> Result<(String, bool), EditError> {
    let mut document: DocumentMut = text.parse()?;
    let components = components_of(&mut document)?;
    if components.contains_key(name.as_str()) {
        return Ok((text.to_owned(), false));
    }
    let mut table = Table::new();
    if strip > 0 {
        table.insert("strip-components", value(i64::from(strip)));
    }
    if !files.is_empty() {
        let mut list = Array::new();
        for (from, to) in files {
            let mut file = InlineTable::new();
            for (key, text) in [("from", from.as_str()), ("to", to.as_str()), ("mode", "0755")] {
                file.insert(key, text.into());
            }
            let mut file = Value::from(file);
            file.decor_mut().set_prefix("\n  ");
            list.push_formatted(file);
        }
        list.set_trailing("\n");
        list.set_trailing_comma(true);
        table.insert("files", value(list));
    }
    components.insert(name.as_str(), Item::Table(table));
    Ok((document.to_string(), true))
}

/// `text` without the table `[components.NAME]`, and whether there was one.
pub(crate) fn remove_component(text: &str, name: &Name) -> Result<(String, bool), EditError> {
    let mut document: DocumentMut = text.parse()?;
    let found = components_of(&mut document)?.remove(name.as_str()).is_some();
    Ok(if found { (document.to_string(), true) } else { (text.to_owned(), false) })
}

/// The table of all components, which is never written itself: each has a header of its own.
fn components_of(document: &mut DocumentMut) -> Result<&mut Table, EditError> {
    let empty = || {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    };
    let item = document.entry("components").or_insert_with(empty);
    item.as_table_mut().ok_or(EditError::Kind("components", "tables `[components.NAME]`"))
}

/// A key of `[packages]` that is not a package's name.
fn is_key(name: &str) -> bool {
    const OTHERS: [&str; 7] =
        ["recommends-of", "avoid", "without", "sources", "files", "files-amd64", "files-arm64"];
    ASKING.contains(&name) || OTHERS.contains(&name)
}

/// The table `[packages]`, made where there is none.
fn packages_of(document: &mut DocumentMut) -> Result<&mut Table, EditError> {
    let item = document.entry("packages").or_insert_with(|| Item::Table(Table::new()));
    item.as_table_mut().ok_or(EditError::Kind("packages", "a table `[packages]`"))
}

fn list<'t>(table: &'t mut Table, key: &'static str) -> Result<Option<&'t mut Array>, EditError> {
    match table.get_mut(key) {
        None => Ok(None),
        Some(item) => item.as_array_mut().map(Some).ok_or(EditError::Kind(key, "a list of packages")),
    }
}

fn remove_empty(table: &mut Table, key: &str) {
    if table.get(key).and_then(Item::as_array).is_some_and(Array::is_empty) {
        table.remove(key);
    }
}

fn position(list: &Array, name: &str) -> Option<usize> {
    list.iter().position(|value| value.as_str() == Some(name))
}

/// What stands before a value, or after the last one.
fn before(value: Option<&Value>, list: &Array) -> String {
    let text = match value {
        Some(value) => value.decor().prefix(),
        None => Some(list.trailing()),
    };
    text.and_then(toml_edit::RawString::as_str).unwrap_or_default().to_owned()
}

/// Adds a name at the end, on a line of its own where the list has one for each.
fn append(list: &mut Array, name: &str) {
    let last = list.iter().last();
    let Some(last) = last else {
        list.push(name);
        return;
    };
    let indent = before(Some(last), list);
    let Some((_, indent)) = indent.rsplit_once('\n') else {
        // all on one line; the blank after the last value, if any, stays after the new one
        let mut new = Value::from(name);
        new.decor_mut().set_prefix(" ");
        list.push_formatted(new);
        return;
    };
    let indent = indent.to_owned();
    // a comment after the last value stays on its line
    let suffix = last.decor().suffix().and_then(toml_edit::RawString::as_str).unwrap_or_default();
    let behind = format!("{suffix}{}", before(None, list));
    let behind = behind.trim_end().to_owned();
    let mut new = Value::from(name);
    new.decor_mut().set_prefix(format!("{behind}\n{indent}"));
    if let Some(last) = list.iter_mut().last() {
        last.decor_mut().set_suffix("");
    }
    list.push_formatted(new);
    list.set_trailing("\n");
    list.set_trailing_comma(true);
}

/// Removes a name with the comments that are its own; false where it is not there.
fn remove_from(list: &mut Array, name: &str) -> bool {
    let Some(at) = position(list, name) else { return false };
    let own = before(list.get(at), list);
    let next = before(list.get(at + 1), list);
    let kept = match (own.split_once('\n'), next.split_once('\n')) {
        // alone on its line: the comment of the line before stays, and what leads the next one
        (Some((line_before, _)), Some((_, leads_next))) => format!("{line_before}\n{leads_next}"),
        // the first of its line: the next is the first now
        (Some(_), None) if at + 1 < list.len() => own.clone(),
        (None, _) if at == 0 && at + 1 < list.len() => own.clone(),
        _ => next.clone(),
    };
    list.remove(at);
    match list.get_mut(at) {
        Some(next) => next.decor_mut().set_prefix(kept),
        None => list.set_trailing(kept),
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<Name> {
        text.split_whitespace().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn what_is_added_stands_where_a_person_would_have_put_it() {
        for (before, packages, after) in [
            (
                "[recipe]\nextends = \"base\"\n",
                "jq",
                "[recipe]\nextends = \"base\"\n\n[packages]\ninstall = [\"jq\"]\n",
            ),
            ("[packages]\ninstall = []\n", "jq tmux", "[packages]\ninstall = [\"jq\", \"tmux\"]\n"),
            (
                "[packages]\ninstall = [\"jq\"] # small\n",
                "tmux",
                "[packages]\ninstall = [\"jq\", \"tmux\"] # small\n",
            ),
            (
                "[packages]\ninstall = [\n  # a query\n  \"jq\", # of JSON\n]\n",
                "tmux",
                "[packages]\ninstall = [\n  # a query\n  \"jq\", # of JSON\n  \"tmux\",\n]\n",
            ),
            (
                "[packages]\ninstall = [\n  \"jq\" # of JSON\n]\n",
                "tmux",
                "[packages]\ninstall = [\n  \"jq\", # of JSON\n  \"tmux\",\n]\n",
            ),
            ("[packages]\ninstall = [\"jq\"]\n", "jq", "[packages]\ninstall = [\"jq\"]\n"),
            ("[packages]\njq = { from = \"x\" }\n", "jq", "[packages]\njq = { from = \"x\" }\n"),
            ("[packages]\nwithout = [\"jq\"]\n", "jq", "[packages]\n"),
        ] {
            assert_eq!(add(before, &names(packages)).unwrap().0, after, "{before}");
        }
    }

    #[test]
    fn what_is_removed_takes_its_own_comments_along_and_no_other() {
        for (before, packages, after) in [
            ("[packages]\ninstall = [\"jq\", \"tmux\"]\n", "jq", "[packages]\ninstall = [\"tmux\"]\n"),
            ("[packages]\ninstall = [\"jq\", \"tmux\"]\n", "tmux", "[packages]\ninstall = [\"jq\"]\n"),
            (
                "[packages]\ninstall = [\n  \"a\", # of a\n  # of b\n  \"b\", # b too\n  # of c\n  \"c\",\n]\n",
                "b",
                "[packages]\ninstall = [\n  \"a\", # of a\n  # of c\n  \"c\",\n]\n",
            ),
            (
                "[packages]\ninstall = [\n  # both\n  \"a\", \"b\",\n  \"c\", # last\n]\n",
                "a c",
                "[packages]\ninstall = [\n  # both\n  \"b\",\n]\n",
            ),
            (
                "[packages]\njq = { from = \"x\" }\ninstall-arm64 = [\"a\"]\n",
                "jq a",
                "[packages]\ninstall-arm64 = []\n",
            ),
        ] {
            let packages = names(packages);
            let (text, removed) = remove(before, &packages).unwrap();
            assert_eq!(text, after, "{before}");
            assert_eq!(removed, packages);
        }
        assert_eq!(remove("[packages]\nwithout = [\"a\"]\n", &names("a without")).unwrap().1, []);
    }

    #[test]
    fn a_component_gets_a_table_of_its_own_and_loses_it_again() {
        let tool: Name = "tool".parse().unwrap();
        let files = [("bin/a", "/usr/local/bin/a"), ("bin/b", "/usr/local/bin/b")];
        let files = files.map(|(from, to)| (from.to_owned(), to.to_owned()));
        let before = "[recipe]\nextends = \"base\" # ours\n";
        let (text, is_new) = add_component(before, &tool, 1, &files).unwrap();
        let expected = "\n[components.tool]\nstrip-components = 1\nfiles = [\n  { from = \"bin/a\", to = \"/usr/local/bin/a\", mode = \"0755\" },\n  \
                        { from = \"bin/b\", to = \"/usr/local/bin/b\", mode = \"0755\" },\n]\n";
        assert_eq!((text.as_str(), is_new), (&format!("{before}{expected}")[..], true));
        // what a person has made of it stays
        assert_eq!(add_component(&text, &tool, 0, &[]).unwrap(), (text.clone(), false));
        assert_eq!(remove_component(&text, &tool).unwrap(), (before.to_owned(), true));
        assert_eq!(remove_component(before, &tool).unwrap(), (before.to_owned(), false));
        // a package is installed whole
        assert!(add_component(before, &tool, 0, &[]).unwrap().0.ends_with("\n[components.tool]\n"));
        assert!(add_component("components = 1\n", &tool, 0, &[]).is_err());
    }

    #[test]
    fn a_recipe_that_is_none_is_told() {
        for text in ["[packages", "packages = 1\n", "[packages]\ninstall = \"jq\"\n"] {
            assert!(add(text, &names("jq")).is_err(), "{text}");
        }
    }
}
