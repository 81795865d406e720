//! `configure detect`: asks the network before the first run, without any privilege, so that the run that may write
//! everything need not talk to anybody.
//!
//! User-data comes as a credential, what was found goes to the unit's own directory below /run.

use crate::bootstrap::{ADDRESSES, layer, parse_user_data, user_data};
use crate::layers::Layers;
use crate::names::{DEFAULTS, DETECT_FACTS, Role};
use crate::refusal::{Class, Fault, Refusal, Result};
use crate::root::Root;
use crate::rules::{Rule, parse_host_port};
use std::path::PathBuf;

/// The name whose addresses a worker writes down.
const API: &str = "KUBE_API_INTERNAL_LB_HOSTNAME";

/// Runs it.
pub fn run(root: &Root) -> Result<()> {
    let credential =
        std::env::var_os("CREDENTIALS_DIRECTORY").map(|path| PathBuf::from(path).join("user-data.env"));
    let user_data = match credential {
        Some(path) => {
            let bytes = std::fs::read(&path)
                .map_err(|error| Refusal::io(path.display().to_string(), "read it", &error))?;
            parse_user_data(&bytes).map_err(Refusal::input)?
        }
        None => user_data(root)?,
    };
    let image = crate::install::load(root)?;
    let mut facts = crate::detect::detect(root, &user_data, &image)?;
    let mutable = layer(root, DEFAULTS)?.unwrap_or_default();
    let layers = Layers { user_data, detected: facts.clone(), mutable };
    let keys = ["NSTANCE_SERVER_REGISTRATION_ADDR", "NSTANCE_SERVER_AGENT_ADDR"];
    // what breaks a rule is told by the run that checks everything
    let servers: Vec<_> =
        keys.into_iter().filter_map(|key| Some((key, parse_host_port(layers.value(key))?))).collect();
    crate::probe::servers(&servers)?;
    let host = layers.value(API);
    let ask = image.role == Role::Worker && Rule::Host.holds(host);
    let addresses = if ask { crate::probe::resolve(host) } else { Vec::new() };
    if ask && addresses.is_empty() {
        // a name may be known later, and this is who asks again
        let place = layers.find(API).map_or(crate::names::MUTABLE, |found| found.place);
        let fault = Fault::new(place, "expected a name with an address").key(API);
        let faults = vec![fault.hint("does this node's name server know it? it is asked again")];
        return Err(Refusal { class: Class::Network, faults });
    }
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    facts.set(ADDRESSES, &addresses.join(","));
    let text = facts.text().unwrap_or_default();
    let (directory, name) = root.parent(DETECT_FACTS)?;
    let unfinished = format!(".{name}.new");
    let _ = crate::calls::unlinkat(&directory, &unfinished, rustix::fs::AtFlags::empty());
    let fd = crate::calls::openat(&directory, &unfinished, crate::calls::NEW, crate::calls::PRIVATE)
        .map_err(|error| Refusal::io(DETECT_FACTS, "write it", &error.into()))?;
    use std::io::Write as _;
    std::fs::File::from(fd)
        .write_all(text.as_bytes())
        .map_err(|error| Refusal::io(DETECT_FACTS, "write it", &error))?;
    crate::calls::renameat(&directory, &unfinished, &directory, name)
        .map_err(|error| Refusal::io(DETECT_FACTS, "put it into place", &error.into()))
}
