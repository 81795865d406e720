//! Version 2: mappings of links by what they are, as netplan has them.

use super::{
    Config, Link, Made, Match, Route, address, cidr, domains, is_default, mac, render, servers, unknown,
    words,
};
use crate::report::Fault;
use crate::yaml;
use serde_json::{Map, Value};

const LINK: &[&str] = &[
    "match",
    "set-name",
    "dhcp4",
    "dhcp6",
    "accept-ra",
    "addresses",
    "gateway4",
    "gateway6",
    "nameservers",
    "routes",
    "mtu",
    "macaddress",
    "optional",
    "dhcp4-overrides",
    "dhcp6-overrides",
    "id",
    "link",
    "interfaces",
    "parameters",
    "renderer",
    // as networkd does it in any case
    "dhcp-identifier",
    "wakeonlan",
];
/// Keys of overrides, and networkd's for them.
const OVERRIDES: &[(&str, &str)] = &[
    ("use-dns", "UseDNS"),
    ("use-domains", "UseDomains"),
    ("use-hostname", "UseHostname"),
    ("use-mtu", "UseMTU"),
    ("use-ntp", "UseNTP"),
    ("use-routes", "UseRoutes"),
    ("route-metric", "RouteMetric"),
    ("hostname", "Hostname"),
    ("send-hostname", "SendHostname"),
];

pub(super) fn read(value: &Value) -> Result<Config, String> {
    let mut config = Config::default();
    let map = value.as_object().ok_or("network-config: expected a mapping")?;
    unknown(
        "network",
        map,
        &["version", "renderer", "ethernets", "vlans", "bonds", "bridges"],
        &mut config.faults,
    );
    let mut members = Vec::new();
    for kind in ["ethernets", "vlans", "bonds", "bridges"] {
        let Some(links) = map.get(kind).filter(|links| !links.is_null()) else { continue };
        let links =
            links.as_object().ok_or_else(|| format!("network-config: `{kind}`: expected a mapping"))?;
        for (id, link) in links {
            let empty = Map::new();
            let link = match link {
                Value::Object(map) => map,
                Value::Null => &empty,
                _ => {
                    return Err(format!(
                        "network-config: `{kind}.{}`: expected a mapping",
                        id.escape_debug()
                    ));
                }
            };
            unknown(id, link, LINK, &mut config.faults);
            config.links.push(self::link(kind, id, link, &mut config.faults)?);
            let joined = |key: &str| words(link.get(key).unwrap_or(&Value::Null));
            match kind {
                "vlans" => members.push(("VLAN", id.clone(), joined("link"))),
                "bonds" => members.push(("Bond", id.clone(), joined("interfaces"))),
                "bridges" => members.push(("Bridge", id.clone(), joined("interfaces"))),
                _ => {}
            }
        }
    }
    for (key, id, members) in members {
        super::join(&mut config.links, key, &id, &members)?;
    }
    Ok(config)
}

fn link(kind: &str, id: &str, map: &Map<String, Value>, faults: &mut Vec<Fault>) -> Result<Link, String> {
    let text = |key: &str| map.get(key).filter(|value| !value.is_null()).and_then(yaml::text);
    let flag = |key: &str| -> Result<Option<bool>, String> {
        match map.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(Value::String(text)) if text == "true" => Ok(Some(true)),
            Some(Value::String(text)) if text == "false" => Ok(Some(false)),
            Some(_) => Err(format!("network-config: `{id}.{key}`: expected true or false")),
        }
    };
    let mut link = Link { id: id.to_owned(), ..Link::default() };
    match kind {
        "ethernets" => {
            link.matches = matches(id, map.get("match"))?;
            link.set_name = text("set-name");
            if link.set_name.is_some() && link.matches.mac.is_none() {
                faults.push(super::unsupported(id, "set-name"));
            }
            link.mac = text("macaddress").map(|text| mac(&text)).transpose()?;
        }
        "vlans" => {
            let number = map.get("id").and_then(Value::as_u64).and_then(|id| u16::try_from(id).ok());
            let number = number.filter(|number| (1..=4094).contains(number));
            link.made = Some(Made::Vlan(
                number.ok_or_else(|| format!("network-config: `{id}.id`: expected 1 to 4094"))?,
            ));
        }
        _ => {
            let parameters = map.get("parameters").and_then(Value::as_object).cloned().unwrap_or_default();
            let (known, is_bond) =
                if kind == "bonds" { (render::BOND, true) } else { (render::BRIDGE, false) };
            let parameters = render::parameters(id, &parameters, known, faults)?;
            link.made = Some(if is_bond { Made::Bond(parameters) } else { Made::Bridge(parameters) });
            link.mac = text("macaddress").map(|text| mac(&text)).transpose()?;
        }
    }
    link.dhcp4 = flag("dhcp4")?.unwrap_or_default();
    link.dhcp6 = flag("dhcp6")?.unwrap_or_default();
    link.accept_ra = flag("accept-ra")?;
    link.optional = flag("optional")?.unwrap_or_default();
    link.mtu = map.get("mtu").and_then(Value::as_u64);
    for one in map.get("addresses").and_then(Value::as_array).into_iter().flatten() {
        // an address may have a mapping of what else is said of it
        let one = match one {
            Value::Object(map) => map.keys().next().cloned(),
            other => yaml::text(other),
        };
        link.addresses.push(cidr(
            &one.ok_or_else(|| format!("network-config: `{id}.addresses`: expected text"))?,
            None,
        )?);
    }
    for key in ["gateway4", "gateway6"] {
        if let Some(gateway) = text(key) {
            let via = Some(address(&gateway)?.0.to_string());
            link.routes.push(Route { to: None, via, metric: None, on_link: false });
        }
    }
    for route in map.get("routes").and_then(Value::as_array).into_iter().flatten() {
        link.routes.push(self::route(id, route, faults)?);
    }
    if let Some(names) = map.get("nameservers") {
        link.dns = servers(names.get("addresses").unwrap_or(&Value::Null))?;
        link.search = domains(names.get("search").unwrap_or(&Value::Null))?;
    }
    for (at, key) in ["dhcp4-overrides", "dhcp6-overrides"].into_iter().enumerate() {
        let given = map.get(key).and_then(Value::as_object).cloned().unwrap_or_default();
        for (name, value) in &given {
            let found = OVERRIDES.iter().find(|(known, _)| known == name);
            let text = match value {
                Value::Bool(flag) => Some(if *flag { "yes" } else { "no" }.to_owned()),
                Value::Number(number) => Some(number.to_string()),
                Value::String(text) if domains(value).is_ok_and(|words| words.len() == 1) => {
                    Some(text.clone())
                }
                _ => None,
            };
            match (found, text, link.overrides.get_mut(at)) {
                (Some((_, key)), Some(text), Some(overrides)) => overrides.push((*key, text)),
                _ => faults.push(super::unsupported(&format!("{id}.{key}"), name)),
            }
        }
    }
    Ok(link)
}

/// Which card it is: the one of its name where nothing else is said.
fn matches(id: &str, value: Option<&Value>) -> Result<Match, String> {
    let Some(map) = value.and_then(Value::as_object) else {
        return Ok(Match { name: Some(id.to_owned()), ..Match::default() });
    };
    let pattern = |key: &str| -> Result<Option<String>, String> {
        let Some(text) = map.get(key).and_then(Value::as_str) else { return Ok(None) };
        let known = |one: char| one.is_ascii_alphanumeric() || "-_.:@*?[]!".contains(one);
        match !text.is_empty() && text.chars().all(known) {
            true => Ok(Some(text.to_owned())),
            false => Err(format!("network-config: `{id}.match.{key}`: expected a pattern, found {text:?}")),
        }
    };
    let mac = map.get("macaddress").and_then(Value::as_str).map(mac).transpose()?;
    let found = Match { mac, name: pattern("name")?, driver: pattern("driver")? };
    if found == Match::default() {
        return Err(format!("network-config: `{id}.match`: expected `macaddress`, `name` or `driver`"));
    }
    Ok(found)
}

fn route(id: &str, value: &Value, faults: &mut Vec<Fault>) -> Result<Route, String> {
    let map = value.as_object().ok_or_else(|| format!("network-config: `{id}.routes`: expected mappings"))?;
    unknown(&format!("{id}.routes"), map, &["to", "via", "metric", "on-link"], faults);
    let text = |key: &str| map.get(key).and_then(yaml::text);
    let to = text("to").ok_or_else(|| format!("network-config: `{id}.routes`: expected `to`"))?;
    let to = if is_default(&to) { None } else { Some(cidr(&to, None)?) };
    let via = text("via").map(|via| address(&via)).transpose()?.map(|(ip, _)| ip.to_string());
    let on_link = map.get("on-link").and_then(Value::as_bool).unwrap_or_default();
    Ok(Route { to, via, metric: map.get("metric").and_then(Value::as_u64), on_link })
}
