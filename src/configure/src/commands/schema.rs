//! `configure schema`: the settings as JSON Schema.

/// Runs it, for `user-data` or `mutable` alone or for both.
pub fn run(of: Option<&str>) {
    let schema = match of {
        Some("user-data") => crate::schema::user_data(),
        Some(_) => crate::schema::mutable(),
        None => crate::schema::both(),
    };
    crate::console::say(&crate::json::text(&schema));
}
