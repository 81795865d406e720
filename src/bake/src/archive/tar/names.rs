//! The names of an archive seen so far, and whether one more may join them.
//!
//! The archive is refused when a path comes twice, when a path is below what is not a directory (so nothing is ever
//! written through a link), or when a hard link's target is not a regular file before it. Two paths are one when
//! they are equal after Unicode composition (NFC) and, unless `twins` allows it, after folding of case: on a file
//! system that folds, one would overwrite the other. Debian's kernel packages have such twins (`xt_TCPMSS.ko`
//! and `xt_tcpmss.ko`), and never leave for such a file system.
//!
//! With `merged`, `/bin/x` is `/usr/bin/x`: the one case of an entry below what may be a link of the same archive.

use super::TarError;
use std::collections::HashMap;
use tree::name::ImagePath;
use tree::{Meta, merged};

/// All names of one archive.
#[derive(Debug)]
pub(super) struct Names {
    twins: bool,
    merged: bool,
    /// By key; only ever looked up, so its order shows nowhere.
    seen: HashMap<Box<str>, Seen>,
    /// What the names may still take.
    left: usize,
    limit: usize,
}

/// What an entry is, as far as later entries care.
#[derive(Debug, Clone)]
pub(super) enum Seen {
    /// A directory that is only implied, by an entry below it.
    Implied,
    Directory,
    File {
        path: ImagePath,
        meta: Box<Meta>,
    },
    /// A symbolic link, device, FIFO or hard link.
    Other,
    /// A hard link to the file at this key.
    Alias(Box<str>),
}

impl Names {
    pub(super) fn new(twins: bool, merged: bool, limit: usize) -> Self {
        Self { twins, merged, seen: HashMap::new(), left: limit, limit }
    }

    /// Adds an entry.
    pub(super) fn add(&mut self, path: &ImagePath, what: Seen) -> Result<(), TarError> {
        let key = self.key(path);
        self.imply_parents(path, &key)?;
        match self.seen.get(&key) {
            None => self.insert(key, what),
            Some(Seen::Implied) if matches!(what, Seen::Directory) => {
                self.seen.insert(key, what);
                Ok(())
            }
            Some(Seen::Implied) => Err(TarError::Clash { path: path.clone(), below: path.clone() }),
            Some(_) => Err(TarError::Twice { path: path.clone() }),
        }
    }

    /// The regular file that a hard link at `path` to `target` names.
    pub(super) fn file(
        &self,
        path: &ImagePath,
        target: &ImagePath,
    ) -> Result<(ImagePath, Meta, Box<str>), TarError> {
        let mut key = self.key(target);
        // an alias names a file, never another alias
        if let Some(Seen::Alias(of)) = self.seen.get(&key) {
            key = of.clone();
        }
        match self.seen.get(&key) {
            Some(Seen::File { path, meta }) => Ok((path.clone(), (**meta).clone(), key)),
            _ => Err(TarError::Hardlink { path: path.clone(), target: target.clone() }),
        }
    }

    /// Every directory above `path` is one or may be one.
    fn imply_parents(&mut self, path: &ImagePath, key: &str) -> Result<(), TarError> {
        let mut missing = Vec::new();
        let mut end = key.len();
        while let Some(slash) = key[..end].rfind('/') {
            let parent = if slash == 0 { "/" } else { &key[..slash] };
            match self.seen.get(parent) {
                // its own parents are known too
                Some(Seen::Directory | Seen::Implied) => break,
                Some(_) => {
                    let below = parent.parse().unwrap_or_else(|_| path.clone());
                    return Err(TarError::Clash { path: path.clone(), below });
                }
                None if key == "/" => break,
                None => missing.push(parent),
            }
            if slash == 0 {
                break;
            }
            end = slash;
        }
        for parent in missing {
            self.insert(parent.into(), Seen::Implied)?;
        }
        Ok(())
    }

    fn insert(&mut self, key: Box<str>, what: Seen) -> Result<(), TarError> {
        let Some(left) = self.left.checked_sub(key.len()) else {
            return Err(TarError::Limit { what: "bytes of names", limit: self.limit as u64 });
        };
        self.left = left;
        self.seen.insert(key, what);
        Ok(())
    }

    fn key(&self, path: &ImagePath) -> Box<str> {
        let path = if self.merged { merged(path) } else { path.clone() };
        let text = path.as_str();
        match (text.is_ascii(), self.twins) {
            (true, true) => text.into(),
            (true, false) => text.to_ascii_lowercase().into(),
            (false, true) => composed(text).into(),
            (false, false) => composed(&composed(text).to_lowercase()).into(),
        }
    }
}

fn composed(text: &str) -> String {
    icu_normalizer::ComposingNormalizerBorrowed::new_nfc().normalize(text).into_owned()
}
