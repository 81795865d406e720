//! Reads statements, and what is between the parts of a `for` or after a `print`.

use super::super::super::Failure;
use super::super::lex::Token;
use super::super::tree::{Expression, Output, Statement, Target};
use super::{Parsed, Parser};

impl Parser {
    pub(super) fn block(&mut self) -> Parsed<Vec<Statement>> {
        self.expect("{")?;
        let mut statements = Vec::new();
        loop {
            self.separators();
            if self.take("}") {
                return Ok(statements);
            }
            if *self.peek() == Token::End {
                return self.unexpected("expected }");
            }
            statements.push(self.statement()?);
        }
    }

    /// The end of a simple statement.
    fn finish(&mut self) -> Parsed<()> {
        if self.take(";") || *self.peek() == Token::Newline {
            self.newlines();
            return Ok(());
        }
        if self.mark("}") || *self.peek() == Token::End {
            return Ok(());
        }
        self.unexpected("expected the end of a statement")
    }

    fn statement(&mut self) -> Parsed<Statement> {
        self.deeper(Self::statement_within)
    }

    /// The statement of a loop or condition, which may stand on the next line, and may be empty.
    pub(super) fn body(&mut self) -> Parsed<Box<Statement>> {
        self.newlines();
        if self.take(";") {
            return Ok(Box::new(Statement::Block(Vec::new())));
        }
        Ok(Box::new(self.statement()?))
    }

    pub(super) fn condition(&mut self) -> Parsed<Expression> {
        self.expect("(")?;
        let condition = self.enclosed()?;
        self.expect(")")?;
        Ok(condition)
    }

    /// An expression in parentheses, where no mark has another meaning.
    pub(super) fn enclosed(&mut self) -> Parsed<Expression> {
        let redirects = std::mem::replace(&mut self.redirects, false);
        self.newlines();
        let expression = self.expression();
        self.newlines();
        self.redirects = redirects;
        expression
    }

    fn statement_within(&mut self) -> Parsed<Statement> {
        if self.mark("{") {
            let block = Statement::Block(self.block()?);
            // a semicolon after it is an empty statement
            return Ok(block);
        }
        if self.take_word("if") {
            let condition = self.condition()?;
            let then = self.body()?;
            let before = self.at;
            self.separators();
            if self.take_word("else") {
                let otherwise = self.body()?;
                return Ok(Statement::If(condition, then, Some(otherwise)));
            }
            self.at = before;
            return Ok(Statement::If(condition, then, None));
        }
        if self.take_word("while") {
            let condition = self.condition()?;
            return Ok(Statement::While(condition, self.body()?));
        }
        if self.take_word("do") {
            let body = self.body()?;
            self.separators();
            if !self.take_word("while") {
                return self.unexpected("expected while");
            }
            let condition = self.condition()?;
            self.finish()?;
            return Ok(Statement::Do(body, condition));
        }
        if self.take_word("for") {
            return self.for_loop();
        }
        if self.take(";") {
            return Ok(Statement::Block(Vec::new()));
        }
        let statement = self.simple()?;
        self.finish()?;
        Ok(statement)
    }

    fn for_loop(&mut self) -> Parsed<Statement> {
        self.expect("(")?;
        if let (
            Token::Name(name),
            Some(Token::Word("in")),
            Some(Token::Name(array)),
            Some(Token::Mark(")")),
        ) = (
            self.peek().clone(),
            self.tokens.get(self.at + 1),
            self.tokens.get(self.at + 2).cloned(),
            self.tokens.get(self.at + 3),
        ) {
            self.at += 4;
            let target = Target::Variable(self.place(&name));
            let array = self.place(&array);
            return Ok(Statement::Each(target, array, self.body()?));
        }
        let start = if self.mark(";") { None } else { Some(Box::new(self.simple()?)) };
        self.expect(";")?;
        self.newlines();
        let condition = if self.mark(";") { None } else { Some(self.enclosed()?) };
        self.expect(";")?;
        self.newlines();
        let step = if self.mark(")") { None } else { Some(Box::new(self.simple()?)) };
        self.expect(")")?;
        Ok(Statement::For(start, condition, step, self.body()?))
    }

    fn ends(&self) -> bool {
        matches!(self.peek(), Token::Newline | Token::End) || self.mark(";") || self.mark("}")
    }

    fn simple(&mut self) -> Parsed<Statement> {
        let Token::Word(word) = *self.peek() else {
            return Ok(Statement::Expression(self.expression()?));
        };
        let optional =
            |parser: &mut Self| if parser.ends() { Ok(None) } else { parser.expression().map(Some) };
        self.at += 1;
        Ok(match word {
            "next" => Statement::Next,
            "nextfile" => Statement::NextFile,
            "break" => Statement::Break,
            "continue" => Statement::Continue,
            "exit" => Statement::Exit(optional(self)?),
            "return" => Statement::Return(optional(self)?),
            "delete" => {
                let Token::Name(name) = self.next() else { return self.unexpected("expected an array") };
                let place = self.place(&name);
                let keys = if self.take("[") { Some(self.list("]")?) } else { None };
                Statement::Delete(place, keys)
            }
            "print" | "printf" => self.print(word == "printf")?,
            _ => {
                self.at -= 1;
                Statement::Expression(self.expression()?)
            }
        })
    }

    /// Expressions up to a mark, which is taken.
    pub(super) fn list(&mut self, end: &str) -> Parsed<Vec<Expression>> {
        let mut list = Vec::new();
        self.newlines();
        while !self.mark(end) {
            list.push(self.enclosed()?);
            if !self.take(",") {
                break;
            }
            self.newlines();
        }
        self.newlines();
        self.expect(end)?;
        Ok(list)
    }

    fn print(&mut self, formatted: bool) -> Parsed<Statement> {
        let outer = std::mem::replace(&mut self.redirects, true);
        let mut list = Vec::new();
        // `print (a, b) > "f"`: a list in parentheses, if nothing but a redirection follows
        let (start, depth) = (self.at, self.depth);
        let mut grouped = false;
        if self.take("(") {
            match self.list(")") {
                Ok(found) if self.ends() || self.mark(">") || self.mark(">>") || self.mark("|") => {
                    list = found;
                    grouped = true;
                }
                Err(limit @ Failure::Limit(_)) => return Err(limit),
                // it was the start of an expression
                _ => (self.at, self.depth, self.redirects) = (start, depth, true),
            }
        }
        if !grouped {
            while !self.ends() && !self.mark(">") && !self.mark(">>") && !self.mark("|") {
                list.push(self.expression()?);
                if !self.take(",") {
                    break;
                }
                self.newlines();
            }
        }
        let output = if self.take(">") {
            Output::File(self.concatenation()?)
        } else if self.take(">>") {
            Output::Append(self.concatenation()?)
        } else if self.take("|") {
            Output::Pipe(self.concatenation()?)
        } else {
            Output::Standard
        };
        self.redirects = outer;
        if formatted && list.is_empty() {
            return self.unexpected("expected a format");
        }
        Ok(if formatted { Statement::Printf(list, output) } else { Statement::Print(list, output) })
    }
}
