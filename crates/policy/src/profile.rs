//! What a model can do: data, from a published catalogue, which a configuration may override.
//!
//! Each ability is known, known to be missing, or unknown; what is unknown is assumed to be there, since
//! a catalogue that is behind must not keep anybody from a model.

use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

use dialect::needs::Need;
use serde::{Deserialize, Serialize};

use crate::price::names;

/// What is known of a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Profile {
    /// The longest input, in tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_input_tokens: Option<u64>,
    /// The longest output, in tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    /// Whether it calls tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<bool>,
    /// Whether it sees pictures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vision: Option<bool>,
    /// Whether it hears sound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio: Option<bool>,
    /// Whether it sees films.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video: Option<bool>,
    /// Whether it reads documents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub documents: Option<bool>,
    /// Whether it answers after a JSON schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json_schema: Option<bool>,
    /// Whether it reasons as asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<bool>,
    /// How Claude is asked to reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking: Option<Thinking>,
    /// Whether it goes on from a message of its own at the end of a request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefill: Option<bool>,
}

/// How Claude is asked to reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Thinking {
    /// By a budget of tokens.
    Budget,
    /// As much as it sees fit.
    Adaptive,
}

impl Profile {
    /// What is known that the built-in data says of a model: `catalogue_id` is its provider's row of
    /// the catalogue, the model in the provider's words. Nothing where the data does not know it.
    #[must_use]
    pub fn built_in(catalogue_id: &str, model: &str) -> Profile {
        static BOOK: LazyLock<Book> = LazyLock::new(|| Book::shelved(DATA));
        BOOK.find(catalogue_id, model).unwrap_or_default()
    }

    /// This where it says something, else the other.
    #[must_use]
    pub fn over(self, other: Profile) -> Profile {
        Profile {
            max_input_tokens: self.max_input_tokens.or(other.max_input_tokens),
            max_output_tokens: self.max_output_tokens.or(other.max_output_tokens),
            tools: self.tools.or(other.tools),
            vision: self.vision.or(other.vision),
            audio: self.audio.or(other.audio),
            video: self.video.or(other.video),
            documents: self.documents.or(other.documents),
            json_schema: self.json_schema.or(other.json_schema),
            reasoning: self.reasoning.or(other.reasoning),
            thinking: self.thinking.or(other.thinking),
            prefill: self.prefill.or(other.prefill),
        }
    }

    /// Whether it can do that; none where nobody says.
    #[must_use]
    pub fn can(&self, need: Need) -> Option<bool> {
        match need {
            Need::Tools => self.tools,
            Need::Vision => self.vision,
            Need::Audio => self.audio,
            Need::Video => self.video,
            Need::Documents => self.documents,
            Need::JsonSchema => self.json_schema,
            Need::Reasoning => self.reasoning,
            Need::Prefill => self.prefill,
            // What a provider runs or keeps, and what its dialect says, is no matter of the model.
            Need::HostedTools
            | Need::Json
            | Need::Logprobs
            | Need::Candidates
            | Need::StoredFile
            | Need::ServerState
            | Need::Background => None,
        }
    }
}

/// One line of the data: models of one provider that can do the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The catalogue's provider.
    pub provider: String,
    /// Their names.
    pub models: Vec<String>,
    /// What they can do.
    pub profile: Profile,
}

const DATA: &str = include_str!("../data/profiles.jsonl");

/// The data by provider, each provider's read when it is first asked for.
struct Book(HashMap<&'static str, Shelf>);

#[derive(Default)]
struct Shelf {
    unread: Vec<&'static str>,
    read: OnceLock<HashMap<String, Profile>>,
}

impl Book {
    fn shelved(text: &'static str) -> Self {
        let mut shelves: HashMap<&'static str, Shelf> = HashMap::new();
        for line in text.lines() {
            let provider = line.strip_prefix(r#"{"provider":""#);
            if let Some((provider, _)) = provider.and_then(|rest| rest.split_once('"')) {
                shelves.entry(provider).or_default().unread.push(line);
            }
        }
        Self(shelves)
    }

    fn find(&self, provider: &str, model: &str) -> Option<Profile> {
        let shelf = self.0.get(provider)?;
        let known = shelf.read.get_or_init(|| read(&shelf.unread));
        let plain = names::plain(model)?;
        let spellings = [Some(plain), names::without_region(plain)];
        spellings.into_iter().flatten().find_map(|name| {
            let mut names = std::iter::once(name).chain(names::undated(name));
            names.find_map(|name| known.get(name)).copied()
        })
    }
}

/// A line that cannot be read is found by a test; it would leave its models unknown.
fn read(lines: &[&str]) -> HashMap<String, Profile> {
    let lines = lines
        .iter()
        .filter_map(|line| serde_json::from_str::<Line>(line).ok());
    lines
        .flat_map(|line| {
            line.models
                .into_iter()
                .map(move |name| (name, line.profile))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use dialect::needs::Need;

    use super::{DATA, Line, Profile};

    #[test]
    fn every_line_of_the_data_reads_and_its_models_are_found() {
        let mut found = 0;
        for line in DATA.lines() {
            let line: Line = serde_json::from_str(line).unwrap();
            assert_ne!(line.profile, Profile::default(), "{:?}", line.models);
            for model in &line.models {
                let profile = Profile::built_in(&line.provider, model);
                // A fine-tuned or hidden model has no profile of its base.
                if super::names::plain(model) == Some(model) {
                    assert_eq!(profile, line.profile, "{}/{model}", line.provider);
                    found += 1;
                }
            }
        }
        assert!(found > 1_000, "{found}");
    }

    #[test]
    fn a_region_and_a_version_change_nothing_and_what_is_unknown_is_not_denied() {
        let sonnet = Profile::built_in("bedrock", "anthropic.claude-sonnet-4-20250514-v1:0");
        assert_eq!(sonnet.vision, Some(true));
        let there = Profile::built_in("bedrock", "eu.anthropic.claude-sonnet-4-20250514-v1:0");
        assert_eq!(there.vision, Some(true));
        assert_eq!(
            Profile::built_in("openai", "nobody-knows"),
            Profile::default()
        );
        assert_eq!(Profile::default().can(Need::Vision), None);
    }

    #[test]
    fn what_a_configuration_says_wins() {
        let own = Profile {
            vision: Some(false),
            ..Profile::default()
        };
        let known = Profile {
            vision: Some(true),
            tools: Some(true),
            ..Profile::default()
        };
        let both = own.over(known);
        assert_eq!((both.vision, both.tools), (Some(false), Some(true)));
    }
}
