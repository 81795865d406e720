use super::super::tests::{Case, members, path, shown};
use crate::unpack::Unpacked;
use tree::name::ImagePath;

/// Two packages with `/usr/bin/x`, and what their control files say further.
fn two(a: &str, b: &str) -> Case {
    let mut case = Case::new();
    case.package("a", a, &["/usr/bin/x=a"]).package("b", b, &["/usr/bin/x=b"]);
    case
}

#[test]
fn two_packages_with_one_path_are_refused_unless_one_replaces_the_other() {
    for (a, b, winner) in [
        ("", "", None),
        ("Replaces: b\n", "", Some("a")),
        ("", "Replaces: a\n", Some("b")),
        ("", "Replaces: a (<< 2)\n", Some("b")),
        ("", "Replaces: a (<< 1.0)\n", None),
        ("Provides: y\n", "Replaces: y\n", None),
        // dpkg lets the one that it unpacks later win
        ("Replaces: b\n", "Replaces: a\n", Some("b")),
    ] {
        let case = two(a, b);
        let Some(winner) = winner else {
            let refusal = case.refusal();
            assert_eq!(
                refusal.to_string(),
                "b: stage: `/usr/bin/x` comes from package `a` and from package `b`"
            );
            let hint =
                "say who wins in the recipe: [winners] \"/usr/bin/x\" = \"package:a\" or \"package:b\"";
            assert_eq!(refusal.hint.unwrap(), hint);
            continue;
        };
        let tree = case.stage().unwrap();
        assert_eq!(shown(&tree, "/usr/bin/x"), format!("644 0:0 ={winner} by package `{winner}`"));
        for package in ["a", "b"] {
            let list = shown(&tree, &format!("/var/lib/dpkg/info/{package}.list"));
            assert_eq!(list.contains("/usr/bin/x\n"), package == winner, "{list}");
        }
    }
}

#[test]
fn a_winner_of_the_recipe_decides() {
    for (winner, expected) in
        [("package:a", Some("=a")), ("package:b", Some("=b")), ("package:c", None), ("recipe", None)]
    {
        let mut case = two("", "");
        case.plan.winners.insert(path("/usr/bin/x"), winner.to_owned());
        match (case.stage(), expected) {
            (Ok(tree), Some(expected)) => assert!(shown(&tree, "/usr/bin/x").contains(expected)),
            (Err(refusal), None) => assert!(refusal.to_string().contains("package `a` and from package `b`")),
            (other, _) => panic!("{winner}: {other:?}"),
        }
    }
    let mut case = two("", "");
    case.file("/usr/bin/x", "recipe");
    assert!(case.stage().is_err());
    case.plan.winners.insert(path("/usr/bin/x"), "recipe".to_owned());
    let tree = case.stage().unwrap();
    assert_eq!(shown(&tree, "/usr/bin/x"), "644 0:0 =recipe by recipe `base/rootfs/usr/bin/x`");
    // no package has taken it, so both still own it, as dpkg has it with a file that was edited
    assert!(shown(&tree, "/var/lib/dpkg/info/a.list").contains("/usr/bin/x\n"));
}

#[test]
fn components_and_recipes_clash_like_packages() {
    let mut case = Case::new();
    case.package("a", "", &["/usr/bin/x=a"]);
    case.component("tool", Unpacked::Members(members(&["/x=t"])), &[(".", "/bin/x")]);
    let text = "tool: stage: `/usr/bin/x` comes from package `a` and from component `tool`";
    assert_eq!(case.refusal().to_string(), text);
    case.plan.winners.insert(path("/usr/bin/x"), "component:tool".to_owned());
    assert!(shown(&case.stage().unwrap(), "/usr/bin/x").contains("=t"));
    let mut case = Case::new();
    case.package("a", "", &["/etc/motd=a"]).file("/etc/motd", "recipe");
    assert!(case.refusal().to_string().contains("package `a` and from recipe `base/rootfs/etc/motd`"));
}

#[test]
fn spellings_of_one_path_and_links_against_directories_clash() {
    let cases: [(&[&str], &[&str]); 4] = [
        (&["/bin/x=1"], &["/usr/bin/x=2"]),
        (&["/usr/lib/y/x=1"], &["/lib/y/x=2"]),
        (&["/usr/share/d>e"], &["/usr/share/d/"]),
        (&["/usr/share/d/f=1"], &["/usr/share/d>e"]),
    ];
    for (a, b) in cases {
        let mut case = Case::new();
        case.package("a", "", a).package("b", "", b);
        let text = case.refusal().to_string();
        assert!(text.contains("comes from package `a` and from package `b`"), "{text}");
    }
    let mut case = Case::new();
    case.package("a", "", &["/bin/x=1", "/usr/bin/x=1"]);
    assert!(case.refusal().to_string().contains("comes from package `a` and from package `a`"));
}

#[test]
fn directories_join_and_a_recipe_says_their_mode() {
    let mut case = Case::new();
    case.package("a", "", &["/srv/d/a=1"])
        .package("b", "", &["/srv/d/b=2"])
        .directory("/srv/d", 0o700, "root:tty");
    let tree = case.stage().unwrap();
    assert_eq!(shown(&tree, "/srv"), "755 0:0 Directory by package `a`, package `b`");
    assert_eq!(
        shown(&tree, "/srv/d"),
        "700 0:5 Directory by package `a`, package `b`, recipe `base/recipe.toml`"
    );
}

#[test]
fn a_diversion_moves_the_file_of_the_other() {
    let mut case = two("", "");
    case.plan.packages.iter_mut().find(|p| p.name.as_str() == "b").unwrap().diverts =
        vec!["/usr/bin/x".into()];
    let tree = case.stage().unwrap();
    assert_eq!(shown(&tree, "/usr/bin/x"), "644 0:0 =b by package `b`");
    assert_eq!(shown(&tree, "/usr/bin/x.distrib"), "644 0:0 =a by package `a`");
    assert_eq!(
        shown(&tree, "/var/lib/dpkg/diversions"),
        "644 0:0 =/usr/bin/x\n/usr/bin/x.distrib\nb\n by vmbake (dpkg database)"
    );
}

#[test]
fn what_a_third_party_says_of_others_files_does_not_count() {
    for (suites, counts) in [
        (["vendor", "trixie"], false),
        (["vendor", "other"], false),
        (["local", "trixie"], false),
        (["local", "local"], false),
        (["vendor", "vendor"], true),
        (["trixie", "vendor"], true),
    ] {
        for diverts in [false, true] {
            let mut case = two(if diverts { "" } else { "Replaces: b\n" }, "");
            for name in ["vendor", "other"] {
                let suite = case.plan.suites[0].clone();
                let (name, archive) = (name.to_owned(), name.to_owned());
                case.plan.suites.push(crate::lock::LockedSuite { name, archive, ..suite });
            }
            for (package, suite) in ["a", "b"].into_iter().zip(suites) {
                let package = case.plan.packages.iter_mut().find(|one| one.name.as_str() == package).unwrap();
                package.suite = suite.to_owned();
                if diverts && package.name.as_str() == "a" {
                    package.diverts = vec!["/usr/bin/x".into()];
                }
            }
            // what the path grants is another question
            for package in ["a", "b"] {
                let grants = ["elsewhere /usr/bin/x", "elsewhere /usr/bin/x.distrib"];
                let grants = grants.map(|grant| grant.parse().unwrap());
                case.plan.allowed.insert(package.parse().unwrap(), grants.into());
            }
            match case.stage() {
                Ok(tree) => {
                    assert!(counts && shown(&tree, "/usr/bin/x").contains("=a"), "{suites:?}");
                }
                Err(refusal) => {
                    assert!(!counts, "{suites:?}: {refusal}");
                    // Debian's is named first
                    let said = refusal.to_string();
                    let both = ["package `a` and from package `b`", "package `b` and from package `a`"];
                    assert!(both.iter().any(|both| said.contains(both)), "{said}");
                }
            }
        }
    }
}

#[test]
fn a_hard_link_to_a_lost_file_keeps_its_own_content() {
    let mut case = Case::new();
    case.package("a", "", &["/usr/bin/x=a", "/usr/bin/y~/usr/bin/x", "/usr/bin/z~/usr/bin/x"]);
    case.package("b", "Replaces: a\n", &["/usr/bin/x=b"]);
    let tree = case.stage().unwrap();
    let lines = ["x", "y", "z"].map(|name| shown(&tree, &format!("/usr/bin/{name}")));
    assert_eq!(
        lines,
        ["644 0:0 =b by package `b`", "644 0:0 =a by package `a`", "644 0:0 ~/usr/bin/y by package `a`"]
    );
    assert!(tree.iter().all(|(at, _)| at == &at.to_string().parse::<ImagePath>().unwrap()));
}

#[test]
fn a_hard_link_to_a_diverted_file_keeps_its_own_content() {
    let mut case = Case::new();
    case.package("a", "", &["/usr/bin/x=a", "/usr/bin/y~/usr/bin/x"]).package("b", "", &["/usr/bin/x=b"]);
    case.plan.packages.iter_mut().find(|p| p.name.as_str() == "b").unwrap().diverts =
        vec!["/usr/bin/x".into()];
    let tree = case.stage().unwrap();
    let lines = ["x", "x.distrib", "y"].map(|name| shown(&tree, &format!("/usr/bin/{name}")));
    assert_eq!(
        lines,
        [
            "644 0:0 =b by package `b`",
            "644 0:0 =a by package `a`",
            "644 0:0 ~/usr/bin/x.distrib by package `a`"
        ]
    );
}
