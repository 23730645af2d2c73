//! One thing of this host that was tried.

/// What `lazaret doctor` shows a line of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What.
    pub name: String,
    /// Whether it works here.
    pub works: bool,
    /// What was seen, one line.
    pub detail: String,
    /// What would help; empty where it works.
    pub remedy: String,
}

/// `found`: what was seen, or why it does not work.
pub(crate) fn check(name: &str, found: Result<String, String>, remedy: &str) -> Check {
    let works = found.is_ok();
    let detail = found.unwrap_or_else(|why| why);
    Check { name: name.to_owned(), works, detail, remedy: if works { String::new() } else { remedy.to_owned() } }
}
