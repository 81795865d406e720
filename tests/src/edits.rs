//! Which files a contributor edits for a common change: the table of CONTRIBUTING.md, "What one change takes", held to the tree.
//!
//! A file that has to be edited as well, as it lists again what another one has, fails here. What is generated does not count:
//! each has a command that writes it, and a check that says which.

#[cfg(test)]
mod tests {
    use crate::workspace;
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;
    use tree::name::Provider;

    /// What is written by a command, and which.
    const GENERATED: [(&str, &str); 4] = [
        ("docs/cli.md", "cargo xtask docs"),
        ("docs/settings.md", "VMBAKE_ACCEPT=1 cargo test -p configure page"),
        ("docs/schemas/files.schema.json", "VMBAKE_ACCEPT=1 cargo test -p tests --lib schema"),
        ("docs/schemas/plan.schema.json", "VMBAKE_ACCEPT=1 cargo test -p tests --lib schema"),
    ];

    /// The texts of the checkout that people write, by path: sources, recipes, pages, examples, pipelines; not what was
    /// recorded elsewhere (`tests/fixtures`), and not what is generated.
    fn written() -> Vec<(String, String)> {
        let (root, mut found) = (workspace::root(), Vec::new());
        let tops =
            ["src", "xtask", "tests", "docs", "examples", "image-recipes", "manifests", ".github", ".ci"];
        let mut left: Vec<_> = tops.map(|top| root.join(top)).into();
        left.extend(["README.md", "SECURITY.md"].map(|name| root.join(name)));
        while let Some(path) = left.pop() {
            let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            if path.is_symlink() || name == "tests/fixtures" || GENERATED.iter().any(|(one, _)| *one == name)
            {
                continue;
            }
            if path.is_dir() {
                left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            } else if let Ok(text) = fs::read_to_string(&path) {
                found.push((name, text));
            }
        }
        assert!(found.len() > 500, "the checkout is not there");
        found
    }

    fn words(text: &str) -> BTreeSet<String> {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        words.map(str::to_ascii_lowercase).collect()
    }

    /// Whether `text` has all of `names` within twelve lines.
    fn lists(text: &str, names: &BTreeSet<String>) -> bool {
        let lines: Vec<&str> = text.lines().collect();
        let at_once = |lines: &[&str]| words(&lines.join(" ")).is_superset(names);
        words(text).is_superset(names) && (lines.len() < 12 || lines.windows(12).any(at_once))
    }

    /// Three: the list, what a node does there, and what keeps its pods from the machine's metadata.
    #[test]
    fn a_cloud_is_added_in_three_files() {
        let all = Provider::ALL.iter().map(|provider| provider.as_str().to_owned()).collect();
        let lists: BTreeSet<String> =
            written().into_iter().filter(|(_, text)| lists(text, &all)).map(|(name, _)| name).collect();
        let expected = ["docs/hardening.md", "src/configure/src/cloud.rs", "src/provider/src/lib.rs"];
        assert_eq!(lists, expected.map(str::to_owned).into(), "each of these lists the clouds");
    }

    #[test]
    fn the_page_says_of_each_cloud_what_keeps_pods_from_the_metadata() {
        let page = fs::read_to_string(workspace::root().join("docs/hardening.md")).unwrap();
        let part = page.split("\n## The metadata address").nth(1).unwrap().split("\n## ").next().unwrap();
        let firsts: Vec<&str> =
            part.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next()).collect();
        let firsts = firsts.join(" ");
        for provider in Provider::ALL {
            assert!(
                words(&firsts).contains(provider.as_str()),
                "docs/hardening.md has no row for {provider}"
            );
        }
    }

    #[test]
    fn what_is_generated_is_there() {
        for (name, command) in GENERATED {
            assert!(Path::new(workspace::root()).join(name).is_file(), "`{name}`: {command}");
        }
    }
}
