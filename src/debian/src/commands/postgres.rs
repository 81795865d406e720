//! PostgreSQL's programs, where there is no cluster yet, and PAM's environment.

use crate::files::{Bytes, join};
use crate::sh::{Call, Stop};

fn entries(call: &Call<'_, '_>, directory: &[u8]) -> Vec<Bytes> {
    call.sh.files.list(directory).unwrap_or_default().iter().map(|name| join(directory, name)).collect()
}

/// `pg_lsclusters -h`: in an image that is being made there are none.
pub(super) fn clusters(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let versions = entries(call, b"/etc/postgresql");
    let some = versions
        .iter()
        .flat_map(|version| entries(call, version))
        .any(|cluster| call.sh.files.stat(&join(&cluster, b"postgresql.conf")).is_some());
    if some || call.args != [b"-h".to_vec()] {
        return Err(call.unsupported("these arguments or a cluster"));
    }
    Ok(0)
}

/// `pg_conftool FILE show -bs NAME`: a setting of a file.
pub(super) fn setting(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let [file, show, bare, name] = call.args else { return Err(call.unsupported("these arguments")) };
    if show != b"show" || bare != b"-bs" {
        return Err(call.unsupported("these arguments"));
    }
    let text = call.sh.files.read(&call.path(file)).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let name = String::from_utf8_lossy(name).into_owned();
    let of_line = |line: &str| {
        let (key, value) = line.split('#').next()?.split_once('=')?;
        (key.trim() == name).then(|| value.trim().trim_matches('\'').to_owned())
    };
    let Some(value) = text.lines().filter_map(of_line).next_back() else { return Ok(1) };
    // what stands for true and false is shown as on and off
    let shown = match &value.to_ascii_lowercase()[..] {
        "true" | "yes" | "on" => "on".to_owned(),
        "false" | "no" | "off" => "off".to_owned(),
        _ => value,
    };
    call.out.extend_from_slice(format!("{shown}\n").as_bytes());
    Ok(0)
}

/// `pg_updatedicts`, where there are no dictionaries to convert.
pub(super) fn dictionaries(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let sources = [&b"/usr/share/hunspell"[..], b"/usr/share/myspell/dicts"];
    if sources.iter().flat_map(|at| entries(call, at)).any(|path| path.ends_with(b".aff")) {
        return Err(call.unsupported("dictionaries to convert"));
    }
    super::remove::make_parents(call, b"/var/cache/postgresql/dicts", 0o755)
}

/// `pam_getenv -l NAME`: a variable of /etc/default/locale, or with no `-l` of /etc/environment.
pub(super) fn of_pam(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let (path, name): (&[u8], &Bytes) = match call.args {
        [locale, name] if locale == b"-l" => (b"/etc/default/locale", name),
        [name] if !name.starts_with(b"-") => (b"/etc/environment", name),
        _ => return Err(call.unsupported("these arguments")),
    };
    let Ok(text) = call.sh.files.read(path) else { return Ok(1) };
    let text = String::from_utf8_lossy(&text).into_owned();
    let name = String::from_utf8_lossy(name).into_owned();
    let of_line = |line: &str| {
        let line = line.trim().strip_prefix("export ").unwrap_or(line.trim());
        let (key, value) = line.split_once('=')?;
        (key == name).then(|| value.trim_matches(['"', '\'']).to_owned())
    };
    let Some(value) = text.lines().filter_map(of_line).next_back() else { return Ok(1) };
    call.out.extend_from_slice(format!("{value}\n").as_bytes());
    Ok(0)
}
