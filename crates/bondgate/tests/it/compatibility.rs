//! The tables of docs/clients.md: what the suites measured, client by client.
//!
//! Each suite checks its own rows, or writes them where `BONDGATE_WRITE_DOCS` is set, so that
//! no row stands there that no suite has seen.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;

use serde_json::Value;

use crate::program::root;

/// Clients in the order of their rows: how the suites name one, how a reader does, and where its
/// version is pinned.
const CLIENTS: [Client; 27] = [
    python("openai", "openai, chat", "openai"),
    python("responses", "openai, responses", "openai"),
    python("anthropic", "anthropic", "anthropic"),
    python("gemini", "google-genai", "google-genai"),
    python("bedrock", "boto3 bedrock-runtime", "boto3"),
    python("cohere", "cohere", "cohere"),
    framework("langchain-openai", "langchain-openai", "langchain-openai"),
    framework(
        "langchain-anthropic",
        "langchain-anthropic",
        "langchain-anthropic",
    ),
    framework(
        "pydantic-ai-openai",
        "pydantic-ai, OpenAI chat",
        "pydantic-ai-slim",
    ),
    framework(
        "pydantic-ai-responses",
        "pydantic-ai, OpenAI responses",
        "pydantic-ai-slim",
    ),
    framework(
        "pydantic-ai-anthropic",
        "pydantic-ai, Anthropic",
        "pydantic-ai-slim",
    ),
    framework(
        "pydantic-ai-google",
        "pydantic-ai, Google",
        "pydantic-ai-slim",
    ),
    framework(
        "pydantic-ai-bedrock",
        "pydantic-ai, Bedrock",
        "pydantic-ai-slim",
    ),
    framework(
        "pydantic-ai-cohere",
        "pydantic-ai, Cohere",
        "pydantic-ai-slim",
    ),
    node("openai", "openai, chat", "openai"),
    node("responses", "openai, responses", "openai"),
    node("anthropic", "@anthropic-ai/sdk", "@anthropic-ai/sdk"),
    node("gemini", "@google/genai", "@google/genai"),
    node("vercel-openai", "ai + @ai-sdk/openai", "@ai-sdk/openai"),
    node(
        "vercel-openai-chat",
        "ai + @ai-sdk/openai, chat",
        "@ai-sdk/openai",
    ),
    node(
        "vercel-openai-compatible",
        "ai + @ai-sdk/openai-compatible",
        "@ai-sdk/openai-compatible",
    ),
    node(
        "vercel-anthropic",
        "ai + @ai-sdk/anthropic",
        "@ai-sdk/anthropic",
    ),
    node("vercel-google", "ai + @ai-sdk/google", "@ai-sdk/google"),
    node(
        "vercel-bedrock",
        "ai + @ai-sdk/amazon-bedrock",
        "@ai-sdk/amazon-bedrock",
    ),
    agent("claude", "Claude Code", "@anthropic-ai/claude-code"),
    agent("codex", "Codex", "@openai/codex"),
    agent("gemini", "Gemini CLI", "@google/gemini-cli"),
];

/// Clients of the real engine, in the order of their rows.
const OF_THE_ENGINE: [Client; 6] = [
    python("openai", "openai, chat", "openai"),
    python("responses", "openai, responses", "openai"),
    python("anthropic", "anthropic", "anthropic"),
    python("gemini", "google-genai", "google-genai"),
    python("bedrock", "boto3 bedrock-runtime", "boto3"),
    python("cohere", "cohere", "cohere"),
];

/// Why a cell is not plainly green: how the suites name it, its mark, the reason.
const NOTES: [(&str, char, &str); 2] = [
    (
        "stop",
        '¹',
        "OpenAI's responses have no stop sequences. A request with them is refused by name, or goes \
         without where the fidelity is `permit`.",
    ),
    (
        "one-tool",
        '²',
        "For a schema, the package asks for one call of a tool and no second one. Converse and Cohere \
         cannot promise that; the request is refused by name, or goes without where the fidelity is \
         `permit`.",
    ),
];

/// What a letter of a cell stands for, in their order.
const KINDS: [char; 5] = ['W', 'S', 'T', 'E', 'C'];

/// A table of the document.
pub(crate) struct Table {
    /// The word in its marks.
    name: &'static str,
    /// Heads of its columns, and how the suites name what they stand for.
    columns: &'static [(&'static str, &'static str)],
    rows: &'static [Client],
}

/// Every client against the simulated provider.
pub(crate) const PROVIDERS: Table = Table {
    name: "providers",
    columns: &[
        ("OpenAI chat", "chat"),
        ("Responses", "responses"),
        ("Anthropic", "anthropic"),
        ("Gemini", "gemini"),
        ("Converse", "bedrock"),
        ("Cohere", "cohere"),
    ],
    rows: &CLIENTS,
};

/// The official libraries against a real engine.
pub(crate) const ENGINE: Table = Table {
    name: "engine",
    columns: &[("its chat", "chat"), ("its messages", "anthropic")],
    rows: &OF_THE_ENGINE,
};

/// Where a client comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    /// PyPI, an official library.
    Python,
    /// PyPI, over an official library.
    Framework,
    /// npm.
    Node,
    /// npm, a program.
    Agent,
}

struct Client {
    from: From,
    name: &'static str,
    label: &'static str,
    package: &'static str,
}

const fn python(name: &'static str, label: &'static str, package: &'static str) -> Client {
    client(From::Python, name, label, package)
}

const fn framework(name: &'static str, label: &'static str, package: &'static str) -> Client {
    client(From::Framework, name, label, package)
}

const fn node(name: &'static str, label: &'static str, package: &'static str) -> Client {
    client(From::Node, name, label, package)
}

const fn agent(name: &'static str, label: &'static str, package: &'static str) -> Client {
    client(From::Agent, name, label, package)
}

const fn client(
    from: From,
    name: &'static str,
    label: &'static str,
    package: &'static str,
) -> Client {
    Client {
        from,
        name,
        label,
        package,
    }
}

impl Client {
    /// How its row begins.
    fn head(&self) -> String {
        let place = match self.from {
            From::Python | From::Framework => "Python",
            From::Node => "Node",
            From::Agent => "agent",
        };
        format!("| {place} | {} | {} |", self.label, self.version())
    }

    /// The version that is pinned for the suites.
    fn version(&self) -> String {
        let file = match self.from {
            From::Python => "tests/sdk/requirements.txt",
            From::Framework => "tests/sdk/requirements-frameworks.txt",
            From::Node => "tests/sdk/package.json",
            From::Agent => "tests/agents/package.json",
        };
        let text = std::fs::read_to_string(root().join(file)).unwrap();
        let pinned = match self.from {
            From::Python | From::Framework => text.lines().find_map(|line| {
                let (name, version) = line.split_once("==")?;
                (name == self.package).then(|| version.to_owned())
            }),
            From::Node | From::Agent => {
                let json: Value = serde_json::from_str(&text).unwrap();
                json["dependencies"][self.package]
                    .as_str()
                    .map(str::to_owned)
            }
        };
        pinned.unwrap_or_else(|| panic!("{file} pins no {}", self.package))
    }
}

impl Table {
    /// Checks the rows of these clients against the document, or writes them.
    ///
    /// A case is what a suite prints; each has passed.
    pub(crate) fn measured(&self, from: From, cases: &[Value]) {
        let clients = || self.rows.iter().filter(move |client| client.from == from);
        for case in cases {
            let known = |client: &Client| case["client"] == client.name;
            assert!(clients().any(known), "no row for {case}");
        }
        let rows: BTreeMap<String, String> = clients()
            .map(|client| {
                let of = |case: &&Value| case["client"] == client.name;
                (client.head(), cases.iter().filter(of).collect::<Vec<_>>())
            })
            .filter(|(_, cases)| !cases.is_empty())
            .map(|(head, cases)| (head, self.cells(&cases)))
            .collect();
        if std::env::var_os("BONDGATE_WRITE_DOCS").is_some() {
            self.write(&rows);
        }
        let document = std::fs::read_to_string(path()).unwrap();
        for (head, cells) in rows {
            let row = format!("{head}{cells}");
            assert!(
                document.lines().any(|line| line == row),
                "docs/clients.md does not say what was measured; BONDGATE_WRITE_DOCS=1 writes it:\n{row}"
            );
        }
    }

    fn cells(&self, cases: &[&Value]) -> String {
        let cells = self.columns.iter().map(|(_, provider)| {
            let of = |case: &&&Value| case["provider"] == *provider;
            format!(" {} |", cell(cases.iter().filter(of)))
        });
        cells.collect()
    }

    /// Puts these rows into the document; the others stay, in the order of the table.
    fn write(&self, rows: &BTreeMap<String, String>) {
        // Held until the end: suites run side by side.
        let lock = File::open(path()).unwrap();
        lock.lock().unwrap();
        let document = std::fs::read_to_string(path()).unwrap();
        let (before, after) = (self.mark(""), self.mark("/"));
        let start = document.find(&before).expect("the table's mark") + before.len();
        let end = document.find(&after).expect("the end of the table");
        let old = document.get(start..end).unwrap();
        let mut table = self.header();
        for client in self.rows {
            let head = client.head();
            let kept = old.lines().find_map(|line| line.strip_prefix(&head));
            let unmeasured = || " not measured |".repeat(self.columns.len());
            let cells = rows.get(&head).cloned().or(kept.map(str::to_owned));
            table.push_str(&format!("{head}{}\n", cells.unwrap_or_else(unmeasured)));
        }
        table.push_str(&notes(&table));
        let text = format!(
            "{}{table}{}",
            document.get(..start).unwrap(),
            document.get(end..).unwrap()
        );
        std::fs::write(path(), text).unwrap();
    }

    fn header(&self) -> String {
        let heads: String = self
            .columns
            .iter()
            .map(|(head, _)| format!(" {head} |"))
            .collect();
        let line = "---|".repeat(self.columns.len() + 3);
        format!("\n\n| | client | version |{heads}\n|{line}\n")
    }

    fn mark(&self, sign: &str) -> String {
        format!("<!-- {sign}{} -->", self.name)
    }
}

/// What cases say of one client and one provider's dialect.
fn cell<'a>(cases: impl Iterator<Item = &'a &'a Value>) -> String {
    let mut seen: [Option<String>; KINDS.len()] = Default::default();
    for case in cases {
        let at = kind(case["case"].as_str().unwrap());
        let marks = seen[at].get_or_insert_default();
        if let Some(limit) = case["limit"].as_str() {
            let note = NOTES.iter().find(|(name, ..)| *name == limit);
            let (_, mark, _) = note.unwrap_or_else(|| panic!("no note explains {limit}"));
            if !marks.contains(*mark) {
                marks.push(*mark);
            }
        }
    }
    let letters = KINDS.iter().zip(seen).map(|(letter, marks)| match marks {
        Some(marks) => format!("{letter}{marks}"),
        None => "·".to_owned(),
    });
    letters.collect::<Vec<_>>().join(" ")
}

/// Of which kind a case is, by its name.
fn kind(case: &str) -> usize {
    const WORDS: [(&str, usize); 7] = [
        ("stream", 1),
        ("tool", 2),
        ("error", 3),
        ("provider", 3),
        ("budget", 3),
        ("rate", 3),
        ("cut", 4),
    ];
    let word = WORDS.iter().find(|(word, _)| case.starts_with(word));
    word.map_or(0, |(_, kind)| *kind)
}

/// The reasons for the marks that a table has.
fn notes(table: &str) -> String {
    let used = NOTES.iter().filter(|(_, mark, _)| table.contains(*mark));
    let lines: String = used
        .map(|(_, mark, why)| format!("\n{mark} {why}\n"))
        .collect();
    format!("{lines}\n")
}

fn path() -> PathBuf {
    root().join("docs/clients.md")
}

#[test]
fn every_client_has_its_row_and_every_mark_its_reason() {
    let document = std::fs::read_to_string(path()).unwrap();
    for table in [PROVIDERS, ENGINE] {
        let (_, after) = document.split_once(&table.mark("")).unwrap();
        let (kept, _) = after.split_once(&table.mark("/")).unwrap();
        let mut rows = kept.lines().filter(|line| line.starts_with("| "));
        assert_eq!(rows.next(), table.header().trim().lines().next());
        for client in table.rows {
            let row = rows.next().unwrap_or_default();
            assert!(
                row.starts_with(&client.head()),
                "{} has: {row}",
                client.label
            );
            assert!(!row.contains("not measured"), "{row}");
        }
        assert_eq!(rows.next(), None);
        assert!(
            kept.ends_with(&notes(kept)),
            "the notes of `{}`",
            table.name
        );
    }
}
