//! Loading modules: those that the devices here ask for, each behind what it needs.

use crate::cmdline::{self, Word};
use crate::console;
use crate::table::Table;
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs::{self, File};
use std::path::Path;

/// `MODULE_INIT_COMPRESSED_FILE` of include/uapi/linux/module.h: the kernel unpacks the file itself.
const COMPRESSED: i32 = 4;
/// Longer than any device's name for itself.
const MAX_ALIAS: u64 = 4096;

/// Which devices are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Those of a hypervisor's own buses, and what they bring: a machine that has its disk there needs no module for the
    /// AHCI controller that it may have as well, and unpacking that one's takes as long as all the rest.
    Virtual,
    /// All.
    All,
}

impl Which {
    fn has(self, alias: &str) -> bool {
        self == Self::All || !alias.starts_with("pci:")
    }
}

/// The modules beside this program, and which of them were tried.
#[derive(Debug)]
pub struct Modules<'a> {
    table: &'a Table,
    folder: &'a Path,
    words: &'a [Word],
    tried: BTreeSet<String>,
}

impl<'a> Modules<'a> {
    /// The modules of `table`, whose files are in `folder`; `words` has their parameters.
    #[must_use]
    pub fn new(table: &'a Table, folder: &'a Path, words: &'a [Word]) -> Self {
        Self { table, folder, words, tried: BTreeSet::new() }
    }

    /// Loads what `which` of the devices that are here now ask for. Loading may bring more devices: it is done until there
    /// are none.
    pub fn serve_devices(&mut self, which: Which) {
        loop {
            let before = self.tried.len();
            for alias in device_aliases(Path::new("/sys/bus")).iter().filter(|alias| which.has(alias)) {
                self.serve(alias);
            }
            if self.tried.len() == before {
                return;
            }
        }
    }

    /// Loads what serves `alias`.
    pub fn serve(&mut self, alias: &str) {
        let table = self.table;
        table.serving(alias).for_each(|name| self.load(name));
    }

    /// Loads what the table wants in any case.
    pub fn load_all_wanted(&mut self) {
        let table = self.table;
        table.load.iter().for_each(|name| self.load(name));
    }

    /// Loads the module `name` and what it needs; each is tried once. One that does not load is said, and is no end: the
    /// disk may be reached without it.
    pub fn load(&mut self, name: &str) {
        let Some(module) = self.table.modules.get(name) else { return };
        for one in module.needed.iter().map(String::as_str).chain([name]) {
            if let Some(module) = self.table.modules.get(one)
                && self.tried.insert(one.to_owned())
                && let Err(error) = self.insert(one, &module.file)
            {
                console::complain(&format!("module `{one}` cannot be loaded: {error}"));
            }
        }
    }

    /// Whether there is a module of this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.table.modules.contains_key(name)
    }

    /// The modules that were tried.
    pub fn tried(&self) -> impl Iterator<Item = &str> {
        self.tried.iter().map(String::as_str)
    }

    fn insert(&self, name: &str, file: &str) -> std::io::Result<()> {
        let parameters = CString::new(cmdline::of_module(self.words, name)).unwrap_or_default();
        let flags = if file.ends_with(".ko") { 0 } else { COMPRESSED };
        let file = File::open(self.folder.join(file))?;
        match rustix::system::finit_module(&file, &parameters, flags) {
            // the kernel has it already, built in or loaded
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// How the devices of all buses call themselves, each once.
fn device_aliases(buses: &Path) -> BTreeSet<String> {
    let entries = |path: &Path| fs::read_dir(path).into_iter().flatten().filter_map(Result::ok);
    let mut aliases = BTreeSet::new();
    for bus in entries(buses) {
        for device in entries(&bus.path().join("devices")) {
            if let Some(alias) = short_text(&device.path().join("modalias")) {
                aliases.insert(alias);
            }
        }
    }
    aliases
}

fn short_text(path: &Path) -> Option<String> {
    use std::io::Read as _;
    let mut text = String::new();
    File::open(path).ok()?.take(MAX_ALIAS).read_to_string(&mut text).ok()?;
    Some(text.trim_end().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hypervisors_own_devices_come_first() {
        assert!(
            Which::Virtual.has("virtio:d2v1")
                && Which::Virtual.has("xen:vbd")
                && Which::Virtual.has("scsi:t-0x00")
        );
        assert!(!Which::Virtual.has("pci:v8086") && Which::All.has("pci:v8086"));
    }

    #[test]
    fn devices_of_all_buses_say_what_they_are() {
        let root = tempfile::tempdir().unwrap();
        for (device, alias) in [
            ("virtio/devices/virtio0", "virtio:d2\n"),
            ("pci/devices/0", "pci:v1\n"),
            ("pci/devices/1", "pci:v1\n"),
        ] {
            let folder = root.path().join(device);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("modalias"), alias).unwrap();
        }
        fs::create_dir_all(root.path().join("cpu/devices/cpu0")).unwrap();
        assert_eq!(device_aliases(root.path()).into_iter().collect::<Vec<_>>(), ["pci:v1", "virtio:d2"]);
    }

    #[test]
    fn a_module_that_is_not_there_is_tried_once_and_is_no_end() {
        let table = crate::table::parse("vmbake-initrd 1\nmodule a a.ko.xz\nmodule b b.ko.xz a\n").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut modules = Modules::new(&table, folder.path(), &[]);
        modules.load("b");
        modules.load("b");
        modules.load("unknown");
        assert_eq!(modules.tried().collect::<Vec<_>>(), ["a", "b"]);
    }
}
