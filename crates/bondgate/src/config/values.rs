//! The kinds of value that a configuration is written with, and what the schema says of each.
//!
//! [`At`] carries where a value stands; [`TextOr`] is a value in short or in long form;
//! [`SecretText`] cannot be shown; [`Said`] is a word that policy itself reads. The formats named here are checked by [`check_format`],
//! so that schema, checker and reader agree by construction.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::net::SocketAddr;

use policy::limit::{self, Each, Scope, WhenUnbounded};
use policy::secret::Secret;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::problem::Place;
use super::units::{Moment, Percent, Period, Rate, Size, Usd};

/// Name by which [`At`] asks the decoder for the place of a value.
pub(super) const AT: &str = "$At";

/// A value and where it stands.
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Where.
    pub place: Place,
    /// False where something below was taken out because it is wrong: what is missing
    /// then is not worth another problem.
    pub whole: bool,
    /// Whether the text is the file's own and may be shown.
    pub written: bool,
}

impl At<String> {
    /// The text in backquotes, or other words for what may be a secret.
    #[must_use]
    pub fn shown(&self) -> String {
        if self.written {
            format!("`{}`", self.value)
        } else {
            "this value".to_owned()
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(decoder: D) -> Result<Self, D::Error> {
        struct Parts<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Parts<T> {
            type Value = At<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value with its place")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<At<T>, A::Error> {
                let mut number = || -> Result<usize, A::Error> {
                    parts
                        .next_element()?
                        .ok_or_else(|| A::Error::custom("a place has four parts"))
                };
                let place = Place {
                    line: number()?,
                    column: number()?,
                };
                let (whole, written) = (number()? == 1, number()? == 1);
                let value = parts
                    .next_element()?
                    .ok_or_else(|| A::Error::custom("no value"))?;
                Ok(At {
                    value,
                    place,
                    whole,
                    written,
                })
            }
        }

        decoder.deserialize_tuple_struct(AT, 5, Parts(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// A value in short form, one text, or in long form, a mapping.
pub enum TextOr<T> {
    /// The short form.
    Text(String),
    /// The long form.
    Full(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for TextOr<T> {
    fn deserialize<D: Deserializer<'de>>(decoder: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = TextOr<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a mapping")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<TextOr<T>, E> {
                Ok(TextOr::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TextOr<T>, A::Error> {
                T::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(TextOr::Full)
            }
        }

        decoder.deserialize_any(Either(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for TextOr<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("TextOr{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let full = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [{ "type": "string" }, full] })
    }
}

/// Text that must not be seen.
pub struct SecretText(pub Secret);

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(decoder: D) -> Result<Self, D::Error> {
        String::deserialize(decoder).map(|text| Self(Secret::new(text)))
    }
}

/// A word that policy reads, so that there is one reader of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said<T>(pub T);

/// What the schema says of a word that policy reads.
pub trait Spelled: std::str::FromStr {
    /// The schema of its text.
    fn schema() -> Schema;
}

impl Spelled for Scope {
    fn schema() -> Schema {
        json_schema!({ "type": "string", "format": "scope", "examples": ["team:support"] })
    }
}

impl Spelled for Each {
    fn schema() -> Schema {
        json_schema!({ "type": "string", "format": "each", "examples": ["user", "tag:app"] })
    }
}

impl Spelled for limit::Period {
    fn schema() -> Schema {
        json_schema!({ "type": "string", "enum": [
            "minute", "hour", "day", "week", "month", "quarter", "year", "total", "run",
        ] })
    }
}

impl Spelled for limit::Mode {
    fn schema() -> Schema {
        json_schema!({ "type": "string", "enum": ["enforce", "report"] })
    }
}

impl Spelled for WhenUnbounded {
    fn schema() -> Schema {
        json_schema!({ "type": "string", "enum": ["clamp", "refuse"] })
    }
}

impl<'de, T: Spelled> Deserialize<'de> for Said<T> {
    fn deserialize<D: Deserializer<'de>>(decoder: D) -> Result<Self, D::Error> {
        let read = String::deserialize(decoder)?.parse();
        read.map(Self)
            .map_err(|_| D::Error::custom("expected another word"))
    }
}

impl<T: Spelled> JsonSchema for Said<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Said".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        T::schema()
    }
}

fn expected(error: &limit::WordError) -> String {
    format!("write {}", error.expected)
}

/// A socket address, such as `127.0.0.1:4000` or `[::]:4000`; `localhost` is 127.0.0.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address(pub SocketAddr);

impl std::str::FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let spelled = match text.strip_prefix("localhost:") {
            Some(port) => Cow::from(format!("127.0.0.1:{port}")),
            None => Cow::from(text),
        };
        spelled.parse().map(Self).map_err(|_| {
            "an address is written `127.0.0.1:4000`, `0.0.0.0:4000`, `[::]:4000` or `localhost:4000`"
                .to_owned()
        })
    }
}

/// What a format of the schema asks of a text.
///
/// # Errors
/// How the text is written, without repeating it.
pub(super) fn check_format(format: &str, text: &str) -> Result<(), String> {
    match format {
        "duration" => text.parse::<Period>().map(drop),
        "size" => text.parse::<Size>().map(drop),
        "money" => text.parse::<Usd>().map(drop),
        "moment" => text.parse::<Moment>().map(drop),
        "address" => text.parse::<Address>().map(drop),
        "rate" => text.parse::<Rate>().map(drop),
        "percent" => text.parse::<Percent>().map(drop),
        // The reader's own words repeat the text, which may be a secret in the wrong place.
        "scope" => text
            .parse::<Scope>()
            .map(drop)
            .map_err(|error| expected(&error)),
        "each" => text
            .parse::<Each>()
            .map(drop)
            .map_err(|error| expected(&error)),
        _ => Ok(()),
    }
}

/// Whether a format stands for text that must not be shown.
pub(super) fn is_secret(schema: &Value) -> bool {
    schema.get("format").and_then(Value::as_str) == Some("secret")
}

macro_rules! written_as_text {
    ($($type:ident, $format:literal, $example:literal;)*) => {$(
        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "format": $format, "examples": [$example] })
            }
        }
    )*};
}

macro_rules! read_from_text {
    ($($type:ident)*) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(decoder: D) -> Result<Self, D::Error> {
                String::deserialize(decoder)?.parse().map_err(D::Error::custom)
            }
        }
    )*};
}

written_as_text! {
    Period, "duration", "30s";
    Size, "size", "512MiB";
    Usd, "money", "0.15 USD";
    Moment, "moment", "2026-12-31";
    Address, "address", "127.0.0.1:4000";
    Rate, "rate", "600/min";
    Percent, "percent", "80%";
    SecretText, "secret", "${OPENAI_API_KEY}";
}

read_from_text! { Period Size Usd Moment Address Rate Percent }
