//! JSON Schema (draft 2020-12) of the settings, made from [`crate::keys`], for editors and for checks at plan time.
//!
//! A schema takes whatever a node takes. Where a rule is not a regular expression (an IPv6 address, a certificate) it takes
//! more, and so it does of what several settings must be together; `configure check` is the whole truth.

mod pattern;
#[cfg(test)]
mod tests;

use crate::cloud;
use crate::json::Json;
use crate::keys::{Given, KEYS, Key};
use crate::names::Role;
use pattern::Form;

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// One schema of an object with a member for each file.
#[must_use]
pub fn both() -> Json {
    let of = |name: &str| Json::map([("$ref", text(&format!("#/$defs/{name}")))]);
    Json::map([
        ("$schema", text(DRAFT)),
        ("title", text("settings of a node")),
        ("type", text("object")),
        ("properties", Json::map(["user-data", "mutable"].map(|name| (name, of(name))))),
        ("additionalProperties", Json::Bool(false)),
        ("$defs", Json::map([("user-data", user_data()), ("mutable", mutable())])),
    ])
}

/// The schema of user-data: all settings may be given. Other names are left alone, as long as no program runs code by
/// them.
#[must_use]
pub fn user_data() -> Json {
    let dangerous = "^(?:PATH|ENV|BASH_ENV|IFS|SHELLOPTS|BASHOPTS|PS4|PROMPT_COMMAND|GCONV_PATH|PYTHONPATH|PERL5LIB|GODEBUG\
        |LD_.*|BASH_FUNC_.*|GLIBC_TUNABLES.*)$";
    let names = Json::map([
        ("pattern", text("^[A-Za-z_][A-Za-z0-9_]{0,127}$")),
        ("not", Json::map([("pattern", text(dangerous))])),
    ]);
    let when = |key: &str, value: &str, wanted: &[&'static str]| {
        let is = Json::map([(key, Json::map([("const", text(value))]))]);
        let condition = Json::map([("properties", is), ("required", Json::List(vec![text(key)]))]);
        Json::map([("if", condition), ("then", Json::map(required(wanted)))])
    };
    let mut conditions: Vec<Json> = Vec::new();
    for provider in cloud::Provider::ALL {
        let needs: Vec<&'static str> = cloud::of(*provider).needs.iter().map(|need| need.key).collect();
        if !needs.is_empty() {
            conditions.push(when("PROVIDER_KIND", provider.as_str(), &needs));
        }
    }
    conditions.push(when("VMCONFIG_KIND", "knc", &["CLUSTER_ID", "INSTANCE_ID"]));
    let all = required(&["NSTANCE_SERVER_AGENT_ADDR", "NSTANCE_SERVER_REGISTRATION_ADDR", "PROVIDER_KIND"]);
    let base = Json::List([vec![Json::map(all)], conditions].concat());
    let properties = KEYS.iter().map(|key| (key.name, property(key, Form::File)));
    Json::map([
        ("$schema", text(DRAFT)),
        ("title", text("user-data.env: who an instance is")),
        ("type", text("object")),
        ("properties", Json::map(properties)),
        ("propertyNames", names),
        ("additionalProperties", Json::map([("type", text("string"))])),
        ("allOf", base),
    ])
}

/// The schema of a delivered `mutable.env`: live settings, nothing else, and only characters that a delivery may have.
#[must_use]
pub fn mutable() -> Json {
    let live = KEYS.iter().filter(|key| key.given == Given::Live);
    Json::map([
        ("$schema", text(DRAFT)),
        ("title", text("mutable.env: what may change live")),
        ("type", text("object")),
        ("properties", Json::map(live.map(|key| (key.name, property(key, Form::Delivery))))),
        ("additionalProperties", Json::Bool(false)),
    ])
}

/// `keys` are there and not empty.
fn required(keys: &[&'static str]) -> [(&'static str, Json); 2] {
    let some = |key: &&'static str| (*key, Json::map([("minLength", Json::Number("1".to_owned()))]));
    [
        ("properties", Json::map(keys.iter().map(some))),
        ("required", Json::List(keys.iter().map(|key| text(key)).collect())),
    ]
}

fn property(key: &Key, form: Form) -> Json {
    let mut about = key.about.to_owned();
    if key.role == Some(Role::ControlPlane) {
        about.push_str(" Control planes only.");
    }
    let services: Vec<&str> = key.services().into_iter().map(crate::services::Service::unit).collect();
    if !services.is_empty() {
        about.push_str(" Restarts ");
        about.push_str(&services.join(", "));
        about.push('.');
    }
    let mut members = vec![
        ("type", text("string")),
        ("description", text(&about)),
        ("maxLength", Json::Number(key.rule.limit().to_string())),
        ("pattern", text(&pattern::of(key.rule, form))),
    ];
    if !key.default.is_empty() {
        members.push(("default", text(key.default)));
    }
    if key.secret {
        members.push(("writeOnly", Json::Bool(true)));
    }
    Json::map(members)
}

fn text(text: &str) -> Json {
    Json::Text(text.to_owned())
}
