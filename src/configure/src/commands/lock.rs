//! One run at a time: a lock on root's own directory of settings, where nobody else can enter.

use crate::refusal::{Class, Fault, Refusal, Result};
use crate::root::Root;
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

const PLACE: &str = "/opt/podplane/etc";
const PATIENCE: Duration = Duration::from_secs(60);

/// Held until it is dropped, or the process ends in whatever way.
pub struct Lock {
    _fd: OwnedFd,
}

/// Holds off whoever wants it while somebody only looks; none when a run has it now. Nothing is recovered.
pub fn glance(root: &Root) -> Result<Option<Lock>> {
    let fd = directory(root)?;
    match rustix::fs::flock(&fd, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(Some(Lock { _fd: fd })),
        Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(None),
        Err(error) => Err(Refusal::io(PLACE, "lock it", &error.into())),
    }
}

/// Takes it, after whoever has it, within a minute. What a crash left is rolled forward or cleared then.
pub fn take(root: &Root) -> Result<Lock> {
    let lock = alone(root)?;
    crate::apply::recover(root)?;
    Ok(lock)
}

/// Takes it for a command that may write elsewhere only, and so leaves a crash's remains to the next other one.
pub fn alone(root: &Root) -> Result<Lock> {
    let fd = directory(root)?;
    let end = Instant::now() + PATIENCE;
    loop {
        match rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => break,
            Err(Errno::INTR) => {}
            Err(Errno::WOULDBLOCK) if Instant::now() < end => std::thread::sleep(Duration::from_millis(20)),
            Err(Errno::WOULDBLOCK) => {
                let fault =
                    Fault::new(PLACE, "expected the lock within 60 s: another run of configure has it")
                        .hint("`ps -C configure` shows it");
                return Err(Refusal { class: Class::Lock, faults: vec![fault] });
            }
            Err(error) => return Err(Refusal::io(PLACE, "lock it", &error.into())),
        }
    }
    Ok(Lock { _fd: fd })
}

fn directory(root: &Root) -> Result<OwnedFd> {
    let hint = "the image brings it: bake it again";
    let gone = || Fault::new(PLACE, "expected a directory, found none").hint(hint);
    Ok(root.directory(PLACE)?.ok_or_else(gone)?)
}
