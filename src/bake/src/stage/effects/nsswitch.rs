//! `/etc/nsswitch.conf`: the services that libnss packages add, as debhelper's dh_installnss(1) does.

use super::super::image_path;
use super::draft::Draft;
use crate::effects::Place;
use tree::refusal::Result;
use tree::{Content, Node, Origin};

const FILE: &str = "/etc/nsswitch.conf";

/// Puts `service` into the line of `database`, unless it is there, or the file is a recipe's.
pub(super) fn add(draft: &mut Draft<'_>, database: &str, service: &str, place: &Place) -> Result<()> {
    let path = image_path(FILE)?;
    let made = draft
        .tree
        .get(&path)
        .is_some_and(|entry| entry.origins.iter().all(|origin| matches!(origin, Origin::Made { .. })));
    let Some(text) = draft.text(&path)?.filter(|_| made) else { return Ok(()) };
    let text: String = text.split_inclusive('\n').map(|line| with(line, database, service, place)).collect();
    if let Some(entry) = draft.tree.remove(&path) {
        draft.insert("nsswitch", &path, entry.meta, Node::File(Content::Inline(text.as_bytes().into())))?;
    }
    Ok(())
}

/// `line` with the service in its place, where it is the line of `database` and has that place.
fn with(line: &str, database: &str, service: &str, place: &Place) -> String {
    let name = service.split_whitespace().next().unwrap_or_default();
    let Some(rest) = line.strip_prefix(database).and_then(|rest| rest.strip_prefix(':')) else {
        return line.to_owned();
    };
    let (services, comment) = rest.split_at(rest.find('#').unwrap_or(rest.len()));
    if services.split_whitespace().any(|known| known == name) {
        return line.to_owned();
    }
    let (Place::Before(anchor) | Place::After(anchor)) = place;
    let Some((start, mut end)) = word(services, anchor) else { return line.to_owned() };
    let (before, behind) = match place {
        Place::Before(_) => (&services[..start], &services[start..]),
        Place::After(_) => {
            // the actions in brackets belong to the service before them
            let rest = &services[end..];
            let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
            if rest[blanks..].starts_with('[')
                && let Some(close) = rest.find(']')
            {
                end += close + 1;
            }
            (&services[..end], &services[end..])
        }
    };
    match place {
        Place::Before(_) => format!("{database}:{before}{service} {behind}{comment}"),
        Place::After(_) => format!("{database}:{before} {service}{behind}{comment}"),
    }
}

/// Where the word `wanted` is.
fn word(text: &str, wanted: &str) -> Option<(usize, usize)> {
    let mut at = 0;
    for part in text.split_inclusive([' ', '\t', '\n']) {
        if part.trim_end() == wanted {
            return Some((at, at + wanted.len()));
        }
        at += part.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_goes_where_its_package_puts_it() {
        let (after, before) = (Place::After("files".into()), Place::Before("dns".into()));
        let resolve = "resolve [!UNAVAIL=return]";
        let cases = [
            ("hosts:\tfiles dns\n", "myhostname", &after, "hosts:\tfiles myhostname dns\n"),
            (
                "hosts: files [X=continue] dns # c\n",
                "myhostname",
                &after,
                "hosts: files [X=continue] myhostname dns # c\n",
            ),
            ("hosts: files\n", "myhostname", &after, "hosts: files myhostname\n"),
            ("hosts: files dns\n", resolve, &before, "hosts: files resolve [!UNAVAIL=return] dns\n"),
            ("hosts: files resolve dns\n", resolve, &before, "hosts: files resolve dns\n"),
            ("hosts: files\n", resolve, &before, "hosts: files\n"),
            ("networks: files dns\n", resolve, &before, "networks: files dns\n"),
            ("#hosts: files dns\n", resolve, &before, "#hosts: files dns\n"),
            ("hosts: files # dns\n", resolve, &before, "hosts: files # dns\n"),
        ];
        for (line, service, place, expected) in cases {
            assert_eq!(with(line, "hosts", service, place), expected);
        }
    }
}
