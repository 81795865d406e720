//! The programs whose work is known here, as functions of their arguments, input and files.
//!
//! What a program does not know, an option or a value, is a failure, never a guess.

pub(crate) mod accounts;
mod alternatives;
mod apache;
pub(crate) mod clock;
mod daemons;
mod database;
mod dd;
mod divert;
mod dpkg;
mod emacs;
mod find;
mod getopt;
mod grep;
mod gzip;
mod kernel;
mod lighttpd;
mod locale;
mod mode;
mod openssl;
mod options;
pub(crate) mod own;
mod pam;
mod place;
mod postgres;
mod python;
mod quiet;
mod rc;
mod remove;
mod run;
mod sgml;
mod show;
mod ssh;
mod sysusers;
mod tmpfiles;
mod ucf;
mod units;
mod user;
mod users;
pub(crate) mod version;
mod x509;
mod xml;

pub use own::finish;

use crate::files::Bytes;
use crate::sh::{Call, Stop};

/// A program.
pub type Run = fn(&mut Call<'_, '_>) -> Result<u8, Stop>;

/// The program called `name`.
#[must_use]
pub fn find(name: &str) -> Option<Run> {
    Some(match name {
        "cp" => place::cp,
        "mv" => place::mv,
        "install" => place::install,
        "ln" => place::ln,
        "rm" => remove::rm,
        "rmdir" => remove::rmdir,
        "mkdir" => remove::mkdir,
        "mktemp" | "tempfile" => remove::mktemp,
        "touch" => remove::touch,
        "chmod" => remove::chmod,
        "chown" | "chgrp" => remove::chown,
        "readlink" => show::readlink,
        "realpath" => show::realpath,
        "which" | "which.debianutils" => show::which,
        "ls" => show::ls,
        "stat" => show::stat,
        "id" => show::id,
        "whoami" => show::whoami,
        "uname" => show::uname,
        "date" => show::date,
        "tee" => show::tee,
        "env" => run::env,
        "nice" | "nohup" | "ionice" | "stdbuf" | "timeout" | "setsid" => run::as_it_stands,
        "xargs" => run::xargs,
        "run-parts" => run::run_parts,
        "find" => find::find,
        "sshd" | "sshd.session-split" => ssh::sshd,
        "ssh-keygen" => ssh::keygen,
        "emacs-package-install" => emacs::package,
        "emacs-package-remove" => emacs::removal,
        "emacs-install" => emacs::flavor,
        "su" | "runuser" => user::su,
        "setpriv" => user::setpriv,
        "sleep" | "sync" => |_| Ok(0),
        "getopt" => getopt::getopt,
        "pam-auth-update" => pam::update,
        "linux-update-symlinks" => kernel::symlinks,
        "linux-run-hooks" => kernel::hooks,
        "linux-version" => kernel::version,
        "openssl" => openssl::openssl,
        "dpkg-realpath" => show::dpkg_realpath,
        "getcap" => show::getcap,
        "a2enmod" | "a2dismod" | "a2enconf" | "a2disconf" | "a2ensite" | "a2dissite" => apache::apache,
        "helpztags" => quiet::helpztags,
        "update-xmlcatalog" => xml::catalog,
        "locale" => locale::locale,
        "update-locale" => locale::update,
        "flock" => quiet::flock,
        "perl" => quiet::perl,
        "setcap" => quiet::setcap,
        "debconf-escape" => show::debconf_escape,
        "ischroot" => |_| Ok(0),
        "pidof" | "pgrep" | "pkill" | "killall" | "fuser" | "iptables" | "ip6tables" | "nft"
        | "aa-enabled" | "aa-status" | "runlevel" => quiet::none,
        "iscsi-iname" | "uuidgen" | "mcookie" | "pwgen" | "makepasswd" => own::printed,
        "rndc-confgen" => own::rndc,
        "mariadb-install-db" => own::mariadb,
        "pg_createcluster" => own::postgres,
        "java" => own::java,
        "pg_lsclusters" => postgres::clusters,
        "pg_conftool" => postgres::setting,
        "pg_updatedicts" => postgres::dictionaries,
        "pam_getenv" => postgres::of_pam,
        "df" => show::df,
        "dd" => dd::dd,
        "gzip" | "gunzip" | "zcat" => gzip::gzip,
        "hostname" => own::hostname,
        "apt-get" => quiet::apt_get,
        name if own::is_index(name) => own::index,
        "make-ssl-cert" => own::snakeoil,
        "mountpoint" => quiet::mountpoint,
        "tty" | "stty" | "lpstat" | "auditctl" => quiet::none,
        "named-checkconf" | "visudo" | "smartctl" | "exim4" => quiet::checks,
        "dpkg-vendor" => dpkg::vendor,
        "py3versions" => python::versions,
        "start-stop-daemon" => quiet::start_stop,
        "update-catalog" => sgml::update,
        "ucfq" => ucf::ucfq,
        "lighty-enable-mod" | "lighttpd-enable-mod" => lighttpd::enable,
        "chronyd" => daemons::chronyd,
        "findmnt" => show::findmnt,
        "emacs" | "emacs-gtk" | "emacs-nox" | "emacs-lucid" | "emacs-pgtk" => quiet::emacs,
        "python3" | "python3.13" => quiet::python,
        "dpkg" => dpkg::dpkg,
        "dpkg-query" => dpkg::query,
        "dpkg-trigger" => dpkg::trigger,
        "dpkg-divert" => divert::divert,
        "dpkg-statoverride" => divert::statoverride,
        "update-alternatives" => alternatives::update,
        "adduser" | "addgroup" => users::adduser,
        "deluser" | "delgroup" | "userdel" | "groupdel" => users::deluser,
        "useradd" => users::useradd,
        "groupadd" => users::groupadd,
        "usermod" => users::usermod,
        "gpasswd" => users::gpasswd,
        "passwd" => users::passwd,
        "chsh" => users::chsh,
        "getent" => users::getent,
        "update-passwd" => users::update_passwd,
        "pwconv" | "grpconv" => users::conv,
        "systemd-sysusers" => sysusers::sysusers,
        "systemd-tmpfiles" => tmpfiles::tmpfiles,
        "deb-systemd-helper" => units::helper,
        "systemctl" => units::systemctl,
        "update-rc.d" => units::update_rc,
        name if quiet::reason(name).is_some() => quiet::quiet,
        "lsmod" => show::lsmod,
        "systemd-detect-virt" => show::detect_virt,
        "hostnamectl" | "ps" | "blkid" | "lsblk" | "losetup" | "nproc" | "lscpu" | "free" | "ip"
        | "ifconfig" | "ss" | "netstat" | "route" | "domainname" | "dnsdomainname" => show::running,
        _ => return None,
    })
}

/// `grep -r`, where that is asked for.
pub(crate) fn grep(call: &mut Call<'_, '_>, name: &str) -> Result<Option<u8>, Stop> {
    grep::grep(call, name)
}

/// The byte that a backslash before `letter` stands for, in formats of dpkg-query and arguments of tmpfiles.d.
fn escaped(letter: u8) -> u8 {
    match letter {
        b'n' => b'\n',
        b't' => b'\t',
        other => other,
    }
}

/// Whether a filter reads its standard input when called with these arguments: when it is given no file, or `-`.
#[must_use]
pub fn reads_input(name: &str, args: &[Bytes]) -> bool {
    // the options that take a value, and those that stand for the operand which is not a file
    let (valued, instead): (&[u8], &[u8]) = match name {
        "tr" | "tee" => return true,
        "expr" | "basename" | "dirname" | "seq" | "printf" | "printenv" => return false,
        "awk" | "mawk" | "gawk" => (b"Fvf", b"f"),
        "grep" | "egrep" | "fgrep" => (b"efmABC", b"ef"),
        "sed" => (b"efl", b"ef"),
        "cut" => (b"bcdf", b""),
        "head" | "tail" => (b"nc", b""),
        "sort" => (b"ktoST", b""),
        "fold" | "base64" => (b"w", b""),
        "nl" => (b"binsvw", b""),
        "paste" => (b"d", b""),
        "expand" | "unexpand" => (b"t", b""),
        "uniq" => (b"fsw", b""),
        "iconv" => (b"ft", b""),
        _ => (b"", b""),
    };
    let mut needs = usize::from(!instead.is_empty());
    let (mut files, mut rest) = (0, args);
    while let Some((arg, tail)) = rest.split_first() {
        rest = tail;
        match &arg[..] {
            b"-" => return true,
            b"--" => {
                files += rest.len();
                break;
            }
            [b'-', b'-', long @ ..] => {
                if instead.contains(&b'e')
                    && (long.starts_with(b"regexp")
                        || long.starts_with(b"expression")
                        || long.starts_with(b"file"))
                {
                    needs = 0;
                }
            }
            [b'-', letters @ ..] => {
                if let Some(at) = letters.iter().position(|letter| valued.contains(letter)) {
                    if letters.get(at).is_some_and(|letter| instead.contains(letter)) {
                        needs = 0;
                    }
                    if at + 1 == letters.len() {
                        rest = rest.get(1..).unwrap_or_default();
                    }
                }
            }
            _ => files += 1,
        }
    }
    files <= needs
}
