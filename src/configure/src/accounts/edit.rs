//! Changes of account files, from text to text.

use super::Accounts;

/// Where regular users' numbers start and end (adduser.conf(5)).
const REGULAR: std::ops::Range<u32> = 1000..59_000;

/// `accounts` with `user` in just these supplementary `groups`. A group that is not there is passed over.
#[must_use]
pub fn with_members(accounts: &Accounts, user: &str, groups: &[&str]) -> Accounts {
    let change = |text: &str| members(text, user, groups);
    Accounts { group: change(&accounts.group), gshadow: change(&accounts.gshadow), ..accounts.clone() }
}

/// Both group(5) and gshadow(5) have the members in the fourth field.
fn members(text: &str, user: &str, groups: &[&str]) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let changed = match fields.as_slice() {
            [name, second, third, list] => {
                let mut names: Vec<&str> = list.split(',').filter(|one| !one.is_empty()).collect();
                let wanted = groups.contains(name);
                let present = names.contains(&user);
                if wanted && !present {
                    names.push(user);
                } else if !wanted && present {
                    names.retain(|one| *one != user);
                }
                (wanted != present).then(|| format!("{name}:{second}:{third}:{}", names.join(",")))
            }
            _ => None,
        };
        out.push_str(changed.as_deref().unwrap_or(line));
        out.push('\n');
    }
    out
}

/// `accounts` with the user `admin`: its own group, home, bash, a locked password. None when no number is free.
#[must_use]
pub fn with_admin(accounts: &Accounts) -> Option<Accounts> {
    let ids = accounts.ids();
    if ids.user("admin").is_some() {
        return Some(accounts.clone());
    }
    let mut out = accounts.clone();
    let uid = REGULAR.clone().find(|id| !ids.is_taken(*id))?;
    let gid = match ids.group("admin") {
        Some(gid) => gid,
        None => {
            push(&mut out.group, &format!("admin:x:{uid}:"));
            push(&mut out.gshadow, "admin:!::");
            uid
        }
    };
    push(&mut out.passwd, &format!("admin:x:{uid}:{gid}::/home/admin:/bin/bash"));
    // no day of the last change: that would be a clock's
    push(&mut out.shadow, "admin:!::0:99999:7:::");
    Some(out)
}

fn push(text: &mut String, line: &str) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(line);
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::{Accounts, with_admin, with_members};

    fn accounts() -> Accounts {
        Accounts {
            passwd: "root:x:0:0:root:/root:/bin/bash\ndebian:x:1000:1000::/home/debian:/bin/bash\n"
                .to_owned(),
            group: "root:x:0:\ndebian:x:1000:\npodplane:x:900:zot\nadm:x:4:zot,debian\n".to_owned(),
            shadow: "root:*:1:0:99999:7:::\n".to_owned(),
            gshadow: "podplane:!::zot\nadm:*::zot,debian\n".to_owned(),
        }
    }

    #[test]
    fn membership_becomes_exactly_what_is_wanted() {
        let out = with_members(&accounts(), "zot", &["podplane"]);
        assert_eq!(out.group, "root:x:0:\ndebian:x:1000:\npodplane:x:900:zot\nadm:x:4:debian\n");
        assert_eq!(out.gshadow, "podplane:!::zot\nadm:*::debian\n");
        let out = with_members(&accounts(), "kubelet", &["podplane", "nosuch"]);
        assert!(out.group.contains("podplane:x:900:zot,kubelet\n"));
    }

    #[test]
    fn what_is_right_stays_byte_for_byte() {
        assert!(with_members(&accounts(), "zot", &["podplane", "adm"]) == accounts());
    }

    #[test]
    fn admin_gets_the_first_free_number_and_only_once() {
        let once = with_admin(&accounts()).expect("free");
        assert!(once.passwd.ends_with("\nadmin:x:1001:1001::/home/admin:/bin/bash\n"));
        assert!(once.shadow.ends_with("\nadmin:!::0:99999:7:::\n"));
        assert_eq!(once.ids().group("admin"), Some(1001));
        assert!(with_admin(&once) == Some(once));
    }
}
