//! `security.capability` as setcap(8) writes it: cap_from_text(3) for the text, capability.h for the form.

/// The capabilities by their numbers, without `cap_`.
const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// VFS_CAP_REVISION_2: two sets of 64 bits.
const REVISION: u32 = 0x0200_0000;

/// The attribute for a text such as `cap_net_raw+ep` or `cap_net_bind_service,cap_net_admin=ep`; nothing for one that is not
/// understood.
pub(super) fn attribute(text: &str) -> Option<Vec<u8>> {
    let (mut permitted, mut inheritable, mut effective) = (0_u64, 0_u64, false);
    for clause in text.split_whitespace() {
        let at = clause.find(['=', '+'])?;
        let (names, flags) = (clause.get(..at)?, clause.get(at + 1..)?);
        let mut set = 0;
        for name in names.split(',') {
            let name = name.to_ascii_lowercase();
            let number = NAMES.iter().position(|known| Some(*known) == name.strip_prefix("cap_"))?;
            set |= 1_u64 << number;
        }
        for flag in flags.chars() {
            match flag {
                'p' => permitted |= set,
                'i' => inheritable |= set,
                'e' => effective = true,
                _ => return None,
            }
        }
    }
    if permitted | inheritable == 0 {
        return None;
    }
    let words = |set: u64| [(set & 0xffff_ffff) as u32, (set >> 32) as u32];
    let ([p0, p1], [i0, i1]) = (words(permitted), words(inheritable));
    let words = [REVISION | u32::from(effective), p0, i0, p1, i1];
    Some(words.iter().flat_map(|word| word.to_le_bytes()).collect())
}

#[cfg(test)]
mod tests {
    use super::attribute;

    #[test]
    fn a_text_becomes_what_the_kernel_reads() {
        // as `getfattr -e hex` shows them after `setcap`
        for (text, hex) in [
            ("cap_net_raw+ep", "0100000200200000000000000000000000000000"),
            ("cap_net_bind_service,cap_net_admin=ep", "0100000200140000000000000000000000000000"),
            ("cap_perfmon=p", "0000000200000000000000004000000000000000"),
            ("CAP_KILL=i", "0000000200000000200000000000000000000000"),
        ] {
            let bytes = attribute(text).unwrap();
            let shown: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(shown, hex, "{text}");
        }
        for wrong in ["", "cap_net_raw", "net_raw+ep", "cap_x+ep", "cap_net_raw+q", "cap_net_raw+"] {
            assert_eq!(attribute(wrong), None, "{wrong}");
        }
    }
}
