//! A checked tree to [`ConfigFile`](super::file::ConfigFile), through serde.
//!
//! Scalars are read by what the field takes. [`At`](super::values::At) asks for its place
//! by name. The tree was checked against the schema before, so an error here is a
//! difference between schema and types; it still says its place and no value.

use std::fmt;

use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess,
    SeqAccess, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::node::{Entry, Kind, Node, TextSource};
use super::problem::{Place, Problem};
use super::values::AT;

/// Reads a value from a tree.
///
/// # Errors
/// A problem where the tree does not fit the type.
pub fn decode<T: DeserializeOwned>(root: &Node) -> Result<T, Problem> {
    T::deserialize(Decoder(root)).map_err(|wrong| {
        let place = wrong.place.unwrap_or(root.place);
        Problem::at(place, "this cannot be read", wrong.why)
    })
}

#[derive(Clone, Copy)]
struct Decoder<'n>(&'n Node);

/// What does not fit, and where.
#[derive(Debug)]
struct Wrong {
    place: Option<Place>,
    why: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for Wrong {}

impl de::Error for Wrong {
    fn custom<T: fmt::Display>(why: T) -> Self {
        Self {
            place: None,
            why: why.to_string(),
        }
    }

    fn invalid_value(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format_args!("expected {expected}"))
    }

    fn invalid_type(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format_args!("expected {expected}"))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(format_args!("expected one of {}", expected.join(", ")))
    }
}

impl<'n> Decoder<'n> {
    fn text(self) -> Result<&'n str, Wrong> {
        match &self.0.kind {
            Kind::Scalar(scalar) => Ok(scalar.text.as_str()),
            Kind::Map(_) | Kind::List(_) => Err(self.wrong("a single value")),
        }
    }

    fn wrong(self, expected: &str) -> Wrong {
        Wrong {
            place: Some(self.0.place),
            why: format!("expected {expected}"),
        }
    }

    fn placed<T>(self, result: Result<T, Wrong>) -> Result<T, Wrong> {
        result.map_err(|wrong| Wrong {
            place: wrong.place.or(Some(self.0.place)),
            why: wrong.why,
        })
    }
}

impl<'de> Deserializer<'de> for Decoder<'_> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.placed(match &self.0.kind {
            Kind::Map(entries) => visitor.visit_map(Entries {
                left: entries.iter(),
                value: None,
            }),
            Kind::List(items) => visitor.visit_seq(Items(items.iter())),
            Kind::Scalar(scalar) => visitor.visit_str(&scalar.text),
        })
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let value = self
            .text()?
            .parse()
            .map_err(|_| self.wrong("true or false"))?;
        self.placed(visitor.visit_bool(value))
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let value = self
            .text()?
            .parse()
            .map_err(|_| self.wrong("a whole number"))?;
        self.placed(visitor.visit_u32(value))
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let value = self
            .text()?
            .parse()
            .map_err(|_| self.wrong("a whole number"))?;
        self.placed(visitor.visit_u64(value))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        if name == AT {
            self.placed(visitor.visit_seq(Parts {
                node: self.0,
                next: 0,
            }))
        } else {
            self.deserialize_any(visitor)
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        self.placed(visitor.visit_enum(Word(self.text()?)))
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 u8 u16 f32 f64 char str string bytes byte_buf unit unit_struct seq
        tuple map struct identifier ignored_any
    }
}

struct Entries<'n> {
    left: std::slice::Iter<'n, Entry>,
    value: Option<&'n Node>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Wrong> {
        let Some(entry) = self.left.next() else {
            return Ok(None);
        };
        self.value = Some(&entry.value);
        seed.deserialize(entry.key.as_str().into_deserializer())
            .map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Wrong> {
        let node = self
            .value
            .take()
            .ok_or_else(|| de::Error::custom("a value without a key"))?;
        seed.deserialize(Decoder(node))
    }
}

struct Items<'n>(std::slice::Iter<'n, Node>);

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Wrong> {
        self.0
            .next()
            .map(|node| seed.deserialize(Decoder(node)))
            .transpose()
    }
}

/// The parts of an `At`: line, column, whether whole, whether written, the value.
struct Parts<'n> {
    node: &'n Node,
    next: u8,
}

impl<'de> SeqAccess<'de> for Parts<'_> {
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Wrong> {
        let written = match &self.node.kind {
            Kind::Scalar(scalar) => scalar.source == TextSource::Written,
            Kind::Map(_) | Kind::List(_) => true,
        };
        let number = match self.next {
            0 => self.node.place.line,
            1 => self.node.place.column,
            2 => usize::from(self.node.whole),
            3 => usize::from(written),
            4 => {
                self.next += 1;
                return seed.deserialize(Decoder(self.node)).map(Some);
            }
            _ => return Ok(None),
        };
        self.next += 1;
        seed.deserialize(number.into_deserializer()).map(Some)
    }
}

struct Word<'n>(&'n str);

impl<'de> EnumAccess<'de> for Word<'_> {
    type Error = Wrong;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Wrong> {
        let value = seed.deserialize(self.0.into_deserializer())?;
        Ok((value, self))
    }
}

impl<'de> VariantAccess<'de> for Word<'_> {
    type Error = Wrong;

    fn unit_variant(self) -> Result<(), Wrong> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, Wrong> {
        Err(de::Error::custom("expected a single word"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Wrong> {
        Err(de::Error::custom("expected a single word"))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Wrong> {
        Err(de::Error::custom("expected a single word"))
    }
}
