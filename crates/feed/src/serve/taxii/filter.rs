//! What of a collection is asked for. Source: TAXII 2.1, sections 3.4 and 3.5.

use std::collections::BTreeSet;

use model::Digest;

use super::{Collection, OBJECTS_MAX, index::Item};
use crate::{date, forms::Uuid};

/// Most values of one filter.
const VALUES_MAX: usize = 1_000;

/// The filters of a request, and where its page begins.
pub(super) struct Filter {
    collection: Collection,
    /// Strictly after these seconds since 1970.
    added_after: Option<u64>,
    ids: Option<BTreeSet<String>>,
    kinds: Option<BTreeSet<String>>,
    /// Whether STIX 2.1 is among the versions of STIX that are asked for.
    speaks: bool,
    /// Versions of objects that are asked for; none: the newest, which is the only one.
    versions: Option<BTreeSet<String>>,
    /// The page begins after this one.
    after: Option<(u64, Uuid)>,
    pub(super) limit: usize,
    /// Of everything but `limit` and `next`: a page's successor must be asked for with the same.
    print: String,
}

impl Filter {
    /// What is wrong, as text, if it cannot be read.
    pub(super) fn new(
        asked: &crate::serve::asked::Asked,
        collection: Collection,
        only: Option<&str>,
    ) -> Result<Self, String> {
        let values = |name: &str| {
            let values = asked.query(name).map(|text| text.split(',').map(str::to_owned).collect::<BTreeSet<_>>());
            match values {
                Some(values) if values.len() > VALUES_MAX => Err(format!("{name} has more than {VALUES_MAX} values")),
                values => Ok(values),
            }
        };
        let added_after = asked.query("added_after").map(|text| {
            seconds(text).ok_or_else(|| format!("added_after={text:?} is no time in UTC, as 2026-01-01T00:00:00Z"))
        });
        let limit = asked.query("limit").map_or(Ok(OBJECTS_MAX), |text| match text.parse::<u64>() {
            Ok(limit) if limit > 0 => Ok(usize::try_from(limit).unwrap_or(usize::MAX).min(OBJECTS_MAX)),
            _ => Err(format!("limit={text:?} is no number from 1 on")),
        })?;
        let ids = match only {
            Some(id) => Some([id.to_owned()].into()),
            None => values("match[id]")?,
        };
        let versions = values("match[version]")?;
        let word = |version: &str| matches!(version, "last" | "first" | "all");
        if let Some(wrong) = versions.iter().flatten().find(|version| !word(version) && seconds(version).is_none()) {
            return Err(format!("match[version] holds {wrong:?}, which is neither last, first, all nor a time"));
        }
        let speaks = values("match[spec_version]")?.is_none_or(|versions| versions.contains("2.1"));
        let kinds = values("match[type]")?;
        let all = format!("{:?} {added_after:?} {ids:?} {kinds:?} {versions:?} {speaks}", collection.alias());
        let print = Digest::of(all.as_bytes()).hex()[..16].to_owned();
        let after = match asked.query("next") {
            None => None,
            Some(token) => Some(read(token, &print)?),
        };
        // A word means the newest, as it does not to ask.
        let versions = versions.filter(|versions| !versions.iter().any(|version| word(version)));
        Ok(Self {
            collection,
            added_after: added_after.transpose()?,
            ids,
            kinds,
            speaks,
            versions,
            after,
            limit,
            print,
        })
    }

    /// Whether it is one of the objects that are named, or none is.
    pub(super) fn names(&self, item: &Item) -> bool {
        self.holds(item) && self.ids.as_ref().is_none_or(|ids| ids.contains(&item.id()))
    }

    fn holds(&self, item: &Item) -> bool {
        self.collection == Collection::All || item.stable
    }

    pub(super) fn passes(&self, item: &Item) -> bool {
        self.speaks
            && self.after.is_none_or(|after| (item.added, item.uuid) > after)
            && self.added_after.is_none_or(|added_after| item.added > added_after)
            && self.kinds.as_ref().is_none_or(|kinds| kinds.contains(item.kind.word()))
            && self
                .versions
                .as_ref()
                .is_none_or(|versions| versions.iter().any(|version| seconds(version) == Some(item.added)))
            && self.names(item)
    }

    /// What to ask with for what follows `last`.
    pub(super) fn next_after(&self, last: &Item) -> String {
        format!("{}.{}.{}", last.added, last.uuid, self.print)
    }
}

fn read(token: &str, print: &str) -> Result<(u64, Uuid), String> {
    let wrong = || format!("next={token:?} was not given out here");
    let mut parts = token.splitn(3, '.');
    let (Some(added), Some(uuid), Some(of)) = (parts.next(), parts.next(), parts.next()) else { return Err(wrong()) };
    if of != print {
        return Err("the filters are not those that this `next` was given out for: begin again without it".to_owned());
    }
    Ok((added.parse().map_err(|_| wrong())?, uuid.parse().map_err(|()| wrong())?))
}

/// RFC 3339 in UTC with up to six digits of a fraction, which is left out: whatever is strictly after it is after its whole second.
fn seconds(text: &str) -> Option<u64> {
    let (whole, fraction) = match text.strip_suffix('Z')?.split_once('.') {
        Some((whole, fraction)) => (whole, fraction),
        None => (text.strip_suffix('Z')?, "0"),
    };
    let digits = !fraction.is_empty() && fraction.len() <= 9 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    date::seconds(&format!("{whole}Z")).filter(|_| digits)
}

#[cfg(test)]
mod tests {
    use super::{super::timestamp, *};

    #[test]
    fn times_are_read_as_they_are_written() {
        assert_eq!(seconds(&timestamp(1_795_435_200)), Some(1_795_435_200));
        assert_eq!(seconds("2026-11-23T12:00:00Z"), Some(1_795_435_200));
        assert_eq!(seconds("2026-11-23T12:00:00.999Z"), Some(1_795_435_200));
        for wrong in ["2026-11-23", "2026-11-23T12:00:00", "2026-11-23T12:00:00.Z", "2026-11-23T12:00:00+00:00", ""] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }
}
