use super::*;
use tree::release::CODENAME;

fn manifests() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../manifests"))
}

/// `sources.toml` as it is committed, with `change` made to its text.
fn changed(change: impl Fn(&str) -> String) -> Result<Sources, String> {
    let text = std::fs::read_to_string(manifests().join("sources.toml")).unwrap();
    // one of those that are pinned, for who needs one
    let pinned = text.split("fingerprint = \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let new = change(&text).replace("\"KEY\"", &format!("\"{pinned}\""));
    assert_ne!(new, text, "the case changes nothing");
    parse(&new, |file| std::fs::read_to_string(manifests().join(file))).map_err(|error| error.to_string())
}

/// That each file holds the certificate whose fingerprint it is pinned by is asked wherever `sources.toml` is read; that
/// they are Debian's own, by the package `debian-archive-keyring` of an image, in `tests/tests/updates.rs`.
#[test]
fn the_suites_are_those_of_the_release_and_trust_its_keys_alone() {
    let sources = load(manifests()).unwrap();
    let names: Vec<&str> = sources.suites.iter().map(|suite| suite.name.as_str()).collect();
    assert_eq!(names, ["", "-updates", "-security"].map(|end| format!("{CODENAME}{end}")));
    let text = std::fs::read_to_string(manifests().join("sources.toml")).unwrap();
    for suite in &sources.suites {
        assert_eq!(suite.codename.as_ref(), Some(&suite.name));
        assert!(!sources.trusted(suite).is_empty(), "{}", suite.name);
        let of_security = suite.archive == "debian-security";
        for key in &suite.keys {
            let file = file_of(&text, key);
            assert!(file.starts_with(&format!("trust/debian-archive-{CODENAME}-")), "{file}");
            assert_eq!(file.contains("-security-"), of_security, "{file} signs {}", suite.name);
        }
    }
}

/// The file of the key `fingerprint`.
fn file_of<'a>(text: &'a str, fingerprint: &str) -> &'a str {
    let (_, rest) = text.split_once(&format!("fingerprint = \"{fingerprint}\"\nfile = \"")).unwrap();
    rest.split('"').next().unwrap()
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
    for name in ["vendor=9", tree::joined!(CODENAME, "-security=9"), "debian=9"] {
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
    let text = std::fs::read_to_string(manifests().join("sources.toml")).unwrap();
    let keys = load(manifests()).unwrap().suites.into_iter().map(|suite| suite.keys);
    let [main, _, security] = <[Vec<String>; 3]>::try_from(keys.collect::<Vec<_>>()).unwrap();
    let (key, other, unknown) = (&main[0], &main[1], format!("X{}", &security[0][1..]));
    let cases: [(&str, &str, &str); 12] = [
        ("name = \"debian-security\"", "name = \"debian\"", "duplicate archive `debian`"),
        (
            tree::joined!("name = \"", CODENAME, "-updates\""),
            tree::joined!("name = \"", CODENAME, "\""),
            tree::joined!("duplicate suite `", CODENAME, "`"),
        ),
        ("archive = \"debian-security\"", "archive = \"x\"", "names archive `x`, which is not defined"),
        (&security[0], &unknown, &format!("names key `{unknown}`")),
        ("snapshot = \"https://", "snapshot = \"http://", "expected a snapshot that begins with https://"),
        ("mirror = \"http://", "mirror = \"ftp://", "expected a mirror that begins with http:// or https://"),
        ("max-age-days = 150", "max-age-days = 0", "expected max-age-days of 1 to 400"),
        ("snapshot = \"https://snapshot.debian.org/archive/debian\"", "", "expected a snapshot"),
        (file_of(&text, other), "/etc/passwd", "expected a file below trust/"),
        (file_of(&text, key), file_of(&text, other), &format!("found {other}")),
        ("number = \"", "number = \"1", "expected the release of Debian that this program was built for"),
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
        archive = \"vendor\"\npath = \"./\"\nmax-age-days = 900\nkeys = [\"KEY\"]\n";

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
