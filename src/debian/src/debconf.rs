//! debconf: templates, questions and their answers, as with `DEBIAN_FRONTEND=noninteractive`.
//!
//! A script that sources the confmodule gets its functions, `db_get` and so on, from here: no frontend is started again. A
//! question that is asked and not answered beforehand gets its default, which is noted at the next `db_go`.

mod store;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::files::Bytes;
use crate::sh::{Shell, Stop};

/// A template of a question.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Template {
    /// Its fields as the database has them: `Default`, `Description-de.utf-8`.
    pub fields: BTreeMap<String, String>,
    /// The questions made from it.
    pub owners: BTreeSet<String>,
}

/// A question.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Question {
    /// The template it is made from.
    pub template: String,
    /// Its answer, when it has one.
    pub value: Option<String>,
    /// `seen` and others.
    pub flags: BTreeSet<String>,
    /// The packages that have it.
    pub owners: BTreeSet<String>,
    /// What is put into its texts.
    pub variables: BTreeMap<String, String>,
}

/// The database, and the answers given beforehand.
#[derive(Debug, Clone, Default)]
pub struct Debconf {
    /// Templates by name.
    pub templates: BTreeMap<String, Template>,
    /// Questions by name.
    pub questions: BTreeMap<String, Question>,
    /// Answers of a recipe, by question.
    pub answers: BTreeMap<String, String>,
    /// What is asked at the next `go`, and whether it counts as seen then.
    pending: Vec<(String, bool)>,
}

/// What sourcing the confmodule does.
pub(crate) fn enter(shell: &mut Shell<'_>) -> Result<u8, Stop> {
    shell.s.confmodule = true;
    // descriptor 3 is the frontend's; what the script prints goes where it complains
    if let Some(err) = shell.s.fds.get(&2).cloned() {
        if let Some(out) = shell.s.fds.get(&1).cloned() {
            shell.s.fds.insert(3, out);
        }
        shell.s.fds.insert(1, Rc::clone(&err));
    }
    Ok(0)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A command of the confmodule: sets RET, and returns debconf's code.
pub(crate) fn call(shell: &mut Shell<'_>, words: &[Bytes]) -> Result<u8, Stop> {
    let Some((command, args)) = words.split_first() else { return Ok(0) };
    let command = text(command).trim_start_matches("db_").to_ascii_lowercase();
    let args: Vec<String> = args.iter().map(|arg| text(arg)).collect();
    let package = shell.files.origin.package.clone();
    let args: Vec<&str> = args.iter().map(|arg| &arg[..]).collect();
    // as the confmodule's one line of words would be read
    let reply = match (&command[..], &args[..]) {
        // templates of a package were loaded when it was configured
        ("x_loadtemplatefile", [path, ..]) if path.starts_with("/var/lib/dpkg/info/") => {
            Some((0, String::new()))
        }
        ("x_loadtemplatefile", [path, ..]) => {
            let bytes =
                shell.files.read(&crate::files::absolute(&shell.s.cwd, path.as_bytes())).unwrap_or_default();
            shell.system.debconf.load(&package, &bytes);
            Some((0, String::new()))
        }
        (name, args) => shell.system.debconf.command(name, args, &package),
    };
    let Some((status, ret)) = reply else {
        return Err(shell.unsupported(format!("`db_{command} {}`", args.join(" "))));
    };
    shell.set(b"RET", ret.into_bytes())?;
    // the confmodule keeps IFS by its value, and sets it again: one that was not set is empty from then on
    if command != "stop" && shell.s.vars.get(b"IFS").is_none() {
        shell.set(b"IFS", Bytes::new())?;
    }
    Ok(status)
}

impl Debconf {
    /// An empty database and the answers of a recipe.
    #[must_use]
    pub fn with(answers: BTreeMap<String, String>) -> Self {
        Self { answers, ..Self::default() }
    }

    /// Loads the templates of a package and makes a question of each.
    pub fn load(&mut self, package: &str, templates: &[u8]) {
        for (name, fields) in store::parse_templates(&String::from_utf8_lossy(templates)) {
            let template = self.templates.entry(name.clone()).or_default();
            template.fields = fields;
            template.owners.insert(name.clone());
            let question = self.questions.entry(name.clone()).or_default();
            question.template.clone_from(&name);
            question.owners.insert(package.to_owned());
            self.answer(&name);
        }
    }

    /// Forgets the answers that `unfit` says cannot stay.
    pub(crate) fn forget(&mut self, unfit: fn(&str) -> bool) {
        for question in self.questions.values_mut() {
            question.value = question.value.take().filter(|value| !unfit(value));
            question.variables.retain(|_, value| !unfit(value));
        }
    }

    fn answer(&mut self, name: &str) {
        if let (Some(answer), Some(question)) = (self.answers.get(name), self.questions.get_mut(name))
            && !question.flags.contains("seen")
        {
            question.value = Some(answer.clone());
            question.flags.insert("seen".to_owned());
        }
    }

    fn default_of(&self, question: &Question) -> String {
        let fields = self.templates.get(&question.template).map(|template| &template.fields);
        fields.and_then(|fields| fields.get("Default")).cloned().unwrap_or_default()
    }

    fn value(&self, question: &Question) -> String {
        question.value.clone().unwrap_or_else(|| self.default_of(question))
    }

    fn field(&self, question: &Question, name: &str) -> Option<String> {
        let template = self.templates.get(&question.template)?;
        let value = template.fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name))?.1;
        Some(substitute(value, &question.variables))
    }

    /// A command: its code and what RET becomes. `None` for one that is not supported.
    fn command(&mut self, name: &str, args: &[&str], package: &str) -> Option<(u8, String)> {
        let unknown = |name: &str| Some((10, format!("{name} doesn't exist")));
        let done = |ret: &str| Some((0, ret.to_owned()));
        match (name, args) {
            ("version", _) => done("2.0"),
            ("capb", _) => done("multiselect escape"),
            (
                "title" | "settitle" | "info" | "beginblock" | "endblock" | "progress" | "stop"
                | "previous_module",
                _,
            ) => done(""),
            ("input", [priority, question, ..]) => {
                let Some(found) = self.questions.get(*question) else { return unknown(question) };
                // what would be shown counts as seen: DEBCONF_NONINTERACTIVE_SEEN is true, as for a bootstrap
                let shown = matches!(*priority, "high" | "critical") && !found.flags.contains("seen");
                self.pending.push(((*question).to_owned(), shown));
                Some((30, "question skipped".to_owned()))
            }
            ("clear", _) => {
                self.pending.clear();
                done("")
            }
            ("go", _) => {
                for (name, shown) in std::mem::take(&mut self.pending) {
                    self.keep_default(&name);
                    if let Some(found) = self.questions.get_mut(&name).filter(|_| shown) {
                        found.flags.insert("seen".to_owned());
                    }
                }
                done("ok")
            }
            ("get", [question, ..]) => match self.questions.get(*question) {
                Some(found) => Some((0, self.value(found))),
                None => unknown(question),
            },
            ("set" | "x_setraw", [question, rest @ ..]) => match self.questions.get_mut(*question) {
                Some(found) => {
                    found.value = Some(rest.join(" "));
                    done("value set")
                }
                None => unknown(question),
            },
            ("reset", [question, ..]) => {
                let default = self.questions.get(*question).map(|found| self.default_of(found));
                match (self.questions.get_mut(*question), default) {
                    (Some(found), Some(default)) => {
                        found.value = Some(default);
                        found.flags.remove("seen");
                        done("")
                    }
                    _ => unknown(question),
                }
            }
            ("fget", [question, flag, ..]) => match self.questions.get(*question) {
                Some(found) => done(if found.flags.contains(*flag) { "true" } else { "false" }),
                None => unknown(question),
            },
            ("fset", [question, flag, value, ..]) => match self.questions.get_mut(*question) {
                Some(found) => {
                    if *value == "true" {
                        found.flags.insert((*flag).to_owned());
                    } else {
                        found.flags.remove(*flag);
                    }
                    done(value)
                }
                None => unknown(question),
            },
            ("subst", [question, key, rest @ ..]) => match self.questions.get_mut(*question) {
                Some(found) => {
                    found.variables.insert((*key).to_owned(), rest.join(" "));
                    done("")
                }
                None => unknown(question),
            },
            ("metaget", [question, field, ..]) => match self.questions.get(*question) {
                Some(found) if field.eq_ignore_ascii_case("owners") => {
                    Some((0, found.owners.iter().cloned().collect::<Vec<_>>().join(", ")))
                }
                Some(found) if field.eq_ignore_ascii_case("value") => Some((0, self.value(found))),
                Some(found) => match self.field(found, field) {
                    Some(value) => Some((0, value)),
                    None => Some((10, format!("{field} does not exist"))),
                },
                None => unknown(question),
            },
            ("exist", [question, ..]) => {
                done(if self.questions.contains_key(*question) { "true" } else { "false" })
            }
            ("register", [template, question, ..]) => {
                let Some(found) = self.templates.get_mut(*template) else {
                    return Some((20, format!("No such template, \"{template}\"")));
                };
                found.owners.insert((*question).to_owned());
                let new = self.questions.entry((*question).to_owned()).or_default();
                new.template = (*template).to_owned();
                new.owners.insert(package.to_owned());
                self.answer(question);
                done("")
            }
            ("unregister", [question, ..]) => {
                if let Some(found) = self.questions.get_mut(*question) {
                    found.owners.remove(package);
                    if found.owners.is_empty() {
                        self.questions.remove(*question);
                    }
                }
                done("")
            }
            ("purge", _) => {
                for question in self.questions.values_mut() {
                    question.owners.remove(package);
                }
                self.questions.retain(|_, question| !question.owners.is_empty());
                done("")
            }
            _ => None,
        }
    }

    /// What noninteractive does with a question that is asked: its default becomes its value; of a list, the first choice
    /// when the default is none of them.
    fn keep_default(&mut self, name: &str) {
        let Some(question) = self.questions.get(name) else { return };
        let mut value = self.value(question);
        match self.field(question, "Type").as_deref() {
            Some("select") => {
                let choices = self.field(question, "Choices").unwrap_or_default();
                let choices = split_choices(&choices);
                if !choices.contains(&value) {
                    value = choices.first().cloned().unwrap_or_default();
                }
            }
            Some("error") => value = String::new(),
            _ => {}
        }
        if let Some(question) = self.questions.get_mut(name) {
            question.value = Some(value);
        }
    }
}

/// Choices as a template has them: commas between, `\,` within.
fn split_choices(text: &str) -> Vec<String> {
    let (mut all, mut one) = (Vec::new(), String::new());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if matches!(chars.peek(), Some(',' | ' ')) => one.extend(chars.next()),
            ',' => all.push(std::mem::take(&mut one).trim().to_owned()),
            c => one.push(c),
        }
    }
    let last = one.trim().to_owned();
    if !last.is_empty() {
        all.push(last);
    }
    all
}

/// `${key}` of a text.
fn substitute(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        match after.split_once('}') {
            Some((key, after)) => {
                out.push_str(variables.get(key).map_or("", |value| value));
                rest = after;
            }
            None => {
                out.push_str("${");
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}
