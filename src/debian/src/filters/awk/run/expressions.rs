//! Expressions, patterns, and calls of the program's own functions.

use super::super::super::Failure;
use super::super::super::common::{length, push, take, text, unsupported};
use super::super::super::regex::Regex;
use super::super::parse::pattern;
use super::super::tree::{Comparison, Expression, Operator, Pattern, Place, Target, place};
use super::super::value::Value;
use super::{Cell, Evaluated, Flow, Machine, number};
use std::rc::Rc;

impl Machine<'_, '_, '_> {
    pub(super) fn evaluate(&mut self, expression: &Expression) -> Evaluated<Value> {
        match expression {
            Expression::Number(number) => Ok(Value::Number(*number)),
            Expression::Text(text) => Ok(Value::Text(text.clone())),
            Expression::Target(Target::Variable(place)) | Expression::Argument(place) => {
                self.variable(*place)
            }
            _ => {
                self.step()?;
                self.deeper(|machine| machine.evaluate_within(expression))
            }
        }
    }

    fn evaluate_within(&mut self, expression: &Expression) -> Evaluated<Value> {
        Ok(match expression {
            Expression::Number(_) | Expression::Text(_) | Expression::Argument(_) => {
                return self.evaluate(expression);
            }
            Expression::Pattern(regex) => {
                let record = self.record()?;
                regex.is_match(&record, self.run.input.steps)?.into()
            }
            Expression::Target(target) => self.read(target)?,
            Expression::Group(inner) => self.evaluate(inner)?,
            Expression::Assign(target, value) => {
                let value = self.evaluate(value)?;
                self.assign(target, value.clone())?;
                value
            }
            Expression::Update(target, operator, value) => {
                let value = self.evaluate(value)?.number();
                let target = self.settle(target)?;
                let before = self.read(&target)?.number();
                let value = Value::Number(calculate(*operator, before, value)?);
                self.assign(&target, value.clone())?;
                value
            }
            Expression::Step(target, after, by) => {
                let target = self.settle(target)?;
                let before = self.read(&target)?.number();
                self.assign(&target, Value::Number(before + by))?;
                Value::Number(if *after { before + by } else { before })
            }
            Expression::Binary(operator, one, other) => {
                let one = self.evaluate(one)?.number();
                let other = self.evaluate(other)?.number();
                Value::Number(calculate(*operator, one, other)?)
            }
            Expression::Compare(comparison, one, other) => self.compare(*comparison, one, other)?,
            Expression::Join(one, other) => {
                let format = self.special(place::CONVFMT)?;
                let mut joined = self.evaluate(one)?.text(&format)?.to_vec();
                push(&mut joined, &self.evaluate(other)?.text(&format)?)?;
                take(self.run.input.steps, length(joined.len()) / 512)?;
                Value::from(joined)
            }
            Expression::Match(wanted, one, pattern) => {
                let text = self.text(one)?;
                let regex = self.regex(pattern)?;
                (regex.is_match(&text, self.run.input.steps)? == *wanted).into()
            }
            Expression::And(one, other) => {
                (self.evaluate(one)?.truth() && self.evaluate(other)?.truth()).into()
            }
            Expression::Or(one, other) => {
                (self.evaluate(one)?.truth() || self.evaluate(other)?.truth()).into()
            }
            Expression::Not(one) => (!self.evaluate(one)?.truth()).into(),
            Expression::Negative(one) => Value::Number(-self.evaluate(one)?.number()),
            Expression::Positive(one) => Value::Number(self.evaluate(one)?.number()),
            Expression::Choose(condition, one, other) => {
                let truth = self.evaluate(condition)?.truth();
                self.evaluate(if truth { one } else { other })?
            }
            Expression::In(keys, array) => {
                let key = self.key(keys)?;
                let array = self.array(*array)?;
                self.state.arrays[array].contains_key(&key).into()
            }
            Expression::Call(function, arguments) => self.call(*function, arguments)?,
            Expression::Builtin(builtin, arguments) => self.builtin(*builtin, arguments)?,
            Expression::Split(value, array, separator) => {
                self.split_array(value, *array, separator.as_ref())?
            }
            Expression::Replace(all, pattern, replacement, target) => {
                self.replace(*all, pattern, replacement, target)?
            }
            Expression::Find(value, pattern) => {
                let text = self.text(value)?;
                let regex = self.regex(pattern)?;
                let found = regex.span(&text, 0, self.run.input.steps)?;
                let (start, length) = match found {
                    Some(found) => (number(found.start + 1), number(found.len())),
                    None => (Value::Number(0.0), Value::Number(-1.0)),
                };
                self.assign_variable(Place::Global(place::RSTART), start.clone())?;
                self.assign_variable(Place::Global(place::RLENGTH), length)?;
                start
            }
            Expression::Getline(target, file) => self.getline(target.as_ref(), file.as_deref())?,
        })
    }

    /// The target with its index evaluated, so that it can be read and assigned.
    pub(super) fn settle(&mut self, target: &Target) -> Evaluated<Target> {
        Ok(match target {
            Target::Variable(place) => Target::Variable(*place),
            Target::Element(array, keys) => {
                let key = self.key(keys)?;
                Target::Element(*array, vec![Expression::Text(key)])
            }
            Target::Field(index) => {
                let index = self.evaluate(index)?.number();
                Target::Field(Box::new(Expression::Number(index)))
            }
        })
    }

    pub(super) fn text(&mut self, expression: &Expression) -> Evaluated<Rc<[u8]>> {
        let format = self.special(place::CONVFMT)?;
        Ok(self.evaluate(expression)?.text(&format)?)
    }

    fn compare(&mut self, comparison: Comparison, one: &Expression, other: &Expression) -> Evaluated<Value> {
        let one = self.evaluate(one)?;
        let other = self.evaluate(other)?;
        let order = if one.numeric() && other.numeric() {
            one.number().partial_cmp(&other.number())
        } else {
            let format = self.special(place::CONVFMT)?;
            Some(one.text(&format)?.cmp(&other.text(&format)?))
        };
        let Some(order) = order else { return Ok(unsupported("infinity or NaN of awk")?) };
        Ok(match comparison {
            Comparison::Less => order.is_lt(),
            Comparison::LessEqual => order.is_le(),
            Comparison::Equal => order.is_eq(),
            Comparison::Unequal => order.is_ne(),
            Comparison::Greater => order.is_gt(),
            Comparison::GreaterEqual => order.is_ge(),
        }
        .into())
    }

    pub(super) fn regex(&mut self, found: &Pattern) -> Evaluated<Rc<Regex>> {
        let expression = match found {
            Pattern::Known(regex) => return Ok(regex.clone()),
            Pattern::Computed(expression) => expression,
        };
        let text = self.text(expression)?;
        self.compiled(&text)
    }

    /// A pattern that was computed.
    pub(super) fn compiled(&mut self, text: &Rc<[u8]>) -> Evaluated<Rc<Regex>> {
        if let Some(regex) = self.patterns.get(text) {
            return Ok(regex.clone());
        }
        take(self.run.input.steps, length(text.len()))?;
        let regex = Rc::new(pattern(text)?);
        if self.patterns.len() > 256 {
            self.patterns.clear();
        }
        self.patterns.insert(text.clone(), regex.clone());
        Ok(regex)
    }

    fn call(&mut self, function: usize, arguments: &[Expression]) -> Evaluated<Value> {
        let program = self.program;
        let function = &program.functions[function];
        if arguments.len() > function.parameters.len() {
            return Ok(unsupported(format!(
                "awk program: {} with too many arguments",
                text(&function.name)
            ))?);
        }
        let mut frame = Vec::new();
        for argument in arguments {
            frame.push(match argument {
                Expression::Argument(place) if *place != Place::Global(place::NF) => {
                    let fresh = matches!(self.cell(*place), Cell::New);
                    if fresh {
                        // it may become an array in there
                        let array = self.new_array()?;
                        *self.cell(*place) = Cell::Either(array);
                    }
                    self.cell(*place).clone()
                }
                other => Cell::Scalar(self.evaluate(other)?),
            });
        }
        frame.resize(function.parameters.len(), Cell::New);
        self.state.frames.push(frame);
        let flow = self.block(&function.body);
        self.state.frames.pop();
        match flow? {
            Flow::Return(value) => Ok(value),
            Flow::On => Ok(Value::Unset),
            _ => Ok(unsupported("awk program: next or exit in a function")?),
        }
    }
}

fn calculate(operator: Operator, one: f64, other: f64) -> Result<f64, Failure> {
    let value = match operator {
        Operator::Add => one + other,
        Operator::Subtract => one - other,
        Operator::Multiply => one * other,
        Operator::Divide | Operator::Remainder if other == 0.0 => {
            return unsupported("division by zero in awk");
        }
        Operator::Divide => one / other,
        Operator::Remainder => one % other,
        Operator::Power => one.powf(other),
    };
    if value.is_finite() { Ok(value) } else { unsupported("infinity or NaN of awk") }
}
