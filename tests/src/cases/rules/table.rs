//! The rules themselves.

use super::Rule;
use crate::cases::compare::Difference;

/// Variables that only units and libraries read.
const FLAGS: [&str; 14] = [
    "KUBELET_NODE_IP",
    "KUBELET_PROVIDER_ID_FLAG",
    "KUBELET_NODE_LABELS_FLAG",
    "KUBE_API_OIDC_CLIENT_ID",
    "KUBE_API_OIDC_FLAGS",
    "KUBE_SERVICE_ACCOUNT_ISSUER",
    "KUBE_SERVICE_ACCOUNT_JWKS_URI",
    "KUBE_NODE_CIDR_MASK_FLAGS",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_SDK_LOAD_CONFIG",
    "AWS_SECRET_ACCESS_KEY",
];
/// The names of the sandbox image.
const SANDBOX_NAMES: &str = "/opt/env/sandbox-image.env";
/// Files of features that can be off.
const FEATURES: [&str; 4] = [
    "/opt/env/zot.env",
    "/opt/zot/etc/zot.yml",
    "/opt/env/fluent-bit.env",
    "/opt/fluent-bit/etc/fluent-bit.yml",
];

/// The table.
pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "flags-of-units",
        reason: "arguments that depend on settings are variables of their own, so that each unit starts with one static line",
        covers: |seen| matches!(seen.difference, Difference::Env { path, key, expected: None, .. } if path.starts_with("/opt/env/") && FLAGS.contains(&key.as_str())),
    },
    Rule {
        name: "the-sandbox-image-has-both-names",
        reason: "the image is in containerd's store by its own name: a unit gives it that of the cluster's registry, so that no pod waits for one",
        covers: |seen| {
            let lines = |path: &str| {
                let content = seen.after.entries.get(path).map_or(&[][..], |entry| &entry.content);
                String::from_utf8_lossy(content).into_owned()
            };
            let (names, config) = (lines(SANDBOX_NAMES), lines("/etc/containerd/config.toml"));
            let name =
                names.lines().find_map(|line| line.strip_prefix("SANDBOX_IMAGE_NAME='")?.strip_suffix('\''));
            seen.path() == SANDBOX_NAMES
                && matches!(seen.difference, Difference::Extra { .. })
                && match name {
                    Some(name) => config.contains(&format!("sandbox = \"{name}\"\n")),
                    None => !config.contains("/mirror/"),
                }
        },
    },
    Rule {
        name: "agents-of-any-release",
        reason: "newer agents call the interval of their reports otherwise: both names are given",
        covers: |seen| {
            matches!(seen.difference, Difference::Env { path, key, expected: None, .. }
                if path == "/opt/env/nstance-agent.env" && key == "NSTANCE_REPORT_INTERVAL")
        },
    },
    Rule {
        name: "name-servers-are-a-setting",
        reason: "releases since v0.7.0 say which name servers pods ask: kubelet has them in a file of its own",
        covers: |seen| {
            const FOLDER: &str = "/opt/kubelet/etc/kubelet.conf.d";
            let file = seen.after.entries.get("/opt/kubelet/etc/kubelet.conf.d/10-settings.conf");
            let names = file
                .is_some_and(|entry| String::from_utf8_lossy(&entry.content).contains("\nclusterDNS: [\""));
            names
                && matches!(seen.difference, Difference::Extra { path, how: "created" } if path.starts_with(FOLDER))
        },
    },
    Rule {
        name: "workers-ask-the-api-server",
        reason: "kubelet and kube2iam know the API server by the name in its certificate: on a worker nothing listens on localhost",
        covers: |seen| {
            let path = seen.path();
            let file = seen.after.entries.get(path);
            let servers =
                file.map(|entry| String::from_utf8_lossy(&entry.content).into_owned()).unwrap_or_default();
            let mut servers = servers.lines().filter_map(|line| line.trim().strip_prefix("server: "));
            let port =
                seen.after.entries.get("/opt/podplane/etc/mutable.env").map_or("6443".to_owned(), |entry| {
                    let text = String::from_utf8_lossy(&entry.content).into_owned();
                    let given = text.lines().find_map(|line| line.strip_prefix("KUBE_API_PORT="));
                    given.unwrap_or_default().trim_matches('\'').to_owned()
                });
            let expected = format!("https://kube-apiserver.podplane.internal:{port}");
            ["/opt/kubelet/etc/kubeconfig", "/opt/kube2iam/etc/kubeconfig"].contains(&path)
                && servers.next() == Some(expected.as_str())
                && servers.next().is_none()
        },
    },
    Rule {
        name: "what-comes-later-is-waited-for",
        reason: "a bucket or a host name may come with the first delivery, which only a configured node takes in: what needs it is off, and that is said",
        covers: |seen| {
            let off = |key: &str, path: &str| {
                seen.ended.output.lines().any(|line| line.starts_with("note: ") && line.contains(key))
                    && !seen.after.entries.contains_key(path)
            };
            seen.ended.code == 0
                && seen.expect.exit_code != 0
                && seen.ended.output.contains(" is off until it is\n")
                && (off("NETSY_BUCKET", "/opt/env/netsy.env")
                    || off("REGISTRY_BUCKET", "/opt/env/zot.env")
                    || off("REGISTRY_HOSTNAME", "/opt/env/zot.env"))
                && matches!(seen.difference, Difference::Exit { code: 0 } | Difference::Extra { .. })
        },
    },
    Rule {
        name: "no-empty-credentials",
        reason: "a variable of AWS's libraries that has nothing to say is left out: empty, it is a wrong value to them",
        covers: |seen| matches!(seen.difference, Difference::Env { path, key, expected: Some(expected), got: None } if path == "/opt/env/netsy.env" && key.starts_with("AWS_") && expected.is_empty()),
    },
    Rule {
        name: "sysctl-is-systemd's",
        reason: "the image's sysctl.d is applied at boot by systemd-sysctl.service, before this program; a live update sets nothing in the kernel",
        covers: |seen| match seen.difference {
            Difference::Calls { expected, got } => {
                let rest: Vec<_> =
                    expected.iter().filter(|call| call.first().is_none_or(|name| name != "sysctl")).collect();
                rest.len() < expected.len() && rest.into_iter().eq(got)
            }
            _ => false,
        },
    },
    Rule {
        name: "nothing-of-a-feature-that-is-off",
        reason: "what a feature wrote, with its secrets, is removed when it is switched off or renamed",
        covers: |seen| {
            let path = seen.path();
            let ours = FEATURES.contains(&path) || path.starts_with("/etc/containerd/certs.d/");
            seen.is_weakness() && ours && matches!(seen.difference, Difference::Extra { how: "removed", .. })
        },
    },
    Rule {
        name: "no-sink-no-telemetry",
        reason: "the image's defaults must boot: telemetry and registry that nobody configured yet are off, not an error",
        covers: |seen| {
            seen.is_weakness()
                && seen.expect.fatal_names.iter().any(|name| name == "TELEMETRY_S3_BUCKET")
                && seen.is_success()
                && !FEATURES.iter().any(|path| seen.after.entries.contains_key(*path))
        },
    },
    Rule {
        name: "one-program-no-helpers",
        reason: "there are no helper scripts that may not be executable, no world-accessible lock, and a left-over manifest of an older tarball means nothing",
        covers: |seen| {
            let scripts = seen
                .step
                .files
                .iter()
                .any(|file| file.chmod.is_some() && file.path.starts_with("/opt/podplane/bin/"));
            let left_over = seen.given("/opt/podplane/share/vmconfig-manifest.json");
            (scripts || left_over || seen.step.hold_lock.is_some()) && seen.is_success()
        },
    },
    Rule {
        name: "json-is-parsed",
        reason: "the manifest is read as JSON and not by lines, so that what stands on one line means the same",
        covers: |seen| {
            let given = seen.given("/opt/podplane/share/vmconfig-installed.json");
            seen.is_weakness() && given && (seen.is_success() || seen.is_refused_for("found several"))
        },
    },
    Rule {
        name: "a-node-is-what-its-image-is",
        reason: "user-data of another kind is a mistake: half of the scripts believed the one and half the other",
        covers: |seen| seen.is_weakness() && seen.is_refused_for("VMCONFIG_KIND: expected `"),
    },
    Rule {
        name: "named-authority-must-exist",
        reason: "OIDC_CA_FILE is honoured, and a file that is not there is an error instead of silently no authority",
        covers: |seen| seen.is_refused_for("expected the file that OIDC_CA_FILE names"),
    },
    Rule {
        name: "values-keep-rules",
        reason: "a value that would be misread or injected somewhere is refused by its rule: line breaks in names, passwords in addresses",
        covers: |seen| {
            [
                ": REGISTRY_BUCKET: expected",
                ": CLUSTER_ID: expected",
                ": TELEMETRY_OTLP_ENDPOINT: expected",
                ": TELEMETRY_LOG_SERVICES: expected",
            ]
            .iter()
            .any(|text| seen.is_refused_for(text))
        },
    },
    Rule {
        name: "no-carriage-returns",
        reason: "a carriage return has no spelling that bash, dash and systemd read alike",
        covers: |seen| seen.is_refused_for("expected no NUL and no carriage return"),
    },
    Rule {
        name: "one-value-a-key",
        reason: "user-data that gives a key twice with different values leaves open which one was meant",
        covers: |seen| seen.is_refused_for("expected one value, found another on line"),
    },
    Rule {
        name: "never-the-value",
        reason: "a refusal names key, file and line, and never repeats what was given",
        covers: |seen| match seen.difference {
            Difference::Unnamed { name } => {
                let within = |text: &String| {
                    text.lines().any(|line| {
                        line.split_once('=').is_some_and(|(_, value)| value.contains(name.as_str()))
                    })
                };
                seen.ended.output.contains("user-data.env:")
                    && seen.step.files.iter().filter_map(|file| file.content.as_ref()).any(within)
            }
            _ => false,
        },
    },
    Rule {
        name: "empty-means-not-set",
        reason: "an empty live value lets user-data's own show through instead of masking it",
        covers: |seen| match seen.difference {
            Difference::Env { expected: Some(expected), got: Some(got), .. }
                if expected.is_empty() && !got.is_empty() =>
            {
                let user_data = seen.after.entries.get("/opt/podplane/etc/user-data.env");
                user_data.is_some_and(|entry| {
                    String::from_utf8_lossy(&entry.content).contains(&format!("='{got}'"))
                })
            }
            _ => false,
        },
    },
    Rule {
        name: "a-given-role-wins",
        reason: "a role that is given is taken on aws too; it is derived only when it is empty",
        covers: |seen| matches!(seen.difference, Difference::Env { key, got: Some(got), .. } if key.ends_with("_ASSUME_ROLE") && got.starts_with("arn:")),
    },
    Rule {
        name: "no-link-is-followed",
        reason: "a link in a directory that a service owns is replaced by the file; what it led to stays as it is",
        covers: |seen| {
            let untouched =
                seen.before.entries.get("/etc/victim.conf") == seen.after.entries.get("/etc/victim.conf");
            let path = seen.path();
            let file = seen
                .after
                .entries
                .get("/opt/nstance-agent/identity/ca.crt")
                .is_some_and(|entry| entry.kind == "file" && entry.mode == "0600");
            seen.is_weakness()
                && untouched
                && file
                && (path == "/etc/victim.conf" || path == "/opt/nstance-agent/identity/ca.crt")
        },
    },
    Rule {
        name: "others'-lines-stay",
        reason: "only our own part of a shared file changes: other entries, a link that leads to the file, what follows a block without an end",
        covers: |seen| {
            let path = seen.path();
            let (Some(old), Some(new)) = (seen.before.entries.get(path), seen.after.entries.get(path)) else {
                return false;
            };
            let text = |content: &[u8]| String::from_utf8_lossy(content).into_owned();
            let (old_text, new_text) = (text(&old.content), text(&new.content));
            let foreign = |line: &&str| !line.starts_with("kubelet:") && !line.contains("podplane");
            let kept =
                old_text.lines().filter(foreign).all(|line| new_text.lines().any(|other| other == line));
            seen.is_weakness()
                && ["/etc/hosts", "/etc/subuid", "/etc/subgid"].contains(&path)
                && old.kind == new.kind
                && kept
        },
    },
    Rule {
        name: "sandbox-is-always-set",
        reason: "a configuration without the table of images gets it, or the sandbox image would be pulled from the internet",
        covers: |seen| {
            let config = seen.after.entries.get("/etc/containerd/config.toml");
            let set = config.is_some_and(|entry| {
                String::from_utf8_lossy(&entry.content).contains("\nsandbox = \"registry.k8s.io/pause:")
            });
            seen.is_weakness()
                && set
                && matches!(seen.difference, Difference::Extra { path, how: "changed" } if path == "/etc/containerd/config.toml")
        },
    },
    Rule {
        name: "a-host-has-a-name",
        reason: "a host name that nothing resolves gives `<host>.localdomain`, not a name without its host",
        covers: |seen| {
            matches!(seen.difference, Difference::Env { key, expected: Some(expected), got: Some(got), .. }
                if key.ends_with("FQDN") && expected == ".localdomain" && got.ends_with(".localdomain") && got.len() > expected.len())
        },
    },
    Rule {
        name: "the-same-address-each-time",
        reason: "of several global addresses the choice is a rule (public before private, then the lowest), not the kernel's order",
        covers: |seen| {
            matches!(seen.difference, Difference::Env { key, got: Some(got), .. } if key.ends_with("IPV6") && got.starts_with("2001:"))
                && seen.case.disposition == "host-dependent"
        },
    },
    Rule {
        name: "schemes-in-any-letters",
        reason: "`HTTP://` is http: no TLS is promised, and the address is written with its scheme in small letters",
        covers: |seen| {
            let zot = seen
                .after
                .entries
                .get("/opt/zot/etc/zot.yml")
                .map(|entry| String::from_utf8_lossy(&entry.content).into_owned());
            let right = zot.is_some_and(|text| {
                text.contains("secure: false") && text.contains("\"http://minio.example.com\"")
            });
            seen.is_weakness() && right && matches!(seen.path(), "/opt/env/zot.env" | "/opt/zot/etc/zot.yml")
        },
    },
    Rule {
        name: "units-by-their-whole-name",
        reason: "`kubelet.service` is kubelet: a suffix that was given is not added again",
        covers: |seen| {
            let path = "/opt/fluent-bit/etc/fluent-bit.yml";
            let text = seen
                .after
                .entries
                .get(path)
                .map(|entry| String::from_utf8_lossy(&entry.content).into_owned());
            seen.is_weakness()
                && seen.path() == path
                && text.is_some_and(|text| text.contains("- _SYSTEMD_UNIT=kubelet.service\n"))
        },
    },
    Rule {
        name: "no-key-no-admin",
        reason: "without any key there is no login: no user, no sudo",
        covers: |seen| {
            let path = seen.path();
            let admin = path.starts_with("/home/admin") || path == "/etc/sudoers.d/admin";
            let none = !seen.after.entries.contains_key("/etc/sudoers.d/admin")
                && !seen.after.accounts.passwd.contains("\nadmin:");
            seen.is_weakness() && none && (admin || matches!(seen.difference, Difference::Accounts { .. }))
        },
    },
    Rule {
        name: "a-person's-files-stay",
        reason: "root gives away no file that it did not write: what others put into ~/.ssh keeps its owner",
        covers: |seen| {
            seen.path().starts_with("/home/admin/.ssh/")
                && seen.before.entries.get(seen.path()) == seen.after.entries.get(seen.path())
        },
    },
    Rule {
        name: "accounts-come-with-the-image",
        reason: "service users are in the image with fixed numbers and without a home to log in to; a missing one is refused",
        covers: |seen| {
            let home = seen.path().starts_with("/home/") && !seen.path().starts_with("/home/admin");
            seen.case.base == "fresh" && (home || matches!(seen.difference, Difference::Accounts { .. }))
        },
    },
    Rule {
        name: "present-values-stay",
        reason: "a merge keeps every live setting that is known, also one that the image's own list of defaults does not have",
        covers: |seen| match seen.difference {
            Difference::Env { path, key, expected: None, got: Some(got) }
                if path == "/opt/podplane/etc/mutable.env" =>
            {
                let before = seen
                    .before
                    .entries
                    .get(path.as_str())
                    .map(|entry| String::from_utf8_lossy(&entry.content).into_owned());
                let present = before.unwrap_or_default().lines().any(|line| line == format!("{key}='{got}'"));
                let known = configure::keys::find(key)
                    .is_some_and(|key| key.is_live() && (got.is_empty() || got == key.default));
                seen.case.category != "configure" && (present || known)
            }
            _ => false,
        },
    },
    Rule {
        name: "lines-are-assignments",
        reason: "a line without a key, without `=` or with a NUL is a damaged delivery and refused, not guessed at",
        covers: |seen| {
            ["expected `KEY=value`", "expected a key of letters", "expected text without NUL"]
                .iter()
                .any(|text| seen.is_weakness() && seen.is_refused_for(text))
        },
    },
    Rule {
        name: "rules-are-asked-at-the-merge",
        reason: "a value that would break every later configuration is refused when it is delivered",
        covers: |seen| {
            seen.is_weakness()
                && seen.case.category == "update-mutable-env"
                && seen.is_refused_for(": expected `true` or `false`")
        },
    },
    Rule {
        name: "more-can-be-delivered",
        reason: "several SSH keys, the brief's older names, and any delivery over an odd default are taken in",
        covers: |seen| {
            let delivered = String::from_utf8_lossy(
                seen.before
                    .entries
                    .get("/opt/nstance-agent/recv/mutable.env")
                    .map_or(&[][..], |entry| &entry.content),
            )
            .into_owned();
            let odd_default = seen.given("/opt/podplane/share/defaults/mutable.env");
            let more = odd_default
                || ["SSH_AUTHORIZED_KEYS='ssh-", "OIDC_CA_FILE='/"]
                    .iter()
                    .any(|text| delivered.contains(text));
            seen.case.category == "update-mutable-env" && more && seen.is_success()
        },
    },
    Rule {
        name: "no-surprises-from-the-environment",
        reason: "no variable of the environment changes where files are",
        covers: |seen| seen.step.env.contains_key("PODPLANE_ROOT") && seen.is_success(),
    },
    Rule {
        name: "older-release",
        reason: "recorded from an older release, before today's settings: user-data shows through instead of being copied, and nothing is written for what is off",
        covers: |seen| {
            let path = seen.path();
            let off = FEATURES.contains(&path) && !seen.after.entries.contains_key(path);
            let newer = ["OIDC_SIGNING_ALGS", "KUBE_SERVICE_CLUSTER_IP_RANGE"];
            let key = matches!(seen.difference, Difference::Env { key, expected: None, .. } if newer.contains(&key.as_str()));
            let file = matches!(
                path,
                "/opt/podplane/etc/mutable.env"
                    | "/opt/env/kube-controller-manager.env"
                    | "/etc/containerd/config.toml"
            );
            seen.case.scripts != "default" && (off || key || file)
        },
    },
];
