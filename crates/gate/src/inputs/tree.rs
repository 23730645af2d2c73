//! YAML and JSON as one kind of tree that knows its lines.
//!
//! Every key is kept, also one that stands twice: tools differ in which of the two counts, so both are asked about.

use std::{
    cell::Cell,
    collections::HashMap,
    fmt,
    io::{self, Read},
};

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::Wrong;

/// Deepest nesting.
const DEPTH_MAX: usize = 100;
/// Most values in one file, those that aliases repeat counted each time.
const NODES_MAX: usize = 4_000_000;

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// Where it begins, from 1.
    pub(crate) line: u32,
    /// What it is.
    pub(crate) value: Value,
}

/// What a value is. Numbers and booleans are their text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    /// The value of `key`; of several the last one, as most readers take it.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().rev().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    /// The value at the end of `keys`.
    pub(crate) fn at(&self, keys: &[&str]) -> Option<&Self> {
        keys.iter().try_fold(self, |node, key| node.get(key))
    }

    /// Its text, if it is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The text of `key`.
    pub(crate) fn text_of(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Self::text)
    }

    /// Its items; none if it is no list.
    pub(crate) fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The items of `key`.
    pub(crate) fn items_of(&self, key: &str) -> &[Self] {
        self.get(key).map_or(&[], Self::items)
    }

    /// Its keys and values; none if it is no map.
    pub(crate) fn entries(&self) -> &[(String, Self)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }
}

/// Every document of a YAML stream, or the one of a JSON text.
///
/// # Errors
///
/// [`Wrong`] for what is neither, or is nested or repeated without end.
pub(crate) fn documents(text: &str) -> Result<Vec<Node>, Wrong> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_start().starts_with(['{', '[']) {
        match json(text) {
            Ok(node) => return Ok(vec![node]),
            // Flow style of YAML, or several documents that begin with one.
            Err(wrong) => return yaml(text).map_err(|_| wrong),
        }
    }
    yaml(text)
}

fn yaml(text: &str) -> Result<Vec<Node>, Wrong> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let line = u32::try_from(error.marker().line()).ok();
            Wrong { line, what: format!("it is no YAML: {}", error.info()) }
        })?;
        let line = u32::try_from(span.start.line()).unwrap_or(u32::MAX);
        builder.take(event, line).map_err(|what| Wrong { line: Some(line), what: what.to_owned() })?;
    }
    Ok(builder.documents)
}

#[derive(Default)]
struct Builder {
    documents: Vec<Node>,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
}

/// A list or map that has begun.
struct Open {
    line: u32,
    anchor: usize,
    is_map: bool,
    key: Option<String>,
    items: Vec<Node>,
    entries: Vec<(String, Node)>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, line: u32) -> Result<(), &'static str> {
        match event {
            Event::DocumentStart(_) => self.anchors.clear(),
            Event::Scalar(text, style, anchor, _) => {
                let is_null = style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let value = if is_null { Value::Null } else { Value::Text(text.into_owned()) };
                self.put(Node { line, value }, anchor, 1)?;
            }
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).ok_or("an alias has no anchor")?;
                let size = size(node);
                if self.nodes + size > NODES_MAX {
                    return Err("it repeats values without end");
                }
                let node = node.clone();
                self.put(node, 0, size)?;
            }
            Event::SequenceStart(anchor, _) => self.begin(line, anchor, false)?,
            Event::MappingStart(anchor, _) => self.begin(line, anchor, true)?,
            Event::SequenceEnd | Event::MappingEnd => {
                let open = self.open.pop().ok_or("it closes what is not open")?;
                let value = if open.is_map { Value::Map(merged(open.entries)) } else { Value::List(open.items) };
                self.put(Node { line: open.line, value }, open.anchor, 1)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, line: u32, anchor: usize, is_map: bool) -> Result<(), &'static str> {
        if self.open.len() == DEPTH_MAX {
            return Err("it is nested too deeply");
        }
        self.open.push(Open { line, anchor, is_map, key: None, items: Vec::new(), entries: Vec::new() });
        Ok(())
    }

    fn put(&mut self, node: Node, anchor: usize, size: usize) -> Result<(), &'static str> {
        self.nodes += size;
        if self.nodes > NODES_MAX {
            return Err("it holds too many values");
        }
        if anchor != 0 {
            self.nodes += self::size(&node);
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.documents.push(node);
            return Ok(());
        };
        if !open.is_map {
            open.items.push(node);
        } else if let Some(key) = open.key.take() {
            open.entries.push((key, node));
        } else {
            // A key that is a list or map names nothing we look for.
            open.key = Some(node.text().unwrap_or_default().to_owned());
        }
        Ok(())
    }
}

/// With what `<<` brings in: keys that the map does not have itself.
fn merged(mut entries: Vec<(String, Node)>) -> Vec<(String, Node)> {
    let is_merge = |(key, _): &(String, Node)| key == "<<";
    if !entries.iter().any(is_merge) {
        return entries;
    }
    let sources: Vec<Node> = entries.extract_if(.., |entry| is_merge(entry)).map(|(_, node)| node).collect();
    for source in &sources {
        let maps = if source.items().is_empty() { std::slice::from_ref(source) } else { source.items() };
        for (key, node) in maps.iter().flat_map(Node::entries) {
            if !entries.iter().any(|(known, _)| known == key) {
                entries.push((key.clone(), node.clone()));
            }
        }
    }
    entries
}

fn size(node: &Node) -> usize {
    1 + node.items().iter().map(size).sum::<usize>() + node.entries().iter().map(|(_, node)| size(node)).sum::<usize>()
}

fn json(text: &str) -> Result<Node, Wrong> {
    let line = Cell::new(1);
    let mut from = serde_json::Deserializer::from_reader(Lines { rest: text.as_bytes(), line: &line });
    let room = Cell::new(NODES_MAX);
    let node = Seed { line: &line, room: &room }.deserialize(&mut from).and_then(|node| from.end().map(|()| node));
    node.map_err(|error| Wrong { line: u32::try_from(error.line()).ok(), what: format!("it is no JSON: {error}") })
}

/// Counts lines as they are read; the parser reads a byte at a time and looks at most one ahead.
struct Lines<'a> {
    rest: &'a [u8],
    line: &'a Cell<u32>,
}

impl Read for Lines<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.rest.read(buffer)?;
        let ends = buffer.iter().take(count).filter(|byte| **byte == b'\n').count();
        self.line.set(self.line.get().saturating_add(u32::try_from(ends).unwrap_or(u32::MAX)));
        Ok(count)
    }
}

#[derive(Clone, Copy)]
struct Seed<'a> {
    line: &'a Cell<u32>,
    room: &'a Cell<usize>,
}

impl Seed<'_> {
    fn node<E: serde::de::Error>(self, line: u32, value: Value) -> Result<Node, E> {
        let room = self.room.get().checked_sub(1).ok_or_else(|| E::custom("it holds too many values"))?;
        self.room.set(room);
        Ok(Node { line, value })
    }

    fn scalar<E: serde::de::Error>(self, value: impl fmt::Display) -> Result<Node, E> {
        self.node(self.line.get(), Value::Text(value.to_string()))
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Node, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Node, E> {
        self.node(self.line.get(), Value::Null)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Node, E> {
        self.scalar(value)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Node, E> {
        self.scalar(value)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Node, E> {
        self.scalar(value)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Node, E> {
        self.scalar(value)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Node, E> {
        self.scalar(value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let (line, mut items) = (self.line.get(), Vec::new());
        while let Some(item) = list.next_element_seed(self)? {
            items.push(item);
        }
        self.node(line, Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let (line, mut entries) = (self.line.get(), Vec::new());
        while let Some(key) = map.next_key::<String>()? {
            entries.push((key, map.next_value_seed(self)?));
        }
        self.node(line, Value::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_the_file() {
        let yaml = "a: 1\nb:\n  - c: x\n---\nd: y\n";
        let documents = documents(yaml).expect("is YAML");
        assert_eq!(documents.len(), 2);
        let node = &documents[0].items_of("b")[0];
        assert_eq!(node.get("c").map(|it| (it.line, it.text())), Some((3, Some("x"))));
        assert_eq!(documents[1].get("d").map(|it| it.line), Some(5));

        let json =
            super::documents("{\n \"a\": [\n  {\"b\": \"x\"},\n  {\"b\":\n\"\\ud83d\\ude00\"}]}").expect("is JSON");
        let items = json[0].items_of("a");
        assert_eq!(items[0].get("b").map(|it| it.line), Some(3));
        assert_eq!(items[1].get("b").map(|it| (it.line, it.text())), Some((5, Some("😀"))));
    }

    #[test]
    fn anchors_and_merges_are_followed_and_keys_that_stand_twice_kept() {
        let text = "x: &x {image: a, tag: b}\ny: {<<: *x, image: c}\nz: [*x]\nimage: 1\nimage: 2\n";
        let node = &documents(text).expect("is YAML")[0];
        assert_eq!(node.at(&["y", "image"]).and_then(Node::text), Some("c"));
        assert_eq!(node.at(&["y", "tag"]).and_then(Node::text), Some("b"));
        assert_eq!(node.items_of("z")[0].text_of("image"), Some("a"));
        assert_eq!(node.entries().iter().filter(|(key, _)| key == "image").count(), 2);
    }

    #[test]
    fn bombs_stop_at_the_ceilings() {
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..12 {
            let before = level - 1;
            bomb += &format!("a{level}: &a{level} [{}]\n", vec![format!("*a{before}"); 10].join(","));
        }
        assert!(documents(&bomb).is_err());
        assert!(documents(&"[".repeat(100_000)).is_err());
        assert!(documents(&"- ".repeat(10_000)).is_err());
        assert!(documents(&"{\"a\":".repeat(100_000)).is_err());
    }

    #[test]
    fn what_is_no_yaml_says_where() {
        let wrong = documents("a: 1\nb: [\n").expect_err("is cut off");
        assert!(wrong.line.is_some() && wrong.what.contains("YAML"), "{wrong:?}");
    }
}
