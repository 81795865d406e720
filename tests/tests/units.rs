//! The units of all kinds: Debian 13's systemd understands each word of them, and finds them closed enough.

use anyhow::Result;
use bake::recipe::{Body, Recipe};
use std::collections::{BTreeMap, BTreeSet};
use tests::recipes::{KINDS, recipe};
use tests::trixie::Tree;
use tests::unit_file::{self, Setting};
use tests::workspace;
use tree::name::Provider;

const UNITS: &str = "/etc/systemd/system/";

/// The highest exposure of each service of ours, in tenths, as `systemd-analyze security --threshold` takes it.
const CEILINGS: [(&str, u8); 19] = [
    ("containerd.service", 85),
    ("fluent-bit.service", 20),
    ("hosts-refresh.service", 15),
    ("kube-apiserver.service", 20),
    ("kube-controller-manager.service", 20),
    ("kube-scheduler.service", 20),
    ("kube2iam.service", 20),
    ("kubelet.service", 75),
    ("netsy.service", 20),
    ("nstance-agent.service", 20),
    ("nstance-recv-watch.service", 15),
    ("pod-metadata.service", 20),
    ("podplane-configure.service", 15),
    ("podplane-detect.service", 20),
    ("podplane-seed.service", 15),
    ("podplane-seeded.service", 15),
    ("registry.service", 20),
    ("sandbox-image.service", 15),
    ("zot.service", 20),
];

/// The services that configure writes an environment file for.
const ENVIRONMENTS: [&str; 10] = [
    "fluent-bit",
    "kube-apiserver",
    "kube-controller-manager",
    "kube2iam",
    "kubelet",
    "netsy",
    "nstance-agent",
    "registry",
    "sandbox-image",
    "zot",
];

/// The unit files of a recipe, by name; not drop-ins.
fn units(recipe: &Recipe) -> Result<BTreeMap<String, Vec<Setting>>> {
    let mut units = BTreeMap::new();
    for ((path, _), file) in &recipe.files {
        let Some(name) = path.as_str().strip_prefix(UNITS).filter(|name| !name.contains('/')) else {
            continue;
        };
        let Body::Bytes(bytes) = &file.body else { continue };
        let text = std::str::from_utf8(bytes)?;
        units.insert(name.to_owned(), unit_file::parse(text));
    }
    Ok(units)
}

/// The tree with a kind's files, those for AWS too, and something that can be executed where components go.
fn tree(recipe: &Recipe) -> Result<Tree> {
    let tree = Tree::new()?;
    for ((path, provider), file) in &recipe.files {
        assert!(
            matches!(provider, None | Some(Provider::Aws)),
            "`{path}` is for another cloud: look at that too"
        );
        match &file.body {
            Body::Bytes(bytes) => tree.write(path.as_str(), bytes)?,
            Body::Link(target) => tree.link(path.as_str(), target)?,
        }
    }
    for install in recipe.components.values().flat_map(|component| &component.files) {
        if !install.to.ends_with('/') {
            tree.program(&install.to)?;
        }
    }
    if recipe.components.keys().any(|name| name.as_str() == "fluent-bit") {
        tree.program("/opt/fluent-bit/bin/fluent-bit")?;
    }
    if let Some(configure) = &recipe.configure {
        tree.program(configure.path.as_str())?;
    }
    Ok(tree)
}

/// What verify has to say about units; nothing where all is well.
fn verify(tree: &Tree, units: &BTreeSet<String>) -> Result<String> {
    let mut args = vec!["--man=no", "--generators=no"];
    args.extend(units.iter().map(String::as_str));
    let output = tree.analyze("verify", &args)?;
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // its exit status is for what keeps a unit from being loaded only
    assert!(output.status.success() || !text.trim().is_empty(), "{} without a word", output.status);
    Ok(text)
}

#[test]
fn every_unit_verifies_without_a_warning() -> Result<()> {
    for kind in KINDS {
        let recipe = recipe(kind)?;
        // all units of ours, and Debian's that we enable: some have drop-ins of ours
        let all: BTreeSet<String> =
            units(&recipe)?.into_keys().chain(recipe.enable.keys().cloned()).collect();
        assert!(all.len() > 10, "{kind}: {all:?}");
        assert_eq!(verify(&tree(&recipe)?, &all)?, "", "{kind}");
    }
    Ok(())
}

#[test]
fn what_is_wrong_with_a_unit_is_noticed() -> Result<()> {
    let tree = tree(&recipe("knc")?)?;
    let cases = [
        ("[Service]\nRestart=always\n", "Service has no ExecStart="),
        ("[Service]\nExecStart=/usr/bin/kubelet\nRestrat=always\n", "Unknown key 'Restrat'"),
        ("[Service]\nExecStart=/usr/bin/kubelet\nRestart=sometimes\n", "Failed to parse Restart=sometimes"),
        ("[Service]\nExecStart=/opt/zot/bin/zot\n", "/opt/zot/bin/zot is not executable"),
    ];
    for (unit, expected) in cases {
        tree.write("/etc/systemd/system/broken.service", unit.as_bytes())?;
        let got = verify(&tree, &BTreeSet::from(["broken.service".to_owned()]))?;
        assert!(got.contains(expected), "expected `{expected}`, found `{got}`");
    }
    Ok(())
}

#[test]
fn every_udev_rule_verifies_without_a_warning() -> Result<()> {
    let recipe = recipe("knc")?;
    let tree = tree(&recipe)?;
    let paths = recipe.files.keys().map(|(path, _)| path.as_str());
    let rules: Vec<&str> = paths.filter(|path| path.starts_with("/etc/udev/rules.d/")).collect();
    assert_eq!(rules.len(), 1, "{rules:?}");
    let verified = |path: &str| -> Result<(bool, String)> {
        let output = tree.verify_rules(path)?;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        Ok((output.status.success(), said))
    };
    for path in rules {
        assert_eq!(verified(path)?, (true, String::new()), "{path}");
    }
    tree.write("/etc/udev/rules.d/1.rules", b"SUBSYSTEM==\"block\", SYMLINKS+=\"x\"\n")?;
    assert!(!verified("/etc/udev/rules.d/1.rules")?.0, "a rule that means nothing was not noticed");
    Ok(())
}

#[test]
fn every_service_is_at_or_under_its_ceiling() -> Result<()> {
    let recipe = recipe("knc")?;
    let services: BTreeSet<String> =
        units(&recipe)?.into_keys().filter(|name| name.ends_with(".service")).collect();
    let known: BTreeSet<String> = CEILINGS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(services, known, "each service has a ceiling");
    let tree = tree(&recipe)?;
    for (service, ceiling) in CEILINGS {
        let threshold = format!("--threshold={ceiling}");
        let output = tree.analyze("security", &["--offline=true", &threshold, service])?;
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            text.contains("Overall exposure level"),
            "{service}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(output.status.success(), "{service} is above {ceiling}:\n{text}");
    }
    Ok(())
}

#[test]
fn a_service_above_its_ceiling_is_noticed() -> Result<()> {
    let tree = tree(&recipe("knc")?)?;
    tree.write("/etc/systemd/system/open.service", b"[Service]\nExecStart=/usr/bin/zot\n")?;
    let output = tree.analyze("security", &["--offline=true", "--threshold=85", "open.service"])?;
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    Ok(())
}

#[test]
fn no_start_path_has_a_shell() -> Result<()> {
    let (units, mut seen) = (units(&recipe("knc")?)?, 0);
    for (unit, settings) in &units {
        for setting in settings.iter().filter(|setting| setting.key.starts_with("Exec")) {
            seen += 1;
            let program = setting.value.split(' ').next().unwrap_or_default();
            assert!(program.starts_with('/'), "{unit}: `{program}` has a prefix or is looked for on a path");
            let shell = ["sh", "bash", "dash", "env", "busybox"];
            let name = program.rsplit('/').next().unwrap_or_default();
            assert!(
                !shell.contains(&name) && !name.ends_with(".sh"),
                "{unit} starts a shell: {}",
                setting.value
            );
        }
    }
    assert!(seen >= CEILINGS.len(), "{seen}");
    Ok(())
}

#[test]
fn every_environment_file_is_of_a_service_that_configure_knows() -> Result<()> {
    let mut seen = BTreeSet::new();
    for (unit, settings) in units(&recipe("knc")?)? {
        let service = unit.trim_end_matches(".service");
        for file in unit_file::values(&settings, "EnvironmentFile") {
            assert_eq!(file, format!("/opt/env/{service}.env"), "{unit}");
            assert!(ENVIRONMENTS.contains(&service), "{unit}: nobody writes `{file}`");
            let conditions = unit_file::values(&settings, "ConditionFileNotEmpty");
            assert!(conditions.contains(&file), "{unit} starts without `{file}`, and fails");
            seen.insert(service.to_owned());
        }
    }
    assert_eq!(
        seen,
        ENVIRONMENTS.iter().map(|name| (*name).to_owned()).collect(),
        "each is read by its service"
    );
    Ok(())
}

#[test]
fn every_variable_of_a_start_line_is_in_the_list_of_what_configure_writes() -> Result<()> {
    let list = std::fs::read_to_string(workspace::root().join("image-recipes/README.md"))?;
    for (unit, settings) in units(&recipe("knc")?)? {
        let file = format!("| `/opt/env/{}.env` |", unit.trim_end_matches(".service"));
        let row = list.lines().find(|line| line.starts_with(&file)).unwrap_or_default();
        let mut listed: BTreeSet<String> = row.split('`').skip(3).step_by(2).map(str::to_owned).collect();
        let mut used = BTreeSet::new();
        for line in unit_file::values(&settings, "ExecStart") {
            used.extend(unit_file::variables(line));
        }
        if used.is_empty() {
            listed.clear(); // a program that reads its environment itself
        }
        assert_eq!(used, listed, "{unit}");
    }
    Ok(())
}

#[test]
fn every_service_waits_for_the_configuration_and_comes_back() -> Result<()> {
    let own = [
        "podplane-configure.service",
        "podplane-detect.service",
        "podplane-seed.service",
        "podplane-seeded.service",
        "hosts-refresh.service",
        // no setting reaches it
        "pod-metadata.service",
    ];
    for (unit, settings) in units(&recipe("knc")?)? {
        if !unit.ends_with(".service") || own.contains(&unit.as_str()) {
            continue;
        }
        let requires = unit_file::values(&settings, "Requires").join(" ");
        let after = unit_file::values(&settings, "After").join(" ");
        assert!(requires.contains("podplane-configure.service"), "{unit}: {requires}");
        assert!(after.contains("podplane-configure.service"), "{unit}: {after}");
        let oneshot = unit_file::values(&settings, "Type") == ["oneshot"];
        let restart = unit_file::values(&settings, "Restart");
        assert_eq!(restart, [if oneshot { "on-failure" } else { "always" }], "{unit}");
        assert_eq!(unit_file::values(&settings, "StartLimitIntervalSec"), ["0"], "{unit} gives up");
    }
    Ok(())
}

#[test]
fn who_configures_may_write_all_that_it_plans_and_where_a_directory_of_a_node_may_have_drifted() -> Result<()>
{
    let recipe = recipe("knc")?;
    let (units, planned) = (units(&recipe)?, tests::node_paths::all()?);
    assert!(
        planned.contains("/home/admin/.ssh/authorized_keys")
            && planned.contains("/run/containerd/containerd.sock")
    );
    for unit in ["podplane-configure.service", "nstance-recv-watch.service"] {
        let writable: Vec<&str> = unit_file::values(&units[unit], "ReadWritePaths")
            .iter()
            .flat_map(|line| line.split(' '))
            .map(|path| path.trim_start_matches('-'))
            .collect();
        let nodes = recipe.directories.iter().filter(|(_, directory)| directory.kind.as_str() != "base");
        let mut paths: Vec<&str> = nodes.map(|(path, _)| path.as_str()).collect();
        paths.extend(planned.iter().map(String::as_str));
        assert!(paths.contains(&"/var/log/pods") && paths.contains(&"/opt/key"), "{paths:?}");
        for path in paths {
            // its own mode, and its name in the directory above when it is gone
            let above = path.rsplit_once('/').map_or("", |(above, _)| above);
            let within = |place: &str| {
                writable.iter().any(|root| place == *root || place.starts_with(&format!("{root}/")))
            };
            assert!(within(path) && (within(above) || writable.contains(&path)), "{unit}: `{path}`");
        }
    }
    Ok(())
}

#[test]
fn no_unit_closes_a_home_that_it_may_write() -> Result<()> {
    let mut seen = 0;
    for (unit, settings) in units(&recipe("knc")?)? {
        let writable = unit_file::values(&settings, "ReadWritePaths").join(" ");
        let homes = ["/home", "/root", "/run/user"];
        let own = writable.split(' ').any(|path| homes.contains(&path.trim_start_matches('-')));
        // of the two settings for one path systemd takes the narrower one
        assert!(!own || unit_file::values(&settings, "ProtectHome").is_empty(), "{unit}: {writable}");
        seen += usize::from(own);
    }
    assert_eq!(seen, 2, "configure and receive write the administrator's keys");
    Ok(())
}

#[test]
fn what_configures_a_node_never_gives_up_and_what_is_waited_for_is_asked_for_every_15_seconds() -> Result<()>
{
    for (unit, settings) in units(&recipe("knc")?)? {
        if !unit.ends_with(".service") {
            continue;
        }
        assert_eq!(unit_file::values(&settings, "StartLimitIntervalSec"), ["0"], "{unit} gives up");
        if ["podplane-configure.service", "podplane-detect.service"].contains(&unit.as_str()) {
            let value = |key| unit_file::values(&settings, key);
            assert_eq!((value("Restart"), value("RestartSec")), (vec!["on-failure"], vec!["15s"]), "{unit}");
            assert_eq!(value("RestartMode"), ["direct"], "{unit}: who waits for it fails with its first try");
        }
    }
    Ok(())
}

#[test]
fn no_core_holds_what_a_service_has_read() -> Result<()> {
    for (unit, settings) in units(&recipe("knc")?)? {
        // containers inherit its limit, and theirs is not ours to set
        if unit.ends_with(".service") && unit != "containerd.service" {
            assert_eq!(unit_file::values(&settings, "LimitCORE"), ["0"], "{unit}");
        }
    }
    Ok(())
}

#[test]
fn a_restart_of_the_api_server_lets_its_clients_go_and_its_flags_of_openid_connect_are_one_variable()
-> Result<()> {
    let units = units(&recipe("knc")?)?;
    let line = unit_file::values(&units["kube-apiserver.service"], "ExecStart").join(" ");
    let words: Vec<&str> = line.split_whitespace().collect();
    assert!(words.contains(&"--shutdown-send-retry-after=true"), "{line}");
    assert!(words.contains(&"$KUBE_API_OIDC_FLAGS") && !line.contains("--oidc-"), "{line}");
    Ok(())
}

#[test]
fn a_seed_that_comes_late_is_taken_late() -> Result<()> {
    let recipe = recipe("knd")?;
    let units = units(&recipe)?;
    let seed = &units["podplane-seed.service"];
    // one that stays active is not started again, and has no success to be followed
    assert!(unit_file::values(seed, "RemainAfterExit").is_empty());
    assert_eq!(unit_file::values(seed, "OnSuccess"), ["podplane-seeded.service"]);
    // a look that found nothing starts nothing that looks again
    let seeded = &units["podplane-seeded.service"];
    assert_eq!(unit_file::values(seeded, "ConditionPathExists"), ["/opt/podplane/etc/user-data.env"]);
    assert_eq!(unit_file::values(seeded, "OnSuccess"), ["multi-user.target"]);
    let rules = recipe.files.get(&("/etc/udev/rules.d/61-podplane-seed.rules".parse()?, None));
    let Some(Body::Bytes(rules)) = rules.map(|file| &file.body) else { anyhow::bail!("no rule of udev") };
    let rules = std::str::from_utf8(rules)?;
    assert!(rules.contains("run-podplane-seed.mount podplane-seed.service"), "{rules}");
    Ok(())
}

#[test]
fn why_a_first_boot_fails_is_on_the_console() -> Result<()> {
    let units = units(&recipe("knd")?)?;
    for unit in ["podplane-configure.service", "podplane-detect.service"] {
        assert_eq!(unit_file::values(&units[unit], "StandardError"), ["journal+console"], "{unit}");
        // what went well is nobody's business there
        assert!(unit_file::values(&units[unit], "StandardOutput").is_empty(), "{unit}");
    }
    Ok(())
}

#[test]
fn every_service_runs_as_a_user_of_the_recipe_but_who_has_to_be_root() -> Result<()> {
    let root = [
        "containerd.service",
        "hosts-refresh.service",
        "kubelet.service",
        "nstance-recv-watch.service",
        "pod-metadata.service",
        "podplane-configure.service",
        "podplane-seed.service",
        "sandbox-image.service",
    ];
    let recipe = recipe("knc")?;
    for (unit, settings) in units(&recipe)? {
        let (user, group) = (unit_file::values(&settings, "User"), unit_file::values(&settings, "Group"));
        if !unit.ends_with(".service") || root.contains(&unit.as_str()) {
            assert!(user.is_empty() && group.is_empty(), "{unit}: {user:?}");
            continue;
        }
        assert_eq!(user, group, "{unit}");
        let service = unit.trim_end_matches(".service");
        let own = match service {
            "podplane-detect" | "podplane-seeded" => "podplane",
            // the registry cache has one user, whichever it is
            "registry" => "zot",
            service => service,
        };
        assert_eq!(user, [own], "{unit}");
        assert!(recipe.users.contains_key(user[0]), "{unit}: no recipe has the user `{}`", user[0]);
    }
    Ok(())
}
