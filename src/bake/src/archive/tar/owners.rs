//! Owners in Debian packages: only ids that are the same on every Debian system.
//!
//! dpkg goes by the name where the system knows it, else by the number (dpkg, lib/dpkg/tarfn.c), so both must say
//! the same. The tables are base-passwd's `passwd.master` and `group.master` of Debian 13 (Debian Policy 9.2.2: ids
//! 0 to 99 and 65534 are allocated statically).

/// Users by name.
const USERS: &[(&str, u32)] = &[
    ("_apt", 42),
    ("backup", 34),
    ("bin", 2),
    ("daemon", 1),
    ("games", 5),
    ("irc", 39),
    ("list", 38),
    ("lp", 7),
    ("mail", 8),
    ("man", 6),
    ("news", 9),
    ("nobody", 65534),
    ("proxy", 13),
    ("root", 0),
    ("sync", 4),
    ("sys", 3),
    ("uucp", 10),
    ("www-data", 33),
];

/// Groups by name.
const GROUPS: &[(&str, u32)] = &[
    ("adm", 4),
    ("audio", 29),
    ("backup", 34),
    ("bin", 2),
    ("cdrom", 24),
    ("daemon", 1),
    ("dialout", 20),
    ("dip", 30),
    ("disk", 6),
    ("fax", 21),
    ("floppy", 25),
    ("games", 60),
    ("irc", 39),
    ("kmem", 15),
    ("list", 38),
    ("lp", 7),
    ("mail", 8),
    ("man", 12),
    ("news", 9),
    ("nogroup", 65534),
    ("operator", 37),
    ("plugdev", 46),
    ("proxy", 13),
    ("root", 0),
    ("sasl", 45),
    ("shadow", 42),
    ("src", 40),
    ("staff", 50),
    ("sudo", 27),
    ("sys", 3),
    ("tape", 26),
    ("tty", 5),
    ("users", 100),
    ("utmp", 43),
    ("uucp", 10),
    ("video", 44),
    ("voice", 22),
    ("www-data", 33),
];

/// The user's id, where number and name agree on one that is static.
pub(super) fn user(id: u64, name: &[u8]) -> Option<u32> {
    static_id(USERS, id, name)
}

/// The group's id, where number and name agree on one that is static.
pub(super) fn group(id: u64, name: &[u8]) -> Option<u32> {
    static_id(GROUPS, id, name)
}

fn static_id(table: &[(&str, u32)], id: u64, name: &[u8]) -> Option<u32> {
    let id = u32::try_from(id).ok()?;
    table
        .iter()
        .any(|(known, number)| *number == id && (name.is_empty() || name == known.as_bytes()))
        .then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_static_ids_whose_name_agrees_are_taken() {
        assert_eq!(user(0, b"root"), Some(0));
        assert_eq!(user(6, b""), Some(6));
        assert_eq!(group(42, b"shadow"), Some(42));
        for (id, name) in [
            (0, "daemon"),
            (1, "root"),
            (1000, ""),
            (1000, "build"),
            (99, ""),
            (1 << 32, "root"),
            (0, "ROOT"),
        ] {
            assert_eq!(user(id, name.as_bytes()), None, "{id} {name}");
        }
    }
}
