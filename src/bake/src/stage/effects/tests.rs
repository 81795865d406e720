use super::super::tests::{Case, shown};
use crate::effects::{Effects, parse};
use tree::Tree;

/// A case with a package `pkg` of these members, and these effects of it.
fn case(lines: &[&str], effects: &str) -> Case {
    let mut case = Case::new();
    case.package("pkg", "", lines);
    case.plan.effects = known(effects);
    case
}

fn known(effects: &str) -> Effects {
    parse("effects.toml", &format!("[pkg]\neffects = [{effects}]\n")).unwrap()
}

fn paths(tree: &Tree, expected: &[(&str, &str)]) {
    for (path, text) in expected {
        assert_eq!(shown(tree, path), *text, "{path}");
    }
}

#[test]
fn files_of_effects_go_where_nothing_is() {
    let effects = r#"
        { do = "copy", from = "/usr/share/x", to = "/etc/x" },
        { do = "copy", from = "/usr/share/x", to = "/etc/there" },
        { do = "file", path = "/etc/new", text = "a", access = "0600 root:shadow" },
        { do = "file", path = "/etc/of-recipe", text = "b" },
        { do = "directory", path = "/srv/d/e" },
        { do = "link", path = "/var/run", to = "/run", over_directory = true },
        { do = "link", path = "/etc/there", to = "/x" },
        { do = "access", path = "/usr/bin/s", access = "4750 root:tty", statoverride = true }"#;
    let lines = ["/usr/share/x=text", "/etc/there=kept", "/var/run/", "/bin/s=program"];
    let mut case = case(&lines, effects);
    case.file("/etc/of-recipe", "recipe");
    let tree = case.stage().unwrap();
    paths(
        &tree,
        &[
            ("/etc/x", "644 0:0 =text by vmbake (effects of pkg)"),
            ("/etc/there", "644 0:0 =kept by package `pkg`"),
            ("/etc/new", "600 0:42 =a by vmbake (effects of pkg)"),
            ("/etc/of-recipe", "644 0:0 =recipe by recipe `base/rootfs/etc/of-recipe`"),
            ("/srv/d/e", "755 0:0 Directory by vmbake (effects of pkg)"),
            ("/var/run", "777 0:0 >/run by vmbake (effects of pkg)"),
            ("/usr/bin/s", "4750 0:5 =program by package `pkg`"),
            ("/var/lib/dpkg/statoverride", "644 0:0 =root tty 4750 /usr/bin/s\n by vmbake (effects)"),
        ],
    );
}

#[test]
fn effects_that_cannot_be_had_are_refused() {
    let cases = [
        (r#"{ do = "copy", from = "/usr/share/no", to = "/etc/x" }"#, "it is not a file in the image"),
        (
            r#"{ do = "access", path = "/usr/bin/no", access = "0755 root:root" }"#,
            "cannot set the owner of `/usr/bin/no`: no such file",
        ),
        (r#"{ do = "file", path = "/x", text = "", access = "0600 root:ghost" }"#, "group `ghost`"),
        (r#"{ do = "user", user = "ghost" }"#, "user `ghost`"),
        (r#"{ do = "group", group = "ghost" }"#, "group `ghost`"),
        (r#"{ do = "link", path = "/full", to = "/x", over_directory = true }"#, "`/full/f` is below it"),
        (r#"{ do = "tmpfiles", files = ["no.conf"] }"#, "in no tmpfiles.d"),
        (
            r#"{ do = "tmpfiles", files = ["w.conf"] }"#,
            "tmpfiles.d line 2: `w` for `/etc/x` is not supported",
        ),
        (
            r#"{ do = "alternative", name = "a", link = "/usr/bin/a", path = "/usr/bin/no", priority = 1 }"#,
            "there is no `/usr/bin/no`",
        ),
    ];
    let lines = ["/full/f=x", "/usr/lib/tmpfiles.d/w.conf=# c\nw /etc/x - - - - y\n"];
    for (effect, expected) in cases {
        let refusal = case(&lines, effect).refusal().to_string();
        assert!(refusal.contains(expected), "{effect}: {refusal}");
    }
}

#[test]
fn what_the_recipe_leaves_out_is_not_made_again() {
    let effects = r#"
        { do = "copy", from = "/usr/share/info/x", to = "/etc/x" },
        { do = "file", path = "/usr/share/info/dir", text = "" },
        { do = "alternative", name = "a", link = "/usr/bin/a", path = "/usr/bin/a1", priority = 1, slaves = [
            { name = "a.1", link = "/usr/share/man/a.1", path = "/usr/share/man/a1.1" } ] },
        { do = "alternative", name = "m", link = "/usr/share/man/m", path = "/usr/share/man/m1", priority = 1 }"#;
    let lines = ["/usr/share/info/x=x", "/usr/bin/a1=x", "/usr/share/man/a1.1=x", "/usr/share/man/m1=x"];
    let mut case = case(&lines, effects);
    case.plan.exclude = vec!["/usr/share/info/**".into(), "/usr/share/man/**".into()];
    let tree = case.stage().unwrap();
    paths(
        &tree,
        &[
            ("/etc/x", "nothing"),
            ("/usr/share/info/dir", "nothing"),
            ("/usr/bin/a", "777 0:0 >/etc/alternatives/a by vmbake (alternatives)"),
            ("/usr/share/man/a.1", "nothing"),
            ("/etc/alternatives/a.1", "nothing"),
            ("/usr/share/man/m", "nothing"),
            ("/var/lib/dpkg/alternatives/m", "nothing"),
        ],
    );
}

#[test]
fn the_highest_priority_has_the_name() {
    let choice = |path: &str, priority: i32, slave: &str| {
        format!(
            "{{ do = \"alternative\", name = \"awk\", link = \"/usr/bin/awk\", path = \"/usr/bin/{path}\", priority = {priority}{slave} }}"
        )
    };
    let slave = ", slaves = [{ name = \"nawk\", link = \"/usr/bin/nawk\", path = \"/usr/bin/gawk\" }]";
    let effects = [choice("mawk", 5, ""), choice("gawk", 10, slave), choice("bawk", 10, "")].join(", ");
    let lines = ["/usr/bin/mawk=m", "/usr/bin/gawk=g", "/usr/bin/bawk=b"];
    let tree = case(&lines, &effects).stage().unwrap();
    paths(
        &tree,
        &[
            ("/usr/bin/awk", "777 0:0 >/etc/alternatives/awk by vmbake (alternatives)"),
            ("/etc/alternatives/awk", "777 0:0 >/usr/bin/bawk by vmbake (alternatives)"),
            ("/usr/bin/nawk", "nothing"),
            (
                "/var/lib/dpkg/alternatives/awk",
                "644 0:0 =auto\n/usr/bin/awk\nnawk\n/usr/bin/nawk\n\n/usr/bin/bawk\n10\n\n/usr/bin/gawk\n10\n/usr/bin/gawk\n\
                 /usr/bin/mawk\n5\n\n\n by vmbake (alternatives)",
            ),
        ],
    );
}

#[test]
fn tmpfiles_make_what_lasts() {
    let conf = "/usr/lib/tmpfiles.d/a.conf=# c\n\nd /run/x 0755\nd$ /var/lib/net 0750 nobody nogroup -\nd- /root :0700 root :root -\n\
        d /etc/cred 0700 root root\nL+ /etc/mtab - - - - ../proc/self/mounts\nL /etc/there - - - - x\nL! /etc/boot - - - - x\n\
        f^ /etc/cr - - - - c\nz /var/log/%m 0700\nd /etc/recipe 0700 root root\na+ /var/log - - - - d:group:adm:r-x\nq /tmp 1777 root root 10d\n";
    let lines =
        [conf, "/etc/cred/", "/root/", "/etc/there=kept", "/tmp/", "/usr/lib/tmpfiles.d/b.conf=d /etc/b\n"];
    let mut case = case(&lines, r#"{ do = "tmpfiles", files = ["b.conf", "a.conf"] }"#);
    case.directory("/etc/recipe", 0o755, "root:root");
    case.link("/etc/tmpfiles.d/b.conf", "/dev/null");
    let tree = case.stage().unwrap();
    paths(
        &tree,
        &[
            ("/var/lib/net", "750 65534:65534 Directory by vmbake (tmpfiles)"),
            ("/root", "755 0:0 Directory by package `pkg`"),
            ("/etc/cred", "700 0:0 Directory by package `pkg`"),
            ("/etc/mtab", "777 0:0 >../proc/self/mounts by vmbake (tmpfiles)"),
            ("/etc/there", "644 0:0 =kept by package `pkg`"),
            ("/etc/boot", "nothing"),
            ("/etc/cr", "nothing"),
            ("/run/x", "nothing"),
            ("/etc/b", "nothing"),
            ("/etc/recipe", "755 0:0 Directory by recipe `base/recipe.toml`"),
            ("/tmp", "1777 0:0 Directory by package `pkg`"),
        ],
    );
}
