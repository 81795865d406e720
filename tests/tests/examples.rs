//! Each project in `examples/` bakes, and its pipeline is the one that `vmbake init --ci` writes.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::fs;
use std::path::Path;
use tests::run::Run;
use tests::shared::{BASE, Image, Shared};
use tests::workspace;
use tree::release::OS;
use xshell::{Shell, cmd};

/// A copy of an example, locked and baked; the paths of its image.
fn baked(name: &str, node: Option<&'static str>) -> Result<Vec<String>> {
    let shared = Shared::get()?;
    let scratch = shared.scratch()?;
    let project = scratch.path().join(name);
    let (shell, from) = (Shell::new()?, workspace::root().join("examples").join(name));
    cmd!(shell, "cp --recursive {from} {project}").quiet().run()?;
    let state = scratch.path().join("state");
    let run = |command: &str| {
        let run =
            Run::new(&workspace::user_program()?, &project, [command, "--kind", name, "--arch", "amd64"]);
        let run = run.option("--store", shared.store()).env("XDG_STATE_HOME", &state);
        // upstream's components are stand-ins here
        let Some(kind) = node else { return Ok::<_, anyhow::Error>(run) };
        let image = Image { kind, arch: BASE.arch };
        let manifest = scratch.path().join("manifest.json");
        let text = fs::read_to_string(shared.manifest(image)?)?;
        fs::write(&manifest, text.replace(&format!("{kind:?}"), &format!("{name:?}")))?;
        Ok(run.option("--manifest", &manifest).option("--mirror", shared.mirror(image.arch)?))
    };
    run("lock")?.done()?;
    let (configure, init) = (shared.configure(BASE.arch)?, shared.init(BASE.arch)?);
    let bake = run("bake")?.option("--configure", configure).option("--init", init);
    bake.option("--first-boot", shared.first_boot(BASE.arch)?).done()?;
    paths(&project.join(format!("dist/{name}.{OS}.amd64.files.json")))
}

fn paths(list: &Path) -> Result<Vec<String>> {
    let list: Value = serde_json::from_slice(&fs::read(list)?)?;
    let paths = list["paths"].as_array().context("paths")?;
    paths.iter().map(|entry| Ok(entry["path"].as_str().context("path")?.to_owned())).collect()
}

fn ensure_has(paths: &[String], expected: &[&str]) -> Result<()> {
    for path in expected {
        ensure!(paths.iter().any(|known| known == path), "{path} is not in the image");
    }
    Ok(())
}

#[test]
fn the_web_server_bakes() -> Result<()> {
    let expected = ["/usr/sbin/nginx", "/var/www/html/index.html", "/home/ada/.ssh/authorized_keys"];
    ensure_has(&baked("web", None)?, &expected)
}

#[test]
fn the_worker_bakes() -> Result<()> {
    let paths = baked("worker", Some("knd"))?;
    let expected = [
        "/usr/bin/kubelet",
        "/usr/bin/tcpdump",
        "/etc/sysctl.d/80-worker.conf",
        "/home/oncall/.ssh/authorized_keys",
    ];
    ensure_has(&paths, &expected)
}

#[test]
fn the_pipelines_of_the_examples_are_those_that_init_writes() -> Result<()> {
    let shared = Shared::get()?;
    for (name, ci, path) in
        [("web", "github", ".github/workflows/image.yml"), ("worker", "gitlab", ".gitlab-ci.yml")]
    {
        let scratch = shared.scratch()?;
        Run::new(&workspace::user_program()?, scratch.path(), ["init", "--kind", name, "--ci", ci]).done()?;
        let read = |folder: &Path| fs::read_to_string(folder.join(path)).with_context(|| path.to_owned());
        assert_eq!(read(&workspace::root().join("examples").join(name))?, read(scratch.path())?);
    }
    Ok(())
}
