//! `survey`: how far the maintainer scripts of many packages can be followed, and whether what they leave is what they leave on
//! a real system.
//!
//! Each package is resolved alone, with all that it needs, over Debian's archive as it is today; the files of the packages are
//! read out of the .debs, and the scripts are interpreted over them as a bake would. Then each is baked alone and in a set, and
//! compared with a system that mmdebstrap makes of the same lock. A line of JSON for each goes to files of results, which a later
//! run goes on with.

mod archive;
mod boot;
mod compare;
mod compared;
mod content;
mod interpret;
mod report;
mod sets;
mod table;

use anyhow::{Context as _, bail, ensure};
use bake::sources::MaxAge;
use compare::Task;
use compared::{Compared, Comparisons};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tree::name::Arch;
use vmbake::console;
use vmbake::places::{PlaceArgs, StoreArgs};
use vmbake::progress::{Show, ShowArgs};
use vmbake::project::{self, Project};

/// Follow the maintainer scripts of many packages, and compare what a bake makes of them with a real system
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The list of packages is tests/survey/packages.txt; --list names another, such as tests/survey/sample.txt, and packages that are \
named are surveyed instead of a list. Each package is interpreted with its own closure, and nothing but that. Results are \
kept in --work: a package that has one there is not interpreted again, and one that was equal is not compared again.
Real systems are made by mmdebstrap as root, two minutes each at the most; all of the list and the sets of tests/survey/sets.txt \
take about an hour. Files that differ without a reason are kept in --work, below differing/. The reasons are in \
tests/src/effects/differences.toml.")]
pub(crate) struct Args {
    /// The packages, instead of those of a list
    #[arg(value_name = "PACKAGE")]
    packages: Vec<String>,
    /// A list of packages, one a line; `#` begins a comment
    #[arg(long, value_name = "FILE", conflicts_with = "packages")]
    list: Option<PathBuf>,
    /// Interpret only: bake nothing, and compare with no other system
    #[arg(long)]
    interpret_only: bool,
    /// Boot images with the servers of tests/survey/answers.toml, and ask each of them: minutes; those that are named, or all
    #[arg(long, conflicts_with_all = ["interpret_only", "list", "set", "scratch", "arch", "again", "changes", "json"])]
    boot: bool,
    /// Cut the power of machines in the middle of their first boot, at random moments, and start each once more: a minute each
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "20", value_parser = clap::value_parser!(u32).range(1..=1000),
        conflicts_with_all = ["packages", "boot", "interpret_only", "list", "set", "scratch", "arch", "again", "changes", "json"])]
    power_cuts: Option<u32>,
    /// Compare these sets of tests/survey/sets.txt, and no package alone; without this all, where no package is named
    #[arg(long, value_name = "NAME", value_delimiter = ',', conflicts_with_all = ["interpret_only", "packages"])]
    set: Vec<String>,
    /// Where systems are laid out while they are compared, such as a tmpfs; some GB for each of --jobs [default: in --work]
    #[arg(long, value_name = "DIR", conflicts_with = "interpret_only")]
    scratch: Option<PathBuf>,
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
    #[arg(long, requires = "interpret_only")]
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
        return boot::servers(&args.packages, args.table.as_deref());
    }
    if let Some(count) = args.power_cuts {
        return boot::power_cuts(count, args.table.as_deref());
    }
    let project = Project::find(None)?;
    let show = args.show.show();
    if !args.interpret_only {
        compare::demands(args.arch)?;
    }
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
                Err(error) => results.add(report::PackageReport::unresolved(name, &error))?,
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
    let mut summary = results.summary(&names);
    let followed = results.of(&names);
    let compared = if args.interpret_only { None } else { Some(compared(args, &project, &followed, &show)?) };
    if let Some(path) = &args.table {
        let list = args
            .list
            .as_ref()
            .map_or_else(|| "tests/survey/packages.txt".into(), |list| project::label(list));
        let date = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
        let text = match &compared {
            Some(compared) => table::table(&followed, compared, &list, &date),
            None => results.table(&names, &list, &date),
        };
        std::fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
    }
    let different = compared.iter().flatten().filter(|one| !one.is_equal()).count();
    if let Some(compared) = compared {
        summary = summary.with(compared);
    }
    if args.show.json {
        console::json(&summary)?;
    } else {
        summary.print();
    }
    ensure!(
        different == 0,
        "{different} images differ from a real system, or could not be compared; the files are in `{}`",
        args.work.join("differing").display()
    );
    Ok(())
}

/// Compares what is followed, alone and in sets, as far as there are no results yet.
fn compared(
    args: &Args,
    project: &Project,
    followed: &[report::PackageReport],
    show: &Show,
) -> anyhow::Result<Vec<Compared>> {
    let is_followed = |name: &str| followed.iter().any(|one| one.package == name && one.is_whole());
    let mut tasks = Vec::new();
    if args.set.is_empty() {
        let alone = followed.iter().filter(|one| one.is_whole());
        tasks.extend(alone.map(|one| Task::alone(&one.package)));
    }
    if args.packages.is_empty() && args.list.is_none() {
        let sets = sets::read(&project.root.join("tests/survey/sets.txt"))?;
        let unknown = args.set.iter().find(|name| sets.iter().all(|set| set.name != **name));
        if let Some(name) = unknown {
            bail!("tests/survey/sets.txt has no set `{name}`");
        }
        let wanted = sets.iter().filter(|set| args.set.is_empty() || args.set.contains(&set.name));
        tasks.extend(wanted.map(|set| Task::set(set, is_followed)));
    }
    let results = Comparisons::open(&args.work.join("compared.jsonl"))?;
    let runner = compare::Runner::new(args, project, show)?;
    let mut known = if args.again { Vec::new() } else { compare::known(&runner, &tasks, &results)? };
    let is_open = |task: &&Task| !known.iter().any(|one| one.sort == task.sort && one.name == task.name);
    let open: Vec<Task> = tasks.iter().filter(is_open).cloned().collect();
    if !open.is_empty() {
        compare::all(&runner, &open, &results, show)?;
    }
    known.extend(open.iter().filter_map(|task| results.get(task.sort, &task.name, &task.packages)));
    let place = |one: &Compared| tasks.iter().position(|task| task.sort == one.sort && task.name == one.name);
    known.sort_by_key(place);
    Ok(known)
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
