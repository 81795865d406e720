//! Servers that are asked for with one word each: images that have them, and what each says when it is asked.
//!
//! Which ones, and what they are asked, is data: `tests/survey/answers.toml`.

mod table;

use crate::oci;
use crate::own_kind::{OwnKind, Wishes};
use crate::schema::Schema;
use crate::shared::{BASE, Shared};
use crate::standin::Program;
use crate::workspace;
use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
pub use table::table;

/// The image that the gate boots.
pub const GATE: &str = "gate";

/// What the image of a layout is called.
const PROBE: &str = "test.invalid/probe:1";

/// An image with servers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ServerImage {
    /// Packages of `base` that it leaves out.
    #[serde(default)]
    without: Vec<String>,
    /// Units that `base` enables of those.
    #[serde(default)]
    without_units: Vec<String>,
    /// Its servers, by the name of their package.
    pub servers: BTreeMap<String, Server>,
}

/// A server, and what it is asked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Packages of its clients.
    #[serde(default)]
    also: Vec<String>,
    /// What must be active.
    unit: String,
    /// A command in the machine, which must succeed.
    ask: String,
    /// What its output must hold.
    answer: String,
    /// Where an archive of an OCI layout lies.
    layout: Option<String>,
}

/// What became of an image.
#[derive(Debug)]
pub struct Booted {
    /// How many packages it has.
    pub packages: usize,
    /// Seconds from power on until systemd had nothing left to start.
    pub booted: Option<f64>,
    /// Each server, in order.
    pub asked: Vec<Asked>,
    /// What else was expected and not met, with what was there instead.
    pub unmet: Vec<(String, String)>,
    /// What the command said, where something was not met.
    pub said: String,
}

/// What became of a server.
#[derive(Debug)]
pub struct Asked {
    /// The name of its package.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What was asked.
    pub ask: String,
    /// What it should have said.
    pub answer: String,
    /// Seconds from power on until it had answered, or what was there instead.
    pub seconds: Result<f64, String>,
}

impl Booted {
    /// Whether all is as it should be.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.unmet.is_empty() && self.asked.iter().all(|asked| asked.seconds.is_ok())
    }
}

/// The images of the list, by name.
pub fn images() -> Result<BTreeMap<String, ServerImage>> {
    let path = workspace::root().join("tests/survey/answers.toml");
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    Ok(toml::from_str(&text)?)
}

impl Server {
    /// What `cargo xtask boot` is to expect: that the unit is active, and that the question is answered.
    fn expectations(&self) -> [String; 2] {
        let answer = self.answer.replace('\'', r"'\''");
        // the output is shown where it is not the answer
        let ask = format!(
            "run out=$( {{ {}; }} 2>&1 ); code=$?; printf '%s\\n' \"$out\"; \
             [ $code -eq 0 ] && printf '%s\\n' \"$out\" | grep -qF -- '{answer}'",
            self.ask
        );
        [format!("unit {} active", self.unit), ask]
    }
}

impl ServerImage {
    /// An image with no other servers than these; `None` where it has none of them.
    #[must_use]
    pub fn with_only(&self, names: &[String]) -> Option<Self> {
        let mut image = self.clone();
        image.servers.retain(|name, _| names.contains(name));
        (!image.servers.is_empty()).then_some(image)
    }

    /// Bakes it below `room`, with these packages beside its servers', boots it, and asks: its servers, and what else is expected.
    pub fn boot(&self, shared: &Shared, room: &Path, beside: &[&str], more: &[&str]) -> Result<Booted> {
        let own = OwnKind::new(shared, room, &self.wishes(beside)?)?;
        let output = room.join("dist");
        own.bake(&output)?.args(["--format", "raw"]).done()?;
        let disk = output.join(format!("{}.raw", own.image()));
        let mut expected: Vec<String> = self.servers.values().flat_map(Server::expectations).collect();
        expected.extend(more.iter().map(|&claim| claim.to_owned()));
        let mut run = shared.run("boot").args([&disk]).args(["--direct", "--json", "--timeout", "1500"]);
        // the same everywhere: what a trial of KVM says may change from one minute to the next
        run = run.args(["--accel", "tcg"]).option("--log", room.join("console"));
        for expected in &expected {
            run = run.option("--expect", expected);
        }
        let ended = run.end()?;
        let report: Value = Schema::load("boot")?.check(&ended.stdout)?;
        let met = report["expectations"].as_array().context("expectations")?;
        ensure!(met.len() == expected.len(), "{} of {} expectations: {ended}", met.len(), expected.len());
        let outcomes: Vec<Result<f64, String>> = met.iter().map(outcome).collect();
        ensure!(outcomes.iter().any(Result::is_err) || ended.code == Some(0), "{ended}");
        let lock = own.locked()?;
        let version = |name: &str| {
            let package = lock.packages.iter().find(|package| package.name.as_str() == name);
            package.map_or_else(String::new, |package| package.version.clone())
        };
        let asked = self.servers.iter().zip(outcomes.chunks(2)).map(|((name, server), both)| Asked {
            name: name.clone(),
            version: version(name),
            ask: server.ask.clone(),
            answer: server.answer.clone(),
            seconds: both_of(&server.unit, both),
        });
        let rest = outcomes.iter().skip(2 * self.servers.len());
        let unmet = more.iter().zip(rest).filter_map(|(claim, outcome)| {
            outcome.as_ref().err().map(|got| ((*claim).to_owned(), got.clone()))
        });
        Ok(Booted {
            packages: lock.packages.len(),
            booted: report["booted"].as_f64(),
            asked: asked.collect(),
            unmet: unmet.collect(),
            said: ended.stderr,
        })
    }

    fn wishes(&self, beside: &[&str]) -> Result<Wishes> {
        let mut wishes = Wishes::packages(beside);
        wishes.without.clone_from(&self.without);
        wishes.without_units.clone_from(&self.without_units);
        for (name, server) in &self.servers {
            wishes.install.push(name.clone());
            wishes.install.extend(server.also.iter().cloned());
            if let Some(path) = &server.layout {
                let program = Program::build(BASE.arch)?.stamped("probe", "1.0")?;
                let archive = oci::archive(PROBE, &BASE.arch.to_string(), &program)?;
                wishes.files.insert(path.clone(), archive);
            }
        }
        Ok(wishes)
    }
}

/// When an expectation was met, or what was there instead.
fn outcome(met: &Value) -> Result<f64, String> {
    met["seconds"].as_f64().ok_or_else(|| met["got"].as_str().unwrap_or("no answer in time").to_owned())
}

/// When a server had answered: its unit is active and its question answered.
fn both_of(unit: &str, both: &[Result<f64, String>]) -> Result<f64, String> {
    match both {
        [Ok(unit), Ok(answer)] => Ok(unit.max(*answer)),
        [Err(state), Ok(_)] => Err(format!("{unit} is {state}")),
        [_, Err(said)] => Err(said.clone()),
        _ => Err("it was not asked".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_ten_servers_of_which_the_gate_boots_three() {
        let images = images().unwrap();
        let names = |image: &ServerImage| image.servers.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&images[GATE]), ["docker.io", "nginx", "postgresql"]);
        assert!(images.values().map(|image| image.servers.len()).sum::<usize>() >= 10);
        assert!(images[GATE].with_only(&["chrony".into()]).is_none());
        assert_eq!(names(&images[GATE].with_only(&["nginx".into(), "x".into()]).unwrap()), ["nginx"]);
    }

    #[test]
    fn a_question_is_answered_when_its_command_succeeds_and_says_what_is_wanted() {
        let shell = xshell::Shell::new().unwrap();
        let ask = |ask: &str, answer: &str| {
            let server = Server {
                also: vec![],
                unit: "a.service".into(),
                ask: ask.into(),
                answer: answer.into(),
                layout: None,
            };
            let [unit, run] = server.expectations();
            assert_eq!(unit, "unit a.service active");
            let script = run.strip_prefix("run ").unwrap().to_owned();
            let output = shell.cmd("sh").arg("-c").arg(script).quiet().ignore_status().output().unwrap();
            (output.status.success(), String::from_utf8(output.stdout).unwrap())
        };
        assert_eq!(ask("echo it works", "it works"), (true, "it works\n".to_owned()));
        assert_eq!(ask("echo \"it's -x\"", "'s -x"), (true, "it's -x\n".to_owned()));
        assert_eq!(ask("echo refused >&2", "it works"), (false, "refused\n".to_owned()));
        assert_eq!(ask("echo it works; false", "it works"), (false, "it works\n".to_owned()));
    }

    #[test]
    fn a_server_has_answered_when_its_unit_is_active_too() {
        let no = |text: &str| Err(text.to_owned());
        assert_eq!(both_of("a", &[Ok(40.0), Ok(50.5)]), Ok(50.5));
        assert_eq!(both_of("a.service", &[no("failed"), Ok(1.0)]), no("a.service is failed"));
        assert_eq!(both_of("a", &[no("failed"), no("refused")]), no("refused"));
    }
}
