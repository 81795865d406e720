use super::fixture::{Said, module};
use super::*;
use crate::stage::tests::Case;

const FOLDER: &str = "/usr/lib/modules/1.0";

/// A kernel `1.0` with these modules, by file.
fn kernel(modules: &[(&str, Said<'_>)], lists: &[&str]) -> Case {
    let mut case = Case::new();
    let lists: Vec<String> = lists.iter().map(|line| format!("{FOLDER}/{line}")).collect();
    let lists: Vec<&str> = lists.iter().map(String::as_str).collect();
    case.package("linux", "", &[&lists[..], &["/usr/lib/modules/1.0/kernel/"]].concat());
    for (file, said) in modules {
        case.bytes("linux", &format!("{FOLDER}/{file}"), module(*said));
    }
    case
}

fn index(case: &Case, name: &str) -> String {
    let tree = case.stage().unwrap();
    match &tree.get(&format!("{FOLDER}/{name}").parse().unwrap()).unwrap().node {
        Node::File(Content::Inline(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        other => panic!("{other:?}"),
    }
}

const COMMON: Said<'_> =
    Said { info: &["alias=common"], exports: &["c"], needs: &["printk"], versions: &["printk"] };
const MIDDLE: Said<'_> = Said {
    info: &["license=GPL", "softdep=pre: crc", "weakdep=top"],
    exports: &["m"],
    needs: &["c"],
    versions: &[],
};
const TOP: Said<'_> = Said {
    info: &["alias=pci:v1d*", "alias=char-major-10-229", "alias=devname:top-node", "alias=a-b[0-9]"],
    exports: &[],
    needs: &["m"],
    versions: &["m", "c", "module_layout"],
};

#[test]
fn indexes_say_what_modules_say() {
    let modules = [("kernel/z-common.ko", COMMON), ("kernel/middle.ko", MIDDLE), ("kernel/top.ko", TOP)];
    let case = kernel(&modules, &["modules.order=kernel/top.ko\nkernel/middle.ko\nkernel/z-common.ko\n"]);
    for (name, expected) in [
        (
            "modules.dep",
            "kernel/top.ko: kernel/middle.ko kernel/z-common.ko\nkernel/middle.ko: kernel/z-common.ko\nkernel/z-common.ko:\n",
        ),
        (
            "modules.alias",
            "# Aliases extracted from modules themselves.\nalias pci:v1d* top\nalias char-major-10-229 top\n\
             alias devname:top-node top\nalias a-b[0-9] top\nalias common z_common\n",
        ),
        ("modules.devname", "# Device nodes to trigger on-demand module loading.\ntop top-node c10:229\n"),
        (
            "modules.softdep",
            "# Soft dependencies extracted from modules themselves.\nsoftdep middle pre: crc\n",
        ),
        ("modules.weakdep", "# Weak dependencies extracted from modules themselves.\nweakdep middle top\n"),
        ("modules.builtin.bin", ""),
    ] {
        assert_eq!(index(&case, name), expected, "{name}");
    }
    let symbols = index(&case, "modules.symbols");
    assert!(
        symbols.contains("alias symbol:c z_common\n") && symbols.contains("alias symbol:m middle\n"),
        "{symbols}"
    );
}

#[test]
fn a_module_below_updates_wins() {
    let case = kernel(&[("kernel/a.ko", COMMON), ("updates/a.ko", MIDDLE), ("kernel/b.ko", COMMON)], &[]);
    assert!(index(&case, "modules.dep").contains("updates/a.ko: kernel/b.ko\n"));
    assert!(!index(&case, "modules.dep").contains("kernel/a.ko"));
}

#[test]
fn what_is_wrong_is_refused_by_its_file() {
    let circle = [
        ("kernel/a.ko", Said { exports: &["a"], needs: &["b"], ..Said::default() }),
        ("kernel/b.ko", Said { exports: &["b"], needs: &["a"], ..Said::default() }),
    ];
    let refusal = kernel(&circle, &[]).refusal();
    assert_eq!(refusal.to_string(), "/usr/lib/modules/1.0: stage: cyclic module dependency: a, b");
    let refusal = kernel(&[], &["kernel/a.ko=text"]).refusal();
    assert!(
        refusal.to_string().contains("/usr/lib/modules/1.0/kernel/a.ko: stage: not an ELF64"),
        "{refusal}"
    );
    let refusal = kernel(&[], &["kernel/a.ko.xz=text"]).refusal();
    assert!(refusal.to_string().contains("corrupt xz data"), "{refusal}");
    let mut case = kernel(&[("kernel/a.ko", COMMON)], &[]);
    case.file("/etc/depmod.d/own.conf", "search updates\n");
    assert_eq!(case.refusal().class, Class::Usage);
}

#[test]
fn a_module_of_hostile_bytes_is_refused_or_read_and_no_more() {
    let whole = module(TOP);
    assert_eq!(facts::of(&whole).unwrap().needs, ["m", "c", "module_layout"]);
    for cut in 0..whole.len() {
        let _ = facts::of(&whole[..cut]);
    }
    for at in 0..whole.len() {
        for value in [0, 1, 0x7F, 0xFF] {
            let mut changed = whole.clone();
            changed[at] = value;
            let _ = facts::of(&changed);
        }
    }
    for info in ["alias=\u{e9}", "alias=a\nb", &format!("alias={}", "a".repeat(1025))] {
        assert!(facts::of(&module(Said { info: &[info], ..Said::default() })).is_err(), "{info}");
    }
}

#[test]
fn facts_are_taken_from_memory_and_kept_in_it() {
    use std::cell::RefCell;
    #[derive(Default)]
    struct Kept(RefCell<BTreeMap<Sha256, Vec<u8>>>);
    impl Memory for Kept {
        fn recall(&self, _: &'static str, key: &Sha256) -> Option<Vec<u8>> {
            self.0.borrow().get(key).cloned()
        }
        fn keep(&self, _: &'static str, key: &Sha256, bytes: &[u8]) {
            self.0.borrow_mut().insert(*key, bytes.to_vec());
        }
    }
    let content = Content::Inline(module(TOP).into());
    let chosen = vec![("top".to_owned(), "kernel/top.ko", &content)];
    let unread = |_: &Stored| unreachable!("all contents are inline");
    let memory = Kept::default();
    let first = remembered("d", &chosen, &unread, &memory).unwrap();
    assert_eq!(memory.0.borrow().len(), 1);
    for kept in memory.0.borrow_mut().values_mut() {
        *kept = String::from_utf8(kept.clone()).unwrap().replace("pci:v1d*", "pci:v2d*").into_bytes();
    }
    let second = remembered("d", &chosen, &unread, &memory).unwrap();
    assert_ne!(first, second);
    // what does not read is found out again
    memory.0.borrow_mut().values_mut().for_each(|kept| kept.truncate(9));
    assert_eq!(remembered("d", &chosen, &unread, &memory).unwrap(), first);
}

#[test]
fn aliases_are_looked_for_with_underscores_but_within_brackets() {
    for (alias, expected) in
        [("a-b", Some("a_b")), ("a[0-9]-b", Some("a[0-9]_b")), ("a]", None), ("a[", None), ("", Some(""))]
    {
        assert_eq!(text::normal(alias).as_deref(), expected, "{alias}");
    }
}
