//! Commands as another user: su, runuser, setpriv.
//!
//! The command makes files of that user and meets that user's permissions. The environment is that of root but for what these
//! programs set.

use super::accounts::{self, User};
use super::mode::number;
use super::options::parse;
use crate::files::{Actor, Bytes};
use crate::sh::{Call, Stop};

const LONG: [(&str, u8); 10] = [
    ("command", b'c'),
    ("shell", b's'),
    ("login", b'l'),
    ("preserve-environment", b'p'),
    ("user", b'u'),
    ("fast", b'f'),
    ("group", b'g'),
    ("supp-group", b'G'),
    ("pty", b'P'),
    ("session-command", b'C'),
];

/// `su [-] [USER] [-s SHELL] [-c COMMAND]`, `runuser -u USER COMMAND`, and runuser as su.
pub(super) fn su(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    // after `-u USER` comes a command, with options of its own
    let runs = call.name == "runuser"
        && call.args.iter().take(4).any(|arg| arg.starts_with(b"-u") || arg.starts_with(b"--u"));
    let options = parse(call, if runs { "+c:s:lpmu:fg:G:PC:" } else { "c:s:lpmu:fg:G:PC:" }, &LONG)?;
    if options.has(b'g') || options.has(b'G') {
        return Err(call.unsupported("a group"));
    }
    let mut operands = options.operands.clone();
    if runs {
        let name = options.value(b'u').cloned().unwrap_or_default();
        let Some(user) = known(call, &name)? else { return Ok(1) };
        return as_user(call, &user, &operands, &[]);
    }
    let mut login = options.has(b'l');
    if operands.first().is_some_and(|first| first == b"-") {
        login = true;
        operands.remove(0);
    }
    let name = if operands.is_empty() { b"root".to_vec() } else { operands.remove(0) };
    let Some(user) = known(call, &name)? else { return Ok(1) };
    let own = if user.shell.is_empty() { b"/bin/sh".to_vec() } else { user.shell.clone() };
    let shell = options.value(b's').cloned().unwrap_or(own);
    if shell.ends_with(b"/nologin") {
        call.out.extend_from_slice(b"This account is currently not available.\n");
        return Ok(1);
    }
    if shell.ends_with(b"/false") {
        return Ok(1);
    }
    let mut words = vec![shell.clone()];
    let Some(command) = options.value(b'c').or_else(|| options.value(b'C')) else {
        // the shell reads what to do from its input
        words.extend(operands);
        return as_user(
            call,
            &user,
            &words,
            &environment(&user, &shell, options.has(b'p') || options.has(b'm')),
        );
    };
    words.extend([b"-c".to_vec(), command.clone()]);
    words.extend(operands);
    let mut env = environment(&user, &shell, options.has(b'p') || options.has(b'm'));
    let cwd = call.sh.s.cwd.clone();
    if login {
        // files that a login shell reads could change anything
        for file in [&b"/etc/profile.d"[..], &[&user.home[..], b"/.profile"].concat()] {
            let there = call.sh.files.stat(file);
            if there.is_some()
                && !call
                    .sh
                    .files
                    .list(file)
                    .is_ok_and(|names| names.iter().all(|name| !name.ends_with(b".sh")))
            {
                return Err(call.unsupported(format!("a login that reads {}", String::from_utf8_lossy(file))));
            }
        }
        if call.sh.files.stat(&user.home).is_some() {
            call.sh.s.cwd.clone_from(&user.home);
        }
        env.push((b"PATH".to_vec(), b"/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games".to_vec()));
    }
    let status = as_user(call, &user, &words, &env);
    call.sh.s.cwd = cwd;
    status
}

fn environment(user: &User, shell: &[u8], kept: bool) -> Vec<(Bytes, Bytes)> {
    if kept {
        return Vec::new();
    }
    let mut env = vec![(b"HOME".to_vec(), user.home.clone()), (b"SHELL".to_vec(), shell.to_vec())];
    if user.uid != 0 {
        env.extend([(b"USER".to_vec(), user.name.clone()), (b"LOGNAME".to_vec(), user.name.clone())]);
    }
    env
}

fn known(call: &mut Call<'_, '_>, name: &[u8]) -> Result<Option<User>, Stop> {
    let by_number = |call: &Call<'_, '_>| {
        let uid = number(name)?;
        accounts::users(&call.sh.files).into_iter().find(|user| user.uid == uid)
    };
    let user = accounts::user(&call.sh.files, name).or_else(|| by_number(call));
    if user.is_none() {
        call.complain(&format!("user {} does not exist", String::from_utf8_lossy(name)));
    }
    Ok(user)
}

/// `setpriv --reuid USER --regid GROUP --init-groups COMMAND`.
pub(super) fn setpriv(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let long = [
        ("reuid", b'u'),
        ("regid", b'g'),
        ("ruid", b'r'),
        ("euid", b'e'),
        ("init-groups", b'i'),
        ("clear-groups", b'c'),
        ("reset-env", b'E'),
        ("no-new-privs", b'n'),
        ("inh-caps", b'k'),
    ];
    let options = parse(call, "+u:g:r:e:icEnk:", &long)?;
    let Some(name) = options.value(b'u').cloned() else { return Err(call.unsupported("these options")) };
    if options.has(b'r') || options.has(b'e') || options.has(b'E') {
        return Err(call.unsupported("these options"));
    }
    let Some(mut user) = known(call, &name)? else { return Ok(1) };
    if let Some(group) = options.value(b'g') {
        let gid = accounts::group(&call.sh.files, group).map(|group| group.gid).or_else(|| number(group));
        let Some(gid) = gid else { return Ok(call.complain("unknown group")) };
        user.gid = gid;
    }
    as_user(call, &user, &options.operands, &[])
}

/// Runs a command as a user.
fn as_user(
    call: &mut Call<'_, '_>,
    user: &User,
    words: &[Bytes],
    env: &[(Bytes, Bytes)],
) -> Result<u8, Stop> {
    if words.is_empty() {
        return Ok(call.complain("no command"));
    }
    let groups = accounts::groups(&call.sh.files);
    let groups = groups.into_iter().filter(|group| group.members.contains(&user.name)).map(|group| group.gid);
    let actor = Actor { uid: user.uid, gid: user.gid, groups: groups.collect() };
    let outer = std::mem::replace(&mut call.sh.files.actor, (user.uid != 0).then_some(actor));
    call.sh.s.vars.push();
    for (name, value) in env {
        let _ = call.sh.s.vars.local(name);
        let _ = call.sh.s.vars.set(name, value.clone());
        call.sh.s.vars.export(name);
    }
    let status = call.run(words);
    call.sh.s.vars.pop();
    call.sh.files.actor = outer;
    status
}
