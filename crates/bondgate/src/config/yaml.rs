//! YAML text to a tree of nodes; the only module that knows the YAML library.
//!
//! Bounded on purpose: bytes of the file, depth, and nodes after aliases are followed,
//! so that a bomb is an error and not a full memory. Keys are single values, merge keys
//! and tags are refused, a key that stands twice is an error at its second place.

use std::collections::HashMap;

use serde_saphyr::granit_parser::{Event, Marker, Parser, ScalarStyle, StrInput};
use zeroize::Zeroizing;

use super::node::{Entry, Kind, Node, Scalar, TextSource};
use super::problem::{Place, Problem};

/// Largest file that is read, in bytes.
pub const MAX_BYTES: usize = 4 << 20;

const MAX_NODES: usize = 200_000;
const MAX_DEPTH: usize = 64;

/// Reads one document.
///
/// # Errors
/// Where the text is no YAML, the first problem alone; else every key that stands twice.
pub fn parse(text: &str) -> Result<Node, Vec<Problem>> {
    if text.len() > MAX_BYTES {
        let what = format!("the file has {} bytes", text.len());
        let mend = format!("at most {MAX_BYTES} are read: split what it holds");
        return Err(vec![Problem::at(Place::START, what, mend)]);
    }
    let mut builder = Builder {
        parser: Parser::new_from_str(text),
        anchors: HashMap::new(),
        nodes: 0,
        problems: Vec::new(),
    };
    let root = builder.document().map_err(|problem| vec![problem])?;
    if builder.problems.is_empty() {
        Ok(root)
    } else {
        Err(builder.problems)
    }
}

struct Builder<'a> {
    parser: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    problems: Vec<Problem>,
}

impl<'a> Builder<'a> {
    fn document(&mut self) -> Result<Node, Problem> {
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(..), _) => {}
                (Event::StreamEnd, _) => return Ok(Node::new(Place::START, Kind::Map(Vec::new()))),
                (event, place) => {
                    let mut root = self.node(event, place, 0)?;
                    self.end()?;
                    root.place = Place::START;
                    if root.is_null() {
                        root.kind = Kind::Map(Vec::new());
                    }
                    return Ok(root);
                }
            }
        }
    }

    fn end(&mut self) -> Result<(), Problem> {
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(()),
                (Event::DocumentStart(..), place) => {
                    return Err(Problem::at(
                        place,
                        "a second document begins here",
                        "keep one document in the file",
                    ));
                }
                _ => {}
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, Place), Problem> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, place(&span.start))),
            Some(Err(error)) => Err(Problem::at(
                place(error.marker()),
                format!("this is no YAML: {}", error.info()),
                "check indentation, quotes and brackets around here",
            )),
            None => Ok((Event::StreamEnd, Place::START)),
        }
    }

    fn node(&mut self, event: Event<'a>, place: Place, depth: usize) -> Result<Node, Problem> {
        self.count(place)?;
        if depth > MAX_DEPTH {
            let what = format!("nested deeper than {MAX_DEPTH} levels");
            return Err(Problem::at(place, what, "nothing here is that deep"));
        }
        if event.tag().is_some() {
            return Err(Problem::at(
                place,
                "tags such as `!x` mean nothing here",
                "leave it out",
            ));
        }
        let anchor = event.anchor_id();
        let kind = if let Event::Scalar(text, style, ..) = event {
            Kind::Scalar(Scalar {
                text: Zeroizing::new(text.into_owned()),
                plain: style == ScalarStyle::Plain,
                source: TextSource::Written,
            })
        } else if let Event::SequenceStart(..) = event {
            self.list(depth)?
        } else if let Event::MappingStart(..) = event {
            self.map(depth)?
        } else if let Event::Alias(id) = event {
            return self.alias(id, place);
        } else {
            return Err(Problem::at(place, "a value is missing here", "write one"));
        };
        let node = Node::new(place, kind);
        if let Some(id) = anchor {
            let copy = self.copy(&node)?;
            self.anchors.insert(id, copy);
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Kind, Problem> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd | Event::StreamEnd, _) => return Ok(Kind::List(items)),
                (event, place) => items.push(self.node(event, place, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Kind, Problem> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen: HashMap<String, Place> = HashMap::new();
        loop {
            let (event, place) = self.next()?;
            if matches!(event, Event::MappingEnd | Event::StreamEnd) {
                return Ok(Kind::Map(entries));
            }
            let key = self.node(event, place, depth + 1)?;
            let Kind::Scalar(key) = key.kind else {
                return Err(Problem::at(
                    place,
                    "a key is a single value",
                    "write a name",
                ));
            };
            let key = key.text.to_string();
            if key == "<<" {
                let mend = "write the keys out, or use `defaults`";
                return Err(Problem::at(place, "merge keys (`<<`) are not read", mend));
            }
            let (event, value_place) = self.next()?;
            let mut value = self.node(event, value_place, depth + 1)?;
            if !matches!(value.kind, Kind::Scalar(_)) || value.is_null() {
                value.place = place;
            }
            if let Some(first) = seen.get(&key) {
                self.problems.push(Problem::at(
                    place,
                    format!("`{key}` stands twice"),
                    format!("it stands on line {} already: keep one", first.line),
                ));
                continue;
            }
            seen.insert(key.clone(), place);
            entries.push(Entry { key, place, value });
        }
    }

    fn alias(&mut self, id: usize, place: Place) -> Result<Node, Problem> {
        let Some(anchored) = self.anchors.remove(&id) else {
            let mend = "an alias cannot stand inside what it names";
            return Err(Problem::at(
                place,
                "this alias names nothing that is complete",
                mend,
            ));
        };
        let copy = self.copy(&anchored);
        self.anchors.insert(id, anchored);
        copy
    }

    fn copy(&mut self, node: &Node) -> Result<Node, Problem> {
        self.count(node.place)?;
        let kind = match &node.kind {
            Kind::Scalar(scalar) => Kind::Scalar(Scalar {
                text: scalar.text.clone(),
                plain: scalar.plain,
                source: scalar.source,
            }),
            Kind::List(items) => Kind::List(
                items
                    .iter()
                    .map(|item| self.copy(item))
                    .collect::<Result<_, _>>()?,
            ),
            Kind::Map(entries) => {
                let copied = entries.iter().map(|entry| {
                    Ok(Entry {
                        key: entry.key.clone(),
                        place: entry.place,
                        value: self.copy(&entry.value)?,
                    })
                });
                Kind::Map(copied.collect::<Result<_, _>>()?)
            }
        };
        Ok(Node::new(node.place, kind))
    }

    fn count(&mut self, place: Place) -> Result<(), Problem> {
        self.nodes += 1;
        if self.nodes <= MAX_NODES {
            return Ok(());
        }
        let what = format!("more than {MAX_NODES} values, aliases followed");
        Err(Problem::at(
            place,
            what,
            "use fewer aliases, or a smaller file",
        ))
    }
}

fn place(marker: &Marker) -> Place {
    Place {
        line: marker.line().max(1),
        column: marker.col() + 1,
    }
}
