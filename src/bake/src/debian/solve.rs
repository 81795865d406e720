//! Which packages: the closure of a request over Pre-Depends and Depends.
//!
//! What has only one answer is chosen first, all of it, so that a choice is made only where one is left, and knows
//! all that is certain. Then the first open group takes its first alternative, as apt does; where that cannot be,
//! the next one. The number of such attempts is bounded, and so is the depth.
//!
//! Not supported, on purpose: versions other than the candidate's, removal of what was chosen, any score. The result is
//! checked by `check`, which shares none of this.

use super::relation::Relation;
use super::universe::{Universe, UniverseError};
use std::collections::{BTreeSet, VecDeque};

/// How many packages a result may have.
pub const MAX_PACKAGES: usize = 10_000;
/// How many choices may be tried.
pub const MAX_CHOICES: usize = 2_000;

/// What to solve.
#[derive(Debug, Clone, Default)]
pub struct Goal<'a> {
    /// Names that must be chosen, sorted: of the recipe, or essential, or required.
    pub roots: BTreeSet<&'a str>,
    /// Names whose Recommends are taken where they can be.
    pub recommends_of: BTreeSet<&'a str>,
    /// Names that must not be chosen.
    pub avoid: BTreeSet<&'a str>,
}

/// Solves `goal` and gives the chosen candidates in the order of their names.
pub fn solve(universe: &Universe<'_>, goal: &Goal<'_>) -> Result<BTreeSet<usize>, SolveError> {
    let solver = Solver { universe, goal };
    let mut state = State::default();
    for root in &goal.roots {
        let found = universe.find(root).filter(|&at| !universe.is_bound(at));
        let at = found.ok_or_else(|| unknown(universe, root))?;
        if !state.chosen.contains(&at) {
            if let Some(reason) = solver.obstacle(&state, at)? {
                return Err(SolveError::Root { name: (*root).to_owned(), reason });
            }
            solver.choose(&mut state, at)?;
        }
    }
    let mut choices = MAX_CHOICES;
    let mut state = solver.search(state, &mut choices)?;
    let mut done = BTreeSet::new();
    loop {
        let named = |at: &usize| goal.recommends_of.contains(universe.candidates()[*at].name);
        let Some(at) = state.chosen.iter().copied().find(|at| named(at) && !done.contains(at)) else {
            return Ok(state.chosen);
        };
        done.insert(at);
        for group in &universe.relations(at)?.wants {
            let mut with = state.clone();
            with.todo.push_back(Need { by: at, group });
            // a recommendation that cannot be met is none
            match solver.search(with, &mut choices) {
                Ok(more) => state = more,
                Err(SolveError::Unsatisfied { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Why there is no solution.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SolveError {
    /// The candidates cannot be read.
    #[error(transparent)]
    Universe(#[from] UniverseError),
    /// A name that no suite has.
    #[error("no suite has package `{name}`, which the recipe requires")]
    Unknown {
        /// The name.
        name: String,
        /// What may have been meant.
        close: Vec<String>,
    },
    /// A package that is asked for and cannot be.
    #[error("package `{name}` is required by the recipe, but {reason}")]
    Root {
        /// Its name.
        name: String,
        /// Why not.
        reason: String,
    },
    /// A dependency without an answer.
    #[error("package `{package}` needs {group}, but {reason}")]
    Unsatisfied {
        /// Whose dependency it is.
        package: String,
        /// The alternatives.
        group: String,
        /// Their names alone.
        names: Vec<String>,
        /// Why none of them can be.
        reason: String,
    },
    /// More than `MAX_PACKAGES`.
    #[error("more than {MAX_PACKAGES} packages are needed")]
    Many,
    /// More than `MAX_CHOICES`.
    #[error("no solution within {MAX_CHOICES} choices")]
    Choices,
}

struct Solver<'s, 'a> {
    universe: &'s Universe<'a>,
    goal: &'s Goal<'s>,
}

/// What is chosen so far, and what is still to be looked at.
#[derive(Clone, Default)]
struct State<'s, 'a> {
    chosen: BTreeSet<usize>,
    todo: VecDeque<Need<'s, 'a>>,
    open: Vec<Need<'s, 'a>>,
    against: Vec<(usize, Relation<'a>)>,
}

/// A group of alternatives and who needs one of them.
#[derive(Clone, Copy)]
struct Need<'s, 'a> {
    by: usize,
    group: &'s Vec<Relation<'a>>,
}

impl<'s, 'a> Solver<'s, 'a> {
    /// Completes `state`, or says what stands against the first alternative of the first choice.
    fn search(&self, mut state: State<'s, 'a>, choices: &mut usize) -> Result<State<'s, 'a>, SolveError> {
        self.settle(&mut state)?;
        if state.open.is_empty() {
            return Ok(state);
        }
        let need = state.open.remove(0);
        let mut first = None;
        for option in self.options(&state, need)? {
            *choices = choices.checked_sub(1).ok_or(SolveError::Choices)?;
            let mut with = state.clone();
            self.choose(&mut with, option)?;
            match self.search(with, choices) {
                Err(error @ SolveError::Unsatisfied { .. }) => first = first.or(Some(error)),
                other => return other,
            }
        }
        Err(first.unwrap_or_else(|| self.unsatisfied(&state, need)))
    }

    /// Chooses all that has just one answer, until only choices are open.
    fn settle(&self, state: &mut State<'s, 'a>) -> Result<(), SolveError> {
        loop {
            let Some(need) = state.todo.pop_front() else {
                // what was chosen since may have answered or narrowed an open need
                let open = std::mem::take(&mut state.open);
                let before = state.chosen.len();
                for need in open {
                    self.consider(state, need)?;
                }
                if state.chosen.len() == before {
                    return Ok(());
                }
                continue;
            };
            self.consider(state, need)?;
        }
    }

    fn consider(&self, state: &mut State<'s, 'a>, need: Need<'s, 'a>) -> Result<(), SolveError> {
        // what is there for packages of its own archive answers for nobody else
        let answers = |at| state.chosen.contains(&at) && self.universe.serves(need.by, at);
        if need.group.iter().flat_map(|one| self.universe.targets(one)).any(answers) {
            return Ok(());
        }
        match self.options(state, need)?.as_slice() {
            [] => Err(self.unsatisfied(state, need)),
            [only] => self.choose(state, *only),
            _ => {
                state.open.push(need);
                Ok(())
            }
        }
    }

    /// The candidates that answer `need` and can be chosen, in the order of preference.
    fn options(&self, state: &State<'s, 'a>, need: Need<'s, 'a>) -> Result<Vec<usize>, SolveError> {
        let mut options = Vec::new();
        for at in need.group.iter().flat_map(|one| self.universe.targets(one)) {
            if !options.contains(&at)
                && self.universe.serves(need.by, at)
                && self.obstacle(state, at)?.is_none()
            {
                options.push(at);
            }
        }
        Ok(options)
    }

    fn choose(&self, state: &mut State<'s, 'a>, at: usize) -> Result<(), SolveError> {
        if state.chosen.len() == MAX_PACKAGES {
            return Err(SolveError::Many);
        }
        let relations = self.universe.relations(at)?;
        state.chosen.insert(at);
        state.todo.extend(relations.needs.iter().map(|group| Need { by: at, group }));
        state.against.extend(relations.against.iter().map(|&relation| (at, relation)));
        Ok(())
    }

    /// What stands against choosing `at`.
    fn obstacle(&self, state: &State<'s, 'a>, at: usize) -> Result<Option<String>, SolveError> {
        let name = |at: usize| self.universe.candidates()[at].name;
        if self.goal.avoid.contains(name(at)) {
            return Ok(Some(format!("`{}` is on the list of packages to avoid", name(at))));
        }
        for (owner, relation) in &state.against {
            if *owner != at && self.universe.satisfies(at, relation) {
                return Ok(Some(format!(
                    "`{}` conflicts with `{relation}`, which `{}` is",
                    name(*owner),
                    name(at)
                )));
            }
        }
        for relation in &self.universe.relations(at)?.against {
            if let Some(other) =
                state.chosen.iter().find(|&&one| one != at && self.universe.satisfies(one, relation))
            {
                return Ok(Some(format!(
                    "`{}` conflicts with `{relation}`, which `{}` is",
                    name(at),
                    name(*other)
                )));
            }
        }
        Ok(None)
    }

    fn unsatisfied(&self, state: &State<'s, 'a>, need: Need<'s, 'a>) -> SolveError {
        let mut reasons = Vec::new();
        for relation in need.group {
            let targets = self.universe.targets(relation);
            for &at in &targets {
                if self.universe.serves(need.by, at) {
                    reasons.extend(self.obstacle(state, at).unwrap_or_else(|error| Some(error.to_string())));
                } else {
                    let name = self.universe.candidates()[at].name;
                    reasons.push(format!("`{name}` is only in suites whose packages are taken by name"));
                }
            }
            if targets.is_empty() {
                reasons.push(match self.universe.find(relation.name) {
                    Some(at) => {
                        let candidate = &self.universe.candidates()[at];
                        format!("the newest `{}` is {}", candidate.name, candidate.version.as_str())
                    }
                    None => format!("no suite has `{}`", relation.name),
                });
            }
        }
        let group: Vec<String> = need.group.iter().map(|one| format!("`{one}`")).collect();
        SolveError::Unsatisfied {
            package: self.universe.candidates()[need.by].name.to_owned(),
            group: group.join(" or "),
            names: need.group.iter().map(|one| one.name.to_owned()).collect(),
            reason: reasons.join("; "),
        }
    }
}

/// The error for a name that nothing has, with those that are close to it.
fn unknown(universe: &Universe<'_>, name: &str) -> SolveError {
    let mut close: Vec<&str> = universe.provider_names(name).collect();
    if close.is_empty() {
        let near =
            universe.candidates().iter().map(|candidate| (distance(candidate.name, name), candidate.name));
        let mut near: Vec<(usize, &str)> = near.filter(|(far, _)| *far <= 2).collect();
        near.sort_unstable();
        close = near.into_iter().map(|(_, name)| name).collect();
    }
    close.dedup();
    SolveError::Unknown {
        name: name.to_owned(),
        close: close.into_iter().take(5).map(str::to_owned).collect(),
    }
}

/// How many letters differ (Levenshtein), as far as it matters: 3 stands for more.
fn distance(a: &str, b: &str) -> usize {
    if a.len().abs_diff(b.len()) > 2 {
        return 3;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut corner = i;
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let new = (corner + usize::from(x != y)).min(row[j] + 1).min(row[j + 1] + 1);
            corner = row[j + 1];
            row[j + 1] = new;
        }
    }
    row[b.len()].min(3)
}

#[cfg(test)]
mod tests;
