//! Unpacking: an input of the store to members with their bytes in the store.
//!
//! ```text
//! input blob ─hash─► the same open file ─decompress─┬─► tar blob in the store
//!                                                   └─► tar reader ─► members: ranges of that blob ─► note
//! ```
//! The bytes of a compressed archive are decompressed just once per store: the tar goes into the store as a blob of
//! its own, and a note remembers, for the input's digest, the blob and the list of members. A note is authenticated, and
//! is used only while its blob is there; whoever reads a range compares it with the range's digest.
//!
//! `fetch` has hashed each input in this run, but its file may have been changed since: it is hashed here again, before
//! anything of it is parsed, and what is read afterwards is what was hashed ([`Store::verified`]). Nothing is noted, and no
//! blob is made, before the whole archive was read and found good.

mod all;
mod members;
mod note;
mod window;

pub use all::{Input, Unpacked, all};

use crate::archive::deb::{self, DebError};
use crate::archive::decompress::{self, Form, Limits};
use crate::archive::tar::{Policy, TarError};
use crate::archive::{elf, is_content_fault};
use members::{Blob, Ranges};
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::sync::Arc;
use store::{Changed, Store, Verified};
use tree::digest::{Digest, Sha256};
use tree::name::{Arch, ImagePath, Name};
use tree::refusal::{Class, Refusal, Result, Stage};
use tree::{Content, Meta, Node, Stored};

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
    if let Some(package) = note::get(store, &key) {
        return Ok(package);
    }
    let mut input = verified(store, name, digest)?;
    let length = input.size();
    let (layout, control) = deb::control(&mut input, length).map_err(|error| refuse_deb(name, error))?;
    let data = |error| refuse_deb(name, DebError::Data(error));
    let stream = deb::stream(&mut input, layout.data, Limits::of_files(MAX_UNPACKED))
        .map_err(|e| data(TarError::Read(e)))?;
    let (members, blob) = members::members(store, stream, Policy::DEBIAN, data)?;
    let package = Package { control, members };
    note::put(store, &key, blob, &package)?;
    Ok(package)
}

/// Unpacks the tar archive `digest`, compressed with gzip, called `name` in refusals.
pub fn tar_gz(store: &Store, name: &Name, digest: &Digest) -> Result<Vec<Member>> {
    let key = note::key("tar.gz", digest);
    if let Some(Package { members, .. }) = note::get(store, &key) {
        return Ok(members);
    }
    let tar = |error| refuse_tar(name, error);
    let input = BufReader::with_capacity(128 << 10, verified(store, name, digest)?);
    let stream = decompress::reader(Form::Gzip, input, Limits::of_files(MAX_UNPACKED))
        .map_err(|e| tar(TarError::Read(e)))?;
    let (members, blob) = members::members(store, stream, Policy::UPSTREAM, tar)?;
    let package = Package { control: Vec::new(), members };
    note::put(store, &key, blob, &package)?;
    Ok(package.members)
}

/// Unpacks a layer of a container image: the tar `digest`, compressed or not, whose own digest is to be `diff_id`.
pub fn layer(store: &Store, name: &Name, digest: &Digest, diff_id: &Sha256) -> Result<Vec<Member>> {
    let key = note::key("layer", digest);
    if let Some((blob, Package { members, .. })) = note::find(store, &key)
        && blob.digest == *diff_id
    {
        return Ok(members);
    }
    let tar = |error| refuse_tar(name, error);
    let read = |error| tar(TarError::Read(error));
    let mut input = BufReader::with_capacity(128 << 10, verified(store, name, digest)?);
    let form = Form::of_layer(input.fill_buf().map_err(read)?);
    let stream = decompress::reader(form, input, Limits::of_files(MAX_UNPACKED)).map_err(read)?;
    let (members, blob) = members::members(store, stream, Policy::LAYER, tar)?;
    if blob.digest != *diff_id {
        let what = format!("layer {digest}: expected diff ID {diff_id}, found {}", blob.digest);
        return Err(Refusal::new(Class::Verification, name.as_str(), Stage::Unpack, what));
    }
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
    let member = |stored: Stored| Member {
        path: path.clone(),
        meta: Meta::root(0o755, 0),
        node: Node::File(Content::Stored(stored)),
    };
    let noted = note::get(store, &key).and_then(|package| package.members.into_iter().next());
    if let Some(Member { node: Node::File(Content::Stored(stored)), .. }) = noted
        && program(store, name, &stored, arch, must_be_static)?
    {
        return Ok(member(stored));
    }
    let stored = whole(store, name, digest)?;
    if !program(store, name, &stored, arch, must_be_static)? {
        return Err(changed(name));
    }
    let blob = Blob { digest: stored.blob, size: stored.len };
    let member = member(stored);
    note::put(store, &key, blob, &Package { control: Vec::new(), members: vec![member.clone()] })?;
    Ok(member)
}

/// Checks that `content`, a file of the input `name`, is a program for `arch`, static where that is promised. False
/// where its blob is not what it was when it was unpacked: it is then set aside.
fn program(store: &Store, name: &Name, content: &Stored, arch: Arch, must_be_static: bool) -> Result<bool> {
    let blob = content.blob.into();
    let mut window = window::Window::new(store.open_blob(&blob)?, content);
    let checked = elf::check(&mut window, arch, must_be_static);
    if window.is_changed() {
        store.verify_blob(&blob)?;
        return Ok(false);
    }
    checked.map(|()| true).map_err(|error| {
        Refusal::new(Class::Archive, name.as_str(), Stage::Unpack, error)
            .hint("check that the pinned URL names the release for this architecture")
    })
}

/// A whole blob as a range of itself, or of its copy.
pub(crate) fn whole(store: &Store, name: &Name, digest: &Digest) -> Result<Stored> {
    let mut input = verified(store, name, digest)?;
    let mut ranges = Ranges::begin(0, input.size());
    match digest {
        Digest::Sha256(blob) => {
            copy(&mut input, &mut io::sink(), &mut ranges).map_err(|error| failed(name, "read", &error))?;
            Ok(ranges.finish(*blob))
        }
        Digest::Sha512(_) => {
            let mut incoming = store.incoming()?;
            copy(&mut input, &mut incoming, &mut ranges).map_err(|error| failed(name, "read", &error))?;
            Ok(ranges.finish(incoming.commit()?.0))
        }
    }
}

/// The input `digest`, called `name` in refusals, as what its digest says.
fn verified(store: &Store, name: &Name, digest: &Digest) -> Result<Verified> {
    store.verified(digest).map_err(|refusal| Refusal { artifact: name.to_string(), ..refusal })
}

fn copy(input: &mut Verified, output: &mut dyn io::Write, ranges: &mut Ranges) -> io::Result<()> {
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

/// The refusal of an input that could not be read.
fn failed(name: &Name, doing: &str, error: &io::Error) -> Refusal {
    match error.get_ref() {
        Some(inner) if inner.is::<Changed>() => changed(name),
        _ => Refusal::io(name.as_str(), Stage::Unpack, doing, error),
    }
}

fn changed(name: &Name) -> Refusal {
    Refusal::new(Class::Verification, name.as_str(), Stage::Unpack, Changed)
        .hint("check who writes to the store, then run the command again")
}

fn refuse_deb(name: &Name, error: DebError) -> Refusal {
    match error {
        DebError::Ar(crate::archive::ar::ArError::Read(error)) => failed(name, "read", &error),
        DebError::Control(TarError::Read(error)) | DebError::Data(TarError::Read(error))
            if !is_content_fault(&error) =>
        {
            failed(name, "unpack", &error)
        }
        error => Refusal::new(Class::Archive, name.as_str(), Stage::Unpack, error.to_string()),
    }
}

fn refuse_tar(name: &Name, error: TarError) -> Refusal {
    match error {
        TarError::Read(error) if !is_content_fault(&error) => failed(name, "unpack", &error),
        error => Refusal::new(Class::Archive, name.as_str(), Stage::Unpack, error.to_string()),
    }
}

#[cfg(test)]
mod tests;
