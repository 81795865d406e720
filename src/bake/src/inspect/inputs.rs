//! What a bake is made from, looked at: the members of an upstream's `.tar.gz` or of a Debian package, as a recipe names them.
//!
//! The readers are those that unpack inputs, with the same policies: what they refuse could not be baked either.

use crate::archive::deb::{self, DebError};
use crate::archive::decompress::{self, Limits};
use crate::archive::tar::{self, Policy, Shape, TarEntry, TarError};
use crate::emit::{Line, Type};
use sha2::Digest as _;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt as _;
use tree::digest::Sha256;

/// The most bytes that are decompressed for a list.
const MAX_UNPACKED: u64 = 8 << 30;

/// Which sort of input a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    /// A tar archive compressed with gzip.
    TarGz,
    /// A Debian package.
    Deb,
}

/// The sort of a file by its first bytes; none for any other.
pub(super) fn sort(file: &File) -> io::Result<Option<Input>> {
    let mut magic = [0; 8];
    match file.read_exact_at(&mut magic, 0) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
        Ok(()) if magic == *b"!<arch>\n" => Ok(Some(Input::Deb)),
        Ok(()) if magic.starts_with(&[0x1f, 0x8b]) => Ok(Some(Input::TarGz)),
        Ok(()) => Ok(None),
    }
}

/// The members of the archive in `file`, sorted, and the names of a package's control files.
pub(super) fn list(mut file: File, input: Input) -> Result<(Vec<Line>, Vec<String>), DebError> {
    let control = match input {
        Input::TarGz => Vec::new(),
        Input::Deb => {
            let length = file.metadata().map_err(|error| DebError::Data(TarError::Read(error)))?.len();
            let (_, control) = deb::control(&mut file, length)?;
            control.into_iter().map(|file| file.name).collect()
        }
    };
    let policy = match input {
        Input::TarGz => Policy::UPSTREAM,
        Input::Deb => Policy::DEBIAN,
    };
    let mut lines = with_stream(file, input, |stream| lines(stream, policy).map_err(DebError::Data))??;
    lines.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok((lines, control))
}

/// Reads from the tar that the archive in `file` has.
pub(super) fn with_stream<T>(
    mut file: File,
    input: Input,
    read: impl FnOnce(&mut dyn Read) -> T,
) -> Result<T, DebError> {
    let data = |error| DebError::Data(TarError::Read(error));
    let limits = Limits::of_files(MAX_UNPACKED);
    match input {
        Input::TarGz => {
            let packed = BufReader::with_capacity(128 << 10, file);
            let mut stream = decompress::reader(decompress::Form::Gzip, packed, limits).map_err(data)?;
            Ok(read(&mut stream))
        }
        Input::Deb => {
            let length = file.metadata().map_err(data)?.len();
            let (layout, _) = deb::control(&mut file, length)?;
            let mut stream = deb::stream(&mut file, layout.data, limits).map_err(data)?;
            Ok(read(&mut stream))
        }
    }
}

fn lines(stream: &mut dyn Read, policy: Policy) -> Result<Vec<Line>, TarError> {
    let mut archive = tar::Reader::new(stream, policy, tar::Limits::default());
    let mut lines = Vec::new();
    while let Some(TarEntry { path, meta, shape }) = archive.next()? {
        let mut line = Line {
            path,
            r#type: Type::Directory,
            mode: format!("{:04o}", meta.mode),
            uid: meta.uid,
            gid: meta.gid,
            mtime: meta.mtime,
            size: None,
            sha256: None,
            at: None,
            target: None,
            device: None,
            xattrs: meta.xattrs.into_iter().map(|(name, value)| (name, hex(&value))).collect(),
            origins: BTreeSet::new(),
        };
        match shape {
            Shape::Directory => {}
            Shape::File { offset, size } => {
                let mut hasher = sha2::Sha256::new();
                archive.content(|chunk| {
                    hasher.update(chunk);
                    Ok(())
                })?;
                line.r#type = Type::File;
                (line.at, line.size) = (Some(offset), Some(size));
                line.sha256 = Some(Sha256(hasher.finalize().into()));
            }
            Shape::Symlink(target) => (line.r#type, line.target) = (Type::Symlink, Some(target)),
            Shape::Hardlink(target) => {
                (line.r#type, line.target) = (Type::Hardlink, Some(target.as_str().to_owned()));
            }
            Shape::Character { major, minor } => {
                (line.r#type, line.device) = (Type::Character, Some((major, minor)));
            }
            Shape::Block { major, minor } => {
                (line.r#type, line.device) = (Type::Block, Some((major, minor)));
            }
            Shape::Fifo => line.r#type = Type::Fifo,
        }
        lines.push(line);
    }
    Ok(lines)
}

fn hex(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}

#[cfg(test)]
mod tests {
    use crate::archive::fixture::{ar as deb, gz};
    use crate::inspect::open;

    /// A tar of regular files, gzipped.
    fn tar_gz(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = ::tar::Builder::new(Vec::new());
        for (path, bytes) in files {
            let mut header = ::tar::Header::new_gnu();
            header.set_mode(0o755);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(9);
            header.set_size(bytes.len() as u64);
            builder.append_data(&mut header, path, *bytes).unwrap();
        }
        gz(&builder.into_inner().unwrap())
    }

    #[test]
    fn members_of_a_tar_gz_and_of_a_deb_are_listed_and_read_whatever_the_file_is_called() {
        let folder = tempfile::tempdir().unwrap();
        let data = tar_gz(&[("usr/lib/b", b"bb"), ("usr/bin/tool", b"a tool")]);
        let control = tar_gz(&[("control", b"Package: x\n"), ("postinst", b"#!/bin/sh\n")]);
        let package =
            deb(&[("debian-binary", b"2.0\n"), ("control.tar.gz", &control), ("data.tar.gz", &data)]);
        for (name, bytes, scripts) in [
            ("tool.tar.gz", &data, &[][..]),
            ("0a1b", &data, &[]),
            ("x.deb", &package, &["control", "postinst"]),
        ] {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            let artifact = open(&path).unwrap();
            let paths: Vec<&str> = artifact.paths().iter().map(|line| line.path.as_str()).collect();
            assert_eq!(paths, ["/usr/bin/tool", "/usr/lib/b"], "{name}");
            assert_eq!(artifact.control, scripts, "{name}");
            let mut out = Vec::new();
            artifact.read(&"/usr/bin/tool".parse().unwrap(), &mut out).unwrap();
            assert_eq!(out, b"a tool", "{name}");
        }
    }

    #[test]
    fn what_is_no_archive_is_told_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tool");
        for bytes in [&b"\x7fELF\x02\x01\x01\x00\x00"[..], b"", b"short"] {
            std::fs::write(&path, bytes).unwrap();
            let said = open(&path).unwrap_err().to_string();
            assert!(said.contains("expected an artifact of `bake`, a .tar.gz or a .deb"), "{said}");
        }
        std::fs::write(&path, &tar_gz(&[("a", b"a")])[..20]).unwrap();
        let said = open(&path).unwrap_err().to_string();
        assert!(said.contains("corrupt gzip data"), "{said}");
    }
}
