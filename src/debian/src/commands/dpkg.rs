//! dpkg, dpkg-query, dpkg-trigger: what they say of the packages of the set.

use super::version;
use crate::files::Bytes;
use crate::sh::{Call, Stop, pattern};
use crate::system::{Known, Status};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(super) fn dpkg(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let mut args: Vec<Bytes> = call.args.to_vec();
    args.retain(|arg| {
        !arg.starts_with(b"--admindir=/var/lib/dpkg") && !arg.starts_with(b"--force-") && arg != b"--root=/"
    });
    if args.get(1).is_some_and(|arg| arg == b"--") {
        args.remove(1);
    }
    let Some((action, rest)) = args.split_first() else { return Ok(2) };
    match (&action[..], rest) {
        (b"--compare-versions", [a, op, b]) => match version::holds(a, op, b) {
            Some(holds) => Ok(u8::from(!holds)),
            None => Err(call.option(op)),
        },
        (b"--compare-versions", [a, op]) => Ok(u8::from(!version::holds(a, op, b"").unwrap_or(false))),
        (b"--print-architecture", []) => {
            let line = format!("{}\n", call.sh.system.architecture);
            call.out.extend_from_slice(line.as_bytes());
            Ok(0)
        }
        (b"--print-foreign-architectures", []) => Ok(0),
        (action, []) if action.starts_with(b"--assert-") => Ok(0),
        (b"--validate-pkgname", [name]) => {
            let good = name.len() > 1
                && name.first().is_some_and(u8::is_ascii_alphanumeric)
                && name.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(b));
            Ok(u8::from(!good))
        }
        (b"--validate-version", [v]) => Ok(u8::from(!v.iter().any(u8::is_ascii_digit))),
        (
            b"-L" | b"--listfiles" | b"-S" | b"--search" | b"-s" | b"--status" | b"-l" | b"--list" | b"-W"
            | b"--show",
            _,
        ) => query_of(call, &args),
        (b"--verify" | b"-V", _) => Ok(0),
        _ => Err(call.option(action)),
    }
}

pub(super) fn query(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let args: Vec<Bytes> =
        call.args.iter().filter(|arg| !arg.starts_with(b"--admindir=/var/lib/dpkg")).cloned().collect();
    query_of(call, &args)
}

fn query_of(call: &mut Call<'_, '_>, args: &[Bytes]) -> Result<u8, Stop> {
    let (mut action, mut format, mut names) = (None, None, Vec::new());
    let mut rest = args;
    while let Some((arg, tail)) = rest.split_first() {
        rest = tail;
        match &arg[..] {
            b"-W" | b"--show" => action = Some('W'),
            b"-L" | b"--listfiles" => action = Some('L'),
            b"-S" | b"--search" => action = Some('S'),
            b"-s" | b"--status" => action = Some('s'),
            b"-l" | b"--list" => action = Some('l'),
            b"-c" | b"--control-path" => action = Some('c'),
            b"-f" | b"--showformat" => {
                format = tail.first().cloned();
                rest = tail.get(1..).unwrap_or_default();
            }
            b"--" | b"--no-pager" => {}
            arg if arg.starts_with(b"-f=") => format = arg.get(3..).map(<[u8]>::to_vec),
            arg if arg.starts_with(b"--showformat=") => format = arg.get(13..).map(<[u8]>::to_vec),
            arg if arg.starts_with(b"-f") => format = arg.get(2..).map(<[u8]>::to_vec),
            arg if arg.starts_with(b"-W") && arg.get(2..3) == Some(b"f") => {
                action = Some('W');
                format = arg.get(3..).map(|f| f.strip_prefix(b"=").unwrap_or(f).to_vec());
            }
            [b'-', ..] => return Err(call.option(arg)),
            _ => names.push(arg.clone()),
        }
    }
    match action {
        Some('W') => {
            show(call, &names, &format.unwrap_or_else(|| b"${binary:Package}\t${Version}\n".to_vec()))
        }
        Some('L') => {
            let mut status = 0;
            for name in names {
                match known(call, &name) {
                    Some((_, package)) => {
                        let mut lines = b"/.\n".to_vec();
                        for path in package.files.iter().filter(|path| *path != b"/") {
                            lines.extend_from_slice(&[&path[..], b"\n"].concat());
                        }
                        call.out.extend_from_slice(&lines);
                    }
                    None => status = call.complain(&format!("package '{}' is not installed", text(&name))),
                }
            }
            Ok(status)
        }
        Some('S') => search(call, &names),
        Some('s') => {
            let mut status = 0;
            for name in names {
                match known(call, &name) {
                    Some((name, package)) => {
                        let mut lines =
                            format!("Package: {name}\nStatus: install ok {}\n", package.status.word());
                        for (field, value) in package.fields.iter().filter(|(field, _)| field != "Package") {
                            lines.push_str(&format!("{field}: {value}\n"));
                        }
                        call.out.extend_from_slice(lines.as_bytes());
                    }
                    None => {
                        status = call.complain(&format!(
                            "package '{}' is not installed and no information is available",
                            text(&name)
                        ));
                    }
                }
            }
            Ok(status)
        }
        Some('l') => list(call, &names),
        Some('c') => {
            let (package, wanted) = match &names[..] {
                [package] => (package, None),
                [package, wanted] => (package, Some(text(wanted))),
                _ => return Err(call.unsupported("these arguments")),
            };
            let Some((name, package)) = known(call, package) else { return Ok(1) };
            let shown = if package.field("Multi-Arch") == "same" {
                format!("{name}:{}", package.field("Architecture"))
            } else {
                name
            };
            for file in package
                .control
                .iter()
                .filter(|file| wanted.as_ref().is_none_or(|w| w == *file) && *file != "control")
            {
                call.out.extend_from_slice(format!("/var/lib/dpkg/info/{shown}.{file}\n").as_bytes());
            }
            Ok(0)
        }
        _ => Err(call.unsupported("these arguments")),
    }
}

/// The package of a name, with or without `:arch`, when anything of it is there.
fn known(call: &Call<'_, '_>, name: &[u8]) -> Option<(String, Known)> {
    let name = text(name);
    let bare = name.split(':').next().unwrap_or_default();
    let package = call.sh.system.packages.get(bare)?;
    (package.status != Status::NotInstalled).then(|| (bare.to_owned(), package.clone()))
}

/// The packages that names and patterns stand for; a name that stands for none is returned too.
fn matching(call: &Call<'_, '_>, names: &[Bytes]) -> (Vec<String>, Vec<Bytes>) {
    let there = |package: &&String| {
        call.sh.system.packages.get(*package).is_some_and(|p| p.status != Status::NotInstalled)
    };
    if names.is_empty() {
        return (call.sh.system.packages.keys().filter(there).cloned().collect(), Vec::new());
    }
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for name in names {
        let before = found.len();
        if name.iter().any(|b| matches!(b, b'*' | b'?' | b'[')) {
            let glob: Vec<(u8, bool)> = name.iter().map(|b| (*b, false)).collect();
            let all = call.sh.system.packages.keys().filter(there);
            found.extend(all.filter(|p| pattern::matches(&glob, p.as_bytes(), &mut 100_000)).cloned());
        } else {
            found.extend(known(call, name).map(|(name, _)| name));
        }
        if found.len() == before {
            missing.push(name.clone());
        }
    }
    (found, missing)
}

fn show(call: &mut Call<'_, '_>, names: &[Bytes], format: &[u8]) -> Result<u8, Stop> {
    let (found, missing) = matching(call, names);
    for name in found {
        let Some(package) = call.sh.system.packages.get(&name).cloned() else { continue };
        let line = formatted(call, &name, &package, format)?;
        call.out.extend_from_slice(&line);
    }
    let mut status = 0;
    for name in missing {
        status = call.complain(&format!("no packages found matching {}", text(&name)));
    }
    Ok(status)
}

fn formatted(call: &Call<'_, '_>, name: &str, package: &Known, format: &[u8]) -> Result<Bytes, Stop> {
    let mut out = Vec::new();
    let mut rest = format;
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        match (byte, tail.first()) {
            (b'\\', Some(letter)) => {
                rest = tail.get(1..).unwrap_or_default();
                out.push(super::escaped(*letter));
            }
            (b'$', Some(b'{')) => {
                let end = tail.iter().position(|b| *b == b'}').unwrap_or(tail.len() - 1);
                let inner = text(tail.get(1..end).unwrap_or_default());
                rest = tail.get(end + 1..).unwrap_or_default();
                let (field, width) = inner.split_once(';').map_or((&inner[..], None), |(f, w)| (f, Some(w)));
                let value = value(call, name, package, field)?;
                match width.and_then(|w| w.parse::<i64>().ok()) {
                    None => out.extend_from_slice(value.as_bytes()),
                    Some(w) => {
                        let columns = usize::try_from(w.unsigned_abs()).unwrap_or(0).min(1000);
                        let cut: String = value.chars().take(columns).collect();
                        let padded =
                            if w < 0 { format!("{cut:<columns$}") } else { format!("{cut:>columns$}") };
                        out.extend_from_slice(padded.as_bytes());
                    }
                }
            }
            _ => out.push(*byte),
        }
    }
    Ok(out)
}

fn value(call: &Call<'_, '_>, name: &str, package: &Known, field: &str) -> Result<String, Stop> {
    let same = package.field("Multi-Arch") == "same";
    let abbreviation = match package.status {
        Status::Installed => "ii ",
        Status::HalfConfigured => "iF ",
        Status::Unpacked => "iU ",
        Status::NotInstalled => "un ",
    };
    Ok(match field {
        "Package" => name.to_owned(),
        "binary:Package" if same => format!("{name}:{}", package.field("Architecture")),
        "binary:Package" => name.to_owned(),
        "Status" => format!("install ok {}", package.status.word()),
        "db:Status-Status" => package.status.word().to_owned(),
        "db:Status-Want" => "install".to_owned(),
        "db:Status-Eflag" => "ok".to_owned(),
        "db:Status-Abbrev" => abbreviation.to_owned(),
        "Conffiles" if package.conffiles.is_empty() => String::new(),
        "Conffiles" => {
            let mut text = String::new();
            for path in &package.conffiles {
                let content = call
                    .sh
                    .files
                    .original(path)
                    .map_err(|errno| call.sh.limit_or(errno, "a configuration file"))?;
                let sum = crate::filters::md5_of(&content);
                text.push_str(&format!("\n {} {sum}", String::from_utf8_lossy(path)));
            }
            text
        }
        "source:Package" => {
            let source = package.field("Source");
            source.split(' ').next().filter(|s| !s.is_empty()).unwrap_or(name).to_owned()
        }
        "source:Version" => match package.field("Source").split_once('(') {
            Some((_, version)) => version.trim_end_matches(')').to_owned(),
            None => package.field("Version").to_owned(),
        },
        field if field.contains(':') => return Err(call.unsupported(format!("`${{{field}}}`"))),
        field => package.field(field).to_owned(),
    })
}

fn search(call: &mut Call<'_, '_>, patterns: &[Bytes]) -> Result<u8, Stop> {
    let mut status = 0;
    for wanted in patterns {
        let glob = wanted.iter().any(|b| matches!(b, b'*' | b'?' | b'['));
        let whole = wanted.starts_with(b"/") && !glob;
        let padded = if wanted.starts_with(b"/") || wanted.starts_with(b"*") {
            wanted.clone()
        } else {
            [b"*", &wanted[..], b"*"].concat()
        };
        let matcher: Vec<(u8, bool)> = padded.iter().map(|b| (*b, false)).collect();
        let mut found: Vec<(Bytes, Vec<String>)> = Vec::new();
        for (name, package) in
            call.sh.system.packages.iter().filter(|(_, p)| p.status != Status::NotInstalled)
        {
            let shown = if package.field("Multi-Arch") == "same" {
                format!("{name}:{}", package.field("Architecture"))
            } else {
                name.clone()
            };
            for path in &package.files {
                if if whole { path == wanted } else { pattern::matches(&matcher, path, &mut 100_000) } {
                    match found.iter_mut().find(|(known, _)| known == path) {
                        Some((_, names)) => names.push(shown.clone()),
                        None => found.push((path.clone(), vec![shown.clone()])),
                    }
                }
            }
        }
        if found.is_empty() {
            status = call.complain(&format!("no path found matching pattern {}", text(wanted)));
        }
        for (path, names) in found {
            let line = format!("{}: {}\n", names.join(", "), text(&path));
            call.out.extend_from_slice(line.as_bytes());
        }
    }
    Ok(status)
}

fn list(call: &mut Call<'_, '_>, names: &[Bytes]) -> Result<u8, Stop> {
    let (found, missing) = matching(call, names);
    for name in found {
        let Some(package) = call.sh.system.packages.get(&name).cloned() else { continue };
        let abbreviation = value(call, &name, &package, "db:Status-Abbrev")?;
        let shown = value(call, &name, &package, "binary:Package")?;
        let line = format!(
            "{abbreviation} {shown} {} {} -\n",
            package.field("Version"),
            package.field("Architecture")
        );
        call.out.extend_from_slice(line.as_bytes());
    }
    Ok(missing.iter().fold(0, |_, name| call.complain(&format!("no packages found matching {}", text(name)))))
}

pub(super) fn trigger(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let long = [
        ("check-supported", b'c'),
        ("no-await", b'n'),
        ("await", b'a'),
        ("by-package", b'b'),
        ("no-act", b'x'),
    ];
    let options = super::options::parse(call, "cnab:x", &long)?;
    if options.has(b'c') {
        return Ok(0);
    }
    for name in &options.operands {
        call.sh.system.triggers.insert(text(name));
    }
    Ok(0)
}

/// dpkg-vendor: who made the distribution.
pub(super) fn vendor(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    // from the file of a vendor to those of whom it is derived
    let mut fields: Vec<Vec<(String, String)>> = Vec::new();
    let mut path = b"/etc/dpkg/origins/default".to_vec();
    while fields.len() < 10 {
        let Ok(bytes) = call.sh.files.read(&path) else { break };
        let own: Vec<(String, String)> = text(&bytes)
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let parent =
            own.iter().find(|(name, _)| name == "parent").map(|(_, value)| value.to_ascii_lowercase());
        fields.push(own);
        let Some(parent) = parent else { break };
        path = format!("/etc/dpkg/origins/{parent}").into_bytes();
    }
    let vendors: Vec<String> = fields
        .iter()
        .filter_map(|own| {
            own.iter().find(|(name, _)| name == "vendor").map(|(_, value)| value.to_ascii_lowercase())
        })
        .collect();
    match call.args {
        [action, name] if action == b"--is" => {
            let is = vendors.first().is_some_and(|own| *own == text(name).to_ascii_lowercase());
            Ok(u8::from(!is))
        }
        [action, name] if action == b"--derives-from" => {
            Ok(u8::from(!vendors.contains(&text(name).to_ascii_lowercase())))
        }
        [action, name] if action == b"--query" => {
            let wanted = text(name).to_ascii_lowercase();
            let found = fields.first().and_then(|own| own.iter().find(|(name, _)| *name == wanted));
            let Some((_, value)) = found else { return Ok(1) };
            call.out.extend_from_slice(format!("{value}\n").as_bytes());
            Ok(0)
        }
        _ => Err(call.unsupported("these arguments")),
    }
}
