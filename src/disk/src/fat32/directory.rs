//! Directories of FAT: entries of 32 bytes, a long name in as many of them as it needs before the short one.

use super::{FatError, ROOT, narrow};
use std::collections::{BTreeMap, BTreeSet};

const ENTRY: u64 = 32;
const VOLUME: u8 = 0x08;
const DIRECTORY: u8 = 0x10;
const ARCHIVE: u8 = 0x20;
const LONG: u8 = 0x0f;
/// UTF-16 units in one entry of a long name.
const UNITS: usize = 13;

/// A time as FAT has it: two seconds' steps since 1980.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    time: u16,
    date: u16,
}

/// All directories of a volume; by path, the root's is empty.
#[derive(Debug)]
pub(super) struct Directories {
    all: BTreeMap<String, Vec<Entry>>,
    /// Bytes of a cluster.
    cluster: u64,
}

#[derive(Debug)]
struct Entry {
    name: String,
    short: [u8; 11],
    directory: bool,
    first: u32,
    len: u32,
}

impl Stamp {
    /// The time `epoch`, seconds since 1970, within what FAT can say.
    pub(super) fn of(epoch: i64) -> Self {
        const FIRST: i64 = 315_532_800; // 1980
        const LAST: i64 = 4_354_819_198; // 2107
        let within = jiff::Timestamp::from_second(epoch.clamp(FIRST, LAST)).unwrap_or_default();
        let at = jiff::tz::Offset::UTC.to_datetime(within);
        let number = |value: i16| u16::try_from(value).unwrap_or(0);
        Self {
            time: (number(at.hour().into()) << 11)
                | (number(at.minute().into()) << 5)
                | (number(at.second().into()) / 2),
            date: (number(at.year() - 1980) << 9)
                | (number(at.month().into()) << 5)
                | number(at.day().into()),
        }
    }
}

impl Directories {
    /// The directories of files at `paths`; where each is, is not yet known.
    pub(super) fn of<'p>(paths: impl Iterator<Item = &'p String>, cluster: u64) -> Result<Self, FatError> {
        let mut all: BTreeMap<String, BTreeMap<String, (String, bool)>> = BTreeMap::new();
        all.insert(String::new(), BTreeMap::new());
        for path in paths {
            let mut parent = String::new();
            for (at, name) in path.split('/').enumerate() {
                if !is_name(name) {
                    return Err(FatError::Name(path.clone()));
                }
                let is_directory = at < path.matches('/').count();
                let own = if parent.is_empty() { name.to_owned() } else { format!("{parent}/{name}") };
                // the key is in one case: it finds names that FAT cannot tell apart
                let before = all
                    .entry(parent)
                    .or_default()
                    .insert(name.to_uppercase(), (name.to_owned(), is_directory));
                if before.is_some_and(|before| before != (name.to_owned(), is_directory) || !is_directory) {
                    return Err(FatError::Twice(own));
                }
                if is_directory {
                    all.entry(own.clone()).or_default();
                }
                parent = own;
            }
        }
        let mut directories = Self { all: BTreeMap::new(), cluster };
        for (path, names) in all {
            let mut taken = BTreeSet::new();
            let entry = |(name, directory): (String, bool)| {
                let short = short(&name, &mut taken);
                Entry { name, short, directory, first: 0, len: 0 }
            };
            directories.all.insert(path, names.into_values().map(entry).collect());
        }
        directories.settle();
        Ok(directories)
    }

    /// How many clusters each takes, in their order.
    pub(super) fn lengths(&self) -> Vec<u64> {
        self.all.iter().map(|(path, entries)| self.clusters(path, entries)).collect()
    }

    /// Says where the file at `path` is.
    pub(super) fn place(&mut self, path: &str, first: u32, len: u32) {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let entries = self.all.get_mut(parent).into_iter().flatten();
        for entry in entries.filter(|entry| entry.name == name) {
            (entry.first, entry.len) = (first, len);
        }
    }

    /// The bytes of all clusters of directories, from the first on.
    pub(super) fn print(&self, label: &str, stamp: Stamp) -> Vec<u8> {
        let mut out = Vec::new();
        for ((path, entries), first) in self.all.iter().zip(self.firsts()) {
            let start = out.len() as u64;
            if path.is_empty() {
                out.extend(record(&padded(label), VOLUME, 0, 0, stamp));
            } else {
                let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
                // the root is called 0 here
                let above = if parent.is_empty() { 0 } else { self.first_of(parent) };
                out.extend(record(&padded("."), DIRECTORY, first, 0, stamp));
                out.extend(record(&padded(".."), DIRECTORY, above, 0, stamp));
            }
            for entry in entries {
                out.extend(long(&entry.name, &entry.short));
                let attribute = if entry.directory { DIRECTORY } else { ARCHIVE };
                out.extend(record(&entry.short, attribute, entry.first, entry.len, stamp));
            }
            let end = start + self.clusters(path, entries) * self.cluster;
            out.resize(usize::try_from(end).unwrap_or(usize::MAX), 0);
        }
        out
    }

    /// Gives each entry of a directory its first cluster.
    fn settle(&mut self) {
        let firsts: BTreeMap<String, u32> = self.all.keys().cloned().zip(self.firsts()).collect();
        for (path, entries) in &mut self.all {
            for entry in entries.iter_mut().filter(|entry| entry.directory) {
                let own = if path.is_empty() { entry.name.clone() } else { format!("{path}/{}", entry.name) };
                entry.first = firsts.get(&own).copied().unwrap_or(0);
            }
        }
    }

    /// The first cluster of each, in their order.
    fn firsts(&self) -> Vec<u32> {
        let mut next = u64::from(ROOT);
        let lengths = self.lengths();
        let firsts = lengths.into_iter().map(|len| {
            next += len;
            narrow(next - len)
        });
        firsts.collect()
    }

    fn first_of(&self, path: &str) -> u32 {
        self.all.keys().zip(self.firsts()).find(|(own, _)| *own == path).map_or(0, |(_, first)| first)
    }

    fn clusters(&self, path: &str, entries: &[Entry]) -> u64 {
        let own = if path.is_empty() { 1 } else { 2 };
        let long = |entry: &Entry| (long(&entry.name, &entry.short).len() as u64) / ENTRY + 1;
        let records: u64 = entries.iter().map(long).sum();
        ((own + records) * ENTRY).div_ceil(self.cluster).max(1)
    }
}

/// A label or a name without an extension in its eleven bytes.
pub(super) fn padded(text: &str) -> [u8; 11] {
    let mut out = [b' '; 11];
    for (place, byte) in out.iter_mut().zip(text.bytes()) {
        *place = byte;
    }
    out
}

fn is_name(name: &str) -> bool {
    let plain = |c: char| !c.is_control() && !"\"*/:<>?\\|".contains(c);
    !name.is_empty()
        && name.encode_utf16().count() <= 255
        && name.chars().all(plain)
        && !name.ends_with(['.', ' '])
        && !name.starts_with(' ')
}

/// The name in eleven bytes: itself where it is one in upper case, else its beginning and a number.
fn short(name: &str, taken: &mut BTreeSet<[u8; 11]>) -> [u8; 11] {
    let (stem, extension) =
        name.trim_start_matches('.').rsplit_once('.').unwrap_or((name.trim_start_matches('.'), ""));
    let plain = |text: &str, most: usize| -> Vec<u8> {
        let known = |c: char| {
            let c = c.to_ascii_uppercase();
            if c.is_ascii_alphanumeric() || "!#$%&'()-@^_`{}~".contains(c) { c } else { '_' }
        };
        let kept = text.chars().filter(|&c| c != ' ' && c != '.').map(known).take(most);
        kept.map(|c| u8::try_from(c).unwrap_or(b'_')).collect()
    };
    let (base, tail) = (plain(stem, 8), plain(extension, 3));
    let set = |base: &[u8]| {
        let mut out = [b' '; 11];
        out[..base.len()].copy_from_slice(base);
        out[8..8 + tail.len()].copy_from_slice(&tail);
        out
    };
    let whole = set(&base);
    if shown(&whole) == name && taken.insert(whole) {
        return whole;
    }
    for number in 1..1_000_000 {
        let mark = format!("~{number}");
        let mut numbered = base[..base.len().min(8 - mark.len())].to_vec();
        numbered.extend(mark.bytes());
        let whole = set(&numbered);
        if taken.insert(whole) {
            return whole;
        }
    }
    whole
}

/// A short name as a person writes it.
fn shown(short: &[u8; 11]) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    let (stem, extension) = (text(&short[..8]), text(&short[8..]));
    if extension.is_empty() { stem } else { format!("{stem}.{extension}") }
}

/// The entries of a long name, the last part first; none where the short name says it all.
fn long(name: &str, short: &[u8; 11]) -> Vec<u8> {
    if shown(short) == name {
        return Vec::new();
    }
    let sum = short.iter().fold(0_u8, |sum, &byte| sum.rotate_right(1).wrapping_add(byte));
    let mut units: Vec<u16> = name.encode_utf16().collect();
    if !units.len().is_multiple_of(UNITS) {
        units.push(0);
        units.resize(units.len().next_multiple_of(UNITS), 0xffff);
    }
    let mut out = Vec::new();
    let parts: Vec<&[u16]> = units.chunks(UNITS).collect();
    for (nth, part) in parts.iter().enumerate().rev() {
        let last = if nth + 1 == parts.len() { 0x40 } else { 0 };
        let bytes: Vec<u8> = part.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        out.push(last | u8::try_from(nth + 1).unwrap_or(u8::MAX));
        out.extend(&bytes[..10]);
        out.extend([LONG, 0, sum]);
        out.extend(&bytes[10..22]);
        out.extend([0, 0]);
        out.extend(&bytes[22..]);
    }
    out
}

fn record(short: &[u8; 11], attribute: u8, first: u32, len: u32, stamp: Stamp) -> [u8; 32] {
    let mut out = [0; 32];
    out[..11].copy_from_slice(short);
    out[11] = attribute;
    let [low, high] =
        [first & 0xffff, first >> 16].map(|half| u16::try_from(half).unwrap_or(0).to_le_bytes());
    out[14..16].copy_from_slice(&stamp.time.to_le_bytes()); // made
    out[16..18].copy_from_slice(&stamp.date.to_le_bytes());
    out[18..20].copy_from_slice(&stamp.date.to_le_bytes()); // read
    out[20..22].copy_from_slice(&high);
    out[22..24].copy_from_slice(&stamp.time.to_le_bytes()); // written
    out[24..26].copy_from_slice(&stamp.date.to_le_bytes());
    out[26..28].copy_from_slice(&low);
    out[28..].copy_from_slice(&len.to_le_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_are_the_name_itself_or_its_beginning_with_a_number() {
        let mut taken = BTreeSet::new();
        for (name, expected) in [
            ("BOOTX64.EFI", "BOOTX64.EFI"),
            ("EFI", "EFI"),
            ("loader.conf", "LOADER~1.CON"),
            ("loader.cont", "LOADER~2.CON"),
            ("vmlinuz-6.12.57+deb13-cloud-amd64", "VMLINU~1.57_"),
            ("initrd.img-6.12", "INITRD~1.12"),
            ("systemd", "SYSTEM~1"),
            (".x", "X~1"),
            ("é", "_~1"),
        ] {
            assert_eq!(shown(&short(name, &mut taken)), expected, "{name}");
        }
    }

    #[test]
    fn times_are_utc_in_steps_of_two_seconds_and_within_fats_years() {
        // 2026-09-12 07:55:41
        let stamp = Stamp::of(1_789_199_741);
        assert_eq!((stamp.date, stamp.time), (46 << 9 | 9 << 5 | 12, 7 << 11 | 55 << 5 | 20));
        assert_eq!(Stamp::of(0).date, 1 << 5 | 1);
        assert_eq!(Stamp::of(i64::MAX).date >> 9, 127);
    }

    #[test]
    fn names_that_fat_cannot_have_or_tell_apart_are_refused() {
        let made = |paths: &[&str]| {
            let paths: Vec<String> = paths.iter().map(ToString::to_string).collect();
            Directories::of(paths.iter(), 512).map(drop)
        };
        for bad in ["a:b", "a/", "", "a.", "a/../b ", "n\u{7}"] {
            assert!(matches!(made(&[bad]), Err(FatError::Name(_))), "{bad}");
        }
        for twice in [["a/b", "A/c"], ["a", "A"], ["a/x", "a"]] {
            assert!(matches!(made(&twice), Err(FatError::Twice(_))), "{twice:?}");
        }
        assert!(made(&["a/b", "a/c"]).is_ok());
    }
}
