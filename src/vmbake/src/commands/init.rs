//! `init`: a project with a kind of one's own.

use crate::console;
use crate::project::{Project, label};
use anyhow::Context as _;
use serde::Serialize;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use tree::name::Kind;
use tree::refusal::{Class, Refusal, Stage};

/// Make a project here: a recipe of your own, and what a repository of it needs
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A first image:
  vmbake init
  vmbake add htop
  vmbake bake --format qcow2
  vmbake boot
Existing files are not changed, except for lines added to .gitignore.")]
pub struct Args {
    /// The name of the kind, and of its folder in image-recipes [default: that of the current directory]
    #[arg(long, value_name = "NAME")]
    kind: Option<Kind>,
    /// The kind to extend: a built-in one (base, knd, knc) or one of the project
    #[arg(long, value_name = "KIND", default_value = "base")]
    extends: Kind,
    /// Also write a CI pipeline that bakes the image, caches the store and publishes the artifacts
    #[arg(long, value_name = "github|gitlab")]
    ci: Option<Ci>,
    /// The project's folder [default: the current directory]
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
    /// Print what was written as JSON
    #[arg(long)]
    json: bool,
}

/// Who runs the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Ci {
    /// GitHub Actions.
    Github,
    /// GitLab CI/CD.
    Gitlab,
}

#[derive(Serialize)]
struct Report {
    kind: Kind,
    files: Vec<PathBuf>,
}

const RECIPE: &str = include_str!("init/recipe.toml");
const GITHUB: &str = include_str!("init/github.yml");
const GITLAB: &str = include_str!("init/gitlab.yml");

/// What a repository must not have.
const IGNORED: [&str; 1] = ["/dist/"];

/// Runs it.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let root = match &args.project {
        Some(root) => root.clone(),
        None => std::env::current_dir().context("the current directory")?,
    };
    let kind = match &args.kind {
        Some(kind) => kind.clone(),
        None => named_after(&root),
    };
    let recipe = root.join(format!("image-recipes/{kind}/recipe.toml"));
    if recipe.exists() || crate::builtin::kinds().any(|built_in| built_in == kind.as_str()) {
        let what = if recipe.exists() { "it already exists" } else { "a built-in kind has this name" };
        return Err(Refusal::new(Class::Usage, label(&recipe), Stage::Parse, what)
            .hint("pass `--kind NAME` with another name")
            .into());
    }
    // the kind that it extends must be there, or nothing is written
    Project { root: root.clone() }.recipe(&args.extends)?;
    let fill = |text: &str| {
        text.replace("KIND", kind.as_str())
            .replace("EXTENDS", args.extends.as_str())
            .replace("VERSION", env!("CARGO_PKG_VERSION"))
            .replace("CODENAME", tree::release::CODENAME)
    };
    let mut new = vec![(recipe, fill(RECIPE))];
    match args.ci {
        Some(Ci::Github) => new.push((root.join(".github/workflows/image.yml"), fill(GITHUB))),
        Some(Ci::Gitlab) => new.push((root.join(".gitlab-ci.yml"), fill(GITLAB))),
        None => {}
    }
    for (path, _) in &new {
        if path.exists() {
            let what = "the file already exists and is not overwritten";
            return Err(Refusal::new(Class::Usage, label(path), Stage::Parse, what)
                .hint("move it away, or omit `--ci`")
                .into());
        }
    }
    let mut files = Vec::new();
    for (path, text) in &new {
        write(path, text)?;
        files.push(path.clone());
    }
    if ignore(&root.join(".gitignore"))? {
        files.push(root.join(".gitignore"));
    }
    let report = Report { kind, files };
    if args.json {
        return console::json(&report);
    }
    for file in &report.files {
        console::line(label(file));
    }
    console::note("next: `vmbake add PACKAGE`, `vmbake bake --format qcow2`, `vmbake boot`");
    Ok(())
}

/// A kind that is called as a folder is, as far as a kind can be: small letters, digits and dashes.
fn named_after(folder: &Path) -> Kind {
    let absolute = std::path::absolute(folder).unwrap_or_default();
    let name = absolute.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let is_free = |kind: &Kind| crate::builtin::kinds().all(|built_in| built_in != kind.as_str());
    let fallback = || "image".parse().ok();
    let kind = name.trim_matches('-').parse().ok().filter(is_free).or_else(fallback);
    kind.unwrap_or_else(|| unreachable!("`image` is a kind's name"))
}

fn write(path: &Path, text: &str) -> tree::refusal::Result<()> {
    let failed = |error: std::io::Error| Refusal::io(label(path), Stage::Emit, "write", &error);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut file = std::fs::File::create_new(path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}

/// Adds what is missing to a `.gitignore`; whether something was.
fn ignore(path: &Path) -> tree::refusal::Result<bool> {
    let failed = |error: std::io::Error| Refusal::io(label(path), Stage::Emit, "write", &error);
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed(error)),
    };
    let missing: Vec<&str> =
        IGNORED.into_iter().filter(|line| !text.lines().any(|known| known == *line)).collect();
    if missing.is_empty() {
        return Ok(false);
    }
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).map_err(failed)?;
    let separator = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    writeln!(file, "{separator}{}", missing.join("\n")).map_err(failed)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_called_as_its_folder_where_that_is_a_name() {
        for (folder, name) in [
            ("/srv/web", "web"),
            ("/srv/My Image", "my-image"),
            ("/srv/base", "image"),
            ("/", "image"),
            ("/srv/..x", "x"),
        ] {
            assert_eq!(named_after(Path::new(folder)).as_str(), name, "{folder}");
        }
    }

    #[test]
    fn a_line_is_ignored_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".gitignore");
        std::fs::write(&path, "*.o").unwrap();
        assert!(ignore(&path).unwrap());
        assert!(!ignore(&path).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "*.o\n/dist/\n");
    }

    #[test]
    fn what_is_written_is_a_recipe_that_extends_what_was_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let args = Args {
            kind: Some("web".parse().unwrap()),
            extends: "knd".parse().unwrap(),
            ci: Some(Ci::Github),
            project: Some(folder.path().to_owned()),
            json: true,
        };
        run(&args).unwrap();
        let project = Project::find(Some(folder.path())).unwrap();
        let recipe = project.recipe(&"web".parse().unwrap()).unwrap();
        let lineage: Vec<_> = recipe.lineage.iter().map(Kind::as_str).collect();
        assert_eq!(lineage, ["base", "knd", "web"]);
        // a second time nothing is changed
        assert!(run(&args).is_err());
        assert!(folder.path().join(".github/workflows/image.yml").is_file());
    }
}
