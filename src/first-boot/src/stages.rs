//! The four stages of a boot, as the units of cloud-init's names start them.

use crate::instance::Instance;
use crate::modules::{self, Context, hostname, keys, scripts};
use crate::programs::Programs;
use crate::report::{Fault, Report};
use crate::root::Root;
use crate::state::{self, Stage};
use crate::user_data::{self, UserData};
use crate::{clock, detect, fetch, instance_data, network, vmware};
use serde_json::{Map, Value, json};

/// Where networkd's files are: they stay when the source is gone, as with cloud-init.
const NETWORK: &str = "/etc/systemd/network";

/// What the image says where user-data says nothing.
fn defaults() -> Map<String, Value> {
    json!({"ssh_pwauth": false}).as_object().cloned().unwrap_or_default()
}

/// What an instance is told: the vendor's parts, its own, and the configuration that they come to.
struct Told {
    config: Map<String, Value>,
    vendor: UserData,
    user: UserData,
}

impl Told {
    fn of(instance: &Instance) -> Self {
        let user = user_data::read(&instance.user_data);
        let mut vendor = user_data::read(&instance.vendor_data);
        let enabled =
            user.config.get("vendor_data").and_then(|value| value.get("enabled")).and_then(modules::truth);
        if enabled == Some(false) {
            vendor = UserData::default();
        }
        let mut config = defaults();
        if let Some(name) = &instance.default_user {
            config.insert("system_info".to_owned(), json!({"default_user": {"name": name}}));
        }
        config.extend(vendor.config.clone());
        config.extend(user.config.clone());
        Self { config, vendor, user }
    }
}

/// Runs a stage; whether it failed.
#[must_use]
pub fn run(stage: Stage, root: &Root, programs: &dyn Programs) -> bool {
    if stage != Stage::Local && state::is_disabled(root) {
        return false;
    }
    let mut report = Report::new(root);
    let begun = state::begin(root, stage);
    report.check(begun);
    if let Some(before) = state::unfinished_before(root, stage) {
        // it was killed: what it was to do is not done, and must not look so
        report.error(format!("stage `{}` did not finish", before.name()));
    }
    let instance = match stage {
        Stage::Local => local(root, programs, &mut report),
        Stage::Network => remote(root, &mut report),
        Stage::Config | Stage::Final => {
            let handed_on = state::handed_on(root);
            report.check(handed_on).flatten()
        }
    };
    if stage == Stage::Local && state::is_disabled(root) {
        return false;
    }
    if let Some(instance) = &instance {
        let told = Told::of(instance);
        let mut context =
            Context { root, programs, config: &told.config, instance, report: &mut report, again: false };
        let is_current = state::is_current(root, &instance.id);
        match stage {
            Stage::Local => before_network(&mut context),
            Stage::Network => with_network(&mut context, &told),
            // what is noted now would be of another instance
            Stage::Config | Stage::Final if !is_current => {
                let what = format!("instance `{}` is not the current one", instance.id);
                context.report.error(what);
            }
            Stage::Config => config(&mut context),
            Stage::Final => last(&mut context),
        }
    }
    let detail = instance.as_ref().map(Instance::detail);
    let ended = state::end(root, stage, detail.as_deref(), &report);
    report.check(ended);
    !report.errors.is_empty()
}

/// Waits until udev has loaded the drivers of what was there when it began: a disk may still appear.
fn settle_devices(root: &Root, programs: &dyn Programs, report: &mut Report<'_>) {
    if root.has("/run/udev/control")
        && let Err(what) = programs.run(&["udevadm", "settle", "--timeout=30"], "")
    {
        report.info(what);
    }
}

/// Looks for sources that need no network; where there is none at all, again when udev is at rest.
fn local(root: &Root, programs: &dyn Programs, report: &mut Report<'_>) -> Option<Instance> {
    let mut found = detect::detect(root);
    // firmware names a cloud whose disc udev may not have brought yet
    let may_have_disc = matches!(&found, Ok(detect::Found::Remote(what, None)) if ["Azure", "OpenStack"].contains(&what.as_str()));
    if found == Ok(detect::Found::Nothing) || may_have_disc {
        settle_devices(root, programs, report);
        found = detect::detect(root);
    }
    if found == Ok(detect::Found::Nothing) && vmware::is_there(root) {
        found = vmware::instance(root, programs).map(|instance| {
            instance.map_or(detect::Found::Nothing, |one| detect::Found::Here(Box::new(one)))
        });
    }
    let mut found = report.check(found);
    if let Some(detect::Found::Remote(_, known)) = &mut found {
        let remembered = state::remember(root, known.take().map(|known| *known));
        *known = report.check(remembered).flatten().map(Box::new);
    }
    let noted = match &found {
        Some(detect::Found::Nothing) => state::disable(root),
        Some(detect::Found::Here(instance)) => {
            state::enable(root).and_then(|()| state::hand_on(root, instance))
        }
        Some(detect::Found::Remote(what, known)) => {
            state::enable(root).and_then(|()| state::ask_later(root, what, known.as_deref()))
        }
        // reported already: there is a source, and it cannot be read
        None => state::enable(root),
    };
    report.check(noted);
    // of an instance that this was, or of a configuration that is no longer given
    if let Some(detect::Found::Here(_) | detect::Found::Remote(..)) = &found {
        let given = match &found {
            Some(detect::Found::Here(instance)) => instance.network.as_ref(),
            _ => None,
        };
        if let Some(config) = write_network(root, given, report) {
            rename(root, programs, report, &config.renames());
        }
    }
    match found {
        Some(detect::Found::Here(instance)) => Some(*instance),
        _ => None,
    }
}

/// Writes networkd's files, and removes those that are not among them. Of a configuration that cannot be read nothing is done: what
/// there was may still lead to the machine.
fn write_network(root: &Root, given: Option<&Value>, report: &mut Report<'_>) -> Option<network::Config> {
    let config = report.check(given.map(network::read).transpose())?.unwrap_or_default();
    report.faults(config.faults.iter().cloned());
    let files = config.files();
    for file in &files {
        report.check(root.write(&format!("{NETWORK}/{}", file.name), file.text.as_bytes(), 0o644, None));
    }
    for name in root.names(NETWORK) {
        if name.starts_with(network::PREFIX) && files.iter().all(|file| file.name != name) {
            root.remove(&format!("{NETWORK}/{name}"));
        }
    }
    Some(config)
}

/// Asks a source over the network, where that is to be done.
fn remote(root: &Root, report: &mut Report<'_>) -> Option<Instance> {
    let handed_on = state::handed_on(root);
    if let Some(instance) = report.check(handed_on).flatten() {
        return Some(instance);
    }
    let what = state::to_ask(root)?;
    let mut instance = report.check(fetch::ask(&what))?;
    if instance.network.take().is_some() {
        let what = "network-config of a source over the network is not supported";
        instance.faults.push(Fault::warning(what));
    }
    if let Some(known) = report.check(state::known(root)).flatten() {
        instance = instance.completed(known);
    }
    let handed_on = state::hand_on(root, &instance);
    report.check(handed_on);
    Some(instance)
}

/// Gives the machine its name.
fn before_network(context: &mut Context<'_, '_>) {
    if !is_settled(context) {
        hostname::set(context);
    }
}

/// Whether this instance has its name already.
fn is_settled(context: &Context<'_, '_>) -> bool {
    context.root.has(&format!("/var/lib/cloud/instances/{}/sem/config_set_hostname", context.instance.id))
}

/// Gives cards their names now: udev may have seen them before the files were there. One that is not there yet gets a driver
/// before udev is at rest.
fn rename(root: &Root, programs: &dyn Programs, report: &mut Report<'_>, renames: &[(String, String)]) {
    if renames.iter().any(|(mac, _)| card(root, mac).is_none()) {
        settle_devices(root, programs, report);
    }
    for (mac, name) in renames {
        let Some(card) = card(root, mac) else {
            report.warn(format!("network-config: no card has the address {mac}"));
            continue;
        };
        if card != *name {
            report.check(programs.run(&["ip", "link", "set", "dev", &card, "name", name], ""));
        }
    }
}

/// The name of the card with this address. A VLAN has the address of its card: only what is a device is one.
fn card(root: &Root, mac: &str) -> Option<String> {
    const CARDS: &str = "/sys/class/net";
    root.names(CARDS).into_iter().find(|card| {
        root.has(&format!("{CARDS}/{card}/device"))
            && root.text(&format!("{CARDS}/{card}/address")).as_deref() == Some(mac)
    })
}

/// Modules that work by programs of the image, or by scripts.
const BY_PROGRAMS: [&str; 7] = [
    "ca_certs",
    "mounts",
    "scripts_per_instance",
    "scripts_user",
    "scripts_vendor",
    "set_passwords",
    "users_groups",
];

/// Runs a module once for this instance.
fn once(context: &mut Context<'_, '_>, module: &str, run: impl FnOnce(&mut Context<'_, '_>)) {
    if state::is_done(context.root, module, false) {
        return;
    }
    let started = state::started(context.root, module, false);
    context.again = context.report.check(started).unwrap_or_default();
    if context.again {
        modules::accounts::unlock(context.root);
    }
    run(context);
    context.again = false;
    if BY_PROGRAMS.contains(&module) && context.root.is_system() {
        // they leave their files to the kernel, which may write this module's semaphore first
        rustix::fs::sync();
    }
    context.report.check(state::done(context.root, module, false));
}

fn with_network(context: &mut Context<'_, '_>, told: &Told) {
    let settled = state::settle(context.root, context.instance, context.config);
    if context.report.check(settled).is_none() {
        return;
    }
    context.report.check(instance_data::write(context.root, context.instance, context.config));
    let faults = context.instance.faults.iter().chain(&told.vendor.faults).chain(&told.user.faults);
    context.report.faults(faults.cloned());
    scripts::put(context, &told.user.scripts);
    scripts::put_vendor(context, &told.vendor.scripts);
    scripts::hooks(context, &told.vendor.boothooks);
    scripts::hooks(context, &told.user.boothooks);
    scripts::boot(context);
    once(context, "write_files", |context| modules::files::write(context, false));
    once(context, "mounts", modules::mounts::mount);
    once(context, "set_hostname", hostname::set);
    hostname::update(context);
    hostname::hosts(context);
    once(context, "ca_certs", modules::certificates::trust);
    once(context, "users_groups", modules::users::make);
    once(context, "ssh", |context| {
        keys::host(context);
        keys::default_user(context, modules::accounts::default_name(context.config).as_deref());
    });
}

fn config(context: &mut Context<'_, '_>) {
    // each boot says so again, as each boot has a status
    modules::left_out::say(context);
    once(context, "set_passwords", modules::users::passwords);
    once(context, "ntp", modules::time::servers);
    once(context, "timezone", modules::time::zone);
    once(context, "runcmd", scripts::put_commands);
}

/// The modules of the last stage that run scripts, and whether they do so once a machine.
const SCRIPTS: [(&str, bool); 4] = [
    ("scripts_vendor", false),
    ("scripts_per_once", true),
    ("scripts_per_instance", false),
    ("scripts_user", false),
];

/// Notes that the last stage was stopped in order, by a script that asked for a reboot or by somebody: scripts that had begun do not
/// run again, as with cloud-init. After a power cut they do.
///
/// # Errors
///
/// What the system says.
pub fn stopped(root: &Root) -> Result<(), String> {
    let begun = SCRIPTS.iter().filter(|(module, is_once)| state::has_begun(root, module, *is_once));
    begun.copied().try_for_each(|(module, is_once)| state::done(root, module, is_once))
}

fn last(context: &mut Context<'_, '_>) {
    once(context, "write_files_deferred", |context| modules::files::write(context, true));
    once(context, "scripts_vendor", |context| {
        scripts::run_all(context, &format!("{}/vendor", scripts::FOLDER));
    });
    if !state::is_done(context.root, "scripts_per_once", true) {
        context.report.check(state::started(context.root, "scripts_per_once", true));
        scripts::run_all(context, "/var/lib/cloud/scripts/per-once");
        context.report.check(state::done(context.root, "scripts_per_once", true));
    }
    scripts::run_all(context, "/var/lib/cloud/scripts/per-boot");
    once(context, "scripts_per_instance", |context| {
        scripts::run_all(context, "/var/lib/cloud/scripts/per-instance");
    });
    once(context, "scripts_user", |context| scripts::run_all(context, scripts::FOLDER));
    let uptime = context.root.text("/proc/uptime").unwrap_or_default();
    let uptime = uptime.split(' ').next().unwrap_or("0").to_owned();
    let now = clock::mail_time(clock::now());
    let usual = "Cloud-init v. $version finished at $timestamp. Datasource $datasource.  Up $uptime seconds";
    let message = context.text("final_message").unwrap_or_else(|| usual.to_owned());
    let message = message
        .replace("$version", crate::VERSION)
        .replace("$timestamp", &now)
        .replace("$datasource", &context.instance.detail())
        .replace("$uptime", &uptime);
    crate::console::say(&format!("{message}\n"));
    context.report.check(context.root.log(crate::programs::OUTPUT, format!("{message}\n").as_bytes()));
    let finished = format!("{uptime} - {now} - v. {}\n", crate::VERSION);
    context.report.check(context.root.write(
        &format!("{}/boot-finished", state::INSTANCE),
        finished.as_bytes(),
        0o644,
        None,
    ));
}

#[cfg(test)]
mod tests;
