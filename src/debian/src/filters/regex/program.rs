//! Patterns as instructions.

use super::super::Failure;
use super::parse::{Anchor, Node, Parsed, Set};
use super::{Error, Syntax};

/// The largest program.
const MOST: usize = 60_000;

/// An instruction; each goes on at the next one unless it says otherwise.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// Takes a byte of a set.
    Take(usize),
    /// Asks something of the position.
    Ask(Anchor),
    /// Keeps the position.
    Keep(usize),
    /// Takes what a group matched.
    Again(usize),
    /// Goes on at both, the first one preferred.
    Split(usize, usize),
    /// Goes on there.
    Jump(usize),
    /// The end of the pattern.
    Match,
}

/// The instructions of a pattern.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) steps: Vec<Step>,
    pub(super) sets: Vec<Set>,
    pub(super) groups: usize,
    /// The groups that are referred to.
    pub(super) referenced: Vec<usize>,
    /// The bytes that a match can start with; nothing where it may be empty.
    pub(super) first: Option<Box<Set>>,
    /// Every match starts where the text does.
    pub(super) anchored: bool,
    pub(super) fold: bool,
    pub(super) lines: bool,
}

impl Program {
    /// The program of a pattern.
    pub(super) fn new(parsed: &Parsed, syntax: Syntax) -> Result<Self, Error> {
        let mut set = [false; 256];
        let nullable = first(&parsed.node, &mut set);
        let mut program = Self {
            steps: Vec::new(),
            sets: Vec::new(),
            groups: parsed.groups,
            referenced: parsed.referenced.clone(),
            first: (!nullable).then(|| Box::new(set)),
            anchored: syntax.whole || !syntax.lines && starts_line(&parsed.node),
            fold: syntax.fold,
            lines: syntax.lines,
        };
        if syntax.whole {
            program.emit(Step::Ask(Anchor::TextStart))?;
        } else if syntax.word {
            program.emit(Step::Ask(Anchor::NoWordBefore))?;
        }
        program.node(&parsed.node)?;
        if syntax.whole {
            program.emit(Step::Ask(Anchor::TextEnd))?;
        } else if syntax.word {
            program.emit(Step::Ask(Anchor::NoWordAfter))?;
        }
        program.emit(Step::Match)?;
        Ok(program)
    }

    fn emit(&mut self, step: Step) -> Result<usize, Error> {
        if self.steps.len() >= MOST {
            return Err(Error::Failure(Failure::Limit("60000 instructions of a pattern")));
        }
        self.steps.push(step);
        Ok(self.steps.len() - 1)
    }

    fn node(&mut self, node: &Node) -> Result<(), Error> {
        match node {
            Node::Empty => {}
            Node::Set(set) => {
                let index = match self.sets.iter().rposition(|known| *known == **set) {
                    Some(index) => index,
                    None => {
                        self.sets.push(**set);
                        self.sets.len() - 1
                    }
                };
                self.emit(Step::Take(index))?;
            }
            Node::Anchor(anchor) => {
                self.emit(Step::Ask(*anchor))?;
            }
            Node::Group(group, node) => {
                self.emit(Step::Keep(group * 2))?;
                self.node(node)?;
                self.emit(Step::Keep(group * 2 + 1))?;
            }
            Node::Sequence(nodes) => {
                for node in nodes {
                    self.node(node)?;
                }
            }
            Node::Either(nodes) => self.either(nodes)?,
            Node::Reference(group) => {
                self.emit(Step::Again(*group))?;
            }
            Node::Repeat(node, least, most) => self.repeat(node, *least, *most)?,
        }
        Ok(())
    }

    fn either(&mut self, nodes: &[Node]) -> Result<(), Error> {
        let mut jumps = Vec::new();
        for (index, node) in nodes.iter().enumerate() {
            if index + 1 < nodes.len() {
                let split = self.emit(Step::Match)?;
                self.node(node)?;
                jumps.push(self.emit(Step::Match)?);
                self.steps[split] = Step::Split(split + 1, self.steps.len());
            } else {
                self.node(node)?;
            }
        }
        let end = self.steps.len();
        for jump in jumps {
            self.steps[jump] = Step::Jump(end);
        }
        Ok(())
    }

    fn repeat(&mut self, node: &Node, least: u32, most: Option<u32>) -> Result<(), Error> {
        match most {
            None => {
                for _ in 1..least {
                    self.node(node)?;
                }
                if least > 0 {
                    let start = self.steps.len();
                    self.node(node)?;
                    let split = self.steps.len();
                    self.emit(Step::Split(start, split + 1))?;
                } else {
                    let split = self.emit(Step::Match)?;
                    self.node(node)?;
                    self.emit(Step::Jump(split))?;
                    self.steps[split] = Step::Split(split + 1, self.steps.len());
                }
            }
            Some(most) => {
                for _ in 0..least {
                    self.node(node)?;
                }
                let mut splits = Vec::new();
                for _ in least..most {
                    splits.push(self.emit(Step::Match)?);
                    self.node(node)?;
                }
                let end = self.steps.len();
                for split in splits {
                    self.steps[split] = Step::Split(split + 1, end);
                }
            }
        }
        Ok(())
    }
}

/// Adds the bytes that a match can start with; whether it may be empty.
fn first(node: &Node, set: &mut Set) -> bool {
    match node {
        Node::Empty | Node::Anchor(_) | Node::Reference(_) => true,
        Node::Set(bytes) => {
            for (member, byte) in set.iter_mut().zip(bytes.iter()) {
                *member |= byte;
            }
            false
        }
        Node::Group(_, node) => first(node, set),
        Node::Sequence(nodes) => nodes.iter().all(|node| first(node, set)),
        Node::Either(nodes) => {
            // each adds its bytes, whether or not another may be empty
            let mut empty = false;
            for node in nodes {
                empty |= first(node, set);
            }
            empty
        }
        Node::Repeat(node, least, most) => {
            if *most == Some(0) {
                return true;
            }
            first(node, set) || *least == 0
        }
    }
}

/// Whether every match starts where a line does.
fn starts_line(node: &Node) -> bool {
    match node {
        Node::Anchor(Anchor::LineStart | Anchor::TextStart) => true,
        Node::Group(_, node) => starts_line(node),
        Node::Sequence(nodes) => nodes.first().is_some_and(starts_line),
        Node::Either(nodes) => nodes.iter().all(starts_line),
        _ => false,
    }
}
