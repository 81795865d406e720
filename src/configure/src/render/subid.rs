//! Subordinate ids of kubelet (subuid(5)), for pods with a user namespace of their own; entries of others stay.

use crate::found::Found;
use crate::plan::Plan;

/// 110 pods of 65536 ids, from 65536 on.
const LINE: &str = "kubelet:65536:7208960";

/// Plans both files.
pub(super) fn render(found: &Found, plan: &mut Plan) {
    for path in ["/etc/subuid", "/etc/subgid"] {
        let text = found.files.get(path).map_or("", String::as_str);
        let mut out = String::from(LINE);
        out.push('\n');
        for line in text.lines().filter(|line| !line.starts_with("kubelet:")) {
            out.push_str(line);
            out.push('\n');
        }
        plan.file(path, 0o644, ("root", "root"), out.into_bytes(), None);
    }
}
