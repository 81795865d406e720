//! What a delivery restarts: what reads a file that changed, nothing else, and nothing is forgotten.

use super::deliver;
use crate::node::Node;
use crate::receive::record::Record;
use crate::receive::take::RECV;
use crate::refusal::Class;
use crate::services::Service;
use std::collections::BTreeSet;

/// What is to be restarted after the delivery that lies in `node`, and what is written down of it.
fn restarts(node: &Node) -> (BTreeSet<Service>, BTreeSet<Service>) {
    let root = node.root();
    let image = crate::install::load(&root).expect("an image");
    let mut record = Record::read(&root).expect("a record");
    let (_, steps) = deliver(&root, &image, &mut record).expect("a delivery");
    let written = Record::read(&root).expect("a record").services("RESTART");
    (steps.services.iter().map(|step| step.service).collect(), written)
}

fn configured(name: &str) -> Node {
    let node = Node::new(name);
    node.configure();
    node
}

#[test]
fn only_what_reads_a_changed_file_restarts() {
    let node = configured("restart-few");
    for (text, expected) in [
        ("KUBE_CLUSTER_DNS=10.96.0.10\n", [Service::Kubelet]),
        ("KUBE_SERVICE_ACCOUNT_ISSUER=https://i\n", [Service::KubeApiserver]),
        ("NETSY_KEY_PREFIX=p\n", [Service::Netsy]),
    ] {
        node.write(&format!("{RECV}/mutable.env"), text);
        let expected = BTreeSet::from(expected);
        assert_eq!(restarts(&node), (expected.clone(), expected), "{text}");
        // they have been restarted
        let root = node.root();
        let mut record = Record::read(&root).expect("a record");
        record.set_services("RESTART", &BTreeSet::new());
        let ids = crate::accounts::Accounts::read(&root).expect("accounts").ids();
        record.write(&root, &ids, std::time::SystemTime::now()).expect("written");
    }
    // the same again
    assert_eq!(restarts(&node), (BTreeSet::new(), BTreeSet::new()));
}

#[test]
fn a_restart_that_was_written_down_and_not_made_is_made_with_the_next_delivery() {
    let node = configured("restart-lost");
    node.write(&format!("{RECV}/mutable.env"), "KUBE_CLUSTER_DNS=10.96.0.10\n");
    let kubelet = BTreeSet::from([Service::Kubelet]);
    assert_eq!(restarts(&node), (kubelet.clone(), kubelet.clone()));
    // it ended here: the next run finds every file as it is to be
    assert_eq!(restarts(&node), (kubelet.clone(), kubelet.clone()));
    node.write(&format!("{RECV}/mutable.env"), "NETSY_KEY_PREFIX=p\n");
    let both = BTreeSet::from([Service::Kubelet, Service::Netsy]);
    assert_eq!(restarts(&node), (both.clone(), both));
}

#[test]
fn no_refused_delivery_makes_the_number_of_the_last_one_forgotten() {
    let node = configured("generation-kept");
    node.write(&format!("{RECV}/mutable.env"), "# generation: 5\nKUBE_LOG_LEVEL=4\n");
    restarts(&node);
    let root = node.root();
    let image = crate::install::load(&root).expect("an image");
    // keys that are told, each longer than the record may be, or with what no file of settings can have
    for key in
        ["\u{200b}".repeat(20_000), "k".repeat(60_000), "a\u{fffe}".to_owned(), "\u{1b}[2J".repeat(5000)]
    {
        node.write(&format!("{RECV}/mutable.env"), &format!("# generation: 6\n{key}-=1\n"));
        let mut record = Record::read(&root).expect("a record");
        let Err(refusal) = deliver(&root, &image, &mut record) else { panic!("expected a refusal") };
        assert!(refusal.to_string().len() < 4096, "{}", refusal.to_string().len());
        super::once(&root, refusal, record.get("DELIVERY")).expect("remembered");
        let record = Record::read(&root).expect("a record");
        assert_eq!(record.get("GENERATION"), "5");
        assert!(record.get("WHY").contains("expected a key"), "{}", record.get("WHY"));
    }
    node.write(&format!("{RECV}/mutable.env"), "# generation: 4\nKUBE_LOG_LEVEL=2\n");
    let mut record = Record::read(&root).expect("a record");
    assert!(deliver(&root, &image, &mut record).is_err());
}

#[test]
fn a_refused_delivery_restarts_nothing_and_is_told_once() {
    let node = configured("restart-refused");
    node.write(&format!("{RECV}/mutable.env"), "KUBE_CLUSTER_DNS=nowhere\n");
    let root = node.root();
    let image = crate::install::load(&root).expect("an image");
    for told in [true, false] {
        let mut record = Record::read(&root).expect("a record");
        let Err(refusal) = deliver(&root, &image, &mut record) else { panic!("expected a refusal") };
        let refusal = super::once(&root, refusal, record.get("DELIVERY")).expect("remembered");
        assert_eq!((refusal.class, !refusal.faults.is_empty()), (Class::Input, told));
        let record = Record::read(&root).expect("a record");
        assert!(record.services("RESTART").is_empty());
        assert!(record.get("WHY").contains("KUBE_CLUSTER_DNS") && !record.get("WHY").contains("nowhere"));
    }
}
