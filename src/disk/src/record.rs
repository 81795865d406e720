//! `<name>.disk.json`: what stands where on the disk of an image, whatever the format that it is in.
//!
//! ```json
//! {"head":{"format":1,"plan":"sha256:…","size":2147483648,"id":"…","cmdline":"root=PARTUUID=…"},
//! "partitions":[
//! {"type":"c12a7328-…","id":"…","offset":1048576,"size":67108864,"attributes":0,"name":"esp"},…
//! ],
//! "extents":[
//! {"at":0,"len":17408,"sha256":"sha256:…"},
//! {"at":74448896,"len":8192,"sha256":"sha256:…","path":"/usr/bin/x","from":0},…
//! ]}
//! ```
//! An extent with a path is a piece of that file, from its byte `from` on; one without is a structure of a file system
//! or the partition table. What no extent names is zero. So each byte of a disk can be compared with its record, and
//! what is found wrong has a name.

use super::gpt::Entry;
use super::layout::Disk;
use super::uuid::Uuid;
use serde::{Deserialize, Serialize};
use std::io::{self, Write};
use tree::chunk::Part;
use tree::digest::Sha256;
use tree::name::ImagePath;

/// The version of this form.
const FORMAT: u32 = 1;

/// The whole file, read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// What it is about.
    pub head: Head,
    /// The partitions in their order.
    pub partitions: Vec<Partition>,
    /// What is not zero, in order.
    pub extents: Vec<Extent>,
}

/// What a record is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// 1.
    pub format: u32,
    /// The digest of the plan.
    pub plan: Sha256,
    /// The size of the disk in bytes.
    pub size: u64,
    /// Its identifier.
    pub id: String,
    /// The kernel's command line.
    pub cmdline: String,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partition {
    /// The identifier of its type, by the Discoverable Partitions Specification.
    pub r#type: String,
    /// Its own identifier: the kernel's PARTUUID.
    pub id: String,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// Its size in bytes.
    pub size: u64,
    /// Attribute bits.
    pub attributes: u64,
    /// Its name.
    pub name: String,
}

/// A run of bytes of the disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extent {
    /// Where it begins, in bytes.
    pub at: u64,
    /// How many bytes.
    pub len: u64,
    /// Their digest.
    pub sha256: Sha256,
    /// The file whose bytes they are; none for what is no file's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<ImagePath>,
    /// The first byte of the file that is meant.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub from: u64,
}

/// Writes the record of `disk`.
pub fn print(out: &mut impl Write, disk: &Disk<'_>) -> io::Result<()> {
    let head = Head {
        format: FORMAT,
        plan: disk.spec.seed,
        size: disk.image.size,
        id: disk.id.to_string(),
        cmdline: disk.boot.cmdline.clone(),
    };
    out.write_all(b"{\"head\":")?;
    serde_json::to_writer(&mut *out, &head)?;
    list(out, "partitions", disk.partitions.iter().map(Partition::from))?;
    list(out, "extents", extents(disk))?;
    out.write_all(b"}\n")
}

/// Reads the file.
pub fn parse(bytes: &[u8]) -> Result<Record, serde_json::Error> {
    let record: Record = tree::refusal::record(bytes)?;
    let wrong = |what: String| Err(serde::de::Error::custom(what));
    if record.head.format != FORMAT {
        return wrong(format!("format: expected {FORMAT}, found {}", record.head.format));
    }
    let mut free = 0;
    for extent in &record.extents {
        match extent.at.checked_add(extent.len) {
            Some(end) if extent.at >= free && end <= record.head.size => free = end,
            _ => return wrong(format!("the extent at byte {} is out of order", extent.at)),
        }
    }
    Ok(record)
}

/// What is not zero. What fills the rest of a block behind a file has no digest of its own: it is zero.
fn extents<'d>(disk: &'d Disk<'_>) -> impl Iterator<Item = Extent> + 'd {
    disk.image.segments.iter().flat_map(|segment| {
        let mut at = segment.offset;
        segment.chunk.parts.iter().filter_map(move |part| {
            let (len, named) = match part {
                Part::Raw(bytes) => {
                    let zero = bytes.iter().all(|&byte| byte == 0);
                    (bytes.len() as u64, (!zero).then(|| (Sha256::of(bytes), None, 0)))
                }
                Part::Range(range) => {
                    (range.len, Some((range.digest, Some(range.path.clone()), range.offset)))
                }
            };
            at += len;
            named.map(|(sha256, path, from)| Extent { at: at - len, len, sha256, path, from })
        })
    })
}

impl From<&Entry> for Partition {
    fn from(entry: &Entry) -> Self {
        let text = |uuid: Uuid| uuid.to_string();
        Self {
            r#type: text(entry.r#type),
            id: text(entry.id),
            offset: entry.offset,
            size: entry.size,
            attributes: entry.attributes,
            name: entry.name.clone(),
        }
    }
}

fn list(out: &mut impl Write, name: &str, items: impl Iterator<Item = impl Serialize>) -> io::Result<()> {
    write!(out, ",\n\"{name}\":[")?;
    for (nth, item) in items.enumerate() {
        out.write_all(if nth == 0 { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut *out, &item)?;
    }
    out.write_all(b"\n]")
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}
