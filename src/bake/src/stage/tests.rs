//! A small image of made-up packages, for the tests of each part: `Case` says what differs from it.

use super::*;
use crate::lock::LockedPackage;
use crate::plan::{Compression, Draft, PlannedComponent, PlannedFile};
use crate::recipe::{self, Access, Body};
use crate::unpack::{ControlFile, Member};
use std::collections::BTreeSet;
use tree::digest::Sha256;
use tree::name::{Arch, Role};
use tree::refusal::Remedy;
use tree::release::OS;

/// The epoch of all tests: 1970-01-11.
pub(super) const EPOCH: i64 = 864_000;

const PASSWD: &str =
    "root:*:0:0:root:/root:/bin/bash\nnobody:*:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
const GROUP: &str = "root:*:0:\ntty:*:5:\nshadow:*:42:\nnogroup:*:65534:\n";

/// A plan and its inputs, with `base-passwd` in them.
pub(super) struct Case {
    pub(super) plan: Draft,
    pub(super) packages: BTreeMap<Name, Package>,
    pub(super) components: BTreeMap<Name, Unpacked>,
}

pub(super) fn path(text: &str) -> ImagePath {
    text.parse().unwrap()
}

/// A member: `/d/` a directory, `/f=text` a file, `/l>target` a link, `/h~/f` a hard link.
fn member(line: &str) -> Member {
    let meta = Meta::root(0o644, EPOCH + 5);
    if let Some(directory) = line.strip_suffix('/') {
        let meta = Meta { mode: 0o755, ..meta };
        return Member { path: path(directory), meta, node: Node::Directory };
    }
    let at = line.find(['=', '>', '~']).unwrap();
    let (name, value) = (&line[..at], &line[at + 1..]);
    let node = match &line[at..=at] {
        "=" => Node::File(Content::Inline(value.as_bytes().into())),
        ">" => Node::Symlink(value.to_owned()),
        _ => Node::Hardlink(path(value)),
    };
    Member { path: path(name), meta, node }
}

/// The members of `lines`, with the directories above them.
pub(super) fn members(lines: &[&str]) -> Vec<Member> {
    let mut known = BTreeSet::new();
    let mut members = Vec::new();
    for line in lines {
        let one = member(line);
        let mut above = Vec::new();
        let mut parent = one.path.parent();
        while let Some(at) = parent.filter(|at| at.as_str() != "/") {
            parent = at.parent();
            above.push(at);
        }
        for at in above.into_iter().rev() {
            if known.insert(at.clone()) {
                members.push(Member { path: at, meta: Meta::root(0o755, EPOCH), node: Node::Directory });
            }
        }
        known.insert(one.path.clone());
        members.push(one);
    }
    members
}

impl Case {
    pub(super) fn new() -> Self {
        let plan = Draft {
            snapshots: crate::sources::Snapshots::default(),
            format: 1,
            kind: "base".parse().unwrap(),
            lineage: Vec::new(),
            role: Role::None,
            os: OS.into(),
            version: "1".into(),
            arch: Arch::Amd64,
            provider: None,
            label: crate::plan::Label::default(),
            epoch: EPOCH,
            suites: vec![crate::lock::LockedSuite {
                name: "trixie".into(),
                archive: "debian".into(),
                mirror: None,
                date: jiff::Timestamp::UNIX_EPOCH,
                inrelease: Sha256::of(b""),
                signature: None,
                packages: Sha256::of(b""),
                components: BTreeMap::new(),
                signed_by: Vec::new(),
            }],
            packages: Vec::new(),
            allowed: BTreeMap::new(),
            components: Vec::new(),
            remarks: Vec::new(),
            images: Vec::new(),
            containers: Vec::new(),
            configure: None,
            first_boot: None,
            init: None,
            ids: BTreeMap::new(),
            groups: BTreeMap::new(),
            users: BTreeMap::new(),
            directories: BTreeMap::new(),
            links: BTreeMap::new(),
            files: Vec::new(),
            enable: BTreeMap::new(),
            disable: BTreeMap::new(),
            mask: BTreeMap::new(),
            exclude: Vec::new(),
            keep: Vec::new(),
            winners: BTreeMap::new(),
            effects: BTreeMap::new(),
            accept: BTreeMap::new(),
            reviewed_only: false,
            debconf: BTreeMap::new(),
            compression: Compression { level: 3 },
            disk: crate::plan::Disk::of(&crate::recipe::Disk::default(), Arch::Amd64),
        };
        let mut case = Self { plan, packages: BTreeMap::new(), components: BTreeMap::new() };
        let masters = [("passwd", PASSWD), ("group", GROUP)]
            .map(|(name, text)| format!("/usr/share/base-passwd/{name}.master={text}"));
        case.package("base-passwd", "", &[&masters[0], &masters[1], "/bin>usr/bin", "/lib>usr/lib", "/etc/"]);
        case
    }

    /// Adds a package; `control` are further lines of its control file.
    pub(super) fn package(&mut self, name: &str, control: &str, lines: &[&str]) -> &mut Self {
        self.with_control(name, control, lines, &[])
    }

    pub(super) fn with_control(
        &mut self,
        name: &str,
        control: &str,
        lines: &[&str],
        files: &[(&str, &str)],
    ) -> &mut Self {
        let name: Name = name.parse().unwrap();
        self.plan.packages.push(LockedPackage {
            name: name.clone(),
            version: "1.0".into(),
            arch: "amd64".into(),
            suite: "trixie".into(),
            file: String::new(),
            size: 1,
            sha256: Sha256::of(b""),
            because: Vec::new(),
            scripts: BTreeMap::new(),
            triggers: Vec::new(),
            diverts: Vec::new(),
        });
        self.plan.packages.sort_by(|a, b| a.name.cmp(&b.name));
        self.packages.insert(name.clone(), unpacked(name.as_str(), control, lines, files));
        self
    }

    /// Adds a file of any bytes to a package, and the directories above it.
    pub(super) fn bytes(&mut self, package: &str, at: &str, bytes: Vec<u8>) -> &mut Self {
        if let Some(package) = self.packages.get_mut(&package.parse::<Name>().unwrap()) {
            let mut above = members(&[&format!("{at}=")]);
            above.pop();
            above.retain(|one| package.members.iter().all(|known| known.path != one.path));
            package.members.extend(above);
            let node = Node::File(Content::Inline(bytes.into()));
            package.members.push(Member { path: path(at), meta: Meta::root(0o644, EPOCH), node });
        }
        self
    }

    /// Adds a component that is a .deb.
    pub(super) fn component_deb(&mut self, name: &str, control: &str, lines: &[&str]) -> &mut Self {
        self.component(name, Unpacked::Package(unpacked(name, control, lines, &[])), &[])
    }

    /// Adds a component whose files go from and to, 0755 root:root.
    pub(super) fn component(&mut self, name: &str, unpacked: Unpacked, files: &[(&str, &str)]) -> &mut Self {
        let pin = crate::manifest::Pin {
            version: "1.0".into(),
            url: "https://example.org/x.tar.gz".into(),
            form: crate::manifest::Form::TarGz,
            digest: Sha256::of(b"").into(),
            size: 1,
            providers: Vec::new(),
        };
        let install = |(from, to): &(&str, &str)| recipe::Install {
            from: (*from).into(),
            to: (*to).into(),
            except: vec!["bin/LICENSE".into()],
            access: access(0o755, "root:root"),
        };
        let install = recipe::Component {
            kind: self.plan.kind.clone(),
            providers: Vec::new(),
            files: files.iter().map(install).collect(),
            strip: 0,
            r#static: false,
            optional: false,
            units: Vec::new(),
            privileges: BTreeSet::new(),
        };
        self.plan.components.push(PlannedComponent { name: name.parse().unwrap(), pin, install });
        self.components.insert(name.parse().unwrap(), unpacked);
        self
    }

    /// Adds a file of the recipe's rootfs.
    pub(super) fn file(&mut self, to: &str, text: &str) -> &mut Self {
        self.plan.files.push(PlannedFile {
            path: path(to),
            kind: self.plan.kind.clone(),
            source: format!("rootfs{to}"),
            access: access(0o644, "root:root"),
            digest: Some(Sha256::of(text.as_bytes())),
            target: None,
            body: Body::Bytes(text.as_bytes().into()),
        });
        self
    }

    pub(super) fn directory(&mut self, to: &str, mode: u16, owner: &str) -> &mut Self {
        let directory = recipe::Directory { kind: self.plan.kind.clone(), access: access(mode, owner) };
        self.plan.directories.insert(path(to), directory);
        self
    }

    pub(super) fn link(&mut self, at: &str, target: &str) -> &mut Self {
        let link = recipe::Link { kind: self.plan.kind.clone(), target: target.into() };
        self.plan.links.insert(path(at), link);
        self
    }

    pub(super) fn stage(&self) -> Result<Tree> {
        self.stage_reading(&|_| unreachable!("all contents are inline"))
    }

    /// With contents that are in a store.
    pub(super) fn stage_reading(&self, read: &(dyn Fn(&Stored) -> Result<Vec<u8>> + Sync)) -> Result<Tree> {
        let (packages, components) = (self.packages.clone(), self.components.clone());
        stage(
            &self.plan.clone().seal(),
            &Inputs { packages, components, images: Vec::new(), read, memory: &(), told: &|_, _| {} },
        )
    }

    /// Lets all that a package has in `/usr/bin` be run.
    pub(super) fn executable(&mut self, package: &str) -> &mut Self {
        let package = self.packages.get_mut(&package.parse::<Name>().unwrap()).unwrap();
        for member in package.members.iter_mut().filter(|one| one.path.as_str().starts_with("/usr/bin/")) {
            member.meta.mode = 0o755;
        }
        self
    }

    /// With a memory.
    pub(super) fn stage_keeping(&self, memory: &dyn Memory) -> Result<Tree> {
        let (packages, components) = (self.packages.clone(), self.components.clone());
        let read = |_: &Stored| unreachable!("all contents are inline");
        stage(
            &self.plan.clone().seal(),
            &Inputs { packages, components, images: Vec::new(), read: &read, memory, told: &|_, _| {} },
        )
    }

    /// Changes what a component is unpacked to.
    pub(super) fn change_component(&mut self, name: &str, change: impl Fn(&mut Unpacked)) {
        change(self.components.get_mut(&name.parse::<Name>().unwrap()).unwrap());
    }

    /// How far the staging was said to be.
    fn told(&self) -> Vec<(usize, usize)> {
        let told = std::cell::RefCell::new(Vec::new());
        let read = |_: &Stored| unreachable!("all contents are inline");
        let (packages, components) = (self.packages.clone(), self.components.clone());
        let tell = |done, of| told.borrow_mut().push((done, of));
        stage(
            &self.plan.clone().seal(),
            &Inputs { packages, components, images: Vec::new(), read: &read, memory: &(), told: &tell },
        )
        .unwrap();
        told.into_inner()
    }

    pub(super) fn refusal(&self) -> Refusal {
        self.stage().expect_err("it is refused")
    }
}

fn unpacked(name: &str, control: &str, lines: &[&str], files: &[(&str, &str)]) -> Package {
    let fields = format!("Package: {name}\nVersion: 1.0\nArchitecture: amd64\n{control}Description: x\n");
    let files = std::iter::once(("control", fields.as_str())).chain(files.iter().copied());
    let control = files.map(|(name, text)| ControlFile {
        name: name.into(),
        mode: 0o644,
        bytes: text.as_bytes().into(),
    });
    Package { control: control.collect(), members: members(lines) }
}

fn access(mode: u16, owner: &str) -> Access {
    let (owner, group) = owner.split_once(':').unwrap();
    Access { mode, owner: owner.into(), group: group.into() }
}

/// One line for the entry at `at`: mode, owner, what, and who brings it.
pub(super) fn shown(tree: &Tree, at: &str) -> String {
    let Some(entry) = tree.get(&path(at)) else { return "nothing".into() };
    let Meta { mode, uid, gid, .. } = &entry.meta;
    let what = match &entry.node {
        Node::File(Content::Inline(bytes)) => format!("={}", String::from_utf8_lossy(bytes)),
        Node::Symlink(target) => format!(">{target}"),
        Node::Hardlink(target) => format!("~{target}"),
        other => format!("{other:?}"),
    };
    let who: Vec<String> = entry.origins.iter().map(ToString::to_string).collect();
    format!("{mode:o} {uid}:{gid} {what} by {}", who.join(", "))
}

#[test]
fn layers_come_together_in_one_tree() {
    let mut case = Case::new();
    case.package(
        "a",
        "",
        &["/etc/a=1", "/lib/a.so=so", "/usr/share/doc/a/copyright=c", "/usr/share/doc/a/x=x"],
    )
    .component(
        "tool",
        Unpacked::Members(members(&["/bin/tool=elf", "/bin/LICENSE=l", "/README=r"])),
        &[("bin/*", "/opt/bin/")],
    )
    .component("cni", Unpacked::Members(members(&["/cni=elf"])), &[(".", "/opt/cni/cni")])
    .file("/etc/motd", "hello")
    .directory("/opt", 0o750, "root:shadow")
    .link("/etc/localtime", "../usr/share/zoneinfo/UTC");
    case.plan.exclude = vec!["/usr/share/doc/*/**".into(), "/etc/motd".into()];
    case.plan.keep = vec!["/usr/share/doc/*/copyright".into()];
    let tree = case.stage().unwrap();
    for (at, expected) in [
        ("/etc/a", "644 0:0 =1 by package `a`"),
        ("/lib/a.so", "644 0:0 =so by package `a`"),
        ("/usr/share/doc/a/copyright", "644 0:0 =c by package `a`"),
        ("/usr/share/doc/a/x", "nothing"),
        ("/opt/bin/tool", "755 0:0 =elf by component `tool`"),
        ("/opt/bin/LICENSE", "nothing"),
        ("/opt/cni/cni", "755 0:0 =elf by component `cni`"),
        ("/etc/motd", "644 0:0 =hello by recipe `base/rootfs/etc/motd`"),
        ("/opt", "750 0:42 Directory by recipe `base/recipe.toml`"),
        ("/etc/localtime", "777 0:0 >../usr/share/zoneinfo/UTC by recipe `base/recipe.toml`"),
        (
            "/var/lib/dpkg/info/a.list",
            "644 0:0 =/.\n/etc\n/etc/a\n/lib\n/lib/a.so\n/usr\n/usr/share\n/usr/share/doc\n\
            /usr/share/doc/a\n/usr/share/doc/a/copyright\n/usr/share/doc/a/x\n by vmbake (dpkg database)",
        ),
        ("/opt/podplane/share/vmconfig-installed.json", "nothing"),
    ] {
        assert_eq!(shown(&tree, at), expected, "{at}");
    }
    assert!(tree.iter().all(|(_, entry)| entry.meta.mtime <= EPOCH));
    assert_eq!(tree, case.stage().unwrap());
}

#[test]
fn a_node_says_what_it_was_made_from() {
    let mut case = Case::new();
    case.component("tool", Unpacked::Members(members(&["/tool=elf"])), &[(".", "/usr/bin/tool")]);
    case.plan.role = Role::Worker;
    let tree = case.stage().unwrap();
    let text = shown(&tree, "/opt/podplane/share/vmconfig-installed.json");
    let json = text.strip_prefix("644 0:0 =").unwrap().strip_suffix(" by vmbake (manifest)").unwrap();
    let manifest = crate::manifest::parse("installed", json.as_bytes()).unwrap();
    assert_eq!(manifest.components.keys().map(Name::as_str).collect::<Vec<_>>(), ["tool"]);
    assert_eq!(shown(&tree, "/opt/podplane/share/role"), "644 0:0 =worker\n by vmbake (manifest)");
}

#[test]
fn what_a_recipe_must_not_bring_is_refused() {
    for (at, target, refused) in [
        ("/etc/x", "../../etc/shadow", true),
        ("/etc/x", "../..", true),
        ("/etc/x", "/../etc", true),
        ("/etc/x", "", true),
        ("/etc/x", "../run/x", false),
        ("/etc/x", "/dev/null", false),
    ] {
        let case = &mut Case::new();
        let result = case.link(at, target).stage();
        assert_eq!(result.is_err(), refused, "{target}");
    }
    let mut case = Case::new();
    case.file("/etc/motd", "one");
    case.plan.files[0].body = Body::Bytes(b"two".as_slice().into());
    assert_eq!(case.refusal().class, Class::Verification);
}

#[test]
fn what_a_reader_does_not_see_is_in_no_name_target_or_account() {
    for hidden in ['\u{202e}', '\u{200b}', '\u{feff}', '\u{2028}', '\u{7f}'] {
        let mut case = Case::new();
        let refusal = case.link("/etc/x", &format!("a{hidden}b")).refusal();
        assert!(refusal.to_string().contains("which is not a path"), "{refusal}");
        let mut case = Case::new();
        let line = format!("/usr/lib/sysusers.d/x.conf=u x 500 \"an{hidden}x\"\n");
        let refusal = case.package("x", "", &[&line]).refusal();
        assert!(refusal.to_string().contains("is not a valid passwd(5) field"), "{refusal}");
        assert!(!refusal.to_string().contains(hidden), "{refusal}");
        // names are of few characters to begin with
        for name in [format!("a{hidden}b"), format!("a{hidden}.service")] {
            assert!(name.parse::<Name>().is_err());
            let recipe = |line: &str| recipe::parse("x/recipe.toml", &format!("[recipe]\n{line}\n"));
            assert!(recipe(&format!("[units]\nenable = [\"{name}\"]")).is_err());
            assert!(recipe(&format!("[users.\"{name}\"]\nuid = 5")).is_err());
            assert!(recipe(&format!("[links]\n\"/{name}\" = \"x\"")).is_err());
        }
    }
}

#[test]
fn a_component_without_its_dependencies_is_refused() {
    let with = |depends: &str| {
        let mut case = Case::new();
        case.package("libx", "Provides: virtual (= 2)\n", &[]);
        case.component_deb("fluent-bit", &format!("Depends: {depends}\n"), &["/opt/fluent-bit=elf"]);
        case
    };
    for depends in ["libx", "libx (>= 1.0)", "liby | libx", "virtual", "virtual (>= 2)"] {
        let tree = with(depends).stage().unwrap();
        assert!(
            shown(&tree, "/var/lib/dpkg/status")
                .contains("Package: fluent-bit\nStatus: install ok installed\n")
        );
    }
    let refusal = with("libx, liby (>= 2)").refusal();
    assert_eq!(
        refusal.to_string(),
        "fluent-bit: stage: component `fluent-bit` needs package `liby (>= 2)`, which is not in the image"
    );
    let expected = Remedy::LockComponents("base".parse().unwrap(), Arch::Amd64);
    assert_eq!(refusal.remedy.as_deref(), Some(&expected));
    let refusal = with("libx, liby (>= 2), libz | libw").refusal().to_string();
    assert!(refusal.contains("needs packages `liby (>= 2)`, `libz | libw`, which are not"), "{refusal}");
    for depends in ["libx (>> 1.0)", "virtual (<< 2)"] {
        assert_eq!(with(depends).refusal().class, Class::Usage, "{depends}");
    }
}

#[test]
fn a_package_that_is_not_the_one_of_the_lock_is_refused() {
    let mut case = Case::new();
    case.package("a", "", &[]);
    case.plan.packages[0].version = "2.0".into();
    let refusal = case.refusal();
    assert_eq!(
        (refusal.class, refusal.to_string().as_str()),
        (Class::Verification, "a: stage: expected version `2.0` in its control file, found `1.0`")
    );
}

#[test]
fn an_unmerged_path_without_its_link_is_refused() {
    let mut case = Case::new();
    case.package("a", "", &["/sbin/x=1"]);
    assert!(case.refusal().to_string().contains("`/sbin` must be a link to `usr/sbin`"));
}

#[test]
fn a_component_of_another_name_or_version_than_its_pin_is_refused() {
    let staged = |change: &dyn Fn(&mut Case)| {
        let mut case = Case::new();
        case.component_deb("fluent-bit", "", &["/opt/fluent-bit/x=1"]);
        change(&mut case);
        case.stage().map(drop).map_err(|refusal| refusal.to_string())
    };
    assert_eq!(staged(&|_| {}), Ok(()));
    let version = |version: &str| {
        let version = version.to_owned();
        move |case: &mut Case| case.plan.components[0].pin.version.clone_from(&version)
    };
    // as names of files do, a pin leaves an epoch out, and one that has it means it
    for (pinned, said) in
        [("1.1", "expected version `1.1` in its control file, found `1.0`"), ("1:1.0", "found `1.0`")]
    {
        let message = staged(&version(pinned)).unwrap_err();
        assert!(message.contains(said), "{message}");
    }
    let named = |case: &mut Case| {
        let other: Name = "fluent".parse().unwrap();
        let package = case.components.remove(&case.plan.components[0].name).unwrap();
        case.plan.components[0].name = other.clone();
        case.components.insert(other, package);
    };
    let message = staged(&named).unwrap_err();
    assert!(
        message.contains("expected package `fluent` in its control file, found `fluent-bit`"),
        "{message}"
    );
}

#[test]
fn staging_says_how_far_it_is_up_to_its_end() {
    let told = Case::new().told();
    let of = told.len();
    assert!(of > 5);
    assert_eq!(told, (1..=of).map(|done| (done, of)).collect::<Vec<_>>());
}

#[test]
fn leading_parts_that_a_component_strips_do_not_count() {
    let mut case = Case::new();
    let files = [("bin/tool", "/usr/bin/tool"), ("share/*", "/usr/share/tool/")];
    let archive = ["/tool-1.0/bin/tool=elf", "/tool-1.0/share/a=1", "/tool-1.0/share/b=2", "/README=x"];
    case.component("tool", Unpacked::Members(members(&archive)), &files);
    let refusal = case.stage().unwrap_err();
    assert!(refusal.to_string().contains("its archive has no `bin/tool`"), "{refusal}");
    let digest = Sha256::of(b"");
    let members = Remedy::Members { close: Some("tool-1.0/bin/tool".to_owned()), input: digest.into() };
    assert_eq!(refusal.remedy.as_deref(), Some(&members));
    case.plan.components[0].install.strip = 1;
    let tree = case.stage().unwrap();
    for path in ["/usr/bin/tool", "/usr/share/tool/a", "/usr/share/tool/b"] {
        assert!(tree.get(&self::path(path)).is_some(), "{path}");
    }
    // as tar does, what has no more parts is left out
    case.plan.components[0].install.strip = 3;
    assert!(case.stage().unwrap_err().to_string().contains("has no `bin/tool`"));
}

#[test]
fn a_component_file_that_is_not_there_is_refused() {
    for (from, to) in [("bin/other", "/usr/bin/x"), ("lib/*", "/usr/lib/"), ("bin", "/usr/bin/x")] {
        let mut case = Case::new();
        case.component("tool", Unpacked::Members(members(&["/bin/tool=elf"])), &[(from, to)]);
        assert_eq!(case.refusal().class, Class::Usage, "{from}");
    }
}
