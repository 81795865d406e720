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
    use tree::release::OS;

    /// What is written by a command, and which.
    const GENERATED: [(&str, &str); 6] = [
        ("docs/cli.md", "cargo xtask docs"),
        ("docs/settings.md", "VMBAKE_ACCEPT=1 cargo test -p configure page"),
        (
            "image-recipes/knd/rootfs/opt/podplane/share/defaults/mutable.env",
            "VMBAKE_ACCEPT=1 cargo test -p configure page",
        ),
        (
            "image-recipes/knd/rootfs/opt/podplane/share/policy.toml",
            "VMBAKE_ACCEPT=1 cargo test -p configure page",
        ),
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

    /// Code alone, without remarks and pages, and without archives that tests make of their own under any name.
    #[test]
    fn the_release_of_debian_is_named_in_one_file_and_in_the_recipe_base() {
        let is_code =
            |name: &str| name.starts_with("src/") || name.starts_with("xtask/") || name.starts_with("tests/");
        for (name, text) in
            written().into_iter().filter(|(name, _)| is_code(name) && !name.ends_with("edits.rs"))
        {
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            for (at, line) in code.enumerate().filter(|_| name.ends_with(".rs") || name.ends_with(".yml")) {
                assert!(!line.contains(OS), "{name}, line of code {at}: `tree::release::OS`: {line}");
            }
        }
        let text = fs::read_to_string(
            workspace::root().join("image-recipes/base/rootfs/etc/apt/sources.list.d/debian.sources"),
        );
        let suites: Vec<String> = text
            .unwrap()
            .lines()
            .filter_map(|line| line.strip_prefix("Suites: "))
            .flat_map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>())
            .collect();
        let sources = bake::sources::load(&workspace::root().join("manifests")).unwrap();
        let expected: Vec<&str> = sources.suites.iter().map(|suite| suite.name.as_str()).collect();
        assert_eq!(suites, expected, "debian.sources of the recipe base");
    }

    /// Two: a module, and `commands.rs`. Which is a row of the table is in the command line.
    #[test]
    fn a_command_is_added_in_its_module_and_in_the_table() {
        use clap::CommandFactory as _;
        let text = fs::read_to_string(workspace::root().join("src/vmbake/src/commands.rs")).unwrap();
        let rows = text.lines().filter(|line| line.starts_with("    ") && line.contains("::run;")).count();
        assert!(rows >= 15, "{rows} rows");
        let table: BTreeSet<&str> =
            text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
        let program = vmbake::cli::Cli::command();
        for module in &table {
            assert!(program.find_subcommand(module).is_some(), "`{module}` is not in the table");
        }
        // the same is not said again where it would have to be edited as well
        let names = ["bake", "completions", "inspect", "pin", "seed", "serve", "upgrade", "verify", "why"];
        let names: BTreeSet<String> = names.map(str::to_owned).into();
        let all = written().into_iter().filter(|(name, text)| name.ends_with(".rs") && lists(text, &names));
        let all: BTreeSet<String> =
            all.map(|(name, _)| name).filter(|name| !name.ends_with("edits.rs")).collect();
        assert_eq!(all, BTreeSet::new(), "each of these lists the commands");
    }

    /// One, with its `mod` and a row of the table: nothing else lists the formats but the pages that say what each cloud takes.
    #[test]
    fn a_format_is_added_in_its_module_and_a_line() {
        let names: BTreeSet<String> = ["raw", "qcow2", "vhd", "vmdk", "gce"].map(str::to_owned).into();
        let all = written().into_iter().filter(|(name, text)| name.ends_with(".rs") && lists(text, &names));
        let all: BTreeSet<String> =
            all.map(|(name, _)| name).filter(|name| !name.ends_with("edits.rs")).collect();
        // `mod` lines; the table; the call that strace sees of each
        let expected = ["src/disk/src/lib.rs", "src/disk/src/format.rs", "tests/tests/emit/disks.rs"];
        let expected: BTreeSet<String> = expected.map(str::to_owned).into();
        assert!(all.is_subset(&expected), "each of these lists the formats: {all:?}");
    }

    #[test]
    fn what_is_generated_is_there() {
        for (name, command) in GENERATED {
            assert!(Path::new(workspace::root()).join(name).is_file(), "`{name}`: {command}");
        }
    }
}
