//! Which hosts and URLs an image names, and where.

use std::collections::{BTreeMap, HashMap};

use model::{Category, Confidence, Indicator, IndicatorKind, IntelValue, Observation, Severity, Weight};

use crate::{
    ImageView,
    detectors::{Match, Spot},
};

/// Most values of one place that a finding lists.
const INDICATORS_MAX: usize = 64;

/// A value that stands somewhere in the image.
pub(crate) struct Named<'a> {
    /// Where.
    pub(crate) spot: Spot,
    /// Path within an archive there.
    pub(crate) inside: Option<&'a str>,
    /// As it was extracted.
    pub(crate) indicator: &'a Indicator,
}

/// What a detector says of one [`Named`].
pub(crate) struct Said {
    /// One line.
    pub(crate) summary: String,
    /// What it counts for.
    pub(crate) weight: Weight,
    /// What it is; none for the detector's own.
    pub(crate) category: Option<Category>,
    /// How sure; none for the detector's own.
    pub(crate) confidence: Option<Confidence>,
    /// How bad; none for the detector's own.
    pub(crate) severity: Option<Severity>,
}

/// Asks `say` about every value that any detector extracted, each value once, and sums up what it says: one match for a
/// place, weight and category, with the number of values and the values themselves.
pub(crate) fn named(image: &ImageView<'_>, say: impl Fn(&IntelValue) -> Option<Said>) -> Vec<(Spot, Match)> {
    let mut answers: HashMap<&str, Option<Said>> = HashMap::new();
    let mut places: BTreeMap<(Spot, Weight, Option<Category>), (Match, usize)> = BTreeMap::new();
    for named in all(image) {
        let written = named.indicator.value.as_str();
        let answer = answers.entry(written).or_insert_with(|| super::read(written).ok().and_then(|value| say(&value)));
        let Some(said) = answer else { continue };
        let (found, more) = places.entry((named.spot, said.weight, said.category)).or_insert_with(|| {
            let inside = named.inside.map_or(String::new(), |path| format!(" (in {path})"));
            let mut found = Match::new(format!("{}{inside}", said.summary), None);
            (found.weight, found.category) = (Some(said.weight), said.category);
            (found.confidence, found.severity) = (said.confidence, said.severity);
            (found, 0)
        });
        if found.indicators.len() < INDICATORS_MAX && !found.indicators.contains(named.indicator) {
            *more += usize::from(!found.indicators.is_empty());
            found.indicators.push(named.indicator.clone());
        }
    }
    places
        .into_iter()
        .map(|((spot, ..), (mut found, more))| {
            if more > 0 {
                let room = model::text::SUMMARY_CHARS_MAX - 24;
                found.summary = format!("{} and {more} more", model::text::shortened(&found.summary, room));
            }
            (spot, found)
        })
        .collect()
}

/// Every host, URL and address with its place, of files and of the config.
fn all<'v>(image: &'v ImageView<'_>) -> impl Iterator<Item = Named<'v>> {
    let of_files = image.layers.iter().enumerate().flat_map(|(number, layer)| {
        let spot = move |entry: u32| Spot::File((number, entry as usize));
        layer.observations.iter().map(move |(entry, seen)| (spot(*entry), seen))
    });
    let of_config = image.config_findings.iter().enumerate();
    let of_config = of_config.map(|(number, finding)| (Spot::Config(number), &finding.observation));
    // A rule file talks about hosts; only where it is run may it be something else.
    let counts = |(spot, seen): &(Spot, &Observation)| {
        let talks = seen.weight == Weight::Fact && seen.confidence == Confidence::Low;
        !talks || matches!(spot, Spot::File(at) if image.runs.contains(at))
    };
    of_files.chain(of_config).filter(counts).flat_map(|(spot, seen)| {
        values(seen).map(move |indicator| {
            let inside = seen.inside.as_ref().map(|inside| inside.path.as_str());
            Named { spot, inside, indicator }
        })
    })
}

fn values(seen: &Observation) -> impl Iterator<Item = &Indicator> {
    use IndicatorKind::{Address, Domain, Pool, Url};
    seen.indicators.iter().filter(|indicator| matches!(indicator.kind, Url | Domain | Address | Pool))
}
