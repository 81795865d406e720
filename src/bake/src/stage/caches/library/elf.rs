//! What of a shared library the cache is about: the name that programs ask for it by.
//!
//! System V ABI: program headers, dynamic section; x86-64 psABI, section "Program Property" for the level of the
//! processor. Only the pieces of a file that hold these are read, so that a library's size does not matter.

use crate::stage::Read;
use object::read::elf::{Dyn as _, FileHeader as _, NoteIterator, ProgramHeader as _};
use object::{LittleEndian, ReadCache, ReadCacheOps, ReadRef as _, elf};
use std::collections::BTreeMap;
use std::ops::Range;
use tree::name::Arch;
use tree::refusal::{Refusal, Result};
use tree::{Content, PIECE, Stored};

type Header = elf::FileHeader64<LittleEndian>;

/// Longer names fit into no file name.
const LONGEST_NAME: u64 = 4096;
/// `GNU_PROPERTY_X86_ISA_1_NEEDED`.
const ISA_NEEDED: u32 = 0xc000_8002;

/// A shared library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shared {
    /// Its `DT_SONAME`.
    pub(super) soname: Option<String>,
    /// The highest level of processor that it needs, as the number of a bit.
    pub(super) level: u32,
}

/// Reads `content`; nothing where it is not a shared library for `arch`, or a broken one, which loaders refuse.
pub(super) fn read(content: &Content, arch: Arch, read: Read<'_>) -> Result<Option<Shared>> {
    let file = ReadCache::new(Pieces { content, read, at: 0, loaded: BTreeMap::new(), refusal: None });
    let shared = parse(&file, arch);
    match file.into_inner().refusal {
        Some(refusal) => Err(refusal),
        None => Ok(shared),
    }
}

fn parse(file: &ReadCache<Pieces<'_>>, arch: Arch) -> Option<Shared> {
    let machine = match arch {
        Arch::Amd64 => elf::EM_X86_64,
        Arch::Arm64 => elf::EM_AARCH64,
    };
    let header = Header::parse(file).ok()?;
    let endian = header.endian().ok()?;
    if header.e_machine(endian) != machine || header.e_type(endian) != elf::ET_DYN {
        return None;
    }
    let (mut bias, mut dynamic, mut level) = (None, None, 0);
    for segment in header.program_headers(endian, file).ok()? {
        match segment.p_type(endian) {
            elf::PT_LOAD => {
                bias.get_or_insert(segment.p_vaddr(endian).wrapping_sub(segment.p_offset(endian)));
            }
            elf::PT_DYNAMIC => dynamic = segment.dynamic(endian, file).ok()?,
            elf::PT_GNU_PROPERTY if arch == Arch::Amd64 && segment.p_align(endian) == 8 => {
                level = level_of(segment.data(endian, file).ok()?);
            }
            _ => {}
        }
    }
    let entries = dynamic?.iter().take_while(|entry| entry.d_tag(endian) != elf::DT_NULL);
    let value = |tag| entries.clone().find(|entry| entry.d_tag(endian) == tag).map(|entry| entry.val(endian));
    let strings = value(elf::DT_STRTAB)?.wrapping_sub(bias.unwrap_or(0));
    let soname = match value(elf::DT_SONAME) {
        Some(offset) => Some(string(file, strings.checked_add(offset)?)?),
        None => None,
    };
    Some(Shared { soname, level })
}

fn string(file: &ReadCache<Pieces<'_>>, start: u64) -> Option<String> {
    let end = file.len().ok()?.min(start.checked_add(LONGEST_NAME)?);
    let bytes = file.read_bytes_at_until(Range { start, end }, 0).ok()?;
    String::from_utf8(bytes.to_vec()).ok()
}

/// The level that the properties in `notes` ask for.
fn level_of(notes: &[u8]) -> u32 {
    let endian = LittleEndian;
    let notes = NoteIterator::<Header>::new(endian, object::U64::new(endian, 8).get(endian), notes);
    let properties = notes.into_iter().flatten().flatten().filter_map(|note| note.gnu_properties(endian));
    properties
        .flat_map(|properties| properties.into_iter().flatten())
        .filter(|property| property.pr_type().0 == ISA_NEEDED)
        .find_map(|property| property.data_u32(endian).ok()?.checked_ilog2())
        .unwrap_or(0)
}

/// A content as a file that is read at places: what is longer than a piece is read, and checked, by pieces.
struct Pieces<'a> {
    content: &'a Content,
    read: Read<'a>,
    at: u64,
    loaded: BTreeMap<u64, Vec<u8>>,
    /// Why a piece could not be read; `object` has errors without words.
    refusal: Option<Refusal>,
}

impl Pieces<'_> {
    /// The piece that has the byte at `at`, from there on.
    fn from(&mut self, at: u64) -> Option<&[u8]> {
        let stored = match self.content {
            Content::Inline(bytes) => return bytes.get(usize::try_from(at).ok()?..),
            Content::Stored(stored) => stored,
        };
        if at >= stored.len {
            return None;
        }
        let nth = if stored.pieces.is_empty() { 0 } else { at / PIECE };
        if !self.loaded.contains_key(&nth) {
            match (self.read)(&piece(stored, nth)?) {
                Ok(bytes) => self.loaded.insert(nth, bytes),
                Err(refusal) => {
                    self.refusal = Some(refusal);
                    return None;
                }
            };
        }
        self.loaded.get(&nth)?.get(usize::try_from(at - nth * PIECE).ok()?..)
    }
}

/// The piece of that number.
fn piece(stored: &Stored, nth: u64) -> Option<Stored> {
    let Some(digest) = stored.pieces.get(usize::try_from(nth).ok()?) else { return Some(stored.clone()) };
    let start = nth * PIECE;
    let len = PIECE.min(stored.len.checked_sub(start)?);
    Some(Stored {
        blob: stored.blob,
        offset: stored.offset + start,
        len,
        digest: *digest,
        pieces: Vec::new(),
    })
}

impl ReadCacheOps for Pieces<'_> {
    fn len(&mut self) -> Result<u64, ()> {
        Ok(self.content.len())
    }

    fn seek(&mut self, at: u64) -> Result<u64, ()> {
        self.at = at;
        Ok(at)
    }

    fn read(&mut self, into: &mut [u8]) -> Result<usize, ()> {
        let from = self.from(self.at).ok_or(())?;
        let len = into.len().min(from.len());
        into.get_mut(..len).ok_or(())?.copy_from_slice(from.get(..len).ok_or(())?);
        self.at += len as u64;
        Ok(len)
    }

    fn read_exact(&mut self, mut into: &mut [u8]) -> Result<(), ()> {
        while !into.is_empty() {
            match self.read(into)? {
                0 => return Err(()),
                len => into = into.get_mut(len..).ok_or(())?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
