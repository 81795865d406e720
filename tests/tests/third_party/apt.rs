//! Thirty requests over archives of Debian, its backports and a third party, beside what apt makes of the same archives.
//!
//! apt gets a root of its own, as in `debian_lock`, with the preferences that a recipe's `from` stands for: 990 for what is
//! named, 100 for all else of that archive. The archives are made of a seed: some 250 packages that need each other.
//! Needs: apt-get.

use crate::world::{TRIXIE, VENDOR, World, ago};
use anyhow::{Context as _, Result, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use tests::apt_archive::{Package, Suite, write};
use xshell::{Shell, cmd};

/// How many requests.
const REQUESTS: usize = 30;
/// How many names of each sort.
const DEBIANS: usize = 120;
const VENDORS: usize = 60;

/// Numbers that are always the same.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default() % limit
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }
}

/// The packages of each archive. Each needs only what has a smaller number, so that there is an end.
struct Archives {
    debian: Vec<Package>,
    backports: Vec<Package>,
    vendor: Vec<Package>,
}

impl Archives {
    fn new(random: &mut Random) -> Self {
        let essential = Package::listed("base-files", "13", "Essential: yes\nPriority: required");
        let mut all = Self { debian: vec![essential], backports: Vec::new(), vendor: Vec::new() };
        for number in 0..DEBIANS {
            let own = needs(random, number, "d", "2");
            all.debian.push(Package::listed(&format!("d{number}"), "2-1", &own));
            if random.one_in(4) {
                // with what Debian has, what only backports have, and now and then what Debian has too old
                let mut needs = needs_list(random, number, "d", "2");
                if random.one_in(2) {
                    needs.push(format!("only{number} (>= 1)"));
                    all.backports.push(Package::listed(&format!("only{number}"), "1-1~bpo13+1", ""));
                }
                if number > 0 && random.one_in(6) {
                    needs.push(format!("d{} (>= 3)", random.below(number)));
                }
                all.backports.push(Package::listed(&format!("d{number}"), "3-1~bpo13+1", &depends(&needs)));
            }
            if random.one_in(3) {
                // newer than Debian's, or older
                let version = if random.one_in(3) { "1-0vendor1" } else { "9-0vendor1" };
                let own = needs(random, number, "d", "2");
                all.vendor.push(Package::listed(&format!("d{number}"), version, &own));
            }
        }
        for number in 0..VENDORS {
            for version in ["5-1", "5-2"].into_iter().take(1 + random.below(2)) {
                let mut needs = needs_list(random, number, "v", "5");
                needs.extend(needs_list(random, DEBIANS, "d", "2"));
                if random.one_in(8) {
                    needs.push(format!("d{} (>= 9)", random.below(DEBIANS)));
                }
                if number > 0 && random.one_in(4) {
                    // the first is in no archive, or too old in all of them
                    let first = if random.one_in(2) {
                        "gone".to_owned()
                    } else {
                        format!("d{} (>= 20)", random.below(DEBIANS))
                    };
                    needs.push(format!("{first} | v{}", random.below(number)));
                }
                all.vendor.push(Package::listed(&format!("v{number}"), version, &depends(&needs)));
            }
        }
        all
    }

    fn has(packages: &[Package], name: &str) -> bool {
        packages.iter().any(|package| package.control.starts_with(&format!("Package: {name}\n")))
    }
}

fn needs_list(random: &mut Random, below: usize, prefix: &str, version: &str) -> Vec<String> {
    let count = if below == 0 { 0 } else { random.below(4) };
    let one = |random: &mut Random| {
        let name = format!("{prefix}{}", random.below(below));
        if random.one_in(3) { format!("{name} (>= {version})") } else { name }
    };
    (0..count).map(|_| one(random)).collect()
}

fn depends(needs: &[String]) -> String {
    if needs.is_empty() { String::new() } else { format!("Depends: {}", needs.join(", ")) }
}

fn needs(random: &mut Random, below: usize, prefix: &str, version: &str) -> String {
    depends(&needs_list(random, below, prefix, version))
}

/// Names, each with where it is taken from where that is not Debian.
type Request = BTreeMap<String, Option<&'static str>>;

fn request(random: &mut Random, archives: &Archives) -> Request {
    let mut request = Request::new();
    for _ in 0..1 + random.below(4) {
        let (d, v) = (format!("d{}", random.below(DEBIANS)), format!("v{}", random.below(VENDORS)));
        match random.below(3) {
            0 => request.insert(v, Some("vendor")),
            1 if Archives::has(&archives.vendor, &d) => request.insert(d, Some("vendor")),
            2 if Archives::has(&archives.backports, &d) => request.insert(d, Some("trixie-backports")),
            _ => request.insert(d, None),
        };
    }
    request
}

#[test]
fn what_is_taken_from_archives_by_name_is_what_apt_would_take_by_its_preferences() -> Result<()> {
    let world = World::new()?;
    let mut random = Random(20_261_129);
    let archives = Archives::new(&mut random);
    let backports = "Origin: Debian\nSuite: stable-backports\nCodename: trixie-backports\nNotAutomatic: yes\nButAutomaticUpgrades: yes\n";
    world.debian_is(&Suite::new("trixie", TRIXIE, ago(2), archives.debian.clone()))?;
    world.debian_is(&Suite::new("trixie-backports", backports, ago(2), archives.backports.clone()))?;
    let vendor =
        Suite::new("trixie-vendor", VENDOR, ago(1), archives.vendor.clone()).signed(&world.vendor)?;
    world.vendor_has(&vendor);
    write(&world.path("../vendor"), &vendor)?;
    world.sources(
        "",
        &format!(
            "[[suite]]\nname = \"trixie-backports\"\narchive = \"debian\"\ncodename = \"trixie-backports\"\n\
             suites = [\"stable-backports\"]\ncomponent = \"main\"\nby-name = true\nmax-age-days = 10\nkeys = [\"{}\"]\n",
            world.debian.fingerprint
        ),
    )?;
    let (mut sets, mut refusals) = (0, 0);
    for number in 0..REQUESTS {
        let request = request(&mut random, &archives);
        let ours = ours(&world, &request)?;
        let theirs = theirs(&world, &request)?;
        match (&ours, &theirs) {
            (Some(_), Some(_)) => sets += 1,
            _ => refusals += 1,
        }
        ensure!(ours == theirs, "request {number}, {request:?}:\nours {ours:?}\napt's {theirs:?}");
    }
    // both ends are met, and most requests have an answer
    ensure!(sets >= 15 && refusals >= 3, "{sets} sets, {refusals} refusals");
    Ok(())
}

/// Names and versions.
type Chosen = Option<BTreeSet<(String, String)>>;

/// What a lock has; nothing where it is refused. No package is fetched, as the library resolves alone.
fn ours(world: &World, request: &Request) -> Result<Chosen> {
    use bake::debian::resolve::{Limits, Task, resolve};
    let sources = bake::sources::load(&world.path("manifests"))?;
    let names = request.keys().map(|name| name.parse()).collect::<Result<Vec<_>, _>>()?;
    let from = request.iter().filter_map(|(name, from)| Some((name.parse().ok()?, (*from)?.to_owned())));
    let request = bake::lock::Request {
        arch: tree::name::Arch::Amd64,
        install: names,
        from: from.collect(),
        files: Vec::new(),
        recommends_of: Vec::new(),
        avoid: Vec::new(),
    };
    let store = store::Store::open(&world.path("../store"))?;
    let options = bake::fetch::Options {
        debian: vec![world.path("../debian").to_str().context("a path")?.parse()?],
        archives: [("vendor".to_owned(), vec![world.path("../vendor").to_str().context("a path")?.parse()?])]
            .into(),
        offline: true,
        ..bake::fetch::Options::default()
    };
    let archive = bake::fetch::Archives::new(&store, &options, &bake::fetch::Silent);
    let (kind, now) = ("base".parse()?, jiff::Timestamp::now());
    let task = Task { kind: &kind, request: &request, now, previous: &[], given: &[], files: &[] };
    match resolve(&task, &sources, &archive, &Limits::default()) {
        Ok(lock) => {
            let packages = lock.packages.into_iter();
            Ok(Some(packages.map(|one| (one.name.to_string(), one.version)).collect()))
        }
        Err(refusal) if refusal.class == tree::refusal::Class::Usage => Ok(None),
        Err(refusal) => Err(refusal.into()),
    }
}

/// What apt would install; nothing where it does not.
fn theirs(world: &World, request: &Request) -> Result<Chosen> {
    let root = world.path("../apt");
    let shell = Shell::new()?;
    shell.set_var("APT_CONFIG", root.join("apt.conf"));
    shell.set_var("LC_ALL", "C");
    if !root.exists() {
        for folder in ["etc/apt/preferences.d", "lists/partial", "cache/archives/partial", "lib/dpkg"] {
            fs::create_dir_all(root.join(folder))?;
        }
        fs::write(root.join("lib/dpkg/status"), "")?;
        let keys = world.path("manifests/trust");
        let (keys, debian) = (keys.display(), world.path("../debian"));
        let list = format!(
            "deb [signed-by={keys}/debian.asc] file:{0} trixie main\n\
             deb [signed-by={keys}/debian.asc] file:{0} trixie-backports main\n\
             deb [signed-by={keys}/vendor.asc] {1} trixie-vendor main\n",
            debian.display(),
            world.vendor_url()
        );
        fs::write(root.join("etc/apt/sources.list"), list)?;
        let at = root.display();
        let configuration = format!(
            "Dir \"{at}\"; Dir::State \"{at}\"; Dir::Cache \"{at}/cache\"; Dir::State::status \"{at}/lib/dpkg/status\";\n\
             Dir::Etc::main \"/dev/null\"; Dir::Etc::parts \"/dev/null\"; APT::Sandbox::User \"root\";\n\
             APT::Architecture \"amd64\"; APT::Architectures {{ \"amd64\"; }}; Acquire::Languages \"none\";\n\
             APT::Install-Recommends \"false\"; Acquire::http::Proxy \"DIRECT\";\n"
        );
        fs::write(root.join("apt.conf"), configuration)?;
        cmd!(shell, "apt-get -qq -o APT::Update::Error-Mode=any update").quiet().run()?;
    }
    let pin = |package: &str, release: &str, priority: u32| {
        format!("Package: {package}\nPin: release {release}\nPin-Priority: {priority}\n\n")
    };
    let mut preferences = pin("*", "o=Vendor", 100);
    for (name, from) in request {
        match from {
            Some("vendor") => preferences.push_str(&pin(name, "o=Vendor", 990)),
            Some(suite) => preferences.push_str(&pin(name, &format!("n={suite}"), 990)),
            None => {}
        }
    }
    fs::write(root.join("etc/apt/preferences"), preferences)?;
    let names: Vec<&String> = request.keys().collect();
    let output = cmd!(shell, "apt-get -s install base-files {names...}").quiet().ignore_status().output()?;
    if !output.status.success() {
        let said =
            String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        ensure!(said.contains("unmet dependencies") || said.contains("Unable to"), "{said}");
        return Ok(None);
    }
    let line = |line: &str| {
        let mut words = line.strip_prefix("Inst ")?.split([' ', '(']).filter(|word| !word.is_empty());
        let name = words.next()?.split(':').next()?;
        Some((name.to_owned(), words.next()?.to_owned()))
    };
    Ok(Some(String::from_utf8(output.stdout)?.lines().filter_map(line).collect()))
}
