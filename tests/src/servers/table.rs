//! The result as a page.

use super::Booted;
use std::fmt::Write as _;
use tree::release::CODENAME;

/// What became of the servers of each image, as a page in Markdown.
#[must_use]
pub fn table(images: &[(String, Booted)], date: &str) -> String {
    let servers: usize = images.iter().map(|(_, image)| image.asked.len()).sum();
    let good =
        images.iter().flat_map(|(_, image)| &image.asked).filter(|asked| asked.seconds.is_ok()).count();
    let mut text = format!(
        "# Servers that answer after their first boot\n\n\
         {date}, the servers of `tests/survey/answers.toml`, over {CODENAME} as it was that day. Each is asked for by the name of its\n\
         package, without effects or answers of a recipe, and none is configured; that list also has the clients that some are\n\
         asked by, the container image for docker, and what of `base` an image leaves out.\n\
         `cargo xtask survey --boot --table FILE` writes this page.\n\n\
         - {servers} servers in {} images; {good} are active and answer.\n",
        images.len()
    );
    for (name, Booted { packages, booted, unmet, .. }) in images {
        let booted =
            booted.map_or_else(|| "did not boot to its end".to_owned(), |at| format!("booted in {at:.0} s"));
        let _ = write!(text, "- Image `{name}`: {packages} packages, {booted}");
        let failed: Vec<String> =
            unmet.iter().map(|(claim, got)| format!("{}: {}", code(claim), first(got))).collect();
        text.push_str(if failed.is_empty() { ", no unit failed.\n" } else { "; " });
        if !failed.is_empty() {
            let _ = writeln!(text, "{}.", failed.join("; "));
        }
    }
    text.push_str(
        "\nSeconds are from power on until the answer, on one processor that QEMU translates (TCG), where all servers of an image\n\
         start at once and are asked in turn.\n\n\
         | server | version | image | asked | answered | seconds |\n|---|---|---|---|---|---|\n",
    );
    for (name, image) in images {
        for asked in &image.asked {
            let (answered, seconds) = match &asked.seconds {
                Ok(seconds) => (code(&asked.answer), format!("{seconds:.0}")),
                Err(got) => (format!("no: {}", first(got)), String::new()),
            };
            let _ = writeln!(
                text,
                "| {} | {} | {name} | {} | {answered} | {seconds} |",
                asked.name,
                asked.version,
                code(&asked.ask)
            );
        }
    }
    text
}

/// A text as code, in a cell.
fn code(text: &str) -> String {
    format!("`{}`", cell(text))
}

/// The first line of what was said, in a cell.
fn first(text: &str) -> String {
    cell(text.lines().next().unwrap_or("nothing"))
}

/// What ends a cell is quoted.
fn cell(text: &str) -> String {
    text.trim().replace('|', r"\|").replace('\r', r"\r").replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::super::Asked;
    use super::*;

    #[test]
    fn a_page_has_a_line_for_each_server_and_says_what_was_there_instead_of_an_answer() {
        let asked = |name: &str, seconds| Asked {
            name: name.to_owned(),
            version: "1".to_owned(),
            ask: "echo a | cat".to_owned(),
            answer: "a".to_owned(),
            seconds,
        };
        let image =
            |asked, unmet| Booted { packages: 9, booted: Some(40.2), asked, unmet, said: String::new() };
        let failed = vec![("system running".to_owned(), "degraded\n".to_owned())];
        let page = table(
            &[
                ("one".to_owned(), image(vec![asked("x", Ok(51.4))], vec![])),
                ("two".to_owned(), image(vec![asked("y", Err("refused\nby it".to_owned()))], failed)),
            ],
            "2026-01-02",
        );
        for line in [
            tree::joined!(
                "2026-01-02, the servers of `tests/survey/answers.toml`, over ",
                CODENAME,
                " as it was that day. Each is asked for by the name of its"
            ),
            "- 2 servers in 2 images; 1 are active and answer.",
            "- Image `one`: 9 packages, booted in 40 s, no unit failed.",
            "- Image `two`: 9 packages, booted in 40 s; `system running`: degraded.",
            "| x | 1 | one | `echo a \\| cat` | `a` | 51 |",
            "| y | 1 | two | `echo a \\| cat` | no: refused |  |",
        ] {
            assert!(page.lines().any(|known| known == line), "{line}\n{page}");
        }
    }
}
