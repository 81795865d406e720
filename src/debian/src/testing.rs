//! A small tree in memory, for tests.

use std::collections::BTreeMap;

use crate::failure::{Failure, Limits, Origin};
use crate::files::{Base, Bytes, Files, Kind, Meta, base_name, parent};
use crate::sh::Shell;
use crate::system::{Known, Status, System};

/// Paths with their nodes and contents.
pub(crate) struct Memory(BTreeMap<Bytes, (Meta, Bytes)>);

impl Memory {
    /// The tree that every Debian system has, with programs of these names, and these files.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let mut memory = Self(BTreeMap::new());
        for dir in [
            "/",
            "/usr",
            "/usr/bin",
            "/usr/sbin",
            "/etc",
            "/var",
            "/var/lib",
            "/var/lib/dpkg",
            "/tmp",
            "/root",
            "/var/cache",
            "/var/cache/debconf",
        ] {
            memory.put(dir, Kind::Directory, 0o755, "");
        }
        memory.put("/bin", Kind::Link(b"usr/bin".to_vec()), 0o777, "");
        memory.put("/sbin", Kind::Link(b"usr/sbin".to_vec()), 0o777, "");
        for (path, content) in files {
            let mut above = parent(path.as_bytes());
            let mut missing = Vec::new();
            while !memory.0.contains_key(above) {
                missing.push(String::from_utf8_lossy(above).into_owned());
                above = parent(above);
            }
            missing.iter().for_each(|dir| memory.put(dir, Kind::Directory, 0o755, ""));
            let mode = if path.contains("/bin/") || path.contains("/sbin/") { 0o755 } else { 0o644 };
            memory.put(path, Kind::File, mode, content);
        }
        memory
    }

    fn put(&mut self, path: &str, kind: Kind, mode: u32, content: &str) {
        let meta = Meta { kind, mode, uid: 0, gid: 0, size: content.len() as u64, mtime: 0 };
        self.0.insert(path.as_bytes().to_vec(), (meta, content.as_bytes().to_vec()));
    }
}

impl Base for Memory {
    fn lookup(&self, path: &[u8]) -> Option<Meta> {
        let program = matches!(parent(path), b"/usr/bin" | b"/usr/sbin") && !path.ends_with(b".missing");
        let known = self.0.get(path).map(|(meta, _)| meta.clone());
        known.or_else(|| {
            let name = String::from_utf8_lossy(base_name(path)).into_owned();
            let there =
                program && (crate::commands::find(&name).is_some() || crate::filters::find(&name).is_some());
            there.then_some(Meta { kind: Kind::File, mode: 0o755, uid: 0, gid: 0, size: 4, mtime: 0 })
        })
    }

    fn list(&self, path: &[u8]) -> Vec<Bytes> {
        self.0
            .keys()
            .filter(|key| *key != b"/" && parent(key) == path)
            .map(|key| base_name(key).to_vec())
            .collect()
    }

    fn read(&self, path: &[u8]) -> Result<Bytes, String> {
        Ok(self.0.get(path).map_or_else(|| b"\x7fELF".to_vec(), |(_, content)| content.clone()))
    }
}

/// What a script printed, its status, and the shell after it.
pub(crate) fn run<'m>(memory: &'m Memory, script: &str) -> (Result<(String, u8), Box<Failure>>, Shell<'m>) {
    let limits = Limits { steps: 200_000, depth: 60, ..Limits::default() };
    let mut system = System { architecture: "amd64".to_owned(), ..System::default() };
    let fields = [("Version", "1.2-3"), ("Architecture", "amd64")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    let files = vec![b"/usr/bin/thing".to_vec()];
    system.packages.insert(
        "thing".to_owned(),
        Known { fields: fields.to_vec(), files, status: Status::Installed, ..Known::default() },
    );
    let mut shell = Shell::new(Files::new(memory, 86_400 * 20_000, limits), system, limits);
    let origin = Origin { package: "thing".to_owned(), script: "postinst".to_owned(), line: 0 };
    let env = [("PATH", "/usr/sbin:/usr/bin"), ("DPKG_MAINTSCRIPT_PACKAGE", "thing")];
    let env: Vec<(Bytes, Bytes)> =
        env.iter().map(|(k, v)| (k.as_bytes().to_vec(), v.as_bytes().to_vec())).collect();
    let ran = shell.run(&origin, script.as_bytes(), &[b"configure".to_vec(), Vec::new()], &env);
    (ran.map(|ran| (String::from_utf8_lossy(&ran.stdout).into_owned(), ran.status)), shell)
}

/// The content of a file, where a link leads, or what else stands at a path.
pub(crate) fn at(shell: &Shell<'_>, path: &str) -> String {
    match shell.files.lstat(path.as_bytes()) {
        None => "nothing".to_owned(),
        Some(meta) => match meta.kind {
            Kind::File => String::from_utf8_lossy(&shell.files.read(path.as_bytes()).unwrap()).into_owned(),
            Kind::Link(to) => format!("-> {}", String::from_utf8_lossy(&to)),
            _ => format!("directory {:o} {}:{}", meta.mode, meta.uid, meta.gid),
        },
    }
}
