//! Stands in for QEMU where KVM cannot be relied upon: under KVM it fails as `FAKE_QEMU` says, translated it boots at once.
//! Called as `qemu-system-x86_64`, by its name in a folder of PATH. It ends when it is killed.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().collect();
    let value = |option: &str| {
        words
            .windows(2)
            .find(|pair| pair.first().is_some_and(|word| word == option))
            .and_then(|pair| pair.get(1))
            .map(String::as_str)
    };
    // a trial of KVM
    if words.iter().any(|word| word.starts_with("isa-debugcon")) {
        say("No bootable device\n")?;
        wait();
    }
    let monitor = words.iter().find_map(|word| word.strip_prefix("socket,id=monitor,path="));
    let mut monitor = UnixStream::connect(monitor.unwrap_or_default())?;
    monitor.write_all(b"{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n")?;
    let translated = value("-accel").is_some_and(|accel| accel.starts_with("tcg"));
    say("BdsDxe: starting Boot0001\r\n")?;
    if translated {
        say(
            "[    0.000000] Linux version 6.12.0\r\n\r\nDebian GNU/Linux 13 localhost ttyS0\r\n\r\nlocalhost login: ",
        )?;
    }
    let mode = std::env::var("FAKE_QEMU").unwrap_or_default();
    let mut reader = BufReader::new(monitor.try_clone()?);
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 {
        let answer = if line.contains("qmp_capabilities") {
            let stop = if mode == "internal-error" && !translated { "{\"event\": \"STOP\"}\r\n" } else { "" };
            format!("{{\"return\": {{}}}}\r\n{stop}")
        } else if line.contains("query-status") {
            "{\"return\": {\"running\": false, \"status\": \"internal-error\"}}\r\n".to_owned()
        } else {
            "{\"return\": [{\"stats\": {\"rd_operations\": 7}}]}\r\n".to_owned()
        };
        monitor.write_all(answer.as_bytes())?;
        line.clear();
    }
    wait()
}

fn say(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

fn wait() -> ! {
    loop {
        std::thread::park();
    }
}
