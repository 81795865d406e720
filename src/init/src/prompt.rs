//! A prompt on the console, when the command line asks for one: there is no shell in the initrd, and these few commands are
//! what finding a root file system needs. Who can change the command line could start a shell of the image as well.

use crate::boot::Machine;
use crate::disks;
use crate::modules::Which;
use std::io::{BufRead as _, Read as _, Write as _};

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Go on.
    Continue,
    /// Start the machine again.
    Reboot,
    /// Switch it off.
    PowerOff,
}

const HELP: &str = "\
disks             the disks and partitions that are here
modules           the kernel modules that were loaded
load NAME         load a module of the initrd
cmdline           the kernel's command line
root WHAT         take another root=: PARTUUID=…, UUID=…, LABEL=…, /dev/…
continue          go on
reboot, poweroff  what they say
";

/// Asks until the answer is one to go on with. A console that is closed goes on.
pub fn ask(machine: &mut Machine<'_>) -> Answer {
    let mut input = std::io::stdin().lock();
    print("\nvmbake: stopped, as the command line says; `help` lists what there is, `continue` goes on\n");
    loop {
        print("vmbake> ");
        let mut line = String::new();
        // a line of a person; what is longer is not a command
        match input.by_ref().take(1024).read_line(&mut line) {
            Ok(0) | Err(_) => return Answer::Continue,
            Ok(_) => {}
        }
        match line.trim().split_once(' ').unwrap_or((line.trim(), "")) {
            ("", _) => {}
            ("continue" | "exit", _) => return Answer::Continue,
            ("reboot", _) => return Answer::Reboot,
            ("poweroff", _) => return Answer::PowerOff,
            ("disks", _) => {
                machine.look(Which::All);
                print(&disks::listed(&machine.disks.devices));
            }
            ("modules", _) => machine.modules.tried().for_each(|name| print(&format!("{name}\n"))),
            ("cmdline", _) => print(&std::fs::read_to_string("/proc/cmdline").unwrap_or_default()),
            ("load", name) if machine.modules.has(name) => {
                machine.modules.load(name);
                machine.look(Which::All);
            }
            ("load", name) => print(&format!("the initrd has no module `{name}`\n")),
            ("root", text) => match crate::root::parse(text) {
                Ok(root) => machine.settings.root = Some(Ok(root)),
                Err(fault) => print(&format!("root={text}: {fault}\n")),
            },
            ("help", _) => print(HELP),
            (other, _) => print(&format!("`{other}` is not a command; `help` lists them\n")),
        }
    }
}

fn print(text: &str) {
    let mut output = std::io::stdout().lock();
    // whoever reads this may be gone
    let _ = output.write_all(text.as_bytes());
    let _ = output.flush();
}
