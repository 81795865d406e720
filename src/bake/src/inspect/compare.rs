//! A disk compared with its record, byte by byte: each extent by its digest, and what is in none must be zero.

use super::Damage;
use disk::read::{DiskError, Runs, is_zero};
use disk::record::{Extent, Record};
use sha2::Digest as _;
use tree::digest::Sha256;

static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// Compares `runs` with `record`.
pub(super) fn compare(runs: &mut dyn Runs, record: &Record) -> Result<(), Damage> {
    if runs.size() != record.head.size {
        let what = format!("expected a disk of {1} bytes, found {0}", runs.size(), record.head.size);
        return Err(Damage { entry: None, what });
    }
    let mut walk = Walk { record, next: 0, hasher: sha2::Sha256::new(), at: 0 };
    let mut bytes = Vec::new();
    loop {
        let run = runs.next(&mut bytes).map_err(|error| unread(record, &error))?;
        let Some(at) = run else { break };
        walk.zeros(at)?;
        walk.bytes(&bytes)?;
    }
    walk.zeros(record.head.size)
}

/// What cannot be read is what the record has at its place.
fn unread(record: &Record, error: &DiskError) -> Damage {
    let DiskError::At { at, .. } = error else { return Damage { entry: None, what: error.to_string() } };
    let found = record.extents.partition_point(|extent| extent.at + extent.len <= *at);
    let entry = record.extents.get(found).and_then(|extent| extent.path.clone());
    Damage { entry, what: format!("{}{error}", partition(record, *at)) }
}

struct Walk<'r> {
    record: &'r Record,
    /// The extent that is next or being read.
    next: usize,
    hasher: sha2::Sha256,
    /// How far it is, in bytes of the disk.
    at: u64,
}

impl Walk<'_> {
    /// Goes on with zeros up to `end`.
    fn zeros(&mut self, end: u64) -> Result<(), Damage> {
        while self.at < end {
            let inside = self.extent().filter(|extent| extent.at <= self.at);
            let len = match inside {
                // from one extent to the next there is nothing to look at
                None => self.extent().map_or(end, |extent| extent.at.min(end)) - self.at,
                Some(_) => (end - self.at).min(ZEROS.len() as u64),
            };
            if inside.is_none() {
                self.at += len;
                continue;
            }
            self.bytes(&ZEROS[..usize::try_from(len).unwrap_or(ZEROS.len())])?;
        }
        Ok(())
    }

    /// Goes on with these bytes.
    fn bytes(&mut self, mut bytes: &[u8]) -> Result<(), Damage> {
        while !bytes.is_empty() {
            let (inside, until) = match self.extent() {
                None => (false, u64::MAX),
                Some(extent) if extent.at > self.at => (false, extent.at),
                Some(extent) => (true, extent.at + extent.len),
            };
            let len = usize::try_from(until - self.at).unwrap_or(usize::MAX).min(bytes.len());
            let (now, rest) = bytes.split_at(len);
            if inside {
                self.hasher.update(now);
            } else if !is_zero(now) {
                let at = self.at + now.iter().take_while(|&&byte| byte == 0).count() as u64;
                let what =
                    format!("{}byte {at} belongs to nothing, and is not zero", partition(self.record, at));
                return Err(Damage { entry: None, what });
            }
            self.at += len as u64;
            bytes = rest;
            if inside && self.at == until {
                self.end()?;
            }
        }
        Ok(())
    }

    fn extent(&self) -> Option<&Extent> {
        self.record.extents.get(self.next)
    }

    /// Compares the extent that ends here.
    fn end(&mut self) -> Result<(), Damage> {
        let found = Sha256(std::mem::take(&mut self.hasher).finalize().into());
        let Some(extent) = self.record.extents.get(self.next) else { return Ok(()) };
        self.next += 1;
        if found == extent.sha256 {
            return Ok(());
        }
        let own = match &extent.path {
            Some(_) => "its content differs from the record".to_owned(),
            None => format!(
                "what is at bytes {} to {} differs from the record",
                extent.at,
                extent.at + extent.len
            ),
        };
        Err(Damage {
            entry: extent.path.clone(),
            what: format!("{}{own}", partition(self.record, extent.at)),
        })
    }
}

/// The partition that has byte `at`, for a message.
fn partition(record: &Record, at: u64) -> String {
    let holds = |partition: &&disk::record::Partition| {
        at.checked_sub(partition.offset).is_some_and(|inside| inside < partition.size)
    };
    let found = record.partitions.iter().find(holds);
    found
        .map_or_else(|| "outside of partitions: ".to_owned(), |found| format!("partition `{}`: ", found.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use disk::record::{Head, Partition};

    struct Given(Vec<(u64, Vec<u8>)>, u64);

    impl Runs for Given {
        fn size(&self) -> u64 {
            self.1
        }

        fn next(&mut self, out: &mut Vec<u8>) -> Result<Option<u64>, DiskError> {
            let Some((at, bytes)) = self.0.pop() else { return Ok(None) };
            *out = bytes;
            Ok(Some(at))
        }
    }

    fn record() -> Record {
        let extent = |at: u64, bytes: &[u8], path: Option<&str>| Extent {
            at,
            len: bytes.len() as u64,
            sha256: Sha256::of(bytes),
            path: path.map(|path| path.parse().unwrap()),
            from: 0,
        };
        let part = |name: &str, offset| Partition {
            r#type: String::new(),
            id: String::new(),
            offset,
            size: 100_000,
            attributes: 0,
            name: name.into(),
        };
        let head = Head {
            format: 1,
            plan: Sha256([1; 32]),
            size: 300_000,
            id: String::new(),
            cmdline: String::new(),
        };
        let partitions = vec![part("esp", 1_000), part("root", 150_000)];
        let extents = vec![
            extent(0, &[1; 100], None),
            extent(1_000, &[2; 10], Some("/boot/x")),
            extent(1_010, &[0; 70_000], Some("/zeros")),
            extent(150_000, &[3; 500], None),
            extent(150_500, &[4; 500], Some("/etc/y")),
        ];
        Record { head, partitions, extents }
    }

    fn disk() -> Vec<(u64, Vec<u8>)> {
        let mut runs =
            vec![(0, vec![1; 100]), (1_000, vec![2; 10]), (150_000, [[3; 500], [4; 500]].concat())];
        runs.reverse();
        runs
    }

    #[test]
    fn what_is_as_recorded_is_whole_however_it_is_cut() {
        assert_eq!(compare(&mut Given(disk(), 300_000), &record()), Ok(()));
        let mut whole = vec![0; 300_000];
        for (at, bytes) in disk() {
            let at = usize::try_from(at).unwrap();
            whole[at..at + bytes.len()].copy_from_slice(&bytes);
        }
        for step in [1, 77, 4096, 300_000] {
            let mut runs: Vec<_> = whole
                .chunks(step)
                .enumerate()
                .map(|(nth, run)| ((nth * step) as u64, run.to_vec()))
                .collect();
            runs.reverse();
            assert_eq!(compare(&mut Given(runs, 300_000), &record()), Ok(()), "{step}");
        }
    }

    #[test]
    fn what_is_not_is_named() {
        for (at, value, expected) in [
            (50, 9, "damaged: outside of partitions: what is at bytes 0 to 100"),
            (100, 9, "damaged: outside of partitions: byte 100 belongs to nothing"),
            (1_005, 9, "damaged at `/boot/x`: partition `esp`: its content"),
            (40_000, 9, "damaged at `/zeros`: partition `esp`"),
            (90_000, 9, "damaged: partition `esp`: byte 90000 belongs to nothing"),
            (150_001, 0, "damaged: partition `root`: what is at bytes 150000 to 150500"),
            (150_999, 0, "damaged at `/etc/y`: partition `root`"),
            (299_999, 1, "damaged: outside of partitions: byte 299999"),
        ] {
            let mut whole = vec![0; 300_000];
            for (from, bytes) in disk() {
                let from = usize::try_from(from).unwrap();
                whole[from..from + bytes.len()].copy_from_slice(&bytes);
            }
            whole[at] = value;
            let damage = compare(&mut Given(vec![(0, whole)], 300_000), &record()).unwrap_err().to_string();
            assert!(damage.starts_with(expected), "{at}: {damage}");
        }
        assert!(compare(&mut Given(Vec::new(), 300_512), &record()).is_err());
    }
}
