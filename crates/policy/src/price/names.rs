//! Names of models: which other spellings mean the same price, by rules that providers state.
//!
//! Nothing here guesses. A version is only recognised behind a name whose price is known to
//! hold for all its versions; a fine-tuned model never has the price of its base; a name
//! that hides its model, such as a deployment's, has none.

/// Prefixes of Bedrock's cross-region inference profiles.
const REGIONS: [&str; 13] = [
    "us", "eu", "apac", "global", "us-gov", "au", "jp", "ca", "in", "sa", "me", "mx", "kr",
];

/// The name alone, without the path or the owner that some providers put around it; none
/// where the name hides the model.
pub(crate) fn plain(name: &str) -> Option<&str> {
    if let Some(arn) = name.strip_prefix("arn:") {
        let resource = arn.rsplit(':').find(|part| part.contains('/'))?;
        let at = name.find(resource)?;
        let (kind, model) = name.get(at..)?.split_once('/')?;
        return matches!(kind, "foundation-model" | "inference-profile").then_some(model);
    }
    if let Some(tuned) = name.strip_prefix("ft:") {
        let base = tuned.split(':').next()?;
        return name.get(..3 + base.len());
    }
    if let Some(path) = name.strip_prefix("publishers/") {
        return path.split_once("/models/").map(|(_, model)| model);
    }
    Some(name.strip_prefix("models/").unwrap_or(name))
}

/// The name without the region in front of it, where there is one.
#[must_use]
pub fn without_region(name: &str) -> Option<&str> {
    let (region, model) = name.split_once('.')?;
    REGIONS.contains(&region).then_some(model)
}

/// Ways to cut a version off the end of a name, the shortest version first.
pub(crate) fn undated(name: &str) -> impl Iterator<Item = &str> {
    let cuts = name
        .char_indices()
        .rev()
        .filter(|(_, c)| matches!(c, '-' | '@' | ':'));
    cuts.filter_map(move |(at, _)| {
        let (base, version) = name.split_at_checked(at)?;
        is_version(version).then_some(base)
    })
}

/// Whether `name` is a version of `base`: the same, and a date, `-latest` or a version behind it.
#[must_use]
pub fn is_dated(name: &str, base: &str) -> bool {
    name.strip_prefix(base).is_some_and(is_version)
}

/// `-20250929`, `-2025-08-07`, `@20250929`, `-latest`, `@default`, `-001`, `-v1:0`,
/// `-20250929-v1:0`, `:0`, `-preview-09-2025`, `-preview-05-06`.
fn is_version(text: &str) -> bool {
    let Some(first) = text.chars().next() else {
        return false;
    };
    let rest = text.get(1..).unwrap_or_default();
    match first {
        '@' => digits(rest, 8) || matches!(rest, "latest" | "default") || digits(rest, 3),
        ':' => digits(rest, 1),
        '-' => dashed(rest),
        _ => false,
    }
}

fn dashed(text: &str) -> bool {
    if let Some(revision) = text.strip_prefix('v') {
        let (major, minor) = revision.split_once(':').unwrap_or((revision, "0"));
        return digits(major, 1) && digits(minor, 1);
    }
    if let Some((date, rest)) = text.split_once("-v") {
        return digits(date, 8) && dashed(&format!("v{rest}"));
    }
    if let Some(date) = text.strip_prefix("preview-") {
        return date
            .split_once('-')
            .is_some_and(|(m, d)| digits(m, 2) && (digits(d, 2) || digits(d, 4)));
    }
    let parts: Vec<&str> = text.split('-').collect();
    match parts[..] {
        [one] => one == "latest" || digits(one, 8) || digits(one, 3),
        [year, month, day] => digits(year, 4) && digits(month, 2) && digits(day, 2),
        _ => false,
    }
}

fn digits(text: &str, n: usize) -> bool {
    text.len() == n && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::{is_dated, plain, undated};

    #[test]
    fn a_version_is_a_date_or_a_word_that_means_one() {
        for name in [
            "m-20250929",
            "m-2025-08-07",
            "m@20250929",
            "m-latest",
            "m-001",
        ] {
            assert!(is_dated(name, "m"), "{name}");
        }
        for name in ["m-v1:0", "m-20250929-v1:0", "m:0", "m-preview-09-2025"] {
            assert!(is_dated(name, "m"), "{name}");
        }
        for name in [
            "m",
            "m-",
            "m-mini",
            "m-9",
            "m-0613",
            "m-2025",
            "m-v2-mini",
            "mm",
            "m-20250929x",
        ] {
            assert!(!is_dated(name, "m"), "{name}");
        }
    }

    #[test]
    fn the_cuts_of_a_name_end_in_versions() {
        let cuts: Vec<&str> = undated("anthropic.claude-x-20250929-v1:0").collect();
        assert_eq!(
            cuts,
            [
                "anthropic.claude-x-20250929-v1",
                "anthropic.claude-x-20250929",
                "anthropic.claude-x"
            ]
        );
    }

    #[test]
    fn a_path_around_a_name_is_taken_off_and_a_hidden_model_stays_unknown() {
        assert_eq!(plain("models/gemini-x"), Some("gemini-x"));
        assert_eq!(plain("publishers/google/models/gemini-x"), Some("gemini-x"));
        assert_eq!(plain("ft:gpt-x:acme::7p4l"), Some("ft:gpt-x"));
        assert_eq!(plain("ft:gpt-x"), Some("ft:gpt-x"));
        let profile = "arn:aws:bedrock:eu-west-1:123:inference-profile/eu.anthropic.claude-x-v1:0";
        assert_eq!(plain(profile), Some("eu.anthropic.claude-x-v1:0"));
        let own = "arn:aws:bedrock:eu-west-1:123:application-inference-profile/abc";
        assert_eq!(plain(own), None);
    }
}
