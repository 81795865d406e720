//! The output folder of a bake as a value: names and digests, and whether `SHA256SUMS` tells the truth.

use anyhow::{Context as _, Result, ensure};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tree::digest::Sha256;

/// Name → digest of every file of an output folder, with names that begin with a dot: a leftover is a difference.
pub type Outputs = BTreeMap<String, String>;

/// Reads an output folder.
pub fn outputs(folder: &Path) -> Result<Outputs> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read `{}`", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        ensure!(entry.file_type()?.is_file(), "`{name}` is not a plain file");
        found.insert(name, sha256(&entry.path())?);
    }
    Ok(found)
}

/// Reads the output folder of a bake of `image` (`base.debian-13.amd64`), which must be whole and hold nothing else:
/// the artifact, its record and list of files, and `SHA256SUMS` with the right digest of each.
pub fn whole(folder: &Path, image: &str) -> Result<Outputs> {
    let found = outputs(folder)?;
    for suffix in ["tar.zst", "record.json", "files.json"] {
        ensure!(
            found.contains_key(&format!("{image}.{suffix}")),
            "no `{image}.{suffix}` in {:?}",
            found.keys()
        );
    }
    let text = fs::read_to_string(folder.join("SHA256SUMS")).context("`SHA256SUMS`")?;
    let mut listed = BTreeMap::new();
    for line in text.lines() {
        let (digest, name) =
            line.split_once("  ").with_context(|| format!("`{line}` is not a line of SHA256SUMS"))?;
        ensure!(listed.insert(name.to_owned(), digest.to_owned()).is_none(), "`{name}` is listed twice");
    }
    let mut expected = found.clone();
    expected.remove("SHA256SUMS");
    ensure!(listed == expected, "SHA256SUMS lists {listed:?}, the folder has {expected:?}");
    Ok(found)
}

fn sha256(path: &Path) -> Result<String> {
    let mut hasher = tree::digest::Hasher::sha256();
    let mut file = fs::File::open(path)?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        match std::io::Read::read(&mut file, &mut buffer)? {
            0 => return Ok(hasher.finish().hex()),
            n => hasher.update(&buffer[..n]),
        }
    }
}

/// The digest of bytes, as `outputs` writes it.
#[must_use]
pub fn digest_of(bytes: &[u8]) -> String {
    Sha256::of(bytes).hex()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_whole_only_with_every_file_listed_with_its_digest() {
        let dir = tempfile::tempdir().unwrap();
        let names = ["a.tar.zst", "a.record.json", "a.files.json"];
        let mut sums = String::new();
        for name in names {
            fs::write(dir.path().join(name), name).unwrap();
            sums += &format!("{}  {name}\n", digest_of(name.as_bytes()));
        }
        fs::write(dir.path().join("SHA256SUMS"), &sums).unwrap();
        assert_eq!(whole(dir.path(), "a").unwrap().len(), 4);
        fs::write(dir.path().join(".left-over"), "").unwrap();
        assert!(whole(dir.path(), "a").is_err());
        fs::remove_file(dir.path().join(".left-over")).unwrap();
        fs::write(dir.path().join("a.tar.zst"), "other").unwrap();
        assert!(whole(dir.path(), "a").is_err());
    }
}
