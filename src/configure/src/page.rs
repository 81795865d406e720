//! `docs/settings.md`: what may be set, made from the tables that the program itself goes by. A test holds the file to it.

#[cfg(test)]
pub(crate) mod tests;

use crate::keys::{Given, KEYS, Key, Output};
use crate::names::Role;
use crate::receive::table::{CA_PUB, CRT, KEY, PAIRS, PUB, SIGNING, SIGNING_KEY, SIGNING_PUB, grant};
use crate::services::Service;
use std::fmt::Write as _;

const INTRODUCTION: &str = "\
# Settings of a node

Made from the tables of `src/configure` (`keys/table.rs`, `services.rs`); `cargo test -p configure page` holds this file to
them, and writes it anew with `VMBAKE_ACCEPT=1`.

Three files, each of lines `KEY=value` in the POSIX shell's form of an assignment; nothing in them is ever executed:

| file | written by | holds |
|---|---|---|
| `/opt/podplane/etc/user-data.env` | first boot, once | who the instance is, and first values of anything else |
| `/opt/podplane/etc/detected.env` | the first run, once | what it found out; a value in user-data wins |
| `/opt/podplane/etc/mutable.env` | the first run, then deliveries | what may change live |

The last value that is not empty counts: user-data, then detected, then mutable, then the default below. An empty value
means \"not set\". Only `SSH_AUTHORIZED_KEY`, `SSH_AUTHORIZED_KEYS` and `IMMUTABLE_SSH_AUTHORIZED_KEYS` add up, over all files.

A node takes a delivery with a key that it does not know, passes that key over and says so in the journal and in `configure
status`: an image is older than who sends to it. `configure check` calls the same key an error, and says which one may be
meant. What a node cannot do without yet, such as netsy without `NETSY_BUCKET`, is off until a delivery brings it.

`configure check --user-data FILE --mutable FILE --kind KIND` says on any machine what a node would say of such files, and
`configure schema` prints them as JSON Schema. `configure status` says on a node which file each setting comes from.

Marks: **c** asked on control planes only · **s** secret · **r**, **a**, **e** the policy's classes `root`, `cluster-admin`,
`endpoints`, see [below](#policy); its class `authorities` is of delivered files.
";

const DELIVERED: &str = "
## What a delivery may bring besides settings

The agent's `recv/` has certificates and public keys, its `keys/` the private keys that it made. A certificate goes into
place only with a key that belongs to it; the key's directory and group are those of the service. Controllers' and
scheduler's certificates and `service-accounts.key` are for control planes. All files are 0640, owned by root; certificates and
public keys have the group podplane. Other names are passed over. Files marked **authorities** are of that class of the
[policy](#policy).

| delivered | certificate or public key | private key, its group | restarts |
|---|---|---|---|
";

const POLICY: &str = "
## Policy

An image's `/opt/podplane/share/policy.toml` says which settings and which authorities no delivery may change. The recipes
bring one by which all may, as they may without the file. A line is `NAME = \"user-data\"` (fixed: only a new instance's
user-data gives it) or `NAME = \"live\"`; a name is a class or one setting, whose own line counts before its class's:

```toml
# nobody gets root or becomes an administrator by a delivery
root = \"user-data\"
cluster-admin = \"user-data\"
authorities = \"user-data\"
endpoints = \"live\"
KUBE_API_ETCD_SERVERS = \"user-data\"
```

A delivery may repeat what a node has already. One that would change what is fixed is refused whole, and the refusal
names the policy's line. A policy with a fault lets no settings through, and no other authorities. A line for one of
`SSH_AUTHORIZED_KEY` and `SSH_AUTHORIZED_KEYS`, or of `OIDC_CA_CERT`, `OIDC_CA_FILE` and `OIDC_CUSTOM_CA`, is one for all of
them.

Authorities come by the first delivery, not by user-data: where they are fixed, that one's stay. A later `ca.crt` may hold
the certificates that are there, and new authorities that one of those has signed, and nothing else: the present one with
a stranger beside it would be believed as a whole, the stranger too. (Such a new authority says `CA:TRUE`, and is signed by
RSA with PKCS#1 v1.5, by ECDSA on P-256, P-384 or P-521, or by Ed25519, with SHA-2.) Keys of service accounts are not signed
by anybody: `service-accounts.pub` may lose keys and gain none, and `service-accounts.key` must be of one of them. `ca.pub`
has keys of the certificates in `ca.crt`.

With all four classes fixed a delivery may still change: certificates of this node's own services, each with the key that
the agent made for it; {rest}.
";

/// The page.
#[must_use]
pub fn text() -> String {
    let mut out = INTRODUCTION.to_owned();
    for (given, title) in [
        (Given::UserData, "Given by user-data, for the life of the instance"),
        (Given::Detected, "Found out by the first run, unless user-data gives it"),
        (Given::Live, "Live"),
    ] {
        let _ = write!(out, "\n## {title}\n\n| setting | | value | default | what it is | restarts |\n");
        out.push_str("|---|---|---|---|---|---|\n");
        KEYS.iter().filter(|key| key.given == given).for_each(|key| row(key, &mut out));
    }
    out.push_str("\n## Files, what reaches them, and what restarts for them\n\n| file | settings | restarts |\n|---|---|---|\n");
    for output in Output::ALL {
        let reached = KEYS.iter().filter(|key| key.outputs.contains(&output));
        let names: Vec<String> = reached.map(|key| format!("`{}`", key.name)).collect();
        let restarts = list(output.services());
        let _ = writeln!(out, "| `{}` | {} | {restarts} |", output.path(), names.join(" "));
    }
    out.push_str(
        "\n## What a service waits for\n\nA unit is passed over, which is no failure, until all of these are there and not \
         empty. A delivery brings\nthe certificates and keys; services restart in this order.\n\n| service | files |\n|---|---|\n",
    );
    for service in Service::ALL {
        let files: Vec<String> = service.needs().iter().map(|path| format!("`{path}`")).collect();
        let _ = writeln!(out, "| {} | {} |", service.unit(), files.join(" "));
    }
    delivered(&mut out);
    let free = KEYS.iter().filter(|key| key.is_live() && key.grant.is_none());
    let free: Vec<String> = free.map(|key| format!("`{}`", key.name)).collect();
    out.push_str(&POLICY.replace("{rest}", &format!("and {}", free.join(", "))));
    out
}

fn delivered(out: &mut String) {
    out.push_str(DELIVERED);
    for pair in &PAIRS {
        let key = pair.key_on(Role::ControlPlane).map(|(path, group)| format!("`{path}`, {group}"));
        let (name, key) = (pair.name, key.unwrap_or_default());
        let _ = writeln!(
            out,
            "| `{name}.crt`{} | `{CRT}/{name}.crt` | {key} | {} |",
            class(&format!("{name}.crt")),
            list(pair.services)
        );
    }
    let _ = writeln!(out, "| `{CA_PUB}`{} | `{PUB}/{CA_PUB}` | | |", class(CA_PUB));
    let _ = writeln!(
        out,
        "| `{SIGNING_PUB}`{} | `{PUB}/{SIGNING_PUB}` | | {} |",
        class(SIGNING_PUB),
        list(SIGNING)
    );
    let to = format!("`{KEY}/kube-apiserver/{SIGNING_KEY}`, kube-apiserver");
    let _ = writeln!(out, "| `{SIGNING_KEY}`{} | | {to} | {} |", class(SIGNING_KEY), list(SIGNING));
}

/// The mark of a delivered file's class.
fn class(name: &str) -> String {
    grant(name).map_or(String::new(), |grant| format!(" **{}**", grant.name()))
}

fn row(key: &Key, out: &mut String) {
    let mut marks = String::new();
    if key.role == Some(Role::ControlPlane) {
        marks.push('c');
    }
    if key.secret {
        marks.push('s');
    }
    marks.extend(key.grant.and_then(|grant| match grant.name() {
        // the second word of it: c is taken
        "cluster-admin" => Some('a'),
        name => name.chars().next(),
    }));
    let rule = key.rule.expected();
    let rule = rule.strip_prefix("expected ").unwrap_or(&rule);
    let default = if key.default.is_empty() { String::new() } else { format!("`{}`", key.default) };
    let services: Vec<Service> = key.services().into_iter().collect();
    let cells = [
        format!("`{}`", key.name),
        marks,
        rule.to_owned(),
        default.replace(',', "`, `"),
        key.about.to_owned(),
        list(&services),
    ];
    let _ = writeln!(out, "| {} |", cells.join(" | ").replace("|  |", "| |"));
}

fn list(services: &[Service]) -> String {
    services.iter().map(|service| service.unit()).collect::<Vec<_>>().join(", ")
}
