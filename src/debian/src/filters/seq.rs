//! `seq`: prints numbers in order. Decimals are counted exactly, in units of the last digit.

use super::Input;
use super::common::{Done, Run, text, unsupported};

/// A decimal: its digits without the point, and how many stand after it.
struct Decimal {
    digits: i128,
    scale: usize,
    width: usize,
}

/// `seq`.
pub(super) fn seq(input: &mut Input<'_>) -> Done {
    let args = input.args;
    let mut run = Run::new("seq", input);
    let (mut equal, mut separator, mut at) = (false, b"\n".to_vec(), 0);
    // a negative number is not an option
    while let Some(arg) = args.get(at) {
        match arg.as_slice() {
            b"-w" | b"--equal-width" => equal = true,
            b"-s" => {
                at += 1;
                let Some(value) = args.get(at) else { return unsupported("seq -s without a value") };
                separator = value.clone();
            }
            b"--" => {
                at += 1;
                break;
            }
            [b'-', digit, ..] if digit.is_ascii_digit() || *digit == b'.' => break,
            [b'-', b's', rest @ ..] => separator = rest.to_vec(),
            [b'-', ..] => match arg.strip_prefix(b"--separator=") {
                Some(value) => separator = value.to_vec(),
                None => return unsupported(format!("seq {}", text(arg))),
            },
            _ => break,
        }
        at += 1;
    }
    let mut numbers = Vec::new();
    for arg in &args[at..] {
        match decimal(arg) {
            Some(number) => numbers.push(number),
            None if arg.iter().any(u8::is_ascii_digit) => return unsupported(format!("seq {}", text(arg))),
            None => return run.fail(&format!("invalid floating point argument: '{}'", text(arg)), 1),
        }
    }
    let one = || Decimal { digits: 1, scale: 0, width: 1 };
    let (first, step, last) = match numbers.len() {
        1 => (one(), one(), numbers.remove(0)),
        2 => (numbers.remove(0), one(), numbers.remove(0)),
        3 => (numbers.remove(0), numbers.remove(0), numbers.remove(0)),
        0 => return run.fail("missing operand", 1),
        _ => return run.fail(&format!("extra operand '{}'", text(&args[at + 3])), 1),
    };
    if step.digits == 0 {
        return run.fail("invalid Zero increment value: '0'", 1);
    }
    let scale = first.scale.max(step.scale);
    let fine = scale.max(last.scale);
    let raise = |number: &Decimal| {
        u32::try_from(fine - number.scale)
            .ok()
            .and_then(|places| 10i128.checked_pow(places))
            .and_then(|factor| number.digits.checked_mul(factor))
    };
    let (Some(mut value), Some(by), Some(bound)) = (raise(&first), raise(&step), raise(&last)) else {
        return unsupported("seq with numbers of more than 127 bits");
    };
    let width = if equal {
        // as many places after the point as are printed
        let places = if scale > 0 { scale + 1 } else { 0 };
        let padded = |number: &Decimal| {
            let fraction = if number.scale > 0 { number.scale + 1 } else { 0 };
            number.width - fraction + places
        };
        padded(&first).max(padded(&last))
    } else {
        0
    };
    let mut any = false;
    while if by > 0 { value <= bound } else { value >= bound } {
        run.step(1)?;
        if std::mem::replace(&mut any, true) {
            run.put(&separator)?;
        }
        let printed = print(value, scale, fine, width);
        run.put(printed.as_bytes())?;
        let Some(next) = value.checked_add(by) else { break };
        value = next;
    }
    if any {
        run.put(b"\n")?;
    }
    run.finish()
}

fn print(value: i128, scale: usize, fine: usize, width: usize) -> String {
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = fine + 1);
    let (whole, fraction) = digits.split_at(digits.len() - fine);
    let mut text = whole.to_owned();
    if scale > 0 {
        text.push('.');
        text.push_str(&fraction[..scale]);
    }
    let sign = if value < 0 { "-" } else { "" };
    format!("{sign}{text:0>width$}", width = width.saturating_sub(sign.len()))
}

fn decimal(arg: &[u8]) -> Option<Decimal> {
    let text = std::str::from_utf8(arg).ok()?;
    let body = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = body.split_once('.').unwrap_or((body, ""));
    let mut all = whole.bytes().chain(fraction.bytes());
    if body.len() > 36 || !all.all(|byte| byte.is_ascii_digit()) || whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let negative = text.starts_with('-');
    // the width of a sign counts where it is printed
    let width =
        whole.len().max(1) + usize::from(negative) + if fraction.is_empty() { 0 } else { fraction.len() + 1 };
    if negative && digits == 0 {
        return None;
    }
    Some(Decimal { digits: if negative { -digits } else { digits }, scale: fraction.len(), width })
}
