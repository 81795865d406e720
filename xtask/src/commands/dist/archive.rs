//! The archive that people download: one folder with the program, its licence, manual pages and completions.

use anyhow::{Context as _, Result};
use clap::CommandFactory as _;
use clap_complete::Shell;
use flate2::{Compression, GzBuilder};
use std::fs;
use std::path::Path;
use vmbake::cli::Cli;
use vmbake::commands::completions;

/// What an archive is made of.
pub(super) struct Content<'a> {
    /// The program.
    pub(super) program: &'a [u8],
    /// The checkout.
    pub(super) root: &'a Path,
    /// The version.
    pub(super) version: &'a str,
    /// The time of its files.
    pub(super) epoch: u64,
}

/// The archive's bytes.
pub(super) fn write(content: &Content<'_>) -> Result<Vec<u8>> {
    let Content { program, root, version, epoch } = content;
    let mut files: Vec<(String, u32, Vec<u8>)> = vec![("vmbake".to_owned(), 0o755, program.to_vec())];
    for name in ["LICENSE", "README.md"] {
        files.push((name.to_owned(), 0o644, fs::read(root.join(name)).with_context(|| name.to_owned())?));
    }
    for (shell, name) in [(Shell::Bash, "vmbake.bash"), (Shell::Zsh, "_vmbake"), (Shell::Fish, "vmbake.fish")]
    {
        files.push((format!("completions/{name}"), 0o644, completions::of(shell)));
    }
    for (name, page) in manual()? {
        files.push((format!("man/{name}"), 0o644, page));
    }
    // no name and no time in the header of gzip
    let mut tar = tar::Builder::new(GzBuilder::new().write(Vec::new(), Compression::best()));
    for (name, mode, bytes) in files {
        let mut header = header(*epoch, mode, bytes.len() as u64);
        tar.append_data(&mut header, format!("vmbake-{version}/{name}"), &bytes[..])?;
    }
    Ok(tar.into_inner()?.finish()?)
}

/// The header of a file of root's.
pub(super) fn header(epoch: u64, mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_mode(mode);
    header.set_mtime(epoch);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// The manual pages, one for each command.
fn manual() -> Result<Vec<(String, Vec<u8>)>> {
    let mut command = Cli::command();
    command.build();
    let mut pages = vec![("vmbake.1".to_owned(), page(command.clone())?)];
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        let name = format!("vmbake-{}", sub.get_name());
        pages.push((format!("{name}.1"), page(sub.clone().display_name(name))?));
    }
    Ok(pages)
}

fn page(command: clap::Command) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    // without a date, which would be today's
    clap_mangen::Man::new(command).render(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_has_a_manual_page_that_says_what_it_is_called() {
        let pages = manual().unwrap();
        let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        assert!(names.contains(&"vmbake.1") && names.contains(&"vmbake-bake.1"), "{names:?}");
        for (name, page) in &pages {
            let text = String::from_utf8_lossy(page);
            assert!(text.contains(name.trim_end_matches(".1")), "{name}: {text}");
        }
    }

    #[test]
    fn the_same_content_is_the_same_archive_and_has_a_folder_of_its_own() {
        let content = Content { program: b"elf", root: crate::tools::root(), version: "1.2", epoch: 7 };
        let archive = write(&content).unwrap();
        assert_eq!(archive, write(&content).unwrap());
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(&archive[..]));
        for entry in tar.entries().unwrap() {
            let entry = entry.unwrap();
            assert!(entry.path().unwrap().starts_with("vmbake-1.2"));
            assert_eq!(entry.header().mtime().unwrap(), 7);
        }
    }
}
