//! What the hub has no word for: kept at its node, in the words of its dialect.
//!
//! Extra fields return when the dialect they came from is written, and are
//! losses when another is. They must never be mixed between dialects.

use crate::json::{Invalid, Json, Kind, Reader, Writer};

/// Fields that the hub has no word for, as they stood at one node.
///
/// They belong to the dialect that the whole request or answer came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extra {
    fields: Vec<(String, Json)>,
    /// Members of those fields that are understood in part, each by its path.
    members: Box<[(String, Json)]>,
    notes: Vec<&'static str>,
    /// Names of fields that say nothing to an application.
    asides: &'static [&'static str],
    /// Names of fields without which the answer is another one.
    weighty: &'static [&'static str],
}

impl Extra {
    /// Keeps a field.
    pub fn push(&mut self, name: &str, value: Json) {
        self.fields.push((name.to_owned(), value));
    }

    /// Keeps how something that the hub does understand was spelled, for the dialect
    /// of origin alone. A note is no field: it is not written and leaving it is no loss.
    pub fn note(&mut self, note: &'static str) {
        if !self.noted(note) {
            self.notes.push(note);
        }
    }

    /// Whether that note was made.
    #[must_use]
    pub fn noted(&self, note: &str) -> bool {
        self.notes.contains(&note)
    }

    /// Says which fields, should they stand here, are of the provider's own housekeeping.
    /// They are kept and written like others, but leaving them loses nothing.
    pub fn set_asides(&mut self, names: &'static [&'static str]) {
        self.asides = names;
    }

    /// Says which fields, should they stand here, change what the answer does.
    pub fn set_weighty(&mut self, names: &'static [&'static str]) {
        self.weighty = names;
    }

    /// Whether leaving the field of that name changes what the answer does.
    #[must_use]
    pub fn is_weighty(&self, name: &str) -> bool {
        self.weighty.contains(&name)
    }

    /// The fields that say something: leaving out a `null`, an empty list or object or an aside
    /// loses nothing.
    pub fn said(&self) -> impl Iterator<Item = (&str, &Json)> {
        let empty = |value: &Json| value.is_null() || value.is_bare();
        let aside = |name: &str| {
            let known = self.asides.iter();
            known
                .copied()
                .any(|aside| aside == name || is_under(name, aside))
        };
        self.named()
            .filter(move |(name, value)| !empty(value) && !aside(name))
    }

    /// The field of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.fields
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value)
    }

    /// Takes the field of that name out.
    pub fn take(&mut self, name: &str) -> Option<Json> {
        let at = self.fields.iter().position(|(n, _)| n == name)?;
        let members = std::mem::take(&mut self.members).into_vec();
        let others = members.into_iter();
        self.members = others.filter(|(path, _)| !is_under(path, name)).collect();
        Some(self.fields.swap_remove(at).1)
    }

    /// All fields, in the order in which they stood.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.fields
            .iter()
            .map(|(name, value)| (name.as_str(), value))
    }

    /// All fields; of one that is understood in part, what is not, member by member.
    fn named(&self) -> impl Iterator<Item = (&str, &Json)> {
        let within = |name: &str| {
            let of_it = |(path, _): &(String, Json)| is_under(path, name);
            self.members.iter().any(of_it)
        };
        let whole = self.iter().filter(move |(name, _)| !within(name));
        let members = self.members.iter();
        whole.chain(members.map(|(path, value)| (path.as_str(), value)))
    }

    /// How many fields are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Writes the fields as members of the object being written.
    pub fn write(&self, out: &mut Writer) {
        for (name, value) in self.iter() {
            out.key(name).json(value);
        }
    }
    /// Writes the fields but for those named.
    pub fn write_but(&self, out: &mut Writer, except: &[&str]) {
        for (name, value) in self.iter() {
            if !except.contains(&name) {
                out.key(name).json(value);
            }
        }
    }

    /// Keeps, under `name`, what the object of that name held beside what was understood.
    pub fn keep_inner(&mut self, name: &str, inner: &Extra) {
        if !inner.is_empty() {
            let members = inner.named();
            let members = members.map(|(path, value)| (format!("{name}.{path}"), value.clone()));
            let known = std::mem::take(&mut self.members).into_vec();
            self.members = known.into_iter().chain(members).collect();
            self.push(
                name,
                Json::written(|out| {
                    out.object(|out| inner.write(out));
                }),
            );
        }
    }

    /// Writes what [`Extra::keep_inner`] kept under `name` as members of the object being written.
    pub fn write_inner(&self, out: &mut Writer, name: &str) {
        if let Some(inner) = self.get(name) {
            inner.write_members(out, &[]);
        }
    }
}

fn is_under(path: &str, name: &str) -> bool {
    path.strip_prefix(name)
        .is_some_and(|rest| rest.starts_with('.'))
}

/// Reads a member's value with `read`; an explicit `null` is kept under its name instead.
///
/// # Errors
/// What `read` fails with.
pub fn given<'a, T>(
    reader: &mut Reader<'a>,
    extra: &mut Extra,
    name: &str,
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, Invalid>,
) -> Result<Option<T>, Invalid> {
    if reader.peek()? == Kind::Null {
        extra.push(name, reader.json()?);
        return Ok(None);
    }
    read(reader).map(Some)
}
