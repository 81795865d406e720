//! A session at a terminal, recorded and drawn as SVG: the commands of a first image, with what each of them printed.

use anyhow::{Context as _, Result, ensure};
use std::fmt::Write as _;
use std::path::Path;
use xshell::{Shell, cmd};

/// The commands, in a folder called `web`. A test runs those of the picture.
const COMMANDS: [&str; 5] = [
    "vmbake init",
    "vmbake add nginx",
    "vmbake bake --format qcow2",
    tree::of_release!("vmbake why dist/web.", ".amd64.qcow2 /etc/nginx/nginx.conf"),
    "vmbake boot --expect 'unit nginx.service active'",
];
/// Columns that are shown; a longer line is cut.
const COLUMNS: usize = 110;
/// Lines that are shown of what one command printed.
const MOST: usize = 7;
/// Pixels of a character and of a line.
const CHARACTER: f64 = 7.8;
const LINE: f64 = 18.0;

/// Runs all of it with `program`, and gives the picture.
pub(super) fn record(program: &Path, store: &Path) -> Result<String> {
    let scratch = tempfile::tempdir()?;
    let folder = scratch.path().join("web");
    std::fs::create_dir(&folder)?;
    let shell = Shell::new()?;
    shell.change_dir(&folder);
    let mut lines = Vec::new();
    for command in COMMANDS {
        vmbake::console::note(command);
        let words =
            shlex::split(command).with_context(|| format!("`{command}` has a quote without its end"))?;
        let (name, rest) = words.split_first().context("a command")?;
        ensure!(name == "vmbake", "`{command}` is not of vmbake");
        let mut run = cmd!(shell, "{program} {rest...}").quiet();
        match rest.first().map(String::as_str) {
            Some("add" | "bake") => run = run.arg("--store").arg(store),
            // its console is long, and nobody reads it when all goes well
            Some("boot") => run = run.arg("--log").arg(scratch.path().join("console")),
            _ => {}
        }
        let output = run.read().with_context(|| command.to_owned())?;
        lines.push(Line { is_command: true, text: command.to_owned() });
        let printed = output.lines().map(|text| Line { is_command: false, text: text.to_owned() });
        lines.extend(printed.take(MOST));
        if output.lines().count() > MOST {
            lines.push(Line { is_command: false, text: "   …".to_owned() });
        }
    }
    Ok(draw(&lines))
}

/// A line of the session.
struct Line {
    is_command: bool,
    text: String,
}

/// The picture.
fn draw(lines: &[Line]) -> String {
    let (width, height) = (CHARACTER * (COLUMNS as f64 + 4.0), LINE * (lines.len() as f64 + 2.0));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\">\n\
         <title>A first image with vmbake</title>\n<style>text {{ font: 13px ui-monospace, monospace; fill: #d0d4dc; white-space: pre }} \
         .command {{ fill: #ffffff; font-weight: bold }}</style>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#1d2027\"/>\n"
    );
    for (number, Line { is_command, text }) in lines.iter().enumerate() {
        let y = LINE * (number as f64 + 1.6);
        let shown: String = text.chars().take(COLUMNS).collect();
        let cut = if text.chars().count() > COLUMNS { "…" } else { "" };
        let shown = shown.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let (class, prompt) = if *is_command { (" class=\"command\"", "$ ") } else { ("", "") };
        // writing to a string cannot fail
        let _ = writeln!(
            svg,
            "<text x=\"{:.0}\" y=\"{y:.1}\"{class}>{prompt}{shown}{cut}</text>",
            CHARACTER * 2.0
        );
    }
    svg.push_str("</svg>\n");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_picture_cannot_say_plainly_is_escaped_and_a_long_line_is_cut() {
        let long = "x".repeat(COLUMNS + 1);
        let lines = [("a <b> & c", true), (&long[..], false)];
        let svg = draw(&lines.map(|(text, is_command)| Line { is_command, text: text.to_owned() }));
        assert!(svg.contains(" class=\"command\">$ a &lt;b&gt; &amp; c</text>"), "{svg}");
        assert!(svg.contains(&format!(">{}…</text>", "x".repeat(COLUMNS))), "{svg}");
    }
}
