//! The functions that the language has.

use super::super::super::Failure;
use super::super::super::common::{length, push, take, text, unsupported};
use super::super::super::number::whole;
use super::super::tree::{Builtin, Expression, Pattern, Place, Target, place};
use super::super::value::Value;
use super::{Cell, Evaluated, Machine, number};

impl Machine<'_, '_, '_> {
    pub(super) fn builtin(&mut self, builtin: Builtin, arguments: &[Expression]) -> Evaluated<Value> {
        let first = arguments.first();
        if builtin == Builtin::Length {
            let Some(first) = first else { return Ok(number(self.record()?.len())) };
            if let Expression::Argument(place) = first
                && let Cell::Array(array) = self.cell(*place)
            {
                let array = *array;
                return Ok(number(self.state.arrays[array].len()));
            }
            return Ok(number(self.text(first)?.len()));
        }
        if builtin == Builtin::Sprintf {
            return Ok(self.format(arguments)?.into());
        }
        let Some(first) = first else { return Ok(Value::Number(0.0)) };
        let real = |machine: &mut Self| machine.evaluate(first).map(|value| value.number());
        Ok(match builtin {
            Builtin::Substr => return self.substr(arguments),
            Builtin::Index => {
                let text = self.text(first)?;
                let wanted = self.text(&arguments[1])?;
                take(self.run.input.steps, length(text.len()) / 512)?;
                // mawk finds nothing right at the start
                let at = if wanted.is_empty() {
                    Some(0)
                } else {
                    text.windows(wanted.len()).position(|window| window == &wanted[..])
                };
                at.map_or(Value::Number(0.0), |at| number(at + 1))
            }
            Builtin::Lower => self.text(first)?.to_ascii_lowercase().into(),
            Builtin::Upper => self.text(first)?.to_ascii_uppercase().into(),
            Builtin::Sin => real(self)?.sin().into(),
            Builtin::Cos => real(self)?.cos().into(),
            Builtin::Atan2 => {
                let one = real(self)?;
                one.atan2(self.evaluate(&arguments[1])?.number()).into()
            }
            Builtin::Exp => real(self)?.exp().into(),
            Builtin::Log => real(self)?.ln().into(),
            Builtin::Sqrt => real(self)?.sqrt().into(),
            Builtin::Int => real(self)?.trunc().into(),
            Builtin::Close => {
                let name = self.text(first)?;
                self.close(&name)?
            }
            Builtin::Flush => Value::Number(0.0),
            Builtin::System => {
                let command = self.text(first)?;
                if !command.is_empty() {
                    return Ok(unsupported(format!("system of awk: {}", text(&command)))?);
                }
                Value::Number(0.0)
            }
            Builtin::Length | Builtin::Sprintf => Value::Unset,
        })
    }

    fn substr(&mut self, arguments: &[Expression]) -> Evaluated<Value> {
        let text = self.text(&arguments[0])?;
        let start = self.evaluate(&arguments[1])?.number();
        let count = match arguments.get(2) {
            Some(count) => self.evaluate(count)?.number(),
            None => f64::INFINITY,
        };
        if start.is_nan()
            || count.is_nan()
            || start.fract() != 0.0
            || count.is_finite() && count.fract() != 0.0
        {
            return Ok(unsupported("substr of awk with numbers that are not whole")?);
        }
        let position = |value: f64| usize::try_from(whole(value)).unwrap_or(0).min(text.len());
        // the part from `start` on, `count` long, as far as there is text
        let from = position(start - 1.0);
        let to = if count.is_finite() { position(start - 1.0 + count) } else { text.len() };
        self.run.step(length(to.saturating_sub(from)) / 512)?;
        Ok(text[from..to.max(from)].to_vec().into())
    }

    pub(super) fn split_array(
        &mut self,
        value: &Expression,
        array: Place,
        separator: Option<&Pattern>,
    ) -> Evaluated<Value> {
        let text = self.text(value)?;
        let parts = match separator {
            None => {
                let separator = self.special(place::FS)?;
                self.split(&text, &separator, false)?
            }
            Some(Pattern::Known(regex)) => {
                let regex = regex.clone();
                self.split_by(&text, &regex)?
            }
            Some(Pattern::Computed(expression)) => {
                let separator = self.text(expression)?;
                self.split(&text, &separator, false)?
            }
        };
        let array = self.array(array)?;
        self.state.arrays[array].clear();
        let count = parts.len();
        for (index, part) in parts.into_iter().enumerate() {
            self.step()?;
            let key = (index + 1).to_string().into_bytes().into();
            self.insert(array, key, Value::outside(&part))?;
        }
        Ok(number(count))
    }

    /// `sub` and `gsub`
    pub(super) fn replace(
        &mut self,
        all: bool,
        pattern: &Pattern,
        replacement: &Expression,
        target: &Target,
    ) -> Evaluated<Value> {
        let regex = self.regex(pattern)?;
        let replacement = self.text(replacement)?;
        let target = self.settle(target)?;
        let format = self.special(place::CONVFMT)?;
        let text = self.read(&target)?.text(&format)?;
        let mut result = Vec::new();
        let (mut at, mut from, mut count) = (0, 0, 0usize);
        let mut behind = None;
        while from <= text.len() {
            self.step()?;
            let Some(found) = regex.span(&text, from, self.run.input.steps)? else { break };
            // nothing right after a match is none
            if found.is_empty() && behind == Some(found.start) {
                from = found.end + 1;
                continue;
            }
            behind = Some(found.end);
            count += 1;
            push(&mut result, &text[at..found.start])?;
            substitute(&mut result, &replacement, &text[found.clone()])?;
            at = found.end;
            from = if found.is_empty() { found.end + 1 } else { found.end };
            if !all {
                break;
            }
        }
        self.run.step(length(text.len() + result.len()) / 512)?;
        if count > 0 {
            push(&mut result, &text[at..])?;
            self.assign(&target, result.into())?;
        }
        Ok(number(count))
    }
}

/// Adds a replacement: `&` is what matched.
fn substitute(result: &mut Vec<u8>, replacement: &[u8], matched: &[u8]) -> Result<(), Failure> {
    let mut at = 0;
    while let Some(byte) = replacement.get(at) {
        at += 1;
        match (byte, replacement.get(at)) {
            (b'\\', Some(next @ (b'&' | b'\\'))) => {
                push(result, &[*next])?;
                at += 1;
            }
            (b'&', _) => push(result, matched)?,
            (other, _) => push(result, &[*other])?,
        }
    }
    Ok(())
}
