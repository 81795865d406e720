//! Archives that are nearly right: made from a seed, of parts on which the readers of the field have differed.

/// SplitMix64: the same numbers for the same seed, everywhere.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    pub(crate) fn one_in(&mut self, chance: usize) -> bool {
        self.below(chance) == 0
    }

    pub(crate) fn of<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

const NAMES: [&str; 24] = [
    "./",
    "a",
    "./a",
    "a/",
    "./a/",
    "a/b",
    "./a/b",
    "./a/b/c",
    "b",
    "./b/",
    "c",
    "./usr/bin/x",
    "bin/x",
    "./bin",
    "x",
    "y",
    "z",
    "\u{e9}",
    "e\u{301}",
    "A",
    "a b",
    "..",
    "/abs",
    "a//b",
];
const TARGETS: [&str; 8] = ["a", "./a", "b", "../x", "/etc/passwd", "./usr/bin/x", "c", "a/b"];
const KINDS: [u8; 16] =
    [b'0', b'0', b'0', b'0', b'0', 0, b'5', b'5', b'5', b'1', b'2', b'2', b'3', b'6', b'7', b'S'];
const MAGICS: [&[u8]; 6] =
    [b"ustar  \0", b"ustar  \0", b"ustar\x0000", b"ustar\x0000", b"\0\0\0\0\0\0\0\0", b"ustar\x0001"];

/// A tar of up to six entries; about every second one has something odd.
pub(crate) fn tar(random: &mut Random) -> Vec<u8> {
    let mut out = Vec::new();
    // each odd thing is rare, or no archive would be right
    let odd = if random.one_in(2) { 6 } else { usize::MAX >> 1 };
    for _ in 0..random.below(7) {
        entry(&mut out, random, odd);
    }
    let blocks = if random.one_in(odd) { random.of(&[0, 1, 1, 3]) } else { random.of(&[2, 2, 5, 20]) };
    out.resize(out.len() + 512 * blocks, 0);
    if random.one_in(odd) {
        match random.below(3) {
            0 => out.push(random.of(b"\0x")),
            1 => out.truncate(random.below(out.len() + 1)),
            _ => entry(&mut out, random, odd),
        }
    }
    out
}

fn entry(out: &mut Vec<u8>, random: &mut Random, odd: usize) {
    let odd_here = random.one_in(odd);
    let (sane_names, sane_kinds) = (&NAMES[..21], [b'0', b'0', b'5', b'2', b'1']);
    let kind = if odd_here { random.of(&KINDS) } else { random.of(&sane_kinds) };
    let mut name = if odd_here { random.of(&NAMES) } else { random.of(sane_names) }.to_owned();
    match kind {
        b'5' => {}
        _ if odd_here => {}
        _ => name = name.trim_end_matches('/').to_owned() + if name == "./" { "f" } else { "" },
    }
    if random.one_in(3) && !odd_here {
        // seldom twice the same
        name = format!("{}{}", name.trim_end_matches('/'), random.below(1000));
    }
    let target = random.of(&TARGETS);
    let is_link = matches!(kind, b'1' | b'2');
    let content: &[u8] = if matches!(kind, b'0' | 0) || random.one_in(odd) {
        random.of(&[&b""[..], b"text", &[b'y'; 512], &[b'z'; 700]])
    } else {
        b""
    };
    let extended = random.below(6);
    if extended == 0 || random.one_in(odd) {
        let record = if random.one_in(odd) {
            let size = random.of(&["0", "4", "512", "700", "01"]);
            random.of(&[
                ("size", size),
                ("path", ""),
                ("linkpath", "q"),
                ("GNU.sparse.size", "9"),
                ("comment", "c"),
                ("mtime", "-1"),
                ("path", "a/../b"),
            ])
        } else {
            random.of(&[
                ("path", "pax/p"),
                ("mtime", "12345.678"),
                ("path", "./pax/\u{e9}"),
                ("uid", "0"),
                ("comment", "c"),
            ])
        };
        let kind = if random.one_in(odd) { b'g' } else { b'x' };
        header(out, random, odd, "PaxHeaders/x", kind, "", pax(record.0, record.1).as_bytes());
    }
    if extended == 1 || random.one_in(odd) {
        let text = format!(
            "long/{}{}",
            "l".repeat(random.of(&[10, 90, 200])),
            random.of(&["\0", "\0", "\0", "", "\0x"][..if odd_here { 5 } else { 3 }])
        );
        let kind = if is_link && random.one_in(2) { b'K' } else { b'L' };
        header(out, random, odd, "././@LongLink", kind, "", text.as_bytes());
    }
    let link = if is_link || random.one_in(odd) { target } else { "" };
    header(out, random, odd, &name, kind, link, content);
}

fn header(
    out: &mut Vec<u8>,
    random: &mut Random,
    odd: usize,
    name: &str,
    kind: u8,
    link: &str,
    content: &[u8],
) {
    let mut block = [0; 512];
    let mut put = |at: usize, text: &[u8]| block[at..at + text.len()].copy_from_slice(text);
    put(0, name.as_bytes());
    let mode = if kind == b'5' { 0o755 } else { random.of(&[0o644, 0o755, 0o600]) };
    put(100, format!("{mode:07o}\0").as_bytes());
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    let size = if random.one_in(odd) { random.of(&[0, 1, 512, 1 << 30]) } else { content.len() };
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, format!("{:011o}\0", random.of(&[0, 1, 1_700_000_000])).as_bytes());
    put(156, &[kind]);
    put(157, link.as_bytes());
    put(257, if random.one_in(odd) { random.of(&MAGICS) } else { random.of(&MAGICS[..4]) });
    if random.one_in(odd) {
        // anything anywhere, and fields spelled in other ways
        match random.below(6) {
            0 => put(random.below(512), &[random.of(b"\0 x7\x80\xff")]),
            1 => put(124, b"        4   "),
            2 => put(124, b"\x80\0\0\0\0\0\0\0\0\0\0\x04"),
            3 => put(345, b"prefix"),
            4 => put(108, random.of(&[&b"-0000001"[..], b"0001750\0", b"        ", b"\0\0\0\0\0\0\0\0"])),
            _ => put(265, random.of(&[&b"root"[..], b"daemon", b"nobody-knows"])),
        }
    }
    block[148..156].copy_from_slice(b"        ");
    let sum: u32 = block.iter().map(|&b| u32::from(b)).sum();
    let sum = if random.one_in(odd) { sum + 1 } else { sum };
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    out.extend_from_slice(&block);
    out.extend_from_slice(content);
    out.resize(out.len().next_multiple_of(512), if random.one_in(odd) { b'p' } else { 0 });
}

fn pax(key: &str, value: &str) -> String {
    let rest = key.len() + value.len() + 3;
    let length = (rest + 1..).find(|length| rest + length.to_string().len() == *length).unwrap();
    format!("{length} {key}={value}\n")
}

/// A `.deb` around `data`, whose container may have something odd.
pub(crate) fn deb(random: &mut Random, control: &[u8], data: &[u8]) -> Vec<u8> {
    let odd = if random.one_in(2) { 4 } else { usize::MAX >> 1 };
    let version = if random.one_in(odd) {
        random.of(&[&b"2.1\n"[..], b"3.0\n", b"2.0", b"2.0\nmore\n", b""])
    } else {
        b"2.0\n"
    };
    let extension = random.of(&["", ".gz", ".xz", ".zst"]);
    let mut members = vec![
        ("debian-binary".to_owned(), version.to_vec()),
        ("control.tar.gz".to_owned(), pack(".gz", control)),
        (format!("data.tar{extension}"), pack(extension, data)),
    ];
    if random.one_in(odd) {
        members.swap(random.below(3), random.below(3));
    }
    if random.one_in(odd) {
        let extra = random.of(&["_gpg", "extra", "data.tar", "control.tar.xz"]);
        members.insert(random.below(4), (extra.to_owned(), b"12".to_vec()));
    }
    if random.one_in(odd) {
        members.remove(random.below(members.len()));
    }
    let mut out = b"!<arch>\n".to_vec();
    for (name, bytes) in members {
        let mut bytes = bytes;
        if random.one_in(odd) {
            bytes.extend_from_slice(random.of(&[&b"\0"[..], b"trailing", b"\0\0\0\0"]));
        }
        let size = if random.one_in(odd) {
            random.of(&["-1", "0x4", "99999", "3 3"]).to_owned()
        } else {
            bytes.len().to_string()
        };
        let name = if random.one_in(3) { name + "/" } else { name };
        out.extend(format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, 100_644).bytes());
        out.extend_from_slice(&bytes);
        out.extend(std::iter::repeat_n(random.of(if odd < 9 { b"\n\0" } else { b"\n\n" }), bytes.len() % 2));
    }
    if random.one_in(odd) {
        out.extend_from_slice(random.of(&[&b"\n"[..], b"rubbish", b"\0"]));
    }
    out
}

fn pack(extension: &str, bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    match extension {
        ".gz" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        ".xz" => {
            let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 0);
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        ".zst" => zstd::encode_all(bytes, 1).unwrap(),
        _ => bytes.to_vec(),
    }
}
