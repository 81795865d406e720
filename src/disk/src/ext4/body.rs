//! What an inode is made of besides its fields: attributes, a directory's blocks, a link's target, a device's number.

use super::attributes::{Attributes, attributes};
use super::bytes::{put, put32};
use super::checksum::Seeds;
use super::directory::{self, directory};
use super::extents::FIELD;
use super::inodes::{Inode, LOST_FOUND};
use super::place::Need;
use super::unfit::Unfit;
use super::{BLOCK, Options};
use tree::Node;

/// `fsck` wants room in `/lost+found` before it needs it.
const LOST_FOUND_BLOCKS: usize = 4;

/// An inode's parts, not yet placed.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) attributes: Attributes,
    pub(super) content: Content,
    /// What `stat` says.
    pub(super) size: u64,
}

/// What stands in an inode's blocks, or in their place.
#[derive(Debug)]
pub(super) enum Content {
    /// Nothing, or what `Data` has of a file.
    File,
    /// Blocks of a directory, and whether they are indexed.
    Directory(Vec<u8>, bool),
    /// The block of a long link.
    Link(Vec<u8>),
    /// A short link or a device: all in the inode.
    Field([u8; FIELD]),
    /// A named pipe: nothing at all.
    Fifo,
}

/// The parts of `inode`.
pub(super) fn body(inode: &Inode<'_>, seeds: &Seeds, options: &Options) -> Result<Body, Unfit> {
    let attributes = attributes(inode.path, &inode.meta.xattrs)?;
    let (content, size) = match inode.node {
        Node::Directory => {
            let (number, parent) = (inode.number, inode.parent);
            let place =
                directory::Place { number, parent, seed: seeds.inode(number), hash_seed: &options.hash_seed };
            let least = if number == LOST_FOUND { LOST_FOUND_BLOCKS } else { 1 };
            let (blocks, indexed) = directory(place, &inode.children, least)
                .ok_or_else(|| Unfit::Directory(inode.path.to_owned(), inode.children.len()))?;
            let size = blocks.len() as u64;
            (Content::Directory(blocks, indexed), size)
        }
        Node::File(content) => (Content::File, content.len()),
        Node::Symlink(target) => (link(inode.path, target)?, target.len() as u64),
        &Node::Character { major, minor } | &Node::Block { major, minor } => {
            (device(inode.path, major, minor)?, 0)
        }
        // `inodes` has no such node
        Node::Hardlink(target) => return Err(Unfit::Hardlink(inode.path.to_owned(), target.to_string())),
        Node::Fifo => (Content::Fifo, 0),
    };
    Ok(Body { attributes, content, size })
}

impl Body {
    /// The blocks that it wants besides those of a file.
    pub(super) fn need(&self) -> Need {
        let blocks = match &self.content {
            Content::Directory(blocks, _) | Content::Link(blocks) => blocks.len() / BLOCK,
            Content::File | Content::Field(_) | Content::Fifo => 0,
        };
        Need { attributes: self.attributes.outside.is_some(), blocks: blocks as u64 }
    }
}

/// A target stands in the inode where there is room for it and a zero.
fn link(path: &str, target: &str) -> Result<Content, Unfit> {
    match target.len() {
        1..FIELD => {
            let mut field = [0; FIELD];
            put(&mut field, 0, target.as_bytes());
            Ok(Content::Field(field))
        }
        FIELD..BLOCK => {
            let mut block = target.as_bytes().to_vec();
            block.resize(BLOCK, 0);
            Ok(Content::Link(block))
        }
        len => Err(Unfit::Target(path.to_owned(), len)),
    }
}

/// Small numbers in the form that every Linux reads, others in that of 32 bits.
fn device(path: &str, major: u32, minor: u32) -> Result<Content, Unfit> {
    if major >= 1 << 12 || minor >= 1 << 20 {
        return Err(Unfit::Device(path.to_owned(), major, minor));
    }
    let mut field = [0; FIELD];
    if major < 256 && minor < 256 {
        put32(&mut field, 0, major << 8 | minor);
    } else {
        put32(&mut field, 4, (minor & 0xff) | major << 8 | (minor & !0xff) << 12);
    }
    Ok(Content::Field(field))
}
