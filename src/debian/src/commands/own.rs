//! What each machine must have of its own: keys, cookies, names that are unique, databases with an identifier.
//!
//! A value that is made while an image is made would be the same on all machines, and no secret. So what makes one gives a mark
//! instead, which stands where the value would; at the end of the run each file that has a mark is taken out of the tree, and a
//! unit makes it at the first boot, from the same command (`finish`). A mark that is in no file at the end, because a script did
//! something else with the value, is a failure. Databases and Java's store of certificates, which only their own programs can
//! make, are made in the same way; and by a second unit, late in the boot, what depends on the name that the machine has been
//! given, and indexes that programs make of the whole tree.

use crate::failure::{Failure, Origin, Reason};
use crate::files::{Bytes, Content, Errno, Files, Kind, Meta, join, parent};
use crate::sh::{Call, Stop};
use crate::system::{Own, System};

/// What a mark begins and ends with.
const MARK: (&str, &str) = ("own-value-", "-x");
/// Where the first boot finds what to do.
const FOLDER: &[u8] = b"/usr/lib/first-boot-values";
/// The unit for what services need, and the one for what depends on the machine's name or is an index.
const UNITS: [&str; 2] = ["first-boot-values", "first-boot-indexes"];

/// A mark for the value that a shell command prints.
fn mark(call: &mut Call<'_, '_>, command: String) -> Bytes {
    let mark = format!("{}{:04}{}", MARK.0, call.sh.system.own.len() + 1, MARK.1);
    let origin = call.sh.files.origin.clone();
    call.sh.system.own.push(Own { mark: mark.clone(), command, makes: None, late: false, origin });
    mark.into_bytes()
}

/// A file that a shell command makes: its mark stands in it.
fn made(call: &mut Call<'_, '_>, path: &[u8], command: &str, mode: u32) -> Result<u8, Stop> {
    let mark = mark(call, command.to_owned());
    let whole = call.path(path);
    let at = match call.sh.files.resolve(&whole, true) {
        Ok(at) => at,
        Err(errno) => return call.errno("cannot make", path, errno),
    };
    if let Some(own) = call.sh.system.own.last_mut() {
        own.makes = Some(at.clone());
    }
    let text = [&mark[..], b"\n"].concat();
    let written = call.sh.files.write(&at, text, mode).and_then(|()| call.sh.files.chmod(&at, mode));
    match written {
        Ok(()) => Ok(0),
        Err(errno) => call.errno("cannot make", path, errno),
    }
}

/// What a program makes at the first boot, when `path` is missing: nothing of it is in the image, and no script looks at it.
fn later(call: &mut Call<'_, '_>, path: &[u8], command: String) -> Result<u8, Stop> {
    let origin = call.sh.files.origin.clone();
    call.sh.system.own.push(Own {
        mark: String::new(),
        command,
        makes: Some(path.to_vec()),
        late: false,
        origin,
    });
    call.nothing("it is made at the first boot, by first-boot-values.service")
}

/// `mariadb-install-db`: the tables of the system.
pub(super) fn mariadb(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let known = [
        "--rpm",
        "--cross-bootstrap",
        "--user=mysql",
        "--disable-log-bin",
        "--skip-test-db",
        "--auth-root-authentication-method=socket",
    ];
    if let Some(other) = call.args.iter().find(|arg| !known.iter().any(|known| known.as_bytes() == &arg[..]))
    {
        return Err(call.option(other));
    }
    let command = format!("TMPDIR= {}", command_line("mariadb-install-db", call.args));
    later(call, b"/var/lib/mysql/mysql", command)
}

/// `pg_createcluster`: a cluster has an identifier of its own. The unit of one that is made is started when there is one.
pub(super) fn postgres(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let operands: Vec<&Bytes> = match call.args {
        [user, name, rest @ ..] if user == b"-u" && name == b"postgres" => rest.iter().collect(),
        args => args.iter().collect(),
    };
    let operands: Vec<&Bytes> = operands.into_iter().filter(|arg| *arg != b"--no-status").collect();
    let [version, name] = operands[..] else { return Err(call.unsupported("these arguments")) };
    let plain =
        |word: &[u8]| !word.is_empty() && word.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'.');
    if !plain(version) || !plain(name) {
        return Err(call.unsupported("these arguments"));
    }
    let (version, name) =
        (String::from_utf8_lossy(version).into_owned(), String::from_utf8_lossy(name).into_owned());
    let mut words: Vec<Bytes> = Vec::new();
    for (variable, value) in call.sh.s.vars.environment() {
        if variable == b"LANG" || variable.starts_with(b"LC_") {
            words.push([&variable[..], b"=", &value].concat());
        }
    }
    words.push(b"pg_createcluster".to_vec());
    words.extend(call.args.iter().cloned());
    let command = format!(
        "{}\n/usr/share/postgresql-common/pg_updateaptconfig\nsystemctl --no-block start postgresql@{version}-{name}.service",
        command_line("env", &words)
    );
    later(call, format!("/etc/postgresql/{version}/{name}").as_bytes(), command)
}

/// Java: to see that it runs, and to put the certificates of the system into its own store.
pub(super) fn java(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    if call.args == [b"-version".to_vec()] {
        return call.nothing("it only checks whether Java runs");
    }
    let jar = call.args.iter().any(|arg| arg == b"/usr/share/ca-certificates-java/ca-certificates-java.jar");
    let input = call.sh.read_all(0);
    let input = String::from_utf8_lossy(&input).into_owned();
    let good = |line: &str| line.starts_with(['+', '-']) && !line.chars().any(char::is_control);
    if !jar || !input.lines().all(good) {
        return Err(call.sh.fail(Reason::Program(call.name.to_owned())));
    }
    let store = b"/etc/ssl/certs/java/cacerts";
    call.sh.system.own.retain(|own| own.makes.as_deref() != Some(&store[..]) || !own.mark.is_empty());
    let end = if input.ends_with('\n') || input.is_empty() { "" } else { "\n" };
    later(call, store, format!("{} <<'END'\n{input}{end}END", command_line("java", call.args)))
}

/// A word as a shell reads it back.
fn quoted(word: &[u8]) -> String {
    let text = String::from_utf8_lossy(word);
    let plain =
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./:=,+".contains(&b));
    if plain { text.into_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

fn command_line(name: &str, args: &[Bytes]) -> String {
    let words: Vec<String> =
        std::iter::once(name.to_owned()).chain(args.iter().map(|arg| quoted(arg))).collect();
    words.join(" ")
}

/// `iscsi-iname`, `uuidgen`, `mcookie`, `pwgen`, `makepasswd`: each prints a value.
pub(super) fn printed(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let command = command_line(call.name, call.args);
    let mark = mark(call, command);
    call.out.extend_from_slice(&[&mark[..], b"\n"].concat());
    Ok(0)
}

/// `hostname`: the name that the machine has been given by the time that it has booted.
pub(super) fn hostname(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let command = match call.args {
        [] => "hostname",
        [how] if how == b"-s" || how == b"--short" => "hostname -s",
        [how] if how == b"-f" || how == b"--fqdn" || how == b"--long" => "hostname -f || hostname",
        _ => return Err(call.sh.fail(Reason::Running("the name of the host".to_owned()))),
    };
    let known = call.sh.system.own.iter().find(|own| own.late && own.command == command);
    let mark = match known.map(|own| own.mark.clone().into_bytes()) {
        Some(mark) => mark,
        None => mark(call, command.to_owned()),
    };
    if let Some(own) = call.sh.system.own.last_mut().filter(|own| own.mark.as_bytes() == mark) {
        own.late = true;
    }
    call.out.extend_from_slice(&[&mark[..], b"\n"].concat());
    Ok(0)
}

/// Programs that make an index of what is in the tree, by their own means and again whenever they are called.
pub(super) fn is_index(name: &str) -> bool {
    matches!(
        name,
        "update-dictcommon-aspell"
            | "update-dictcommon-hunspell"
            | "update-default-wordlist"
            | "update-default-ispell"
            | "aspell-autobuildhash"
            | "ispell-autobuildhash"
            | "update-info-dir"
            | "update-hoogle"
            | "gnome-menus-blacklist"
            | "libgvc6-config-update"
            | "dconf"
            | "update-fonts-scale"
            | "update-fonts-dir"
            | "update-perl-sax-parsers"
            | "update-menus"
            | "blend-update-menus"
            | "flatpak"
    )
}

/// An index, which is made late in the first boot.
pub(super) fn index(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let lists = call.args == [b"remote-list".to_vec(), b"--system".to_vec()];
    if (call.name == "dconf" && call.args != [b"update".to_vec()]) || (call.name == "flatpak" && !lists) {
        return Err(call.unsupported("these arguments"));
    }
    let command = command_line(call.name, call.args);
    let origin = call.sh.files.origin.clone();
    // made once, after all that asked for it
    call.sh.system.own.retain(|own| !(own.late && own.mark.is_empty() && own.command == command));
    call.sh.system.own.push(Own { mark: String::new(), command, makes: None, late: true, origin });
    call.nothing("it is made at the first boot, by first-boot-indexes.service")
}

/// `openssl rand`, to its output or to a file, and `openssl dhparam` to a file.
pub(super) fn openssl(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let args = call.args.to_vec();
    let text = args.iter().any(|arg| arg == b"-base64" || arg == b"-hex");
    let out = args.iter().position(|arg| arg == b"-out").and_then(|at| args.get(at + 1)).cloned();
    match (args.first().map(|arg| &arg[..]), out) {
        (Some(b"rand"), None) if text => printed(call),
        (Some(b"rand"), Some(path)) if text => made(call, &path, &command_line("openssl", &args), 0o600),
        (Some(b"dhparam"), Some(path)) => {
            let mode = 0o666 & !call.sh.s.umask;
            made(call, &path, &command_line("openssl", &args), mode)
        }
        _ => Err(call.sh.fail(Reason::Running("a random value".to_owned()))),
    }
}

/// `rndc-confgen -a`: the key that rndc and named share.
pub(super) fn rndc(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    if call.args != [b"-a".to_vec()] {
        return Err(call.unsupported("these arguments"));
    }
    made(call, b"/etc/bind/rndc.key", "rndc-confgen -a", 0o600)
}

/// `make-ssl-cert generate-default-snakeoil`: a certificate of the machine's own, and its key.
pub(super) fn snakeoil(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    if call.args.first().is_none_or(|arg| arg != b"generate-default-snakeoil") {
        return Err(call.sh.fail(Reason::Running("a certificate of the machine".to_owned())));
    }
    let (certificate, key) =
        (&b"/etc/ssl/certs/ssl-cert-snakeoil.pem"[..], &b"/etc/ssl/private/ssl-cert-snakeoil.key"[..]);
    if call.sh.files.stat(certificate).is_some() && call.sh.files.stat(key).is_some() {
        return Ok(0);
    }
    let command = "make-ssl-cert generate-default-snakeoil --force-overwrite";
    for (path, mode) in [(certificate, 0o644), (key, 0o640)] {
        let status = made(call, path, command, mode)?;
        if status != 0 {
            return Ok(status);
        }
    }
    let group = super::accounts::group(&call.sh.files, b"ssl-cert").map(|group| group.gid);
    match call.sh.files.chown(key, Some(0), group, true) {
        Ok(()) => Ok(0),
        Err(errno) => call.errno("cannot change the owner of", key, errno),
    }
}

/// Whether bytes have a mark.
fn has(bytes: &[u8], mark: &str) -> bool {
    bytes.windows(mark.len()).any(|part| part == mark.as_bytes())
}

/// Whether a text has a mark of any value.
pub(crate) fn has_mark(text: &str) -> bool {
    text.contains(MARK.0)
}

/// Takes the files with marks out of the tree, and has a unit make them at the first boot.
///
/// # Errors
/// When a mark is in no file, or where its file is not only that; or when there is no systemd that would run the unit.
pub fn finish(files: &mut Files<'_>, system: &System) -> Result<(), Box<Failure>> {
    let Some(first) = system.own.first() else { return Ok(()) };
    let failed = |own: &Own, what: &str| {
        let reason = Reason::Running(what.to_owned());
        Box::new(Failure { origin: own.origin.clone(), words: own.command.clone(), reason })
    };
    let limit = |errno: Errno| {
        let reason = match errno {
            Errno::Limit => Reason::Limit("the bytes or changes of files"),
            other => Reason::Unsupported(format!("a file for the first boot that fails with `{other}`")),
        };
        Box::new(Failure { origin: first.origin.clone(), words: first.command.clone(), reason })
    };
    if files.stat(b"/usr/lib/systemd/systemd").is_none() {
        return Err(failed(first, "a value of its own, which only systemd would make at the first boot,"));
    }
    let marked: Vec<(Bytes, Meta, Bytes)> = files
        .overlay()
        .filter_map(|(path, node)| match node.map(|node| (&node.meta, &node.content)) {
            Some((meta, Content::Own(bytes))) if meta.kind == Kind::File => {
                Some((path.clone(), meta.clone(), bytes.to_vec()))
            }
            _ => None,
        })
        .filter(|(_, _, bytes)| has(bytes, MARK.0))
        .collect();
    let mut scripts: [Vec<String>; 2] = [Vec::new(), Vec::new()];
    let mut conditions = String::new();
    let mut templates: Vec<(Bytes, Bytes)> = Vec::new();
    let mut seen = vec![false; system.own.len()];
    for (path, meta, bytes) in &marked {
        let has_mark = |(_, own): &(usize, &Own)| !own.mark.is_empty() && has(bytes, &own.mark);
        let within: Vec<(usize, &Own)> = system.own.iter().enumerate().filter(has_mark).collect();
        let target = quoted(path);
        let access = format!("chown {}:{} {target}\nchmod {:04o} {target}\n", meta.uid, meta.gid, meta.mode);
        let late = within.iter().any(|(_, own)| own.late);
        for (at, _) in &within {
            if let Some(seen) = seen.get_mut(*at) {
                *seen = true;
            }
        }
        let body = match within[..] {
            [(_, own)] if own.makes.is_some() => {
                if own.makes.as_ref() != Some(path) || bytes.trim_ascii() != own.mark.as_bytes() {
                    return Err(failed(own, "the content of a file that is made at the first boot"));
                }
                format!("{}\n", own.command)
            }
            _ => {
                let template = join(FOLDER, format!("{}", templates.len() + 1).as_bytes());
                let mut body = format!("cp {} {target}.new\n", quoted(&template));
                for (_, own) in within {
                    if own.makes.is_some() {
                        return Err(failed(own, "the content of a file that is made at the first boot"));
                    }
                    let (command, mark) = (&own.command, &own.mark);
                    body.push_str(&format!(
                        "value=$({command})\nsed -i \"s|{mark}|$value|g\" {target}.new\n"
                    ));
                }
                templates.push((template, bytes.clone()));
                body.push_str(&format!("mv {target}.new {target}\n"));
                body
            }
        };
        if !late {
            conditions.push_str(&format!("ConditionPathExists=|!{}\n", String::from_utf8_lossy(path)));
        }
        scripts[usize::from(late)].push(format!("umask 077\nif [ ! -e {target} ]; then\n{body}fi\n{access}"));
    }
    for (own, seen) in system.own.iter().zip(&mut seen).filter(|(own, _)| own.mark.is_empty()) {
        *seen = true;
        match &own.makes {
            None => scripts[1]
                .push(format!("umask 022\nexport DEBIAN_FRONTEND=noninteractive\n{}\n", own.command)),
            Some(path) => {
                if files.stat(path).is_some() {
                    return Err(failed(own, "what is made at the first boot"));
                }
                conditions.push_str(&format!("ConditionPathExists=|!{}\n", String::from_utf8_lossy(path)));
                scripts[0].push(format!(
                    "umask 022\nif [ ! -e {} ]; then\n{}\nfi\n",
                    quoted(path),
                    own.command
                ));
            }
        }
    }
    // a name that was only printed, or asked for and not used, is no loss
    if let Some((own, _)) = system.own.iter().zip(&seen).find(|(own, seen)| !**seen && !own.late) {
        return Err(failed(own, "a random value"));
    }
    for (path, ..) in &marked {
        files.origin = origin_of(system, files, path);
        files.unlink(path).map_err(limit)?;
    }
    files.origin = first.origin.clone();
    if scripts.iter().all(Vec::is_empty) {
        return Ok(());
    }
    ensure(files, FOLDER).map_err(limit)?;
    for (template, bytes) in templates {
        files.write(&template, bytes, 0o600).map_err(limit)?;
    }
    for (at, (unit, scripts)) in UNITS.into_iter().zip(scripts).enumerate() {
        if !scripts.is_empty() {
            write_unit(files, unit, scripts, (at == 0).then_some(&conditions[..])).map_err(limit)?;
        }
    }
    Ok(())
}

/// Makes a directory, and those above it, where they are missing.
fn ensure(files: &mut Files<'_>, directory: &[u8]) -> Result<(), Errno> {
    if files.stat(directory).is_none() {
        ensure(files, parent(directory))?;
        files.make(directory, Kind::Directory, 0o755)?;
    }
    Ok(())
}

/// Writes a unit and the scripts that it runs, each for itself: one that fails does not keep another from its work. With
/// conditions it is the early one; else it runs once.
fn write_unit(
    files: &mut Files<'_>,
    unit: &str,
    scripts: Vec<String>,
    early: Option<&str>,
) -> Result<(), Errno> {
    let folder = format!("{}/{unit}", String::from_utf8_lossy(FOLDER));
    files.make(folder.as_bytes(), Kind::Directory, 0o755)?;
    let done = "/var/lib/first-boot-indexes.done";
    let last = if early.is_some() { String::new() } else { format!("[ $status != 0 ] || touch {done}\n") };
    let make = format!(
        "#!/bin/sh\n# What this machine has of its own, made at its first boot.\nstatus=0\nfor value in {folder}/*.sh; do\n\
         \tsh -eu \"$value\" || status=1\ndone\n{last}exit $status\n"
    );
    files.write(format!("{folder}/make").as_bytes(), make.into_bytes(), 0o755)?;
    for (at, script) in scripts.into_iter().enumerate() {
        files.write(format!("{folder}/{:03}.sh", at + 1).as_bytes(), script.into_bytes(), 0o644)?;
    }
    let (about, target, order) = match early {
        Some(conditions) => (
            "the values that this machine has of its own",
            "sysinit.target",
            format!(
                "DefaultDependencies=no\nConflicts=shutdown.target\nRequiresMountsFor=/etc /var\n\
                 After=local-fs.target systemd-random-seed.service systemd-sysusers.service\n\
                 Before=sysinit.target shutdown.target\n{conditions}"
            ),
        ),
        None => (
            "what depends on this machine's name, and indexes",
            "multi-user.target",
            format!("After=cloud-init.service\nConditionPathExists=!{done}\n"),
        ),
    };
    let text = format!(
        "[Unit]\nDescription=Make {about}\n{order}\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart={folder}/make\n"
    );
    let path = format!("/usr/lib/systemd/system/{unit}.service").into_bytes();
    ensure(files, parent(&path))?;
    files.write(&path, text.into_bytes(), 0o644)?;
    let wants = format!("/etc/systemd/system/{target}.wants").into_bytes();
    ensure(files, &wants)?;
    files.make(&join(&wants, crate::files::base_name(&path)), Kind::Link(path.clone()), 0o777)
}

/// Who made the value that a file has.
fn origin_of(system: &System, files: &Files<'_>, path: &[u8]) -> Origin {
    let bytes = files.read(path).unwrap_or_default();
    let own = system.own.iter().find(|own| !own.mark.is_empty() && has(&bytes, &own.mark));
    own.map_or_else(|| files.origin.clone(), |own| own.origin.clone())
}
