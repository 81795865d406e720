//! What the text of a script alone says about what is not supported.

use super::ast::{Command, Op, Param, Part, Redirect, Simple, Target, Word};
use super::builtins;
use super::parse::parse;
use crate::failure::Limits;
use crate::{commands, filters};

/// Something in a text that cannot be followed when execution gets there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The line.
    pub line: u32,
    /// The words, or the construct.
    pub words: String,
    /// What it is.
    pub what: String,
}

/// Looks through the text of a script. `program` says whether the tree has a shell script or something else to run by a name.
#[must_use]
pub fn lint(text: &[u8], program: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let command = match parse(text, 1, Limits::default().nesting) {
        Ok(command) => command,
        Err(problem) => {
            return vec![Finding { line: problem.line, words: String::new(), what: problem.what }];
        }
    };
    let mut lint = Lint { program, functions: Vec::new(), findings: Vec::new(), line: 1 };
    lint.functions_of(&command);
    lint.command(&command);
    lint.findings
}

struct Lint<'p> {
    program: &'p dyn Fn(&str) -> bool,
    functions: Vec<Vec<u8>>,
    findings: Vec<Finding>,
    line: u32,
}

fn inner(command: &Command) -> Vec<&Command> {
    match command {
        Command::Simple(_) => Vec::new(),
        Command::Pipeline { commands, .. } | Command::List(commands) => commands.iter().collect(),
        Command::And(left, right) | Command::Or(left, right) => vec![left, right],
        Command::Background(body) | Command::Group(body) => vec![body],
        Command::Subshell(body) | Command::Function { body, .. } => vec![body],
        Command::Redirected { command, .. } => vec![command],
        Command::If { condition, then, otherwise } => {
            [&**condition, &**then].into_iter().chain(otherwise.as_deref()).collect()
        }
        Command::While { condition, body, .. } => vec![condition, body],
        Command::For { body, .. } => vec![body],
        Command::Case { arms, .. } => arms.iter().map(|(_, body)| body).collect(),
    }
}

impl Lint<'_> {
    fn functions_of(&mut self, command: &Command) {
        if let Command::Function { name, .. } = command {
            self.functions.push(name.clone());
        }
        for command in inner(command) {
            self.functions_of(command);
        }
    }

    fn find(&mut self, words: &str, what: impl Into<String>) {
        self.findings.push(Finding { line: self.line, words: words.to_owned(), what: what.into() });
    }

    fn command(&mut self, command: &Command) {
        match command {
            Command::Simple(simple) => self.simple(simple),
            Command::Redirected { line, redirects, .. } => {
                self.line = *line;
                self.redirects(redirects);
            }
            Command::For { line, words, .. } => {
                self.line = *line;
                words.iter().flatten().for_each(|word| self.word(word));
            }
            Command::Case { line, word, arms } => {
                self.line = *line;
                self.word(word);
                arms.iter().flat_map(|(patterns, _)| patterns).for_each(|word| self.word(word));
            }
            _ => {}
        }
        for command in inner(command) {
            self.command(command);
        }
    }

    fn simple(&mut self, simple: &Simple) {
        self.line = simple.line;
        if let Some([Part::Text { bytes, .. }]) = simple.words.first().map(|word| &word[..])
            && !self.functions.contains(bytes)
            && builtins::find(bytes).is_none()
            && bytes != b"exec"
        {
            let name = String::from_utf8_lossy(crate::files::base_name(bytes)).into_owned();
            let known = commands::find(&name).is_some()
                || filters::find(&name).is_some()
                || matches!(&name[..], "sh" | "dash")
                || name.starts_with("db_")
                || (self.program)(&name);
            if !known {
                self.find(&simple.text, format!("the program {name}"));
            }
        }
        simple.assignments.iter().for_each(|(_, word)| self.word(word));
        simple.words.iter().for_each(|word| self.word(word));
        self.redirects(&simple.redirects);
    }

    fn redirects(&mut self, redirects: &[Redirect]) {
        for redirect in redirects {
            match &redirect.to {
                Target::Read(w)
                | Target::Write(w)
                | Target::Append(w)
                | Target::ReadWrite(w)
                | Target::Duplicate(w) => {
                    self.word(w);
                }
                Target::Here(body) => {
                    if let Some(word) = body.get() {
                        self.word(word);
                    }
                }
            }
        }
    }

    fn word(&mut self, word: &Word) {
        for part in word {
            match part {
                Part::Text { .. } | Part::Tilde(_) => {}
                Part::Command { body, .. } => self.command(body),
                Part::Arith { word, .. } => self.word(word),
                Part::Param(param) => self.param(param),
            }
        }
    }

    fn param(&mut self, param: &Param) {
        match &param.op {
            Op::Value | Op::Length => {}
            Op::Default { word, .. }
            | Op::Assign { word, .. }
            | Op::Error { word, .. }
            | Op::Alternative { word, .. } => {
                self.word(word);
            }
            Op::Prefix { pattern, .. } | Op::Suffix { pattern, .. } => self.word(pattern),
            Op::Bad(text) => {
                let text = format!("${{{}}}", String::from_utf8_lossy(text));
                self.find(&text, "an expansion that dash does not know");
            }
        }
    }
}
