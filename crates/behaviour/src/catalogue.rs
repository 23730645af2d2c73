//! What the behaviours say of themselves.

use crate::{ALL, About};

const HEADERS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/headers.rs"));

/// Names the questions this build asks: another id where any behaviour changed.
pub const ID: &str = env!("BEHAVIOUR_SOURCES");

/// What all of them are.
#[must_use]
pub fn catalogue() -> Vec<&'static About> {
    ALL.iter().map(|behaviour| &behaviour.about).collect()
}

/// What the behaviour `id` says of itself: what it sees, what it misses, its false alarms, its sources.
#[must_use]
pub fn header(id: &str) -> Option<&'static str> {
    HEADERS.iter().find(|(other, _)| *other == id).map(|(_, header)| *header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_behaviour_says_what_it_sees_and_misses() {
        for about in catalogue() {
            let header = header(about.id).unwrap_or_else(|| panic!("{} has no file of its name", about.id));
            for part in ["- Sees:", "- Misses:", "- False alarms:"] {
                assert!(header.contains(part), "{}: {part}", about.id);
            }
        }
    }
}
