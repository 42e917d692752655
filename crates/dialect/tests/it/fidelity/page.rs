//! The page for people.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use dialect::Dialect;

use super::fields::{Fate, ODD, OTHERS, Row, Table, model};
use super::groups::{REST, group, headings};

/// What the page begins with.
const HEAD: &str = "\
# Fidelity: what becomes of each field

Bondgate translates between six dialects. These tables say, for each field of a request, what a
provider of another dialect gets of it: choose by them which providers may stand behind one
model. In one dialect everything is kept, since the client's own bytes go on. How fields are
rewritten is in [translation.md](translation.md).

| sign | the provider is sent | with `fidelity: report`, the default |
|---|---|---|
| ✓ | the same, or what the field asks for happens anyhow | |
| ≈ | something near it (approximated) | named in `x-bondgate-loss` |
| → | the same in another place (moved) | named in `x-bondgate-loss` |
| – | nothing of it; it tunes the answer (dropped) | named in `x-bondgate-loss` |
| ✗ | nothing of it, or nothing as good; the answer would do something else | refused with `cannot_translate` before anything is sent |

Several signs in one cell: it depends on the value, and the list below the table says on what.
`strict` refuses all but ✓, `permit` refuses nothing and names all. `[…]` names the kind of an
element in a list. A name stands for all that it holds, unless a longer one is listed too.

";

/// Writes the page.
pub(super) fn write(tables: &[(Dialect, Table)]) -> String {
    let mut page = HEAD.to_owned();
    page.push_str(&models());
    for (dialect, table) in tables {
        writeln!(page, "\n## Clients of `{}`", dialect.name()).unwrap();
        let rows = folded(table);
        for heading in headings() {
            section(&mut page, *dialect, heading, &rows);
        }
    }
    page.push_str(
        "\nThis page is written by `BONDGATE_WRITE_DOCS=1 cargo nextest run -p dialect -E \
         'test(the_fidelity_is_documented)'` from the fixtures of the dialects.\n",
    );
    page
}

fn models() -> String {
    let named = Dialect::ALL.map(|dialect| format!("{} `{}`", title(dialect), model(dialect)));
    format!(
        "What is sent may depend on the model; here it is {}.\n",
        named.join(", ")
    )
}

fn section(page: &mut String, dialect: Dialect, heading: &str, rows: &Table) {
    let here = |name: &str| match name {
        OTHERS | ODD => heading == REST,
        _ => group(name) == heading,
    };
    let rows: Vec<(&String, &Row)> = rows.iter().filter(|(name, _)| here(name)).collect();
    if rows.is_empty() {
        return;
    }
    let others: Vec<Dialect> = others(dialect).collect();
    writeln!(page, "\n### {heading}\n").unwrap();
    let titles: Vec<&str> = others.iter().map(|other| title(*other)).collect();
    writeln!(page, "| field | {} |", titles.join(" | ")).unwrap();
    writeln!(page, "|---|{}", "---|".repeat(others.len())).unwrap();
    for (name, row) in &rows {
        let cells: Vec<String> = others.iter().map(|other| cell(row, *other)).collect();
        writeln!(page, "| {} | {} |", quoted(name), cells.join(" | ")).unwrap();
    }
    let mut told = rows
        .iter()
        .filter(|(_, row)| row.told().next().is_some())
        .peekable();
    if told.peek().is_some() {
        page.push('\n');
    }
    for (name, row) in told {
        writeln!(page, "- {}: {}", quoted(name), reasons(row)).unwrap();
    }
}

fn quoted(name: &str) -> String {
    match name {
        OTHERS | ODD => name.to_owned(),
        _ => format!("`{name}`"),
    }
}

fn cell(row: &Row, other: Dialect) -> String {
    let fates = row.fates.get(&other).into_iter().flatten();
    let signs: Vec<&str> = fates.map(|fate| sign(*fate)).collect();
    signs.join(" ")
}

fn reasons(row: &Row) -> String {
    let told = row.told().map(|(why, others)| {
        let titles: Vec<&str> = others.iter().map(|other| title(*other)).collect();
        format!("{why} ({})", titles.join(", "))
    });
    told.collect::<Vec<_>>().join("; ")
}

fn sign(fate: Fate) -> &'static str {
    match fate {
        Fate::Kept => "✓",
        Fate::Approximated => "≈",
        Fate::Moved => "→",
        Fate::Dropped => "–",
        Fate::Refused => "✗",
    }
}

fn title(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenaiChat => "Chat",
        Dialect::AnthropicMessages => "Anthropic",
        Dialect::OpenaiResponses => "Responses",
        Dialect::Gemini => "Gemini",
        Dialect::BedrockConverse => "Converse",
        Dialect::Cohere => "Cohere",
    }
}

fn others(dialect: Dialect) -> impl Iterator<Item = Dialect> {
    Dialect::ALL
        .into_iter()
        .filter(move |other| *other != dialect)
}

/// The rows with those put together that say the same of all that a name holds.
fn folded(table: &Table) -> Table {
    let mut rows = table.clone();
    let mut names: BTreeSet<String> = table.keys().flat_map(|name| holders(name)).collect();
    while let Some(name) = names.pop_last() {
        let held: Vec<String> = rows
            .keys()
            .filter(|held| holds(&name, held))
            .cloned()
            .collect();
        let Some(shared) = usual(&rows, &held) else {
            continue;
        };
        let mut whole = Row {
            fates: shared,
            ..Row::default()
        };
        for held in &held {
            if rows[held].fates == whole.fates {
                let row = rows.remove(held).unwrap();
                for (why, others) in row.reasons {
                    whole.reasons.entry(why).or_default().extend(others);
                }
            }
        }
        rows.insert(name, whole);
    }
    rows
}

/// What is said of all of them, or of most and more than one; none where there is no such thing.
fn usual(rows: &Table, held: &[String]) -> Option<BTreeMap<Dialect, BTreeSet<Fate>>> {
    let same = |row: &Row| {
        held.iter()
            .filter(|other| rows[*other].fates == row.fates)
            .count()
    };
    let most = held
        .iter()
        .map(|name| &rows[name])
        .max_by_key(|row| same(row))?;
    let count = same(most);
    let most_of_them = count > 1 && 2 * count > held.len();
    (most_of_them || count == held.len()).then(|| most.fates.clone())
}

/// Names of what a field stands in, itself included.
fn holders(name: &str) -> Vec<String> {
    let ends = name.match_indices(['.', '[']).map(|(at, _)| at);
    ends.map(|at| name[..at].to_owned())
        .filter(|holder| !matches!(holder.as_str(), "generationConfig" | "inferenceConfig"))
        .collect()
}

fn holds(holder: &str, name: &str) -> bool {
    let rest = name.strip_prefix(holder);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}
