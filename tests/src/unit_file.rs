//! systemd's unit files, read as plainly as tests need: no drop-ins, no resets, no specifiers.
//!
//! Format: systemd.syntax(7).

/// One setting: its section, key and value, with continued lines joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// `Service`.
    pub section: String,
    /// `ExecStart`.
    pub key: String,
    /// What is after the `=`.
    pub value: String,
}

/// Reads a unit file.
#[must_use]
pub fn parse(text: &str) -> Vec<Setting> {
    let joined =
        text.lines().filter(|line| !line.starts_with(['#', ';'])).fold(String::new(), |all, line| match line
            .strip_suffix('\\')
        {
            Some(line) => all + line,
            None => all + line + "\n",
        });
    let (mut section, mut found) = (String::new(), Vec::new());
    for line in joined.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.clone_into(&mut section);
        } else if let Some((key, value)) = line.split_once('=') {
            let (section, key, value) = (section.clone(), key.trim().to_owned(), value.trim().to_owned());
            found.push(Setting { section, key, value });
        }
    }
    found
}

/// The values of `key`, in their order.
#[must_use]
pub fn values<'a>(settings: &'a [Setting], key: &str) -> Vec<&'a str> {
    settings.iter().filter(|setting| setting.key == key).map(|setting| setting.value.as_str()).collect()
}

/// The variables that a command line takes from its environment: `${NAME}` and `$NAME`.
#[must_use]
pub fn variables(line: &str) -> Vec<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    line.split('$')
        .skip(1)
        .map(|rest| rest.trim_start_matches('{').chars().take_while(|c| word(*c)).collect::<String>())
        .filter(|name| !name.is_empty())
        .collect()
}
