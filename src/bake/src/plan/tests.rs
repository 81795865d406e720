use super::*;
use crate::manifest;
use tree::release::OS;

fn manifest(kind: &str, dependencies: &str) -> Manifest {
    let text = format!(
        r#"{{"vmconfig": {{"version": "dev", "kind": "{kind}", "os": {{"name": "{OS}", "arch": "amd64"}},
"dependencies": {{{dependencies}}}, "images": []}}}}"#
    );
    manifest::parse("test", text.as_bytes()).unwrap()
}

fn runc() -> String {
    let hex = "ab".repeat(32);
    format!(
        r#""runc": {{"version": "1.3.3", "url": "https://example.org/v1.3.3/runc.amd64", "type": "binary", "digest": "sha256:{hex}", "size": 7}}"#
    )
}

const KUBE2IAM: &str = r#""kube2iam": {"version": "0.13.0", "url": "", "type": "tar.gz", "digest": "", "size": 0, "providers": ["aws"]}"#;

fn recipe(text: &str) -> Recipe {
    let kind: Kind = "base".parse().unwrap();
    let recipe = recipe::parse("base/recipe.toml", text).unwrap();
    recipe::combine(&[recipe::Folder { kind, recipe, rootfs: Vec::new() }]).unwrap()
}

fn lock() -> Lock {
    let suite = LockedSuite {
        name: "trixie".to_owned(),
        archive: "debian".to_owned(),
        mirror: None,
        date: "2026-09-12T07:55:41Z".parse().unwrap(),
        inrelease: Sha256([1; 32]),
        signature: None,
        packages: Sha256([2; 32]),
        components: BTreeMap::new(),
        signed_by: Vec::new(),
    };
    let package = LockedPackage {
        name: "bash".parse().unwrap(),
        version: "5.2.37-2".to_owned(),
        arch: "amd64".to_owned(),
        suite: "trixie".to_owned(),
        file: "pool/main/b/bash/bash_5.2.37-2_amd64.deb".to_owned(),
        size: 3,
        sha256: Sha256([3; 32]),
        because: vec!["recipe".to_owned()],
        scripts: BTreeMap::new(),
        triggers: Vec::new(),
        diverts: Vec::new(),
    };
    let kind = "base".parse().unwrap();
    Lock { kind, arch: Arch::Amd64, request: Sha256([0; 32]), suites: vec![suite], packages: vec![package] }
}

const RUNC: &str = r#"
[recipe]
[components.runc]
files = [{ from = ".", to = "/usr/local/sbin/runc", mode = "0755" }]
"#;

const BOTH: &str = r#"
[recipe]
[components.runc]
files = [{ from = ".", to = "/usr/local/sbin/runc", mode = "0755" }]
[components.kube2iam]
files = [{ from = "kube2iam", to = "/opt/kube2iam/bin/kube2iam", mode = "0755" }]
"#;

fn choices() -> Choices {
    let snapshots = Snapshots::new([("debian", "https://snapshot.debian.org/archive/debian")]);
    Choices {
        provider: None,
        label: Label::default(),
        epoch: None,
        configure: None,
        first_boot: None,
        init: None,
        effects: BTreeMap::new(),
        snapshots,
        published: BTreeMap::new(),
    }
}

fn made(recipe_text: &str, dependencies: &str, provider: Option<Provider>) -> Result<Plan> {
    let choices = Choices { provider, ..choices() };
    plan(&recipe(recipe_text), &manifest("base", dependencies), &lock(), &Policy::default(), &choices)
}

#[test]
fn the_same_inputs_give_the_same_digest_and_another_input_another() {
    let first = made(RUNC, &runc(), None).unwrap();
    assert_eq!(first.digest(), made(RUNC, &runc(), None).unwrap().digest());
    assert_ne!(first.digest(), made(RUNC, &runc().replace("1.3.3", "1.3.4"), None).unwrap().digest());
    assert_eq!(first.name(), tree::of_release!("base.", ".amd64"));
    assert_eq!(first.epoch, 1_789_199_741);
}

#[test]
fn requirements_are_packages_and_components_with_their_sources() {
    let plan = made(RUNC, &runc(), None).unwrap();
    let requirements = plan.requirements();
    assert_eq!(
        requirements.iter().map(|requirement| requirement.name.as_str()).collect::<Vec<_>>(),
        ["bash", "runc"]
    );
    assert!(matches!(&requirements[0].source, Source::Debian { archive, .. } if archive == "debian"));
}

#[test]
fn a_component_for_one_cloud_is_taken_just_there_and_must_be_pinned_there() {
    let both = format!("{}, {KUBE2IAM}", runc());
    assert_eq!(made(BOTH, &both, None).unwrap().components.len(), 1);
    assert_eq!(made(BOTH, &both, Some(Provider::Google)).unwrap().components.len(), 1);
    let refusal = made(BOTH, &both, Some(Provider::Aws)).unwrap_err();
    let said = "kube2iam: plan: version `0.13.0` is declared without url, digest and size";
    assert!(refusal.to_string().contains(said), "{refusal}");
    assert!(refusal.has_way_out());
}

#[test]
fn an_optional_component_without_a_pin_is_left_out_with_its_units_and_that_is_said() {
    let optional = format!("{BOTH}optional = true\nunits = [\"kube2iam.service\"]\nproviders = [\"aws\"]\n");
    let remarks = |dependencies: &str, provider| {
        let plan = made(&optional, dependencies, provider).unwrap();
        assert_eq!(plan.components.len(), 1);
        assert!(plan.enable.is_empty());
        plan.remarks.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let declared = format!("{}, {KUBE2IAM}", runc());
    assert_eq!(
        remarks(&declared, Some(Provider::Aws)),
        ["kube2iam: left out, as the manifest declares 0.13.0 without url, digest and size"]
    );
    assert_eq!(
        remarks(&runc(), Some(Provider::Aws)),
        ["kube2iam: left out, as the manifest does not have it"]
    );
    // where it has no place anyway there is nothing to say
    assert_eq!(remarks(&declared, Some(Provider::Google)), Vec::<String>::new());
    assert_eq!(remarks(&runc(), None), Vec::<String>::new());
    let kube2iam = runc().replace("runc", "kube2iam").replace("binary", "tar.gz");
    let pinned = format!("{}, {kube2iam}", runc());
    let plan = made(&optional, &pinned, Some(Provider::Aws)).unwrap();
    assert_eq!((plan.components.len(), plan.enable.len(), plan.remarks.len()), (2, 1, 0));
}

#[test]
fn a_deb_of_the_manifest_is_taken_from_the_lock_at_its_version_or_a_newer_one() {
    let deb = |version: &str| {
        let file = format!("bash_{}_amd64.deb", manifest::without_epoch(version));
        let pin = runc().replace("runc.amd64", &file).replace("binary", "deb");
        pin.replace("\"runc\"", "\"bash\"").replace("1.3.3", version)
    };
    // the lock has 5.2.37-2
    for version in ["5.2.37-2", "5.2.9-1", "5.2.37-2~bpo1"] {
        let plan = made("[recipe]\n", &deb(version), None).unwrap();
        let said = format!("bash {version}: taken from the lock, which has 5.2.37-2");
        assert_eq!(plan.remarks.iter().map(ToString::to_string).collect::<Vec<_>>(), [said]);
        assert!(plan.components.is_empty());
    }
    for version in ["5.2.37-3", "1:0.1-1", "5.2.37-2+b1", "x"] {
        let refusal = made("[recipe]\n", &deb(version), None).unwrap_err();
        let said = format!("expected version `{version}` or later in the lock, found `5.2.37-2`");
        assert!(refusal.to_string().contains(&said), "{refusal}");
        assert!(refusal.has_way_out());
    }
    let refusal = made("[recipe]\n", &deb("1").replace("bash", "zsh"), None).unwrap_err();
    assert!(refusal.to_string().contains("the lock does not have it"), "{refusal}");
    assert!(refusal.hint.unwrap().contains("add `zsh` to [packages] install"));
}

#[test]
fn an_epoch_that_upstream_leaves_out_does_not_count() {
    let mut lock = lock();
    lock.packages[0].version = "1:4.17.4-2".to_owned();
    let pin = runc().replace("\"runc\"", "\"bash\"").replace("binary", "deb").replace("1.3.3", "VERSION");
    let choices = choices();
    let plan = |version: &str| {
        let file = format!("bash_{}_amd64.deb", manifest::without_epoch(version));
        let manifest = manifest("base", &pin.replace("runc.amd64", &file).replace("VERSION", version));
        plan(&recipe("[recipe]\n"), &manifest, &lock, &Policy::default(), &choices)
    };
    assert!(plan("4.17.4-2").is_ok() && plan("1:4.17.4-2").is_ok() && plan("0:9-1").is_ok());
    assert!(plan("4.17.5-1").is_err() && plan("2:1-1").is_err());
}

#[test]
fn manifest_and_recipe_must_name_the_same_components() {
    assert!(made(RUNC, "", None).unwrap_err().to_string().contains("the manifest does not have it"));
    assert!(
        made("[recipe]\n", &runc(), None)
            .unwrap_err()
            .to_string()
            .contains("no recipe says where to install it")
    );
    let wrong = RUNC.replace("\".\"", "\"bin/runc\"");
    assert!(made(&wrong, &runc(), None).unwrap_err().to_string().contains("a binary is one file"));
}

#[test]
fn a_pin_whose_url_is_of_another_version_is_refused_with_the_version_floor_in_mind() {
    let elsewhere = runc().replace("/v1.3.3/", "/v1.1.0/");
    let refusal = made(RUNC, &elsewhere, None).unwrap_err();
    assert_eq!(refusal.to_string(), "runc: plan: expected version `1.3.3`, found `1.1.0` in the URL");
    assert!(refusal.has_way_out());
    let arm = runc().replace("runc.amd64", "runc.arm64");
    assert!(made(RUNC, &arm, None).unwrap_err().to_string().contains("expected architecture `amd64`"));
}

#[test]
fn qcow2_is_for_readers_without_zstd_where_the_manifest_says_how_to_start_without_firmware() {
    use ::disk::Compression::{Zlib, Zstd};
    let mut with_boot = manifest("base", "");
    let file = |path: &str| manifest::BootFile {
        partition: 1,
        path: path.to_owned(),
        digest: Sha256([0; 32]).into(),
    };
    with_boot.boot =
        Some(manifest::Boot { cmdline: "ro".to_owned(), kernel: file("/k"), initrd: file("/i") });
    let choices = choices();
    let compression = |text: &str, manifest: &Manifest| {
        plan(&recipe(text), manifest, &lock(), &Policy::default(), &choices).unwrap().disk.compression
    };
    assert_eq!(compression("[recipe]\n", &with_boot), Zlib);
    assert_eq!(compression("[recipe]\n", &manifest("base", "")), Zstd);
    // a recipe that says it knows why
    assert_eq!(compression("[recipe]\n[disk]\ncompression = \"zstd\"\n", &with_boot), Zstd);
}

#[test]
fn an_image_is_called_what_it_is_or_what_it_was_named_with_the_tag_behind_that() {
    let name = |text: &str| Some(text.parse::<Name>().unwrap());
    let planned = |label: Label, provider| {
        let choices = Choices { label, provider, ..choices() };
        plan(&recipe("[recipe]\n"), &manifest("base", ""), &lock(), &Policy::default(), &choices).unwrap()
    };
    let plain = planned(Label::default(), None);
    let aws = Some(Provider::Aws);
    for (label, provider, wanted) in [
        (Label { name: None, tag: name("1.2.3") }, None, tree::of_release!("base.", ".amd64.1.2.3")),
        (Label { name: None, tag: name("1.2.3") }, aws, tree::of_release!("base.", ".amd64.aws.1.2.3")),
        (Label { name: name("web"), tag: None }, None, "web"),
        (Label { name: name("web"), tag: name("7") }, aws, "web.7"),
    ] {
        let plan = planned(label, provider);
        assert_eq!(plan.name(), wanted);
        // a name stands in records and descriptors: it decides bytes
        assert_ne!(plan.digest(), plain.digest(), "{wanted}");
    }
    assert_eq!(plain.name(), tree::of_release!("base.", ".amd64"));
    assert!(!serde_json::to_string(&plain).unwrap().contains("label"));
}

#[test]
fn a_projects_own_component_may_come_by_http_or_from_a_file_and_that_is_said() {
    for url in ["http://example.org/v1.3.3/runc.amd64", "file:parts/v1.3.3/runc.amd64"] {
        let elsewhere = manifest("base", &runc().replace("https://example.org/v1.3.3/runc.amd64", url));
        let made = |recipe: &Recipe| plan(recipe, &elsewhere, &lock(), &Policy::default(), &choices());
        let mut recipe = recipe(RUNC);
        let scheme = url.split(':').next().unwrap();
        let refusal = made(&recipe).unwrap_err().to_string();
        let wanted =
            format!("runc: plan: url: expected scheme `https` for a component of `base`, found `{scheme}`");
        assert_eq!(refusal, wanted);
        for component in recipe.components.values_mut() {
            component.kind = "mine".parse().unwrap();
        }
        let said: Vec<String> = made(&recipe).unwrap().remarks.iter().map(ToString::to_string).collect();
        assert_eq!(said, [format!("runc: from {url}; only its digest vouches for it")]);
    }
}

#[test]
fn kinds_and_architectures_must_agree() {
    let wrong = plan(&recipe("[recipe]\n"), &manifest("knd", ""), &lock(), &Policy::default(), &choices());
    assert!(wrong.unwrap_err().to_string().contains("expected kind `base`, found `knd`"));
}

#[test]
fn the_policy_is_asked_of_every_component() {
    let policy = crate::policy::parse("p", "[floor.runc]\nversion = \"1.4\"\nreason = \"CVE\"\n").unwrap();
    let refusal = plan(&recipe(RUNC), &manifest("base", &runc()), &lock(), &policy, &choices()).unwrap_err();
    assert!(refusal.to_string().contains("below policy floor"));
    let line =
        "[[override]]\nname = \"runc\"\nversion = \"1.3.3\"\nreason = \"why\"\napproved-by = \"who\"\n";
    let text = format!("[floor.runc]\nversion = \"1.4\"\nreason = \"CVE\"\n{line}");
    let policy = crate::policy::parse("p", &text).unwrap();
    let plan = plan(&recipe(RUNC), &manifest("base", &runc()), &lock(), &policy, &choices()).unwrap();
    let said: Vec<String> = plan.remarks.iter().map(ToString::to_string).collect();
    let sets_aside = "below policy floor, expected 1.4 or later, found 1.3.3: CVE";
    let line = format!(
        "runc 1.3.3: allowed by an override in manifests/policy.toml (why; approved by who), which sets aside: {sets_aside}"
    );
    assert_eq!(said, [line]);
}

#[test]
fn the_policy_is_asked_of_every_debian_package() {
    let choices = choices();
    let asked = |policy: &str| {
        let policy = crate::policy::parse("p", policy).unwrap();
        plan(&recipe(RUNC), &manifest("base", &runc()), &lock(), &policy, &choices)
    };
    let digest = Sha256([3; 32]);
    let by_version = "[[deny]]\nname = \"bash\"\nversion = \"5.2.37-2\"\nreason = \"runs what it reads\"\n";
    let by_digest =
        format!("[[deny]]\nname = \"bash\"\ndigest = \"{digest}\"\nreason = \"runs what it reads\"\n");
    for policy in [by_version, &by_digest] {
        let refusal = asked(policy).unwrap_err();
        assert_eq!((refusal.class, refusal.artifact.as_str()), (Class::Usage, "bash"));
        assert!(refusal.to_string().contains("deny list: runs what it reads"), "{refusal}");
        let reviewed =
            "[[override]]\nname = \"bash\"\nversion = \"5.2.37-2\"\nreason = \"x\"\napproved-by = \"y\"\n";
        asked(&format!("{policy}{reviewed}")).unwrap();
    }
    // neither another version nor other bytes; and Debian's versions have no floor
    for policy in [
        by_version.replace("-2", "-3"),
        by_digest.replace("03", "04"),
        "[floor.bash]\nversion = \"9\"\nreason = \"x\"\n".to_owned(),
    ] {
        asked(&policy).unwrap();
    }
}

#[test]
fn what_was_resolved_is_a_manifest_that_reads_back() {
    let plan = made(RUNC, &runc(), None).unwrap();
    let text = manifest::print(&resolved(&plan));
    let again = manifest::parse("resolved", text.as_bytes()).unwrap();
    assert_eq!(again, resolved(&plan));
    // the very URL that a fetch asks
    let Source::Debian { archive, file, date } = &plan.requirements()[0].source else {
        panic!("bash is Debian's")
    };
    let url = plan.snapshots.url(archive, *date, file).unwrap();
    assert!(text.contains(&format!("\"{url}\"")), "{text}");
    assert!(url.starts_with("https://snapshot.debian.org/archive/debian/20260912T195541Z/pool/main/b/bash/"));
}

#[test]
fn a_disk_has_a_partition_for_firmware_and_last_the_root_that_grows() {
    let text = "[recipe]\n[disk]\nreserve = \"1 GiB\"\ncmdline = [\"quiet\"]\n";
    let disk = made(text, "", None).unwrap().into_draft().disk;
    let about: Vec<_> = disk.partitions.iter().map(|one| (one.name.as_str(), one.holds, one.grows)).collect();
    assert_eq!(about, [("esp", ::disk::Holds::Boot, false), ("root", ::disk::Holds::Tree, true)]);
    assert_eq!((disk.partitions[0].least, disk.partitions[1].reserve), (64 << 20, 1 << 30));
    assert_eq!(disk.cmdline, "rw console=tty0 console=ttyS0,115200 quiet");
    let arm = Disk::of(&recipe::Disk::default(), Arch::Arm64);
    assert_eq!(arm.cmdline, "rw console=tty0 console=ttyAMA0,115200");
}

#[test]
fn what_a_disk_is_decides_the_name_of_the_image() {
    let plain = made("[recipe]\n", "", None).unwrap().digest();
    for line in ["reserve = \"257 MiB\"", "size = \"2 GiB\"", "cmdline = [\"a\"]", "compression = \"zlib\""] {
        assert_ne!(made(&format!("[recipe]\n[disk]\n{line}\n"), "", None).unwrap().digest(), plain, "{line}");
    }
}

#[test]
fn effects_are_those_of_its_packages_and_the_recipes_own_word_is_taken() {
    let entry =
        |name: &str, why: &str| format!("[{name}]\neffects = [{{ do = \"nothing\", why = \"{why}\" }}]\n");
    let known = [entry("bash", "known"), entry("zsh", "known"), entry("runc", "known")].concat();
    let effects = crate::effects::parse("effects.toml", &known).unwrap();
    let choices = Choices { effects, ..choices() };
    let made = |text: &str| {
        plan(&recipe(text), &manifest("base", &runc()), &lock(), &Policy::default(), &choices).unwrap()
    };
    let why = |plan: &Plan| -> Vec<String> {
        let first = |known: &crate::effects::Known| known.effects[0].to_string();
        plan.effects.iter().map(|(name, known)| format!("{name} {}", first(known))).collect()
    };
    assert_eq!(why(&made(RUNC)), ["bash nothing: known", "runc nothing: known"]);
    let own = format!("{RUNC}\n[effects.bash]\neffects = [{{ do = \"nothing\", why = \"own\" }}]\n");
    assert_eq!(why(&made(&own)), ["bash nothing: own", "runc nothing: known"]);
    assert_ne!(made(RUNC).digest(), made(&own).digest());
    // which texts were read decides whether the effects are taken; the digests of their lines do not
    let read = format!("{own}reviewed.postinst = [\"{}\"]\n", Sha256::of(b""));
    assert_ne!(made(&read).digest(), made(&own).digest());
    assert_eq!(made(&format!("{read}lines.postinst = \"01234567\"\n")).digest(), made(&read).digest());
}

/// Suites as `sources.toml` has them, of one archive with two keys.
fn published(archive: &str, suites: &[crate::sources::Suite]) -> crate::sources::Published {
    let keys = if crate::sources::is_debian(archive) { &[][..] } else { &["AA", "BB"][..] };
    crate::sources::Published {
        mirror: "https://h.example/apt".to_owned(),
        suites: suites.to_vec(),
        certificates: keys.iter().map(|key| ((*key).to_owned(), format!("certificate {key}\n"))).collect(),
    }
}

fn suite(name: &str, archive: &str, place: crate::sources::Where) -> crate::sources::Suite {
    crate::sources::Suite {
        name: name.to_owned(),
        archive: archive.to_owned(),
        place,
        origin: None,
        codename: None,
        suites: Vec::new(),
        components: vec!["main".to_owned(), "contrib".to_owned()],
        by_name: true,
        max_age_days: 1,
        keys: Vec::new(),
    }
}

#[test]
fn an_image_is_told_of_the_archives_that_its_recipe_names_and_of_no_other() {
    use crate::sources::Where;
    let backports = crate::sources::Suite {
        codename: Some("trixie-backports".to_owned()),
        ..suite("trixie-backports", "debian", Where::Dists("trixie-backports".to_owned()))
    };
    let vendor = suite("vendor", "vendor", Where::Flat(String::new()));
    let all: BTreeMap<_, _> = [
        ("trixie-backports".to_owned(), published("debian", &[backports])),
        ("vendor".to_owned(), published("vendor", &[vendor])),
    ]
    .into();
    let made = |packages: &str| {
        let choices = Choices { published: all.clone(), ..choices() };
        let text = format!("{RUNC}\n[packages]\n{packages}\n");
        plan(&recipe(&text), &manifest("base", &runc()), &lock(), &Policy::default(), &choices)
    };
    assert!(made("").unwrap().files.is_empty());
    let files = made("sources = [\"vendor\", \"trixie-backports\"]").unwrap().into_draft().files;
    let texts: BTreeMap<&str, &str> = files
        .iter()
        .map(|file| match &file.body {
            recipe::Body::Bytes(bytes) => (file.path.as_str(), std::str::from_utf8(bytes).unwrap()),
            recipe::Body::Link(_) => panic!("a link"),
        })
        .collect();
    let expected = [
        ("/etc/apt/keyrings/vendor-2.asc", "certificate BB\n"),
        ("/etc/apt/keyrings/vendor.asc", "certificate AA\n"),
        (
            "/etc/apt/preferences.d/trixie-backports.pref",
            "Package: *\nPin: release n=trixie-backports\nPin-Priority: 100\n\n",
        ),
        (
            "/etc/apt/preferences.d/vendor.pref",
            "Package: *\nPin: origin \"h.example\"\nPin-Priority: 100\n\n",
        ),
        (
            "/etc/apt/sources.list.d/trixie-backports.sources",
            "Types: deb\nURIs: https://h.example/apt\nSuites: trixie-backports\nComponents: main contrib\n\
             Signed-By: /usr/share/keyrings/debian-archive-keyring.pgp\n",
        ),
        (
            "/etc/apt/sources.list.d/vendor.sources",
            "Types: deb\nURIs: https://h.example/apt\nSuites: ./\n\
             Signed-By: /etc/apt/keyrings/vendor.asc /etc/apt/keyrings/vendor-2.asc\n",
        ),
    ];
    assert_eq!(texts, expected.into());
    let refusal = made("sources = [\"trixie\"]").unwrap_err().to_string();
    assert!(refusal.contains("`trixie` is neither the archive of a third party nor a suite"), "{refusal}");
}

#[test]
fn the_snapshots_of_archives_that_no_package_is_from_are_not_in_the_plan() {
    let urls = ["debian", "vendor"].map(|name| (name, "https://snapshot.example/"));
    let choices = Choices { snapshots: Snapshots::new(urls), ..choices() };
    let with =
        plan(&recipe(RUNC), &manifest("base", &runc()), &lock(), &Policy::default(), &choices).unwrap();
    assert!(with.snapshots.has("debian") && !with.snapshots.has("vendor"));
}

const IMAGES: &str = r#"
[recipe]
[images]
"registry.k8s.io/pause:3.10" = { digest = "sha256:DIGEST" }
"agent" = { digest-arm64 = "sha256:DIGEST", from = "images/agent.tar" }
"#;

/// The container images of a plan of this recipe and of these lines of a manifest.
fn container_images(recipe_text: &str, lines: &str, policy: &Policy) -> Result<Plan> {
    let digest = |text: &str| text.replace("DIGEST", &"cd".repeat(32)).replace("OTHER", &"ef".repeat(32));
    let mut manifest = manifest("base", "");
    let text =
        manifest::print(&manifest).replace("\"images\": []", &format!("\"images\": [{}]", digest(lines)));
    manifest = manifest::parse("test", text.as_bytes())?;
    plan(&recipe(&digest(recipe_text)), &manifest, &lock(), policy, &choices())
}

#[test]
fn a_plan_without_container_images_says_nothing_of_them() {
    let without = container_images("[recipe]\n", "", &Policy::default()).unwrap();
    let text = serde_json::to_string(&without).unwrap();
    assert!(text.contains("\"images\":[],\"configure\"") && !text.contains("containers"), "{text}");
    let with = container_images(IMAGES, "", &Policy::default()).unwrap();
    assert_ne!(without.digest(), with.digest());
}

#[test]
fn a_container_image_of_a_recipe_is_for_its_machine_and_replaces_that_of_the_manifest() {
    let listed = r#"{"image": "registry.k8s.io/pause:3.10", "digest": "sha256:OTHER", "size": 3, "platform": "linux/amd64"},
        {"image": "registry.k8s.io/other:1", "digest": "sha256:DIGEST", "size": 3, "index": "sha256:OTHER"}"#;
    let plan = container_images(IMAGES, listed, &Policy::default()).unwrap();
    let named: Vec<String> = plan.containers.iter().map(|image| image.image.to_string()).collect();
    assert_eq!(named, ["registry.k8s.io/other:1", "registry.k8s.io/pause:3.10"], "agent is for arm64 alone");
    let [other, pause] = plan.containers.as_slice() else { panic!() };
    assert_eq!((pause.digest, pause.manifest, pause.kind.is_some()), (Sha256([0xcd; 32]), None, true));
    assert_eq!((other.digest, other.manifest), (Sha256([0xef; 32]), Some(Sha256([0xcd; 32]))));
    // what the manifest lists is what a mirror has, whatever the recipe says
    assert_eq!(resolved(&plan).images.len(), 2);
}

#[test]
fn a_container_image_that_is_denied_or_for_another_machine_is_rejected() {
    let text = "[[deny]]\nname = \"pause\"\nversion = \"3.10\"\nreason = \"leaks\"\n";
    let policy = crate::policy::parse("policy", text).unwrap();
    let refusal = container_images(IMAGES, "", &policy).unwrap_err();
    assert!(refusal.to_string().contains("version `3.10` is on the deny list: leaks"), "{refusal}");
    for (line, said) in [
        (
            r#"{"image": "a.example/x:1", "digest": "sha256:DIGEST", "size": 3, "platform": "linux/arm64"}"#,
            "expected platform",
        ),
        (
            r#"{"image": "a.example/X:1", "digest": "sha256:DIGEST", "size": 3}"#,
            "expected the name of an image",
        ),
    ] {
        let refusal = container_images("[recipe]\n", line, &Policy::default()).unwrap_err();
        assert!(refusal.to_string().contains(said), "{refusal}");
    }
}
