use super::*;
use crate::debian::index::Candidate;
use crate::debian::{check, index};
use tree::name::Arch;

/// A Packages file of `name [version]: field value; …` lines.
fn packages(lines: &str) -> String {
    let mut text = String::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (head, fields) = line.split_once(':').unwrap_or((line, ""));
        let (name, version) = head.split_once(' ').unwrap_or((head, "1"));
        text.push_str(&format!(
            "Package: {name}\nVersion: {version}\nArchitecture: amd64\nFilename: pool/{name}.deb\nSize: 1\nSHA256: {}\n",
            "0".repeat(64)
        ));
        for field in fields.split(';').map(str::trim).filter(|field| !field.is_empty()) {
            let (field, value) = field.split_once(' ').unwrap();
            text.push_str(&format!("{field}: {value}\n"));
        }
        text.push('\n');
    }
    text
}

/// The names chosen of these packages for these roots, checked.
fn chosen(lines: &str, expected: &Goal<'_>) -> Result<String, String> {
    let text = packages(lines);
    let candidates = index::parse(&text, 0, Arch::Amd64).unwrap();
    let universe = Universe::new(candidates, Arch::Amd64).map_err(|error| error.to_string())?;
    let chosen = solve(&universe, expected).map_err(|error| error.to_string())?;
    let set: Vec<_> = chosen.iter().map(|&at| &universe.candidates()[at]).collect();
    check::check(&set, Arch::Amd64).unwrap();
    Ok(set.iter().map(|candidate| candidate.name).collect::<Vec<_>>().join(" "))
}

fn roots<'a>(names: &'a str) -> Goal<'a> {
    Goal { roots: names.split(' ').collect(), ..Goal::default() }
}

#[test]
fn each_kind_of_relation_is_followed() {
    let cases = [
        ("a: Depends b; Pre-Depends c\nb: Depends d\nc\nd\nx", "a b c d"),
        // the first alternative, unless another one is there anyway
        ("a: Depends b | c\nb\nc", "a b"),
        ("a: Depends b | c, d\nb\nc\nd: Depends c", "a c d"),
        // versions
        ("a: Depends b (>= 2) | c\nb 1\nc", "a c"),
        ("a: Depends b (>= 2)\nb 1\nb 3\nb 2", "a b"),
        // virtual packages: by priority, then by name; a versioned Provides for a versioned relation
        ("a: Depends v\nc: Provides v\nb: Provides v", "a b"),
        ("a: Depends v\nc: Provides v; Priority important\nb: Provides v", "a c"),
        ("a: Depends v (>= 2)\nb: Provides v\nc: Provides v (= 1)\nd: Provides v (= 2)", "a d"),
        ("a: Depends v\nv\nb: Provides v", "a v"),
        // architectures
        ("a: Depends b:any | c\nb\nc", "a c"),
        ("a: Depends b:any | c\nb: Multi-Arch allowed\nc", "a b"),
        ("a: Depends b:arm64 | c:amd64\nb\nc", "a c"),
        // conflicts choose for us, also later ones, and never against oneself
        ("a: Depends b | c; Conflicts b\nb\nc", "a c"),
        ("a: Depends b | c, d\nb\nc\nd: Breaks b (<< 2)", "a c d"),
        ("a: Depends b | c, d | e\nb: Depends f\nc\nd: Conflicts f\ne: Conflicts f\nf", "a c d"),
        ("a: Depends b; Conflicts v; Provides v\nb", "a b"),
    ];
    for (lines, expected) in cases {
        assert_eq!(chosen(lines, &roots("a")).as_deref(), Ok(expected), "{lines}");
    }
}

#[test]
fn recommends_are_taken_where_they_are_asked_for_and_possible() {
    let lines = "a: Recommends b, nothing, d | e; Conflicts d\nb: Recommends c\nc\nd\ne";
    assert_eq!(chosen(lines, &roots("a")).as_deref(), Ok("a"));
    let expected = Goal { recommends_of: ["a"].into(), ..roots("a") };
    assert_eq!(chosen(lines, &expected).as_deref(), Ok("a b e"));
    let expected = Goal { recommends_of: ["a", "b"].into(), ..roots("a") };
    assert_eq!(chosen(lines, &expected).as_deref(), Ok("a b c e"));
}

#[test]
fn what_is_avoided_is_not_chosen() {
    let expected = Goal { avoid: ["b"].into(), ..roots("a") };
    assert_eq!(chosen("a: Depends b | c\nb\nc", &expected).as_deref(), Ok("a c"));
    let error = chosen("a: Depends b\nb", &expected).unwrap_err();
    assert_eq!(error, "package `a` needs `b`, but `b` is on the list of packages to avoid");
    let expected = Goal { avoid: ["a"].into(), ..roots("a") };
    assert_eq!(
        chosen("a", &expected).unwrap_err(),
        "package `a` is required by the recipe, but `a` is on the list of packages to avoid"
    );
}

#[test]
fn what_cannot_be_names_the_culprit() {
    let cases = [
        ("a: Depends b\nb: Depends c", "package `b` needs `c`, but no suite has `c`"),
        ("a: Depends b (>= 2)\nb 1", "package `a` needs `b (>= 2)`, but the newest `b` is 1"),
        (
            "a: Depends b, c\nb\nc: Conflicts b",
            "package `a` needs `c`, but `c` conflicts with `b`, which `b` is",
        ),
        ("b", "no suite has package `a`, which the recipe requires"),
        ("a: Depends b (> 1)", "`Depends` of package `a`: expected `name (>= version)`, found `b (> 1)`"),
        ("a\na: Depends a", "package `a` 1 is listed twice in one suite"),
    ];
    for (lines, expected) in cases {
        assert_eq!(chosen(lines, &roots("a")).unwrap_err(), expected, "{lines}");
    }
    let error = chosen("a: Conflicts v\nb: Provides v", &roots("a b")).unwrap_err();
    assert_eq!(error, "package `b` is required by the recipe, but `a` conflicts with `v`, which `b` is");
}

#[test]
fn an_unknown_name_comes_with_close_ones() {
    let text = packages("systemd\nsystemd-sysv\nexim4: Provides mail-transport-agent");
    let universe = Universe::new(index::parse(&text, 0, Arch::Amd64).unwrap(), Arch::Amd64).unwrap();
    for (name, expected) in
        [("sytemd", vec!["systemd"]), ("mail-transport-agent", vec!["exim4"]), ("nothing", vec![])]
    {
        match solve(&universe, &roots(name)) {
            Err(SolveError::Unknown { close, .. }) => assert_eq!(close, expected),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_puzzle_that_would_take_for_ever_ends() {
    // pigeons: each of 12 takes one of 11 holes, and no hole takes two
    let holes = |n: usize| (0..11).map(|hole| format!("p{n}h{hole}")).collect::<Vec<_>>();
    let needs: Vec<String> = (0..12).map(|n| holes(n).join(" | ")).collect();
    let mut lines = format!("a: Depends {}", needs.join(", "));
    for name in (0..12).flat_map(holes) {
        let hole = &name[name.find('h').unwrap()..];
        lines.push_str(&format!("\n{name}: Provides {hole}; Conflicts {hole}"));
    }
    let start = std::time::Instant::now();
    assert_eq!(chosen(&lines, &roots("a")).unwrap_err(), "no solution within 2000 choices");
    assert!(start.elapsed() < std::time::Duration::from_secs(10), "{:?}", start.elapsed());
}

#[test]
fn the_checker_sees_what_is_missing_and_what_conflicts() {
    let text = packages("a: Depends b (>= 2) | v\nb 1\nc: Breaks b (<< 2)\nd: Provides v; Conflicts v");
    let candidates = index::parse(&text, 0, Arch::Amd64).unwrap();
    let cases = [
        (vec![0, 3], None),
        (vec![0], Some("package `a` needs `b (>= 2) | v`, which is not chosen")),
        (vec![0, 1], Some("package `a` needs `b (>= 2) | v`, which is not chosen")),
        (vec![1, 2], Some("package `c` conflicts with `b (<< 2)`, which `b` is")),
        (vec![3, 3], Some("package `d` is chosen twice")),
    ];
    for (set, expected) in cases {
        let set: Vec<_> = set.into_iter().map(|at| &candidates[at]).collect();
        let got = check::check(&set, Arch::Amd64);
        if let Ok(whole) = &got {
            let names = |set: &[&Candidate<'_>]| {
                set.iter().map(|candidate| candidate.name.to_owned()).collect::<Vec<_>>()
            };
            assert_eq!(names(whole.candidates()), names(&set));
        }
        assert_eq!(got.err().map(|error| error.to_string()).as_deref(), expected);
    }
}
