//! Reads what operators are between: names, fields, constants and calls.

use super::super::super::common::unsupported;
use super::super::lex::Token;
use super::super::tree::{Builtin, Expression, Target};
use super::{Parsed, Parser, as_pattern, boxed, pattern};
use std::rc::Rc;

impl Parser {
    /// Something to assign to, if one is here.
    pub(super) fn target(&mut self) -> Parsed<Option<Target>> {
        match self.peek().clone() {
            Token::Mark("$") => {
                self.at += 1;
                let index = self.deeper(|parser| match parser.peek() {
                    Token::Mark(mark @ ("++" | "--")) => {
                        let step = if *mark == "++" { 1.0 } else { -1.0 };
                        parser.at += 1;
                        match parser.target()? {
                            Some(target) => Ok(Expression::Step(target, true, step)),
                            None => parser.unexpected("expected something to assign to"),
                        }
                    }
                    Token::Mark("-") => {
                        parser.at += 1;
                        Ok(Expression::Negative(boxed(parser.primary()?)))
                    }
                    _ => parser.primary(),
                })?;
                Ok(Some(Target::Field(boxed(index))))
            }
            Token::Name(name) => {
                self.at += 1;
                let place = self.place(&name);
                if self.take("[") {
                    let keys = self.list("]")?;
                    if keys.is_empty() {
                        return self.unexpected("expected an index");
                    }
                    return Ok(Some(Target::Element(place, keys)));
                }
                Ok(Some(Target::Variable(place)))
            }
            _ => Ok(None),
        }
    }

    pub(super) fn primary(&mut self) -> Parsed<Expression> {
        self.deeper(Self::primary_within)
    }

    fn primary_within(&mut self) -> Parsed<Expression> {
        if let Some(target) = self.target()? {
            return Ok(Expression::Target(target));
        }
        match self.next() {
            Token::Number(number) => Ok(Expression::Number(number)),
            Token::Text(text) => Ok(Expression::Text(text.into())),
            Token::Pattern(found) => Ok(Expression::Pattern(Rc::new(pattern(&found)?))),
            Token::Call(name) => {
                self.expect("(")?;
                let list = self.arguments()?;
                let index = self.function_place(&name);
                Ok(Expression::Call(index, list))
            }
            Token::Mark("(") => {
                let first = self.enclosed()?;
                if self.mark(",") {
                    // `(i, j) in array`
                    let mut keys = vec![first];
                    while self.take(",") {
                        keys.push(self.enclosed()?);
                    }
                    self.expect(")")?;
                    if !self.take_word("in") {
                        return self.unexpected("expected in");
                    }
                    let Token::Name(array) = self.next() else { return self.unexpected("expected an array") };
                    let place = self.place(&array);
                    return Ok(Expression::In(keys, place));
                }
                self.expect(")")?;
                Ok(Expression::Group(boxed(first)))
            }
            Token::Mark(mark @ ("++" | "--")) => {
                let step = if mark == "++" { 1.0 } else { -1.0 };
                match self.target()? {
                    Some(target) => Ok(Expression::Step(target, true, step)),
                    None => self.unexpected("expected something to assign to"),
                }
            }
            Token::Mark("-") => Ok(Expression::Negative(boxed(self.unary()?))),
            Token::Mark("+") => Ok(Expression::Positive(boxed(self.unary()?))),
            Token::Mark("!") => Ok(Expression::Not(boxed(self.unary()?))),
            Token::Word("getline") => {
                let target = self.target()?;
                let file = if self.take("<") { Some(boxed(self.primary()?)) } else { None };
                Ok(Expression::Getline(target, file))
            }
            Token::Word(word) => self.builtin(word),
            _ => {
                self.at -= 1;
                self.unexpected("expected a value")
            }
        }
    }

    /// Arguments of a function of the program: a name alone may be an array.
    fn arguments(&mut self) -> Parsed<Vec<Expression>> {
        let list = self.list(")")?;
        let argument = |expression| match expression {
            Expression::Target(Target::Variable(place)) => Expression::Argument(place),
            other => other,
        };
        Ok(list.into_iter().map(argument).collect())
    }

    fn builtin(&mut self, word: &'static str) -> Parsed<Expression> {
        let builtin = match word {
            "length" => Builtin::Length,
            "substr" => Builtin::Substr,
            "index" => Builtin::Index,
            "sprintf" => Builtin::Sprintf,
            "tolower" => Builtin::Lower,
            "toupper" => Builtin::Upper,
            "sin" => Builtin::Sin,
            "cos" => Builtin::Cos,
            "atan2" => Builtin::Atan2,
            "exp" => Builtin::Exp,
            "log" => Builtin::Log,
            "sqrt" => Builtin::Sqrt,
            "int" => Builtin::Int,
            "close" => Builtin::Close,
            "fflush" => Builtin::Flush,
            "system" => Builtin::System,
            "split" | "sub" | "gsub" | "match" => return self.special(word),
            "rand" | "srand" => return unsupported(format!("{word} of awk: its value is another each time")),
            _ => {
                self.at -= 1;
                return self.unexpected("expected a value");
            }
        };
        if matches!(builtin, Builtin::Length) && !self.mark("(") {
            return Ok(Expression::Builtin(builtin, Vec::new()));
        }
        self.expect("(")?;
        let list = self.arguments()?;
        let right = match builtin {
            Builtin::Length => list.len() <= 1,
            Builtin::Flush => list.len() <= 1,
            Builtin::Substr => list.len() == 2 || list.len() == 3,
            Builtin::Index | Builtin::Atan2 => list.len() == 2,
            Builtin::Sprintf => !list.is_empty(),
            _ => list.len() == 1,
        };
        if !right {
            return unsupported(format!("awk program: {word} with {} arguments", list.len()));
        }
        Ok(Expression::Builtin(builtin, list))
    }

    fn special(&mut self, word: &'static str) -> Parsed<Expression> {
        self.expect("(")?;
        let mut list = self.list(")")?.into_iter();
        let wrong = || unsupported(format!("awk program: {word} with these arguments"));
        let (Some(first), Some(second)) = (list.next(), list.next()) else { return wrong() };
        let third = list.next();
        if list.next().is_some() {
            return wrong();
        }
        Ok(match (word, third) {
            ("split", third) => {
                let Expression::Target(Target::Variable(place)) = second else { return wrong() };
                Expression::Split(boxed(first), place, third.map(as_pattern))
            }
            ("match", None) => Expression::Find(boxed(first), as_pattern(second)),
            ("sub" | "gsub", third) => {
                let target = match third {
                    None => Target::Field(boxed(Expression::Number(0.0))),
                    Some(Expression::Target(target)) => target,
                    Some(_) => return wrong(),
                };
                Expression::Replace(word == "gsub", as_pattern(first), boxed(second), target)
            }
            _ => return wrong(),
        })
    }
}
