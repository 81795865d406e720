//! A command whose children may be programs of another processor: the kernel hands those to QEMU's user mode.
//!
//! ```text
//! unshare: a user namespace in which root is root, mounts of its own
//!   └─ sh: a binfmt_misc of that namespace with one line ─► the command ─► … ─► arm64 programs ─► qemu-aarch64-static
//! ```
//! Nothing of it is on the host, neither while it runs nor when it is killed: the registration is the namespace's, and goes with
//! its last process. That needs Linux 6.7. The kernel opens QEMU when the line is written (`F`), so that it is found in a chroot, too.
//! `/dev/shm` is a new one there: the host's could not be bound into a chroot while something is mounted below it.

use anyhow::{Context as _, Result, ensure};
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Output, Stdio};
use xshell::{Shell, cmd};

/// What runs programs of arm64: Debian's package qemu-user-static.
const QEMU: &str = "/usr/bin/qemu-aarch64-static";

/// Says that it is in the namespace, waits until its users are mapped, registers `$1` there and becomes the rest.
const SCRIPT: &str = r#"echo && read -r mapped && mount -t tmpfs vmbake /dev/shm &&
mount -t binfmt_misc vmbake /proc/sys/fs/binfmt_misc &&
printf %s "$1" >/proc/sys/fs/binfmt_misc/register && shift && exec "$@" </dev/null"#;

/// Users and groups are those of the host, but for numbers that no account has.
const ALL_USERS: &str = "0 0 65536\n";

/// Runs `command` to its end, as root, where programs of arm64 can be run.
pub fn output(command: &Command) -> Result<Output> {
    ensure!(fs::exists(QEMU)?, "no `{QEMU}`: `apt-get install qemu-user-static` brings it");
    let (shell, line) = (Shell::new()?, registration());
    let (program, args) = (command.get_program(), command.get_args());
    let is_hidden = |arg: &OsStr| arg.to_string_lossy().contains("/dev/shm/");
    ensure!(
        !command.get_args().any(is_hidden),
        "{command:?} names a path below /dev/shm, which is another there"
    );
    let unshare = ["--user", "--mount", "--kill-child", "--fork"];
    let run = cmd!(shell, "unshare {unshare...} sh -c {SCRIPT} sh {line} {program}").args(args);
    let envs = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
    let mut run: Command = run.envs(envs).into();
    run.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = run.spawn().context("unshare")?;
    let done = map_users(child)?;
    let said = String::from_utf8_lossy(&done.stderr);
    ensure!(
        !said.contains("binfmt_misc: permission denied"),
        "this kernel has no binfmt_misc for a user namespace, which Linux 6.7 and later have: {said}"
    );
    Ok(done)
}

/// Maps the users of a new namespace once `child` is in it, and waits for its end.
fn map_users(mut child: Child) -> Result<Output> {
    let stdout = child.stdout.take().context("standard output")?;
    let mut stdout = BufReader::new(stdout);
    let mut ready = String::new();
    stdout.read_line(&mut ready)?;
    if ready == "\n" {
        for map in ["uid_map", "gid_map"] {
            fs::write(format!("/proc/{}/{map}", child.id()), ALL_USERS).with_context(|| map.to_owned())?;
        }
        child.stdin.take().context("standard input")?.write_all(b"\n")?;
    }
    // the other end of standard output is read while the child may wait for that: what it says on it is little
    let mut done = child.wait_with_output()?;
    stdout.read_to_end(&mut done.stdout)?;
    Ok(done)
}

/// The line for binfmt_misc: a 64-bit little-endian ELF program, fixed (2) or position independent (3), of processor 183.
fn registration() -> String {
    let (mut magic, mut mask) = ([0_u8; 20], [0xff_u8; 20]);
    magic[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1, 1]);
    // the ABI is SYSV's or Linux's own, and its version is nobody's business
    mask[7] = 0;
    magic[16] = 2;
    mask[16] = 0xfe;
    magic[18] = 183;
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
    // P: a program is told the name that it was called by
    format!(":vmbake-arm64:M::{}:{}:{QEMU}:PF", hex(&magic), hex(&mask))
}

#[test]
fn a_program_of_arm64_is_what_the_line_is_for() {
    let line = registration();
    assert!(line.starts_with(r":vmbake-arm64:M::\x7f\x45\x4c\x46\x02\x01\x01\x00"), "{line}");
    assert!(line.len() < 256, "the kernel takes no more than a page, and old ones 256 bytes");
}
