//! Who the instance is at its provider, from what cloud-init left behind.

use crate::cloud::Id;
use crate::json::{self, Json};
use crate::refusal::{Fault, Result};
use crate::root::Root;

const DATA: &str = "/run/cloud-init/instance-data.json";
const ID: &str = "/var/lib/cloud/data/instance-id";

/// The id: `aws:///ZONE/ID`, `gce://PROJECT/ZONE/ID`, or cloud-init's own instance id. None when a part is missing.
pub(super) fn provider_id(root: &Root, id: Id) -> Result<Option<String>> {
    match id {
        Id::Parts(scheme, parts) => {
            let data = data(root)?;
            Ok(data.and_then(|data| {
                let part = |names: &&[&str]| names.iter().find_map(|name| part(&data, name));
                let parts: Option<Vec<String>> = parts.iter().map(part).collect();
                Some(format!("{scheme}{}", parts?.join("/")))
            }))
        }
        Id::CloudInit => {
            let text = root.read_text(ID, 4096)?;
            Ok(text.map(|text| text.trim().to_owned()).filter(|id| is_plain(id)))
        }
    }
}

fn data(root: &Root) -> Result<Option<Json>> {
    let Some(bytes) = root.read(DATA, json::LIMIT)? else { return Ok(None) };
    Ok(Some(json::read(&bytes).map_err(|rule| Fault::new(DATA, rule))?))
}

/// A member of cloud-init's standardised keys, or of Google's own metadata; older versions write `-` for `_`, and
/// "null" for what they do not know.
fn part(data: &Json, name: &str) -> Option<String> {
    let v1 = data.get("v1");
    [name.to_owned(), name.replace('_', "-")].into_iter().find_map(|name| {
        let member = v1.and_then(|v1| v1.get(&name)).and_then(|value| match value {
            Json::Text(text) => Some(text.clone()),
            Json::Number(number) => Some(number.clone()),
            _ => None,
        });
        member.filter(|value| value != "null" && is_plain(value))
    })
}

fn is_plain(value: &str) -> bool {
    !value.is_empty() && value.len() <= 256 && value.bytes().all(|byte| byte.is_ascii_graphic())
}
