//! Version 1: a list of things with their types.

use super::{Config, Link, Made, Route, address, cidr, domains, mac, mask, servers, unknown};
use crate::report::Fault;
use crate::yaml;
use serde_json::{Map, Value};

const LINK: &[&str] = &[
    "type",
    "name",
    "mac_address",
    "mtu",
    "subnets",
    "accept-ra",
    "id",
    "vlan_link",
    "vlan_id",
    "bond_interfaces",
    "params",
    "bridge_interfaces",
    "keep_configuration",
];
const SUBNET: &[&str] = &[
    "type",
    "address",
    "netmask",
    "gateway",
    "dns_nameservers",
    "dns_search",
    "routes",
    "control",
    "metric",
    "network_id",
    "id",
    "ipv4",
    "ipv6",
    "scope",
    "broadcast",
    "pointopoint",
];

pub(super) fn read(value: &Value) -> Result<Config, String> {
    let list =
        value.get("config").and_then(Value::as_array).ok_or("network-config: `config`: expected a list")?;
    let are_labels = value.get("names-are-labels").and_then(Value::as_bool).unwrap_or_default();
    let mut config = Config::default();
    let (mut dns, mut search, mut routes) = (Vec::new(), Vec::new(), Vec::new());
    for entry in list {
        let map = entry.as_object().ok_or("network-config: `config`: expected mappings")?;
        match map.get("type").and_then(Value::as_str).unwrap_or_default() {
            kind @ ("physical" | "vlan" | "bond" | "bridge") => {
                let link = link(kind, map, are_labels, &mut config.faults)?;
                config.links.push(link);
            }
            "nameserver" => {
                let (found, domains) = (
                    servers(map.get("address").unwrap_or(&Value::Null))?,
                    domains(map.get("search").unwrap_or(&Value::Null))?,
                );
                match map.get("interface").and_then(Value::as_str) {
                    Some(name) => {
                        let link = config.links.iter_mut().find(|link| link.id == name);
                        let link =
                            link.ok_or_else(|| format!("network-config: unknown interface {name:?}"))?;
                        link.dns.extend(found);
                        link.search.extend(domains);
                    }
                    None => {
                        dns.extend(found);
                        search.extend(domains);
                    }
                }
            }
            "route" => routes.push(route(map)?),
            "loopback" => {}
            other => {
                let what = format!("network-config: type `{}` is not supported", other.escape_debug());
                config.faults.push(Fault::warning(what));
            }
        }
    }
    join(&mut config.links, list)?;
    for link in config.links.iter_mut().filter(|link| !link.is_part()) {
        link.dns.extend(dns.iter().cloned());
        link.search.extend(search.iter().cloned());
    }
    for route in routes {
        // on the link whose network its gateway is in
        let found =
            config.links.iter_mut().find(|link| link.reaches(route.via.as_deref().unwrap_or_default()));
        match found {
            Some(link) => link.routes.push(route),
            None => {
                let what = "network-config: a route by a gateway that is on no link";
                config.faults.push(Fault::warning(what));
            }
        }
    }
    Ok(config)
}

fn link(
    kind: &str,
    map: &Map<String, Value>,
    are_labels: bool,
    faults: &mut Vec<Fault>,
) -> Result<Link, String> {
    let text = |key: &str| map.get(key).filter(|value| !value.is_null()).and_then(yaml::text);
    let name = text("name").ok_or("network-config: `name`: expected text")?;
    unknown(&name, map, LINK, faults);
    let mut link = Link { id: name.clone(), mtu: map.get("mtu").and_then(Value::as_u64), ..Link::default() };
    link.accept_ra = map.get("accept-ra").and_then(Value::as_bool);
    let address = text("mac_address").map(|text| mac(&text)).transpose()?;
    match (kind, address) {
        ("physical", Some(address)) => {
            link.matches.mac = Some(address);
            link.set_name = (!are_labels).then_some(name);
        }
        ("physical", None) => link.matches.name = Some(name),
        (_, address) => {
            link.mac = address;
            link.made = Some(made(kind, map, &name, faults)?);
        }
    }
    for subnet in map.get("subnets").and_then(Value::as_array).into_iter().flatten() {
        let subnet = subnet
            .as_object()
            .ok_or_else(|| format!("network-config: `{}.subnets`: expected mappings", link.id))?;
        take_subnet(&mut link, subnet, faults)?;
    }
    Ok(link)
}

fn made(kind: &str, map: &Map<String, Value>, name: &str, faults: &mut Vec<Fault>) -> Result<Made, String> {
    let params = map.get("params").and_then(Value::as_object).cloned().unwrap_or_default();
    Ok(match kind {
        "vlan" => {
            let id = map
                .get("vlan_id")
                .and_then(|id| yaml::text(id)?.parse().ok())
                .filter(|id| (1..=4094).contains(id));
            Made::Vlan(id.ok_or_else(|| format!("network-config: `{name}.vlan_id`: expected 1 to 4094"))?)
        }
        "bond" => Made::Bond(super::render::parameters(name, &params, super::render::BOND, faults)?),
        _ => Made::Bridge(super::render::parameters(name, &params, super::render::BRIDGE, faults)?),
    })
}

/// Tells links what they are part of, which each of those says.
fn join(links: &mut [Link], list: &[Value]) -> Result<(), String> {
    for entry in list {
        let text = |key: &str| entry.get(key).and_then(yaml::text);
        let (Some(name), Some(kind)) = (text("name"), entry.get("type").and_then(Value::as_str)) else {
            continue;
        };
        let (key, members) = match kind {
            "vlan" => ("VLAN", text("vlan_link").into_iter().collect()),
            "bond" => ("Bond", super::words(entry.get("bond_interfaces").unwrap_or(&Value::Null))),
            "bridge" => ("Bridge", super::words(entry.get("bridge_interfaces").unwrap_or(&Value::Null))),
            _ => continue,
        };
        super::join(links, key, &name, &members)?;
    }
    Ok(())
}

fn take_subnet(link: &mut Link, subnet: &Map<String, Value>, faults: &mut Vec<Fault>) -> Result<(), String> {
    unknown(&link.id, subnet, SUBNET, faults);
    let text = |key: &str| subnet.get(key).filter(|value| !value.is_null()).and_then(yaml::text);
    match subnet.get("type").and_then(Value::as_str).unwrap_or_default() {
        "dhcp" | "dhcp4" => link.dhcp4 = true,
        "dhcp6" | "ipv6_dhcpv6-stateful" => link.dhcp6 = true,
        "ipv6_dhcpv6-stateless" | "ipv6_slaac" => link.accept_ra = Some(true),
        "static" | "static6" => {
            let address = text("address")
                .ok_or_else(|| format!("network-config: `{}`: expected an address", link.id))?;
            link.addresses.push(cidr(&address, text("netmask").as_deref())?);
        }
        "manual" => {}
        other => {
            let what = format!("network-config: subnet type `{}` is not supported", other.escape_debug());
            faults.push(Fault::warning(what));
        }
    }
    if let Some(gateway) = text("gateway") {
        let (ip, _) = address(&gateway)?;
        let metric = subnet.get("metric").and_then(Value::as_u64);
        link.routes.push(Route { to: None, via: Some(ip.to_string()), metric, on_link: false });
    }
    link.dns.extend(servers(subnet.get("dns_nameservers").unwrap_or(&Value::Null))?);
    link.search.extend(domains(subnet.get("dns_search").unwrap_or(&Value::Null))?);
    for route in subnet.get("routes").and_then(Value::as_array).into_iter().flatten() {
        let route = route.as_object().ok_or("network-config: `routes`: expected mappings")?;
        link.routes.push(self::route(route)?);
    }
    Ok(())
}

fn route(map: &Map<String, Value>) -> Result<Route, String> {
    let text = |key: &str| map.get(key).filter(|value| !value.is_null()).and_then(yaml::text);
    let to = text("destination")
        .or_else(|| text("network"))
        .ok_or("network-config: a route without `destination`")?;
    let (ip, prefix) = if to == "default" {
        ("0.0.0.0".parse().map_err(|_| String::new())?, Some(0))
    } else {
        address(&to)?
    };
    let netmask = text("netmask").or_else(|| text("prefix"));
    let given = match (prefix, netmask) {
        (None, Some(netmask)) => Some(
            mask(&netmask, ip)
                .ok_or_else(|| format!("network-config: expected a netmask, found {netmask:?}"))?,
        ),
        (prefix, _) => prefix,
    };
    let to = match given {
        Some(0) => None,
        Some(prefix) => Some(format!("{ip}/{prefix}")),
        None => Some(cidr(&ip.to_string(), None)?),
    };
    let via = text("gateway").map(|text| address(&text)).transpose()?.map(|(ip, _)| ip.to_string());
    Ok(Route { to, via, metric: map.get("metric").and_then(Value::as_u64), on_link: false })
}
