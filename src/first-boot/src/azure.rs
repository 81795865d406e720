//! Azure's provisioning: a disc with `ovf-env.xml`, where custom data and the first user are, and the fabric's own words about
//! a machine, which it is told that it is ready in.
//!
//! Formats: learn.microsoft.com, "Creating Linux VMs without using the Azure provisioning agent", and ovf-env.xml as the
//! namespace `http://schemas.microsoft.com/windowsazure` has it.

use crate::encoding;
use crate::instance::{Instance, Source};
use crate::report::Fault;
use crate::root::{self, Root};
use crate::volume;
use roxmltree::{Document, Node, ParsingOptions};

/// What firmware says on every machine of Azure's.
pub const ASSET_TAG: &str = "7783-7084-3265-9085-8269-3286-77";
/// The file on the disc.
const FILE: &str = "ovf-env.xml";
/// How many elements a document may have.
const MOST_NODES: u32 = 10_000;

/// What the disc says, where there is one: the service over the network knows the rest. The disc is gone after the first boot.
///
/// # Errors
///
/// A disc that cannot be read, or a file that is not what its name says.
pub fn provisioning(root: &Root) -> Result<Option<Instance>, String> {
    for disc in volume::discs(root) {
        // an empty drive, or a disc of somebody else's
        let Ok(read) = volume::with(root, &disc, |folder| root::read(&folder.join(FILE))) else { continue };
        if let Some(bytes) = read? {
            let text = std::str::from_utf8(&bytes).map_err(|_| format!("{FILE}: expected UTF-8"))?;
            return parse(text, &disc.device).map(Some);
        }
    }
    Ok(None)
}

/// A document, within limits and without a DTD.
pub(crate) fn document<'t>(name: &str, text: &'t str) -> Result<Document<'t>, String> {
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MOST_NODES, ..ParsingOptions::default() };
    let text = text.trim_start_matches('\u{feff}');
    Document::parse_with_options(text, options).map_err(|error| format!("{name}: invalid XML: {error}"))
}

/// The text of the first element of this name, in any namespace.
pub(crate) fn text_of<'t>(document: &'t Document<'_>, name: &str) -> Option<&'t str> {
    let is_it = |node: &Node<'_, '_>| node.is_element() && node.tag_name().name() == name;
    let text = document.descendants().find(is_it)?.text()?.trim();
    (!text.is_empty()).then_some(text)
}

/// `ovf-env.xml` as what is known of an instance.
///
/// # Errors
///
/// What is wrong with it.
pub fn parse(text: &str, from: &str) -> Result<Instance, String> {
    let document = document(FILE, text)?;
    // who it is, the service says
    let mut instance = Instance::new(Source::Azure, from, "provisioning");
    let get = |name: &str| text_of(&document, name);
    instance.hostname = get("HostName").map(str::to_owned);
    instance.default_user = get("UserName").map(str::to_owned);
    if let Some(data) = get("CustomData").or_else(|| get("UserData")) {
        match encoding::base64(data.as_bytes()) {
            Ok(bytes) => instance.user_data = bytes,
            Err(what) => instance.faults.push(Fault::error(format!("{FILE}: CustomData: {what}"))),
        }
    }
    if get("UserPassword").is_some() {
        let what = format!("{FILE}: a password is not supported; give the user a key");
        instance.faults.push(Fault::warning(what));
    }
    if get("PreprovisionedVm").is_some_and(|flag| flag.eq_ignore_ascii_case("true")) {
        instance.faults.push(Fault::error(format!(
            "{FILE}: machines that are provisioned in advance are not supported"
        )));
    }
    Ok(instance)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISC: &str = "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
        <ns0:Environment xmlns:ns0=\"http://schemas.dmtf.org/ovf/environment/1\" xmlns:ns1=\"http://schemas.microsoft.com/windowsazure\">\
        <ns1:ProvisioningSection><ns1:Version>1.0</ns1:Version><ns1:LinuxProvisioningConfigurationSet>\
        <ns1:UserName>keeper</ns1:UserName><ns1:HostName>one</ns1:HostName><ns1:CustomData>IyEvYmluL3NoCg==</ns1:CustomData>\
        </ns1:LinuxProvisioningConfigurationSet></ns1:ProvisioningSection></ns0:Environment>";

    #[test]
    fn the_disc_has_the_user_the_name_and_custom_data() {
        let found = parse(DISC, "/dev/sr0").unwrap();
        assert_eq!((found.hostname.as_deref(), found.default_user.as_deref()), (Some("one"), Some("keeper")));
        assert_eq!((found.user_data.as_slice(), found.faults.len()), (&b"#!/bin/sh\n"[..], 0));
        let service =
            Instance { hostname: Some("of-service".to_owned()), ..Instance::new(Source::Azure, "", "i") };
        let whole = service.completed(found);
        assert_eq!((whole.id.as_str(), whole.hostname.as_deref()), ("i", Some("of-service")));
        assert_eq!((whole.default_user.as_deref(), whole.user_data.len()), (Some("keeper"), 10));
    }

    #[test]
    fn a_disc_that_lies_is_said() {
        for text in ["", "<a>", "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>", &"<a>".repeat(20_000)] {
            assert!(parse(text, "/dev/sr0").is_err());
        }
        for (old, new) in
            [("IyEv", "===="), ("<ns1:HostName>", "<ns1:UserPassword>x</ns1:UserPassword><ns1:HostName>")]
        {
            assert_eq!(parse(&DISC.replace(old, new), "/dev/sr0").unwrap().faults.len(), 1, "{new}");
        }
    }
}
