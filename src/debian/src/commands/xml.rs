//! update-xmlcatalog: the catalogs of XML in /etc/xml, and the entries of each in /var/lib/xml-core.

use std::collections::BTreeMap;

use super::options::parse;
use crate::files::Bytes;
use crate::sh::{Call, Stop};

pub(super) fn catalog(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let long = [
        ("add", b'a'),
        ("del", b'd'),
        ("file", b'f'),
        ("id", b'i'),
        ("local", b'l'),
        ("package", b'p'),
        ("root", b'r'),
        ("type", b't'),
        ("verbose", b'v'),
        ("sort", b's'),
    ];
    let options = parse(call, "adf:i:l:p:rt:vs", &long)?;
    let text = |letter: u8| options.value(letter).map(|value| String::from_utf8_lossy(value).into_owned());
    let (Some(kind), Some(id)) = (text(b't'), text(b'i')) else {
        return Ok(call.complain("error: type or id not given"));
    };
    if options.has(b'd') == options.has(b'a') || !matches!(&kind[..], "public" | "system" | "uri") {
        return Err(call.unsupported("these arguments"));
    }
    let uri = kind == "uri";
    let delegate = match &kind[..] {
        "public" => "delegatePublic",
        "system" => "delegateSystem",
        _ => "delegateURI",
    };
    let start = format!("{kind}{}StartString", if uri { "" } else { "Id" });
    let (data, catalog, key, entry) = match (options.has(b'r'), text(b'p'), text(b'l')) {
        (true, package, _) => {
            let entry = format!("catalog=\"file:///etc/xml/{}.xml\"", package.unwrap_or_default());
            (
                "/var/lib/xml-core/catalog".to_owned(),
                "/etc/xml/catalog".to_owned(),
                format!("{delegate} {start}=\"{id}\""),
                entry,
            )
        }
        (false, Some(package), local) => {
            let entry = format!("catalog=\"file://{}\"", local.unwrap_or_default());
            (
                format!("/var/lib/xml-core/{package}"),
                format!("/etc/xml/{package}.xml"),
                format!("{delegate} {start}=\"{id}\""),
                entry,
            )
        }
        (false, None, Some(local)) => {
            let name = if uri { "name".to_owned() } else { format!("{kind}Id") };
            let entry = format!("uri=\"{}\"", text(b'f').unwrap_or_default());
            (
                format!("/var/lib/xml-core/{}", local.replace('/', "_")),
                local,
                format!("{kind} {name}=\"{id}\""),
                entry,
            )
        }
        _ => return Ok(call.complain("error: catalog not given")),
    };
    let old = call
        .sh
        .files
        .read(data.as_bytes())
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default();
    let mut entries: BTreeMap<String, String> = BTreeMap::new();
    for line in old.lines() {
        if let Some((key, entry)) = line.split_once('>') {
            let bare = |part: &str| part.trim_start_matches('<').trim_end_matches('>').to_owned();
            entries.insert(bare(key), bare(entry));
        }
    }
    if options.has(b'a') {
        if entries.get(&key).is_some_and(|known| *known != entry) {
            return Ok(call.complain("error: entity already registered with a different value"));
        }
        entries.insert(key, entry);
    } else if entries.remove(&key).is_none() {
        return Ok(call.complain("error: entity not registered"));
    }
    if !options.has(b's') && entries.len() > 1 {
        // without it the order is that of a hash
        return Err(call.unsupported("no `--sort`"));
    }
    let limit = |call: &Call<'_, '_>, errno| call.sh.limit_or(errno, "a catalog");
    if call.sh.files.stat(catalog.as_bytes()).is_some() {
        let backup = format!("{catalog}.old");
        call.sh.files.rename(catalog.as_bytes(), backup.as_bytes()).map_err(|errno| limit(call, errno))?;
    }
    if entries.is_empty() {
        call.sh.files.unlink(data.as_bytes()).map_err(|errno| limit(call, errno))?;
        return Ok(0);
    }
    let part = |call: &Call<'_, '_>, name: &str| {
        call.sh.files.read(format!("/usr/share/xml-core/catalog.{name}").as_bytes())
    };
    let (Ok(header), Ok(footer)) = (part(call, "header"), part(call, "footer")) else { return Ok(2) };
    let list: String = entries.iter().map(|(key, entry)| format!("<{key}><{entry}>\n")).collect();
    let lines: String = entries.iter().map(|(key, entry)| format!("<{key} {entry}/>\n")).collect();
    let whole: Bytes = [&header[..], lines.as_bytes(), &footer].concat();
    for (path, bytes) in [(data, list.into_bytes()), (catalog, whole)] {
        call.sh.files.write(path.as_bytes(), bytes, 0o644).map_err(|errno| limit(call, errno))?;
    }
    Ok(0)
}
