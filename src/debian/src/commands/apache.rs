//! a2enmod, a2enconf, a2ensite and those that disable: links in /etc/apache2, and who made them.

use crate::files::{Bytes, Kind, join};
use crate::sh::{Call, Stop};

/// What a program works on.
struct Sort {
    /// `mods`, `conf`, `sites`.
    dir: &'static str,
    /// `module`, `conf`, `site`.
    kind: &'static str,
    /// The end of its files' names.
    end: &'static str,
    enable: bool,
    by: &'static str,
}

pub(super) fn apache(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let (dir, kind, end) = match call.name.get(call.name.len().saturating_sub(3)..) {
        Some("mod") => ("mods", "module", ".load"),
        Some("onf") => ("conf", "conf", ".conf"),
        _ => ("sites", "site", ".conf"),
    };
    let options =
        super::options::parse(call, "mqfp", &[("maintmode", b'm'), ("quiet", b'q'), ("force", b'f')])?;
    let by = if options.has(b'm') { "maint" } else { "admin" };
    let sort = Sort { dir, kind, end, enable: call.name.starts_with("a2en"), by };
    if options.has(b'p') || options.operands.iter().any(|name| name.contains(&b'*')) {
        return Err(call.unsupported("these arguments"));
    }
    let mut status = 0;
    for name in &options.operands {
        let name = name.strip_suffix(end.as_bytes()).unwrap_or(name).to_vec();
        status = status.max(one(call, &sort, &name, 0)?);
    }
    Ok(status)
}

fn available(sort: &Sort, name: &[u8], end: &str) -> Bytes {
    [b"/etc/apache2/", sort.dir.as_bytes(), b"-available/", name, end.as_bytes()].concat()
}

fn enabled(sort: &Sort, name: &[u8], end: &str) -> Bytes {
    [b"/etc/apache2/", sort.dir.as_bytes(), b"-enabled/", name, end.as_bytes()].concat()
}

/// The names in a line `# Depends: …` or `# Conflicts: …` at the head of a file.
fn names(call: &Call<'_, '_>, path: &[u8], key: &str) -> Vec<Bytes> {
    let text = call.sh.files.read(path).unwrap_or_default();
    let prefix = format!("# {key}:").into_bytes();
    let head =
        text.split(|b| *b == b'\n').take_while(|line| line.trim_ascii().is_empty() || line.starts_with(b"#"));
    let line = head.into_iter().find_map(|line| line.strip_prefix(&prefix[..]));
    let words = line.unwrap_or_default().split(u8::is_ascii_whitespace);
    words.filter(|word| !word.is_empty()).map(<[u8]>::to_vec).collect()
}

fn one(call: &mut Call<'_, '_>, sort: &Sort, name: &[u8], depth: usize) -> Result<u8, Stop> {
    let limit = |call: &Call<'_, '_>, errno| call.sh.limit_or(errno, "a module of apache");
    let shown = String::from_utf8_lossy(name).into_owned();
    let target = available(sort, name, sort.end);
    if call.sh.files.stat(&target).is_none() {
        return Ok(call.complain(&format!("ERROR: {} {shown} does not exist!", sort.kind)));
    }
    if depth > 20 {
        return Err(call.unsupported("modules that need each other"));
    }
    if sort.enable && sort.kind == "module" {
        for needed in names(call, &target, "Depends") {
            if one(call, sort, &needed, depth + 1)? != 0 {
                return Ok(1);
            }
        }
        for other in names(call, &target, "Conflicts") {
            if call.sh.files.stat(&enabled(sort, &other, ".load")).is_some() {
                return Ok(call.complain(&format!("ERROR: Module {shown} conflicts with another one")));
            }
        }
        if name == b"cgi" {
            return Err(call.unsupported("the module cgi"));
        }
    }
    let mut ends = vec![sort.end];
    if sort.kind == "module" && call.sh.files.stat(&available(sort, name, ".conf")).is_some() {
        ends.insert(0, ".conf");
    }
    let mut changed = false;
    for end in ends {
        let at = enabled(sort, name, end);
        let there = call.sh.files.lstat(&at);
        if sort.enable && there.is_none() {
            let to = [b"../", sort.dir.as_bytes(), b"-available/", name, end.as_bytes()].concat();
            call.sh.files.make(&at, Kind::Link(to), 0o777).map_err(|errno| limit(call, errno))?;
            changed = true;
        } else if !sort.enable && there.is_some() {
            call.sh.files.unlink(&at).map_err(|errno| limit(call, errno))?;
            changed = true;
        }
    }
    if !changed {
        return Ok(0);
    }
    // who enabled or disabled it; the mark of the opposite, and that of the other one, go away
    let base = [b"/var/lib/apache2/", sort.kind.as_bytes()].concat();
    let what = if sort.enable { "enabled" } else { "disabled" };
    for (state, by) in
        [("enabled", "admin"), ("enabled", "maint"), ("disabled", "admin"), ("disabled", "maint")]
    {
        let mark = join(&base, &[state.as_bytes(), b"_by_", by.as_bytes(), b"/", name].concat());
        if (state, by) == (what, sort.by) {
            super::remove::make_parents(call, crate::files::parent(&mark), 0o755)?;
            call.sh.files.write(&mark, Vec::new(), 0o644).map_err(|errno| limit(call, errno))?;
        } else if call.sh.files.lstat(&mark).is_some() {
            call.sh.files.unlink(&mark).map_err(|errno| limit(call, errno))?;
        }
    }
    let verb = if sort.enable { "Enabling" } else { "Disabling" };
    let line = format!("{verb} {} {shown}.\n", sort.kind);
    call.out.extend_from_slice(line.as_bytes());
    Ok(0)
}
