//! Measures unpacking: `cargo run --release --example unpack -- STORE JOBS FILE.deb…`, twice: cold, then from notes.
//!
//! Beside it, what the same bytes take in plain xz decompression and SHA-256 on as many threads, the floor of both.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a measurement, run by hand"
)]

use bake::archive::ar;
use bake::manifest::Form;
use bake::unpack::{Input, Unpacked, all};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;
use store::{Key, Options, Store};
use tree::digest::{Digest, Sha256};
use tree::name::{Arch, Name};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let options = Options { key: Some(Key::new([0; 32])), ..Options::default() };
    let store = Store::open_with(arguments.next().expect("STORE").as_ref(), &options).unwrap();
    let jobs: NonZeroUsize = arguments.next().expect("JOBS").parse().unwrap();
    let mut files: Vec<_> = arguments.map(|path| (std::fs::metadata(&path).unwrap().len(), path)).collect();
    files.sort_by(|a, b| b.cmp(a));
    let name: Name = "package".parse().unwrap();
    let digests: Vec<(Digest, u64)> = files
        .iter()
        .map(|(size, path)| {
            let mut incoming = store.incoming().unwrap();
            incoming.write_all(&std::fs::read(path).unwrap()).unwrap();
            (incoming.commit().unwrap().0.into(), *size)
        })
        .collect();

    let started = Instant::now();
    let (next, bytes) = (AtomicUsize::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..jobs.get() {
            scope.spawn(|| {
                while let Some((size, path)) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    bytes.fetch_add(plain(path, *size), Ordering::Relaxed);
                }
            });
        }
    });
    let mib = bytes.load(Ordering::Relaxed) >> 20;
    println!("plain xz + sha256   {:8.3} s   {mib} MiB of tar", started.elapsed().as_secs_f64());

    let inputs: Vec<_> = digests
        .iter()
        .map(|(digest, size)| Input {
            name: &name,
            digest,
            size: *size,
            form: Form::Deb,
            arch: Arch::Amd64,
            must_be_static: false,
        })
        .collect();
    for round in ["unpack, cold", "unpack, from notes"] {
        let started = Instant::now();
        let unpacked = all(&store, &inputs, jobs, &|_| ()).map_err(|refusal| refusal.to_string()).unwrap();
        let seconds = started.elapsed().as_secs_f64();
        let members = |one: &Unpacked| match one {
            Unpacked::Package(package) => package.members.len(),
            Unpacked::Members(members) => members.len(),
        };
        println!("{round:<19} {seconds:8.3} s   {} members", unpacked.iter().map(members).sum::<usize>());
    }
}

/// Decompresses the data archive with the plain library and hashes it once.
fn plain(path: &str, size: u64) -> u64 {
    let mut file = std::fs::File::open(path).unwrap();
    let data = ar::layout(&mut file, size).unwrap().data;
    file.seek(SeekFrom::Start(data.offset)).unwrap();
    let mut packed = vec![0; usize::try_from(data.size).unwrap()];
    file.read_exact(&mut packed).unwrap();
    let mut tar = Vec::new();
    liblzma::bufread::XzDecoder::new(&packed[..]).read_to_end(&mut tar).unwrap();
    let digest = Sha256::of(&tar);
    if digest.0 == [0; 32] { 0 } else { tar.len() as u64 }
}
