//! The room that a case runs in: a host name, network devices, listeners and mounts of its own.
//!
//! `unshare` makes the name spaces and holds them; they end with it. Listeners are threads of this process that have
//! moved into the room's network.

use super::case::{Case, Step};
use super::tree::{Tree, apply};
use anyhow::{Context as _, Result, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::net::TcpListener;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// An open room.
pub(super) struct Room {
    holder: Child,
    root: PathBuf,
}

/// What a run ended with.
pub(super) struct Ended {
    pub(super) code: i32,
    pub(super) output: String,
    pub(super) calls: Vec<Vec<String>>,
}

impl Room {
    /// Makes it for `case` around `root`.
    pub(super) fn open(root: &Path, case: &Case) -> Result<Self> {
        #[expect(clippy::disallowed_methods, reason = "the holder must be a child that can be ended")]
        let mut holder = Command::new("unshare")
            .args([
                "--net",
                "--uts",
                "--mount",
                "--propagation=private",
                "sh",
                "-c",
                "echo ready; exec sleep 600",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run unshare")?;
        let mut word = [0; 5];
        let mut out = holder.stdout.take().context("a pipe")?;
        let ready = std::io::Read::read_exact(&mut out, &mut word);
        let room = Self { holder, root: root.to_owned() };
        ready.context("expected name spaces of its own: run this as root")?;
        room.furnish(case)?;
        room.listen(case)?;
        Ok(room)
    }

    fn furnish(&self, case: &Case) -> Result<()> {
        let mut script = String::from("set -e\nip link set lo up\n");
        let root = self.root.display();
        if let Some(hostname) = &case.setup.hostname {
            script.push_str(&format!("hostname '{hostname}'\n"));
        }
        if let Some(net) = case.setup.net.as_ref().filter(|net| !net.dev.is_empty()) {
            // whichever kind of device this kernel has; the far end makes a carrier
            script.push_str(&format!(
                "ip link add '{0}' type veth peer name far 2>/dev/null && ip link set far up || \
                 ip link add '{0}' type dummy 2>/dev/null || ip tuntap add dev '{0}' mode tap\nip link set '{0}' up\n",
                net.dev
            ));
            for address in &net.addrs {
                let nodad = if address.contains(':') { "nodad" } else { "" };
                script.push_str(&format!("ip address add '{address}' dev '{}' {nodad}\n", net.dev));
            }
            for route in &net.routes {
                script.push_str(&format!("ip route add {route} dev '{}'\n", net.dev));
            }
        }
        script.push_str(&format!(
            "mount --bind /usr {root}/usr\nmount --bind -o ro /usr {root}/usr\nmount --rbind /proc {root}/proc\nmount --rbind /dev {root}/dev\n\
             for one in bin sbin lib lib64; do [ -e {root}/$one ] || ln -s usr/$one {root}/$one; done\n"
        ));
        let output = self.enter(&["sh", "-c", &script])?.output()?;
        ensure!(
            output.status.success(),
            "cannot furnish the room: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    /// A command inside all of the room's name spaces.
    fn enter(&self, words: &[&str]) -> Result<Command> {
        #[expect(
            clippy::disallowed_methods,
            reason = "its output, exit code and the files that appear meanwhile are expected"
        )]
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.holder.id().to_string(), "--net", "--uts", "--mount", "--"])
            .args(words);
        command.stdin(Stdio::null());
        Ok(command)
    }

    fn listen(&self, case: &Case) -> Result<()> {
        for address in &case.setup.listen {
            let space = File::open(format!("/proc/{}/ns/net", self.holder.id()))?;
            let (say, hear) = mpsc::channel();
            let address = address.clone();
            std::thread::spawn(move || {
                let opened = move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network))
                    .map_err(std::io::Error::from)
                    .and_then(|()| TcpListener::bind(&address));
                let listener = match opened {
                    Ok(listener) => listener,
                    Err(error) => return drop(say.send(Err(error))),
                };
                if say.send(Ok(())).is_ok() {
                    // accepts and closes, until this process ends
                    for connection in listener.incoming() {
                        drop(connection);
                    }
                }
            });
            hear.recv().context("the listener ended early")??;
        }
        Ok(())
    }

    /// Runs `step` in the tree.
    pub(super) fn run(&self, case: &Case, step: &Step) -> Result<Ended> {
        let calls = self.root.join("run/calls");
        let _ = std::fs::remove_file(&calls);
        let held = match &step.hold_lock {
            Some(path) => Some(hold(&super::tree::below(&self.root, path))?),
            None => None,
        };
        let mut words = vec!["chroot".to_owned()];
        if let Some(uid) = step.uid {
            // no group but one of its own: what it may do is what its number may do
            words.extend([format!("--userspec=+{uid}:+{uid}"), "--groups=".to_owned()]);
        }
        words.extend([self.root.display().to_string(), "/usr/bin/env".to_owned(), "-i".to_owned()]);
        words.extend(["PATH=/stub:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"].map(str::to_owned));
        words.push(format!("LANG={}", step.lang.as_deref().unwrap_or("C.UTF-8")));
        words.extend(step.env.iter().map(|(key, value)| format!("{key}={value}")));
        words.extend(step.run.iter().cloned());
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut command = self.enter(&words)?;
        let child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("cannot run nsenter")?;
        for during in &step.during {
            std::thread::sleep(Duration::from_millis(during.after_ms));
            apply(&self.root, &during.files)?;
        }
        let output = child.wait_with_output()?;
        drop(held);
        let text = std::fs::read_to_string(&calls).unwrap_or_default();
        // whatever happened, the tree can still be read
        Tree::read(&self.root, case)?;
        Ok(Ended {
            code: output.status.code().unwrap_or(-1),
            output: format!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            ),
            calls: text.lines().map(|line| line.split(' ').map(str::to_owned).collect()).collect(),
        })
    }
}

/// Another process' lock on `path`.
fn hold(path: &Path) -> Result<File> {
    if let Some(above) = path.parent() {
        std::fs::create_dir_all(above)?;
    }
    let file = File::create(path)?;
    file.lock()?;
    Ok(file)
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
