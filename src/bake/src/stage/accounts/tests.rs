use super::super::tests::{Case, path, shown};
use crate::recipe;

fn user(case: &mut Case, name: &str, uid: u32, groups: &[&str]) {
    let user = recipe::User {
        kind: case.plan.kind.clone(),
        uid,
        gecos: "A user".into(),
        home: path("/opt/u"),
        shell: path("/usr/sbin/nologin"),
        groups: groups.iter().map(ToString::to_string).collect(),
        ssh_authorized_keys: Vec::new(),
        sudo: false,
    };
    case.plan.users.insert(name.into(), user);
}

fn group(case: &mut Case, name: &str, gid: u32, members: &[&str]) {
    let members = members.iter().map(ToString::to_string).collect();
    let group = recipe::Group { kind: case.plan.kind.clone(), gid, members };
    case.plan.groups.insert(name.into(), group);
}

#[test]
fn the_database_is_that_of_masters_sysusers_and_recipe() {
    let mut case = Case::new();
    let b =
        "/usr/lib/sysusers.d/b.conf=u! bus - \"The bus\" /run/bus\nu sshd -:nogroup\nm sshd tty\nu root 0\n";
    case.package("pkg", "", &[b, "/usr/lib/sysusers.d/a.conf=g kvm -\nu uses 150\n"]);
    case.plan.ids = [("bus", 201), ("sshd", 202), ("kvm", 203)].map(|(name, id)| (name.into(), id)).into();
    group(&mut case, "pod", 900, &["zot"]);
    user(&mut case, "zot", 905, &["pod", "kvm"]);
    user(&mut case, "agent", 901, &["pod"]);
    let tree = case.stage().unwrap();
    for (file, expected) in [
        (
            "passwd",
            "644 0:0 =root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n\
            uses:x:150:150::/:/usr/sbin/nologin\nbus:x:201:201:The bus:/run/bus:/usr/sbin/nologin\n\
            sshd:x:202:65534::/:/usr/sbin/nologin\nagent:x:901:901:A user:/opt/u:/usr/sbin/nologin\n\
            zot:x:905:905:A user:/opt/u:/usr/sbin/nologin\n",
        ),
        (
            "shadow",
            "640 0:42 =root:*:10:0:99999:7:::\nnobody:*:10:0:99999:7:::\nuses:!*:10::::::\nbus:!*:10:::::1:\n\
            sshd:!*:10::::::\nagent:!*:10::::::\nzot:!*:10::::::\n",
        ),
        (
            "group",
            "644 0:0 =root:x:0:\ntty:x:5:sshd\nshadow:x:42:\nnogroup:x:65534:\nkvm:x:203:zot\nuses:x:150:\nbus:x:201:\n\
            pod:x:900:agent,zot\nagent:x:901:\nzot:x:905:\n",
        ),
        (
            "gshadow",
            "640 0:42 =root:*::\ntty:*::sshd\nshadow:*::\nnogroup:*::\nkvm:!*::zot\nuses:!*::\nbus:!*::\n\
            pod:!*::agent,zot\nagent:!*::\nzot:!*::\n",
        ),
        ("subuid", "644 0:0 ="),
    ] {
        assert_eq!(
            shown(&tree, &format!("/etc/{file}")),
            format!("{expected} by vmbake (accounts)"),
            "{file}"
        );
    }
    assert_eq!(shown(&tree, "/etc/passwd-"), "nothing");
}

#[test]
fn an_id_that_is_left_open_follows_from_the_name_and_is_nobody_elses() {
    let number = |case: &mut Case| {
        let passwd = shown(&case.stage().unwrap(), "/etc/passwd");
        let line = passwd.lines().find(|line| line.starts_with("bus:x:")).unwrap().to_owned();
        line.split(':').nth(2).unwrap().parse::<u32>().unwrap()
    };
    let mut alone = Case::new();
    alone.package("pkg", "", &["/usr/lib/sysusers.d/a.conf=u bus -\n"]);
    let first = number(&mut alone);
    assert!((100..=999).contains(&first));
    // whatever else is there
    let mut other = Case::new();
    other.package("pkg", "", &["/usr/lib/sysusers.d/a.conf=u aaa -\nu bus -\nu zzz -\ng ggg -\n"]);
    assert_eq!(number(&mut other), first);
    // a number that a line after it, [ids], or a recipe's user has is taken
    let mut taken = Case::new();
    taken.package("pkg", "", &[&format!("/usr/lib/sysusers.d/a.conf=u bus -\nu late {first}\n")]);
    assert_ne!(number(&mut taken), first);
    let mut taken = Case::new();
    taken.package("pkg", "", &["/usr/lib/sysusers.d/a.conf=u bus -\n"]);
    taken.plan.ids.insert("other".into(), first);
    assert_ne!(number(&mut taken), first);
    user(&mut alone, "ada", first, &[]);
    assert_ne!(number(&mut alone), first);
}

#[test]
fn one_id_or_name_for_two_is_refused() {
    type Change = fn(&mut Case);
    let cases: [(Change, &str); 4] = [
        (|case| user(case, "a", 0, &[]), "groups `root` and `a` both have the id 0"),
        (
            |case| {
                user(case, "a", 900, &[]);
                user(case, "b", 900, &[]);
            },
            "groups `a` and `b` both have the id 900",
        ),
        (|case| group(case, "tty", 900, &[]), "group `tty` given twice, with the ids 5 and 900"),
        (
            |case| {
                user(case, "a", 900, &[]);
                group(case, "a", 901, &[]);
            },
            "expected the same ID",
        ),
    ];
    for (change, expected) in cases {
        let mut case = Case::new();
        change(&mut case);
        assert!(case.refusal().to_string().contains(expected), "{}", case.refusal());
    }
}

#[test]
fn owners_and_groups_that_nobody_brings_are_refused() {
    let mut case = Case::new();
    case.directory("/opt", 0o755, "ghost:root");
    assert!(case.refusal().to_string().contains("needs user `ghost`, which nothing creates"));
    let mut case = Case::new();
    user(&mut case, "a", 900, &["ghosts"]);
    assert!(case.refusal().to_string().contains("needs group `ghosts`, which nothing creates"));
    let mut case = Case::new();
    group(&mut case, "g", 900, &["ghost"]);
    assert!(case.refusal().to_string().contains("needs user `ghost`"));
}

#[test]
fn a_stronger_sysusers_file_replaces_or_masks_a_weaker() {
    let mut case = Case::new();
    let lines = [
        "/usr/lib/sysusers.d/a.conf=u first -\n",
        "/usr/lib/sysusers.d/b.conf=u second -\n",
        "/etc/sysusers.d/b.conf>/dev/null",
    ];
    case.package("pkg", "", &lines).file("/etc/sysusers.d/a.conf", "u third 303\n");
    let passwd = shown(&case.stage().unwrap(), "/etc/passwd");
    assert!(
        passwd.contains("third:x:303") && !passwd.contains("first") && !passwd.contains("second"),
        "{passwd}"
    );
}
