//! Puts the arguments of a call together where they come in pieces, each with the path
//! of the value that it adds to.
//!
//! The hub takes arguments as one text, which no order of pieces amounts to, so they are
//! told when the call is whole. A call that never becomes whole must never look it.
//!
//! Source: <https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling>.

use crate::codec::Broken;
use crate::json::{Invalid, Json, Kind, Reader, Writer};

/// Most bytes of arguments that are put together.
const BYTES: usize = 16 << 20;
/// Most members of one object or elements of one array.
const MEMBERS: usize = 4096;
/// Most steps of a path.
const STEPS: usize = 64;

/// A value that grows.
#[derive(Clone, Debug)]
enum Node {
    Raw(Json),
    Text(String),
    Object(Vec<(String, Node)>),
    Array(Vec<Node>),
}

/// The arguments as far as they came.
#[derive(Clone, Debug)]
pub(super) struct Arguments {
    root: Node,
    bytes: usize,
}

enum Step {
    Member(String),
    Element(usize),
}

impl Default for Arguments {
    fn default() -> Self {
        Self {
            root: Node::Object(Vec::new()),
            bytes: 0,
        }
    }
}

impl Arguments {
    /// Takes in `partialArgs`.
    pub(super) fn push(&mut self, reader: &mut Reader<'_>) -> Result<(), Broken> {
        reader.array(|_, piece| {
            let (mut path, mut value) = (None, None);
            piece.object(|key, member| {
                match (key, member.peek()?) {
                    ("jsonPath", Kind::String) => path = Some(member.string()?.into_owned()),
                    ("stringValue", Kind::String) => {
                        value = Some(Node::Text(member.string()?.into_owned()));
                    }
                    ("numberValue" | "boolValue" | "nullValue", Kind::String) => {
                        // The only word of `nullValue`.
                        member.skip()?;
                        value = Some(Node::Raw(Json::written(|out| {
                            out.null();
                        })));
                    }
                    ("numberValue" | "boolValue" | "nullValue", _) => {
                        value = Some(Node::Raw(member.json()?));
                    }
                    _ => {
                        member.skip()?;
                    }
                }
                Ok(())
            })?;
            let path = path.ok_or_else(|| Invalid::new("a piece of arguments has no path"))?;
            if let Some(value) = value {
                self.add(&path, value)?;
            }
            Ok(())
        })?;
        Ok(())
    }

    fn add(&mut self, path: &str, value: Node) -> Result<(), Invalid> {
        self.bytes += path.len()
            + match &value {
                Node::Text(text) => text.len(),
                Node::Raw(raw) => raw.text().len(),
                Node::Object(_) | Node::Array(_) => 0,
            };
        if self.bytes > BYTES {
            return Err(Invalid::new("arguments are larger than 16 MiB"));
        }
        let wrong = || Invalid::new("a path of arguments leads nowhere");
        let mut node = &mut self.root;
        for step in steps(path).ok_or_else(wrong)? {
            node = node.step(step).ok_or_else(wrong)?;
        }
        match (node, value) {
            (Node::Text(text), Node::Text(more)) => text.push_str(&more),
            (node, value) => *node = value,
        }
        Ok(())
    }

    /// The arguments as JSON.
    pub(super) fn finish(&self) -> String {
        let mut out = Writer::with_capacity(self.bytes);
        self.root.write(&mut out);
        String::from_utf8_lossy(&out.into_bytes()).into_owned()
    }
}

impl Node {
    /// The value one step down, made where there is none yet.
    fn step(&mut self, step: Step) -> Option<&mut Node> {
        if let Node::Raw(raw) = self
            && raw.is_null()
        {
            *self = match step {
                Step::Member(_) => Node::Object(Vec::new()),
                Step::Element(_) => Node::Array(Vec::new()),
            };
        }
        let none = || {
            Node::Raw(Json::written(|out| {
                out.null();
            }))
        };
        match (self, step) {
            (Node::Object(members), Step::Member(name)) => {
                let at = members.iter().position(|(known, _)| *known == name);
                let at = at.unwrap_or(members.len());
                if at == members.len() && at < MEMBERS {
                    members.push((name, none()));
                }
                members.get_mut(at).map(|(_, node)| node)
            }
            (Node::Array(elements), Step::Element(at)) => {
                if at == elements.len() && at < MEMBERS {
                    elements.push(none());
                }
                elements.get_mut(at)
            }
            (Node::Raw(_) | Node::Text(_) | Node::Object(_) | Node::Array(_), _) => None,
        }
    }

    fn write(&self, out: &mut Writer) {
        match self {
            Node::Raw(raw) => {
                out.json(raw);
            }
            Node::Text(text) => {
                out.string(text);
            }
            Node::Object(members) => {
                out.object(|out| {
                    for (name, node) in members {
                        out.key(name);
                        node.write(out);
                    }
                });
            }
            Node::Array(elements) => {
                out.array(|out| {
                    elements.iter().for_each(|node| node.write(out));
                });
            }
        }
    }
}

/// The steps of a path such as `$.a[0]['b']`.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if steps.len() == STEPS {
            return None;
        }
        if let Some(name) = rest.strip_prefix('.') {
            let end = name.find(['.', '[']).unwrap_or(name.len());
            steps.push(Step::Member(name.get(..end)?.to_owned()));
            rest = name.get(end..)?;
            continue;
        }
        let inner = rest.strip_prefix('[')?;
        let quote = inner.chars().next().filter(|c| ['\'', '"'].contains(c));
        if let Some(quote) = quote {
            let (name, after) = inner.get(1..)?.split_once(quote)?;
            steps.push(Step::Member(name.to_owned()));
            rest = after.strip_prefix(']')?;
        } else {
            let (number, after) = inner.split_once(']')?;
            steps.push(Step::Element(number.parse().ok()?));
            rest = after;
        }
    }
    Some(steps)
}
