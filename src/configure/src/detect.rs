//! Facts of the machine, without a process: routes and addresses from the kernel, names, the instance's identity.
//!
//! | fact | from |
//! |---|---|
//! | device | `/proc/net/route`, else `/proc/net/ipv6_route`: the default route of the lowest metric; else that of the only global address |
//! | IPv4 | the kernel's own choice of a source address, which is how a socket would leave by that device |
//! | IPv6 | `/proc/net/if_inet6`: the device's lowest global address, public before private, neither tentative nor temporary |
//! | host name | uname(2) |
//! | FQDN | the host name's canonical name when it has a dot, else `<host>.<search domain of resolv.conf>`, else `.localdomain` |
//! | provider id | what cloud-init left: `/run/cloud-init/instance-data.json`, `/var/lib/cloud/data/instance-id` |
//!
//! A value that user-data gives wins, and is not looked for. Deliberately absent: metadata services, D-Bus, `ip`.

mod identity;
mod network;

use crate::install::Image;
use crate::layers::Layer;
use crate::names::{DETECTED, Provider, USER_DATA};
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
    let id = match given("INSTANCE_PROVIDER_ID") {
        Some(id) => Some(id),
        None => identity::provider_id(root, provider)?,
    };
    fact("INSTANCE_PROVIDER_ID", id, identity::wanted(provider));
    let routes = network::Routes::read(root)?;
    let device = given("INSTANCE_NETDEV").or_else(|| routes.device());
    let ipv4 = given("INSTANCE_IPV4").or_else(|| device.as_deref().and_then(|device| routes.ipv4(device)));
    let ipv6 = match user_data.get("INSTANCE_IPV6") {
        // given empty, it says that there is none
        Some(given) => Some(given.to_owned()),
        None => Some(device.as_deref().and_then(|device| routes.ipv6(device)).unwrap_or_default()),
    };
    fact("INSTANCE_NETDEV", device, "wanted a default route, or one global address alone");
    fact("INSTANCE_IPV4", ipv4, "wanted an IPv4 address on the device of the default route");
    fact("INSTANCE_IPV6", ipv6, "wanted an address or nothing");
    let hostname = given("INSTANCE_HOSTNAME").or_else(network::hostname);
    let fqdn = match given("INSTANCE_FQDN") {
        Some(fqdn) => Some(fqdn),
        None => match &hostname {
            Some(hostname) => Some(network::fqdn(root, hostname)?),
            None => None,
        },
    };
    fact("INSTANCE_HOSTNAME", hostname, "wanted a host name");
    fact("INSTANCE_FQDN", fqdn, "wanted a host name");
    if faults.is_empty() { Ok(out) } else { Err(Refusal::input(faults)) }
}
