//! `grep -r`, which looks into directories; without it, grep is a filter.

use super::find::tree;
use crate::files::{Bytes, Kind};
use crate::sh::{Call, Stop};

/// `grep -r`: the same of every file below its operands, in the order of their names.
pub(super) fn grep(call: &mut Call<'_, '_>, name: &str) -> Result<Option<u8>, Stop> {
    let (mut words, mut operands, mut recurses, mut follows): (Vec<Bytes>, Vec<Bytes>, bool, bool) =
        (Vec::new(), Vec::new(), false, false);
    let mut pattern = false;
    let mut args = call.args.iter();
    while let Some(arg) = args.next() {
        match &arg[..] {
            b"--" => {
                operands.extend(args.by_ref().cloned());
            }
            b"--recursive" => recurses = true,
            b"--dereference-recursive" => (recurses, follows) = (true, true),
            [b'-', b'-', ..] => {
                pattern |= arg.starts_with(b"--regexp") || arg.starts_with(b"--file=");
                words.push(arg.clone());
            }
            [b'-', letters @ ..] if !letters.is_empty() => {
                let mut own = vec![b'-'];
                let mut rest = letters;
                while let Some((letter, tail)) = rest.split_first() {
                    rest = tail;
                    match letter {
                        b'r' => recurses = true,
                        b'R' => (recurses, follows) = (true, true),
                        b'e' | b'f' | b'm' | b'A' | b'B' | b'C' | b'd' | b'D' => {
                            pattern |= matches!(letter, b'e' | b'f');
                            own.push(*letter);
                            own.extend_from_slice(rest);
                            if rest.is_empty() {
                                words.push(std::mem::take(&mut own));
                                own.extend(args.next().into_iter().flatten());
                            }
                            rest = b"";
                        }
                        letter => own.push(*letter),
                    }
                }
                if own != b"-" {
                    words.push(own);
                }
            }
            _ => operands.push(arg.clone()),
        }
    }
    if !recurses {
        return Ok(None);
    }
    if words.iter().any(|word| word.starts_with(b"--include") || word.starts_with(b"--exclude")) {
        return Err(call.unsupported("`--include` or `--exclude`"));
    }
    let mut all = vec![name.as_bytes().to_vec(), b"-H".to_vec()];
    all.extend(words);
    all.push(b"--".to_vec());
    if !pattern {
        if operands.is_empty() {
            return Ok(Some(2));
        }
        all.push(operands.remove(0));
    }
    let bare = operands.is_empty();
    if bare {
        operands.push(b".".to_vec());
    }
    let mut files = 0;
    for operand in operands {
        for (path, depth) in tree(call, &operand) {
            call.sh.step()?;
            let meta = if depth == 0 || follows {
                call.sh.files.stat(&call.path(&path))
            } else {
                call.sh.files.lstat(&call.path(&path))
            };
            let missing = meta.is_none() && depth == 0;
            if missing || meta.is_some_and(|meta| meta.kind == Kind::File) {
                files += 1;
                all.push(if bare { path.strip_prefix(b"./").unwrap_or(&path).to_vec() } else { path });
            }
        }
    }
    if files == 0 {
        return Ok(Some(1));
    }
    call.run(&all).map(Some)
}
