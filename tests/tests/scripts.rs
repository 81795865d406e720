//! Maintainer scripts of real .debs: interpreted, reviewed, accepted, and what says so.

use anyhow::{Context as _, Result, ensure};
use bake::effects::{SCRIPTS, key, line, normal};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use tests::run::Run;
use tests::shared::{BASE, Shared};
use tree::digest::Sha256;
use tree::name::Name;
use xshell::{Shell, cmd};

/// Adds an account, a service, a file with an answer of debconf, and joins a group of someone else's.
const POSTINST: &str = r#"#!/bin/sh
set -e
. /usr/share/debconf/confmodule
db_get tool/level
if [ "$1" = configure ]; then
    adduser --system --group --home /var/lib/tool tool
    adduser tool tty
    printf 'level = %s\n' "$RET" > /etc/tool.conf
    chown root:tool /etc/tool.conf
    chmod 0640 /etc/tool.conf
    deb-systemd-helper enable tool.service
fi
"#;
const TEMPLATES: &str = "Template: tool/level\nType: string\nDefault: 3\nDescription: how loud\n";
const UNIT: &str = "[Service]\nUser=tool\nExecStart=/usr/bin/tool\n[Install]\nWantedBy=multi-user.target\n";

/// A project whose base has the component `tool`, a .deb.
struct Project<'s> {
    shared: &'s Shared,
    scratch: tempfile::TempDir,
    base: String,
}

impl<'s> Project<'s> {
    fn with(shared: &'s Shared, files: &[(&str, &str)]) -> Result<Self> {
        let scratch = shared.scratch()?;
        shared.copy_project(&scratch.path().join("project"))?;
        let deb = scratch.path().join("mirror/tool/1.0/tool_1.0_amd64.deb");
        make_deb(&scratch.path().join("tree"), &deb, files)?;
        let mut pins: Value = serde_json::from_slice(&fs::read(shared.manifest(BASE)?)?)?;
        let bytes = fs::read(&deb)?;
        pins["vmconfig"]["dependencies"]["tool"] = json!({
            "version": "1.0",
            "url": "https://vmbake.invalid/tool_1.0_amd64.deb",
            "type": "deb",
            "digest": Sha256::of(&bytes).to_string(),
            "size": bytes.len(),
        });
        fs::write(scratch.path().join("manifest.json"), pins.to_string())?;
        let base = fs::read_to_string(scratch.path().join("project/image-recipes/base/recipe.toml"))?;
        Ok(Self { shared, scratch, base })
    }

    fn path(&self, below: &str) -> PathBuf {
        self.scratch.path().join(below)
    }

    /// Writes base's recipe with more lines.
    fn say(&self, lines: &str) -> Result<()> {
        let recipe = format!("{}\n{lines}\n", self.base);
        Ok(fs::write(self.path("project/image-recipes/base/recipe.toml"), recipe)?)
    }

    fn about(&self, command: &str) -> Result<Run> {
        let shared = self.shared;
        let run = shared.run(command).from_folder(&self.path("project")).args(["--kind", "base"]);
        let run = run.args(["--arch", "amd64"]).option("--manifest", self.path("manifest.json"));
        let run = run.option("--lock", shared.lock(BASE)?).option("--init", shared.init(BASE.arch)?);
        Ok(run.option("--store", shared.warm_store(BASE)?))
    }

    fn bake(&self) -> Result<Run> {
        let run = self.about("bake")?.option("--mirror", self.path("mirror"));
        Ok(run.option("--output", self.path("dist")))
    }

    fn record(&self) -> Result<Value> {
        Ok(serde_json::from_slice(&fs::read(
            self.path(tree::of_release!("dist/base.", ".amd64.record.json")),
        )?)?)
    }

    /// A file of the image.
    fn file(&self, path: &str) -> Result<String> {
        let (artifact, member) =
            (self.path(tree::of_release!("dist/base.", ".amd64.tar.zst")), path.trim_start_matches('/'));
        let shell = Shell::new()?;
        let listed = cmd!(shell, "tar --list --zstd --file {artifact}").quiet().read()?;
        let member =
            listed.lines().find(|line| line.trim_start_matches("./") == member).context(path.to_owned())?;
        Ok(cmd!(shell, "tar --extract --to-stdout --zstd --file {artifact} {member}").quiet().read()?)
    }
}

/// The package `tool` of `files`, as dpkg-deb makes it.
fn make_deb(tree: &Path, deb: &Path, files: &[(&str, &str)]) -> Result<()> {
    let control =
        "Package: tool\nVersion: 1.0\nArchitecture: amd64\nMaintainer: x <x@example.org>\nDescription: x\n";
    for (path, text) in files.iter().chain(&[("DEBIAN/control", control)]) {
        let is_program = text.starts_with("#!") || path.starts_with("usr/bin/");
        let path = tree.join(path);
        fs::create_dir_all(path.parent().context("a folder")?)?;
        fs::write(&path, text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(if is_program { 0o755 } else { 0o644 }))?;
    }
    let shell = Shell::new()?;
    fs::create_dir_all(deb.parent().context("a folder")?)?;
    cmd!(shell, "chmod --recursive go-w {tree}").quiet().run()?;
    cmd!(shell, "dpkg-deb --root-owner-group --build {tree} {deb}").quiet().ignore_stdout().run()?;
    Ok(())
}

/// What became of the scripts of `package`.
fn scripts_of<'r>(record: &'r Value, package: &str) -> Result<&'r Value> {
    let all = record["scripts"].as_array().context("scripts")?;
    all.iter().find(|one| one["package"] == package).with_context(|| format!("no scripts of {package}"))
}

#[test]
fn a_script_is_interpreted_and_each_effect_has_its_origin_in_plan_record_and_why() -> Result<()> {
    let shared = Shared::get()?;
    let project = Project::with(
        &shared,
        &[
            ("DEBIAN/postinst", POSTINST),
            ("DEBIAN/templates", TEMPLATES),
            ("usr/bin/tool", "elf"),
            ("usr/lib/systemd/system/tool.service", UNIT),
        ],
    )?;
    // what the script of a component changes of others is a privilege like any other
    project.say("[components.tool]\n[debconf]\n\"tool/level\" = \"7\"")?;
    let refused = project.bake()?.refused(5)?.stderr;
    for grant in ["unit /etc/systemd/system/multi-user.target.wants/tool.service", "member tool tty"] {
        ensure!(refused.contains(&format!("{grant:?}")), "no `{grant}` in the hint:\n{refused}");
    }
    let hint = refused.split_once("privileges = ").context("a hint with privileges")?.1;
    let allowed = hint.split_once(']').context("the end of privileges")?.0;
    project.say(&format!("[components.tool]\nprivileges = {allowed}]\n[debconf]\n\"tool/level\" = \"7\""))?;
    project.bake()?.done()?;
    let record = project.record()?;
    let tool = scripts_of(&record, "tool")?;
    ensure!(tool["trust"] == "derived" && tool["scripts"] == json!(["postinst"]), "{tool}");
    for (at, does) in [
        ("postinst:6", "write /etc/passwd"),
        ("postinst:8", "write /etc/tool.conf"),
        ("postinst:10", "mode /etc/tool.conf 0640"),
        (
            "postinst:11",
            "link /etc/systemd/system/multi-user.target.wants/tool.service to /usr/lib/systemd/system/tool.service",
        ),
    ] {
        let effects = tool["effects"].as_array().context("effects")?;
        ensure!(effects.contains(&json!({"at": at, "does": does})), "no {at} {does} in {tool}");
    }
    ensure!(project.file("/etc/tool.conf")? == "level = 7");
    let passwd = project.file("/etc/passwd")?;
    ensure!(
        passwd.lines().any(|line| line.starts_with("tool:x:") && line.contains(":/var/lib/tool:")),
        "{passwd}"
    );
    let artifact = project.path(tree::of_release!("dist/base.", ".amd64.tar.zst"));
    let why: Value = serde_json::from_str(
        &shared.run("why").args([&artifact]).args(["/etc/tool.conf", "--json"]).done()?.stdout,
    )?;
    let origin =
        json!({"from": "script", "package": "tool", "component": true, "script": "postinst", "line": 8});
    ensure!(why["owners"][0]["origin"] == origin, "{why}");
    ensure!(why["owners"][0]["version"] == "1.0", "{why}");
    let plan: Value = serde_json::from_str(&project.about("plan")?.args(["--json"]).done()?.stdout)?;
    ensure!(plan["scripts"] == record["scripts"], "plan and record differ");

    // the number of the account does not change with what else is in the image
    let number =
        |passwd: &str| passwd.lines().find_map(|line| line.strip_prefix("tool:x:").map(str::to_owned));
    project.say(&format!(
        "[components.tool]\nprivileges = {allowed}]\n[users.ada]\nuid = 1500\n[debconf]\n\"tool/level\" = \"7\""
    ))?;
    project.bake()?.done()?;
    ensure!(number(&project.file("/etc/passwd")?) == number(&passwd), "{passwd}");

    // an answer to a question that nobody asks is a mistake
    project.say(&format!("[components.tool]\nprivileges = {allowed}]\n[debconf]\n\"tool/levle\" = \"7\""))?;
    let refused = project.bake()?.refused(2)?.stderr;
    ensure!(
        refused.contains("debconf: no package whose scripts are interpreted asks `tool/levle`"),
        "{refused}"
    );
    Ok(())
}

#[test]
fn a_script_that_cannot_be_followed_stops_the_bake_and_each_way_out_works() -> Result<()> {
    let shared = Shared::get()?;
    let script = "#!/bin/sh\nset -e\n/usr/bin/tool --setup\n";
    let project = Project::with(&shared, &[("DEBIAN/postinst", script), ("usr/bin/tool", "elf")])?;
    project.say("[components.tool]")?;
    let said = project.bake()?.refused(5)?.stderr;
    for expected in [
        "tool postinst:3: `/usr/bin/tool --setup`: the program /usr/bin/tool is not supported",
        "write what it does in an image into [effects.tool] of the recipe of base",
        "or ignore its scripts by [accept] tool = \"why\"",
        "or take another package",
    ] {
        ensure!(said.contains(expected), "expected `{expected}` in:\n{said}");
    }
    project.say("[components.tool]\n[accept]\ntool = \"it sets itself up at boot\"")?;
    let told = project.bake()?.args(["--quiet"]).done()?.stderr;
    let expected = "warning: tool: its maintainer scripts are ignored, by [accept] of the recipe (it sets itself up at boot)";
    ensure!(told.contains(expected), "{told}");
    let record = project.record()?;
    ensure!(scripts_of(&record, "tool")?["trust"] == "accepted", "{record}");
    ensure!(
        record["remarks"].as_array().is_some_and(|all| all.iter().any(|one| one["remark"] == "accepted"))
    );
    let digest = normal(&"tool".parse()?, script.as_bytes()).digest;
    let effect = "{ do = \"file\", path = \"/var/lib/tool/is-set-up\", text = \"yes\\n\" }";
    project.say(&format!(
        "[components.tool]\n[effects.tool]\nreviewed.postinst = [\"{digest}\"]\neffects = [{effect}]"
    ))?;
    project.bake()?.done()?;
    ensure!(scripts_of(&project.record()?, "tool")?["trust"] == "reviewed");
    ensure!(project.file("/var/lib/tool/is-set-up")? == "yes");
    // what was read is another text: the package is interpreted again, and says why it cannot be
    let other = format!("sha256:{}", "0".repeat(64));
    project.say(&format!(
        "[components.tool]\n[effects.tool]\nreviewed.postinst = [\"{other}\"]\neffects = [{effect}]"
    ))?;
    ensure!(project.bake()?.refused(5)?.stderr.contains("tool postinst:3"));
    // and what is accepted must be there
    project.say("[components.tool]\n[accept]\ntol = \"x\"")?;
    let said = project.bake()?.refused(2)?.stderr;
    ensure!(
        said.contains("[accept] names `tol`, but the image has no such package with maintainer scripts"),
        "{said}"
    );
    Ok(())
}

/// A recipe that takes no script but those that a person has read.
#[test]
fn where_scripts_must_be_reviewed_one_that_is_not_stops_lock_and_bake_and_is_shown() -> Result<()> {
    let shared = Shared::get()?;
    let scratch = shared.scratch()?;
    let project = scratch.path().join("project");
    shared.copy_project(&project)?;
    // all are taken as reviewed but the one of mawk, of which another text was read
    let mut entries = String::new();
    let mut found = String::new();
    let shell = Shell::new()?;
    for (package, (_, deb)) in shared.locked(BASE)?.packages.iter().zip(shared.pool(BASE)?) {
        let control = scratch.path().join("control");
        cmd!(shell, "dpkg-deb --control {deb} {control}").quiet().run()?;
        let mut entry = String::new();
        for script in SCRIPTS {
            let Ok(bytes) = fs::read(control.join(script)) else { continue };
            let mut digest = normal(&package.name, &bytes).digest;
            if package.name.as_str() == "mawk" {
                found = digest.to_string();
                let read = String::from_utf8(bytes)?.replace("mawk 5", "mawk 7");
                digest = Sha256::of(read.as_bytes());
                let lines: Vec<String> = read.split('\n').map(|text| line(text.as_bytes())).collect();
                entry += &format!("lines.{script} = \"{}\"\n", lines.join(" "));
            }
            entry += &format!("reviewed.{script} = [\"{digest}\"]\n");
        }
        if !entry.is_empty() {
            let name: Name = key(&package.name);
            entries += &format!("\n[{:?}]\n{entry}{EFFECT}\n", name.as_str());
        }
        fs::remove_dir_all(&control)?;
    }
    const EFFECT: &str = "effects = [{ do = \"nothing\", why = \"of a test\" }]";
    ensure!(!found.is_empty(), "mawk has no script");
    fs::write(project.join("manifests/effects.toml"), entries)?;
    let recipe = project.join("image-recipes/base/recipe.toml");
    let text = fs::read_to_string(&recipe)?;
    let strict = text.replacen("[packages]\n", "[packages]\nscripts = \"reviewed\"\n", 1);
    ensure!(strict != text, "no [packages] in base");
    fs::write(&recipe, &strict)?;
    // a last lock whose packages the store has would be compared with
    fs::remove_file(project.join(tree::of_release!("manifests/base.", ".amd64.lock.toml")))?;
    let (lock, new) = (scratch.path().join("lock.toml"), scratch.path().join("new"));
    let run = |command: &str| -> Result<Run> {
        let run = Run::new(&shared.program(), &project, [command, "--kind", "base", "--arch", "amd64"]);
        Ok(run.option("--store", shared.warm_store(BASE)?))
    };
    let bake = || -> Result<Run> {
        let run =
            run("bake")?.option("--lock", shared.lock(BASE)?).option("--manifest", shared.manifest(BASE)?);
        Ok(run.option("--init", shared.init(BASE.arch)?).option("--output", scratch.path().join("dist")))
    };
    let refused = run("lock")?.option("--output", &lock).option("--unreviewed", &new).refused(5)?;
    for ended in [&refused, &bake()?.refused(5)?] {
        for expected in [
            format!("the postinst of package `mawk` has changed, found {found}"),
            "/usr/bin/mawk 5 ".to_owned(),
            ", new lines\n".to_owned(),
            "hint: read each; then write its digest".to_owned(),
        ] {
            ensure!(ended.stderr.contains(&expected), "expected `{expected}` in:\n{}", ended.stderr);
        }
        ensure!(!ended.stderr.contains("#!/bin/sh"), "a line that was read is shown:\n{}", ended.stderr);
    }
    ensure!(!lock.exists(), "a lock was written");
    // what is saved is what the entry needs
    let digest = found.strip_prefix("sha256:").context("a digest")?;
    let saved = new.join(format!("mawk/postinst-{}", &digest[..12]));
    ensure!(normal(&"mawk".parse()?, &fs::read(&saved)?).digest.to_string() == found);
    let entry = fs::read_to_string(format!("{}.toml", saved.display()))?;
    ensure!(entry.starts_with(&format!("reviewed.postinst = [\"{found}\"]\nlines.postinst = \"")), "{entry}");
    fs::write(&recipe, format!("{strict}\n[effects.mawk]\n{entry}{EFFECT}\n"))?;
    run("lock")?.option("--output", &lock).done()?;
    Ok(())
}
