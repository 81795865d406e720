//! A delivery that is ended, or whose disk fails, at every system call: the old set or the new one, no generation
//! forgotten, and no restart lost.

use crate::errors::SHORT;
use crate::node::{DELIVERY, Node, RECORD, TOOLS};
use crate::snapshot::{Entry, Snapshot};
use crate::strace::{Point, for_each, inject, trace};
use configure::receive::table::PAIRS;
use configure::root::Root;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::process::Output;
use std::time::{Duration, SystemTime};

const RECEIVE: [&str; 1] = ["receive"];
const TRIGGER: &str = "opt/nstance-agent/recv/write-files.last";
const CERTIFICATE: &str = include_str!("../../../../tests/fixtures/certificates/p256.crt");
const KEY: &str = include_str!("../../../../tests/fixtures/certificates/p256.key");
const AUTHORITY: &str = include_str!("../../../../tests/fixtures/certificates/rsa.crt");

/// A worker that took one delivery, with the next one before it: settings, an authority, a certificate and its key.
fn offered() -> Node {
    let node = Node::booted();
    node.write(&format!("{TOOLS}/systemctl"), "#!/bin/sh\necho \"$@\" >>\"${0%/*}/calls\"\n", 0o755);
    node.write(DELIVERY, "# generation: 1\nKUBE_LOG_LEVEL=4\nTELEMETRY_S3_BUCKET=logs\n", 0o600);
    node.succeed(&RECEIVE);
    let _ = fs::remove_file(node.at(TOOLS).join("calls"));
    let settings = format!("# generation: 2\n{}", crate::node::DELIVERED);
    node.write(DELIVERY, &settings, 0o600);
    node.write("opt/nstance-agent/recv/ca.crt", AUTHORITY, 0o600);
    node.write("opt/nstance-agent/recv/kubelet.client.crt", CERTIFICATE, 0o600);
    node.write("opt/nstance-agent/keys/kubelet.client.key", KEY, 0o600);
    node.write(TRIGGER, "", 0o600);
    rested(&node);
    node
}

/// The last delivery is long ago, so that the next one need not wait.
fn rested(node: &Node) {
    if let Ok(record) = File::options().write(true).open(node.at(RECORD)) {
        record.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
    }
}

/// What `systemctl` was asked, each once.
fn calls(node: &Node) -> BTreeSet<String> {
    let text = fs::read_to_string(node.at(TOOLS).join("calls")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// The states that a delivery goes through, each whole.
struct States {
    node: Node,
    points: Vec<Point>,
    /// As offered; without the trigger; with the files in place and the restarts written down; done.
    steps: [Snapshot; 4],
    calls: BTreeSet<String>,
}

impl States {
    fn new() -> Self {
        let node = offered();
        let points = trace(&node, &RECEIVE);
        assert!(!points.iter().any(|point| point.call.contains("nanosleep")), "it waits");
        let disarmed = node.again();
        fs::remove_file(disarmed.at(TRIGGER)).unwrap();
        let placed = node.again();
        let first = points.iter().find(|point| point.call == "clone" || point.call == "vfork").unwrap();
        inject(&placed, &RECEIVE, first, "signal=KILL");
        let done = node.again();
        done.succeed(&RECEIVE);
        let calls = calls(&done);
        assert!(calls.contains("restart kubelet") && calls.contains("restart zot"), "{calls:?}");
        let steps = [&node, &disarmed, &placed, &done].map(Node::snapshot);
        let record = |at: usize| format!("{:?}", steps[at].0[RECORD]);
        assert!(record(2).contains("kubelet") && !record(3).contains("kubelet"));
        assert!(
            [0, 1, 3].into_iter().all(|at| steps[at] != steps[2]) && record(3).contains("GENERATION='2'")
        );
        Self { node, points, steps, calls }
    }

    /// `now` with the record of files that are in place, when only the restarts in it are other ones: some are done by then.
    fn settled(&self, mut now: Snapshot) -> Snapshot {
        let placed = &self.steps[2].0[RECORD];
        let rest = |entry: &Entry| {
            let lines = entry.content.lines().filter(|line| !line.starts_with("RESTART="));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        if let Some(record) = now.0.get_mut(RECORD).filter(|record| rest(record) == rest(placed)) {
            record.content.clone_from(&placed.content);
        }
        now
    }

    /// Whether each file is that of one of the steps; the record alone has one of its own.
    fn has_only_whole_files(&self, now: &Snapshot) -> bool {
        let [old, _, placed, done] = &self.steps;
        let mut others = now.clone();
        let record = others.0.remove(RECORD);
        [old, placed].iter().any(|step| step.0.get(RECORD) == record.as_ref())
            && others.has_only_whole_files(old, done)
    }

    fn is_one_of_them(&self, now: &Snapshot) -> bool {
        self.steps.windows(2).any(|two| now.is_one_of(&two[0], &two[1]))
    }

    /// What must hold of `node` after a run that was disturbed, and of the next one.
    fn check(&self, node: &Node, what: &str) {
        let found = self.settled(node.snapshot());
        assert!(self.has_only_whole_files(&found), "{what}: {:?}", found.difference(&self.steps[0]));
        configure::apply::recover(&Root::open(node.path()).unwrap()).unwrap();
        let recovered = self.settled(node.snapshot());
        assert!(
            self.is_one_of_them(&recovered),
            "{what}: no state of a delivery: {:?}",
            self.steps.each_ref().map(|step| recovered.difference(step))
        );
        rested(node);
        node.succeed(&RECEIVE);
        let end = node.snapshot();
        let done = &self.steps[3];
        assert!(end == *done, "{what}: after the next run {:?}", end.difference(done));
        // twice does no harm
        assert!(calls(node).is_superset(&self.calls), "{what}: a restart is lost: {:?}", calls(node));
    }
}

#[test]
fn a_delivery_that_is_killed_at_any_system_call_leaves_the_old_set_or_the_new_one_and_loses_no_restart() {
    let states = States::new();
    for_each(&states.points, |point| {
        let node = states.node.again();
        let output = inject(&node, &RECEIVE, point, "signal=KILL");
        assert!(std::os::unix::process::ExitStatusExt::signal(&output.status).is_some(), "{point:?}");
        states.check(&node, &format!("{point:?}"));
    });
}

/// Said with a way out, or done in spite of it; never done by halves and called done.
fn is_told(states: &States, node: &Node, output: &Output, what: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0) => {
            let (now, done) = (node.snapshot(), &states.steps[3]);
            let noted = String::from_utf8_lossy(&output.stdout).contains("note: ");
            assert!(noted || now == *done, "{what}: called done: {:?}", now.difference(done));
            assert!(calls(node).is_superset(&states.calls), "{what}: {:?}", calls(node));
        }
        Some(6) => assert!(said.starts_with("error: "), "{what}: {said}"),
        code => panic!("{what}: {code:?}: {said}"),
    }
    assert!(!said.contains("s3cr3t"), "{said}");
}

/// Each of `points` fails with each of `errors`.
fn fail(states: &States, points: impl Iterator<Item = Point>, errors: &[&str]) {
    let points: Vec<(Point, &str)> =
        points.flat_map(|point| errors.iter().map(move |&error| (point.clone(), error))).collect();
    assert!(points.len() > 100, "{}", points.len());
    for_each(&points, |(point, error)| {
        let node = states.node.again();
        let output = inject(&node, &RECEIVE, point, &format!("error={error}"));
        let what = format!("{point:?} {error}");
        // the number of the last delivery and the restarts that wait are in it
        let remembers = point.line.contains("\"opt/podplane/etc/received\"");
        assert!(!remembers || output.status.code() == Some(6), "{what}: forgotten");
        is_told(states, &node, &output, &what);
        states.check(&node, &what);
    });
}

#[test]
fn a_delivery_whose_disk_refuses_any_change_says_so_and_the_next_run_completes_it() {
    let states = States::new();
    let changes = states.points.clone().into_iter().filter(Point::changes_the_disk);
    fail(&states, changes, &["ENOSPC", "EIO", "EROFS", "EDQUOT", "EINTR"]);
}

#[test]
fn a_delivery_that_cannot_be_read_is_not_taken_by_halves_and_forgets_nothing() {
    let states = States::new();
    let reading =
        |call: &str| call.starts_with("open") || matches!(call, "read" | "getdents64" | "fstat" | "statx");
    let reads = states.points.clone().into_iter();
    let reads = reads.filter(|point| reading(&point.call) && !point.changes_the_disk());
    fail(&states, reads, &["EIO"]);
}

#[test]
fn a_delivery_whose_writes_end_short_keeps_the_old_set() {
    let states = States::new();
    let node = states.node.again();
    let output = node.run_in_shell(SHORT, &RECEIVE);
    assert_eq!(output.status.code(), Some(6), "{output:?}");
    is_told(&states, &node, &output, "short writes");
    assert!(calls(&node).is_empty(), "{:?}", calls(&node));
    states.check(&node, "short writes");
}

/// A delivery comes while the one before is still being taken in.
#[test]
fn two_receivers_of_one_delivery_end_as_one_would() {
    let states = States::new();
    let node = states.node.again();
    std::thread::scope(|scope| {
        for one in [0; 3].map(|_| scope.spawn(|| node.run(&RECEIVE))) {
            let output = one.join().unwrap();
            assert!(output.status.success(), "{output:?}");
        }
    });
    let end = node.snapshot();
    assert!(end == states.steps[3], "{:?}", end.difference(&states.steps[3]));
    assert!(calls(&node).is_superset(&states.calls));
}

#[test]
fn a_delivery_waits_for_a_run_that_has_the_lock() {
    let node = offered();
    let lock = File::open(node.at("opt/podplane/etc")).unwrap();
    lock.lock().unwrap();
    let before = node.snapshot();
    std::thread::scope(|scope| {
        let run = scope.spawn(|| node.run(&RECEIVE));
        // long enough that a run which asks nobody would be done
        std::thread::sleep(Duration::from_secs(2));
        let mut meanwhile = node.snapshot();
        // the trigger goes at once, so that what comes meanwhile starts another run
        meanwhile
            .0
            .extend(before.0.get_key_value(TRIGGER).map(|(path, entry)| (path.clone(), entry.clone())));
        assert!(meanwhile == before, "{:?}", meanwhile.difference(&before));
        assert!(calls(&node).is_empty() && !run.is_finished(), "{:?}", calls(&node));
        lock.unlock().unwrap();
        let output = run.join().unwrap();
        assert!(output.status.success(), "{output:?}");
    });
    assert!(calls(&node).contains("restart kubelet"), "{:?}", calls(&node));
}

#[test]
fn a_delivery_restarts_what_reads_it_and_nothing_else() {
    let node = offered();
    node.succeed(&RECEIVE);
    for (text, expected) in [
        ("# generation: 3\nKUBE_CLUSTER_DNS=10.96.0.10\n", &["restart kubelet"][..]),
        ("# generation: 4\nREGISTRY_SECRET_ACCESS_KEY=other\n", &["restart zot"]),
        ("# generation: 5\nREGISTRY_ENABLED=false\n", &["disable zot", "restart containerd", "stop zot"]),
        // the same again
        ("# generation: 5\nREGISTRY_ENABLED=false\n", &[]),
    ] {
        let _ = fs::remove_file(node.at(TOOLS).join("calls"));
        node.write(DELIVERY, text, 0o600);
        rested(&node);
        node.succeed(&RECEIVE);
        assert_eq!(calls(&node).iter().map(String::as_str).collect::<Vec<_>>(), expected, "{text}");
    }
}

#[test]
fn a_delivery_while_the_services_of_the_one_before_restart_is_the_one_that_counts() {
    let node = offered();
    let path = |path: &str| node.at(path).display().to_string();
    // the first restart that is asked for takes so long that all of the next delivery falls into it
    let meanwhile = format!(
        "#!/bin/sh\necho \"$@\" >>\"${{0%/*}}/calls\"\nmkdir \"${{0%/*}}/once\" 2>/dev/null || exit 0\n\
         printf '# generation: 3\\nKUBE_API_PORT=8443\\n' >{}\n{} receive >&2\n",
        path(DELIVERY),
        node.words(&[]).join(" "),
    );
    node.write(&format!("{TOOLS}/systemctl"), &meanwhile, 0o755);
    let output = node.run(&RECEIVE);
    assert!(output.status.success(), "{output:?}");
    let record = fs::read_to_string(node.at(RECORD)).unwrap();
    assert!(record.contains("GENERATION='3'") && record.contains("RESTART=''"), "{record}");
    let kubeconfig = fs::read_to_string(node.at("opt/kubelet/etc/kubeconfig")).unwrap();
    assert!(kubeconfig.contains(":8443"), "{kubeconfig}");
    // what came before stays refused
    node.write(DELIVERY, "# generation: 2\nKUBE_API_PORT=7443\n", 0o600);
    rested(&node);
    assert_eq!(node.run(&RECEIVE).status.code(), Some(8));
}

#[test]
fn sixteen_mebibytes_are_enough_for_the_largest_delivery() {
    const MOST: usize = 64 * 1024;
    let node = offered();
    // text outside of blocks is passed over
    let full = |block: &str| format!("{block}{}\n", "x".repeat(MOST - block.len() - 1));
    for name in PAIRS.iter().filter(|pair| pair.on_workers).map(|pair| pair.name) {
        node.write(&format!("opt/nstance-agent/recv/{name}.crt"), &full(CERTIFICATE), 0o600);
        node.write(&format!("opt/nstance-agent/keys/{name}.key"), &full(KEY), 0o600);
    }
    let output = node.run_in_shell("ulimit -v 16384 && exec \"$@\"", &RECEIVE);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(fs::metadata(node.at("opt/crt/kubelet.server.crt")).unwrap().len(), MOST as u64);
}

#[test]
fn with_every_class_fixed_no_delivery_brings_an_authority_of_its_own() {
    const MADE: &str = include_str!("../../../../tests/fixtures/certificates/authorities/p384.pem");
    let certificates: Vec<&str> = MADE.split_inclusive("-----END CERTIFICATE-----\n").collect();
    let (present, next) = (certificates[0], certificates[1]);
    let node = Node::booted();
    node.write(&format!("{TOOLS}/systemctl"), "#!/bin/sh\n", 0o755);
    let classes =
        ["root", "cluster-admin", "authorities", "endpoints"].map(|name| format!("{name} = \"user-data\"\n"));
    node.write("opt/podplane/share/policy.toml", &classes.concat(), 0o644);
    let deliver = |text: &str| {
        node.write("opt/nstance-agent/recv/ca.crt", text, 0o600);
        rested(&node);
        let output = node.run(&RECEIVE);
        let placed = fs::read_to_string(node.at("opt/crt/ca.crt")).unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap(), placed == text)
    };
    assert_eq!(deliver(present).0, Some(0), "the first is taken as it comes");
    for bad in [AUTHORITY.to_owned(), format!("{present}{AUTHORITY}"), certificates[3].to_owned()] {
        let (code, said, placed) = deliver(&bad);
        assert_eq!((code, placed), (Some(8), false), "{said}");
        assert!(said.contains("recv/ca.crt: ") && said.contains("policy.toml:3 says `authorities"), "{said}");
    }
    for good in [format!("{present}{next}"), next.to_owned()] {
        let (code, said, placed) = deliver(&good);
        assert_eq!((code, placed), (Some(0), true), "{said}");
    }
}

#[test]
fn below_another_root_no_service_is_asked_for_and_restarts_are_remembered() {
    let node = offered();
    fs::remove_dir_all(node.at(TOOLS)).unwrap();
    let output = node.run(&RECEIVE);
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("not asked, as the root is not `/`: systemctl restart kubelet\n"), "{said}");
    let record = fs::read_to_string(node.at(RECORD)).unwrap();
    let waiting = record.lines().find(|line| line.starts_with("RESTART=")).unwrap();
    assert!(waiting.contains("kubelet"), "{record}");
    let output = node.run(&["restart"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.contains("systemctl daemon-reload\n"), "{said}");
    // on a machine it is asked, and only by its own name
    let systemctl = |words: &[&str]| configure::commands::systemctl::Systemctl::of(words[0].as_ref(), None);
    assert!(systemctl(&["/"]).is_asked() && systemctl(&["//"]).is_asked());
    assert!(!systemctl(&["/mnt"]).is_asked() && !systemctl(&["."]).is_asked());
}

#[test]
fn what_the_image_lacks_need_not_be_switched_off() {
    let node = Node::booted();
    // as systemd answers for a unit that does not exist
    let script = "#!/bin/sh\necho \"$@\" >>\"${0%/*}/calls\"\ncase $1 in disable | stop)\n\
        test -e \"${0%/*}/../../etc/systemd/system/$2.service\" || { echo no such unit >&2; exit 5; };;\nesac\n";
    node.write(&format!("{TOOLS}/systemctl"), script, 0o755);
    assert!(!node.at("etc/systemd/system/kube2iam.service").exists(), "it is in images for aws only");
    let output = node.run(&["restart"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && !said.contains("no such unit"), "{said}");
    let asked = calls(&node);
    assert!(asked.contains("disable zot") && asked.contains("stop kube2iam"), "{asked:?}");
    // a unit that is expected and missing fails
    fs::remove_file(node.at("etc/systemd/system/containerd.service")).unwrap();
    node.write(&format!("{TOOLS}/systemctl"), &script.replace("disable | stop", "enable"), 0o755);
    let output = node.run(&["restart"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("systemctl enable containerd"), "{said}");
}
