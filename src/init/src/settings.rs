//! What the command line says to us: the words of Linux, Documentation/admin-guide/kernel-parameters.txt, and `rd.…`
//! as dracut.cmdline(7) and systemd have them. Of one word given twice the last holds.

use crate::cmdline::Word;
use crate::root::Root;
use std::time::Duration;

/// How long the root file system is waited for when nothing else is said: disks of clouds may come late.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Everything that the command line decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `root=`: none when it was not given, an error where it cannot be understood.
    pub root: Option<Result<Root, String>>,
    /// `rw`; `ro` is the kernel's default.
    pub is_writable: bool,
    /// `rootfstype=`: the types to try, in order; what the disk says when empty.
    pub types: Vec<String>,
    /// `rootflags=`: mount options.
    pub flags: String,
    /// `rootdelay=`: wait before looking.
    pub delay: Duration,
    /// How long to wait for it; none for as long as it takes (`rootwait` without a number).
    pub patience: Option<Duration>,
    /// `init=`; none for the usual ones.
    pub init: Option<String>,
    /// Where to stop and ask.
    pub stop: Option<Stop>,
}

/// Where to stop and ask, when the command line says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// `vmbake.break=early`: before any module is loaded.
    Early,
    /// `rd.break`, `vmbake.break`: with the root file system mounted, before it becomes the root.
    Mounted,
}

/// Reads `words`.
#[must_use]
pub fn read(words: &[Word]) -> Settings {
    let mut settings = Settings {
        root: None,
        is_writable: false,
        types: Vec::new(),
        flags: String::new(),
        delay: Duration::ZERO,
        patience: Some(PATIENCE),
        init: None,
        stop: None,
    };
    for word in words {
        let value = word.value.as_deref().unwrap_or_default();
        match word.name.replace('-', "_").as_str() {
            "root" => settings.root = Some(crate::root::parse(value)),
            "ro" => settings.is_writable = false,
            "rw" => settings.is_writable = true,
            "rootfstype" => {
                settings.types =
                    value.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
            }
            "rootflags" => value.clone_into(&mut settings.flags),
            "rootdelay" => settings.delay = seconds(value).unwrap_or_default(),
            "rootwait" => settings.patience = seconds(value),
            "rd.timeout" => settings.patience = seconds(value).or(settings.patience),
            "init" => settings.init = Some(value.to_owned()).filter(|path| path.starts_with('/')),
            "vmbake.break" if value == "early" => settings.stop = Some(Stop::Early),
            "vmbake.break" | "rd.break" => settings.stop = Some(Stop::Mounted),
            _ => {}
        }
    }
    settings
}

fn seconds(text: &str) -> Option<Duration> {
    text.parse::<u32>().ok().map(|seconds| Duration::from_secs(seconds.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmdline;

    fn of(text: &str) -> Settings {
        read(&cmdline::parse(text))
    }

    #[test]
    fn the_kernels_defaults_hold_when_nothing_is_said() {
        let settings = of("BOOT_IMAGE=/vmlinuz quiet");
        assert_eq!((settings.root, settings.is_writable, settings.patience), (None, false, Some(PATIENCE)));
        assert!(settings.types.is_empty() && settings.init.is_none() && settings.stop.is_none());
    }

    #[test]
    fn the_last_word_holds() {
        assert!(of("ro rw").is_writable && !of("rw ro").is_writable);
        assert_eq!(of("root=/dev/vda root=/dev/vdb").root, of("root=/dev/vdb").root);
        assert_eq!(of("rootflags=a rootflags=b,c=d").flags, "b,c=d");
    }

    #[test]
    fn waiting_is_as_long_as_is_said() {
        let seconds = |number| Some(Duration::from_secs(number));
        assert_eq!(of("rootwait").patience, None);
        assert_eq!(of("rootwait=7").patience, seconds(7));
        assert_eq!(of("rd.timeout=5").patience, seconds(5));
        assert_eq!(of("rd.timeout=soon").patience, Some(PATIENCE));
        assert_eq!(of("rootdelay=3").delay, Duration::from_secs(3));
    }

    #[test]
    fn types_init_and_stops_are_read() {
        let settings = of("rootfstype=ext4,,xfs init=/bin/sh rd.break");
        assert_eq!(
            (settings.types, settings.init),
            (vec!["ext4".into(), "xfs".into()], Some("/bin/sh".into()))
        );
        assert_eq!(settings.stop, Some(Stop::Mounted));
        assert_eq!(of("vmbake.break=early").stop, Some(Stop::Early));
        assert_eq!(of("init=sh").init, None);
    }
}
