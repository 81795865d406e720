use super::*;

fn manifests() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../manifests"))
}

/// `sources.toml` as it is committed, with `change` made to its text.
fn changed(change: impl Fn(&str) -> String) -> Result<Sources, String> {
    let text = std::fs::read_to_string(manifests().join("sources.toml")).unwrap();
    let new = change(&text);
    assert_ne!(new, text, "the case changes nothing");
    parse(&new, |file| std::fs::read_to_string(manifests().join(file))).map_err(|error| error.to_string())
}

#[test]
fn the_keys_of_debian_13_are_pinned() {
    let sources = load(manifests()).unwrap();
    let keys: Vec<(&str, Vec<&str>)> = sources
        .suites
        .iter()
        .map(|suite| {
            (suite.name.as_str(), sources.trusted(suite).iter().map(|one| one.fingerprint()).collect())
        })
        .collect();
    // as published on https://ftp-master.debian.org/keys.html
    let archive = "04B54C3CDCA79751B16BC6B5225629DF75B188BD";
    let security = "5E04A1E3223A19A20706E20F9904613D4CCE68C6";
    let release = "41587F7DB8C774BCCF131416762F67A0B2C39DE4";
    assert_eq!(
        keys,
        [
            ("trixie", vec![archive, release]),
            ("trixie-updates", vec![archive]),
            ("trixie-security", vec![security])
        ]
    );
}

#[test]
fn the_age_that_is_accepted_is_that_of_the_main_suite() {
    let mut sources = load(manifests()).unwrap();
    assert!(sources.accept_age(&"300".parse().unwrap()));
    let ages: Vec<u32> = sources.suites.iter().map(|suite| suite.max_age_days).collect();
    assert_eq!(ages, [300, 10, 10]);
    for wrong in ["", "0", "x", "=", "vendor=", "vendor=0", "-1"] {
        assert!(wrong.parse::<MaxAge>().is_err(), "{wrong}");
    }
    // neither what is not there, nor another suite of Debian's
    for name in ["vendor=9", "trixie-security=9", "debian=9"] {
        assert!(!sources.accept_age(&name.parse().unwrap()), "{name}");
    }
    let mut sources = changed(|before| format!("{before}\n{OTHER}")).unwrap();
    assert!(sources.accept_age(&"vendor=901".parse().unwrap()));
    let ages: Vec<u32> = sources.suites.iter().map(|suite| suite.max_age_days).collect();
    assert_eq!(ages, [150, 10, 10, 901]);
}

#[test]
fn a_snapshot_is_of_a_time_when_all_of_the_lock_was_taken_up() {
    let snapshots = load(manifests()).unwrap().snapshots();
    let date = "2026-09-12T20:00:00Z".parse().unwrap();
    let url = snapshots.url("debian-security", date, "pool/x.deb");
    assert_eq!(
        url.unwrap(),
        "https://snapshot.debian.org/archive/debian-security/20260913T080000Z/pool/x.deb"
    );
    assert_eq!(snapshots.url("other", date, "pool/x.deb"), None);
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let key = "04B54C3CDCA79751B16BC6B5225629DF75B188BD";
    let cases: [(&str, &str, &str); 11] = [
        ("name = \"debian-security\"", "name = \"debian\"", "duplicate archive `debian`"),
        ("name = \"trixie-updates\"", "name = \"trixie\"", "duplicate suite `trixie`"),
        ("archive = \"debian-security\"", "archive = \"x\"", "names archive `x`, which is not defined"),
        ("keys = [\"5E04", "keys = [\"6E04", "names key `6E04A1E3223A19A20706E20F9904613D4CCE68C6`"),
        ("snapshot = \"https://", "snapshot = \"http://", "expected a snapshot that begins with https://"),
        ("mirror = \"http://", "mirror = \"ftp://", "expected a mirror that begins with http:// or https://"),
        ("max-age-days = 150", "max-age-days = 0", "expected max-age-days of 1 to 400"),
        ("snapshot = \"https://snapshot.debian.org/archive/debian\"", "", "expected a snapshot"),
        ("trust/debian-archive-trixie-stable.asc", "/etc/passwd", "expected a file below trust/"),
        ("trixie-automatic.asc", "trixie-stable.asc", "found 41587F7D"),
        ("codename =", "code-name =", "unknown field `code-name`"),
    ];
    for (from, to, expected) in cases {
        let error = changed(|text| text.replacen(from, to, 1)).unwrap_err();
        assert!(error.contains(expected), "{from} -> {to}: {error}");
    }
    let error = changed(|text| text.replacen(key, "", 1)).unwrap_err();
    assert!(error.contains("names key ``"), "{error}");
}

const OTHER: &str = "[[archive]]\nname = \"vendor\"\nmirror = \"http://h/apt\"\n\n[[suite]]\nname = \"vendor\"\n\
    archive = \"vendor\"\npath = \"./\"\nmax-age-days = 900\nkeys = [\"5E04A1E3223A19A20706E20F9904613D4CCE68C6\"]\n";

#[test]
fn an_archive_of_a_third_party_is_taken_from_by_name_and_may_be_flat() {
    let of = |text: &str| {
        let sources = changed(|before| format!("{before}\n{text}"))?;
        sources.suites.last().cloned().ok_or_else(String::new)
    };
    let suite = of(OTHER).unwrap();
    assert!(suite.by_name && suite.is_third_party() && !suite.is_main());
    assert_eq!(suite.file("Release"), "Release");
    let suite = of(&OTHER.replace("./", "debian/")).unwrap();
    assert_eq!(suite.file("Release"), "debian/Release");
    let dists = OTHER.replace("./\"", "trixie/x\"\ncomponents = [\"main\", \"contrib\"]");
    let suite = of(&dists).unwrap();
    assert_eq!(suite.file("Release"), "dists/trixie/x/Release");
    assert_eq!(suite.components, ["main", "contrib"]);
    let cases = [
        ("./", "../", "expected a path below dists/, or"),
        ("./", "/", "expected a path below dists/, or"),
        ("./", "a/../b", "expected a path below dists/, or"),
        ("./", "trixie", "expected at least one of components"),
        ("./\"", "./\"\ncomponent = \"main\"", "expected no components of a flat archive"),
        ("\"vendor\"\nmirror", "\"local\"\nmirror", "and not `local`"),
        ("\"vendor\"\nmirror", "\"Vendor\"\nmirror", "expected a-z"),
        ("\"vendor\"\narchive", "\"debian\"\narchive", "expected no name of another archive"),
        ("= 900", "= 3651", "expected max-age-days of 1 to 3650"),
        ("archive = \"vendor\"", "archive = \"debian\"", "expected a path below dists/"),
    ];
    for (from, to, expected) in cases {
        let error = of(&OTHER.replacen(from, to, 1)).unwrap_err();
        assert!(error.contains(expected), "{from} -> {to}: {error}");
    }
    let error = of(&dists.replace("\"contrib\"", "\"main\"")).unwrap_err();
    assert!(error.contains("expected each component once"), "{error}");
}

#[test]
fn a_suite_of_debian_beside_its_release_can_be_one_that_is_taken_from_by_name() {
    let text = "[[suite]]\nname = \"trixie-backports\"\narchive = \"debian\"\ncodename = \"trixie-backports\"\n\
        suites = [\"stable-backports\"]\ncomponents = [\"main\"]\nby-name = true\nmax-age-days = 10\n\
        keys = [\"04B54C3CDCA79751B16BC6B5225629DF75B188BD\"]\n";
    let sources = changed(|before| format!("{before}\n{text}")).unwrap();
    let by_name: Vec<bool> = sources.suites.iter().map(|suite| suite.by_name).collect();
    assert_eq!(by_name, [false, false, false, true]);
    assert!(sources.suites[3].is_named("trixie-backports") && !sources.suites[3].is_named("debian"));
}
