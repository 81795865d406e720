//! A boot as a drawing: time to the right, what began earlier above.

use super::timeline::Timeline;
use std::fmt::Write as _;

const ROW: f64 = 18.0;
const LEFT: f64 = 16.0;
const TOP: f64 = 64.0;
/// The width of the time that is drawn, and the room for names after the last bar.
const WIDTH: f64 = 900.0;
const NAMES: f64 = 300.0;

/// Draws it as SVG 1.1, with fonts and colours that any viewer has.
pub(super) fn draw(timeline: &Timeline) -> String {
    let phases = timeline.phases();
    let begin = phases.first().map_or(0.0, |(_, began, _)| *began);
    let units: Vec<_> = timeline.notable().collect();
    let end = units.iter().map(|span| span.ready).fold(timeline.finished, f64::max);
    let scale = WIDTH / (end - begin).max(0.001);
    let x = |time: f64| LEFT + (time - begin) * scale;
    let rows = phases.len() + units.len();
    let bottom = TOP + ROW * u32::try_from(rows).map_or(0.0, f64::from);
    let (width, height) = (LEFT + WIDTH + NAMES, bottom + 34.0);
    let mut out = String::new();
    // a String takes every write
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"{LEFT}\" y=\"24\" font-size=\"16\" fill=\"#222222\">Boot in {:.2} s from the start of the kernel</text>\n",
        timeline.finished
    );
    axis(&mut out, begin, end, &x, bottom);
    let mut y = TOP;
    let mut row = |name: &str, began: f64, ready: f64, color: &str| {
        let (from, length) = (x(began), ((ready - began) * scale).max(2.0));
        let label = format!("{} ({:.2} s)", escaped(name), ready - began);
        let _ = writeln!(
            out,
            "<rect x=\"{from:.1}\" y=\"{:.1}\" width=\"{length:.1}\" height=\"{:.1}\" fill=\"{color}\"/>\n\
             <text x=\"{:.1}\" y=\"{:.1}\" fill=\"#222222\">{label}</text>",
            y + 2.0,
            ROW - 4.0,
            from + length + 5.0,
            y + 13.0,
        );
        y += ROW;
    };
    for (name, began, end) in &phases {
        row(name, *began, *end, "#7a8ca3");
    }
    for span in units {
        let failed = timeline.failed.contains(&span.unit);
        row(&span.unit, span.began, span.ready, color(&span.unit, failed));
    }
    out.push_str("</svg>\n");
    out
}

/// Lines of time, and what they say.
fn axis(out: &mut String, begin: f64, end: f64, x: &impl Fn(f64) -> f64, bottom: f64) {
    let span = end - begin;
    let step =
        [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0].into_iter().find(|step| span / step <= 14.0);
    let step = step.unwrap_or(200.0);
    let mut time = (begin / step).ceil() * step;
    while time <= end {
        let (at, strong) = (x(time), time.abs() < step / 2.0);
        let color = if strong { "#888888" } else { "#dddddd" };
        let digits = usize::from(step < 1.0);
        let _ = writeln!(
            out,
            "<line x1=\"{at:.1}\" y1=\"{:.1}\" x2=\"{at:.1}\" y2=\"{bottom:.1}\" stroke=\"{color}\"/>\n\
             <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#555555\">{time:.digits$} s</text>",
            TOP - 6.0,
            TOP - 12.0,
        );
        time += step;
    }
}

fn color(unit: &str, failed: bool) -> &'static str {
    match unit.rsplit('.').next() {
        _ if failed => "#c0392b",
        Some("target") => "#27864a",
        Some("service") => "#3b78c2",
        _ => "#b08a3c",
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::super::timeline::{Timeline, tests::TEXT};

    #[test]
    fn a_drawing_has_a_bar_for_each_phase_and_unit_within_its_frame() {
        let timeline = Timeline::parse(TEXT, 15.0).unwrap();
        let text = super::draw(&timeline);
        // the ground, five phases, four units
        assert_eq!(text.matches("<rect").count(), 10, "{text}");
        assert!(text.contains("containerd.service (1.50 s)") && text.contains("firmware (4.00 s)"));
        for place in text.split(" x=\"").skip(1) {
            let x: f64 = place.split('"').next().unwrap().parse().unwrap();
            assert!((0.0..=1216.0).contains(&x), "{x}");
        }
        assert_eq!(text.matches("#c0392b").count(), 1, "one failed");
    }
}
