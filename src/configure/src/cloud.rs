//! What a node does otherwise on one cloud than on another: a row for each, and nothing of a cloud anywhere else.
//!
//! The list of clouds is the crate `provider`'s. Whoever adds one there adds its row here, without which this does not
//! compile; what is not one of these properties yet is a new one, and each place that matches on it asks what to do.

use crate::settings::When;
pub use provider::Provider;

/// What a node has to know of its cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cloud {
    /// Where the instance's id is from.
    pub id: Id,
    /// What user-data must give besides what every node needs.
    pub needs: &'static [Need],
    /// Whose buckets there are.
    pub buckets: Buckets,
    /// Whether kube2iam stands between pods and the machine's metadata.
    pub kube2iam: bool,
}

/// A setting that must be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// Its name.
    pub key: &'static str,
    /// Whether at each start; the first run alone asks otherwise.
    pub always: bool,
}

/// How an instance's id at its cloud is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Id {
    /// It is cloud-init's own instance id.
    CloudInit,
    /// `scheme`, and behind it each part, with `/` between them. A part is a standardised key of cloud-init's instance data, or
    /// the second one where the first is not there.
    Parts(&'static str, &'static [&'static [&'static str]]),
}

/// Whose buckets a node writes to and reads from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buckets {
    /// Any S3: an endpoint and keys, which are given.
    S3,
    /// Amazon's own: an endpoint by region, and roles that are named after the cluster.
    Aws,
    /// Google's.
    Gcs,
}

const fn always(key: &'static str) -> Need {
    Need { key, always: true }
}

const fn at_first(key: &'static str) -> Need {
    Need { key, always: false }
}

/// What `provider` is to a node.
#[must_use]
pub const fn of(provider: Provider) -> Cloud {
    match provider {
        Provider::Local | Provider::Proxmox => PLAIN,
        Provider::Aws => Cloud {
            id: Id::Parts("aws:///", &[&["availability_zone"], &["instance_id"]]),
            needs: const { &[always("AWS_ACCOUNT_ID"), always("CLUSTER_ID")] },
            buckets: Buckets::Aws,
            kube2iam: true,
        },
        Provider::Google => Cloud {
            id: Id::Parts("gce://", &[&["project_id"], &["zone", "availability_zone"], &["instance_id"]]),
            needs: const { &[at_first("GOOGLE_PROJECT_ID")] },
            buckets: Buckets::Gcs,
            kube2iam: false,
        },
    }
}

/// A machine of which nothing is known but what it is given.
pub const PLAIN: Cloud = Cloud { id: Id::CloudInit, needs: &[], buckets: Buckets::S3, kube2iam: false };

impl Need {
    /// Whether it is asked for `when`.
    #[must_use]
    pub fn is_asked(self, when: When) -> bool {
        self.always || when == When::FirstRun
    }
}

impl Cloud {
    /// Whether its nodes need `key`, at each start.
    #[must_use]
    pub fn always_needs(&self, key: &str) -> bool {
        self.needs.iter().any(|need| need.always && need.key == key)
    }
}

impl Id {
    /// What it is made of, for a fault's text.
    #[must_use]
    pub fn expected(self) -> String {
        match self {
            Self::CloudInit => "expected the instance's id in /var/lib/cloud/data/instance-id".to_owned(),
            Self::Parts(_, parts) => {
                let names = parts.iter().filter_map(|names| names.first()).map(|name| format!("v1.{name}"));
                let names = listed(names, "and");
                format!("expected {names} in /run/cloud-init/instance-data.json")
            }
        }
    }
}

impl Buckets {
    /// How netsy and the registry call them.
    #[must_use]
    pub fn driver(self) -> &'static str {
        match self {
            Self::S3 | Self::Aws => "s3",
            Self::Gcs => "gcs",
        }
    }
}

/// The names of all clouds, `quote` around each: `local, aws, google or proxmox`.
#[must_use]
pub fn names(quote: &str) -> String {
    listed(Provider::ALL.iter().map(|provider| format!("{quote}{provider}{quote}")), "or")
}

/// `a, b AND c`.
fn listed(names: impl Iterator<Item = String>, and: &str) -> String {
    let names: Vec<String> = names.collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} {and} {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{Given, find};

    #[test]
    fn what_a_cloud_needs_is_a_setting_that_user_data_gives() {
        for provider in Provider::ALL {
            for need in of(*provider).needs {
                assert!(
                    find(need.key).is_some_and(|key| key.given == Given::UserData),
                    "{provider}: {need:?}"
                );
            }
        }
    }

    /// Else a cloud that is added would not be in one of these files alone.
    #[test]
    fn no_other_module_of_the_program_names_a_cloud() {
        let mut left = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
        while let Some(path) = left.pop() {
            if path.is_dir() {
                left.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            let is_test = path.ends_with("tests.rs") || path.ends_with("cloud.rs");
            for provider in Provider::ALL.iter().filter(|_| !is_test) {
                for spelled in [format!("Provider::{provider:?}"), format!("\"{provider}\"")] {
                    assert!(
                        !code.contains(&spelled),
                        "{}: {spelled} is a matter of cloud.rs",
                        path.display()
                    );
                }
            }
        }
    }
}
