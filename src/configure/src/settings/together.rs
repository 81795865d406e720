//! What settings of a control plane must be together: names that netsy takes, ranges that the API server and the controller
//! manager take.

use crate::layers::Layers;
use crate::names::{MUTABLE, Role};
use crate::refusal::Fault;
use crate::rules::{Range, is_netsy_name, ranges};

const PODS: &str = "KUBE_CLUSTER_CIDR";
const SERVICES: &str = "KUBE_SERVICE_CLUSTER_IP_RANGE";
/// The most bits between the range of all pods and that of a node, in IPv6 (`cidrset` of the controller manager).
const MOST_NODES: u32 = 16;

/// Adds every fault. Values that break a rule of their own are told already, and pass here.
pub(super) fn check(layers: &Layers, role: Role, faults: &mut Vec<Fault>) {
    if role != Role::ControlPlane {
        return;
    }
    if is_too_much_for_netsy(layers.value("INSTANCE_ID")) {
        let rule = "expected a name that netsy takes, as this is a control plane: small letters, digits and single `-` \
                    between them, at most 32";
        faults.push(at(layers, "INSTANCE_ID", rule.to_owned()));
    }
    let (Some(pods), Some(services)) = (ranges(layers.value(PODS)), ranges(layers.value(SERVICES))) else {
        return;
    };
    if pods.iter().any(|pods| services.iter().any(|services| services.overlaps(pods))) {
        // the one that was given is the one to change
        let (key, other) = if layers.find(PODS).is_some_and(|found| !found.value.is_empty()) {
            (PODS, SERVICES)
        } else {
            (SERVICES, PODS)
        };
        let rule = format!("expected a range of its own, found one that overlaps {other}");
        faults.push(at(layers, key, rule).hint(format!("{other} is `{}` by default", default(other))));
    }
    for range in &pods {
        let (family, key) = if range.bits == 32 {
            ("IPv4", "KUBE_NODE_CIDR_MASK_SIZE_IPV4")
        } else {
            ("IPv6", "KUBE_NODE_CIDR_MASK_SIZE_IPV6")
        };
        let Ok(size) = layers.value(key).parse::<u32>() else { continue };
        if let Some(rule) = of_node(range, family, size) {
            faults.push(at(layers, key, rule).hint(format!("a node's range is a part of {PODS}")));
        }
    }
}

/// A node's name that netsy does not take.
fn is_too_much_for_netsy(name: &str) -> bool {
    !name.is_empty() && crate::rules::Rule::NodeName.holds(name) && !is_netsy_name(name)
}

/// What is wrong with ranges of `size` bits for nodes in `range`.
fn of_node(range: &Range, family: &str, size: u32) -> Option<String> {
    if size > range.bits {
        return Some(format!("expected at most {} bits, as {PODS} has {family}", range.bits));
    }
    if size < range.length {
        return Some(format!("expected at least the {} bits of the {family} range of {PODS}", range.length));
    }
    let most = range.length + MOST_NODES;
    (range.bits == 128 && size > most)
        .then(|| format!("expected at most {most}, {MOST_NODES} more than the {family} range of {PODS} has"))
}

/// A fault of the setting `key`, where it is given.
fn at(layers: &Layers, key: &str, rule: String) -> Fault {
    match layers.find(key) {
        Some(found) if found.line > 0 => Fault::new(found.place, rule).line(found.line).key(key),
        Some(found) => Fault::new(found.place, rule).key(key),
        None => Fault::new(MUTABLE, rule).key(key),
    }
}

fn default(key: &str) -> &'static str {
    crate::keys::find(key).map_or("", |key| key.default)
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::layers::{Layer, Layers};
    use crate::names::Role;

    type Given<'a> = &'a [(&'a str, &'a str)];

    fn told(role: Role, pairs: Given<'_>) -> Vec<String> {
        let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let layers = Layers { user_data: Layer::of(pairs), ..Layers::default() };
        let mut faults = Vec::new();
        check(&layers, role, &mut faults);
        faults.iter().map(|fault| fault.key.clone().unwrap_or_default()).collect()
    }

    #[test]
    fn what_the_control_plane_s_programs_refuse_is_refused_here() {
        let none: &[&str] = &[];
        let cases: [(Given<'_>, &[&str]); 13] = [
            (&[], none),
            (&[("KUBE_CLUSTER_CIDR", "198.18.0.0/16")], &["KUBE_CLUSTER_CIDR"]),
            (&[("KUBE_SERVICE_CLUSTER_IP_RANGE", "100.64.0.0/16")], &["KUBE_SERVICE_CLUSTER_IP_RANGE"]),
            (
                &[("KUBE_SERVICE_CLUSTER_IP_RANGE", "198.18.0.0/15,fd64::/108")],
                &["KUBE_SERVICE_CLUSTER_IP_RANGE"],
            ),
            (
                &[("KUBE_CLUSTER_CIDR", "10.0.0.0/16"), ("KUBE_SERVICE_CLUSTER_IP_RANGE", "10.0.128.0/17")],
                &["KUBE_CLUSTER_CIDR"],
            ),
            (&[("KUBE_CLUSTER_CIDR", "10.0.0.0/16"), ("KUBE_SERVICE_CLUSTER_IP_RANGE", "10.1.0.0/16")], none),
            (&[("KUBE_CLUSTER_CIDR", "10.0.0.0/25")], &["KUBE_NODE_CIDR_MASK_SIZE_IPV4"]),
            (&[("KUBE_NODE_CIDR_MASK_SIZE_IPV4", "9")], &["KUBE_NODE_CIDR_MASK_SIZE_IPV4"]),
            (&[("KUBE_NODE_CIDR_MASK_SIZE_IPV6", "65")], &["KUBE_NODE_CIDR_MASK_SIZE_IPV6"]),
            (&[("KUBE_NODE_CIDR_MASK_SIZE_IPV6", "65"), ("KUBE_CLUSTER_CIDR", "10.0.0.0/16")], none),
            (&[("INSTANCE_ID", "node.example")], &["INSTANCE_ID"]),
            (&[("INSTANCE_ID", "Node_1")], none),
            (&[("INSTANCE_ID", "a-name-of-more-than-thirty-two-letters")], &["INSTANCE_ID"]),
        ];
        for (given, wanted) in cases {
            assert_eq!(told(Role::ControlPlane, given), wanted, "{given:?}");
            assert_eq!(told(Role::Worker, given), none, "{given:?}");
        }
    }
}
