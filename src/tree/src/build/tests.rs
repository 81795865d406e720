use super::*;
use crate::Content;

fn at(path: &str) -> ImagePath {
    path.parse().unwrap()
}

fn by(package: &str) -> Origin {
    Origin::Package { name: package.parse().unwrap() }
}

fn entry(package: &str, mode: u16, node: Node) -> Entry {
    Entry { meta: Meta::root(mode, 7), node, origins: [by(package)].into() }
}

fn file(package: &str, text: &str) -> Entry {
    entry(package, 0o644, Node::File(Content::Inline(text.as_bytes().into())))
}

fn directory(package: &str) -> Entry {
    entry(package, 0o755, Node::Directory)
}

fn link(package: &str, target: &str) -> Entry {
    entry(package, 0o777, Node::Symlink(target.into()))
}

fn hard(package: &str, target: &str) -> Entry {
    entry(package, 0o644, Node::Hardlink(at(target)))
}

/// `d`irectories by their path, files as `path=text`, links as `path>target`, hard links as `path~target`.
fn tree(lines: &[&str]) -> Tree {
    let mut tree = Tree::new(by("root"), 0);
    for line in lines {
        let (path, entry) = match line.find(['=', '>', '~']) {
            None => (*line, directory("a")),
            Some(at) => match &line[at..=at] {
                "=" => (&line[..at], file("a", &line[at + 1..])),
                ">" => (&line[..at], link("a", &line[at + 1..])),
                _ => (&line[..at], hard("a", &line[at + 1..])),
            },
        };
        tree.insert(&at(path), entry).unwrap();
    }
    tree
}

fn lines(tree: &Tree) -> Vec<String> {
    let shown = |(path, entry): (&ImagePath, &Entry)| match &entry.node {
        Node::File(Content::Inline(bytes)) => format!("{path}={}", String::from_utf8_lossy(bytes)),
        Node::Symlink(target) => format!("{path}>{target}"),
        Node::Hardlink(target) => format!("{path}~{target}"),
        _ => path.to_string(),
    };
    tree.iter().skip(1).map(shown).collect()
}

#[test]
fn two_owners_of_one_path_are_refused_and_both_are_named() {
    for second in [file("b", "2"), link("b", "y"), directory("b"), hard("b", "/x")] {
        let mut tree = tree(&["/f=1"]);
        let error = tree.insert(&at("/f"), second).unwrap_err();
        assert_eq!(error.to_string(), "`/f` comes from package `a` and from package `b`");
        assert_eq!(lines(&tree), ["/f=1"]);
    }
}

#[test]
fn bin_and_usr_bin_are_one_path() {
    for (first, second) in [("/bin/x", "/usr/bin/x"), ("/usr/lib/x", "/lib/x"), ("/lib64/x", "/usr/lib64/x")]
    {
        let mut tree = tree(&[&format!("{first}=1")]);
        let error = tree.insert(&at(second), file("b", "1")).unwrap_err();
        assert!(matches!(error, TreeError::Clash { path, .. } if path == merged(&at(first))));
    }
    let tree = tree(&["/bin>usr/bin", "/usr", "/bin", "/bin/x=1", "/bin/y~/bin/x"]).finish().unwrap();
    assert_eq!(lines(&tree), ["/bin>usr/bin", "/usr", "/usr/bin", "/usr/bin/x=1", "/usr/bin/y~/usr/bin/x"]);
}

#[test]
fn a_directory_and_a_link_of_one_path_are_refused() {
    for (first, second) in [(link("a", "e"), directory("b")), (directory("a"), link("b", "e"))] {
        let mut tree = Tree::new(by("root"), 0);
        tree.insert(&at("/d"), first).unwrap();
        assert!(matches!(tree.insert(&at("/d"), second), Err(TreeError::Clash { .. })));
    }
    for wrong in [link("a", "lib"), link("a", "usr/lib"), file("a", "")] {
        let mut tree = Tree::new(by("root"), 0);
        assert!(matches!(tree.insert(&at("/bin"), wrong), Err(TreeError::Alias { .. })));
    }
}

#[test]
fn what_lies_below_a_link_or_nowhere_is_refused() {
    for case in [&["/l>etc", "/l/x=1"][..], &["/d/x=1"], &["/f=1", "/f/x=1"]] {
        assert!(matches!(tree(case).finish(), Err(TreeError::Parent { .. })), "{case:?}");
    }
}

#[test]
fn of_equal_directories_the_first_says_the_mode_and_the_latest_the_time() {
    let mut tree = tree(&["/d"]);
    let mut second = entry("b", 0o700, Node::Directory);
    second.meta.mtime = 9;
    tree.insert(&at("/d"), second).unwrap();
    let known = tree.get(&at("/d")).unwrap();
    assert_eq!((known.meta.mode, known.meta.mtime, known.origins.len()), (0o755, 9, 2));
    tree.set_directory(&at("/d"), Meta { uid: 5, ..Meta::root(0o710, 3) }, by("c")).unwrap();
    let known = tree.get(&at("/d")).unwrap();
    assert_eq!((known.meta.mode, known.meta.uid, known.meta.mtime, known.origins.len()), (0o710, 5, 9, 3));
}

#[test]
fn the_lowest_name_of_a_file_is_the_file() {
    let cases: [(&[&str], &[&str]); 3] = [
        (&["/b=1", "/a~/b", "/c~/a"], &["/a=1", "/b~/a", "/c~/a"]),
        (&["/a=1", "/b~/a", "/c=2", "/d~/c"], &["/a=1", "/b~/a", "/c=2", "/d~/c"]),
        (&["/a=1"], &["/a=1"]),
    ];
    for (given, expected) in cases {
        assert_eq!(lines(&tree(given).finish().unwrap()), expected);
    }
    for given in [&["/a~/b"][..], &["/a~/b", "/b~/a"], &["/a~/d", "/d"]] {
        let error = tree(given).finish().unwrap_err();
        assert!(matches!(error, TreeError::Hardlink { .. }), "{given:?}");
        let target = given[0].split_once('~').unwrap().1;
        let said = error.to_string();
        assert!(said.contains("`/a`") && said.contains(&format!("`{target}`")), "{given:?}: {said}");
    }
}

#[test]
fn a_name_that_goes_leaves_the_content_to_the_others() {
    let given = &["/a=1", "/b~/a", "/c~/a", "/d~/b"];
    for (gone, expected) in [
        ("/a", &["/b=1", "/c~/b", "/d~/b"]),
        ("/b", &["/a=1", "/c~/a", "/d~/a"]),
        ("/d", &["/a=1", "/b~/a", "/c~/a"]),
    ] {
        let mut one = tree(given);
        assert!(one.remove(&at(gone)).is_some());
        assert_eq!(lines(&one.finish().unwrap()), expected, "without {gone}");
        let mut one = tree(given);
        one.retain(|path, _| path.as_str() != gone);
        assert_eq!(lines(&one.finish().unwrap()), expected, "without {gone}");
    }
}

#[test]
fn directories_of_what_is_kept_are_kept() {
    let mut tree = tree(&["/d", "/d/e", "/d/e/keep=1", "/d/e/x=1", "/d/f", "/d/f/x=1", "/g"]);
    tree.retain(|path, _| path.as_str().ends_with("keep") || path.as_str() == "/g");
    assert_eq!(lines(&tree.finish().unwrap()), ["/d", "/d/e", "/d/e/keep=1", "/g"]);
}

#[test]
fn parents_are_made() {
    let mut one = tree(&["/d", "/d/x=1"]);
    one.make_parents(&at("/lib/a/b"), &by("b"), 3);
    assert_eq!(lines(&one.finish().unwrap()), ["/d", "/d/x=1", "/usr", "/usr/lib", "/usr/lib/a"]);
}
