//! Reads awk programs.

mod operators;
mod statements;
mod values;

use super::super::Failure;
use super::super::common::{text, unsupported};
use super::super::regex::{Error, Regex, Syntax};
use super::lex::{Token, lex};
use super::tree::{Expression, Function, Output, Pattern, Place, Program, SPECIAL, Statement, When};

/// How deep a program may be nested.
const DEPTH: usize = 200;
/// How many operators a rule or function may have.
const LINKS: usize = 4000;

type Parsed<T> = Result<T, Failure>;

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    program: Program,
    locals: Vec<Vec<u8>>,
    depth: usize,
    /// The operators of this rule or function.
    links: usize,
    /// `>` redirects here, outside of parentheses.
    redirects: bool,
}

/// Reads a program.
pub(super) fn parse(program: &[u8]) -> Parsed<Program> {
    let mut parser = Parser {
        tokens: lex(program)?,
        at: 0,
        program: Program {
            globals: SPECIAL.iter().map(|name| name.as_bytes().to_vec()).collect(),
            ..Program::default()
        },
        locals: Vec::new(),
        depth: 0,
        links: 0,
        redirects: false,
    };
    parser.items()?;
    if let Some(missing) = parser.program.functions.iter().find(|function| !function.defined) {
        return unsupported(format!("the function {} of awk", text(&missing.name)));
    }
    Ok(parser.program)
}

/// A pattern of awk.
pub(super) fn pattern(pattern: &[u8]) -> Parsed<Regex> {
    match Regex::new(pattern, Syntax::awk()) {
        Ok(regex) => Ok(regex),
        Err(Error::Invalid(words)) => unsupported(format!("awk with the pattern {}: {words}", text(pattern))),
        Err(Error::Failure(failure)) => Err(failure),
    }
}

fn boxed(expression: Expression) -> Box<Expression> {
    Box::new(expression)
}

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).unwrap_or(&Token::End)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn mark(&self, mark: &str) -> bool {
        matches!(self.peek(), Token::Mark(found) if *found == mark)
    }

    fn word(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Word(found) if *found == word)
    }

    /// Takes an operator where it is there.
    fn take(&mut self, mark: &str) -> bool {
        let found = self.mark(mark);
        self.at += usize::from(found);
        found
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.word(word);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, mark: &str) -> Parsed<()> {
        if self.take(mark) { Ok(()) } else { self.unexpected(&format!("expected {mark}")) }
    }

    fn unexpected<T>(&self, words: &str) -> Parsed<T> {
        let found = match self.peek() {
            Token::Newline => "the end of a line".to_owned(),
            Token::End => "the end".to_owned(),
            Token::Number(number) => number.to_string(),
            Token::Text(bytes) | Token::Name(bytes) | Token::Call(bytes) | Token::Pattern(bytes) => {
                text(bytes)
            }
            Token::Word(word) | Token::Mark(word) => (*word).to_owned(),
        };
        unsupported(format!("awk program: {words}, found {found}"))
    }

    fn newlines(&mut self) {
        while *self.peek() == Token::Newline {
            self.at += 1;
        }
    }

    fn separators(&mut self) {
        while *self.peek() == Token::Newline || self.mark(";") {
            self.at += 1;
        }
    }

    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(Failure::Limit("200 levels of nesting"));
        }
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    /// Counts an operator: each may make the tree deeper by one.
    fn link(&mut self) -> Parsed<()> {
        self.links += 1;
        if self.links > LINKS { Err(Failure::Limit("4000 operators of a rule")) } else { Ok(()) }
    }

    fn items(&mut self) -> Parsed<()> {
        loop {
            self.separators();
            if *self.peek() == Token::End {
                return Ok(());
            }
            self.links = 0;
            if self.take_word("BEGIN") {
                self.newlines();
                let block = self.block()?;
                self.program.begin.extend(block);
            } else if self.take_word("END") {
                self.newlines();
                let block = self.block()?;
                self.program.end.extend(block);
                self.program.ends = true;
            } else if self.take_word("function") {
                self.function()?;
            } else {
                let when = if self.mark("{") {
                    When::Always
                } else {
                    let first = self.expression()?;
                    if self.take(",") {
                        self.newlines();
                        let second = self.expression()?;
                        self.program.ranges += 1;
                        When::Between(self.program.ranges - 1, first, second)
                    } else {
                        When::Matches(first)
                    }
                };
                let body = if self.mark("{") {
                    self.block()?
                } else {
                    vec![Statement::Print(Vec::new(), Output::Standard)]
                };
                self.program.rules.push((when, body));
            }
        }
    }

    fn function(&mut self) -> Parsed<()> {
        let (Token::Name(name) | Token::Call(name)) = self.next() else {
            return self.unexpected("expected the name of a function");
        };
        self.expect("(")?;
        let mut parameters = Vec::new();
        while !self.mark(")") {
            self.newlines();
            let Token::Name(parameter) = self.next() else {
                return self.unexpected("expected a parameter");
            };
            parameters.push(parameter);
            self.newlines();
            if !self.take(",") {
                break;
            }
        }
        self.newlines();
        self.expect(")")?;
        self.newlines();
        self.locals.clone_from(&parameters);
        let body = self.block();
        self.locals.clear();
        let body = body?;
        let index = self.function_place(&name);
        if self.program.functions[index].defined {
            return unsupported(format!("awk program: two functions {}", text(&name)));
        }
        self.program.functions[index] = Function { name, parameters, body, defined: true };
        Ok(())
    }

    fn function_place(&mut self, name: &[u8]) -> usize {
        let known = self.program.functions.iter().position(|function| function.name == name);
        known.unwrap_or_else(|| {
            self.program.functions.push(Function { name: name.to_vec(), ..Function::default() });
            self.program.functions.len() - 1
        })
    }

    fn place(&mut self, name: &[u8]) -> Place {
        if let Some(local) = self.locals.iter().rposition(|local| local == name) {
            return Place::Local(local);
        }
        let known = self.program.globals.iter().position(|global| global == name);
        Place::Global(known.unwrap_or_else(|| {
            self.program.globals.push(name.to_vec());
            self.program.globals.len() - 1
        }))
    }
}

fn as_pattern(expression: Expression) -> Pattern {
    match expression {
        Expression::Pattern(regex) => Pattern::Known(regex),
        other => Pattern::Computed(boxed(other)),
    }
}
