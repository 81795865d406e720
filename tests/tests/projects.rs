//! A project of one's own: `vmbake` alone makes it, changes it and bakes it, in a folder that has nothing else.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use tests::run::{Ended, Run};
use tests::schema::Schema;
use tests::server::{Reply, Server};
use tests::shared::{BASE, Shared};
use tests::workspace;

/// An empty folder, and how `vmbake` is run in it.
struct Folder<'s> {
    shared: &'s Shared,
    program: PathBuf,
    path: PathBuf,
}

impl Folder<'_> {
    fn run<const N: usize>(&self, args: [&str; N]) -> Run {
        Run::new(&self.program, &self.path, args)
    }

    /// With the store that all runs share.
    fn stored<const N: usize>(&self, args: [&str; N]) -> Result<Ended> {
        self.run(args)
            .option("--store", self.shared.store())
            .env("XDG_STATE_HOME", self.path.with_extension("state"))
            .done()
    }

    fn text(&self, path: &str) -> Result<String> {
        fs::read_to_string(self.path.join(path)).with_context(|| path.to_owned())
    }

    /// What is in the folder, sorted.
    fn files(&self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        walk(&self.path, &self.path, &mut found)?;
        found.sort();
        Ok(found)
    }
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(root, &path, found)?;
        } else {
            found.push(path.strip_prefix(root)?.display().to_string());
        }
    }
    Ok(())
}

/// What a command said with `--json`, in the shape of its schema.
fn answer(command: &str, said: &Ended) -> Result<Value> {
    Schema::load(command)?.check(&said.stdout)
}

/// Runs `what` in an empty folder called `web`.
fn in_an_empty_folder(what: impl FnOnce(&Folder<'_>) -> Result<()>) -> Result<()> {
    let shared = Shared::get()?;
    // not below the checkout, which is a project
    let scratch = tempfile::tempdir()?;
    let path = scratch.path().join("web");
    fs::create_dir(&path)?;
    what(&Folder { shared: &shared, program: workspace::user_program()?, path })
}

#[test]
fn a_project_is_one_recipe_and_one_lock_and_vmbake_alone_makes_both() -> Result<()> {
    in_an_empty_folder(|folder| {
        answer("init", &folder.run(["init", "--json"]).done()?)?;
        assert_eq!(folder.files()?, [".gitignore", "image-recipes/web/recipe.toml"]);
        let said = folder.stored(["add", "htop", "jq", "--arch", "amd64"])?;
        for line in ["+ htop in image-recipes/web/recipe.toml", "  + htop ", "  + libjq1 "] {
            ensure!(said.stdout.contains(line), "{line}: {said}");
        }
        assert_eq!(
            folder.files()?,
            [
                ".gitignore",
                "image-recipes/web/recipe.toml",
                tree::of_release!("manifests/web.", ".amd64.lock.toml")
            ]
        );
        let recipe = folder.text("image-recipes/web/recipe.toml")?;
        ensure!(
            recipe.contains("install = [\"htop\", \"jq\"]") && recipe.contains("# A user to log in as"),
            "{recipe}"
        );
        folder.run(["lock", "--check"]).done()?;
        let init = folder.shared.init(BASE.arch)?;
        let bake = ["bake", "--arch", "amd64", "--format", "tar.zst"];
        let bake = folder.run(bake).option("--init", init).option("--store", folder.shared.store());
        bake.env("XDG_STATE_HOME", folder.path.with_extension("state")).done()?;
        let list: Value =
            serde_json::from_str(&folder.text(tree::of_release!("dist/web.", ".amd64.files.json"))?)?;
        let paths = list["paths"].as_array().context("paths")?;
        for path in ["/usr/bin/htop", "/usr/bin/jq", "/usr/bin/containerd"] {
            ensure!(paths.iter().any(|entry| entry["path"] == path), "{path} is not in the image");
        }
        // what nothing asks for any longer leaves the lock
        let changed = answer("remove", &folder.stored(["remove", "jq", "--json"])?)?;
        let changes = changed["locks"][0]["changes"].to_string();
        ensure!(changed["removed"][0] == "jq" && changes.contains("- libjq1"), "{changed}");
        let same = answer("upgrade", &folder.stored(["upgrade", "--json"])?)?;
        ensure!(same["locks"][0].get("changes").is_none(), "{same}");
        let none = answer("add", &folder.stored(["add", "htop", "--json"])?)?;
        ensure!(none.get("added").is_none(), "{none}");
        let lock = folder.text(tree::of_release!("manifests/web.", ".amd64.lock.toml"))?;
        ensure!(lock.contains("\"htop\"") && !lock.contains("\"libjq1\""), "{lock}");
        Ok(())
    })
}

#[test]
fn what_cannot_be_added_or_removed_leaves_recipe_and_lock_as_they_are() -> Result<()> {
    in_an_empty_folder(|folder| {
        // no project yet
        let said = folder.run(["add", "jq"]).refused(2)?;
        ensure!(said.stderr.contains("run `vmbake init` to create a project"), "{said}");
        folder.run(["init", "--kind", "web", "--extends", "base"]).done()?;
        let before = folder.text("image-recipes/web/recipe.toml")?;
        let add = folder.run(["add", "no-such-package-anywhere"]).option("--store", folder.shared.store());
        let said = add.end()?;
        ensure!(said.code != Some(0) && said.stderr.contains("no-such-package-anywhere"), "{said}");
        let said = folder.run(["remove", "containerd"]).refused(2)?;
        ensure!(said.stderr.contains("`without = [\"containerd\"]`"), "{said}");
        let said = folder.run(["add", "--kind", "base", "jq"]).refused(2)?;
        ensure!(said.stderr.contains("`vmbake init --kind NAME --extends base`"), "{said}");
        let said = folder.run(["init", "--kind", "web"]).refused(2)?;
        ensure!(said.stderr.contains("it already exists"), "{said}");
        let said = folder.run(["init", "--kind", "other", "--extends", "bsae"]).refused(2)?;
        ensure!(said.stderr.contains("did you mean `base`?"), "{said}");
        assert_eq!(folder.text("image-recipes/web/recipe.toml")?, before);
        assert_eq!(folder.files()?, [".gitignore", "image-recipes/web/recipe.toml"]);
        Ok(())
    })
}

/// A tar.gz of these files: path, mode, bytes.
fn tar_gz(files: &[(&str, u32, &[u8])]) -> Result<Vec<u8>> {
    let mut builder =
        tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (path, mode, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(9);
        header.set_mode(*mode);
        header.set_size(bytes.len() as u64);
        builder.append_data(&mut header, path, *bytes)?;
    }
    Ok(builder.into_inner()?.finish()?)
}

#[test]
fn a_component_is_added_by_its_address_baked_and_removed() -> Result<()> {
    in_an_empty_folder(|folder| {
        fs::create_dir_all(folder.path.join("image-recipes/small"))?;
        let recipe = "[recipe]\nrole = \"none\" # alone\n\n[packages]\ninstall = [\"htop\"]\n";
        fs::write(folder.path.join("image-recipes/small/recipe.toml"), recipe)?;
        // a real program
        let program = fs::read(folder.shared.init(BASE.arch)?)?;
        let files: [(&str, u32, &[u8]); 2] =
            [("tool-1.2.3/bin/tool", 0o755, &program), ("tool-1.2.3/README", 0o644, b"?")];
        let (archive, server) = (tar_gz(&files)?, Server::start()?);
        let path = "/v1.2.3/tool-1.2.3-linux-amd64.tar.gz";
        for at in [path, "/latest/tool", "/v1.2.3/tool-1.2.3-linux-arm64.tar.gz"] {
            server.at(at, vec![Reply::File(archive.clone())]);
        }
        let url = format!("{}{path}", server.url());
        let add = ["add", "--arch", "amd64", "--json", "--component"];
        let refused = |url: &str, words: &[&str], code: i32, said: &str| -> Result<()> {
            let run = folder.run(add).args([url]).args(words).option("--store", folder.shared.store());
            let ended = run.env("XDG_STATE_HOME", folder.path.with_extension("state")).end()?;
            ensure!(ended.code == Some(code) && ended.stderr.contains(said), "{said}: {ended}");
            Ok(())
        };
        refused(&format!("{}/latest/tool", server.url()), &[], 2, "`--version VERSION`")?;
        refused(&url.replace("amd64", "arm64"), &[], 2, "expected architecture `amd64`, found `arm64`")?;
        refused(&url, &["--version", "1.2.4"], 2, "expected version `1.2.4`")?;
        let other = format!("sha512:{}", "0".repeat(128));
        refused(&url, &["--digest", &other], 4, "nothing was changed")?;
        refused(&url.replace("http://", "http://user@"), &[], 2, "must not contain a user name or password")?;
        refused("no-such-file", &[], 2, "neither a URL nor a file")?;
        assert_eq!(folder.text("image-recipes/small/recipe.toml")?, recipe);
        assert_eq!(folder.files()?, ["image-recipes/small/recipe.toml"]);

        let digest = tree::digest::Digest::from(tree::digest::Sha256::of(&archive)).to_string();
        let added = folder.stored([
            "add",
            "--arch",
            "amd64",
            "--json",
            "--component",
            &url,
            "--digest",
            &digest,
            "--to",
            "/opt/tool",
        ])?;
        let added = answer("add", &added)?;
        let component = &added["component"];
        ensure!(component["version"] == "1.2.3" && component["digest"] == *digest, "{added}");
        ensure!(component["files"] == serde_json::json!(["/opt/tool/tool"]), "{added}");
        let text = folder.text("image-recipes/small/recipe.toml")?;
        ensure!(text.starts_with(recipe) && text.contains("[components.tool]"), "{text}");
        let bake = folder.run(["bake", "--arch", "amd64", "--json"]).option("--store", folder.shared.store());
        bake.env("XDG_STATE_HOME", folder.path.with_extension("state")).done()?;
        let list: Value =
            serde_json::from_str(&folder.text(tree::of_release!("dist/small.", ".amd64.files.json"))?)?;
        let tool =
            list["paths"].as_array().and_then(|all| all.iter().find(|one| one["path"] == "/opt/tool/tool"));
        ensure!(tool.is_some_and(|tool| tool["mode"] == "0755"), "{tool:?}");
        // again it changes nothing that a person may have written
        let again = folder.stored(["add", "--arch", "amd64", "--component", &url])?;
        ensure!(
            again.stderr.contains("[components.tool] of image-recipes/small/recipe.toml is not changed"),
            "{again}"
        );
        let removed = answer("remove", &folder.stored(["remove", "tool", "--json"])?)?;
        ensure!(removed["removed"][0] == "tool", "{removed}");
        assert_eq!(folder.text("image-recipes/small/recipe.toml")?, recipe);
        ensure!(
            !folder.text(tree::of_release!("manifests/small.", ".amd64.json"))?.contains("tool"),
            "the pin is still there"
        );
        Ok(())
    })
}

#[test]
fn built_in_kinds_are_known_where_there_is_no_project() -> Result<()> {
    in_an_empty_folder(|folder| {
        let said = folder.run(["bake"]).refused(2)?;
        ensure!(said.stderr.contains("pass `--kind` with one of base, knc, knd"), "{said}");
        let said = folder.run(["bake", "--kind", "bsae"]).refused(2)?;
        ensure!(said.stderr.contains("did you mean `base`?"), "{said}");
        let plan = ["plan", "--kind", "base", "--arch", "amd64", "--json"];
        let plan = folder.run(plan).option("--init", folder.shared.init(BASE.arch)?);
        let plan: Value =
            serde_json::from_str(&plan.option("--store", folder.path.join("none")).done()?.stdout)?;
        assert_eq!(plan["name"], tree::of_release!("base.", ".amd64"));
        let said = folder.run(["boot"]).refused(2)?;
        ensure!(said.stderr.contains("run `vmbake bake --format qcow2` to create one"), "{said}");
        Ok(())
    })
}

/// In a checkout `cargo xtask` is called so, and says so.
#[test]
fn both_spellings_behave_alike_and_each_says_its_own() -> Result<()> {
    in_an_empty_folder(|folder| {
        let other = Run::new(&folder.shared.program(), &folder.path, ["add", "jq"]);
        let (ours, theirs) = (folder.run(["add", "jq"]).refused(2)?, other.refused(2)?);
        assert_eq!(ours.stderr.replace("`vmbake ", "`cargo xtask "), theirs.stderr);
        // lines are broken where the longer name has them broken
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let help = |run: Run| Ok::<_, anyhow::Error>(words(&run.done()?.stdout));
        let ours = help(folder.run(["bake", "--help"]))?;
        let theirs = help(Run::new(&folder.shared.program(), &folder.path, ["bake", "--help"]))?;
        ensure!(ours.contains("Usage: vmbake bake") && !ours.contains("cargo xtask"), "{ours}");
        ensure!(
            theirs.contains("Usage: cargo xtask bake") && theirs.contains("`cargo xtask lock"),
            "{theirs}"
        );
        Ok(())
    })
}
