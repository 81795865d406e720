//! A stand-in: one small static program that plays containerd, kubelet or any other upstream component in tests.
//!
//! Who it is stands in `IDENTITY`, 128 bytes of read-only data that `tests::standin` overwrites in a copy of the
//! program: each copy has bytes, and so a digest, of its own, and stays the ELF file that the linker made.
//!
//! Asked for its version it says so and ends; otherwise it prints how it was started, as one line of JSON, and stays
//! up until a signal ends it, as a service does; ctr, which is no service, ends at once. Started by systemd it does what the service that it plays must be able
//! to do as its user and within its unit: read the files that its command line and its environment name, take its
//! port, on which it answers with the same line, and tell systemd that it is ready. kubelet and kube-apiserver look at their
//! flags and certificates as the real ones do, and talk TLS. As the first program of a machine it also shows that.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

mod kubernetes;
mod tls;

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::ExitCode;

/// A mark of 32 bytes by which the identity is found, then name and version, separated by a space and padded by NUL.
#[used]
static IDENTITY: [u8; 128] =
    *b"vmbake stand-in: identity follow\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

fn main() -> ExitCode {
    let (name, version) = identity();
    let args: Vec<String> =
        std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    if args.first().is_some_and(|first| ["--version", "-v", "version"].contains(&first.as_str())) {
        println!("{name} {version} (stand-in)");
        return ExitCode::SUCCESS;
    }
    let line = started(&name, &version, &args);
    println!("{line}");
    if std::process::id() == 1 {
        show_machine();
    }
    if name == "ctr" {
        return ExitCode::SUCCESS;
    }
    // the one variable that systemd gives to every service, and nobody else
    if std::env::var_os("INVOCATION_ID").is_none() {
        loop {
            std::thread::park();
        }
    }
    let why = match name.as_str() {
        "kube-apiserver" => serve_api(&args),
        "kubelet" => match kubernetes::kubelet(&args) {
            Ok(client) => {
                std::thread::spawn(move || join(&client));
                serve(&name, &line)
            }
            Err(why) => why,
        },
        _ => serve(&name, &line),
    };
    println!("cannot start: {why}");
    ExitCode::FAILURE
}

/// Serves as an API server does, until that ends; returns why.
fn serve_api(args: &[String]) -> String {
    let ended = kubernetes::api_server(args).and_then(|server| {
        let mut child = server.serve()?;
        child.wait().map_err(|error| error.to_string())
    });
    match ended {
        Ok(status) => format!("openssl ended with {status}"),
        Err(why) => why,
    }
}

/// Asks the API server until it answers, and says so.
fn join(client: &tls::Client) {
    while let Err(why) = client.ask() {
        println!("cannot join: {why}");
        std::thread::sleep(std::time::Duration::from_secs(3));
    }
    println!("joined https://{}:{}", client.host, client.port);
}

/// Takes the port, says so, and answers for ever. What cannot be done ends the program, and with it the unit: returns it.
fn serve(name: &str, line: &str) -> String {
    let taken = address(name).map(|address| (TcpListener::bind(&address), address));
    let listener = match taken {
        None => None,
        Some((Ok(listener), _)) => Some(listener),
        Some((Err(error), address)) => {
            return format!("cannot take {address}: {error}");
        }
    };
    if let Err(error) = ready() {
        return format!("cannot tell that it is ready: {error}");
    }
    for stream in listener.iter().flat_map(TcpListener::incoming).flatten() {
        let mut stream = stream;
        // whoever asked may be gone
        let _ = writeln!(stream, "{line}");
    }
    loop {
        std::thread::park();
    }
}

/// Where the service listens: by its flags and its environment where those say, else where it always does.
fn address(name: &str) -> Option<String> {
    match name {
        "kube-controller-manager" => Some("0.0.0.0:10257".to_owned()),
        "kube-scheduler" => Some("0.0.0.0:10259".to_owned()),
        "kubelet" => Some("0.0.0.0:10250".to_owned()),
        "netsy" => std::env::var("NETSY_BIND_CLIENT").ok(),
        "zot" => Some("127.0.0.1:5000".to_owned()),
        _ => None,
    }
}

/// sd_notify(3), for units of `Type=notify`.
fn ready() -> std::io::Result<()> {
    use std::os::linux::net::SocketAddrExt as _;
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return Ok(()) };
    let path = path.to_string_lossy().into_owned();
    let address = match path.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(&path)?,
    };
    UnixDatagram::unbound()?.send_to_addr(b"READY=1", &address).map(drop)
}

/// Files that words name and that cannot be read: certificates, keys and configuration.
fn unreadable<'w>(words: impl Iterator<Item = &'w String>) -> Vec<String> {
    let kinds = [".crt", ".key", ".pub", ".pem", ".yaml", ".yml", ".jsonc", "kubeconfig"];
    let paths = words.flat_map(|word| word.split(['=', ',']));
    let mut paths: Vec<&str> =
        paths.filter(|part| part.starts_with('/') && kinds.iter().any(|kind| part.ends_with(kind))).collect();
    paths.sort_unstable();
    paths.dedup();
    paths.into_iter().filter(|path| std::fs::read(path).is_err()).map(quoted).collect()
}

/// As the first program of a machine: what is mounted, what the kernel was told, and what is in the root.
fn show_machine() {
    for file in ["/proc/mounts", "/proc/cmdline", "/proc/modules"] {
        for line in std::fs::read_to_string(file).unwrap_or_default().lines() {
            println!("{file}: {line}");
        }
    }
    let names = std::fs::read_dir("/").into_iter().flatten().filter_map(Result::ok);
    let mut names: Vec<String> =
        names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    println!("/: {}", names.join(" "));
    println!("stand-in: that is all");
}

/// Its name and version. The array is read after `black_box`, or the compiler would fold the padding into the code
/// and a stamped copy would not know its name.
fn identity() -> (String, String) {
    let stamped = &std::hint::black_box(&IDENTITY)[32..];
    let text =
        String::from_utf8_lossy(stamped.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned();
    let (name, version) = text.split_once(' ').unwrap_or((&text, ""));
    (name.to_owned(), version.to_owned())
}

/// How it was started: `{"name":…,"version":…,"uid":…,"unreadable":[…],"args":[…],"env":{…}}`, the environment sorted by
/// name.
fn started(name: &str, version: &str, args: &[String]) -> String {
    let values: Vec<String> =
        std::env::vars_os().map(|(_, value)| value.to_string_lossy().into_owned()).collect();
    let unreadable = unreadable(args.iter().chain(&values)).join(",");
    // a process's own files in /proc are its own
    let uid = std::fs::metadata("/proc/self").map_or(u32::MAX, |meta| meta.uid());
    let args: Vec<String> = args.iter().map(|arg| quoted(arg)).collect();
    let mut env: Vec<String> = std::env::vars_os()
        .map(|(key, value)| {
            format!("{}:{}", quoted(&key.to_string_lossy()), quoted(&value.to_string_lossy()))
        })
        .collect();
    env.sort();
    format!(
        "{{\"name\":{},\"version\":{},\"uid\":{uid},\"unreadable\":[{unreadable}],\"args\":[{}],\"env\":{{{}}}}}",
        quoted(name),
        quoted(version),
        args.join(","),
        env.join(",")
    )
}

/// `text` as a JSON string (RFC 8259 §7).
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                // a String takes every write
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
