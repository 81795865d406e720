//! OpenStack's metadata, version 2: on a volume labelled `config-2`, or from its service.

use crate::instance::{Instance, Source, public_keys};
use crate::report::Fault;
use crate::yaml;
use serde_json::{Map, Value, json};

/// Where its files are.
pub const FOLDER: &str = "openstack/latest";

/// The instance that the files which `read` reads are about, if there are any.
///
/// # Errors
///
/// A file that cannot be read, or is not what its name says.
pub fn instance(
    source: Source,
    from: &str,
    read: crate::nocloud::Read<'_>,
) -> Result<Option<Instance>, String> {
    let Some(bytes) = read("meta_data.json")? else { return Ok(None) };
    let Value::Object(metadata) = object("meta_data.json", &bytes)? else {
        return Err("meta_data.json: expected an object".to_owned());
    };
    let text = |key: &str| metadata.get(key).and_then(Value::as_str).map(str::to_owned);
    let id = text("uuid").ok_or("meta_data.json: expected `uuid`")?;
    let mut instance = Instance::new(source, from, id);
    instance.hostname = text("hostname").or_else(|| text("name"));
    instance.zone = text("availability_zone");
    instance.public_keys = metadata.get("public_keys").map(public_keys).unwrap_or_default();
    instance.user_data = read("user_data")?.unwrap_or_default();
    // what may be absent cannot keep users and keys from a machine
    match vendor_data(read) {
        Ok(bytes) => instance.vendor_data = bytes,
        Err(what) => instance.faults.push(Fault::error(what)),
    }
    let described = || match read("network_data.json")? {
        Some(bytes) => {
            let described = object("network_data.json", &bytes)?;
            network(&described).map_err(|what| format!("network_data.json: {what}"))
        }
        None => Ok(None),
    };
    match described() {
        Ok(config) => instance.network = config,
        Err(what) => instance.faults.push(Fault::error(what)),
    }
    let mut known = Map::new();
    known.insert("instance-id".to_owned(), json!(instance.id));
    known.insert("local-hostname".to_owned(), json!(instance.hostname));
    known.extend(metadata);
    instance.metadata = known;
    instance.checked().map(Some)
}

/// vendor_data.json: text, or an object with text for cloud-init.
fn vendor_data(read: crate::nocloud::Read<'_>) -> Result<Vec<u8>, String> {
    let Some(bytes) = read("vendor_data.json")? else { return Ok(Vec::new()) };
    let value = object("vendor_data.json", &bytes)?;
    let text = value.as_str().or_else(|| value.get("cloud-init").and_then(Value::as_str));
    Ok(text.unwrap_or_default().as_bytes().to_vec())
}

fn object(name: &str, bytes: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(bytes).map_err(|error| format!("{name}: invalid JSON: {error}"))
}

/// network_data.json as configuration of version 1; none where it has no links.
fn network(described: &Value) -> Result<Option<Value>, String> {
    let list = |key: &str| described.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let (links, networks) = (list("links"), list("networks"));
    if links.is_empty() {
        return Ok(None);
    }
    let mut config = Vec::new();
    for link in &links {
        let text = |key: &str| link.get(key).and_then(Value::as_str);
        let id = text("id").ok_or("links: expected `id`")?;
        let kind = text("type").unwrap_or("phy");
        let subnets: Result<Vec<Value>, String> = networks
            .iter()
            .filter(|network| network.get("link").and_then(Value::as_str) == Some(id))
            .map(subnet)
            .collect();
        let mut entry = json!({"name": id, "subnets": subnets?});
        let set = |entry: &mut Value, key: &str, value: Value| {
            if let (Some(map), false) = (entry.as_object_mut(), value.is_null()) {
                map.insert(key.to_owned(), value);
            }
        };
        let get = |key: &str| link.get(key).cloned().unwrap_or_default();
        set(&mut entry, "mtu", get("mtu"));
        match kind {
            "bond" => {
                set(&mut entry, "type", json!("bond"));
                set(&mut entry, "bond_interfaces", get("bond_links"));
                set(
                    &mut entry,
                    "params",
                    json!({"bond-mode": get("bond_mode"), "bond-miimon": get("bond_miimon")}),
                );
            }
            "vlan" => {
                set(&mut entry, "type", json!("vlan"));
                set(&mut entry, "vlan_link", get("vlan_link"));
                set(&mut entry, "vlan_id", get("vlan_id"));
            }
            // a card, however it is attached to the host
            _ => {
                set(&mut entry, "type", json!("physical"));
                set(&mut entry, "mac_address", get("ethernet_mac_address"));
            }
        }
        config.push(entry);
    }
    let services = list("services");
    let servers: Vec<Value> = services
        .iter()
        .filter(|service| service.get("type").and_then(Value::as_str) == Some("dns"))
        .filter_map(|service| service.get("address").cloned())
        .collect();
    if !servers.is_empty() {
        config.push(json!({"type": "nameserver", "address": servers}));
    }
    Ok(Some(json!({"version": 1, "config": config, "names-are-labels": true})))
}

fn subnet(network: &Value) -> Result<Value, String> {
    let text = |key: &str| network.get(key).and_then(Value::as_str);
    let kind = text("type").ok_or("networks: expected `type`")?;
    Ok(match kind {
        "ipv4_dhcp" => json!({"type": "dhcp4"}),
        "ipv6_dhcp" | "ipv6_dhcpv6-stateful" => json!({"type": "dhcp6"}),
        "ipv6_slaac" | "ipv6_dhcpv6-stateless" => json!({"type": "ipv6_slaac"}),
        "ipv4" | "ipv6" => {
            let routes = network.get("routes").and_then(Value::as_array).cloned().unwrap_or_default();
            json!({
                "type": "static",
                "address": text("ip_address").ok_or("networks: expected `ip_address`")?,
                "netmask": network.get("netmask").and_then(yaml::text),
                "routes": routes,
            })
        }
        other => return Err(format!("networks: unknown type `{}`", other.escape_debug())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_read_with_its_network() {
        let files = |name: &str| -> Result<Option<Vec<u8>>, String> {
            Ok(match name {
                "meta_data.json" => Some(json!({"uuid": "u-1", "hostname": "a.b", "availability_zone": "z", "public_keys": {"k": "ssh-ed25519 A\n"}})),
                "network_data.json" => Some(json!({
                    "links": [{"id": "tap0", "type": "ovs", "ethernet_mac_address": "fa:16:3e:00:00:01", "mtu": 1450}],
                    "networks": [{"link": "tap0", "type": "ipv4", "ip_address": "10.0.0.5", "netmask": "255.255.255.0",
                        "routes": [{"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "10.0.0.1"}]}],
                    "services": [{"type": "dns", "address": "10.0.0.2"}]})),
                "vendor_data.json" => Some(json!({"cloud-init": "#cloud-config\n{}"})),
                _ => None,
            }
            .map(|value| value.to_string().into_bytes()))
        };
        let instance = instance(Source::ConfigDrive, "/dev/vdb", &files).unwrap().unwrap();
        assert_eq!((instance.id.as_str(), instance.hostname.as_deref()), ("u-1", Some("a.b")));
        assert_eq!(
            (instance.public_keys, instance.zone.as_deref()),
            (vec!["ssh-ed25519 A".to_owned()], Some("z"))
        );
        let files = crate::network::read(&instance.network.unwrap()).unwrap().files();
        let text = &files.iter().find(|file| file.name.ends_with(".network")).unwrap().text;
        for line in [
            "MACAddress=fa:16:3e:00:00:01",
            "Address=10.0.0.5/24",
            "Gateway=10.0.0.1",
            "DNS=10.0.0.2",
            "MTUBytes=1450",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
    }

    #[test]
    fn bad_files_are_errors() {
        for text in ["[]", "{", "{\"uuid\": 1}", "{\"uuid\": \"..\"}"] {
            let read = |name: &str| Ok((name == "meta_data.json").then(|| text.as_bytes().to_vec()));
            assert!(instance(Source::ConfigDrive, "", &read).is_err(), "{text}");
        }
        assert_eq!(instance(Source::ConfigDrive, "", &|_| Ok(None)), Ok(None));
    }
}
