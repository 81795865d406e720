//! Why a script cannot be followed further, and the limits of how far one is followed.

/// Limits of one interpretation: of all scripts of a set of packages together, where not said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Simple commands, loop rounds, and steps of filters.
    pub steps: u64,
    /// Bytes of a variable, a file, a pipe's content or an output.
    pub bytes: usize,
    /// Bytes of all that is written.
    pub written: u64,
    /// Commands within commands: compound commands, functions, substitutions, sourced files, programs.
    pub depth: usize,
    /// Constructs within constructs of one text.
    pub nesting: usize,
    /// Changes recorded.
    pub changes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            steps: 50_000_000,
            bytes: 64 << 20,
            written: 512 << 20,
            depth: 250,
            nesting: 60,
            changes: 1_000_000,
        }
    }
}

/// How much stack a thread needs that interprets within the default limits.
pub const STACK: usize = 256 << 20;

/// Where in which script something happens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The package whose script runs.
    pub package: String,
    /// `preinst`, `config`, `postinst`, `triggers`, or the path of a program or library of the tree that it uses.
    pub script: String,
    /// The line of the script, from 1; 0 for what is not of a line.
    pub line: u32,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.package, self.script)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        Ok(())
    }
}

/// Why a script is not followed further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: `{words}`: {reason}")]
pub struct Failure {
    /// Where.
    pub origin: Origin,
    /// The words of the command, as the script has them; shortened.
    pub words: String,
    /// What it was.
    pub reason: Reason,
}

/// The sorts of reasons.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// A program that is there but is not a shell script, and whose work is not known here.
    #[error("the program {0} is not supported")]
    Program(String),
    /// An option, a construct or a value that is not supported.
    #[error("{0} is not supported")]
    Unsupported(String),
    /// A value that only a running machine has.
    #[error("{0} is known only to a running machine")]
    Running(String),
    /// The text is not of the shell's grammar.
    #[error("syntax: {0}")]
    Syntax(String),
    /// A limit was reached.
    #[error("it takes more than {0}")]
    Limit(&'static str),
    /// The script itself ended with an error.
    #[error("the script ended with status {0}{1}")]
    Status(u8, String),
}
