//! Environment files: what [`line`] writes is what bash, dash and systemd read, and what our own reader reads.
//!
//! systemd is asked by the function that `EnvironmentFile=` itself calls, `load_env_file` of its shared library, and for
//! what it then drops (`env_assignment_is_valid`).

use crate::node::start;
use configure::envfile::{line, read};
use std::path::Path;

const VALUES: usize = 10_000;
/// A shell's command line has an end.
const BATCH: usize = 1_000;

/// splitmix64: the same values in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) >> 33).unwrap() % below
    }

    /// A value of up to 40 characters: mostly those that mean something to somebody.
    fn value(&mut self) -> String {
        let special: Vec<char> = "'\"\\$`#~!*?[]{}()<>|&;=:%^,.@+-/ \t\n".chars().collect();
        (0..self.next(41))
            .map(|_| match self.next(8) {
                0..=4 => special[self.next(special.len())],
                5 | 6 => char::from(u8::try_from(0x20 + self.next(0x5f)).unwrap()),
                _ => loop {
                    if let Some(any) = char::from_u32(u32::try_from(self.next(0x0011_0000)).unwrap()) {
                        break any;
                    }
                },
            })
            .collect()
    }
}

/// Values from the generator and edges by hand, all of which can be written.
fn values() -> Vec<String> {
    let mut numbers = Numbers(20_261_122);
    let mut values: Vec<String> = [
        "",
        "'",
        "\"",
        "\\",
        "\n",
        "a\\",
        "'\\",
        "\\\n",
        "'\\\n",
        "$(touch /pwned)'",
        "a'$HOME`id`",
        "#",
        " a ",
        "'é\u{2028}",
    ]
    .map(str::to_owned)
    .into();
    while values.len() < VALUES {
        let value = numbers.value();
        if line("K", &value).is_some() {
            values.push(value);
        }
    }
    values
}

fn file(values: &[String]) -> String {
    values.iter().enumerate().map(|(at, value)| line(&format!("V{at}"), value).unwrap()).collect()
}

/// Every value as `reader` prints it, each with NUL behind it.
fn check(reader: impl Fn(&Path, usize) -> Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    for batch in values().chunks(BATCH) {
        let path = folder.path().join("values.env");
        std::fs::write(&path, file(batch)).unwrap();
        let printed = reader(&path, batch.len());
        let mut parts: Vec<&[u8]> = printed.split(|byte| *byte == 0).collect();
        parts.pop();
        assert_eq!(parts.len(), batch.len());
        for (got, expected) in parts.into_iter().zip(batch) {
            assert_eq!(String::from_utf8_lossy(got), *expected, "{:?}", line("K", expected));
        }
    }
}

fn shell(name: &'static str) -> impl Fn(&Path, usize) -> Vec<u8> {
    move |path, count| {
        let all: String = (0..count).map(|at| format!(" \"$V{at}\"")).collect();
        let script = format!(". {}\nprintf '%s\\0'{all}\n", path.display());
        let file = path.with_extension("sh");
        std::fs::write(&file, script).unwrap();
        let output = start(&[name, file.to_str().unwrap()]);
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    }
}

#[test]
fn bash_reads_what_is_written() {
    check(shell("bash"));
}

#[test]
fn dash_reads_what_is_written() {
    check(shell("dash"));
}

#[test]
fn our_own_reader_reads_what_is_written() {
    for batch in values().chunks(BATCH) {
        let read = read(file(batch).as_bytes()).unwrap_or_else(|faults| panic!("{faults:?}"));
        let got: Vec<&str> = read.iter().map(|one| one.value.as_str()).collect();
        assert_eq!(got, batch);
    }
}

/// `EnvironmentFile=` of systemd: reads, then drops assignments that it takes for invalid.
const SYSTEMD: &str = r#"
import ctypes, glob, sys
library = ctypes.CDLL(sorted(glob.glob("/usr/lib/*/systemd/libsystemd-shared-*.so"))[-1])
out = ctypes.POINTER(ctypes.c_char_p)()
code = library.load_env_file(None, sys.argv[1].encode(), ctypes.byref(out))
if code < 0:
    sys.exit("load_env_file: %d" % code)
library.env_assignment_is_valid.restype = ctypes.c_bool
at = 0
while out[at] is not None:
    if not library.env_assignment_is_valid(out[at]):
        sys.exit("dropped: %r" % out[at])
    sys.stdout.buffer.write(out[at].split(b"=", 1)[1] + b"\0")
    at += 1
"#;

#[test]
fn systemd_reads_what_is_written() {
    check(|path, _| {
        let output = start(&["python3", "-c", SYSTEMD, path.to_str().unwrap()]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    });
}
