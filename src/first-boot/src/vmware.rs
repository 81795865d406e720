//! VMware: the hypervisor has `guestinfo.metadata`, `guestinfo.userdata` and `guestinfo.vendordata`, which a program of
//! open-vm-tools reads: its calls are no system calls.

use crate::encoding;
use crate::instance::{Instance, Source};
use crate::nocloud::{self, Hints};
use crate::programs::Programs;
use crate::root::Root;
use crate::yaml;

/// What a value says where there is none, as a value cannot be taken away again.
const NOTHING: [&str; 2] = ["", "---"];

/// Whether this is a machine of VMware's.
#[must_use]
pub fn is_there(root: &Root) -> bool {
    root.text("/sys/class/dmi/id/product_name").is_some_and(|name| name.starts_with("VMware"))
}

/// What the hypervisor has for this machine, if anything, and if the image has the program that reads it.
///
/// # Errors
///
/// A value that is not what its name says.
pub fn instance(root: &Root, programs: &dyn Programs) -> Result<Option<Instance>, String> {
    let (metadata, user_data) = (value(programs, "metadata")?, value(programs, "userdata")?);
    if metadata.is_none() && user_data.is_none() {
        return Ok(None);
    }
    let metadata = metadata.unwrap_or_default();
    let network = network(&metadata);
    let read = |name: &str| match name {
        "meta-data" => Ok(Some(metadata.clone())),
        "user-data" => Ok(Some(user_data.clone().unwrap_or_default())),
        "vendor-data" => value(programs, "vendordata"),
        "network-config" => network.clone(),
        _ => Ok(None),
    };
    let id = root.text("/sys/class/dmi/id/product_uuid").map(|id| id.to_ascii_lowercase());
    let hints = Hints { otherwise: id, ..Hints::default() };
    let found = nocloud::seed(&read, "guestinfo", &hints).map_err(|what| format!("guestinfo: {what}"))?;
    Ok(found.map(|instance| Instance { source: Source::VMware, ..instance }))
}

/// A value, decoded as its companion says.
fn value(programs: &dyn Programs, name: &str) -> Result<Option<Vec<u8>>, String> {
    let get = |name: &str| -> Result<Option<Vec<u8>>, String> {
        let question = format!("info-get guestinfo.{name}");
        let bytes = programs.output(&["vmware-rpctool", &question])?.unwrap_or_default();
        let text = bytes.trim_ascii_end();
        let is_nothing = NOTHING.iter().any(|nothing| text == nothing.as_bytes());
        Ok((!is_nothing).then(|| text.to_vec()))
    };
    let Some(bytes) = get(name)? else { return Ok(None) };
    let encoding = get(&format!("{name}.encoding"))?.unwrap_or_default();
    let decoded = decode(&bytes, &String::from_utf8_lossy(&encoding));
    decoded.map(Some).map_err(|what| format!("guestinfo.{name}: {what}"))
}

fn decode(bytes: &[u8], encoding: &str) -> Result<Vec<u8>, String> {
    match encoding.to_ascii_lowercase().as_str() {
        "" => Ok(bytes.to_vec()),
        "base64" | "b64" => encoding::base64(bytes),
        "gzip+base64" | "gz+b64" => encoding::gunzip_to(&encoding::base64(bytes)?, encoding::MOST_BYTES),
        other => Err(format!("unknown encoding `{}`", other.escape_debug())),
    }
}

/// The network configuration below a key of the metadata, which may be encoded itself.
fn network(metadata: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let text = std::str::from_utf8(metadata).map_err(|_| "guestinfo.metadata: expected UTF-8".to_owned())?;
    let metadata = yaml::parse(text).map_err(|what| format!("guestinfo.metadata: {what}"))?;
    match metadata.get("network") {
        None | Some(serde_json::Value::Null) => Ok(None),
        Some(serde_json::Value::String(given)) => {
            let encoding = metadata.get("network.encoding").and_then(serde_json::Value::as_str);
            let decoded = decode(given.as_bytes(), encoding.unwrap_or_default());
            decoded.map(Some).map_err(|what| format!("guestinfo.metadata: network: {what}"))
        }
        // JSON is YAML
        Some(value) => {
            let inner = value.get("config").filter(|config| config.is_object()).unwrap_or(value);
            Ok(Some(inner.to_string().into_bytes()))
        }
    }
}
