//! What the catalog says could be listed.

use std::{cmp::Reverse, collections::BTreeSet};

use model::{Category, Confidence, Digest, Finding, Platform, Severity, Weight, text};
use serde::Serialize;

use crate::{
    bounded::Bounded,
    date::rfc3339,
    entry::{EvidenceKind, List, Role},
    evidence,
};

/// Titles that a summary names; the others are counted.
const TITLES_MAX: usize = 3;
/// Longest summary, in characters.
const SUMMARY_CHARS_MAX: usize = 200;

/// What the catalog says could be listed. Categories, severity, confidence and evidence are those of the findings the entry itself rests on:
/// for an index, manifest or config all of its images' findings of malice, for a layer those in it, for a file those on it.
/// Each list has at most [`LISTED_MAX`](crate::LISTED_MAX) values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// What is listed.
    pub digest: Digest,
    /// As what.
    pub role: Role,
    /// What an image of it runs on, where all of them run on the same; of an index, layer or file none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// To block, or to advise on.
    pub list: List,
    /// What it is.
    pub categories: BTreeSet<Category>,
    /// The worst among the stable findings.
    pub severity: Severity,
    /// The best among the stable findings.
    pub confidence: Confidence,
    /// What was found, in one line: titles of detectors, the weightiest first.
    pub summary: String,
    /// Kinds of evidence.
    pub kinds: BTreeSet<EvidenceKind>,
    /// When one of the images it belongs to was first seen: RFC 3339, UTC.
    pub first_seen: String,
    /// Names in registries they were seen under: context, never a key. Hostile text. Names of local archives and folders
    /// are left out: they say nothing elsewhere, and may be private.
    pub references: BTreeSet<String>,
    /// Ids of the findings it rests on; the weightiest where there are too many.
    pub evidence: BTreeSet<String>,
    /// What it is listed as a part of.
    pub parents: BTreeSet<Digest>,
    /// For an index its bad manifests, for a manifest its config and listed layers, for a config without manifest its listed
    /// layers, for a layer its listed files.
    pub children: BTreeSet<Digest>,
    /// Images of the catalog that hold it.
    pub images: u64,
    /// How many values the lists leave out.
    pub omitted: Omitted,
}

/// How many values each list of a [`Candidate`] leaves out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Omitted {
    /// Of the references.
    pub references: usize,
    /// Of the evidence.
    pub evidence: usize,
    /// Of the parents.
    pub parents: usize,
    /// Of the children.
    pub children: usize,
}

/// Stable, weighty and severe first, then by id.
type Ranked = (Reverse<(bool, Weight, Severity)>, String);

/// A candidate in the making: every image that has the digest adds to it.
pub(crate) struct Draft {
    categories: BTreeSet<Category>,
    severity: Severity,
    confidence: Confidence,
    kinds: BTreeSet<EvidenceKind>,
    titles: Bounded<Ranked>,
    platforms: BTreeSet<Platform>,
    images: u64,
    first_seen: u64,
    references: Bounded<String>,
    evidence: Bounded<Ranked>,
    pub(crate) parents: Bounded<Digest>,
    pub(crate) children: Bounded<Digest>,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            categories: BTreeSet::new(),
            severity: Severity::Info,
            confidence: Confidence::Low,
            kinds: BTreeSet::new(),
            titles: Bounded::default(),
            platforms: BTreeSet::new(),
            images: 0,
            first_seen: u64::MAX,
            references: Bounded::default(),
            evidence: Bounded::default(),
            parents: Bounded::default(),
            children: Bounded::default(),
        }
    }
}

impl Draft {
    pub(crate) fn rest_on(&mut self, findings: &[&Finding]) {
        for finding in findings {
            let (seen, stable) = (&finding.observation, evidence::is_stable(finding));
            self.categories.insert(seen.category);
            if stable {
                self.severity = self.severity.max(seen.severity);
                self.confidence = self.confidence.max(seen.confidence);
            }
            let rank = Reverse((stable, seen.weight, seen.severity));
            self.evidence.insert((rank, finding.id.clone()));
            self.titles.insert((rank, seen.title.clone()));
            // A draft is no second kind: its error rate is not known.
            if stable {
                self.kinds.insert(evidence::kind(finding));
            }
        }
    }

    /// What one more image says of itself; not asked where the images of a digest may differ.
    pub(crate) fn runs_on(&mut self, platform: &Platform) {
        if self.platforms.len() < 2 {
            self.platforms.insert(platform.clone());
        }
    }

    /// In one more image, `first` seen at (seconds since 1970).
    pub(crate) fn seen(&mut self, first: u64, references: &[String]) {
        self.images += 1;
        self.first_seen = self.first_seen.min(first);
        for reference in references {
            self.references.insert(reference.clone());
        }
    }

    /// `others`: images that hold it besides those that were added.
    pub(crate) fn finish(self, digest: Digest, role: Role, list: List, others: u64) -> Candidate {
        let summary = summary(self.titles);
        let platform = match (self.platforms.len(), self.platforms.into_iter().next()) {
            (1, platform) => platform,
            _ => None,
        };
        let (references, more_references) = self.references.finish();
        let (evidence, more_evidence) = self.evidence.finish();
        let (parents, more_parents) = self.parents.finish();
        let (children, more_children) = self.children.finish();
        Candidate {
            digest,
            role,
            platform,
            list,
            categories: self.categories,
            severity: self.severity,
            confidence: self.confidence,
            summary,
            kinds: self.kinds,
            first_seen: rfc3339(self.first_seen),
            references,
            evidence: evidence.into_iter().map(|(_, id)| id).collect(),
            parents,
            children,
            images: self.images + others,
            omitted: Omitted {
                references: more_references,
                evidence: more_evidence,
                parents: more_parents,
                children: more_children,
            },
        }
    }
}

fn summary(ranked: Bounded<Ranked>) -> String {
    let (ranked, omitted) = ranked.finish();
    let mut titles: Vec<String> = Vec::new();
    for (_, title) in ranked {
        let title = text::visible(&title).into_owned();
        if !titles.contains(&title) {
            titles.push(title);
        }
    }
    let more = titles.len().saturating_sub(TITLES_MAX) + omitted;
    titles.truncate(TITLES_MAX);
    let mut line = titles.join("; ");
    if more > 0 {
        line.push_str(&format!("; and {more} more"));
    }
    text::shortened(&line, SUMMARY_CHARS_MAX).into_owned()
}
