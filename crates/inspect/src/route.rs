//! Who is asked about a file: detectors and rules by the literals that were found and by the file's kind.

use model::FileKind;

use crate::{
    decode::Decoder,
    detectors::{Detector, Hit, Scope},
    prefilter::{Hits, Prefilter},
    rules::OwnRule,
};

/// Every [`FileKind`], in its own order, for tables by kind.
const KINDS: [FileKind; 9] = [
    FileKind::Empty,
    FileKind::Elf,
    FileKind::Pe,
    FileKind::MachO,
    FileKind::Script,
    FileKind::Text,
    FileKind::Utf16,
    FileKind::Archive,
    FileKind::Binary,
];

/// Whom a literal belongs to.
enum Owner {
    Detector { index: usize, literal: usize },
    Decoder { index: usize, literal: usize },
    Rules,
}

/// The routing table, made once for a rule pack.
pub(crate) struct Router {
    prefilter: Prefilter,
    detectors: &'static [&'static Detector],
    decoders: &'static [&'static Decoder],
    /// By literal of the prefilter.
    owners: Vec<Vec<Owner>>,
    /// By kind, then by literal of the prefilter: whether anybody who is asked about this kind owns it.
    wanted: Vec<Vec<bool>>,
}

/// Who has something to look at in one file. Kept for many files.
#[derive(Default)]
pub(crate) struct Routed {
    /// What the prefilter found.
    pub(crate) hits: Hits,
    /// By detector: where its literals are.
    pub(crate) detectors: Vec<Vec<Hit>>,
    /// By decoder: where its literals are.
    pub(crate) decoders: Vec<Vec<Hit>>,
    /// The literal of which there were too many.
    pub(crate) flood: Option<String>,
    /// Whether one of our rules has a literal here.
    pub(crate) rules: bool,
}

impl Router {
    pub(crate) fn new(
        detectors: &'static [&'static Detector],
        rules: &'static [OwnRule],
        decoders: &'static [&'static Decoder],
    ) -> Self {
        let mut literals: Vec<String> = Vec::new();
        let mut owners: Vec<Vec<Owner>> = Vec::new();
        let mut own = |text: &str, owner| {
            let text = text.to_ascii_lowercase();
            let known = literals.iter().position(|other| *other == text);
            let index = known.unwrap_or_else(|| {
                literals.push(text);
                owners.push(Vec::new());
                literals.len() - 1
            });
            owners[index].push(owner);
        };
        for (index, detector) in detectors.iter().enumerate() {
            if let Scope::Content { literals, .. } = &detector.scope {
                for (literal, text) in literals.iter().enumerate() {
                    own(text, Owner::Detector { index, literal });
                }
            }
        }
        for (index, decoder) in decoders.iter().enumerate() {
            for (literal, text) in decoder.literals.iter().enumerate() {
                own(text, Owner::Decoder { index, literal });
            }
        }
        for text in rules.iter().flat_map(|rule| &rule.prefilter) {
            own(text, Owner::Rules);
        }
        let asks = |owner: &Owner, kind| match owner {
            Owner::Detector { index, .. } => asks(detectors[*index], kind),
            Owner::Decoder { index, .. } => reads(decoders[*index].kinds, kind),
            Owner::Rules => true,
        };
        let wanted = KINDS
            .iter()
            .map(|&kind| owners.iter().map(|owners| owners.iter().any(|owner| asks(owner, kind))).collect())
            .collect();
        let texts: Vec<_> = literals.iter().map(String::as_str).collect();
        Self { prefilter: Prefilter::new(&texts), detectors, decoders, owners, wanted }
    }

    /// Looks for all literals that matter for a file of `kind` and hands them to their owners.
    pub(crate) fn route(&self, bytes: &[u8], kind: FileKind, routed: &mut Routed) {
        self.prefilter.scan(bytes, &self.wanted[kind as usize], &mut routed.hits);
        // A changelog with ten thousand links hides no link that matters: who only notes facts has seen enough.
        let matters = |literal: &usize| self.owners[*literal].iter().any(|owner| self.judges(owner));
        let flooded = routed.hits.flooded.iter().filter(|(literal, _)| matters(literal));
        let first = flooded.min_by_key(|(_, from)| *from).copied();
        routed.hits.unseen_from = first.map(|(_, from)| from);
        routed.flood = first.map(|(literal, _)| self.prefilter.literal(literal).to_owned());
        routed.rules = false;
        routed.detectors.resize_with(self.detectors.len(), Vec::new);
        routed.decoders.resize_with(self.decoders.len(), Vec::new);
        routed.detectors.iter_mut().chain(&mut routed.decoders).for_each(Vec::clear);
        for &(offset, literal) in &routed.hits.found {
            for owner in &self.owners[literal] {
                match *owner {
                    Owner::Detector { index, literal } => routed.detectors[index].push(Hit { offset, literal }),
                    Owner::Decoder { index, literal } => routed.decoders[index].push(Hit { offset, literal }),
                    Owner::Rules => routed.rules = true,
                }
            }
        }
    }

    /// Whether what the owner says can change a verdict.
    fn judges(&self, owner: &Owner) -> bool {
        match owner {
            Owner::Detector { index, .. } => self.detectors[*index].about.weight != model::Weight::Fact,
            Owner::Decoder { .. } | Owner::Rules => true,
        }
    }

    /// The content detectors to ask about a file of `kind`, by index, after [`route`](Self::route).
    pub(crate) fn asked<'a>(
        &self,
        kind: FileKind,
        routed: &'a Routed,
    ) -> impl Iterator<Item = (&'static Detector, &'a [Hit])> {
        self.detectors.iter().zip(&routed.detectors).filter_map(move |(detector, hits)| {
            let Scope::Content { literals, .. } = &detector.scope else { return None };
            let has_reason = literals.is_empty() || !hits.is_empty();
            (has_reason && asks(detector, kind)).then_some((*detector, hits.as_slice()))
        })
    }

    /// The decoders to ask about a file of `kind`, after [`route`](Self::route).
    pub(crate) fn decoders<'a>(
        &self,
        kind: FileKind,
        routed: &'a Routed,
    ) -> impl Iterator<Item = (&'static Decoder, &'a [Hit])> {
        self.decoders.iter().zip(&routed.decoders).filter_map(move |(decoder, hits)| {
            let has_reason = decoder.literals.is_empty() || !hits.is_empty();
            (has_reason && reads(decoder.kinds, kind)).then_some((*decoder, hits.as_slice()))
        })
    }

    /// How many different literals are looked for.
    pub(crate) fn literals(&self) -> usize {
        self.owners.len()
    }
}

/// Whether `detector` looks at files of `kind`.
///
/// The kind is what the first bytes claim, and an author writes those. A shell runs a script whose first line is a NUL,
/// `MZ` or the magic of gzip, so whoever reads text is asked about everything but well-formed ELF files; and Linux runs
/// programs with an odd header, so whoever reads programs is asked about unknown bytes.
pub(crate) fn asks(detector: &Detector, kind: FileKind) -> bool {
    matches!(&detector.scope, Scope::Content { kinds, .. } if reads(kinds, kind))
}

/// The same for a list of kinds, empty for any.
pub(crate) fn reads(kinds: &[FileKind], kind: FileKind) -> bool {
    let named = |named: FileKind| kinds.contains(&named);
    kinds.is_empty()
        || named(kind)
        || (kind != FileKind::Elf && (named(FileKind::Text) || named(FileKind::Script)))
        || (kind == FileKind::Binary && named(FileKind::Elf))
}

#[cfg(test)]
mod tests {
    use super::KINDS;

    #[test]
    fn kinds_are_in_their_own_order() {
        assert!(KINDS.iter().enumerate().all(|(index, &kind)| kind as usize == index));
    }
}
