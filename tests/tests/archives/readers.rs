//! The readers of the field, each asked for the same: what an archive holds.

use bake::archive::tar::{Limits, Policy, Reader, Shape, TarEntry};
use std::fs;
use std::path::{Path, PathBuf};
use xshell::{Shell, cmd};

/// An entry as all readers can tell it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub(crate) struct Told {
    /// Without `./` in front and a trailing slash; the root is empty.
    pub path: String,
    /// As `ls` shows it: `-rw-r--r--`; a hard link begins with `h`.
    pub mode: String,
    pub link: String,
    pub mtime: i64,
    /// A regular file's text.
    pub content: String,
}

/// What ours says: the entries, or why it refuses.
pub(crate) fn ours(bytes: &[u8], policy: Policy) -> Result<Vec<Told>, String> {
    let mut reader = Reader::new(bytes, policy, Limits::default());
    let mut told = Vec::new();
    while let Some(entry) = reader.next().map_err(|error| error.to_string())? {
        let mut content = Vec::new();
        let keep = |chunk: &[u8]| {
            content.extend_from_slice(chunk);
            Ok(())
        };
        reader.content(keep).map_err(|error| error.to_string())?;
        told.push(tell(&entry, text(&content)));
    }
    Ok(told)
}

fn tell(entry: &TarEntry, content: String) -> Told {
    let (kind, link) = match &entry.shape {
        Shape::Directory => ('d', String::new()),
        Shape::File { .. } => ('-', String::new()),
        Shape::Symlink(target) => ('l', target.clone()),
        Shape::Hardlink(target) => ('h', target.relative().to_owned()),
        other => panic!("no policy of ours allows {other:?}"),
    };
    let path = entry.path.relative().to_owned();
    Told {
        path,
        mode: format!("{kind}{}", permissions(entry.meta.mode)),
        link,
        mtime: entry.meta.mtime,
        content,
    }
}

/// `rwxr-xr-x`, with the letters for setuid, setgid and sticky.
fn permissions(mode: u16) -> String {
    let special = [(0o4000, 's', 'S'), (0o2000, 's', 'S'), (0o1000, 't', 'T')];
    let mut text = String::new();
    for (shift, (bit, with, without)) in [6, 3, 0].into_iter().zip(special) {
        let three = mode >> shift;
        text.push(if three & 4 == 0 { '-' } else { 'r' });
        text.push(if three & 2 == 0 { '-' } else { 'w' });
        text.push(match (mode & bit == 0, three & 1 == 0) {
            (true, true) => '-',
            (true, false) => 'x',
            (false, true) => without,
            (false, false) => with,
        });
    }
    text
}

/// What GNU tar lists of `archive`, and the contents of all regular files together; none when it complains.
pub(crate) fn gnu_tar(shell: &Shell, archive: &Path) -> Option<(Vec<Told>, String)> {
    let listing = cmd!(shell, "tar --numeric-owner --utc --full-time --quoting-style=literal -tvf {archive}");
    let listing = listing.quiet().ignore_stderr().read().ok()?;
    let contents = cmd!(shell, "tar -xOf {archive}").quiet().ignore_stderr().output().ok()?.stdout;
    Some((listing.lines().map(listed).collect(), text(&contents)))
}

/// A line of `tar -tv --full-time`: mode, owner, size, date, time, then the path and where a link leads.
pub(crate) fn listed(line: &str) -> Told {
    let mut words = Vec::new();
    let mut rest = line;
    for _ in 0..5 {
        let (word, after) = rest.trim_start().split_once(' ').unwrap();
        words.push(word);
        rest = after;
    }
    // a time with a fraction makes the column wider for all that follow
    let rest = rest.trim_start();
    let mode = words[0].to_owned();
    let between = if mode.starts_with('h') { " link to " } else { " -> " };
    let (path, link) = match rest.split_once(between) {
        Some((path, link)) if mode.starts_with(['h', 'l']) => (path, link),
        _ => (rest, ""),
    };
    let link = if mode.starts_with('h') { plain(link) } else { link.to_owned() };
    let mtime = format!("{}T{}Z", words[3], words[4]).parse::<jiff::Timestamp>().unwrap().as_second();
    Told { path: plain(path), mode, link, mtime, content: String::new() }
}

/// Bytes as text, each of them a character: short in a message, and what JSON can hold.
fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|&b| char::from(b)).collect()
}

fn plain(path: &str) -> String {
    path.strip_prefix("./").unwrap_or(path).trim_end_matches('/').to_owned()
}

const PYTHON: &str = r#"
import json, stat, sys, tarfile
def plain(path):
    return (path[2:] if path.startswith("./") else "" if path == "." else path).rstrip("/")
def told(path):
    with tarfile.open(path, "r:", errorlevel=2) as archive:
        out = []
        for entry in archive:
            kind = "h" if entry.islnk() else stat.filemode({b"5": 0o40000, b"2": 0o120000}.get(entry.type, 0o100000))[0]
            content = archive.extractfile(entry).read() if entry.isreg() else b""
            out.append({
                "path": plain(entry.name), "mode": kind + stat.filemode(entry.mode)[1:],
                "link": plain(entry.linkname) if entry.islnk() else entry.linkname if entry.issym() else "",
                "mtime": int(entry.mtime), "content": content.decode("latin-1") })
        return out
for path in sys.argv[1:]:
    try:
        print(json.dumps(told(path)))
    except Exception:
        print("null")
"#;

/// What Python's tarfile says of each of `archives`; none when it raises.
pub(crate) fn python(shell: &Shell, archives: &[PathBuf]) -> Vec<Option<Vec<Told>>> {
    let mut all = Vec::new();
    for some in archives.chunks(500) {
        let text = cmd!(shell, "python3 -c {PYTHON} {some...}").quiet().read().unwrap();
        all.extend(text.lines().map(|line| serde_json::from_str(line).unwrap()));
    }
    assert_eq!(all.len(), archives.len());
    all
}

/// What dpkg-deb unpacks of `package`: its control and its data archive as plain tars; none when it complains.
pub(crate) fn dpkg_deb(shell: &Shell, package: &Path) -> Option<(Vec<u8>, Vec<u8>)> {
    let control =
        cmd!(shell, "dpkg-deb --ctrl-tarfile {package}").quiet().ignore_stderr().output().ok()?.stdout;
    let data = cmd!(shell, "dpkg-deb --fsys-tarfile {package}").quiet().ignore_stderr().output().ok()?.stdout;
    Some((control, data))
}

/// Writes `bytes` to a file of that name in `folder`.
pub(crate) fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path
}
