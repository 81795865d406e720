//! The first image of someone who has `vmbake` and an empty folder: the commands of docs/session.svg, and a login from outside.

use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};
use tests::run::{Group, Run};
use tests::shared::{BASE, Shared};
use tests::workspace;
use xshell::{Shell, cmd};

/// How long a machine may take to let someone in, when it is translated and not alone.
const PATIENCE: Duration = Duration::from_secs(900);

#[test]
fn vmbake_alone_makes_a_project_a_lock_an_image_and_a_machine_that_lets_its_owner_in() -> Result<()> {
    let (shared, shell, scratch) = (Shared::get()?, Shell::new()?, tempfile::tempdir()?);
    let (folder, key, program) =
        (scratch.path().join("web"), scratch.path().join("key"), workspace::user_program()?);
    fs::create_dir(&folder)?;
    cmd!(shell, "ssh-keygen -q -t ed25519 -N '' -C ada@example.org -f {key}").run()?;
    let public = fs::read_to_string(key.with_extension("pub"))?;
    let run = |args: &[&str]| {
        let run = Run::new(&program, &folder, args.iter().copied());
        run.env("XDG_STATE_HOME", scratch.path().join("state"))
    };
    let commands = commands()?;
    let command = |name: &str| -> Result<Run> {
        let words = commands.iter().find(|words| words.first().is_some_and(|first| first == name));
        let words = words.with_context(|| format!("docs/session.svg has no `vmbake {name}`"))?;
        Ok(run(&words.iter().map(String::as_str).collect::<Vec<_>>()))
    };
    let store = || shared.store();

    command("init")?.done()?;
    // as the recipe's own comments have it
    let recipe = folder.join("image-recipes/web/recipe.toml");
    let text = fs::read_to_string(&recipe)?;
    let uncommented = text.replace("\n# [users.ada]", "\n[users.ada]").replace("\n# uid = ", "\nuid = ");
    let uncommented = uncommented.replace("\n# groups = ", "\ngroups = ").replace("\n# sudo = ", "\nsudo = ");
    let uncommented = uncommented.replace("\n# ssh_authorized_keys = ", "\nssh_authorized_keys = ");
    let uncommented = uncommented.replace("ssh-ed25519 AAAA… ada@example.org", public.trim());
    ensure!(uncommented.contains(public.trim()), "the recipe of `init` shows no user with a key:\n{text}");
    fs::write(&recipe, uncommented)?;
    command("add")?.args(["--arch", "amd64"]).option("--store", store()).done()?;
    let bake = command("bake")?.args(["--arch", "amd64"]).option("--store", store());
    bake.option("--init", shared.init(BASE.arch)?).done()?;
    let why = command("why")?.done()?;
    ensure!(why.stdout.contains("nginx"), "{why}");

    // a port that nobody has; someone else could take it before the machine does, and then the boot says so
    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let (forward, log) = (format!("{port}:22"), scratch.path().join("console"));
    let boot = command("boot")?.args(["--accel", "tcg", "--timeout", "900", "--forward", &forward]);
    let boot = boot.args(["--expect", "run test -e /run/seen"]).option("--log", &log);
    let mut machine = Group(boot.start()?);
    let began = Instant::now();
    let said = loop {
        let port = port.to_string();
        let options = [
            "BatchMode=yes",
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "ConnectTimeout=20",
        ];
        let options: Vec<String> = options.iter().map(|option| format!("-o{option}")).collect();
        let script = "id -un; /usr/sbin/nginx -v 2>&1; sudo -n touch /run/seen";
        let login = cmd!(shell, "ssh -i {key} {options...} -p {port} ada@127.0.0.1 {script}");
        let login = login.quiet().ignore_status().output()?;
        if login.status.success() {
            break String::from_utf8_lossy(&login.stdout).into_owned();
        }
        let console = || fs::read_to_string(&log).unwrap_or_default();
        ensure!(machine.0.try_wait()?.is_none(), "the machine has stopped\n{}", console());
        ensure!(began.elapsed() < PATIENCE, "nobody is let in: {login:?}\n{}", console());
        std::thread::sleep(Duration::from_secs(2));
    };
    ensure!(said.starts_with("ada\nnginx version: "), "{said}");
    ensure!(machine.0.wait()?.success(), "{}", fs::read_to_string(&log)?);
    only_what_is_said(&folder)
}

/// The commands of the picture, each as words without the program's name.
fn commands() -> Result<Vec<Vec<String>>> {
    let svg = fs::read_to_string(workspace::root().join("docs/session.svg")).context("docs/session.svg")?;
    let lines = svg
        .lines()
        .filter_map(|line| line.split_once("class=\"command\">$ vmbake ")?.1.strip_suffix("</text>"));
    lines.map(|line| shlex::split(line).with_context(|| line.to_owned())).collect()
}

/// A repository of it has one recipe and one lock.
fn only_what_is_said(folder: &Path) -> Result<()> {
    let list = |below: &str| -> Result<Vec<String>> {
        let entries = fs::read_dir(folder.join(below)).with_context(|| below.to_owned())?;
        let mut names: Vec<String> = entries
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<Result<_>>()?;
        names.sort();
        Ok(names)
    };
    assert_eq!(list("")?, [".gitignore", "dist", "image-recipes", "manifests"]);
    assert_eq!(list("manifests")?, [tree::of_release!("web.", ".amd64.lock.toml")]);
    assert_eq!(list("image-recipes/web")?, ["recipe.toml"]);
    Ok(())
}
