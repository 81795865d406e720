//! Unpacking: an input of the store to members with their bytes in the store.
//!
//! ```text
//! input blob ─decompress─┬─► tar blob in the store
//!                        └─► tar reader ─► members: ranges of that blob with their digests ─► note
//! ```
//! The bytes of a compressed archive are decompressed just once per store: the tar goes into the store as a blob of
//! its own, and a note remembers, for the input's digest, the blob and the list of members. Both check themselves:
//! a note is used only while its blob is there, and whoever reads a range compares it with the range's digest.
//!
//! The input is not hashed here: `fetch` has done so in this run. Nothing is noted, and no blob is made, before the whole
//! archive was read and found good.

mod all;
mod members;
mod note;
mod window;

pub use all::{Input, Unpacked, all};

use crate::archive::deb::{self, DebError};
use crate::archive::decompress::{self, Form, Limits};
use crate::archive::tar::{Policy, TarError};
use crate::archive::{elf, is_content_fault};
use crate::digest::Digest;
use crate::name::{Arch, ImagePath, Name};
use crate::refusal::{Class, Refusal, Result, Stage};
use crate::store::Store;
use crate::tree::{Content, Meta, Node, Stored};
use members::{Blob, Ranges};
use std::fs::File;
use std::io::{self, BufReader, Read as _};
use std::sync::Arc;

/// An unpacked Debian package.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Package {
    /// The members of its control archive but the root directory, in their order.
    pub control: Vec<ControlFile>,
    /// The members of its data archive, in their order.
    pub members: Vec<Member>,
}

/// A member of a control archive.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ControlFile {
    /// `control`, `postinst`, `md5sums`, …
    pub name: String,
    /// Permission bits.
    pub mode: u16,
    /// Its bytes.
    pub bytes: Arc<[u8]>,
}

/// A member of an archive.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Member {
    /// Its path, made absolute and normal; not yet merged.
    pub path: ImagePath,
    /// Mode, owner, time, extended attributes.
    pub meta: Meta,
    /// What it is. A hard link's target is absolute and normal.
    pub node: Node,
}

/// What one archive may take when unpacked: four times Debian's largest packages of programs, and a bound for the disk.
const MAX_UNPACKED: u64 = 8 << 30;

/// Unpacks the Debian package `digest`, called `name` in refusals.
pub fn package(store: &Store, name: &Name, digest: &Digest) -> Result<Package> {
    let key = note::key("deb", digest);
    if let Some(package) = note::get(store, &key)? {
        return Ok(package);
    }
    let mut input = store.open_blob(digest)?;
    let length = length(&input, name)?;
    let (layout, control) = deb::control(&mut input, length).map_err(|error| refuse_deb(name, error))?;
    let data = |error| refuse_deb(name, DebError::Data(error));
    let stream = deb::stream(&mut input, layout.data, Limits::up_to(MAX_UNPACKED))
        .map_err(|e| data(TarError::Read(e)))?;
    let (members, blob) = members::members(store, stream, Policy::DEBIAN, data)?;
    let package = Package { control, members };
    note::put(store, &key, blob, &package)?;
    Ok(package)
}

/// Unpacks the tar archive `digest`, compressed with gzip, called `name` in refusals.
pub fn tar_gz(store: &Store, name: &Name, digest: &Digest) -> Result<Vec<Member>> {
    let key = note::key("tar.gz", digest);
    if let Some(Package { members, .. }) = note::get(store, &key)? {
        return Ok(members);
    }
    let tar = |error| refuse_tar(name, error);
    let input = BufReader::with_capacity(128 << 10, store.open_blob(digest)?);
    let stream = decompress::reader(Form::Gzip, input, Limits::up_to(MAX_UNPACKED))
        .map_err(|e| tar(TarError::Read(e)))?;
    let (members, blob) = members::members(store, stream, Policy::UPSTREAM, tar)?;
    let package = Package { control: Vec::new(), members };
    note::put(store, &key, blob, &package)?;
    Ok(package.members)
}

/// The program `digest` as one member `/<name>`, 0755 root:root, after `program` has found it right.
///
/// Its bytes are the input's own blob; one pinned by SHA-512 is copied to a blob with the name that contents have.
pub fn binary(
    store: &Store,
    name: &Name,
    digest: &Digest,
    arch: Arch,
    must_be_static: bool,
) -> Result<Member> {
    let path = ImagePath::root().join(name.as_str());
    let path = path.map_err(|error| Refusal::new(Class::Archive, name.as_str(), Stage::Unpack, error))?;
    let key = note::key("binary", digest);
    let noted = note::get(store, &key)?.and_then(|Package { mut members, .. }| members.pop());
    let member = match noted {
        Some(member) => Member { path, ..member },
        None => {
            let stored = whole(store, name, digest)?;
            let blob = Blob { digest: stored.blob, size: stored.len };
            let member =
                Member { path, meta: Meta::root(0o755, 0), node: Node::File(Content::Stored(stored)) };
            note::put(store, &key, blob, &Package { control: Vec::new(), members: vec![member.clone()] })?;
            member
        }
    };
    if let Node::File(Content::Stored(stored)) = &member.node {
        program(store, name, stored, arch, must_be_static)?;
    }
    Ok(member)
}

/// Checks that `content`, a file of the input `name`, is a program for `arch`, static where that is promised.
pub fn program(store: &Store, name: &Name, content: &Stored, arch: Arch, must_be_static: bool) -> Result<()> {
    let file = store.open_blob(&content.blob.into())?;
    let window = window::Window::new(file, content.offset, content.len);
    elf::check(window, arch, must_be_static).map_err(|error| {
        Refusal::new(Class::Archive, name.as_str(), Stage::Unpack, error)
            .hint("see that the pin's url names the release for this architecture")
    })
}

/// A whole blob as a range of itself, or of its copy.
fn whole(store: &Store, name: &Name, digest: &Digest) -> Result<Stored> {
    let failed = |error: io::Error| Refusal::io(name.as_str(), Stage::Unpack, "read", &error);
    let mut input = store.open_blob(digest)?;
    let mut ranges = Ranges::begin(0, length(&input, name)?);
    match digest {
        Digest::Sha256(blob) => {
            copy(&mut input, &mut io::sink(), &mut ranges).map_err(failed)?;
            Ok(ranges.finish(*blob))
        }
        Digest::Sha512(_) => {
            let mut incoming = store.incoming()?;
            copy(&mut input, &mut incoming, &mut ranges).map_err(failed)?;
            Ok(ranges.finish(incoming.commit()?.0))
        }
    }
}

fn copy(input: &mut File, output: &mut dyn io::Write, ranges: &mut Ranges) -> io::Result<()> {
    let mut buffer = vec![0; 256 << 10];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(got) => {
                ranges.update(&buffer[..got]);
                output.write_all(&buffer[..got])?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn length(file: &File, name: &Name) -> Result<u64> {
    let metadata =
        file.metadata().map_err(|error| Refusal::io(name.as_str(), Stage::Unpack, "look at", &error))?;
    Ok(metadata.len())
}

fn refuse_deb(name: &Name, error: DebError) -> Refusal {
    match error {
        DebError::Ar(crate::archive::ar::ArError::Read(error)) => {
            Refusal::io(name.as_str(), Stage::Unpack, "read", &error)
        }
        DebError::Control(TarError::Read(error)) | DebError::Data(TarError::Read(error))
            if !is_content_fault(&error) =>
        {
            Refusal::io(name.as_str(), Stage::Unpack, "unpack", &error)
        }
        error => Refusal::new(Class::Archive, name.as_str(), Stage::Unpack, error.to_string()),
    }
}

fn refuse_tar(name: &Name, error: TarError) -> Refusal {
    match error {
        TarError::Read(error) if !is_content_fault(&error) => {
            Refusal::io(name.as_str(), Stage::Unpack, "unpack", &error)
        }
        error => Refusal::new(Class::Archive, name.as_str(), Stage::Unpack, error.to_string()),
    }
}

#[cfg(test)]
mod tests;
