use super::super::tests::{Case, shown};
use tree::refusal::Class;

const ID: &str = "fc2e22bc6ee647b6b90729ab34a250b1";

/// An image with the packages whose tools would make the databases.
fn case(lines: &[&str]) -> Case {
    let mut case = Case::new();
    for name in ["libc-bin", "udev", "systemd"] {
        case.package(name, "", &[]);
    }
    case.package("data", "", lines);
    for package in &mut case.plan.packages {
        assert_eq!(package.version, "1.0");
    }
    case
}

#[test]
fn a_recipe_that_leaves_the_sources_out_gets_no_database() {
    let hardware = "/usr/lib/udev/hwdb.d/1.hwdb=a:*\n KEY=VALUE\n";
    let messages = format!("/usr/lib/systemd/catalog/x.catalog=-- {ID}\nSubject: s\n\ntext\n");
    let databases = ["/usr/lib/udev/hwdb.bin", "/var/lib/systemd/catalog/database"];
    let mut case = case(&[hardware, &messages]);
    let tree = case.stage().unwrap();
    assert!(shown(&tree, databases[0]).starts_with("444 0:0 "), "{}", shown(&tree, databases[0]));
    assert!(shown(&tree, databases[0]).ends_with(" by vmbake (hardware database)"));
    assert!(shown(&tree, databases[1]).starts_with("644 0:0 =RHHHKSLP"));
    case.plan.exclude = vec!["/usr/lib/udev/hwdb.d/**".into(), "/usr/lib/systemd/catalog/**".into()];
    let tree = case.stage().unwrap();
    assert_eq!(databases.map(|path| shown(&tree, path)), ["nothing", "nothing"]);
}

#[test]
fn an_image_without_the_tools_has_no_databases() {
    let mut case = Case::new();
    case.package("data", "", &["/usr/lib/udev/hwdb.d/1.hwdb=a:*\n KEY=VALUE\n"]);
    let tree = case.stage().unwrap();
    for path in ["/etc/ld.so.cache", "/usr/lib/udev/hwdb.bin"] {
        assert_eq!(shown(&tree, path), "nothing", "{path}");
    }
}

#[test]
fn a_catalog_that_systemd_would_drop_is_refused() {
    for (text, expected) in [
        ("text\n".to_owned(), "line 1: text before the first `-- ID` line"),
        (format!("-- {ID}\n\n-- {ID}\ntext\n"), "line 3: the previous entry has no text"),
        (format!("-- {ID}"), "line 1: the previous entry has no text"),
        (format!("-- {ID} x\ntext\n"), "line 1: expected a language of 2 to 31 bytes, found 1"),
    ] {
        let refusal = case(&[&format!("/usr/lib/systemd/catalog/x.catalog={text}")]).refusal();
        let expected = format!("/usr/lib/systemd/catalog/x.catalog: stage: {expected}");
        assert_eq!((refusal.class, refusal.to_string()), (Class::Archive, expected));
    }
}

#[test]
fn files_of_directories_that_include_each_other_are_refused() {
    let refusal = case(&["/etc/ld.so.conf=include /etc/ld.so.*\n"]).refusal();
    assert_eq!((refusal.class, refusal.artifact.as_str()), (Class::Archive, "/etc/ld.so.conf"));
}

#[test]
fn broken_links_of_libraries_go_and_others_stay() {
    let tree = case(&[
        "/usr/lib/libgone.so.1>libgone.so.1.0",
        "/usr/lib/libcircle.so.1>libcircle.so.1",
        "/usr/lib/libdevel.so>libdevel.so.1",
        "/usr/lib/gone.so.1>gone.so.1.0",
        "/usr/lib/deeper/libgone.so.1>libgone.so.1.0",
    ])
    .stage()
    .unwrap();
    for (path, expected) in [
        ("/usr/lib/libgone.so.1", "nothing"),
        ("/usr/lib/libcircle.so.1", "nothing"),
        ("/usr/lib/libdevel.so", "777 0:0 >libdevel.so.1 by package `data`"),
        ("/usr/lib/gone.so.1", "777 0:0 >gone.so.1.0 by package `data`"),
        ("/usr/lib/deeper/libgone.so.1", "777 0:0 >libgone.so.1.0 by package `data`"),
    ] {
        assert!(shown(&tree, path).ends_with(expected.split_at(3).1), "{path}: {}", shown(&tree, path));
    }
    assert!(
        shown(&tree, "/etc/ld.so.cache").contains("ldconfig (Debian GLIBC 1.0) stable release version 1.0")
    );
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 64, ..Default::default() })]

    #[test]
    fn no_source_makes_a_panic(
        hardware in "(([a-e]{0,3}[*:]?|  ?[A-C]{0,2}=?[a-c]{0,3}|#|[\\PC]{0,4})\n){0,40}",
        messages in "((-- 0{31}[0-3]( [a-c]{0,3})?|[A-C]: x||;|[\\PC]{0,4})\n){0,40}",
        libraries in "((include )?/?(etc|usr|lib|[*{\\[?]|\\PC)?[/a.*]{0,6} ?#?\n){0,10}",
    ) {
        let lines = [
            format!("/usr/lib/udev/hwdb.d/1.hwdb={hardware}"),
            format!("/usr/lib/systemd/catalog/x.fr.catalog={messages}"),
            format!("/etc/ld.so.conf={libraries}"),
        ];
        for line in &lines {
            if let Err(refusal) = case(&[line]).stage() {
                proptest::prop_assert_eq!(refusal.class, Class::Archive);
            }
        }
    }
}
