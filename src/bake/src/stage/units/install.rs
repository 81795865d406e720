//! The `[Install]` section of a unit: systemd.unit(5).

/// What the sections of a unit and its drop-ins say together.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Install {
    wanted_by: Vec<String>,
    required_by: Vec<String>,
    upheld_by: Vec<String>,
    alias: Vec<String>,
    /// Units that are enabled with it.
    pub(super) also: Vec<String>,
    default_instance: Option<String>,
}

/// `getty@.service` for `getty@tty1.service`; nothing for what is not an instance.
pub(super) fn template_of(unit: &str) -> Option<String> {
    let (prefix, rest) = unit.split_once('@')?;
    let (instance, suffix) = rest.rsplit_once('.')?;
    (!instance.is_empty()).then(|| format!("{prefix}@.{suffix}"))
}

impl Install {
    /// Adds what one file says: an empty value takes back what came before.
    pub(super) fn read(&mut self, text: &str) {
        let mut within = false;
        for line in joined(text) {
            let line = line.trim();
            if let Some(section) = line.strip_prefix('[') {
                within = section == "Install]";
            } else if let (true, Some((key, value))) = (within, line.split_once('=')) {
                self.set(key.trim_end(), value.trim_start());
            }
        }
    }

    fn set(&mut self, key: &str, value: &str) {
        let list = match key {
            "WantedBy" => &mut self.wanted_by,
            "RequiredBy" => &mut self.required_by,
            "UpheldBy" => &mut self.upheld_by,
            "Alias" => &mut self.alias,
            "Also" => &mut self.also,
            "DefaultInstance" => {
                self.default_instance = (!value.is_empty()).then(|| value.to_owned());
                return;
            }
            _ => return,
        };
        if value.is_empty() {
            list.clear();
        }
        list.extend(value.split_ascii_whitespace().map(str::to_owned));
    }

    /// Whether enabling the unit would have no effect.
    pub(super) fn is_empty(&self) -> bool {
        [&self.wanted_by, &self.required_by, &self.upheld_by, &self.alias, &self.also]
            .iter()
            .all(|list| list.is_empty())
    }

    /// `unit`, or where it is a template its default instance.
    pub(super) fn instance_of(&self, unit: &str) -> Result<String, String> {
        match (unit.split_once("@."), &self.default_instance) {
            (None, _) => Ok(unit.to_owned()),
            (Some((prefix, suffix)), Some(instance)) => Ok(format!("{prefix}@{instance}.{suffix}")),
            // only other names, which a template may have as well
            (Some(_), None)
                if self.wanted_by.is_empty() && self.required_by.is_empty() && self.upheld_by.is_empty() =>
            {
                Ok(unit.to_owned())
            }
            (Some((prefix, suffix)), None) => Err(format!(
                "unit `{unit}` is a template without an instance of its own; name one: `{prefix}@….{suffix}`"
            )),
        }
    }

    /// The links below `/etc/systemd/system`, all to the file of the unit.
    pub(super) fn links(&self, unit: &str) -> Result<Vec<String>, String> {
        let mut links = Vec::new();
        let lists =
            [(&self.wanted_by, "wants"), (&self.required_by, "requires"), (&self.upheld_by, "upholds")];
        for (list, suffix) in lists {
            for other in list {
                links.push(format!("{}.{suffix}/{unit}", filled(other, unit)?));
            }
        }
        for alias in &self.alias {
            let alias = filled(alias, unit)?;
            let alias = match (alias.split_once("@."), instance(unit)) {
                (Some((prefix, suffix)), Some(instance)) => format!("{prefix}@{instance}.{suffix}"),
                _ => alias,
            };
            // a unit that lists its own name among its others is linked already
            if alias != unit {
                links.push(alias);
            }
        }
        match links.iter().find(|place| place.starts_with('/') || place.contains("..")) {
            Some(place) => {
                Err(format!("unit `{unit}` asks for the link `{place}`, which is not a name of a unit"))
            }
            None => Ok(links),
        }
    }
}

/// What is between `@` and the suffix of an instance.
fn instance(unit: &str) -> Option<&str> {
    let (_, rest) = unit.split_once('@')?;
    rest.rsplit_once('.').map(|(instance, _)| instance).filter(|instance| !instance.is_empty())
}

/// `text` with its specifiers filled in; those that ask the running machine are an error.
fn filled(text: &str, unit: &str) -> Result<String, String> {
    let stem = unit.rsplit_once('.').map_or(unit, |(stem, _)| stem);
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('%') => out.push('%'),
            Some('n') => out.push_str(unit),
            Some('N') => out.push_str(stem),
            Some('p') => out.push_str(stem.split('@').next().unwrap_or_default()),
            Some('i') => out.push_str(instance(unit).unwrap_or_default()),
            other => {
                let other = other.map(String::from).unwrap_or_default();
                return Err(format!(
                    "`{text}` of unit `{unit}` has the specifier `%{other}`, which is not supported"
                ));
            }
        }
    }
    Ok(out)
}

/// The lines of a unit without comments, those that end in `\` joined to the next: systemd.syntax(7).
pub(super) fn joined(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut open = false;
    for line in text.lines() {
        if line.trim_start().starts_with(['#', ';']) {
            continue;
        }
        let (line, continues) = line.strip_suffix('\\').map_or((line, false), |line| (line, true));
        match lines.last_mut() {
            Some(last) if open => {
                last.push(' ');
                last.push_str(line);
            }
            _ => lines.push(line.to_owned()),
        }
        open = continues;
    }
    lines
}
