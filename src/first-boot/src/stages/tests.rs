use super::*;
use crate::status::{Format, Status};
use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

/// Programs that are listed: accounts become lines of the folder's files, and scripts are read.
#[derive(Default)]
struct Listed {
    ran: RefCell<Vec<String>>,
    scripts: RefCell<Vec<String>>,
    root: Option<Root>,
    /// What the hypervisor has for the guest.
    guestinfo: Vec<(&'static str, &'static str)>,
    /// A script that fails.
    fails: Option<&'static str>,
}

fn own() -> (u32, u32) {
    (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw())
}

impl Programs for Listed {
    fn run(&self, words: &[&str], input: &str) -> Result<(), String> {
        let line = words.join(" ");
        self.ran.borrow_mut().push(if input.is_empty() {
            line
        } else {
            format!("{line} < {}", input.trim())
        });
        let root = self.root.as_ref().unwrap();
        let (uid, gid) = own();
        match words {
            ["useradd", name, ..] => {
                root.directory(&format!("/home/{name}"), 0o755)?;
                root.append(
                    "/etc/passwd",
                    format!("{name}:x:{uid}:{gid}::/home/{name}:/bin/sh\n").as_bytes(),
                    0o644,
                )
            }
            ["groupadd", name] => root.append("/etc/group", format!("{name}:x:{gid}:\n").as_bytes(), 0o644),
            _ => Ok(()),
        }
    }

    fn output(&self, words: &[&str]) -> Result<Option<Vec<u8>>, String> {
        let ["vmware-rpctool", question] = words else { return Ok(None) };
        let key = question.strip_prefix("info-get guestinfo.").unwrap();
        Ok(self.guestinfo.iter().find(|(name, _)| *name == key).map(|(_, value)| value.as_bytes().to_vec()))
    }

    fn script(&self, root: &Root, path: &str, name: &str, _: &[(&str, &str)]) -> Result<(), String> {
        let text = root.text(path).unwrap_or_default();
        self.scripts
            .borrow_mut()
            .push(format!("{name}: {}", text.lines().skip(1).collect::<Vec<_>>().join(";")));
        if self.fails == Some(name) { Err(format!("`{name}`: exit status 1")) } else { Ok(()) }
    }
}

struct Machine {
    _dir: tempfile::TempDir,
    root: Root,
    programs: Listed,
}

impl Machine {
    fn new(meta_data: &str, user_data: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::new(dir.path());
        let (uid, gid) = own();
        let put = |path: &str, text: &str| root.write(path, text.as_bytes(), 0o644, None).unwrap();
        put("/etc/passwd", &format!("root:x:{uid}:{gid}:root:/root:/bin/bash\n"));
        put("/etc/group", &format!("root:x:{gid}:\nsudo:x:{gid}:\n"));
        put("/etc/hosts", "127.0.0.1 localhost\n");
        put("/etc/os-release", "ID=debian\nVERSION_ID=\"13\"\n");
        root.directory("/root", 0o700).unwrap();
        let programs = Listed { root: Some(root.clone()), ..Listed::default() };
        let machine = Self { _dir: dir, root, programs };
        machine.seed(meta_data, user_data);
        machine
    }

    fn seed(&self, meta_data: &str, user_data: &str) {
        for (name, text) in [("meta-data", meta_data), ("user-data", user_data)] {
            self.root
                .write(&format!("/var/lib/cloud/seed/nocloud/{name}"), text.as_bytes(), 0o600, None)
                .unwrap();
        }
    }

    /// A boot: what is in /run is gone.
    fn boot(&self) -> Status {
        let _ = fs::remove_dir_all(self.root.at("/run"));
        self.programs.ran.borrow_mut().clear();
        self.programs.scripts.borrow_mut().clear();
        for stage in Stage::ALL {
            let _ = run(stage, &self.root, &self.programs);
        }
        Status::read(&self.root)
    }

    fn text(&self, path: &str) -> String {
        self.root.text(path).unwrap_or_default()
    }
}

const META: &str =
    "instance-id: i-1\nlocal-hostname: one.example.test\npublic-keys: [ssh-ed25519 AAAAmeta m]\n";

#[test]
fn a_boot_does_what_it_is_told_and_says_that_it_is_done() {
    let user_data = "#cloud-config\nwrite_files:\n- {path: /etc/one, content: aGk=, encoding: b64, permissions: '0600'}\n- {path: /etc/two, content: x, defer: true}\n\
        runcmd:\n- [echo, \"it's\"]\n- echo two\nbootcmd: [echo boot]\nusers:\n- default\n- {name: me, ssh_authorized_keys: [ssh-ed25519 AAAAme x], sudo: \"ALL=(ALL) ALL\", hashed_passwd: $6$a$b, lock_passwd: false}\n";
    let machine = Machine::new(META, user_data);
    let status = machine.boot();
    assert_eq!(
        (status.text(Format::Tabular, false).as_str(), status.code()),
        ("status: done\n", 0),
        "{status:?}"
    );
    assert_eq!(status.detail, "DataSourceNoCloud [seed=/var/lib/cloud/seed/nocloud]");
    assert_eq!((machine.text("/etc/one"), machine.text("/etc/two")), ("hi".to_owned(), "x".to_owned()));
    assert_eq!(machine.text("/etc/hostname"), "one");
    assert_eq!(machine.text("/etc/hosts"), "127.0.0.1 localhost\n127.0.1.1 one.example.test one");
    assert_eq!(
        *machine.programs.scripts.borrow(),
        ["bootcmd: echo boot", "runcmd: 'echo' 'it'\\''s';echo two"]
    );
    let ran = machine.programs.ran.borrow().join("\n");
    for part in [
        "useradd debian --no-log-init --comment Debian --shell /bin/bash --groups adm,sudo,systemd-journal --create-home",
        "useradd me",
        "chpasswd --encrypted < me:$6$a$b",
        "passwd --lock debian",
    ] {
        assert!(ran.contains(part), "{part}\n{ran}");
    }
    assert!(!ran.contains("passwd --lock me"));
    assert_eq!(machine.text("/home/me/.ssh/authorized_keys"), "ssh-ed25519 AAAAme x");
    assert_eq!(machine.text("/home/debian/.ssh/authorized_keys"), "ssh-ed25519 AAAAmeta m");
    assert!(machine.text("/root/.ssh/authorized_keys").contains("Please login as the user"));
    assert!(machine.text("/etc/sudoers.d/90-cloud-init-users").contains("me ALL=(ALL) ALL"));
    for path in
        ["instance/boot-finished", "instance/sem/config_scripts_user", "data/instance-id", "data/result.json"]
    {
        assert!(machine.root.has(&format!("/var/lib/cloud/{path}")), "{path}");
    }
    assert_eq!(machine.text("/run/cloud-init/cloud-id"), "nocloud");
    let data: Value = serde_json::from_str(&machine.text("/run/cloud-init/instance-data.json")).unwrap();
    assert_eq!((&data["v1"]["instance_id"], &data["v1"]["local-hostname"]), (&json!("i-1"), &json!("one")));
    assert_eq!(data["userdata"], json!("redacted for non-root user"));
}

#[test]
fn the_same_instance_is_left_alone_and_another_one_is_new() {
    let machine = Machine::new(META, "#!/bin/sh\necho first\n");
    assert!(machine.boot().errors.is_empty());
    assert_eq!(*machine.programs.scripts.borrow(), ["part-001: echo first"]);
    machine.root.write("/home/debian/.ssh/authorized_keys", b"mine\n", 0o600, None).unwrap();
    machine.seed(META, "#!/bin/sh\necho second\n");
    assert_eq!(machine.boot().word, "done");
    assert!(machine.programs.scripts.borrow().is_empty() && machine.programs.ran.borrow().is_empty());
    assert_eq!(machine.text("/home/debian/.ssh/authorized_keys"), "mine");
    machine.seed("instance-id: i-2\nlocal-hostname: two\n", "#!/bin/sh\necho second\n");
    assert_eq!(machine.boot().word, "done");
    assert_eq!(*machine.programs.scripts.borrow(), ["part-001: echo second"]);
    assert_eq!(
        (
            machine.text("/etc/hostname").as_str(),
            machine.text("/var/lib/cloud/data/previous-instance-id").as_str()
        ),
        ("two", "i-1")
    );
}

#[test]
fn a_boot_that_was_cut_off_starts_over_and_appends_once() {
    let user_data = "#cloud-config\nwrite_files:\n- {path: /etc/motd, content: \"mo\", append: true}\n- {path: /etc/motd, content: \"re\\n\", append: true}\n";
    let machine = Machine::new(META, user_data);
    machine.root.write("/etc/motd", b"old\n", 0o644, None).unwrap();
    machine.boot();
    assert_eq!(machine.text("/etc/motd"), "old\nmore");
    // the power went off when the file was there and its semaphore was not
    let semaphore = "/var/lib/cloud/instance/sem/config_write_files";
    machine.root.remove(semaphore);
    machine.root.write(&format!("{semaphore}.started"), b"", 0o644, None).unwrap();
    machine.root.remove("/var/lib/cloud/data/instance-id");
    machine.boot();
    assert_eq!(machine.text("/etc/motd"), "old\nmore");
    assert!(machine.root.has(semaphore) && machine.root.has("/var/lib/cloud/data/instance-id"));
}

#[test]
fn a_home_that_a_power_cut_left_in_parts_is_completed_and_what_is_there_stays() {
    let machine = Machine::new(META, "#cloud-config\nusers: [default]\n");
    let (uid, gid) = own();
    for (path, text) in [
        ("/etc/login.defs", "UMASK 022\nHOME_MODE\t0750\n".to_owned()),
        ("/etc/skel/.bashrc", "rc\n".to_owned()),
        ("/etc/skel/.profile", "profile\n".to_owned()),
    ] {
        machine.root.write(path, text.as_bytes(), 0o644, None).unwrap();
    }
    // the line of the account is there, and nothing else
    let line = format!("debian:x:{uid}:{gid}::/home/debian:/bin/sh\n");
    machine.root.append("/etc/passwd", line.as_bytes(), 0o644).unwrap();
    assert!(machine.boot().errors.is_empty());
    let mode = |path: &str| machine.root.at(path).metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("/home/debian"), mode("/home/debian/.profile")), (0o750, 0o644));
    assert_eq!(machine.text("/home/debian/.bashrc"), "rc");
    // the folder and a part of the files are there
    machine.root.write("/home/debian/.bashrc", b"", 0o644, None).unwrap();
    machine.root.write("/home/debian/.profile", b"mine\n", 0o644, None).unwrap();
    let semaphore = "/var/lib/cloud/instance/sem/config_users_groups";
    machine.root.remove(semaphore);
    machine.boot();
    assert_eq!(machine.text("/home/debian/.bashrc"), "", "nothing was interrupted");
    machine.root.remove(semaphore);
    machine.root.write(&format!("{semaphore}.started"), b"", 0o644, None).unwrap();
    machine.root.write("/etc/passwd.lock", b"1\0", 0o600, None).unwrap();
    machine.boot();
    assert!(!machine.root.has("/etc/passwd.lock"));
    assert_eq!(
        (machine.text("/home/debian/.bashrc"), machine.text("/home/debian/.profile")),
        ("rc".to_owned(), "mine".to_owned())
    );
    assert!(!machine.programs.ran.borrow().iter().any(|ran| ran.starts_with("useradd")));
}

#[test]
fn what_is_left_out_and_what_fails_is_in_the_status() {
    let machine = Machine::new(
        META,
        "#cloud-config\napt: {conf: x}\npackage_upgrade: true\nlocale: de_DE.UTF-8\nunheard: 1\n",
    );
    let status = machine.boot();
    assert_eq!((status.word, status.extended.as_str(), status.code()), ("done", "degraded done", 2));
    let said = status.recoverable["WARNING"].to_string();
    for key in ["`apt` is not applied", "`locale`", "`unheard`"] {
        assert!(said.contains(key), "{key}: {said}");
    }
    assert!(!said.contains("package_upgrade"));
    let mut machine =
        Machine::new(META, "#cloud-config\npackages: [nginx]\nruncmd: [false]\nhostname: \"a b\"\n");
    machine.programs.fails = Some("runcmd");
    let status = machine.boot();
    assert_eq!((status.word, status.code()), ("error", 1));
    let said = json!(status.errors).to_string();
    for part in ["`packages` is not applied", "`runcmd`: exit status 1", "hostname: expected"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let result: Value = serde_json::from_str(&machine.text("/run/cloud-init/result.json")).unwrap();
    assert_eq!(result["v1"]["errors"], json!(status.errors));
}

#[test]
fn a_machine_that_is_told_nothing_is_left_alone() {
    let machine = Machine::new(META, "");
    fs::remove_dir_all(machine.root.at("/var/lib/cloud/seed")).unwrap();
    let status = machine.boot();
    assert_eq!((status.word, status.code(), status.is_final()), ("disabled", 0, true));
    assert!(!machine.root.has("/var/lib/cloud/data"));
    assert_eq!(crate::query::cloud_id(&machine.root), ("disabled\n".to_owned(), 2));
}

#[test]
fn metadata_that_cannot_be_read_ends_as_an_error() {
    let machine = Machine::new("- no mapping", "");
    let status = machine.boot();
    assert_eq!((status.word, status.code(), status.errors.len()), ("error", 1, 1));
}

#[test]
fn the_network_is_written_for_this_boot() {
    let machine = Machine::new(META, "");
    let config = "version: 2\nethernets: {eth0: {match: {macaddress: '52:54:00:12:34:56'}, set-name: eth0, dhcp4: true}}\n";
    machine.root.write("/var/lib/cloud/seed/nocloud/network-config", config.as_bytes(), 0o600, None).unwrap();
    for (path, text) in [("ens3/address", "52:54:00:12:34:56\n"), ("ens3/device/x", "")] {
        let path = machine.root.at(format!("/sys/class/net/{path}"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    assert_eq!(machine.boot().word, "done");
    assert!(machine.text("/etc/systemd/network/10-cloud-init-eth0.network").contains("DHCP=ipv4"));
    assert!(machine.programs.ran.borrow().contains(&"ip link set dev ens3 name eth0".to_owned()));
}

#[test]
fn where_no_disk_is_found_udev_is_waited_for() {
    let machine = Machine::new(META, "");
    let settles =
        |machine: &Machine| machine.programs.ran.borrow().iter().any(|ran| ran.starts_with("udevadm settle"));
    machine.root.write("/run/udev/control", b"", 0o600, None).unwrap();
    assert!(!run(Stage::Local, &machine.root, &machine.programs));
    assert!(!settles(&machine), "there is a seed");
    fs::remove_dir_all(machine.root.at("/var/lib/cloud/seed")).unwrap();
    assert!(!run(Stage::Local, &machine.root, &machine.programs));
    assert!(settles(&machine));
}

#[test]
fn a_stage_that_was_killed_is_an_error() {
    let machine = Machine::new(META, "");
    fs::remove_dir_all(machine.root.at("/var/lib/cloud/seed")).unwrap();
    state::begin(&machine.root, Stage::Local).unwrap();
    assert!(run(Stage::Network, &machine.root, &machine.programs));
    let _ = run(Stage::Config, &machine.root, &machine.programs);
    let _ = run(Stage::Final, &machine.root, &machine.programs);
    let status = Status::read(&machine.root);
    assert_eq!((status.word, status.errors), ("error", vec![json!("stage `init-local` did not finish")]));
}

#[test]
fn questions_are_answered_from_what_is_known() {
    use crate::query::{Question, answer};
    let machine = Machine::new(META, "");
    machine.boot();
    let ask = |question: Question| answer(&machine.root, &question);
    assert_eq!(ask(Question::Name("v1.instance_id".to_owned())), Ok("i-1\n".to_owned()));
    assert_eq!(ask(Question::Name("instance_id".to_owned())), Ok("i-1\n".to_owned()));
    assert_eq!(
        ask(Question::Name("ds.meta_data.local_hostname".to_owned())),
        Ok("one.example.test\n".to_owned())
    );
    assert_eq!(
        ask(Question::Template("{{ v1.cloud_name }}-{{instance_id}}".to_owned())),
        Ok("nocloud-i-1\n".to_owned())
    );
    assert!(ask(Question::Keys(Some("ds".to_owned()))).is_ok_and(|text| text == "meta_data\n"));
    assert!(ask(Question::Name("v1.nothing".to_owned())).is_err());
    assert_eq!(crate::query::cloud_id(&machine.root), ("nocloud\n".to_owned(), 0));
}

#[test]
fn what_the_hypervisor_has_for_the_guest_is_read_by_its_program() {
    let mut machine = Machine::new(META, "");
    fs::remove_dir_all(machine.root.at("/var/lib/cloud/seed")).unwrap();
    machine.root.write("/sys/class/dmi/id/product_name", b"VMware7,1\n", 0o444, None).unwrap();
    // no value, or no program
    assert_eq!(machine.boot().word, "disabled");
    machine.programs.guestinfo = vec![
        (
            "metadata",
            "instance-id: v-1\nlocal-hostname: one\nnetwork: {config: {version: 2, ethernets: {ens1: {dhcp4: true}}}}",
        ),
        ("userdata", "H4sIAAAAAAACA1NW1E/KzNMvzuAqLU4tUkhJLEnkAgDwArNBFAAAAA=="),
        ("userdata.encoding", "gz+b64"),
        ("vendordata", "---"),
    ];
    let status = machine.boot();
    assert_eq!((status.word, &status.errors), ("done", &Vec::new()));
    assert_eq!(status.detail, "DataSourceVMware");
    assert_eq!(machine.programs.scripts.borrow().len(), 1);
    assert!(machine.root.has("/etc/systemd/network/10-cloud-init-ens1.network"));
    machine.programs.guestinfo = vec![("metadata", "instance-id: v-1"), ("metadata.encoding", "rot13")];
    assert_eq!(machine.boot().word, "error");
}

#[test]
fn a_network_stays_when_its_source_is_gone_and_goes_with_another_configuration() {
    let machine = Machine::new(META, "");
    let path = "/var/lib/cloud/seed/nocloud/network-config";
    let network = |name: &str| format!("version: 2\nethernets: {{{name}: {{dhcp4: true}}}}\n");
    machine.root.write("/etc/systemd/network/90-fallback.network", b"[Match]\n", 0o644, None).unwrap();
    for name in ["a", "b"] {
        machine.root.write(path, network(name).as_bytes(), 0o600, None).unwrap();
        machine.boot();
        let own = format!("10-cloud-init-{name}.network");
        assert_eq!(machine.root.names("/etc/systemd/network"), [own.as_str(), "90-fallback.network"]);
    }
    // one that cannot be read takes away none that may still lead to the machine
    machine.root.write(path, b"version: 3\n", 0o600, None).unwrap();
    assert_eq!(machine.boot().word, "error");
    fs::remove_dir_all(machine.root.at("/var/lib/cloud/seed")).unwrap();
    assert_eq!(machine.boot().word, "disabled");
    assert!(machine.root.has("/etc/systemd/network/10-cloud-init-b.network"));
    machine.seed(META, "");
    machine.boot();
    assert_eq!(machine.root.names("/etc/systemd/network"), ["90-fallback.network"]);
}

#[test]
fn scripts_that_were_stopped_in_order_do_not_run_again_and_those_of_a_power_cut_do() {
    for (stops, expected) in [(false, 1), (true, 0)] {
        let machine = Machine::new(META, "#!/bin/sh\nreboot\n");
        machine.boot();
        let semaphore = "/var/lib/cloud/instance/sem/config_scripts_user";
        machine.root.remove(semaphore);
        machine.root.write(&format!("{semaphore}.started"), b"", 0o644, None).unwrap();
        if stops {
            stopped(&machine.root).unwrap();
        }
        machine.boot();
        assert_eq!(machine.programs.scripts.borrow().len(), expected, "{stops}");
    }
}

#[test]
fn an_account_that_a_power_cut_left_in_parts_is_completed() {
    let machine = Machine::new(META, "#cloud-config\nusers: [default]\n");
    machine.boot();
    machine.root.write("/etc/subuid", b"other:100000:65536\n", 0o644, None).unwrap();
    let semaphore = "/var/lib/cloud/instance/sem/config_users_groups";
    machine.root.remove(semaphore);
    machine.root.write(&format!("{semaphore}.started"), b"", 0o644, None).unwrap();
    machine.boot();
    let ran = machine.programs.ran.borrow().join("\n");
    for part in [
        "pwconv\ngrpconv\n",
        "usermod --append --groups adm,sudo,systemd-journal debian",
        "usermod --add-subuids 165536-231071 debian",
    ] {
        assert!(ran.contains(part), "{part}\n{ran}");
    }
}

#[test]
fn what_a_disc_says_is_remembered_by_the_machine_that_it_was_for() {
    let machine = Machine::new(META, "");
    let uuid =
        |id: &str| machine.root.write("/sys/class/dmi/id/product_uuid", id.as_bytes(), 0o400, None).unwrap();
    uuid("one\n");
    let known = Instance {
        user_data: b"#!/bin/sh\n".to_vec(),
        ..Instance::new(crate::instance::Source::Azure, "/dev/sr0", "p")
    };
    assert_eq!(state::remember(&machine.root, Some(known.clone())), Ok(Some(known.clone())));
    assert_eq!(state::remember(&machine.root, None), Ok(Some(known)));
    uuid("two\n");
    assert_eq!(state::remember(&machine.root, None), Ok(None));
    assert!(!machine.root.has("/var/lib/cloud/data/provisioning.json"));
}
