//! The shell: POSIX sh as dash understands it, over `Files` instead of a machine.
//!
//! The grammar is our own, not a crate's: a script is bytes, not UTF-8; its nesting is bounded before it can fill the stack;
//! and words are parsed once, with the line and the words of each command, which an error has to name.
//!
//! | module | what it does |
//! |---|---|
//! | `ast`, `parse`, `word` | text to syntax tree |
//! | `state`, `vars`, `open` | what a shell has: variables, functions, descriptors |
//! | `expand`, `param`, `pattern`, `arith` | words to fields |
//! | `exec`, `simple`, `redirect`, `program` | running commands |
//! | `builtins`, `test`, `print`, `read` | what the shell does itself |

mod arith;
mod ast;
mod builtins;
mod exec;
mod expand;
pub mod lint;
mod open;
mod param;
mod parse;
pub(crate) mod pattern;
mod print;
mod program;
mod read;
mod redirect;
mod simple;
mod state;
mod test;
mod vars;
mod word;

pub use ast::{Command, Word};
pub use parse::{Problem, parse};
pub use state::{Call, Shell, Stop};
