//! Writers of tar.gz and .deb files, with the same bytes each time.

use anyhow::Result;
use flate2::{Compression, GzBuilder};
use std::io::Write as _;

/// 2026-01-01 00:00:00 UTC: the time of everything in a stand-in.
const TIME: u64 = 1_767_225_600;

/// One member of a tar archive.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Its path, as written: a directory's ends in `/`.
    pub(super) path: String,
    /// Its bytes; `None` for a directory.
    pub(super) body: Option<Vec<u8>>,
    mode: u32,
    owner: (u32, &'static str),
}

impl Entry {
    pub(super) fn directory(path: &str) -> Self {
        Self { path: path.to_owned(), body: None, mode: 0o755, owner: (0, "root") }
    }

    pub(super) fn file(path: &str, bytes: &[u8]) -> Self {
        Self { path: path.to_owned(), body: Some(bytes.to_vec()), mode: 0o644, owner: (0, "root") }
    }

    pub(super) fn program(path: &str, bytes: Vec<u8>) -> Self {
        Self { path: path.to_owned(), body: Some(bytes), mode: 0o755, owner: (0, "root") }
    }

    /// The same with another owner and group.
    pub(super) fn owned(mut self, owner: (u32, &'static str)) -> Self {
        self.owner = owner;
        self
    }
}

/// A tar archive compressed with gzip, its members in the order given.
pub(super) fn tar_gz(entries: &[Entry]) -> Result<Vec<u8>> {
    let gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::fast());
    let mut tar = tar::Builder::new(gzip);
    for entry in entries {
        let body = entry.body.as_deref().unwrap_or_default();
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(if entry.body.is_some() {
            tar::EntryType::Regular
        } else {
            tar::EntryType::Directory
        });
        // written to the field as it is: `set_path` would drop the leading `./` that upstreams write
        let name = &mut header.as_old_mut().name;
        anyhow::ensure!(entry.path.len() < name.len(), "`{}` is too long for a header", entry.path);
        name[..entry.path.len()].copy_from_slice(entry.path.as_bytes());
        header.set_mode(entry.mode);
        header.set_uid(entry.owner.0.into());
        header.set_gid(entry.owner.0.into());
        header.set_username(entry.owner.1)?;
        header.set_groupname(entry.owner.1)?;
        header.set_mtime(TIME);
        header.set_size(body.len() as u64);
        header.set_cksum();
        tar.append(&header, body)?;
    }
    Ok(tar.into_inner()?.finish()?)
}

/// A Debian package (deb(5)): an ar archive of `debian-binary`, `control.tar.gz` and `data.tar.gz`.
pub(super) fn deb(control: &[Entry], data: &[Entry]) -> Result<Vec<u8>> {
    let mut out = b"!<arch>\n".to_vec();
    let members = [
        ("debian-binary", b"2.0\n".to_vec()),
        ("control.tar.gz", tar_gz(control)?),
        ("data.tar.gz", tar_gz(data)?),
    ];
    for (name, bytes) in members {
        // ar(5): name 16, mtime 12, uid 6, gid 6, mode 8, size 10, two bytes of magic; padded to an even length
        writeln!(out, "{name:<16}{TIME:<12}{:<6}{:<6}{:<8}{:<10}`", 0, 0, "100644", bytes.len())?;
        out.extend_from_slice(&bytes);
        if bytes.len() % 2 == 1 {
            out.push(b'\n');
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use xshell::{Shell, cmd};

    #[test]
    fn gnu_tar_lists_what_was_written_with_its_names_modes_and_owners() {
        let entries = [
            Entry::directory("./"),
            Entry::file("./README.md", b"read me\n"),
            Entry::program("./vlan", vec![7; 1000]).owned((1001, "runner")),
        ];
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.tgz");
        std::fs::write(&path, tar_gz(&entries).unwrap()).unwrap();
        let shell = Shell::new().unwrap();
        let listing = cmd!(shell, "tar --utc -tvzf {path}").env("LC_ALL", "C").read().unwrap();
        let lines: Vec<_> =
            listing.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(
            lines,
            [
                "drwxr-xr-x root/root 0 2026-01-01 00:00 ./",
                "-rw-r--r-- root/root 8 2026-01-01 00:00 ./README.md",
                "-rwxr-xr-x runner/runner 1000 2026-01-01 00:00 ./vlan",
            ]
        );
    }
}
