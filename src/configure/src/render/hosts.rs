//! The marked block of `/etc/hosts` that says where the API server is; everything else in it stays.

use crate::found::Found;
use crate::keys::Output;
use crate::names::Role;
use crate::plan::Plan;
use std::net::IpAddr;

const PATH: &str = "/etc/hosts";
const NAME: &str = "kube-apiserver.podplane.internal";
const BEGIN: &str = "# BEGIN podplane managed kube-apiserver";
const END: &str = "# END podplane managed kube-apiserver";

/// Plans it when something changes: the control plane is its own; a worker's `addresses` are those of the load balancer, where
/// none at all removes the block, and unknown ones leave it.
pub fn render(role: Role, found: &Found, addresses: Option<&[IpAddr]>, plan: &mut Plan) {
    let lines: Vec<String> = match (role, addresses) {
        (Role::ControlPlane, _) => vec![format!("127.0.0.1 {NAME}")],
        (Role::Worker, Some(addresses)) => {
            addresses.iter().map(|address| format!("{address} {NAME}")).collect()
        }
        (Role::Worker, None) => return,
    };
    let present = found.files.get(PATH).map(String::as_str);
    let wanted = with_block(present.unwrap_or_default(), &lines);
    // not when it is equal, even if the file is reached by a link, and not into an empty file that is not there
    if present.unwrap_or_default() != wanted {
        plan.file(PATH, 0o644, ("root", "root"), wanted.into_bytes(), Some(Output::Hosts));
    }
}

/// `text` without any block of ours, and with one of `lines` at the end when there are any.
fn with_block(text: &str, lines: &[String]) -> String {
    let mut out = String::with_capacity(text.len() + 256);
    let mut rest = text.lines().peekable();
    while let Some(line) = rest.next() {
        if line.trim_end() == BEGIN {
            // a block that lost its end takes only lines of ours with it
            while rest.next_if(|line| line.split_whitespace().nth(1) == Some(NAME)).is_some() {}
            rest.next_if(|line| line.trim_end() == END);
        } else {
            out.push_str(line);
            out.push('\n');
        }
    }
    // a file that we do not change keeps its last line as it is
    if lines.is_empty() && out.trim_end_matches('\n') == text.trim_end_matches('\n') {
        return text.to_owned();
    }
    if !lines.is_empty() {
        for line in [BEGIN].into_iter().chain(lines.iter().map(String::as_str)).chain([END]) {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{BEGIN, END, NAME, with_block};

    #[test]
    fn the_block_is_replaced_and_the_rest_stays() {
        let line = format!("10.0.0.1 {NAME}");
        let block = format!("{BEGIN}\n{line}\n{END}\n");
        for (text, expected) in [
            (String::new(), block.clone()),
            ("a\nb".to_owned(), format!("a\nb\n{block}")),
            (format!("a\n{block}{block}b\n"), format!("a\nb\n{block}")),
            (format!("a\n{BEGIN}\n10.1.1.1 {NAME}\n10.5.5.5 other\n"), format!("a\n10.5.5.5 other\n{block}")),
        ] {
            let once = with_block(&text, std::slice::from_ref(&line));
            assert_eq!(once, expected);
            assert_eq!(with_block(&once, std::slice::from_ref(&line)), once);
        }
        assert_eq!(with_block("a\nb", &[]), "a\nb");
        assert_eq!(with_block(&format!("a\n{block}"), &[]), "a\n");
    }
}
