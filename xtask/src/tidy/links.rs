//! Relative links in documents lead to a file, folder or heading that is
//! there.
//!
//! Inline links, images and reference definitions are read; code blocks and
//! code spans are not. Anchors follow GitHub's rule for headings. Links to
//! other sites are not followed.

use std::collections::BTreeSet;

use super::{Problem, Tree};

/// Every relative link of every Markdown file resolves.
pub fn resolve(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, text) in tree.files().filter(|(path, _)| path.ends_with(".md")) {
        for (line, target) in links(text) {
            if let Some(says) = broken(tree, path, &target) {
                problems.push(Problem::new(format!("{path}:{line}"), says));
            }
        }
    }
    problems
}

/// What is wrong with a link, if anything.
fn broken(tree: &Tree, from: &str, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let Some(place) = locate(from, file) else {
        return Some(format!("link `{target}` leaves the repository"));
    };
    if !tree.has(&place) {
        return Some(format!(
            "link `{target}` leads to {place}, which is not there"
        ));
    }
    let headings = tree
        .text(&place)
        .filter(|_| place.ends_with(".md"))
        .map(anchors);
    match headings {
        Some(headings) if !anchor.is_empty() && !headings.contains(anchor) => Some(format!(
            "link `{target}`: {place} has no heading `#{anchor}`"
        )),
        Some(_) | None => None,
    }
}

/// The path from the root that a link means, unless it leads outside.
fn locate(from: &str, link: &str) -> Option<String> {
    if link.is_empty() {
        return Some(from.to_owned());
    }
    let mut parts: Vec<&str> = match link.strip_prefix('/') {
        Some(_) => Vec::new(),
        None => from.split('/').collect(),
    };
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// (line, target) of each link in a Markdown text.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (line, content) in prose(text) {
        let content = without_code(content);
        let definition = content
            .trim_start()
            .strip_prefix('[')
            .and_then(|rest| rest.split_once("]: "));
        let definition = definition
            .filter(|(name, _)| !name.contains(']'))
            .map(|(_, target)| target);
        let inline = content
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        for target in inline.chain(definition) {
            let target = target.split_whitespace().next().unwrap_or_default();
            found.push((
                line,
                target
                    .trim_start_matches('<')
                    .trim_end_matches('>')
                    .to_owned(),
            ));
        }
    }
    found
}

/// The numbered lines of a Markdown text outside fenced code.
pub fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fence: Option<&str> = None;
    (1..).zip(text.lines()).filter(move |(_, line)| {
        let start = line.trim_start();
        let mark = ["```", "~~~"]
            .into_iter()
            .find(|mark| start.starts_with(mark));
        match (fence, mark) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            (None, None) => return true,
            (Some(_), _) => {}
        }
        false
    })
}

fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

/// The anchors of a Markdown text: its headings, and `id`s written out.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (_, line) in prose(text) {
        let title = line.trim_start_matches('#');
        if title.len() < line.len() && title.starts_with(' ') {
            let slug = slug(title);
            let repeated = (1..).map(|n| format!("{slug}-{n}"));
            let free = std::iter::once(slug.clone())
                .chain(repeated)
                .find(|name| !found.contains(name));
            found.extend(free);
        }
        let ids = line
            .split("id=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next());
        found.extend(ids.map(str::to_owned));
    }
    found
}

fn slug(title: &str) -> String {
    let kept = title
        .trim()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase)
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}
