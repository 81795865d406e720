//! The writer: two blanks a level, members sorted by name, so that equal values are equal texts.

use super::{Json, quote};

/// `value` as text, with a line break at the end.
#[must_use]
pub fn text(value: &Json) -> String {
    let mut out = String::new();
    write(value, 0, &mut out);
    out.push('\n');
    out
}

fn write(value: &Json, level: usize, out: &mut String) {
    match value {
        Json::Null => out.push_str("null"),
        Json::Bool(true) => out.push_str("true"),
        Json::Bool(false) => out.push_str("false"),
        Json::Number(number) => out.push_str(number),
        Json::Text(text) => out.push_str(&quote(text)),
        Json::List(items) => {
            let items = items.iter().map(|item| (None, item));
            members(('[', ']'), items, level, out);
        }
        Json::Map(map) => {
            let items = map.iter().map(|(key, item)| (Some(key.as_str()), item));
            members(('{', '}'), items, level, out);
        }
    }
}

fn members<'a>(
    (open, close): (char, char),
    items: impl Iterator<Item = (Option<&'a str>, &'a Json)>,
    level: usize,
    out: &mut String,
) {
    let line = |level: usize, out: &mut String| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", level));
    };
    out.push(open);
    let mut any = false;
    for (key, item) in items {
        if any {
            out.push(',');
        }
        any = true;
        line(level.saturating_add(1), out);
        if let Some(key) = key {
            out.push_str(&quote(key));
            out.push_str(": ");
        }
        write(item, level.saturating_add(1), out);
    }
    if any {
        line(level, out);
    }
    out.push(close);
}

#[cfg(test)]
mod tests {
    use super::text;
    use crate::json::{Json, read};

    #[test]
    fn what_is_written_is_read_back() {
        let source = br#"{"b": [], "a": {"x": null, "y": [1, -2.5, true, "\u0000\"\\\n"]}, "c": {}}"#;
        let value = read(source).expect("json");
        let written = text(&value);
        assert_eq!(read(written.as_bytes()), Ok(value));
        assert!(
            written.starts_with("{\n  \"a\": {\n    \"x\": null,\n    \"y\": [\n      1,\n"),
            "{written}"
        );
        assert!(written.ends_with("  \"b\": [],\n  \"c\": {}\n}\n"), "{written}");
        assert_eq!(text(&Json::Text("a".to_owned())), "\"a\"\n");
    }
}
