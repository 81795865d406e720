//! What the scripts of OpenSSH's packages ask: `sshd -G`, and host keys.

use crate::failure::Reason;
use crate::files::Bytes;
use crate::sh::{Call, Stop};

/// What sshd does where its configuration says nothing, as far as scripts ask: sshd_config(5).
const DEFAULTS: [(&[u8], &[u8]); 5] = [
    (b"hostkey", b"/etc/ssh/ssh_host_rsa_key"),
    (b"hostkey", b"/etc/ssh/ssh_host_ecdsa_key"),
    (b"hostkey", b"/etc/ssh/ssh_host_ed25519_key"),
    (b"passwordauthentication", b"yes"),
    (b"permitrootlogin", b"without-password"),
];

/// How many files one configuration may include.
const MOST_FILES: usize = 100;

/// `sshd -G` prints the configuration that is in force: here the lines of the files, and the defaults above.
pub(super) fn sshd(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    match call.args {
        [flag] if flag == b"-G" => {}
        [flag] if flag == b"-t" || flag == b"-T" => {
            return call.nothing("the configuration is tested where there are host keys, on a machine");
        }
        _ => return Err(call.sh.fail(Reason::Program(call.name.to_owned()))),
    }
    let mut said: Vec<(Bytes, Bytes)> = Vec::new();
    let mut files = vec![b"/etc/ssh/sshd_config".to_vec()];
    let mut read = 0;
    while let Some(path) = files.pop() {
        read += 1;
        if read > MOST_FILES {
            return Err(call.unsupported("a configuration of more than 100 files"));
        }
        let text = call.sh.files.read(&path).unwrap_or_default();
        let mut included = Vec::new();
        for line in text.split(|byte| *byte == b'\n') {
            call.sh.step()?;
            let line = line.trim_ascii();
            let end = line.iter().position(|b| b.is_ascii_whitespace() || *b == b'=').unwrap_or(line.len());
            let (keyword, value) = line.split_at_checked(end).unwrap_or_default();
            let keyword = keyword.to_ascii_lowercase();
            let value = value.trim_ascii_start().strip_prefix(b"=").unwrap_or(value).trim_ascii();
            match &keyword[..] {
                b"" => {}
                [b'#', ..] => {}
                // what follows holds for some connections only
                b"match" => break,
                b"include" => {
                    for pattern in value.split(u8::is_ascii_whitespace).filter(|p| !p.is_empty()) {
                        let whole = crate::files::absolute(b"/etc/ssh", pattern);
                        let pattern: Vec<(u8, bool)> = whole.iter().map(|byte| (*byte, false)).collect();
                        included.extend(call.sh.glob(&pattern)?);
                    }
                }
                // the first value counts, but for keys, which add up
                _ if keyword != b"hostkey" && said.iter().any(|(known, _)| *known == keyword) => {}
                _ => said.push((keyword, value.to_vec())),
            }
        }
        files.extend(included.into_iter().rev());
    }
    let is_said = |keyword: &[u8]| said.iter().any(|(known, _)| known == keyword);
    let unsaid = DEFAULTS.into_iter().filter(|(keyword, _)| !is_said(keyword));
    let unsaid: Vec<(Bytes, Bytes)> =
        unsaid.map(|(keyword, value)| (keyword.to_vec(), value.to_vec())).collect();
    said.extend(unsaid);
    for (keyword, value) in said {
        call.out.extend_from_slice(&[&keyword[..], b" ", &value, b"\n"].concat());
    }
    Ok(0)
}

/// ssh-keygen of a host's key, where the machine makes its own at its first boot: a key that is in an image is no secret.
pub(super) fn keygen(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let at_boot = call.sh.files.stat(b"/usr/lib/systemd/system/sshd-keygen.service").is_some();
    let of_host = call.args.iter().any(|arg| arg.starts_with(b"/etc/ssh/ssh_host_"));
    if at_boot && of_host {
        return call.nothing("each machine makes its host keys at its first boot, by sshd-keygen.service");
    }
    Err(call.sh.fail(Reason::Running("a random value".to_owned())))
}

#[cfg(test)]
mod tests {
    use crate::testing::{Memory, run};

    #[test]
    fn sshd_says_its_files_and_the_defaults_that_scripts_ask_for() {
        let keys = "hostkey /etc/ssh/ssh_host_rsa_key\nhostkey /etc/ssh/ssh_host_ecdsa_key\n\
                    hostkey /etc/ssh/ssh_host_ed25519_key\n";
        let own = "HostKey /a\nhostkey=/b\nInclude conf.d/*.conf\nPermitRootLogin yes\nPermitRootLogin no\n#Port 1\n\
                   Match User x\nPort 2\n";
        for (config, expected) in [
            ("", format!("{keys}passwordauthentication yes\npermitrootlogin without-password\n")),
            (
                own,
                "hostkey /a\nhostkey /b\npermitrootlogin yes\nport 7\npasswordauthentication yes\n"
                    .to_owned(),
            ),
        ] {
            let memory =
                Memory::new(&[("/etc/ssh/sshd_config", config), ("/etc/ssh/conf.d/a.conf", "Port 7\n")]);
            assert_eq!(run(&memory, "sshd -G").0, Ok((expected, 0)), "{config}");
        }
    }

    #[test]
    fn host_keys_are_made_by_machines_and_other_keys_are_refused() {
        let memory =
            Memory::new(&[("/etc/ssh/sshd_config", ""), ("/usr/lib/systemd/system/sshd-keygen.service", "")]);
        let made = run(&memory, "ssh-keygen -q -f /etc/ssh/ssh_host_rsa_key -N '' -t rsa; ls /etc/ssh").0;
        assert_eq!(made, Ok(("sshd_config\n".to_owned(), 0)));
        let failed = run(&memory, "ssh-keygen -f /root/key").0.unwrap_err().to_string();
        assert!(failed.contains("a random value is known only to a running machine"), "{failed}");
    }
}
