//! Scripts by chance, each by its number: valid, finite, and about files in the working directory only.

use std::fmt::Write as _;

/// Numbers that look like chance and are the same in each run.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn next(&mut self, below: usize) -> usize {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) >> 33).map_or(0, |number| number % below)
    }

    pub(crate) fn of<'t>(&mut self, choices: &[&'t str]) -> &'t str {
        choices[self.next(choices.len())]
    }
}

/// The script of a number.
pub(crate) fn script(number: u64) -> String {
    let mut g =
        Generate { c: Chance(number), text: String::new(), counter: 0, functions: 0, here: 0, inside: false };
    if g.c.next(3) == 0 {
        g.text.push_str("set -e\n");
    }
    if g.c.next(8) == 0 {
        g.text.push_str("trap 'echo end $?' EXIT\n");
    }
    for _ in 0..2 + g.c.next(7) {
        let command = g.command(3);
        g.text.push_str(&command);
        g.text.push('\n');
    }
    // `! ! x` is not of the grammar
    while g.text.contains("! ! ") {
        g.text = g.text.replace("! ! ", "! ");
    }
    g.text.push_str("echo \"last $?:$a|$b|$c|$#\"\n");
    g.text
}

struct Generate {
    c: Chance,
    text: String,
    counter: usize,
    functions: usize,
    here: usize,
    /// Within a function.
    inside: bool,
}

const NAMES: [&str; 4] = ["a", "b", "c", "dd"];
const FILES: [&str; 6] = ["f1", "f2", "g.txt", "d/h", "d", "no/x"];
const PATTERNS: [&str; 16] = [
    "*",
    "?",
    "f*",
    "*.txt",
    "[a-c]*",
    "[!f]*",
    "'*'",
    "x?z",
    "\"$a\"",
    "$b",
    "*b*",
    "a*",
    "??",
    "[[:alpha:]]*",
    "\\*",
    "/*",
];

impl Generate {
    fn name(&mut self) -> &'static str {
        NAMES[self.c.next(NAMES.len())]
    }

    fn literal(&mut self) -> &'static str {
        self.c.of(&[
            "x", "abc", "a.b.c", "1", "42", "-5", "foo", "a:b::c", "=", "f1", "x/y/z", "0", "no", "-n", "007",
        ])
    }

    fn inner(&mut self, depth: usize) -> String {
        match self.c.next(9) {
            0..=2 => self.literal().to_owned(),
            3 => format!("${}", self.name()),
            4 => " ".to_owned() + self.literal() + "  ",
            5 => self.c.of(&["\\$", "\\\\", "*", "\\\"", "\\`", "'", "~", "\\n", "$ ", "\\x"]).to_owned(),
            6 => self.param(depth, true),
            7 if depth > 0 => format!("$({})", self.simple(depth - 1)),
            _ => "$*".to_owned(),
        }
    }

    fn param(&mut self, depth: usize, quoted: bool) -> String {
        let name = self.c.of(&["a", "b", "c", "dd", "nope", "1", "9", "@", "*"]);
        let depth = depth.saturating_sub(1);
        match self.c.next(12) {
            0 => format!("${{{name}}}"),
            1 if !matches!(name, "@" | "*") => format!("${{#{name}}}"),
            2 => {
                let op = self.c.of(&["-", ":-", "+", ":+"]);
                let word = if quoted { self.inner(depth) } else { self.word(depth) };
                format!("${{{name}{op}{word}}}")
            }
            3 if name.len() > 1 || name.as_bytes()[0].is_ascii_alphabetic() => {
                let (op, word) = (self.c.of(&["=", ":="]), self.literal());
                format!("${{{name}{op}{word}}}")
            }
            4..=6 if !matches!(name, "@" | "*") => {
                let (op, pattern) = (self.c.of(&["#", "##", "%", "%%"]), self.c.of(&PATTERNS));
                let pattern = if quoted && pattern.contains('"') { "*.c" } else { pattern };
                format!("${{{name}{op}{pattern}}}")
            }
            7 => self.c.of(&["$#", "$?", "$1", "${2}", "$0 x"]).replace("$0 x", "${#}"),
            8 => format!("$(({}))", self.arithmetic(2)),
            9 => "$@".to_owned(),
            _ => format!("${name}"),
        }
    }

    fn arithmetic(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self
                .c
                .of(&["1", "2", "7", "0", "0x1f", "010", "$#", "n", "(n+1)", "-3", "!0", "~5"])
                .to_owned();
        }
        let (left, right) = (self.arithmetic(depth - 1), self.arithmetic(depth - 1));
        match self.c.next(12) {
            0 => format!("({left})"),
            1 => format!("{left} ? {right} : 9"),
            2 => format!("n = {left}"),
            3 => format!("n += {left}"),
            4 => format!("{left} / ({right} * {right} + 1)"),
            5 => format!("{left} % ({right} * {right} + 2)"),
            _ => {
                let op =
                    self.c.of(&["+", "-", "*", "<", ">=", "==", "!=", "&&", "||", "&", "|", "^", "<<", ">>"]);
                if matches!(op, "<<" | ">>") {
                    format!("({left} {op} 3)")
                } else {
                    format!("{left} {op} {right}")
                }
            }
        }
    }

    fn word(&mut self, depth: usize) -> String {
        let (mut word, mut all) = (String::new(), false);
        for _ in 0..1 + self.c.next(3) {
            let choice = self.c.next(11);
            let part = match choice {
                0..=2 => self.literal().to_owned(),
                3 => format!("'{}'", self.c.of(&["", " ", "a b", "$a", "*", "\\", "\"", "x;y"])),
                4 | 5 => {
                    let inner: String = (0..self.c.next(4)).map(|_| self.inner(depth.min(1))).collect();
                    format!("\"{inner}\"")
                }
                6 => self.c.of(&["\\ ", "\\*", "\\$a", "\\'", "\\\\", "\\\"", "\\;"]).to_owned(),
                7 => self.param(depth, false),
                8 if depth > 0 => format!("$({})", self.simple(depth - 1)),
                9 if depth > 0 => format!("`echo {}`", self.literal()),
                _ => format!("${}", self.name()),
            };
            // dash 0.5.12 makes a field of each blank of what follows `"$@"` in a word: not what POSIX or ours does
            let part = if all && choice > 6 { "x".to_owned() } else { part };
            all |= matches!(choice, 4 | 5) && (part.contains("$@") || part.contains("${@"));
            word.push_str(&part);
        }
        word
    }

    fn words(&mut self, depth: usize) -> String {
        let mut words = Vec::new();
        for _ in 0..self.c.next(4) {
            let word = match self.c.next(12) {
                0 => "\"$@\"".to_owned(),
                1 => "$*".to_owned(),
                2 => self.c.of(&["*", "f*", "d/*", "*.txt", "[fg]*", "*/", "./*"]).to_owned(),
                _ => self.word(depth),
            };
            words.push(word);
        }
        words.join(" ")
    }

    fn test(&mut self) -> String {
        let (w, v, file) = (self.word(0), self.word(0), self.c.of(&FILES));
        let (name, n) = (self.name(), self.c.next(5));
        let test = match self.c.next(10) {
            0 => format!("-n \"{}\"", self.inner(0)),
            1 => format!("-z \"${name}\""),
            2 => format!("\"${name}\" = {v}"),
            3 => format!("{w} != \"${name}\""),
            4 => format!("{} {file}", self.c.of(&["-e", "-f", "-d", "-s", "-x", "-h", "-r"])),
            5 => format!("$# {} {n}", self.c.of(&["-eq", "-ne", "-gt", "-le", "-lt", "-ge"])),
            6 => format!("! -e {file}"),
            7 => format!("-f {file} -a -n \"${name}\""),
            8 => format!("! \"${name}\" = x -o -d d"),
            _ => format!("\"${name}\""),
        };
        if self.c.next(2) == 0 { format!("[ {test} ]") } else { format!("test {test}") }
    }

    fn simple(&mut self, depth: usize) -> String {
        let name = self.name();
        match self.c.next(26) {
            0..=3 => format!("echo {}", self.words(depth)),
            4 | 5 => {
                let format = self.c.of(&[
                    "'[%s]'",
                    "'<%s>\\n'",
                    "'%s,%5s|\\n'",
                    "'%d %s\\n'",
                    "'%-4s|%b\\n'",
                    "'%03d %x\\n'",
                ]);
                format!("printf {format} {} 2>/dev/null", self.words(depth))
            }
            6..=8 => format!("{name}={}", self.word(depth)),
            9 => format!("{name}={} b=$a", self.word(depth)),
            10 => self.test(),
            11 => self.c.of(&["true", "false", ":", "! true", "! false"]).to_owned(),
            12 => format!("set -- {}", self.words(depth)),
            13 => "shift 2>/dev/null || true".to_owned(),
            14 => format!("IFS={}", self.c.of(&["':'", "' :'", "''", "', '", "'x'", "\" \t\n\""])),
            15 => format!(
                "eval {}",
                self.c.of(&["'echo $a'", "'a=\"$b x\"'", "echo '\\$b'", "false", "'set -- 1 2 3'"])
            ),
            16 => format!("unset {name}"),
            17 => format!("export {name}={}", self.word(0)),
            18 => format!("echo {} {} {}", self.word(depth), self.c.of(&[">", ">>"]), self.c.of(&FILES)),
            19 => format!("read {} < {}", self.c.of(&["a", "a b", "a b c", "-r a b"]), self.c.of(&FILES)),
            20 => self.c.of(&["set -e", "set +e", "set -f", "set +f", "set -u", "set +u"]).to_owned(),
            21 => self.file(depth),
            22 => format!("n=$(({}))", self.arithmetic(2)),
            23 if self.functions > 0 => format!("fn{} {}", self.c.next(self.functions), self.words(depth)),
            24 => format!("{name}={} eval 'echo \"$a$b\"'", self.word(0)),
            _ => format!("echo \"{}\"", self.inner(depth)),
        }
    }

    fn file(&mut self, depth: usize) -> String {
        let (one, two) = (self.c.of(&FILES), self.c.of(&FILES));
        match self.c.next(12) {
            0 => format!("> {one}"),
            1 => "mkdir d 2>/dev/null".to_owned(),
            2 => format!("mkdir -p {one}/k"),
            3 => format!("rm -f {one} 2>/dev/null"),
            4 => format!("rm -rf {one}"),
            5 => format!("cp {one} {two} 2>/dev/null"),
            6 => format!("mv {one} {two} 2>/dev/null"),
            7 => format!("ln -s {} {two} 2>/dev/null", self.literal().trim_start_matches('-')),
            8 => format!("cat {one} 2>/dev/null"),
            // the owner may read, write and enter as before: root and others see the same
            9 => format!("chmod {} {one} 2>/dev/null", self.c.of(&["711", "755", "u+x", "go-r", "a+rx"])),
            10 => format!("echo {} | cat", self.words(depth)),
            _ => format!("touch {one} 2>/dev/null"),
        }
    }

    fn here(&mut self) -> String {
        self.here += 1;
        let end = format!("E{}", self.here);
        let quoted = self.c.next(3) == 0;
        let mut text = format!("{{ cat <<{}\n", if quoted { format!("'{end}'") } else { end.clone() });
        for _ in 0..self.c.next(4) {
            let mut line: String = (0..1 + self.c.next(3)).map(|_| self.inner(0)).collect();
            if !quoted {
                line = line.replace('`', "");
            }
            if line.ends_with('\\') {
                line.push('x');
            }
            let _ = writeln!(text, "{line}");
        }
        text + &end + "\n}"
    }

    fn list(&mut self, depth: usize) -> String {
        let commands: Vec<String> = (0..1 + self.c.next(3)).map(|_| self.command(depth)).collect();
        commands.join("\n")
    }

    fn command(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.simple(1);
        }
        let d = depth - 1;
        match self.c.next(22) {
            0 => format!("if {}; then\n{}\nelse\n{}\nfi", self.condition(d), self.list(d), self.list(d)),
            1 => format!("if {}; then\n{}\nfi", self.condition(d), self.list(d)),
            2 => format!("for {} in {}; do\n{}\ndone", self.name(), self.words(d), self.looped(d)),
            3 => format!("for a\ndo\n{}\ndone", self.looped(d)),
            4 => {
                self.counter += 1;
                let i = self.counter;
                format!("i{i}=0\nwhile [ $i{i} -lt 3 ]; do\ni{i}=$((i{i}+1))\n{}\ndone", self.looped(d))
            }
            5 | 6 => {
                let (p, q, r) = (self.c.of(&PATTERNS), self.c.of(&PATTERNS), self.word(0));
                format!(
                    "case {} in\n{p}|{q})\n{}\n;;\n({r}) {} ;;\n*)\n{}\nesac",
                    self.word(d),
                    self.list(d),
                    self.simple(d),
                    self.list(d)
                )
            }
            7 => format!("( {} )", self.list(d)),
            8 => format!("{{ {}\n}} > {}", self.list(d), self.c.of(&FILES)),
            // both sides run at once: the left one changes nothing that the right one sees
            9 => format!("{{ echo {} {}; }} | {{\n{}\n}}", self.word(0), self.word(0), self.list(d)),
            10 => {
                let (text, word) = (self.inner(0), self.word(0));
                format!("echo \"{text}\" {word} | while read a b; do\n{}\ndone", self.looped(d))
            }
            11 => {
                let local = if self.c.next(2) == 0 { "local a=$1 c\n" } else { "" };
                let end = self.c.of(&["", "return\n", "return 3\n", "[ -n \"$1\" ] || return 1\n"]);
                // a body calls no function: none calls itself
                let callable = std::mem::take(&mut self.functions);
                let depth = if self.inside { 0 } else { d };
                let outer = std::mem::replace(&mut self.inside, true);
                let body = self.list(depth);
                (self.functions, self.inside) = (callable, outer);
                if outer {
                    return body;
                }
                self.functions += 1;
                format!("fn{}() {{\n{local}{body}\n{end}}}", self.functions - 1)
            }
            12 => format!("{} && {}", self.command(d), self.simple(d)),
            13 => format!("{} || {}", self.simple(d), self.command(d)),
            14 => format!("! {}", self.simple(d)),
            15 => self.here(),
            16 => format!("{}={}", self.name(), format_args!("$( {})", self.list(d))),
            17 if self.c.next(6) == 0 => self.c.of(&["exit", "exit 3", "exit 0"]).to_owned(),
            18 => format!(
                "while getopts ab:c o -a -b x -{} y; do echo \"$o:$OPTARG:$OPTIND\"; done 2>/dev/null; OPTIND=1",
                self.c.of(&["c", "q", "ab", "bz"])
            ),
            _ => self.simple(d),
        }
    }

    fn condition(&mut self, depth: usize) -> String {
        match self.c.next(4) {
            0 => self.simple(depth),
            1 => format!("! {}", self.test()),
            2 => format!("{} && {}", self.test(), self.simple(depth)),
            _ => self.test(),
        }
    }

    fn looped(&mut self, depth: usize) -> String {
        let body = self.list(depth);
        match self.c.next(5) {
            0 => format!("{body}\n{} && break", self.test()),
            1 => format!("{} && continue\n{body}", self.test()),
            _ => body,
        }
    }
}
