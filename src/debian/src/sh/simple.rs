//! Running simple commands: functions, builtins, and what is found in the tree.

use std::rc::Rc;

use super::ast::{Command, Part, Simple, Word};
use super::builtins;
use super::state::{Shell, Stop};
use crate::files::Bytes;

impl Shell<'_> {
    pub(super) fn simple(&mut self, simple: &Simple, tested: bool) -> Result<u8, Stop> {
        self.step()?;
        match self.unaliased(simple)? {
            Some(longer) => self.plain(&longer, tested),
            None => self.plain(simple, tested),
        }
    }

    /// The command with the words that its first word is an alias of. dash reads an alias where a command is read, so it is one
    /// in the lines after its definition only.
    fn unaliased(&self, simple: &Simple) -> Result<Option<Simple>, Stop> {
        if self.s.aliases.is_empty() || self.s.bash {
            return Ok(None);
        }
        let Some([Part::Text { bytes, quoted: false }]) = simple.words.first().map(Vec::as_slice) else {
            return Ok(None);
        };
        let Some((text, _)) = self.s.aliases.get(bytes).filter(|(_, line)| *line < simple.line) else {
            return Ok(None);
        };
        let refused = || self.unsupported("an alias that is more than one simple command");
        let parsed = super::parse::parse(text, simple.line, self.limits.nesting).map_err(|_| refused())?;
        let inner = match parsed {
            Command::Simple(inner) => inner,
            Command::List(mut list) if list.len() == 1 => match list.pop() {
                Some(Command::Simple(inner)) => inner,
                _ => return Err(refused()),
            },
            _ => return Err(refused()),
        };
        let again = inner.words.first().is_some_and(|first| {
            matches!(&first[..], [Part::Text { bytes: own, quoted: false }] if own != bytes && self.s.aliases.contains_key(own))
        });
        if again || text.ends_with(b" ") {
            return Err(self.unsupported("an alias of an alias"));
        }
        let mut longer = simple.clone();
        longer.words.splice(..1, inner.words);
        longer.assignments.extend(inner.assignments);
        longer.redirects.splice(..0, inner.redirects);
        Ok(Some(longer))
    }

    fn plain(&mut self, simple: &Simple, tested: bool) -> Result<u8, Stop> {
        self.files.origin.line = simple.line;
        self.s.text = Rc::clone(&simple.text);
        self.s.substituted = None;
        let words = self.words_of(simple)?;
        self.files.origin.line = simple.line;
        self.s.text = Rc::clone(&simple.text);
        let Some(name) = words.first() else { return self.only_assignments(simple) };
        let special = builtins::is_special(name);
        if special && name == b"exec" {
            return self.exec(simple, &words);
        }
        let saved = self.save(&simple.redirects);
        let redirected = self.redirect(&simple.redirects);
        let result = match redirected {
            Ok(None) => self.dispatch(simple, &words, special, tested),
            Ok(Some(status)) if special => Err(Stop::Exit(status)),
            Ok(Some(status)) => Ok(status),
            Err(stop) => Err(stop),
        };
        self.restore(saved);
        result
    }

    fn words_of(&mut self, simple: &Simple) -> Result<Vec<Bytes>, Stop> {
        let mut words: Vec<Bytes> = Vec::new();
        for word in &simple.words {
            let assigns =
                words.first().is_some_and(|name| matches!(&name[..], b"export" | b"readonly" | b"local"));
            if assigns && is_assignment(word) {
                words.push(self.string(word)?);
            } else {
                self.fields_of(word, &mut words)?;
            }
        }
        Ok(words)
    }

    fn only_assignments(&mut self, simple: &Simple) -> Result<u8, Stop> {
        let saved = self.save(&simple.redirects);
        let redirected = self.redirect(&simple.redirects);
        self.restore(saved);
        if let Some(status) = redirected? {
            return Ok(status);
        }
        for (name, value) in &simple.assignments {
            let value = self.string(value)?;
            self.set(name, value)?;
        }
        Ok(self.s.substituted.unwrap_or(0))
    }

    fn exec(&mut self, simple: &Simple, words: &[Bytes]) -> Result<u8, Stop> {
        if let Some(status) = self.redirect(&simple.redirects)? {
            return Err(Stop::Exit(status));
        }
        self.assign(simple)?;
        let words = words.get(1..).unwrap_or_default();
        let words = if words.first().is_some_and(|w| w == b"--") {
            words.get(1..).unwrap_or_default()
        } else {
            words
        };
        if words.is_empty() {
            return Ok(0);
        }
        for (name, _) in &simple.assignments {
            self.s.vars.export(name);
        }
        let status = self.program(words)?;
        self.s.traps.clear();
        Err(Stop::Exit(status))
    }

    fn assign(&mut self, simple: &Simple) -> Result<(), Stop> {
        for (name, value) in &simple.assignments {
            let value = self.string(value)?;
            self.set(name, value)?;
        }
        Ok(())
    }

    fn dispatch(
        &mut self,
        simple: &Simple,
        words: &[Bytes],
        special: bool,
        tested: bool,
    ) -> Result<u8, Stop> {
        if special {
            self.assign(simple)?;
            return self.call(words, tested);
        }
        if simple.assignments.is_empty() {
            return self.call(words, tested);
        }
        let values: Vec<Bytes> =
            simple.assignments.iter().map(|(_, value)| self.string(value)).collect::<Result<_, _>>()?;
        self.s.vars.push();
        let run = || {
            for ((name, _), value) in simple.assignments.iter().zip(values) {
                let _ = self.s.vars.local(name);
                self.set(name, value)?;
                self.s.vars.export(name);
            }
            self.call(words, tested)
        };
        let result = run();
        self.s.vars.pop();
        result
    }

    /// Calls a function, a builtin or a program.
    pub(crate) fn call(&mut self, words: &[Bytes], tested: bool) -> Result<u8, Stop> {
        let Some(name) = words.first() else { return Ok(0) };
        if self.s.bash && builtins::of_bash(name) {
            return Err(self.unsupported(format!("`{}` of bash", String::from_utf8_lossy(name))));
        }
        if !builtins::is_special(name)
            && let Some(body) = self.s.functions.get(name).cloned()
        {
            return self.function(&body, words.get(1..).unwrap_or_default(), tested);
        }
        if let Some(builtin) = builtins::find(name) {
            return match builtin(self, words, tested) {
                Err(Stop::Error(status)) if !builtins::is_special(name) => Ok(status),
                other => other,
            };
        }
        self.program(words)
    }

    fn function(&mut self, body: &Rc<Command>, args: &[Bytes], tested: bool) -> Result<u8, Stop> {
        let args = std::mem::replace(&mut self.s.args, args.to_vec());
        let loops = std::mem::take(&mut self.s.loops);
        let (optchar, line) = (std::mem::take(&mut self.s.optchar), self.files.origin.line);
        self.s.functions_entered += 1;
        self.s.vars.push();
        let result = self.eval(body, tested);
        self.s.vars.pop();
        self.s.functions_entered -= 1;
        self.s.args = args;
        self.s.loops = loops;
        self.s.optchar = optchar;
        self.files.origin.line = line;
        match result {
            Err(Stop::Return(status)) => Ok(status),
            other => other,
        }
    }
}

/// Whether a word begins as `NAME=`, with nothing quoted or expanded before the sign.
fn is_assignment(word: &Word) -> bool {
    match word.first() {
        Some(Part::Text { bytes, quoted: false }) => bytes
            .iter()
            .position(|b| *b == b'=')
            .is_some_and(|at| super::parse::is_name(bytes.get(..at).unwrap_or_default())),
        _ => false,
    }
}
