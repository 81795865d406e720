//! gzip, gunzip and zcat.

use std::io::{Read as _, Write as _};

use super::options::parse;
use crate::failure::Reason;
use crate::files::Bytes;
use crate::sh::{Call, Stop};

const LONG: [(&str, u8); 8] = [
    ("stdout", b'c'),
    ("to-stdout", b'c'),
    ("decompress", b'd'),
    ("force", b'f'),
    ("keep", b'k'),
    ("no-name", b'n'),
    ("quiet", b'q'),
    ("best", b'9'),
];

/// Compressed as gzip does: the bytes are those of another encoder, their content is the same.
fn packed(bytes: &[u8], name: Option<&[u8]>, time: i64) -> std::io::Result<Bytes> {
    let mut header = flate2::GzBuilder::new();
    if let Some(name) = name {
        header = header.filename(name.to_vec()).mtime(u32::try_from(time).unwrap_or_default());
    }
    let mut encoder = header.write(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn unpacked(call: &Call<'_, '_>, bytes: &[u8]) -> Result<Option<Bytes>, Stop> {
    let mut out = Vec::new();
    let most = call.sh.limits.bytes as u64;
    let read = flate2::read::MultiGzDecoder::new(bytes).take(most + 1).read_to_end(&mut out);
    if out.len() as u64 > most {
        return Err(call.sh.fail(Reason::Limit("the bytes of a file")));
    }
    Ok(read.is_ok().then_some(out))
}

pub(super) fn gzip(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let options = parse(call, "cdfknqv123456789", &LONG)?;
    let unpacks = options.has(b'd') || call.name != "gzip";
    let prints = options.has(b'c') || call.name == "zcat" || options.operands.is_empty();
    let operands: Vec<Option<Bytes>> = if options.operands.is_empty() {
        vec![None]
    } else {
        options.operands.iter().cloned().map(|path| (path != b"-").then_some(path)).collect()
    };
    let mut status = 0;
    for operand in operands {
        let shown = operand.clone().unwrap_or_else(|| b"stdin".to_vec());
        let path = operand.as_ref().map(|path| call.path(path));
        let bytes = match &path {
            None => call.sh.read_all(0),
            Some(path) => match call.sh.files.read(path) {
                Ok(bytes) => bytes.to_vec(),
                Err(errno) => {
                    status = call.errno("cannot open", &shown, errno)?;
                    continue;
                }
            },
        };
        let time = path.as_ref().and_then(|path| call.sh.files.stat(path)).map_or(0, |meta| meta.mtime);
        let result = if unpacks {
            unpacked(call, &bytes)?
        } else {
            let name = path.as_deref().map(crate::files::base_name).filter(|_| !options.has(b'n'));
            packed(&bytes, name, time).ok()
        };
        let Some(result) = result else {
            status = call.complain(&format!("{}: not in gzip format", String::from_utf8_lossy(&shown)));
            continue;
        };
        let Some(path) = path.filter(|_| !prints) else {
            call.out.extend_from_slice(&result);
            continue;
        };
        let to = if unpacks {
            match path.strip_suffix(b".gz") {
                Some(to) => to.to_vec(),
                None => {
                    status = call
                        .complain(&format!("{}: unknown suffix -- ignored", String::from_utf8_lossy(&shown)));
                    continue;
                }
            }
        } else {
            [&path[..], b".gz"].concat()
        };
        if call.sh.files.stat(&to).is_some() && !options.has(b'f') {
            status =
                call.complain(&format!("{} already exists; not overwritten", String::from_utf8_lossy(&to)));
            continue;
        }
        let meta = call.sh.files.stat(&path);
        let (mode, uid, gid) = meta.map_or((0o644, 0, 0), |meta| (meta.mode, meta.uid, meta.gid));
        let done = call.sh.files.write(&to, result, mode);
        let done = done.and_then(|()| call.sh.files.chown(&to, Some(uid), Some(gid), true));
        let done = done.and_then(|()| call.sh.files.touch(&to, Some(time)));
        let done = done.and_then(|()| if options.has(b'k') { Ok(()) } else { call.sh.files.unlink(&path) });
        if let Err(errno) = done {
            status = call.errno("cannot write", &to, errno)?;
        }
    }
    Ok(status)
}
