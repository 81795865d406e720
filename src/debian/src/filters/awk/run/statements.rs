//! Statements, and what they print.

use super::super::super::Failure;
use super::super::super::common::{length, push};
use super::super::super::number::whole;
use super::super::tree::{Expression, Output, Place, SPECIAL, Statement, Target, place};
use super::super::value::{Value, sprintf};
use super::{Evaluated, Flow, Machine};
use std::rc::Rc;

impl Machine<'_, '_, '_> {
    pub(super) fn block(&mut self, statements: &[Statement]) -> Evaluated<Flow> {
        for statement in statements {
            let flow = self.statement(statement)?;
            if flow != Flow::On {
                return Ok(flow);
            }
        }
        Ok(Flow::On)
    }

    fn statement(&mut self, statement: &Statement) -> Evaluated<Flow> {
        self.step()?;
        self.deeper(|machine| machine.statement_within(statement))
    }

    fn statement_within(&mut self, statement: &Statement) -> Evaluated<Flow> {
        match statement {
            Statement::Expression(expression) => {
                self.evaluate(expression)?;
            }
            Statement::Print(list, output) => self.print(list, output)?,
            Statement::Printf(list, output) => {
                let bytes = self.format(list)?;
                self.emit(&bytes, output)?;
            }
            Statement::If(condition, then, otherwise) => {
                if self.evaluate(condition)?.truth() {
                    return self.statement(then);
                } else if let Some(otherwise) = otherwise {
                    return self.statement(otherwise);
                }
            }
            Statement::While(condition, body) => {
                while self.evaluate(condition)?.truth() {
                    match self.statement(body)? {
                        Flow::Break => break,
                        Flow::On | Flow::Continue => {}
                        flow => return Ok(flow),
                    }
                }
            }
            Statement::Do(body, condition) => loop {
                match self.statement(body)? {
                    Flow::Break => break,
                    Flow::On | Flow::Continue => {}
                    flow => return Ok(flow),
                }
                if !self.evaluate(condition)?.truth() {
                    break;
                }
            },
            Statement::For(start, condition, step, body) => {
                if let Some(start) = start {
                    self.statement(start)?;
                }
                loop {
                    if let Some(condition) = condition
                        && !self.evaluate(condition)?.truth()
                    {
                        break;
                    }
                    match self.statement(body)? {
                        Flow::Break => break,
                        Flow::On | Flow::Continue => {}
                        flow => return Ok(flow),
                    }
                    if let Some(step) = step {
                        self.statement(step)?;
                    }
                }
            }
            Statement::Each(target, array, body) => return self.each(target, *array, body),
            Statement::Block(statements) => return self.block(statements),
            Statement::Next => return Ok(Flow::Next),
            Statement::NextFile => return Ok(Flow::NextFile),
            Statement::Exit(code) => {
                if let Some(code) = code {
                    let code = whole(self.evaluate(code)?.number());
                    self.state.status = u8::try_from(code.rem_euclid(256)).unwrap_or_default();
                }
                return Ok(Flow::Exit);
            }
            Statement::Return(value) => {
                let value = match value {
                    Some(value) => self.evaluate(value)?,
                    None => Value::Unset,
                };
                return Ok(Flow::Return(value));
            }
            Statement::Break => return Ok(Flow::Break),
            Statement::Continue => return Ok(Flow::Continue),
            Statement::Delete(array, keys) => {
                let array = self.array(*array)?;
                match keys {
                    Some(keys) => {
                        let key = self.key(keys)?;
                        self.state.arrays[array].remove(&key);
                    }
                    None => self.state.arrays[array].clear(),
                }
            }
        }
        Ok(Flow::On)
    }

    /// `for (key in array)`. The order of keys is a matter of the implementation, so the loop is run in two orders; where what
    /// they come to differs, it is not for us to choose.
    fn each(&mut self, target: &Target, array: Place, body: &Statement) -> Evaluated<Flow> {
        let array = self.array(array)?;
        let mut keys: Vec<Rc<[u8]>> = self.state.arrays[array].keys().cloned().collect();
        if keys.len() < 2 {
            return self.each_of(target, &keys, body);
        }
        let before = self.state.clone();
        // what is held is copied and compared
        let held = self.state.held / 64 + self.state.files.held() / 4096;
        self.run.step(length(keys.len() + held))?;
        let flow = self.each_of(target, &keys, body)?;
        let mut after = std::mem::replace(&mut self.state, before);
        keys.reverse();
        let other = self.each_of(target, &keys, body)?;
        // the variable of the loop itself is rarely looked at again
        let last = self.state.clone();
        std::mem::swap(&mut self.state, &mut after);
        self.assign(target, Value::Unset)?;
        std::mem::swap(&mut self.state, &mut after);
        self.assign(target, Value::Unset)?;
        if flow != other || self.state != after {
            // nor are those that each round sets again, and nothing else of the program has
            for place in self.scratch(body) {
                let target = Target::Variable(place);
                self.assign(&target, Value::Unset)?;
                std::mem::swap(&mut self.state, &mut after);
                self.assign(&target, Value::Unset)?;
                std::mem::swap(&mut self.state, &mut after);
            }
        }
        if flow != other || self.state != after {
            return Err(Failure::Unsupported("the order of `for (… in …)` in awk".to_owned()).into());
        }
        self.state = last;
        Ok(flow)
    }

    /// The global variables that the body of a loop assigns first of all, and that stand nowhere but in that body.
    fn scratch(&self, body: &Statement) -> Vec<Place> {
        let Statement::Block(statements) = body else { return Vec::new() };
        let times = |text: &str, place: Place| text.matches(&format!("{place:?}")).count();
        let (whole, inner) = (format!("{:?}", self.program), format!("{body:?}"));
        let mut found = Vec::new();
        for statement in statements {
            let Statement::Expression(Expression::Assign(Target::Variable(place @ Place::Global(at)), value)) =
                statement
            else {
                break;
            };
            let own = *at >= SPECIAL.len() && times(&format!("{value:?}"), *place) == 0;
            if own && times(&whole, *place) == times(&inner, *place) {
                found.push(*place);
            }
        }
        found
    }

    fn each_of(&mut self, target: &Target, keys: &[Rc<[u8]>], body: &Statement) -> Evaluated<Flow> {
        for key in keys {
            self.assign(target, Value::Text(key.clone()))?;
            match self.statement(body)? {
                Flow::Break => break,
                Flow::On | Flow::Continue => {}
                flow => return Ok(flow),
            }
        }
        Ok(Flow::On)
    }

    fn print(&mut self, list: &[Expression], output: &Output) -> Evaluated<()> {
        let mut line = Vec::new();
        if list.is_empty() {
            let record = self.record()?;
            push(&mut line, &record)?;
        }
        let format = self.special(place::OFMT)?;
        let separator = self.special(place::OFS)?;
        for (index, expression) in list.iter().enumerate() {
            if index > 0 {
                push(&mut line, &separator)?;
            }
            let value = self.evaluate(expression)?;
            push(&mut line, &value.text(&format)?)?;
        }
        push(&mut line, &self.special(place::ORS)?)?;
        self.run.step(length(line.len()) / 512)?;
        self.emit(&line, output)
    }

    pub(super) fn format(&mut self, list: &[Expression]) -> Evaluated<Vec<u8>> {
        let mut values = Vec::new();
        for expression in list {
            values.push(self.evaluate(expression)?);
        }
        let convert = self.special(place::CONVFMT)?;
        let Some((format, values)) = values.split_first() else { return Ok(Vec::new()) };
        Ok(sprintf(&format.text(&convert)?, values, &convert)?)
    }
}
