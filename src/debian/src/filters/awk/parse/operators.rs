//! Reads expressions, from the operator that binds least to the one that binds most.

use super::super::super::common::unsupported;
use super::super::lex::Token;
use super::super::tree::{Comparison, Expression, Operator, Target};
use super::{Parsed, Parser, as_pattern, boxed};

impl Parser {
    pub(super) fn expression(&mut self) -> Parsed<Expression> {
        self.deeper(Self::ternary)
    }

    fn ternary(&mut self) -> Parsed<Expression> {
        let condition = self.or()?;
        if let Some(operator) = self.assignment() {
            let target = match condition {
                Expression::Target(target) => target,
                // `!x = y` and `a && b = c` assign to what stands last
                other => return self.assign_last(other, operator),
            };
            self.at += 1;
            self.newlines();
            let value = self.expression()?;
            return Ok(assign(target, operator, value));
        }
        if self.take("?") {
            self.newlines();
            let one = self.expression()?;
            self.newlines();
            self.expect(":")?;
            self.newlines();
            let other = self.expression()?;
            return Ok(Expression::Choose(boxed(condition), boxed(one), boxed(other)));
        }
        Ok(condition)
    }

    /// The operator of an assignment, if one is here.
    fn assignment(&self) -> Option<Option<Operator>> {
        let Token::Mark(mark) = self.peek() else { return None };
        Some(match *mark {
            "=" => None,
            "+=" => Some(Operator::Add),
            "-=" => Some(Operator::Subtract),
            "*=" => Some(Operator::Multiply),
            "/=" => Some(Operator::Divide),
            "%=" => Some(Operator::Remainder),
            "^=" => Some(Operator::Power),
            _ => return None,
        })
    }

    fn assign_last(&mut self, expression: Expression, operator: Option<Operator>) -> Parsed<Expression> {
        Ok(match expression {
            Expression::Target(target) => {
                self.at += 1;
                self.newlines();
                let value = self.expression()?;
                assign(target, operator, value)
            }
            Expression::And(one, other) => Expression::And(one, boxed(self.assign_last(*other, operator)?)),
            Expression::Or(one, other) => Expression::Or(one, boxed(self.assign_last(*other, operator)?)),
            Expression::Not(one) => Expression::Not(boxed(self.assign_last(*one, operator)?)),
            _ => return self.unexpected("expected something to assign to"),
        })
    }

    fn or(&mut self) -> Parsed<Expression> {
        let mut left = self.and()?;
        while self.take("||") {
            self.link()?;
            self.newlines();
            left = Expression::Or(boxed(left), boxed(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Parsed<Expression> {
        let mut left = self.membership()?;
        while self.take("&&") {
            self.link()?;
            self.newlines();
            left = Expression::And(boxed(left), boxed(self.membership()?));
        }
        Ok(left)
    }

    fn membership(&mut self) -> Parsed<Expression> {
        let mut left = self.matching()?;
        while self.take_word("in") {
            self.link()?;
            let Token::Name(array) = self.next() else { return self.unexpected("expected an array") };
            let place = self.place(&array);
            left = Expression::In(vec![left], place);
        }
        Ok(left)
    }

    fn matching(&mut self) -> Parsed<Expression> {
        let mut left = self.comparison()?;
        while self.mark("~") || self.mark("!~") {
            self.link()?;
            let wanted = self.mark("~");
            self.at += 1;
            let right = self.comparison()?;
            left = Expression::Match(wanted, boxed(left), as_pattern(right));
        }
        Ok(left)
    }

    fn comparison(&mut self) -> Parsed<Expression> {
        let left = self.concatenation()?;
        let comparison = match self.peek() {
            Token::Mark("<") => Comparison::Less,
            Token::Mark("<=") => Comparison::LessEqual,
            Token::Mark("==") => Comparison::Equal,
            Token::Mark("!=") => Comparison::Unequal,
            Token::Mark(">") if !self.redirects => Comparison::Greater,
            Token::Mark(">=") => Comparison::GreaterEqual,
            _ => return Ok(left),
        };
        self.at += 1;
        let right = self.concatenation()?;
        Ok(Expression::Compare(comparison, boxed(left), boxed(right)))
    }

    /// Whether a value starts here, so that it is joined to the one before.
    fn value_starts(&self) -> bool {
        match self.peek() {
            Token::Number(_) | Token::Text(_) | Token::Pattern(_) | Token::Name(_) | Token::Call(_) => true,
            Token::Mark(mark) => matches!(*mark, "$" | "!" | "(" | "-" | "+" | "++" | "--"),
            Token::Word(word) => !matches!(
                *word,
                "in" | "getline"
                    | "else"
                    | "while"
                    | "print"
                    | "printf"
                    | "if"
                    | "for"
                    | "do"
                    | "next"
                    | "exit"
                    | "BEGIN"
                    | "END"
            ),
            _ => false,
        }
    }

    pub(super) fn concatenation(&mut self) -> Parsed<Expression> {
        let mut left = self.additive()?;
        loop {
            if self.mark("|") && matches!(self.tokens.get(self.at + 1), Some(Token::Word("getline"))) {
                return unsupported("getline from a command in awk");
            }
            if !self.value_starts() || self.word("in") {
                return Ok(left);
            }
            self.link()?;
            left = Expression::Join(boxed(left), boxed(self.additive()?));
        }
    }

    fn additive(&mut self) -> Parsed<Expression> {
        let mut left = self.multiplicative()?;
        loop {
            let operator = match self.peek() {
                Token::Mark("+") => Operator::Add,
                Token::Mark("-") => Operator::Subtract,
                _ => return Ok(left),
            };
            self.at += 1;
            self.link()?;
            left = Expression::Binary(operator, boxed(left), boxed(self.multiplicative()?));
        }
    }

    fn multiplicative(&mut self) -> Parsed<Expression> {
        let mut left = self.unary()?;
        loop {
            let operator = match self.peek() {
                Token::Mark("*") => Operator::Multiply,
                Token::Mark("/") => Operator::Divide,
                Token::Mark("%") => Operator::Remainder,
                _ => return Ok(left),
            };
            self.at += 1;
            self.link()?;
            left = Expression::Binary(operator, boxed(left), boxed(self.unary()?));
        }
    }

    pub(super) fn unary(&mut self) -> Parsed<Expression> {
        self.deeper(|parser| {
            if parser.take("!") {
                return Ok(Expression::Not(boxed(parser.unary()?)));
            }
            if parser.take("-") {
                return Ok(Expression::Negative(boxed(parser.unary()?)));
            }
            if parser.take("+") {
                return Ok(Expression::Positive(boxed(parser.unary()?)));
            }
            parser.power()
        })
    }

    fn power(&mut self) -> Parsed<Expression> {
        let base = self.postfix()?;
        if self.take("^") {
            // to the right first, and a sign may stand there
            let exponent = self.deeper(|parser| {
                if parser.take("-") {
                    return Ok(Expression::Negative(boxed(parser.power()?)));
                }
                parser.take("+");
                parser.power()
            })?;
            return Ok(Expression::Binary(Operator::Power, boxed(base), boxed(exponent)));
        }
        Ok(base)
    }

    fn postfix(&mut self) -> Parsed<Expression> {
        let value = self.primary()?;
        let step = match self.peek() {
            Token::Mark("++") => 1.0,
            Token::Mark("--") => -1.0,
            _ => return Ok(value),
        };
        match value {
            Expression::Target(target) => {
                self.at += 1;
                Ok(Expression::Step(target, false, step))
            }
            other => Ok(other),
        }
    }
}

fn assign(target: Target, operator: Option<Operator>, value: Expression) -> Expression {
    match operator {
        None => Expression::Assign(target, boxed(value)),
        Some(operator) => Expression::Update(target, operator, boxed(value)),
    }
}
