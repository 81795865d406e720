//! An instance: what its data source says of it, as one value.

use crate::encoding;
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
}

impl Source {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::NoCloud, Self::ConfigDrive, Self::OpenStack, Self::Aws, Self::Google];

    /// cloud-init's name of it, as in `datasource_list`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoCloud => "NoCloud",
            Self::ConfigDrive => "ConfigDrive",
            Self::OpenStack => "OpenStack",
            Self::Aws => "Ec2",
            Self::Google => "GCE",
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
        }
    }

    /// Whether it is asked over the network.
    #[must_use]
    pub fn is_remote(self) -> bool {
        matches!(self, Self::OpenStack | Self::Aws | Self::Google)
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
    /// What was not understood: one clause each.
    pub faults: Vec<String>,
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
        json!({
            "source": self.source.name(),
            "from": self.from,
            "id": self.id,
            "hostname": self.hostname,
            "public_keys": self.public_keys,
            "user_data": encoding::to_base64(&self.user_data),
            "vendor_data": encoding::to_base64(&self.vendor_data),
            "network": self.network,
            "region": self.region,
            "zone": self.zone,
            "metadata": self.metadata,
            "dynamic": self.dynamic,
            "faults": self.faults,
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
            public_keys: list("public_keys"),
            user_data: encoding::base64(need("user_data")?.as_bytes())?,
            vendor_data: encoding::base64(need("vendor_data")?.as_bytes())?,
            network: some("network"),
            region: text("region").map(str::to_owned),
            zone: text("zone").map(str::to_owned),
            metadata,
            dynamic: some("dynamic"),
            faults: list("faults"),
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
            user_data: vec![0, 255],
            network: Some(json!({"version": 2})),
            public_keys: vec!["ssh-ed25519 A".to_owned()],
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
