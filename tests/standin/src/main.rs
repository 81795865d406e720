//! A stand-in: one small static program that plays containerd, kubelet or any other upstream component in tests.
//!
//! Who it is stands in `IDENTITY`, 128 bytes of read-only data that `tests::standin` overwrites in a copy of the
//! program: each copy has bytes, and so a digest, of its own, and stays the ELF file that the linker made.
//!
//! Asked for its version it says so and ends; otherwise it prints how it was started, as one line of JSON, and stays
//! up until a signal ends it, as a service does. As the first program of a machine it also shows that.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::fmt::Write as _;

/// A mark of 32 bytes by which the identity is found, then name and version, separated by a space and padded by NUL.
#[used]
static IDENTITY: [u8; 128] =
    *b"vmbake stand-in: identity follow\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

fn main() {
    let (name, version) = identity();
    let args: Vec<String> =
        std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    if args.first().is_some_and(|first| ["--version", "-v", "version"].contains(&first.as_str())) {
        println!("{name} {version} (stand-in)");
        return;
    }
    println!("{}", started(&name, &version, &args));
    if std::process::id() == 1 {
        show_machine();
    }
    loop {
        std::thread::park();
    }
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

/// Its name and version. The array is read behind `black_box`, or the compiler would fold the padding into the code
/// and a stamped copy would not know its name.
fn identity() -> (String, String) {
    let stamped = &std::hint::black_box(&IDENTITY)[32..];
    let text =
        String::from_utf8_lossy(stamped.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned();
    let (name, version) = text.split_once(' ').unwrap_or((&text, ""));
    (name.to_owned(), version.to_owned())
}

/// How it was started: `{"name":…,"version":…,"args":[…],"env":{…}}`, the environment sorted by name.
fn started(name: &str, version: &str, args: &[String]) -> String {
    let args: Vec<String> = args.iter().map(|arg| quoted(arg)).collect();
    let mut env: Vec<String> = std::env::vars_os()
        .map(|(key, value)| {
            format!("{}:{}", quoted(&key.to_string_lossy()), quoted(&value.to_string_lossy()))
        })
        .collect();
    env.sort();
    format!(
        "{{\"name\":{},\"version\":{},\"args\":[{}],\"env\":{{{}}}}}",
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
