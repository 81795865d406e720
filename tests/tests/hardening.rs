//! docs/hardening.md against the units and files of the recipes: what it says is held is, and what it says is not is not.

use anyhow::{Context as _, Result};
use bake::recipe::{Body, Recipe};
use std::collections::{BTreeMap, BTreeSet};
use tests::recipes::recipe;
use tests::unit_file;
use tests::workspace;

/// Numbers of the benchmark that failed when it was first run here; each is in one of the two tables.
const ASKED: [&str; 20] = [
    "1.2.15",
    "1.2.16",
    "1.2.17",
    "1.2.18",
    "1.2.19",
    "1.2.27",
    "1.2.28",
    "1.3.1",
    "1.3.2",
    "1.3.4",
    "1.3.7",
    "1.4.1",
    "1.4.2",
    "2.7",
    "3.2.1",
    "4.2.2",
    "4.2.6 of cis-1.6",
    "4.2.13",
    "4.2.14",
    "5.1.7",
];

/// The rows of the table below `heading`, without its head.
fn rows(heading: &str) -> Result<Vec<[String; 3]>> {
    let page = std::fs::read_to_string(workspace::root().join("docs/hardening.md"))?;
    let part = page.split("\n## ").find(|part| part.starts_with(heading)).context("the heading")?;
    let rows = part.lines().filter(|line| line.starts_with('|')).skip(2);
    rows.map(|line| {
        let cells: Vec<String> =
            line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
        cells.try_into().ok().with_context(|| format!("three cells: {line}"))
    })
    .collect()
}

fn text(recipe: &Recipe, path: &str) -> Result<String> {
    let file = recipe.files.get(&(path.parse()?, None)).with_context(|| path.to_owned())?;
    let Body::Bytes(bytes) = &file.body else { anyhow::bail!("`{path}` is a link") };
    Ok(std::str::from_utf8(bytes)?.to_owned())
}

/// What each program is started with, and the lines of kubelet's configuration.
fn started(recipe: &Recipe) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let mut out = BTreeMap::new();
    for service in ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet"] {
        let unit = unit_file::parse(&text(recipe, &format!("/etc/systemd/system/{service}.service"))?);
        let line = unit_file::values(&unit, "ExecStart").join(" ");
        out.insert(service.to_owned(), line.split_whitespace().map(str::to_owned).collect());
    }
    let kubelet = text(recipe, "/opt/kubelet/etc/kubelet.yaml")?;
    out.insert("kubelet.yaml".to_owned(), kubelet.lines().map(str::to_owned).collect());
    Ok(out)
}

#[test]
fn flags_that_the_page_says_are_held_are_there_each_once() -> Result<()> {
    let recipe = recipe("knc")?;
    let started = started(&recipe)?;
    for [number, place, what] in rows("Held by a control plane")? {
        let words = started.get(&place).with_context(|| place.clone())?;
        let expected = what.trim_matches('`');
        assert!(words.contains(expected), "{number}: {place} without {expected}: {words:?}");
        let name = expected.split(['=', ':']).next().unwrap_or_default();
        let same = words.iter().filter(|word| word.split(['=', ':']).next() == Some(name)).count();
        assert_eq!(same, 1, "{number}: {name} twice");
    }
    // with a file of its own the scheduler goes by that file
    let scheduler = text(&recipe, "/opt/kube-scheduler/etc/kube-scheduler.yaml")?;
    assert!(scheduler.lines().any(|line| line == "enableProfiling: false"), "{scheduler}");
    Ok(())
}

#[test]
fn flags_that_the_page_says_are_not_held_are_not_and_each_number_is_in_one_table() -> Result<()> {
    let started = started(&recipe("knc")?)?;
    let all: Vec<&String> = started.values().flatten().collect();
    let not = rows("Not held")?;
    for [number, what, why] in &not {
        assert!(why.len() > 10, "{number} has a reason: {why}");
        let flag = what.trim_matches('`').split('=').next().unwrap_or_default();
        let is_there = flag.starts_with("--") && all.iter().any(|word| word.starts_with(flag));
        let is_plugin =
            all.iter().any(|word| word.contains("admission") && word.contains(what.trim_matches('`')));
        assert!(!is_there && !is_plugin, "{number}: {what} is held: say so");
    }
    let held = rows("Held by a control plane")?;
    let numbers: Vec<&str> = held.iter().chain(&not).map(|[number, ..]| number.as_str()).collect();
    for number in &numbers {
        assert_eq!(numbers.iter().filter(|other| *other == number).count(), 1, "{number} once");
    }
    for number in ASKED {
        assert!(numbers.contains(&number), "{number} is in no table");
    }
    Ok(())
}

#[test]
fn what_the_api_server_writes_down_has_no_secrets_and_has_room() -> Result<()> {
    let recipe = recipe("knc")?;
    let policy = text(&recipe, "/opt/podplane/share/audit-policy.yaml")?;
    let rules: Vec<&str> = policy.split("\n  - level: ").skip(1).collect();
    assert!(rules.len() > 5 && rules.last().is_some_and(|rule| rule.trim() == "Metadata"), "{policy}");
    // the first rule that matches counts
    let of = |name: &str| rules.iter().find(|rule| rule.contains(&format!("\"{name}\"")));
    for secret in ["secrets", "configmaps", "tokenreviews", "serviceaccounts/token"] {
        assert!(of(secret).is_some_and(|rule| rule.starts_with("Metadata")), "{secret}");
    }
    for rule in rules.iter().filter(|rule| rule.starts_with("None")) {
        assert!(!rule.contains("secrets") && !rule.contains("exec"), "{rule}");
    }
    assert!(!policy.contains("RequestResponse"), "answers have secrets");
    let unit = unit_file::parse(&text(&recipe, "/etc/systemd/system/kube-apiserver.service")?);
    assert_eq!(unit_file::values(&unit, "LogsDirectory"), ["kube-apiserver"]);
    Ok(())
}

#[test]
fn a_host_takes_no_redirects_shows_no_addresses_and_leaves_no_cores() -> Result<()> {
    let recipe = recipe("base")?;
    let sysctl = text(&recipe, "/etc/sysctl.d/61-hardening.conf")?;
    let set: BTreeSet<&str> =
        sysctl.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    for (key, value) in [("kernel.kptr_restrict", "1"), ("fs.suid_dumpable", "0")] {
        assert!(set.contains(format!("{key} = {value}").as_str()), "{key}");
    }
    for (family, kinds) in [
        ("ipv4", &["accept_redirects", "secure_redirects", "send_redirects"][..]),
        ("ipv6", &["accept_redirects"]),
    ] {
        for kind in kinds {
            // of `all`, of interfaces that come, and of those that are there already
            for which in ["all", "default", "*"] {
                let line = format!("net.{family}.conf.{which}.{kind} = 0");
                assert!(set.contains(line.as_str()), "{line}");
            }
        }
    }
    // no later file takes it back
    for ((path, _), file) in recipe_files("knc", "/etc/sysctl.d/")? {
        let later = path.rsplit('/').next() > Some("61-hardening.conf");
        assert!(!later || !(file.contains("redirects") || file.contains("kptr")), "{path}");
    }
    let limits = text(&recipe, "/etc/security/limits.d/10-no-core-dumps.conf")?;
    for who in ["*", "root"] {
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert!(limits.lines().any(|line| words(line) == [who, "hard", "core", "0"]), "{who}: {limits}");
    }
    let manager = text(&recipe, "/etc/systemd/system.conf.d/10-no-core-dumps.conf")?;
    let manager = unit_file::parse(&manager);
    assert_eq!(unit_file::values(&manager, "DefaultLimitCORE"), ["0"]);
    assert!(manager.iter().all(|setting| setting.section == "Manager"));
    Ok(())
}

/// The files of a kind below a folder, as text.
fn recipe_files(kind: &str, folder: &str) -> Result<Vec<((String, bool), String)>> {
    let recipe = recipe(kind)?;
    let below = recipe.files.iter().filter(|((path, _), _)| path.as_str().starts_with(folder));
    Ok(below
        .filter_map(|((path, provider), file)| match &file.body {
            Body::Bytes(bytes) => {
                let name = (path.as_str().to_owned(), provider.is_some());
                Some((name, String::from_utf8_lossy(bytes).into_owned()))
            }
            Body::Link(_) => None,
        })
        .collect())
}

#[test]
fn pods_are_kept_from_the_metadata_service_where_kube2iam_answers_them() -> Result<()> {
    let files = recipe_files("knd", "/usr/lib/podplane/")?;
    let [((path, is_of_a_cloud), rules)] = files.as_slice() else { anyhow::bail!("{files:?}") };
    assert!(*is_of_a_cloud, "{path} is for AWS");
    let lines: Vec<&str> = rules.lines().map(str::trim).collect();
    // forwarded packets are pods'; the host's own are not forwarded
    assert!(lines.iter().any(|line| line.starts_with("type filter hook forward ")), "{rules}");
    for address in ["ip daddr 169.254.169.254 counter drop", "ip6 daddr fd00:ec2::254 counter drop"] {
        assert!(lines.contains(&address), "{address}");
    }
    let recipe = recipe("knd")?;
    let component =
        recipe.components.iter().find(|(name, _)| name.as_str() == "kube2iam").context("kube2iam")?.1;
    assert!(component.units.iter().any(|unit| unit == "pod-metadata.service"), "it comes with kube2iam");
    let page = std::fs::read_to_string(workspace::root().join("docs/hardening.md"))?;
    assert!(page.contains("HttpPutResponseHopLimit=1"));
    Ok(())
}
