//! A package of a component that grants what nobody has allowed: refused with all of it, then baked with the recipe's word, and in
//! what `plan`, `bake` and the record say.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use tests::run::Run;
use tests::shared::{BASE, Shared};
use tree::digest::Sha256;
use xshell::{Shell, cmd};

/// What the package brings: path, mode, text; and what that grants.
const BRINGS: [(&str, u32, &str, &str); 11] = [
    ("usr/bin/tool", 0o4755, "elf", "set-uid /usr/bin/tool"),
    ("usr/bin/tool-peek", 0o2755, "elf", "set-gid /usr/bin/tool-peek"),
    ("etc/sudoers.d/tool", 0o440, "tool ALL=(ALL) NOPASSWD: ALL\n", "sudo /etc/sudoers.d/tool"),
    ("usr/lib/sysusers.d/tool.conf", 0o644, "u tool 500\nm tool sudo\n", "member tool sudo"),
    ("etc/pam.d/tool", 0o644, "auth sufficient pam_permit.so\n", "pam /etc/pam.d/tool"),
    (
        "etc/ca-certificates/update.d/tool",
        0o755,
        "#!/bin/sh\n",
        "certificate /etc/ca-certificates/update.d/tool",
    ),
    ("root/.ssh/authorized_keys", 0o600, "ssh-ed25519 AAAA me\n", "ssh /root/.ssh/authorized_keys"),
    (
        "usr/lib/tmpfiles.d/tool.conf",
        0o644,
        "d /run/tool 0755 root root\nf /run/tool/sh 4755 root root\n",
        "tmpfiles f /run/tool/sh 4755 root root",
    ),
    ("usr/share/polkit-1/rules.d/tool.rules", 0o644, "js\n", "polkit /usr/share/polkit-1/rules.d/tool.rules"),
    ("etc/cron.d/tool", 0o644, "* * * * * root tool\n", "cron /etc/cron.d/tool"),
    ("usr/lib/systemd/system/tool.service", 0o644, "[Service]\nExecStart=/usr/bin/tool\n", ""),
];

#[test]
fn a_package_of_a_component_gains_nothing_that_its_recipe_does_not_allow() -> Result<()> {
    let shared = Shared::get()?;
    let scratch = shared.scratch()?;
    let (project, output) = (scratch.path().join("project"), scratch.path().join("dist"));
    shared.copy_project(&project)?;
    let (manifest, mirror) = (scratch.path().join("manifest.json"), scratch.path().join("mirror"));
    let deb = mirror.join("tool/1.0/tool_1.0_amd64.deb");
    make_deb(scratch.path(), &deb)?;
    let mut pins: serde_json::Value = serde_json::from_slice(&fs::read(shared.manifest(BASE)?)?)?;
    let bytes = fs::read(&deb)?;
    pins["vmconfig"]["dependencies"]["tool"] = json!({
        "version": "1.0",
        "url": "https://vmbake.invalid/tool_1.0_amd64.deb",
        "type": "deb",
        "digest": Sha256::of(&bytes).to_string(),
        "size": bytes.len(),
    });
    fs::write(&manifest, pins.to_string())?;
    let recipe = project.join("image-recipes/base/recipe.toml");
    let base = fs::read_to_string(&recipe)?;
    let say = |allowed: &[&str]| {
        let lines: Vec<String> = allowed.iter().map(|line| format!("{line:?}")).collect();
        fs::write(&recipe, format!("{base}\n[components.tool]\nprivileges = [{}]\n", lines.join(", ")))
    };
    let about = |command: &str| -> Result<Run> {
        let run = shared.run(command).from_folder(&project).args(["--kind", "base", "--arch", "amd64"]);
        let run = run.option("--lock", shared.lock(BASE)?).option("--manifest", &manifest);
        Ok(run.option("--init", shared.init(BASE.arch)?).option("--store", shared.warm_store(BASE)?))
    };
    let bake =
        || -> Result<Run> { Ok(about("bake")?.option("--mirror", &mirror).option("--output", &output)) };

    // one after the other, and all at once
    let all: Vec<&str> = BRINGS.iter().map(|(.., grant)| *grant).filter(|grant| !grant.is_empty()).collect();
    say(&[])?;
    let refused = bake()?.refused(5)?;
    for grant in &all {
        ensure!(refused.stderr.contains(&format!("{grant:?}")), "no `{grant}` in the hint:\n{refused}");
    }
    ensure!(!output.join(tree::of_release!("base.", ".amd64.tar.zst")).exists(), "an image was written");
    let planned = about("plan")?.done()?;
    ensure!(planned.stdout.contains("a bake would fail: tool: stage: its package grants"), "{planned}");
    for left_out in [0, 3, all.len() - 1] {
        let allowed: Vec<&str> = all.iter().copied().filter(|grant| *grant != all[left_out]).collect();
        say(&allowed)?;
        let expected = format!("does not allow: {}\n", all[left_out]);
        let refused = bake()?.refused(5)?;
        ensure!(refused.stderr.contains(&expected), "expected `{expected}` in\n{refused}");
    }

    say(&all)?;
    let baked = bake()?.args(["--json"]).done()?;
    let told: serde_json::Value = serde_json::from_str(&baked.stdout)?;
    let record: serde_json::Value =
        serde_json::from_slice(&fs::read(output.join(tree::of_release!("base.", ".amd64.record.json")))?)?;
    ensure!(told["privileges"] == record["privileges"], "{told}");
    let planned: serde_json::Value = serde_json::from_str(&about("plan")?.args(["--json"]).done()?.stdout)?;
    ensure!(planned["privileges"] == record["privileges"], "the plan says something else");
    let listed = record["privileges"].as_array().context("privileges")?;
    let plan = about("plan")?.args(["--all"]).done()?.stdout;
    let plan: Vec<String> =
        plan.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for grant in &all {
        let (sort, what) = grant.split_once(' ').context("sort and what")?;
        let entry = json!({
            "owner": {"from": "component", "name": "tool"},
            "privilege": sort,
            "what": what,
        });
        ensure!(listed.contains(&entry), "no {entry} in the record: {listed:?}");
        let line = format!("component `tool` {grant}");
        ensure!(plan.contains(&line), "no `{line}` in the plan:\n{}", plan.join("\n"));
        ensure!(baked.stderr.contains(&format!("component `tool` grants {grant}")), "{baked}");
    }
    // Debian's own are there with their owner, and counted by a bake
    let sudo = json!({
        "owner": {"from": "package", "name": "sudo"},
        "privilege": "set-uid",
        "what": "/usr/bin/sudo",
    });
    ensure!(listed.contains(&sudo), "{listed:?}");
    let counted = baked.stderr.lines().find(|line| line.contains("Debian's packages grant"));
    let counted = counted.context("a line that counts")?;
    ensure!(counted.contains("set-uid") && !counted.contains("/usr/bin/sudo"), "{counted}");
    Ok(())
}

/// A package of `BRINGS`, as dpkg-deb makes it.
fn make_deb(folder: &Path, deb: &Path) -> Result<()> {
    let tree = folder.join("tool");
    let control =
        "Package: tool\nVersion: 1.0\nArchitecture: amd64\nMaintainer: x <x@example.org>\nDescription: x\n";
    for (path, mode, text, _) in BRINGS.into_iter().chain([("DEBIAN/control", 0o644, control, "")]) {
        let path = tree.join(path);
        fs::create_dir_all(path.parent().context("a folder")?)?;
        for above in path.ancestors().skip(1).take_while(|above| above.starts_with(&tree)) {
            fs::set_permissions(above, fs::Permissions::from_mode(0o755))?;
        }
        fs::write(&path, text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
    }
    let shell = Shell::new()?;
    fs::create_dir_all(deb.parent().context("a folder")?)?;
    cmd!(shell, "dpkg-deb --root-owner-group --build {tree} {deb}").quiet().ignore_stdout().run()?;
    Ok(())
}
