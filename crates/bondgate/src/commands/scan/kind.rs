//! What a file is, by its name: settings, code or prose.

use std::path::Path;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    /// Environment files, shell, YAML, JSON, Dockerfiles and what else sets variables.
    Settings,
    /// A program's text.
    Code(Language),
    /// Documents: keys in clear are found there, and nothing else.
    Prose,
}

/// What a program is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    /// Notebooks too.
    Python,
    /// JavaScript and TypeScript.
    Script,
    Go,
    /// Java, Kotlin, Scala.
    Jvm,
    DotNet,
    Ruby,
    Php,
    Rust,
    Swift,
}

impl FileKind {
    /// The kind of a file; a file without an extension is told by its first line.
    pub(super) fn of(path: &Path, text: &str) -> Self {
        let lower = |part: Option<&std::ffi::OsStr>| {
            part.map(|part| part.to_string_lossy().to_lowercase())
                .unwrap_or_default()
        };
        let extension = lower(path.extension());
        let language = match extension.as_str() {
            "py" | "ipynb" | "pyi" => Language::Python,
            "js" | "mjs" | "cjs" | "ts" | "mts" | "cts" | "jsx" | "tsx" | "vue" | "svelte" => {
                Language::Script
            }
            "go" => Language::Go,
            "java" | "kt" | "kts" | "scala" | "groovy" => Language::Jvm,
            "cs" | "fs" | "vb" => Language::DotNet,
            "rb" => Language::Ruby,
            "php" => Language::Php,
            "rs" => Language::Rust,
            "swift" => Language::Swift,
            "md" | "mdx" | "rst" | "adoc" | "txt" | "html" | "csv" | "log" => return Self::Prose,
            _ => return Self::without_language(&lower(path.file_name()), text),
        };
        Self::Code(language)
    }

    fn without_language(name: &str, text: &str) -> Self {
        let unnamed = !name.contains('.');
        if unnamed
            && text.starts_with("#!")
            && text.lines().next().is_some_and(|l| l.contains("python"))
        {
            return Self::Code(Language::Python);
        }
        if unnamed
            && text.starts_with("#!")
            && text.lines().next().is_some_and(|l| l.contains("node"))
        {
            return Self::Code(Language::Script);
        }
        Self::Settings
    }
}
