//! Azure: the metadata service says who the machine is, and the fabric is told that it is ready. Without that the machine
//! counts as failed after some minutes, although it runs.

use super::text;
use crate::azure::{document, text_of};
use crate::http::{Request, Service};
use crate::instance::{Instance, Source, public_keys};
use crate::report::Fault;
use serde_json::{Map, Value, json};

/// Where the fabric is, on each of Azure's networks.
pub(super) const FABRIC: &str = "168.63.129.16";
/// What the metadata service is asked.
const INSTANCE: &str = "/metadata/instance?api-version=2021-08-01&format=json";
/// The version of the fabric's protocol, and who speaks it.
const FABRIC_HEADERS: [(&str, &str); 2] = [("x-ms-version", "2012-11-30"), ("x-ms-agent-name", "first-boot")];

/// Asks the service who this is, and tells the fabric that it is ready.
pub(super) fn instance(service: &mut Service, fabric: &Service) -> Result<Instance, String> {
    service.headers.push(("Metadata".to_owned(), "true".to_owned()));
    let bytes = service.need(INSTANCE)?;
    let all: Value =
        serde_json::from_slice(&bytes).map_err(|error| format!("metadata: invalid JSON: {error}"))?;
    let compute = all.get("compute").cloned().unwrap_or_default();
    let part = |value: &Value, key: &str| {
        value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let id = part(&compute, "vmId").ok_or("metadata: expected `compute.vmId`")?;
    let from = format!("http://{}", service.host);
    let mut instance = Instance::new(Source::Azure, from, id.to_ascii_lowercase());
    let profile = compute.get("osProfile").cloned().unwrap_or_default();
    instance.hostname = part(&profile, "computerName").or_else(|| part(&compute, "name"));
    instance.default_user = part(&profile, "adminUsername");
    instance.region = part(&compute, "location");
    instance.zone = part(&compute, "zone");
    let keys: Vec<Value> = compute
        .get("publicKeys")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|key| key.get("keyData").cloned())
        .collect();
    instance.public_keys = public_keys(&Value::Array(keys));
    if let Some(data) = part(&compute, "userData") {
        match crate::encoding::base64(data.as_bytes()) {
            Ok(bytes) => instance.user_data = bytes,
            Err(what) => instance.faults.push(Fault::error(format!("userData: {what}"))),
        }
    }
    let mut metadata = Map::new();
    metadata.insert("instance-id".to_owned(), json!(instance.id));
    metadata.insert("local-hostname".to_owned(), json!(instance.hostname));
    metadata.insert("public-keys".to_owned(), json!(instance.public_keys));
    metadata.insert("imds".to_owned(), all);
    instance.metadata = metadata;
    let mut instance = instance.checked()?;
    if let Err(what) = ready(fabric) {
        let what = format!("the fabric was not told that this machine is ready: {what}");
        instance.faults.push(Fault::error(what));
    }
    Ok(instance)
}

/// Tells the fabric that the machine is ready, in the words that it has for it.
fn ready(fabric: &Service) -> Result<(), String> {
    let goal = Request { headers: &FABRIC_HEADERS, ..Request::get("/machine/?comp=goalstate") };
    let goal = text(fabric.ask(&goal, |_| false)?.body)?;
    let goal = document("goal state", &goal)?;
    let word = |name: &str| {
        let text = text_of(&goal, name).ok_or_else(|| format!("goal state: expected `{name}`"))?;
        let is_word = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if is_word { Ok(text) } else { Err(format!("goal state: `{name}`: expected one word")) }
    };
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><Health><GoalStateIncarnation>{}</GoalStateIncarnation><Container>\
         <ContainerId>{}</ContainerId><RoleInstanceList><Role><InstanceId>{}</InstanceId><Health><State>Ready</State></Health>\
         </Role></RoleInstanceList></Container></Health>",
        word("Incarnation")?,
        word("ContainerId")?,
        word("InstanceId")?
    );
    let [version, agent] = FABRIC_HEADERS;
    let headers = [version, agent, ("Content-Type", "text/xml;charset=utf-8")];
    let report =
        Request { method: "POST", path: "/machine/?comp=health", headers: &headers, body: body.as_bytes() };
    fabric.ask(&report, |status| (200..300).contains(&status)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::tests::{answer, service};

    const GOAL: &str = "<?xml version=\"1.0\"?><GoalState><Version>2012-11-30</Version><Incarnation>3</Incarnation><Container>\
        <ContainerId>c-1</ContainerId><RoleInstanceList><RoleInstance><InstanceId>r_1</InstanceId></RoleInstance></RoleInstanceList>\
        </Container></GoalState>";

    fn metadata() -> Value {
        json!({"compute": {"vmId": "AB-1", "name": "vm", "location": "westeurope", "zone": "2", "userData": "IyEvYmluL3NoCg==",
            "osProfile": {"adminUsername": "keeper", "computerName": "one"},
            "publicKeys": [{"keyData": "ssh-ed25519 AAAA1 a\r\n", "path": "/home/keeper/.ssh/authorized_keys"}]}})
    }

    #[test]
    fn azures_service_says_who_it_is_and_the_fabric_is_told() {
        let (mut imds, asked) = service(vec![answer(200, &metadata().to_string())]);
        let (fabric, told) = service(vec![answer(503, ""), answer(200, GOAL), answer(200, "")]);
        let found = instance(&mut imds, &fabric).unwrap();
        assert_eq!((found.id.as_str(), found.hostname.as_deref()), ("ab-1", Some("one")));
        assert_eq!((found.region.as_deref(), found.zone.as_deref()), (Some("westeurope"), Some("2")));
        assert_eq!(found.default_user.as_deref(), Some("keeper"));
        assert_eq!(
            (found.public_keys, found.user_data),
            (vec!["ssh-ed25519 AAAA1 a".to_owned()], b"#!/bin/sh\n".to_vec())
        );
        assert!(asked.join().unwrap()[0].contains("Metadata: true\r\n"));
        let told = told.join().unwrap();
        assert!(
            told[1].starts_with("GET /machine/?comp=goalstate ")
                && told[1].contains("x-ms-version: 2012-11-30\r\n")
        );
        assert!(
            told[2].starts_with("POST /machine/?comp=health ") && told[2].contains("Content-Type: text/xml")
        );
        assert!(told[2].contains("<InstanceId>r_1</InstanceId><Health><State>Ready</State>"), "{}", told[2]);
    }

    #[test]
    fn a_service_or_a_fabric_that_lies_is_an_error() {
        for (metadata, goal) in [
            ("[]".to_owned(), GOAL),
            (json!({"compute": {"vmId": ".."}}).to_string(), GOAL),
            (metadata().to_string(), "<GoalState/>"),
            (metadata().to_string(), "<GoalState><Incarnation>1 2</Incarnation></GoalState>"),
        ] {
            let (mut imds, _asked) = service(vec![answer(200, &metadata)]);
            let (fabric, _told) = service(vec![answer(200, goal)]);
            // without a fabric the machine is configured all the same
            match instance(&mut imds, &fabric) {
                Ok(instance) => assert_eq!(
                    (instance.id.as_str(), instance.faults.len(), goal == GOAL),
                    ("ab-1", 1, false)
                ),
                Err(what) => assert!(goal == GOAL, "{what}"),
            }
        }
    }
}
