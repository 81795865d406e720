//! `modules/table` of an initrd: what `init` knows of the modules next to it. `src/init/src/table.rs` reads it.
//!
//! ```text
//! vmbake-initrd 1
//! module NAME FILE [NEEDED…]     each after those that it needs, which are named in the order of loading
//! alias PATTERN NAME             as in modules.alias(5)
//! load NAME                      whatever the machine has
//! ```

use crate::stage::modules::{Module, Modules};
use std::fmt::Write as _;

/// The first line.
pub(super) const HEAD: &str = "vmbake-initrd 1\n";

/// The table of the modules `order`, each after what it needs.
pub(super) fn print(kernel: &Modules, order: &[usize], load: &[String]) -> String {
    let mut text = HEAD.to_owned();
    for &at in order {
        let module = &kernel.modules[at];
        // writing to a string cannot fail
        let _ = write!(text, "module {} {}", module.name, file(module));
        for need in super::closure(kernel, &[at]).into_iter().filter(|need| *need != at) {
            let _ = write!(text, " {}", kernel.modules[need].name);
        }
        text.push('\n');
    }
    for &at in order {
        let module = &kernel.modules[at];
        for alias in module.facts.aliases.iter().filter(|alias| !alias.contains(char::is_whitespace)) {
            let _ = writeln!(text, "alias {alias} {}", module.name);
        }
    }
    for name in load.iter().map(|name| name.replace('-', "_")) {
        if order.iter().any(|&at| kernel.modules[at].name == name) {
            let _ = writeln!(text, "load {name}");
        }
    }
    text
}

/// The name of a module's file in the initrd: `virtio_blk.ko.xz`.
pub(super) fn file(module: &Module) -> &str {
    module.file.rsplit('/').next().unwrap_or_default()
}
