//! The whole way, from the kernel's start of this program to the next one.

use crate::cmdline;
use crate::console::{complain, say};
use crate::disks::{self, Device, Disks};
use crate::modules::{Modules, Which};
use crate::prompt::{self, Answer};
use crate::settings::{self, Settings, Stop};
use crate::switch;
use crate::table::{self, Table};
use rustix::system::RebootCommand;
use std::convert::Infallible;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Where the bake puts modules and their table.
const MODULES: &str = "/modules";
/// How often it is looked whether the disk has come: disks come within milliseconds, or late.
const SOON: Duration = Duration::from_millis(20);
const LATER: Duration = Duration::from_millis(100);

/// What is known of the machine, for the steps and for the prompt.
#[derive(Debug)]
pub struct Machine<'a> {
    /// What the command line says.
    pub settings: Settings,
    /// The modules beside us.
    pub modules: Modules<'a>,
    /// The disks that were seen last.
    pub disks: Disks,
}

impl Machine<'_> {
    /// Loads what the devices ask for, and looks which disks there are.
    pub fn look(&mut self, which: Which) {
        self.modules.serve_devices(which);
        self.disks = std::mem::take(&mut self.disks).again();
    }
}

/// Goes the whole way. As process 1 it never returns.
pub fn run() {
    if rustix::process::getpid() != rustix::process::Pid::INIT {
        complain("this is the first program of an initrd, and does nothing anywhere else");
        return;
    }
    switch::mount_kernel();
    let text = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    let words = cmdline::parse(&text);
    let (table, fault) = match fs::read_to_string(format!("{MODULES}/table")) {
        Ok(text) => {
            table::parse(&text).map_or_else(|fault| (Table::default(), Some(fault)), |table| (table, None))
        }
        Err(error) => (Table::default(), Some(format!("cannot read the table of modules: {error}"))),
    };
    // the kernel may do without any module
    fault.iter().for_each(|fault| complain(fault));
    let mut machine = Machine {
        settings: settings::read(&words),
        modules: Modules::new(&table, Path::new(MODULES), &words),
        disks: Disks::default(),
    };
    let Err(fault) = boot(&mut machine);
    complain(&fault);
    if machine.settings.stop.is_some() {
        stop(&mut machine);
    }
    end();
}

/// Finds and mounts the root file system and becomes its init; returns only why that did not go.
fn boot(machine: &mut Machine<'_>) -> Result<Infallible, String> {
    let started = Instant::now();
    if machine.settings.stop == Some(Stop::Early) {
        stop(machine);
    }
    machine.modules.load_all_wanted();
    machine.look(Which::Virtual);
    std::thread::sleep(machine.settings.delay);
    let device = find(machine)?;
    let types = types(machine, &device);
    let types: Vec<&str> = types.iter().map(String::as_str).collect();
    types.iter().for_each(|kind| machine.modules.serve(&format!("fs-{kind}")));
    let kind = switch::mount(&device, &types, &machine.settings)
        .map_err(|fault| format!("cannot mount /dev/{}: {fault}", device.name))?;
    say(&format!("/dev/{} mounted as {kind} after {:.2} s", device.name, started.elapsed().as_secs_f32()));
    if machine.settings.stop == Some(Stop::Mounted) {
        stop(machine);
    }
    let init = switch::find_init(machine.settings.init.as_deref())?;
    switch::become_init(&init)
}

/// Waits for the device that `root=` names.
fn find(machine: &mut Machine<'_>) -> Result<Device, String> {
    let started = Instant::now();
    let (mut has_said, mut has_looked) = (false, false);
    loop {
        let root = match &machine.settings.root {
            Some(Ok(root)) => root,
            Some(Err(fault)) => return Err(format!("root= cannot be understood: {fault}")),
            None => return Err(lost(machine, "the command line has no root=")),
        };
        let found = root.find(&machine.disks.devices);
        if let Some(first) = found.first() {
            if found.len() > 1 {
                let names: Vec<&str> = found.iter().map(|device| device.name.as_str()).collect();
                complain(&format!("{root} is on {}: taking the first", names.join(", ")));
            }
            return Ok((*first).clone());
        }
        let waited = started.elapsed();
        if machine.settings.patience.is_some_and(|patience| waited >= patience) {
            let text = format!("the root file system, {root}, is not here after {} s", waited.as_secs());
            return Err(lost(machine, &text));
        }
        if waited >= settings::PATIENCE && !has_said {
            complain(&lost(machine, &format!("still waiting for the root file system, {root}")));
            has_said = true;
        }
        if has_looked {
            std::thread::sleep(if waited < Duration::from_secs(2) { SOON } else { LATER });
        }
        machine.look(Which::All);
        has_looked = true;
    }
}

/// What a person needs to know when the root file system is not found.
fn lost(machine: &Machine<'_>, what: &str) -> String {
    format!("{what}\nthe disks that are here:\n{}", disks::listed(&machine.disks.devices))
}

/// The file systems to try: what the command line says, else what is on the disk, else ext4.
fn types(machine: &Machine<'_>, device: &Device) -> Vec<String> {
    if !machine.settings.types.is_empty() {
        return machine.settings.types.clone();
    }
    vec![device.contents.as_ref().map_or("ext4", |contents| contents.kind).to_owned()]
}

/// Asks at the console, and does what ends the machine.
fn stop(machine: &mut Machine<'_>) {
    match prompt::ask(machine) {
        Answer::Continue => {}
        Answer::Reboot => shut_down(RebootCommand::Restart),
        Answer::PowerOff => shut_down(RebootCommand::PowerOff),
    }
}

/// What `panic=` says: the machine starts again after so many seconds, at once where it is negative, and stands still
/// where it is zero, so that the text stays on the screen.
fn end() {
    let seconds = fs::read_to_string("/proc/sys/kernel/panic").unwrap_or_default();
    match seconds.trim().parse::<i64>().unwrap_or(0) {
        0 => {
            complain("the machine stops here; `panic=10` on the command line would start it again");
            shut_down(RebootCommand::Halt);
        }
        seconds => {
            let seconds = u64::try_from(seconds).unwrap_or(0);
            complain(&format!("the machine starts again in {seconds} s"));
            std::thread::sleep(Duration::from_secs(seconds));
            shut_down(RebootCommand::Restart);
        }
    }
}

/// Never returns: where the machine cannot be ended this program must not end either, or the kernel panics and moves the
/// text off the screen.
fn shut_down(how: RebootCommand) {
    let _ = rustix::system::reboot(how);
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}
