use super::{NetworkFile, read};
use crate::yaml;

fn files(text: &str) -> Vec<NetworkFile> {
    let config = read(&yaml::parse(text).unwrap()).unwrap();
    assert!(config.faults.is_empty(), "{:?}", config.faults);
    config.files()
}

fn text(text: &str, name: &str) -> String {
    let files = files(text);
    files.iter().find(|file| file.name == name).unwrap_or_else(|| panic!("{files:#?}")).text.clone()
}

#[test]
fn version_1_as_proxmox_writes_it() {
    let config = "version: 1\nconfig:\n    - type: physical\n      name: eth0\n      mac_address: 'BC:24:11:00:00:01'\n      subnets:\n      - type: static\n        \
        address: '10.0.2.77'\n        netmask: '255.255.255.0'\n        gateway: '10.0.2.2'\n    - type: nameserver\n      address:\n      - '10.0.2.3'\n      search:\n      - 'example.test'\n";
    let expected = "[Match]\nPermanentMACAddress=bc:24:11:00:00:01\n\n[Network]\nDHCP=no\nDNS=10.0.2.3\nDomains=example.test\n\n\
        [Address]\nAddress=10.0.2.77/24\n\n[Route]\nGateway=10.0.2.2\n";
    assert_eq!(text(config, "10-cloud-init-eth0.network"), expected);
    assert_eq!(
        text(config, "10-cloud-init-eth0.link"),
        "[Match]\nPermanentMACAddress=bc:24:11:00:00:01\n\n[Link]\nName=eth0\n"
    );
}

#[test]
fn version_1_with_dhcp_vlans_bonds_and_routes() {
    let config = "version: 1\nconfig:\n- {type: physical, name: a, subnets: [{type: dhcp}, {type: dhcp6}]}\n- {type: physical, name: b}\n- {type: physical, name: c}\n\
        - {type: bond, name: bond0, bond_interfaces: [b, c], params: {bond-mode: 4, bond-miimon: 100}, subnets: [{type: static, address: 10.1.0.2/16, routes: [{network: 10.9.0.0, netmask: 255.255.0.0, gateway: 10.1.0.1}]}]}\n\
        - {type: vlan, name: v5, vlan_link: bond0, vlan_id: 5, mtu: 1400}\n- {type: route, destination: 10.8.0.0/16, gateway: 10.1.0.9, metric: 3}\n";
    assert!(text(config, "10-cloud-init-a.network").contains("Name=a\n\n[Network]\nDHCP=yes\n"));
    assert!(text(config, "10-cloud-init-b.network").contains("Bond=bond0\n"));
    assert_eq!(
        text(config, "10-cloud-init-bond0.netdev"),
        "[NetDev]\nName=bond0\nKind=bond\n\n[Bond]\nMIIMonitorSec=100ms\nMode=802.3ad\n"
    );
    let bond = text(config, "10-cloud-init-bond0.network");
    for part in [
        "VLAN=v5\n",
        "Destination=10.9.0.0/16\nGateway=10.1.0.1\n",
        "Destination=10.8.0.0/16\nGateway=10.1.0.9\nMetric=3\n",
    ] {
        assert!(bond.contains(part), "{part}: {bond}");
    }
    assert!(text(config, "10-cloud-init-v5.netdev").contains("Kind=vlan\n\n[VLAN]\nId=5\n"));
}

#[test]
fn version_2_as_clouds_and_people_write_it() {
    let config = "version: 2\nethernets:\n  id0:\n    match: {macaddress: '52:54:00:12:34:56'}\n    set-name: eth0\n    dhcp4: true\n    dhcp6: false\n    mtu: 9000\n    \
        addresses: ['2001:db8::5/64', 10.0.0.5/24]\n    gateway4: 10.0.0.1\n    routes: [{to: default, via: '2001:db8::1', on-link: true}, {to: 10.5.0.0/16, via: 10.0.0.3, metric: 7}]\n    \
        nameservers: {addresses: [1.1.1.1, '2606:4700::1111'], search: [a.test, b.test]}\n    dhcp4-overrides: {use-dns: false, route-metric: 50}\n    optional: true\n";
    let expected = "[Match]\nPermanentMACAddress=52:54:00:12:34:56\n\n[Link]\nMTUBytes=9000\nRequiredForOnline=no\n\n[Network]\nDHCP=ipv4\nDNS=1.1.1.1\nDNS=2606:4700::1111\n\
        Domains=a.test b.test\n\n[Address]\nAddress=2001:db8::5/64\n\n[Address]\nAddress=10.0.0.5/24\n\n[Route]\nGateway=10.0.0.1\n\n[Route]\nGateway=2001:db8::1\nGatewayOnLink=yes\n\n\
        [Route]\nDestination=10.5.0.0/16\nGateway=10.0.0.3\nMetric=7\n\n[DHCPv4]\nRouteMetric=50\nUseDNS=no\n";
    assert_eq!(text(config, "10-cloud-init-id0.network"), expected);
    let bridge = "version: 2\nethernets: {a: {}}\nbridges: {br0: {interfaces: [a], dhcp4: true, parameters: {stp: false}}}\n";
    assert!(text(bridge, "10-cloud-init-a.network").contains("Bridge=br0\n"));
    assert!(text(bridge, "10-cloud-init-br0.netdev").ends_with("[Bridge]\nSTP=no\n"));
}

#[test]
fn no_value_can_write_a_line_of_its_own() {
    for config in [
        "version: 3",
        "version: 1",
        "version: 1\nconfig: [{type: physical, name: \"a\\n[Match]\"}]",
        "version: 1\nconfig: [{type: physical, name: ../a}]",
        "version: 1\nconfig: [{type: physical, name: a, mac_address: \"x\\n\"}]",
        "version: 1\nconfig: [{type: physical, name: a, subnets: [{type: static, address: 10.0.0.5, netmask: 255.0.255.0}]}]",
        "version: 1\nconfig: [{type: vlan, name: a, vlan_link: b, vlan_id: 5}]",
        "version: 1\nconfig: [{type: vlan, name: a, vlan_link: a, vlan_id: 4095}]",
        "version: 1\nconfig: [{type: nameserver, address: \"1.1.1.1\", search: [\"a\\nb\"]}]",
        "version: 2\nethernets: {a: {match: {name: \"a\\nb\"}}}",
        "version: 2\nethernets: {a: {match: {}}}",
        "version: 2\nethernets: {a: {addresses: [10.0.0.5/33]}}",
        "version: 2\nethernets: {a: {set-name: \"x y\"}}",
        "version: 2\nethernets: {a: {dhcp4: maybe}}",
        "version: 2\nbonds: {a: {parameters: {mode: \"a\\nb\"}}}",
        "version: 2\nbonds: {a: {interfaces: [a]}}",
        "version: 2\nethernets: []",
    ] {
        assert!(read(&yaml::parse(config).unwrap()).is_err(), "{config}");
    }
}

#[test]
fn what_is_not_supported_is_said_and_the_rest_counts() {
    let config = "version: 2\nwifis: {}\nethernets: {a: {dhcp4: true, virtual-function-count: 5, dhcp4-overrides: {x: 1}}}\n";
    let config = read(&yaml::parse(config).unwrap()).unwrap();
    assert_eq!((config.faults.len(), config.links.len()), (3, 1));
}
