//! `survey`: how far the maintainer scripts of many packages can be followed.
//!
//! Each package is resolved alone, with all that it needs, over Debian's archive as it is today; the files of the packages are
//! read out of the .debs, and the scripts are interpreted over them as a bake would. A line of JSON for each package goes to a
//! file of results, which a later run goes on with.

mod archive;
mod boot;
mod content;
mod interpret;
mod report;

use anyhow::{Context as _, bail, ensure};
use bake::name::Arch;
use bake::sources::MaxAge;
use std::path::{Path, PathBuf};
use std::time::Duration;
use vmbake::console;
use vmbake::places::{PlaceArgs, StoreArgs};
use vmbake::progress::ShowArgs;
use vmbake::project::{self, Project};

/// Follow the maintainer scripts of many packages, and say which cannot be followed to their end
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The list of packages is tests/survey/packages.txt; --list names another, such as tests/survey/sample.txt, and packages that are \
named are surveyed instead of a list. Each package is interpreted with its own closure, and nothing but that. Results are \
kept in --work, and a package that has one there is not interpreted again.")]
pub(crate) struct Args {
    /// The packages, instead of those of a list
    #[arg(value_name = "PACKAGE")]
    packages: Vec<String>,
    /// A list of packages, one a line; `#` begins a comment
    #[arg(long, value_name = "FILE", conflicts_with = "packages")]
    list: Option<PathBuf>,
    /// Interpret only: bake nothing, and compare with no other system
    #[arg(long, required_unless_present = "boot")]
    interpret_only: bool,
    /// Boot images with the servers of tests/survey/answers.toml, and ask each of them: minutes; those that are named, or all
    #[arg(long, conflicts_with_all = ["interpret_only", "list", "arch", "again", "changes", "json"])]
    boot: bool,
    /// For which machines
    #[arg(long, value_name = "amd64|arm64", default_value = "amd64")]
    arch: Arch,
    /// Packages that are there beside each, unless they conflict with it
    #[arg(long, value_name = "PACKAGE", value_delimiter = ',', default_value = "systemd")]
    with: Vec<String>,
    /// Write the result as a table in Markdown, too
    #[arg(long, value_name = "FILE")]
    table: Option<PathBuf>,
    /// Forget the results that are there
    #[arg(long)]
    again: bool,
    /// Print what a script does, instead of counting: each change with its origin
    #[arg(long)]
    changes: bool,
    /// Where what is read out of packages, and results, are kept
    #[arg(long, value_name = "DIR", default_value = "target/survey")]
    work: PathBuf,
    /// Accept an archive whose main suite was made at most so many days ago [default: manifests/sources.toml]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..))]
    max_age: Option<u32>,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    places: PlaceArgs,
    #[command(flatten)]
    show: ShowArgs,
}

/// Runs it.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    if args.boot {
        return boot::run(&args.packages, args.table.as_deref());
    }
    let project = Project::find(None)?;
    let show = args.show.show();
    let names = names(args, &project)?;
    let results = report::Results::open(&args.work.join(results_name(args)), args.again || args.changes)?;
    let open: Vec<&String> = names.iter().filter(|name| !results.has(name)).collect();
    let store = args.store.open()?;
    let _rejected = console::Rejected(&store);
    let mut sources = project.sources()?;
    if let Some(days) = args.max_age {
        let is_known = sources.accept_age(&MaxAge { of: None, days });
        ensure!(is_known, "manifests/sources.toml has no main suite of Debian");
    }
    let options = args.places.options(&project, &sources, "check the mirrors".to_owned())?;
    if !open.is_empty() {
        let archive = archive::Archive::read(&sources, args.arch, &store, &options, &show)?;
        let universe = archive.universe()?;
        let mut tasks = Vec::new();
        for name in open {
            // a package that does not go with those is surveyed without them
            let closure = archive.closure(&universe, name, &args.with);
            match closure.or_else(|_| archive.closure(&universe, name, &[])) {
                Ok(set) => tasks.push((name.clone(), set)),
                Err(error) => results.add(report::One::unresolved(name, &error))?,
            }
        }
        let kernel = archive.kernel(&universe);
        let contents = content::Contents::new(&args.work.join("contents"), &store);
        // in parts, so that a run that is stopped has lost little
        let (count, mut done) = (tasks.len(), 0);
        for part in tasks.chunks(100) {
            contents.bring(part.iter().flat_map(|(_, set)| set), &archive, &options, &show)?;
            show.during(&format!("interpreting {count} packages"), Duration::ZERO, |meter| {
                meter.at(done, count);
                interpret::all(part, &contents, args, kernel.as_deref(), &results, &mut |finished| {
                    meter.at(done + finished, count);
                })
            })?;
            done += part.len();
        }
    }
    let summary = results.summary(&names);
    if let Some(path) = &args.table {
        let list = args
            .list
            .as_ref()
            .map_or_else(|| "tests/survey/packages.txt".into(), |list| project::label(list));
        let date = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
        let text = results.table(&names, &list, &date);
        std::fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
    }
    if args.show.json {
        return console::json(&summary);
    }
    summary.print();
    Ok(())
}

/// What is surveyed, each once, in the order of the list.
fn names(args: &Args, project: &Project) -> anyhow::Result<Vec<String>> {
    if !args.packages.is_empty() {
        return Ok(args.packages.clone());
    }
    let path = args.list.clone().unwrap_or_else(|| project.root.join("tests/survey/packages.txt"));
    let names = read_list(&path)?;
    if names.is_empty() {
        bail!("{} names no package", project::label(&path));
    }
    Ok(names)
}

fn read_list(path: &Path) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let mut names: Vec<String> = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        for name in line.split_whitespace().filter(|name| !name.is_empty()) {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
    }
    Ok(names)
}

/// The file of results, by architecture and by what is there beside each package.
fn results_name(args: &Args) -> String {
    let with = args.with.iter().map(|name| format!("+{name}")).collect::<String>();
    format!("{}{with}.jsonl", args.arch.debian())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_each_package_once_and_may_have_comments() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list");
        std::fs::write(&path, "# all\nnginx tmux # two\n\ntmux\njq\n").unwrap();
        assert_eq!(read_list(&path).unwrap(), ["nginx", "tmux", "jq"]);
    }

    #[test]
    fn the_committed_lists_name_as_many_packages_as_is_promised() {
        let folder = crate::tools::root().join("tests/survey");
        assert_eq!(read_list(&folder.join("packages.txt")).unwrap().len(), 100);
        assert!(read_list(&folder.join("sample.txt")).unwrap().len() >= 1000);
    }
}
