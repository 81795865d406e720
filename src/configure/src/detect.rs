//! Facts of the machine, without a process: routes and addresses from the kernel, names, the instance's identity.
//!
//! | fact | from |
//! |---|---|
//! | device | `/proc/net/route`, else `/proc/net/ipv6_route`: the default route of the lowest metric; else that of the only global address |
//! | IPv4 | the kernel's own choice of a source address, which is how a socket would leave by that device; none on a host that has IPv6 alone |
//! | IPv6 | `/proc/net/if_inet6`: the device's lowest global address, public before private, neither tentative nor temporary |
//! | host name | uname(2); a host that is still called `localhost` has none yet |
//! | FQDN | the host name's canonical name when it has a dot, else `<host>.<search domain of resolv.conf>`, else `.localdomain` |
//! | provider id | what cloud-init left: `/run/cloud-init/instance-data.json`, `/var/lib/cloud/data/instance-id` |
//!
//! A value that user-data gives wins, and is not looked for. Not supported, on purpose: metadata services, D-Bus, `ip`.

mod identity;
mod network;

use crate::cloud::{self, Provider};
use crate::install::Image;
use crate::layers::Layer;
use crate::names::{DETECTED, USER_DATA};
use crate::refusal::{Fault, Refusal, Result};
use crate::root::Root;

/// `detected.env` for `user_data` on `image`, or everything that cannot be found out.
pub fn detect(root: &Root, user_data: &Layer, image: &Image) -> Result<Layer> {
    let given = |key: &str| user_data.get(key).filter(|value| !value.is_empty()).map(str::to_owned);
    let mut faults = Vec::new();
    let mut out = Layer::of([
        ("VMCONFIG_KIND".to_owned(), image.kind.clone()),
        ("VMCONFIG_BASE_KIND".to_owned(), "node".to_owned()),
    ]);
    let mut fact = |key: &str, found: Option<String>, rule: &str| match found {
        Some(value) => out.set(key, &value),
        None => faults.push(
            Fault::new(DETECTED, rule)
                .key(key)
                .hint(format!("give {key} in {USER_DATA}, or mend what it is read from")),
        ),
    };
    let provider = Provider::of(user_data.get("PROVIDER_KIND").unwrap_or_default());
    let cloud = provider.map_or(cloud::PLAIN, cloud::of);
    let id = match given("INSTANCE_PROVIDER_ID") {
        Some(id) => Some(id),
        None => identity::provider_id(root, cloud.id)?,
    };
    fact("INSTANCE_PROVIDER_ID", id, &cloud.id.expected());
    let routes = network::Routes::read(root)?;
    let device = given("INSTANCE_NETDEV").or_else(|| routes.device());
    let ipv4 = given("INSTANCE_IPV4").or_else(|| device.as_deref().and_then(|device| routes.ipv4(device)));
    let ipv6 = match user_data.get("INSTANCE_IPV6") {
        // given empty, it says that there is none
        Some(given) => Some(given.to_owned()),
        None => Some(device.as_deref().and_then(|device| routes.ipv6(device)).unwrap_or_default()),
    };
    fact("INSTANCE_NETDEV", device, "expected a default route, or one global address alone");
    // a host may have either family alone
    let ipv4 = ipv4.or_else(|| ipv6.as_ref().filter(|address| !address.is_empty()).map(|_| String::new()));
    fact(
        "INSTANCE_IPV4",
        ipv4,
        "expected an IPv4 or a global IPv6 address on the device of the default route",
    );
    fact("INSTANCE_IPV6", ipv6, "expected an address or nothing");
    let hostname = given("INSTANCE_HOSTNAME").or_else(network::hostname);
    let fqdn = match given("INSTANCE_FQDN") {
        Some(fqdn) => Some(fqdn),
        None => match &hostname {
            Some(hostname) => Some(network::fqdn(root, hostname)?),
            None => None,
        },
    };
    let unnamed = "expected a host name other than `localhost`: whoever names this host has not done it yet";
    fact("INSTANCE_HOSTNAME", hostname, unnamed);
    fact("INSTANCE_FQDN", fqdn, unnamed);
    if faults.is_empty() { Ok(out) } else { Err(Refusal::input(faults)) }
}

#[cfg(test)]
mod tests {
    use super::detect;
    use crate::layers::Layer;
    use crate::node::Node;

    const ROUTE6: &str = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 \
        20010db8000000000000000000000001 00000400 00000001 00000000 00000003     e0\n";

    fn found(node: &Node, more: &[(&str, &str)]) -> Result<Layer, String> {
        let image = crate::install::load(&node.root()).expect("an image");
        let given =
            [("INSTANCE_HOSTNAME", "h"), ("INSTANCE_PROVIDER_ID", "id"), ("PROVIDER_KIND", "proxmox")];
        let given = given.iter().chain(more).map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        detect(&node.root(), &Layer::of(given), &image).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn a_host_without_ipv4_is_found_by_its_ipv6_address() {
        let node = Node::new("detect-ipv6");
        node.write("/proc/net/route", "Iface\tDestination\tGateway \tFlags\n");
        node.write("/proc/net/ipv6_route", ROUTE6);
        node.write("/proc/net/if_inet6", "20010db8000000000000000000000005 02 40 00 80     e0\n");
        let facts = found(&node, &[]).expect("facts");
        let fact = |key| facts.get(key);
        assert_eq!(
            [fact("INSTANCE_NETDEV"), fact("INSTANCE_IPV4"), fact("INSTANCE_IPV6")],
            [Some("e0"), Some(""), Some("2001:db8::5")]
        );
        // that it has no IPv6 address is user-data's word, and leaves it without any
        let said = found(&node, &[("INSTANCE_IPV6", "")]).err().expect("a refusal");
        assert!(said.contains("INSTANCE_IPV4: expected an IPv4 or a global IPv6 address"), "{said}");
        assert!(said.contains("hint: give INSTANCE_IPV4 in"), "{said}");
    }

    #[test]
    fn an_address_that_is_not_settled_yet_is_none() {
        let node = Node::new("detect-tentative");
        node.write("/proc/net/ipv6_route", ROUTE6);
        node.write("/proc/net/if_inet6", "20010db8000000000000000000000005 02 40 00 c0     e0\n");
        assert!(found(&node, &[]).is_err_and(|said| said.contains("INSTANCE_IPV4")));
    }
}
