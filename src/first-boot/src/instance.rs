//! An instance: what its data source says of it, as one value.

use crate::encoding;
use crate::report::{Fault, Level};
use serde_json::{Map, Value, json};

/// Where an instance's metadata comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A volume labelled `cidata`, a folder below `/var/lib/cloud/seed`, or what SMBIOS says.
    NoCloud,
    /// A volume labelled `config-2`.
    ConfigDrive,
    /// OpenStack's service.
    OpenStack,
    /// Amazon's service, version 2.
    Aws,
    /// Google's service.
    Google,
    /// Azure's service, and the disc that it provisions a machine with.
    Azure,
    /// What VMware's hypervisor has for the guest.
    VMware,
}

impl Source {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::NoCloud,
        Self::ConfigDrive,
        Self::OpenStack,
        Self::Aws,
        Self::Google,
        Self::Azure,
        Self::VMware,
    ];

    /// cloud-init's name of it, as in `datasource_list`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoCloud => "NoCloud",
            Self::ConfigDrive => "ConfigDrive",
            Self::OpenStack => "OpenStack",
            Self::Aws => "Ec2",
            Self::Google => "GCE",
            Self::Azure => "Azure",
            Self::VMware => "VMware",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.name() == name)
    }

    /// The cloud, as `cloud-id` prints it.
    #[must_use]
    pub fn cloud(self) -> &'static str {
        match self {
            Self::NoCloud => "nocloud",
            Self::ConfigDrive => "configdrive",
            Self::OpenStack => "openstack",
            Self::Aws => "aws",
            Self::Google => "gce",
            Self::Azure => "azure",
            Self::VMware => "vmware",
        }
    }

    /// Whether it is asked over the network.
    #[must_use]
    pub fn is_remote(self) -> bool {
        matches!(self, Self::OpenStack | Self::Aws | Self::Google | Self::Azure)
    }
}

/// What a data source says of an instance.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    /// Where that comes from.
    pub source: Source,
    /// The device, folder or address, for people: `/dev/sr0`.
    pub from: String,
    /// Its id: another one is another instance.
    pub id: String,
    /// Its host name, with a domain where the source has one.
    pub hostname: Option<String>,
    /// The name of the default user, where the source has one.
    pub default_user: Option<String>,
    /// Keys that may log in as the default user.
    pub public_keys: Vec<String>,
    /// User-data as it came.
    pub user_data: Vec<u8>,
    /// Vendor-data as it came.
    pub vendor_data: Vec<u8>,
    /// Network configuration, version 1 or 2; none where the image's own counts.
    pub network: Option<Value>,
    /// Region and zone, where the source has them.
    pub region: Option<String>,
    /// See above.
    pub zone: Option<String>,
    /// Metadata as the source has it.
    pub metadata: Map<String, Value>,
    /// What else the source has, such as AWS's identity document.
    pub dynamic: Option<Value>,
    /// What was not understood.
    pub faults: Vec<Fault>,
}

impl Instance {
    /// An instance of which only its id is known.
    #[must_use]
    pub fn new(source: Source, from: impl Into<String>, id: impl Into<String>) -> Self {
        Self {
            source,
            from: from.into(),
            id: id.into(),
            hostname: None,
            default_user: None,
            public_keys: Vec::new(),
            user_data: Vec::new(),
            vendor_data: Vec::new(),
            network: None,
            region: None,
            zone: None,
            metadata: Map::new(),
            dynamic: None,
            faults: Vec::new(),
        }
    }

    /// What cloud-init calls the source with where it was found: `DataSourceNoCloud [seed=/dev/sr0]`.
    #[must_use]
    pub fn detail(&self) -> String {
        match self.source {
            Source::NoCloud => format!("DataSourceNoCloud [seed={}]", self.from),
            Source::ConfigDrive => format!("DataSourceConfigDrive [net,ver=2][source={}]", self.from),
            other => format!("DataSource{}", other.name()),
        }
    }

    /// With what another place says of the same instance, where that is more.
    #[must_use]
    pub fn completed(mut self, other: Self) -> Self {
        if !other.user_data.is_empty() {
            self.user_data = other.user_data;
        }
        if self.public_keys.is_empty() {
            self.public_keys = other.public_keys;
        }
        self.hostname = self.hostname.or(other.hostname);
        self.default_user = self.default_user.or(other.default_user);
        self.faults.extend(other.faults);
        self
    }

    /// Refuses an id that is no name of a folder.
    ///
    /// # Errors
    ///
    /// Which id was found.
    pub fn checked(mut self) -> Result<Self, String> {
        self.id = self.id.trim().replace('/', "_");
        let is_name = !self.id.is_empty() && self.id.len() <= 200 && !self.id.starts_with('.');
        if !is_name || self.id.contains(|one: char| one.is_control() || one.is_whitespace()) {
            return Err(format!("instance-id: expected 1 to 200 visible characters, found {:?}", self.id));
        }
        Ok(self)
    }

    /// As one stage hands it to the next.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let texts = |level: Level| -> Vec<&String> {
            self.faults.iter().filter(|fault| fault.level == level).map(|fault| &fault.text).collect()
        };
        json!({
            "source": self.source.name(),
            "from": self.from,
            "id": self.id,
            "hostname": self.hostname,
            "default_user": self.default_user,
            "public_keys": self.public_keys,
            "user_data": encoding::to_base64(&self.user_data),
            "vendor_data": encoding::to_base64(&self.vendor_data),
            "network": self.network,
            "region": self.region,
            "zone": self.zone,
            "metadata": self.metadata,
            "dynamic": self.dynamic,
            "errors": texts(Level::Error),
            "warnings": texts(Level::Warning),
        })
    }

    /// Reads what [`to_json`](Self::to_json) made.
    ///
    /// # Errors
    ///
    /// What is not as it was made.
    pub fn from_json(value: &Value) -> Result<Self, String> {
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        let need = |key: &str| text(key).ok_or_else(|| format!("instance: expected `{key}`"));
        let list = |key: &str| -> Vec<String> {
            let list = value.get(key).and_then(Value::as_array);
            list.into_iter().flatten().filter_map(|one| one.as_str().map(str::to_owned)).collect()
        };
        let source = Source::named(need("source")?).ok_or("instance: unknown source")?;
        let some = |key: &str| value.get(key).filter(|value| !value.is_null()).cloned();
        let metadata = value.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default();
        Self {
            hostname: text("hostname").map(str::to_owned),
            default_user: text("default_user").map(str::to_owned),
            public_keys: list("public_keys"),
            user_data: encoding::base64(need("user_data")?.as_bytes())?,
            vendor_data: encoding::base64(need("vendor_data")?.as_bytes())?,
            network: some("network"),
            region: text("region").map(str::to_owned),
            zone: text("zone").map(str::to_owned),
            metadata,
            dynamic: some("dynamic"),
            faults: list("errors")
                .into_iter()
                .map(Fault::error)
                .chain(list("warnings").into_iter().map(Fault::warning))
                .collect(),
            ..Self::new(source, need("from")?, need("id")?)
        }
        .checked()
    }
}

/// Public keys in any of the forms that metadata has them in: text, lists, mappings of either.
#[must_use]
pub fn public_keys(value: &Value) -> Vec<String> {
    let mut keys = Vec::new();
    collect(value, 0, &mut keys);
    keys
}

fn collect(value: &Value, depth: usize, keys: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            keys.extend(lines.map(str::to_owned));
        }
        Value::Array(list) if depth < 4 => list.iter().for_each(|one| collect(one, depth + 1, keys)),
        Value::Object(map) if depth < 4 => map.values().for_each(|one| collect(one, depth + 1, keys)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_handed_on_whole() {
        let instance = Instance {
            hostname: Some("a".to_owned()),
            default_user: Some("u".to_owned()),
            user_data: vec![0, 255],
            network: Some(json!({"version": 2})),
            public_keys: vec!["ssh-ed25519 A".to_owned()],
            faults: vec![Fault::error("a"), Fault::warning("b")],
            ..Instance::new(Source::NoCloud, "/dev/sr0", "i-1")
        };
        assert_eq!(Instance::from_json(&instance.to_json()), Ok(instance));
        assert!(Instance::from_json(&json!({})).is_err());
    }

    #[test]
    fn an_id_is_the_name_of_one_folder() {
        for (id, expected) in
            [("i-1\n", Some("i-1")), ("a/b", Some("a_b")), ("..", None), ("", None), ("a b", None)]
        {
            let checked = Instance::new(Source::NoCloud, "", id).checked();
            assert_eq!(checked.ok().map(|instance| instance.id), expected.map(str::to_owned), "{id:?}");
        }
        assert!(Instance::new(Source::NoCloud, "", "x".repeat(201)).checked().is_err());
    }

    #[test]
    fn keys_are_taken_in_any_form() {
        for value in
            [json!("a\nb\n"), json!(["a", "b"]), json!({"x": "a", "y": ["b"]}), json!([{"o": "a"}, "b"])]
        {
            assert_eq!(public_keys(&value), ["a", "b"]);
        }
    }
}
