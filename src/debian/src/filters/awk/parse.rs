//! Reads awk programs.

use super::super::Failure;
use super::super::common::{text, unsupported};
use super::super::regex::{Error, Regex, Syntax};
use super::lex::{Token, lex};
use super::tree::{
    Builtin, Comparison, Expression, Function, Operator, Output, Pattern, Place, Program, SPECIAL, Statement,
    Target, When,
};
use std::rc::Rc;

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

    fn block(&mut self) -> Parsed<Vec<Statement>> {
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
    fn body(&mut self) -> Parsed<Box<Statement>> {
        self.newlines();
        if self.take(";") {
            return Ok(Box::new(Statement::Block(Vec::new())));
        }
        Ok(Box::new(self.statement()?))
    }

    fn condition(&mut self) -> Parsed<Expression> {
        self.expect("(")?;
        let condition = self.enclosed()?;
        self.expect(")")?;
        Ok(condition)
    }

    /// An expression in parentheses, where no mark has another meaning.
    fn enclosed(&mut self) -> Parsed<Expression> {
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
    fn list(&mut self, end: &str) -> Parsed<Vec<Expression>> {
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

    fn expression(&mut self) -> Parsed<Expression> {
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

    fn concatenation(&mut self) -> Parsed<Expression> {
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

    fn unary(&mut self) -> Parsed<Expression> {
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

    /// Something to assign to, if one is here.
    fn target(&mut self) -> Parsed<Option<Target>> {
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

    fn primary(&mut self) -> Parsed<Expression> {
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

fn as_pattern(expression: Expression) -> Pattern {
    match expression {
        Expression::Pattern(regex) => Pattern::Known(regex),
        other => Pattern::Computed(boxed(other)),
    }
}

fn assign(target: Target, operator: Option<Operator>, value: Expression) -> Expression {
    match operator {
        None => Expression::Assign(target, boxed(value)),
        Some(operator) => Expression::Update(target, operator, boxed(value)),
    }
}
