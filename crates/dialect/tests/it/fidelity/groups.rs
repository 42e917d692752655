//! How the fields are put together for people.

/// Headings, and what the names of their fields hold; the first that fits counts.
const GROUPS: &[(&str, &[&str])] = &[
    ("Tools", &["tool", "function", "strict", "parallel"]),
    ("Reasoning", &["reason", "think", "thought", "effort"]),
    (
        "Pictures, sound, film, documents",
        &[
            "image", "audio", "video", "file", "document", "inline", "media", "search",
        ],
    ),
    (
        "Form of the answer",
        &[
            "format",
            "response",
            "outputconfig",
            "output_config",
            "text.",
            "logprobs",
            "modalit",
            "candidate",
            "include",
        ],
    ),
    (
        "Conversation",
        &[
            "messages",
            "contents",
            "input[",
            "input",
            "system",
            "instructions",
        ],
    ),
    (
        "Sampling and limits",
        &[
            "temperature",
            "top",
            "penalty",
            "seed",
            "bias",
            "stop",
            "max",
            "config",
            "n",
            "k",
            "p",
        ],
    ),
];

/// Where what fits none of them stands.
pub(super) const REST: &str = "Other";

/// Members whose content is the application's own and is looked at as a whole.
const FREE: &[&str] = &[
    "parameters",
    "input_schema",
    "schema",
    "json",
    "args",
    "arguments",
    "response",
    "metadata",
    "logit_bias",
    "citations",
    "annotations",
    "requestMetadata",
    "responseSchema",
    "responseJsonSchema",
    "parametersJsonSchema",
    "parameterDefinitions",
    "labels",
];

/// Members that the fixtures made up, to stand for those that are not known yet.
const MADE_UP: &[&str] = &[
    "beside", "cost", "deep", "depth", "future", "hologram", "later", "mood", "newKnob", "newTop",
    "note", "origin", "quantum", "quick", "returns", "style", "tier", "weight", "x-owner",
];

/// The heading under which a field stands.
pub(super) fn group(name: &str) -> &'static str {
    let small = name.to_ascii_lowercase();
    let fits = |word: &&str| match word.len() {
        1 => small == **word,
        _ => small.contains(*word),
    };
    GROUPS
        .iter()
        .find(|(_, words)| words.iter().any(fits))
        .map_or(REST, |(heading, _)| heading)
}

/// The headings in their order.
pub(super) fn headings() -> impl Iterator<Item = &'static str> {
    const ORDER: [&str; 3] = ["Conversation", "Pictures, sound, film, documents", "Tools"];
    let later = GROUPS.iter().map(|(heading, _)| *heading);
    ORDER
        .into_iter()
        .chain(later.filter(|heading| !ORDER.contains(heading)))
        .chain([REST])
}

/// Whether what the field holds is the application's own.
pub(super) fn is_free(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    FREE.contains(&last)
}

/// Whether it stands for any field that is not known.
pub(super) fn is_made_up(key: &str) -> bool {
    MADE_UP.contains(&key)
}
