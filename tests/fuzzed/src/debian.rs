//! The interpreter of maintainer scripts.

use ::debian::failure::{Limits, Origin};
use ::debian::files::{Base, Files, Kind, Meta};
use ::debian::sh::Shell;
use ::debian::system::System;

struct Names;

impl Base for Names {
    fn lookup(&self, path: &[u8]) -> Option<Meta> {
        let program = path.strip_prefix(b"/usr/bin/").is_some_and(|name| !name.contains(&b'/'));
        let kind = match path {
            b"/" | b"/usr" | b"/usr/bin" | b"/usr/lib" | b"/usr/lib/systemd" | b"/etc" | b"/tmp" => {
                Kind::Directory
            }
            b"/etc/passwd" | b"/etc/group" | b"/usr/lib/systemd/systemd" => Kind::File,
            _ if program => Kind::File,
            _ => return None,
        };
        Some(Meta { kind, mode: 0o755, uid: 0, gid: 0, size: 5, mtime: 0 })
    }

    fn list(&self, path: &[u8]) -> Vec<Vec<u8>> {
        if path == b"/" { vec![b"usr".to_vec(), b"etc".to_vec(), b"tmp".to_vec()] } else { Vec::new() }
    }

    fn read(&self, _: &[u8]) -> Result<Vec<u8>, String> {
        Ok(b"root:x:0:0:root:/root:/bin/bash\n".to_vec())
    }
}

/// Any text, run as a maintainer script over a tree with the names of programs in it: it ends, within its limits, or says why not.
pub fn script(text: &[u8]) {
    let _ = ::debian::sh::lint::lint(text, &|_| true);
    let limits =
        Limits { steps: 20_000, bytes: 1 << 20, written: 4 << 20, depth: 30, nesting: 20, changes: 10_000 };
    let mut shell = Shell::new(Files::new(&Names, 0, limits), System::default(), limits);
    let origin = Origin { package: "fuzz".to_owned(), script: "postinst".to_owned(), line: 0 };
    let env = [(b"PATH".to_vec(), b"/usr/bin".to_vec())];
    let _ = shell.run(&origin, text, &[b"configure".to_vec(), Vec::new()], &env);
    let _ = ::debian::commands::finish(&mut shell.files, &shell.system);
}
