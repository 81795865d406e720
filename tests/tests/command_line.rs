//! What the command line says is so: names, hints, paths, what is printed and what is not.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tests::outputs::whole;
use tests::run::Run;
use tests::schema::Schema;
use tests::shared::{BASE, Image, Shared};
use tests::standin::Arch;
use tree::release::OS;
use xshell::{Shell, cmd};

const KND: Image = Image { kind: "knd", arch: Arch::Amd64 };

#[test]
fn the_version_is_vmbakes() -> Result<()> {
    let said = Shared::get()?.run("--version").done()?.stdout;
    ensure!(said == format!("vmbake {}\n", env!("CARGO_PKG_VERSION")), "{said}");
    Ok(())
}

#[test]
fn a_name_that_is_nearly_right_is_answered_with_the_one_that_was_meant() -> Result<()> {
    let shared = Shared::get()?;
    let scratch = shared.scratch()?;
    let project = scratch.path().join("project");
    shared.copy_project(&project)?;
    let plan = |kind: &str| {
        shared.run("plan").args(["--kind", kind, "--arch", "amd64"]).from_folder(&project).refused(2)
    };
    let said = plan("bsae")?.stderr;
    ensure!(said.contains("hint: did you mean `base`?"), "{said}");
    let recipe = project.join("image-recipes/base/recipe.toml");
    let text = fs::read_to_string(&recipe)?;
    for (table, meant) in [
        ("[package]", "packages"),
        ("[initrd]\nmodule = []", "modules"),
        ("[disk]\nsice = \"4 GiB\"", "size"),
    ] {
        fs::write(&recipe, format!("[recipe]\n{table}\n"))?;
        let said = plan("base")?.stderr;
        ensure!(said.contains(&format!("hint: did you mean `{meant}`?")), "{said}");
    }
    fs::write(&recipe, "[recipe]\n[users.ada]\nuid = 1000\nssh_keys = []\n")?;
    let said = plan("base")?.stderr;
    ensure!(
        said.starts_with("error: image-recipes/base/recipe.toml: parse: line 4 column 1: unknown field"),
        "{said}"
    );
    ensure!(said.contains("hint: did you mean `ssh_authorized_keys`?"), "{said}");
    fs::write(&recipe, text)?;
    let manifest = project.join(tree::of_release!("manifests/base.", ".amd64.json"));
    let text = fs::read_to_string(&manifest)?;
    fs::write(&manifest, text.replace("\"dependencies\"", "\"dependancies\""))?;
    let said = plan("base")?.stderr;
    ensure!(said.contains("hint: did you mean `dependencies`?"), "{said}");
    Ok(())
}

#[test]
fn faults_of_toml_are_one_line_with_their_place() -> Result<()> {
    let shared = Shared::get()?;
    let scratch = shared.scratch()?;
    let project = scratch.path().join("project");
    shared.copy_project(&project)?;
    for file in [
        "image-recipes/base/recipe.toml",
        tree::of_release!("manifests/base.", ".amd64.lock.toml"),
        "manifests/policy.toml",
        "manifests/effects.toml",
        "manifests/sources.toml",
    ] {
        let path = project.join(file);
        let text = fs::read_to_string(&path)?;
        fs::write(&path, format!("x = 1\ny =\n{text}"))?;
        // a program that is built already: nothing is compiled for this
        let run = shared.run("plan").args(["--kind", "base", "--arch", "amd64"]);
        let run = run.option("--init", shared.init(Arch::Amd64)?).from_folder(&project);
        let said = run.refused(2)?.stderr;
        let line = said.lines().find(|line| line.starts_with("error: ")).context("an error")?;
        ensure!(line.contains(&format!("{file}: parse: line ")) && !line.contains("\\n"), "{said}");
        ensure!(line.contains("line 2 column "), "{said}");
        fs::write(&path, text)?;
    }
    Ok(())
}

#[test]
fn a_file_that_a_message_names_can_be_opened_from_the_current_directory() -> Result<()> {
    let shared = Shared::get()?;
    let scratch = shared.scratch()?;
    let project = scratch.path().join("project");
    shared.copy_project(&project)?;
    fs::write(project.join("image-recipes/base/recipe.toml"), "[recipe]\nx = 1\n")?;
    let below = project.join("manifests");
    let above = scratch.path();
    for (folder, named) in
        [(&*project, None), (&*below, None), (above, None), (Path::new("/"), Some(&*project))]
    {
        let run = shared.run("plan").args(["--kind", "base", "--arch", "amd64"]).from_folder(folder);
        let run = if folder == above { run.option("--project", "project") } else { run };
        let said = named.into_iter().fold(run, |run, path| run.option("--project", path)).refused(2)?.stderr;
        let path = said.strip_prefix("error: ").and_then(|rest| rest.split_once(": ")).context("a path")?.0;
        ensure!(folder.join(path).is_file(), "from {}: `{path}` is not a file\n{said}", folder.display());
    }
    Ok(())
}

#[test]
fn an_output_that_cannot_be_written_is_found_before_anything_is_fetched() -> Result<()> {
    let shared = Shared::get()?;
    let scratch = shared.scratch()?;
    fs::write(scratch.path().join("file"), "")?;
    // a store without anything: a bake that looked there first would say what it lacks
    let store = scratch.path().join("store");
    for output in [scratch.path().join("file"), scratch.path().join("file/below"), "/proc/vmbake".into()] {
        let run = shared.bake(BASE, &store, &output)?.args(["--offline"]);
        let said = run.refused(6)?.stderr;
        ensure!(said.contains(&format!("error: {}: emit: ", output.display())), "{said}");
        ensure!(!store.exists(), "the store was made first");
    }
    // another user's folder, for one who is not root
    let owned = scratch.path().join("owned");
    fs::create_dir(&owned)?;
    let run = shared.bake(BASE, &store, &owned.join("below"))?.args(["--offline"]).as_ordinary_user();
    if rustix::process::geteuid().is_root() {
        let said = run.refused(6)?.stderr;
        ensure!(said.contains("hint: choose a writable directory with `--output`"), "{said}");
    }
    Ok(())
}

#[test]
fn a_quiet_bake_says_nothing_but_its_result_and_warnings() -> Result<()> {
    let shared = Shared::get()?;
    let (scratch, store) = (shared.scratch()?, shared.warm_store(KND)?);
    let output = scratch.path().join("out");
    let base = shared.bake(BASE, &shared.warm_store(BASE)?, &scratch.path().join("base"))?;
    let ended = base.args(["-q"]).done()?;
    ensure!(ended.stderr.is_empty(), "{ended}");
    // this one has what the policy lets through by an override alone, and a note of another sort that is no warning
    let ended = shared.bake(KND, &store, &output)?.args(["-q"]).done()?;
    let lines: Vec<&str> = ended.stderr.lines().collect();
    ensure!(lines.len() == 1 && lines[0].starts_with("warning: containerd 2.3.1: allowed by "), "{ended}");
    ensure!(whole(&output, &KND.name())? == shared.reference(KND)?);
    let ended = shared.bake(KND, &store, &output)?.done()?;
    ensure!(ended.stderr.lines().count() > 3, "{ended}");
    let plan = shared.about("plan", KND)?.option("--store", &store).args(["--quiet"]).done()?;
    ensure!(plan.stderr.is_empty(), "{plan}");
    Ok(())
}

#[test]
fn a_component_without_a_file_of_the_recipe_is_told_with_what_it_has_and_how_to_see_it() -> Result<()> {
    let shared = Shared::get()?;
    let (scratch, store) = (shared.scratch()?, shared.warm_store(KND)?);
    let project = scratch.path().join("project");
    shared.copy_project(&project)?;
    let recipe = project.join("image-recipes/knd/recipe.toml");
    let text = fs::read_to_string(&recipe)?;
    ensure!(text.contains("from = \"bin/containerd\""), "the recipe has changed");
    fs::write(&recipe, text.replacen("from = \"bin/containerd\"", "from = \"containerd\"", 1))?;
    let run = shared.bake(KND, &store, &scratch.path().join("out"))?.option("--project", &project);
    let said = run.refused(2)?.stderr;
    ensure!(said.contains("hint: it has `bin/containerd`; run `cargo xtask inspect sha256:"), "{said}");
    // the hint works as it stands
    let command =
        said.split('`').find(|part| part.starts_with("cargo xtask inspect ")).context("a command")?;
    let digest = command.rsplit(' ').next().unwrap_or_default();
    let listed = shared.run("inspect").args([digest]).option("--store", &store).done()?.stdout;
    ensure!(listed.contains(" /bin/containerd\n"), "{listed}");
    Ok(())
}

#[test]
fn a_store_that_others_write_to_is_refused_with_the_option_that_takes_it() -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let shared = Shared::get()?;
    let scratch = shared.scratch()?;
    let store = scratch.path().join("store");
    fs::create_dir(&store)?;
    fs::set_permissions(&store, fs::Permissions::from_mode(0o770))?;
    let verify = || shared.run("store").args(["verify"]).option("--store", &store);
    let said = verify().refused(6)?.stderr;
    ensure!(said.contains("hint: ") && said.contains("--shared-store"), "{said}");
    verify().args(["--shared-store"]).done()?;
    Ok(())
}

/// A lock of knd with the stand-in of fluent-bit, which is a Debian package, in a copy of the project.
fn lock_of_knd(shared: &Shared, project: &Path, scratch: &Path) -> Result<Run> {
    let run = shared.run("lock").args(["--kind", "knd", "--arch", "amd64"]).option("--project", project);
    let run = run.option("--manifest", shared.manifest(KND)?).option("--mirror", shared.mirror(KND.arch)?);
    Ok(run.option("--store", shared.warm_store(KND)?).option("--output", scratch.join("lock.toml")))
}

#[test]
fn what_a_component_depends_on_is_resolved_by_lock() -> Result<()> {
    let shared = Shared::get()?;
    let scratch = shared.scratch()?;
    let project = scratch.path().join("project");
    shared.copy_project(&project)?;
    let recipe = project.join("image-recipes/knd/recipe.toml");
    let text = fs::read_to_string(&recipe)?;
    ensure!(text.contains("\"libpq5\""), "the recipe does not ask for libpq5 any more");
    fs::write(
        &recipe,
        text.replace("\"libpq5\", ", "").replace(", \"libpq5\"", "").replace("\"libpq5\"", ""),
    )?;
    lock_of_knd(&shared, &project, scratch.path())?.done()?;
    let lock = bake::lock::parse(&fs::read_to_string(scratch.path().join("lock.toml"))?)?;
    let package = |name: &str| lock.packages.iter().find(|package| package.name.as_str() == name);
    ensure!(package("libpq5").context("libpq5")?.because == ["fluent-bit"], "{:?}", package("libpq5"));
    ensure!(package("fluent-bit").is_none(), "a component is in the lock");
    // and the image is whole
    let run = shared.run("bake").args(["--kind", "knd", "--arch", "amd64"]).option("--project", &project);
    let run = run.option("--manifest", shared.manifest(KND)?).option("--mirror", shared.mirror(KND.arch)?);
    let run = run.option("--configure", shared.configure(KND.arch)?).option("--init", shared.init(KND.arch)?);
    let run = run.option("--first-boot", shared.first_boot(KND.arch)?);
    let run = run.option("--store", shared.warm_store(KND)?).option("--output", scratch.path().join("out"));
    run.option("--lock", scratch.path().join("lock.toml")).done()?;
    Ok(())
}

#[test]
fn a_script_of_a_component_is_written_by_lock_where_all_must_be_reviewed() -> Result<()> {
    let shared = Shared::get()?;
    let scratch = shared.scratch()?;
    let project = scratch.path().join("project");
    shared.copy_project(&project)?;
    let recipe = project.join("image-recipes/base/recipe.toml");
    let text = fs::read_to_string(&recipe)?;
    fs::write(&recipe, text.replacen("[packages]\n", "[packages]\nscripts = \"reviewed\"\n", 1))?;
    let new = scratch.path().join("new");
    let said =
        lock_of_knd(&shared, &project, scratch.path())?.option("--unreviewed", &new).refused(5)?.stderr;
    ensure!(said.contains("is unknown, found sha256:") && said.contains("and "), "{said}");
    let digest = bake::effects::normal(&"fluent-bit".parse()?, tests::standin::POSTINST.as_bytes()).digest;
    ensure!(new.join(format!("fluent-bit/postinst-{}", &digest.hex()[..12])).is_file(), "{said}");
    ensure!(!scratch.path().join("lock.toml").exists(), "a lock was written");
    Ok(())
}

#[test]
fn a_component_of_a_projects_own_comes_from_a_file_of_it_and_is_told_by_plan() -> Result<()> {
    let shared = Shared::get()?;
    let scratch = shared.scratch()?;
    let project = scratch.path().join("project");
    shared.copy_project(&project)?;
    // an archive whose files are below a directory of its version
    let shell = Shell::new()?;
    let tool = project.join("parts/tool-1.0");
    fs::create_dir_all(tool.join("bin"))?;
    fs::write(tool.join("bin/hello"), "#!/bin/sh\necho hello\n")?;
    let archive = project.join("parts/tool-1.0.tar.gz");
    shell.change_dir(project.join("parts"));
    cmd!(shell, "tar --create --gzip --file {archive} tool-1.0").quiet().run()?;
    let bytes = fs::read(&archive)?;
    let recipe = project.join("image-recipes/mine");
    fs::create_dir(&recipe)?;
    let files = "{ from = \"bin/hello\", to = \"/usr/local/bin/hello\", mode = \"0755\" }";
    let component = format!("[components.tool]\nstrip-components = 1\nfiles = [{files}]\n");
    fs::write(recipe.join("recipe.toml"), format!("[recipe]\nextends = \"base\"\n{component}"))?;
    let base = fs::read_to_string(project.join(tree::of_release!("manifests/base.", ".amd64.json")))?;
    let mut manifest: Value = serde_json::from_str(&base)?;
    manifest["vmconfig"]["kind"] = "mine".into();
    manifest["vmconfig"]["dependencies"] = json!({"tool": {
        "version": "1.0", "url": "file:parts/tool-1.0.tar.gz", "type": "tar.gz",
        "digest": tree::digest::Sha256::of(&bytes).to_string(), "size": bytes.len(),
    }});
    fs::write(project.join(tree::of_release!("manifests/mine.", ".amd64.json")), manifest.to_string())?;
    let lock = fs::read_to_string(shared.lock(BASE)?)?.replacen("kind = \"base\"", "kind = \"mine\"", 1);
    fs::write(project.join(tree::of_release!("manifests/mine.", ".amd64.lock.toml")), lock)?;
    let (store, output) = (scratch.path().join("store"), scratch.path().join("out"));
    shared.cold_store(BASE, &store)?;
    // from wherever it is called
    let run = |command: &str| -> Result<Run> {
        let run = shared
            .run(command)
            .args(["--kind", "mine", "--arch", "amd64", "--tag", "1.0"])
            .from_folder(scratch.path());
        let run = run.option("--project", "project").option("--store", &store);
        Ok(run.option("--init", shared.init(Arch::Amd64)?))
    };
    let said = run("plan")?.done()?.stdout;
    ensure!(said.contains("tool: from file:parts/tool-1.0.tar.gz; only its digest vouches for it"), "{said}");
    run("bake")?.args(["--offline"]).option("--output", &output).done()?;
    let artifact = output.join(tree::of_release!("mine.", ".amd64.1.0.tar.zst"));
    let file =
        shared.run("inspect").args([artifact.as_os_str(), "/usr/local/bin/hello".as_ref(), "--cat".as_ref()]);
    ensure!(file.done()?.stdout == "#!/bin/sh\necho hello\n");
    shared.run("verify").args([&artifact]).done()?;
    Ok(())
}

#[test]
fn a_version_that_many_manifests_share_is_raised_in_one_place() -> Result<()> {
    let shared = Shared::get()?;
    let scratch = shared.scratch()?;
    let project = scratch.path().join("project");
    shared.copy_project(&project)?;
    let mirror = scratch.path().join("mirror");
    fs::create_dir_all(mirror.join("runc/9.8.7"))?;
    for arch in ["amd64", "arm64"] {
        fs::write(mirror.join(format!("runc/9.8.7/runc.{arch}")), format!("runc for {arch}"))?;
    }
    let store = scratch.path().join("store");
    let pin = |words: &[&str]| {
        let run = shared.run("pin").args(words.iter().copied()).option("--project", &project);
        run.option("--mirror", &mirror).option("--store", &store).args(["--offline"])
    };
    let manifests = |project: &Path| -> Result<Vec<(String, String)>> {
        let mut all = Vec::new();
        for kind in ["base", "knd", "knc"] {
            for arch in ["amd64", "arm64"] {
                let path = project.join(format!("manifests/{kind}.{OS}.{arch}.json"));
                all.push((arch.to_owned(), fs::read_to_string(path)?));
            }
        }
        Ok(all)
    };
    let before = manifests(&project)?;
    // what is nowhere, no version, and no component: nothing is touched
    for (words, said) in [
        (["runc", "9.8.6"], "runc: fetch: "),
        (["runc", "nine nine"], "is not a valid version"),
        (["runk", "9.8.7"], "did you mean `runc`?"),
    ] {
        let ended = pin(&words).end()?;
        ensure!(ended.code != Some(0) && ended.stderr.contains(said), "{said}: {ended}");
        ensure!(manifests(&project)? == before);
    }
    let report = Schema::load("pin")?.check(&pin(&["runc", "9.8.7", "--json"]).done()?.stdout)?;
    ensure!(report["manifests"].as_array().map(Vec::len) == Some(4), "{report}");
    let after = manifests(&project)?;
    let mut changed = 0;
    for ((arch, before), (_, after)) in before.iter().zip(&after) {
        let (mut before, after): (Value, Value) =
            (serde_json::from_str(before)?, serde_json::from_str(after)?);
        let content = format!("runc for {arch}");
        if let Some(runc) = before["vmconfig"]["dependencies"].get_mut("runc") {
            let url = format!("https://github.com/opencontainers/runc/releases/download/v9.8.7/runc.{arch}");
            let digest = tree::digest::Sha256::of(content.as_bytes()).to_string();
            *runc = json!({"version": "9.8.7", "url": url, "type": "binary", "digest": digest, "size": content.len()});
            changed += 1;
        }
        ensure!(before == after, "something else has changed");
    }
    ensure!(changed == 4);
    Ok(())
}
