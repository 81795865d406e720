//! The text filters that maintainer scripts call: grep, sed, awk, cut, sort and their like, as functions of bytes.
//!
//! Each takes its arguments, its standard input and a way to read files, and returns what it prints, its status and the
//! files that it writes. They follow POSIX and, where Debian's scripts need it, GNU's programs. What a filter does not know
//! is an `Unsupported`, never a guess.

mod awk;
mod class;
mod cmp;
mod coding;
mod common;
mod cut;
mod ends;
mod expr;
mod grep;
mod lines;
pub mod number;
mod options;
mod paths;
pub mod printf;
mod regex;
mod sed;
mod seq;
mod sort;
mod sorted;
mod sums;
mod tr;
mod uniq;
pub(crate) mod version;
mod wc;

/// Reads a file whole, or tells the text of the errno.
pub type Read<'a> = dyn FnMut(&[u8]) -> Result<Vec<u8>, String> + 'a;

/// What a filter is called with.
pub struct Input<'a> {
    /// The arguments after its name.
    pub args: &'a [Vec<u8>],
    /// Its standard input.
    pub stdin: &'a [u8],
    /// Reads the file of an argument whole; the error is the text of the errno, `No such file or directory`.
    pub read: &'a mut Read<'a>,
    /// The environment, for `ENVIRON` of awk.
    pub env: &'a [(Vec<u8>, Vec<u8>)],
    /// How many steps it may still take. Each record or instruction takes at least one; at 0 the filter ends in `Failure::Limit`.
    pub steps: &'a mut u64,
}

/// What a filter did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// What it printed.
    pub stdout: Vec<u8>,
    /// What it complained about.
    pub stderr: Vec<u8>,
    /// Its exit status.
    pub status: u8,
    /// The files that it wrote whole, in order: `sed -i`, `sort -o`, `print > "file"`.
    pub writes: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Why a filter cannot be followed further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// An option, a construct or a value that is not supported; the words that say which.
    #[error("{0} is not supported")]
    Unsupported(String),
    /// It took more steps or memory than it may.
    #[error("it took more than {0}")]
    Limit(&'static str),
}

/// A filter.
pub type Filter = fn(&mut Input<'_>) -> Result<Output, Failure>;

/// The filter called `name`.
#[must_use]
pub fn find(name: &str) -> Option<Filter> {
    Some(match name {
        "awk" | "mawk" | "nawk" => awk::awk,
        "base64" => coding::base64,
        "basename" => paths::basename,
        "cat" => lines::cat,
        "cksum" => sums::cksum,
        "cmp" => cmp::cmp,
        "comm" => sorted::comm,
        "cut" => cut::cut,
        "diff" => cmp::diff,
        "dirname" => paths::dirname,
        "egrep" => grep::egrep,
        "expand" => lines::expand,
        "expr" => expr::expr,
        "fgrep" => grep::fgrep,
        "fold" => lines::fold,
        "grep" => grep::grep,
        "head" => ends::head,
        "iconv" => coding::iconv,
        "join" => sorted::join,
        "md5sum" => sums::md5sum,
        "nl" => lines::nl,
        "paste" => lines::paste,
        "printenv" => coding::printenv,
        "printf" => printf::printf,
        "rev" => lines::rev,
        "sed" => sed::sed,
        "seq" => seq::seq,
        "sha1sum" => sums::sha1sum,
        "sha224sum" => sums::sha224sum,
        "sha256sum" => sums::sha256sum,
        "sha384sum" => sums::sha384sum,
        "sha512sum" => sums::sha512sum,
        "sort" => sort::sort,
        "tac" => lines::tac,
        "tail" => ends::tail,
        "tee" => lines::tee,
        "tr" => tr::tr,
        "tsort" => sorted::tsort,
        "uniq" => uniq::uniq,
        "wc" => wc::wc,
        _ => return None,
    })
}

/// The MD5 of bytes, as `md5sum` prints it.
pub(crate) fn md5_of(data: &[u8]) -> String {
    sums::md5_of(data)
}

#[cfg(test)]
mod tests;
