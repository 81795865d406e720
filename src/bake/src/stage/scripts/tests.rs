//! What scripts do to a tree: as cases, with the small image of all stages.

use super::super::tests::{Case, shown};
use tree::Tree;
use tree::refusal::Class;
use tree::scripts::Trust;

fn script(text: &str) -> String {
    format!("#!/bin/sh\nset -e\n{text}\n")
}

/// An image with a package `p` of `lines` whose postinst is `text`.
fn case(lines: &[&str], text: &str) -> Case {
    let mut case = Case::new();
    programs(&mut case);
    case.with_control("p", "", lines, &[("postinst", &script(text))]);
    case
}

/// The programs that the scripts here call: what is not in an image is not found.
fn programs(case: &mut Case) {
    let names = ["adduser", "chmod", "deb-systemd-helper", "ln", "mkdir", "mv", "rm"];
    let lines = names.map(|name| format!("/usr/bin/{name}=elf"));
    let directories = ["/run/", "/usr/share/man/", "/root/", "/etc/systemd/system/"];
    let lines: Vec<&str> = lines.iter().map(String::as_str).chain(directories).collect();
    case.package("coreutils", "", &lines).executable("coreutils");
}

fn staged(lines: &[&str], text: &str) -> Tree {
    case(lines, text).stage().unwrap()
}

#[test]
fn what_a_script_leaves_is_in_the_tree_with_its_line() {
    for (lines, text, at, expected) in [
        (
            &["/usr/bin/p=x"][..],
            "echo a > /etc/p",
            "/etc/p",
            "644 0:0 =a\n by the postinst of package `p`, line 3",
        ),
        // whoever brings a file keeps it while only mode and owner change
        (&["/usr/bin/p=x"], "chmod 4755 /usr/bin/p", "/usr/bin/p", "4755 0:0 =x by package `p`"),
        (&["/usr/bin/p=x"], "rm /usr/bin/p", "/usr/bin/p", "nothing"),
        (&["/usr/bin/p=x"], "mv /usr/bin/p /usr/bin/q", "/usr/bin/p", "nothing"),
        (
            &["/usr/bin/p=x"],
            "mv /usr/bin/p /usr/bin/q",
            "/usr/bin/q",
            "644 0:0 =x by the postinst of package `p`, line 3",
        ),
        (
            &["/usr/d/f=x"],
            "mv /usr/d /usr/e",
            "/usr/e/f",
            "644 0:0 =x by the postinst of package `p`, line 3",
        ),
        (
            &["/usr/bin/p=x"],
            "ln -s p /usr/bin/q",
            "/usr/bin/q",
            "777 0:0 >p by the postinst of package `p`, line 3",
        ),
        (
            &["/usr/bin/p=x"],
            "ln /usr/bin/p /usr/bin/q",
            "/usr/bin/q",
            "644 0:0 ~/usr/bin/p by the postinst of package `p`, line 3",
        ),
        (&["/usr/bin/p=x"], "echo a > /etc/p; rm /etc/p", "/etc/p", "nothing"),
        // what the machine mounts over, and what is left beside databases
        (&["/usr/bin/p=x"], "mkdir -p /run/p /var/lib/p; echo > /run/p/f", "/run/p", "nothing"),
        (&["/usr/bin/p=x"], "adduser --system p", "/etc/passwd-", "nothing"),
        // an alias is where it leads to
        (
            &["/usr/bin/p=x"],
            "echo a > /bin/q",
            "/usr/bin/q",
            "644 0:0 =a\n by the postinst of package `p`, line 3",
        ),
    ] {
        let tree = staged(lines, text);
        assert_eq!(shown(&tree, at), expected, "{at} after {text}");
    }
}

#[test]
fn what_a_recipe_brings_stays_and_what_it_leaves_out_is_not_made() {
    let mut case = case(&["/usr/bin/p=x"], "echo a > /etc/mine; echo a > /usr/share/man/p; rm -f /etc/other");
    case.file("/etc/mine", "mine").file("/etc/other", "other");
    case.plan.exclude = vec!["/usr/share/man/**".into()];
    let tree = case.stage().unwrap();
    assert_eq!(shown(&tree, "/etc/mine"), "644 0:0 =mine by recipe `base/rootfs/etc/mine`");
    assert_eq!(shown(&tree, "/etc/other"), "644 0:0 =other by recipe `base/rootfs/etc/other`");
    assert_eq!(shown(&tree, "/usr/share/man/p"), "nothing");
}

#[test]
fn an_account_that_a_script_makes_can_own_what_others_bring() {
    let unit = "/usr/lib/systemd/system/p.service=[Service]\nUser=p\nExecStart=/usr/bin/p\n[Install]\nWantedBy=multi-user.target\n";
    let mut case = case(&["/usr/bin/p=x", unit], "adduser --system --group p; adduser p tty");
    case.executable("p");
    case.plan.enable.insert("p.service".into(), case.plan.kind.clone());
    let tree = case.stage().unwrap();
    assert!(shown(&tree, "/etc/passwd").contains("\np:x:"), "{}", shown(&tree, "/etc/passwd"));
    assert!(shown(&tree, "/etc/group").contains("tty:x:5:p\n"));
    let joins = tree.privileges().iter().any(|one| one.grant.to_string() == "member p tty");
    assert!(joins, "{:?}", tree.privileges());
}

#[test]
fn a_unit_that_a_script_enables_is_enabled_unless_the_recipe_disables_it() {
    let unit = "/usr/lib/systemd/system/p.service=[Service]\nExecStart=/usr/bin/p\n[Install]\nWantedBy=multi-user.target\nAlias=q.service\n";
    let links = ["/etc/systemd/system/multi-user.target.wants/p.service", "/etc/systemd/system/q.service"];
    let mut case = case(&["/usr/bin/p=x", unit], "deb-systemd-helper enable p.service");
    case.executable("p");
    let tree = case.stage().unwrap();
    for link in links {
        assert!(
            shown(&tree, link).contains("/systemd/system/p.service by the postinst of package `p`"),
            "{link}"
        );
    }
    // the recipe that enables it too has no quarrel with that
    case.plan.enable.insert("p.service".into(), case.plan.kind.clone());
    case.stage().unwrap();
    case.plan.enable.clear();
    case.plan.disable.insert("p.service".into(), case.plan.kind.clone());
    let tree = case.stage().unwrap();
    for link in links {
        assert_eq!(shown(&tree, link), "nothing", "{link}");
    }
    case.plan.disable.insert("x.service".into(), case.plan.kind.clone());
    assert!(
        case.refusal().to_string().contains("unit `x.service` is not in the image"),
        "{}",
        case.refusal()
    );
}

#[test]
fn each_package_is_derived_reviewed_or_accepted_as_a_whole() {
    let mut case = case(&["/usr/bin/p=x"], "echo derived > /etc/p");
    let trust = |case: &Case| {
        let tree = case.stage().unwrap();
        let one = tree.scripts().iter().find(|one| one.package.as_str() == "p").unwrap().clone();
        (one.trust, shown(&tree, "/etc/p").split_whitespace().nth(2).unwrap_or("nothing").to_owned())
    };
    assert_eq!(trust(&case), (Trust::Derived, "=derived".to_owned()));
    let text = crate::effects::normal(&"p".parse().unwrap(), script("echo derived > /etc/p").as_bytes());
    let entry = |digest: &str| {
        let toml = format!(
            "[p]\nreviewed.postinst = [\"{digest}\"]\neffects = [{{ do = \"file\", path = \"/etc/p\", text = \"read\" }}]"
        );
        crate::effects::parse("effects.toml", &toml).unwrap()
    };
    case.plan.effects = entry(&text.digest.to_string());
    assert_eq!(trust(&case), (Trust::Reviewed, "=read".to_owned()));
    case.plan.effects = entry(&format!("sha256:{}", "0".repeat(64)));
    assert_eq!(trust(&case), (Trust::Derived, "=derived".to_owned()), "another text was read");
    case.plan.reviewed_only = true;
    assert!(
        case.refusal().to_string().contains("the postinst of package `p` has changed"),
        "{}",
        case.refusal()
    );
    case.plan.accept.insert("p".parse().unwrap(), "why".into());
    assert_eq!(trust(&case), (Trust::Accepted, "nothing".to_owned()));
    case.plan.accept.insert("q".parse().unwrap(), "why".into());
    assert!(case.refusal().to_string().contains("[accept] names `q`"), "{}", case.refusal());
}

#[test]
fn a_script_that_stops_names_where_and_the_ways_out() {
    let refusal = case(&["/usr/bin/p=x"], "true\n/usr/bin/p").executable("p").refusal();
    assert_eq!(refusal.class, Class::Archive);
    assert_eq!(
        refusal.to_string(),
        "p: stage: p postinst:4: `/usr/bin/p`: the program /usr/bin/p is not supported"
    );
    let hint = refusal.hint.unwrap();
    for way in ["[effects.p] of the recipe of base", "[accept] p = \"why\"", "take another package"] {
        assert!(hint.contains(way), "{hint}");
    }
    // a file with several names is one file
    let refusal = case(&["/usr/bin/p=x", "/usr/bin/q~/usr/bin/p"], "chmod 755 /usr/bin/q").refusal();
    assert!(refusal.to_string().contains("it is a hard link to `/usr/bin/p`"), "{refusal}");
}

#[test]
fn a_component_needs_the_recipes_word_for_what_its_script_changes() {
    use crate::unpack::{ControlFile, Unpacked};
    let with = |text: &str| {
        let mut case = Case::new();
        programs(&mut case);
        case.package("other", "", &["/etc/other=x"]);
        case.component_deb("tool", "", &["/opt/tool/f=x"]);
        case.plan.components[0].pin.form = crate::manifest::Form::Deb;
        let file =
            ControlFile { name: "postinst".into(), mode: 0o755, bytes: script(text).as_bytes().into() };
        case.change_component("tool", |unpacked| {
            if let Unpacked::Package(package) = unpacked {
                package.control.push(file.clone());
            }
        });
        case.stage().map(drop).map_err(|refusal| refusal.to_string())
    };
    for text in ["echo a > /opt/tool/g; chmod 755 /opt/tool/f", "adduser --system --group x"] {
        assert_eq!(with(text), Ok(()), "{text}");
    }
    for (text, grant) in [
        ("echo a >> /etc/other", "changes /etc/other"),
        ("rm /etc/other", "changes /etc/other"),
        ("chmod 666 /etc/other", "changes /etc/other"),
        ("chmod 4755 /opt/tool/f", "set-uid /opt/tool/f"),
        ("mkdir -p /etc/sudoers.d; echo a > /etc/sudoers.d/x", "sudo /etc/sudoers.d/x"),
        ("adduser --system --group x; adduser x tty", "member x tty"),
        ("adduser --system --ingroup tty x", "member x tty"),
        ("echo 'tty:x:5:x' > /etc/group", "changes /etc/group"),
        ("echo 'x:x:0:0::/:/bin/sh' >> /etc/passwd", "account x"),
        ("echo 'x::20000::::::' >> /etc/shadow", "account x"),
        ("echo 'root:x:0:0::/:/bin/sh' >> /etc/passwd", "changes /etc/passwd"),
        ("mkdir -p /root/.ssh; echo a > /root/.ssh/authorized_keys", "ssh /root/.ssh/authorized_keys"),
    ] {
        let said = with(text).expect_err(text);
        assert!(said.contains("that the recipe does not allow") && said.contains(grant), "{text}: {said}");
    }
}

#[test]
fn what_was_found_out_is_kept_for_the_same_inputs_and_no_others() {
    use crate::stage::Memory;
    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use tree::digest::Sha256;
    #[derive(Default)]
    struct Kept {
        notes: RefCell<BTreeMap<(&'static str, String), Vec<u8>>>,
        found: RefCell<usize>,
    }
    impl Memory for Kept {
        fn recall(&self, sort: &'static str, key: &Sha256) -> Option<Vec<u8>> {
            let found = self.notes.borrow().get(&(sort, key.to_string())).cloned();
            *self.found.borrow_mut() += usize::from(found.is_some() && sort.starts_with("scripts"));
            found
        }
        fn keep(&self, sort: &'static str, key: &Sha256, bytes: &[u8]) {
            self.notes.borrow_mut().insert((sort, key.to_string()), bytes.to_vec());
        }
    }
    let kept = Kept::default();
    let found = |case: &Case| {
        *kept.found.borrow_mut() = 0;
        let tree = case.stage_keeping(&kept).unwrap();
        (*kept.found.borrow(), tree)
    };
    let mut one = case(&["/usr/bin/p=x"], "echo a > /etc/p; adduser --system p");
    let (first, cold) = found(&one);
    let (second, warm) = found(&one);
    assert_eq!((first, second), (0, 1));
    assert_eq!(cold, warm, "the same tree from what was kept");
    type Change = fn(&mut Case);
    let changes: [Change; 3] = [
        |case| {
            case.file("/etc/more", "x");
        },
        |case| {
            case.plan.ids.insert("p".into(), 321);
        },
        |case| case.plan.epoch += 1,
    ];
    for change in changes {
        change(&mut one);
        assert_eq!(found(&one).0, 0);
    }
}

/// An image with a package whose sysusers.d file brings the group `g` and the user `u`, and whose postinst is `text`.
fn with_accounts(text: &str) -> Case {
    let lines = [
        "/usr/lib/sysusers.d/p.conf=g g -\nu u - \"A user\" /var/lib/u\nm root g\n",
        "/usr/bin/getent=elf",
        "/usr/bin/systemd-sysusers=elf",
        "/usr/bin/addgroup=elf",
        "/usr/bin/userdel=elf",
        "/usr/bin/p=elf",
    ];
    let mut case = case(&lines, text);
    case.executable("p");
    case
}

#[test]
fn a_script_finds_the_accounts_of_its_sysusers_file_once_it_has_made_them() {
    let files = ["/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow"];
    let all = |tree: &Tree| files.map(|file| shown(tree, file));
    let without = with_accounts("").stage().unwrap();
    assert!(shown(&without, "/etc/group").contains(":root\n"), "{}", shown(&without, "/etc/group"));
    let text = "getent group g >/etc/before || echo first >>/etc/before\nsystemd-sysusers p.conf\ngetent group g u >/etc/after";
    let tree = with_accounts(text).stage().unwrap();
    assert_eq!(shown(&tree, "/etc/before"), "644 0:0 =first\n by the postinst of package `p`, line 3");
    let after = shown(&tree, "/etc/after");
    let lines: Vec<&str> = after.lines().filter(|line| line.contains(":x:")).collect();
    assert_eq!(lines.len(), 2, "{after}");
    for line in lines {
        let line = line.trim_start_matches("644 0:0 =");
        assert!(shown(&tree, "/etc/group").contains(&format!("{line}\n")), "{line}");
    }
    // who makes them, and whether anybody does, changes nothing in the databases
    assert_eq!(all(&tree), all(&without));
    let other = with_accounts("addgroup --system other").stage().unwrap();
    for (file, text) in files.into_iter().zip(all(&without)) {
        let text = text.split(" by ").next().unwrap().to_owned();
        assert!(shown(&other, file).starts_with(&text), "{file}: {}", shown(&other, file));
    }
    // a person who has said what the scripts do has said so of an image in which the accounts are
    let mut accepted = with_accounts("exit 3");
    accepted.plan.accept.insert("p".parse().unwrap(), "a test".to_owned());
    assert_eq!(all(&accepted.stage().unwrap()), all(&without));
}

#[test]
fn what_a_script_says_of_an_account_wins_over_its_sysusers_file_but_for_the_number() {
    let tree = with_accounts("adduser --system --home /srv/u u").stage().unwrap();
    assert!(shown(&tree, "/etc/passwd").contains(":/srv/u:"), "{}", shown(&tree, "/etc/passwd"));
    let number = |tree: &Tree| {
        let text = shown(tree, "/etc/passwd");
        let line = text.lines().find(|line| line.starts_with("u:")).unwrap_or_else(|| panic!("{text}"));
        line.split(':').nth(2).unwrap().to_owned()
    };
    assert_eq!(number(&tree), number(&with_accounts("").stage().unwrap()));
    // an account that a script removes comes back when the machine boots
    let tree = with_accounts("systemd-sysusers\nuserdel u").stage().unwrap();
    assert_eq!(number(&tree), number(&with_accounts("").stage().unwrap()));
    let mut case = with_accounts("adduser --system --uid 777 u");
    let refusal = case.refusal();
    assert!(refusal.to_string().contains("a maintainer script assigns 777"), "{refusal}");
    assert!(refusal.hint.as_ref().is_some_and(|hint| hint.contains("u = 777")), "{refusal:?}");
    case.plan.ids.insert("u".to_owned(), 777);
    assert_eq!(number(&case.stage().unwrap()), "777");
}
