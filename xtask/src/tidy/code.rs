//! A Rust file read as tokens: its functions, its identifiers, and which of
//! them are test code.
//!
//! Tokens, not a syntax tree: bodies of macros (`proptest!`, `select!`) hold
//! functions and names too, and a file that only parses on another edition
//! is still read. Comments and strings are never looked into.

use proc_macro2::{Delimiter, Group, LexError, Span, TokenStream, TokenTree};

/// What the rules ask of a Rust file.
#[derive(Debug, Default)]
pub struct Source {
    /// Every function that has a body, those inside macros too.
    pub functions: Vec<Function>,
    /// Every identifier, in order.
    pub names: Vec<Name>,
    /// Lines within items that are compiled for tests only.
    pub test_lines: usize,
}

/// A function with a body.
#[derive(Debug)]
pub struct Function {
    /// Its name, without a path.
    pub name: String,
    /// The line of `fn`.
    pub line: usize,
    /// Lines from `fn` to the closing brace, both included.
    pub lines: usize,
    /// Parameters, `self` included.
    pub parameters: usize,
    /// Under `#[test]`, `#[tokio::test]` or the like.
    pub is_test: bool,
}

/// An identifier where it stands.
#[derive(Debug)]
pub struct Name {
    /// The identifier.
    pub text: String,
    /// Its line.
    pub line: usize,
    /// The path segment before it: `task` for `spawn` in `tokio::task::spawn`.
    pub after: Option<String>,
    /// Within an item compiled for tests only.
    pub in_test: bool,
}

impl Source {
    /// Reads a file's text.
    ///
    /// # Errors
    /// When the text is not a sequence of Rust tokens.
    pub fn read(text: &str) -> Result<Self, LexError> {
        let stream: TokenStream = text.parse()?;
        let mut source = Self::default();
        source.walk(
            stream,
            &Place {
                in_test: false,
                after: None,
            },
        );
        Ok(source)
    }

    fn walk(&mut self, stream: TokenStream, place: &Place) {
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        let mut item = Item::default();
        for (at, token) in tokens.iter().enumerate() {
            let before = tokens.get(..at).unwrap_or_default();
            match token {
                TokenTree::Group(group)
                    if group.delimiter() == Delimiter::Bracket && ends_with(before, "#") =>
                {
                    item.attribute(&group.stream());
                }
                TokenTree::Group(group) => self.group(group, before, place, &mut item),
                TokenTree::Ident(ident) => {
                    let text = ident.to_string();
                    if text == "fn" {
                        self.functions
                            .extend(function(tokens.get(at..).unwrap_or_default(), item.is_test));
                    }
                    let after = segment_before(before).or_else(|| place.inherited(before));
                    let in_test = place.in_test || item.for_tests;
                    self.names.push(Name {
                        text,
                        line: line(ident.span()),
                        after,
                        in_test,
                    });
                }
                TokenTree::Punct(punct) if matches!(punct.as_char(), ';' | ',') => {
                    item = Item::default()
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }

    fn group(&mut self, group: &Group, before: &[TokenTree], place: &Place, item: &mut Item) {
        let braces = group.delimiter() == Delimiter::Brace;
        let enters_test = item.for_tests && braces && !place.in_test;
        if enters_test {
            self.test_lines += span_lines(group.span_open(), group.span_close());
        }
        let inner = Place {
            in_test: place.in_test || item.for_tests,
            after: braces.then(|| segment_before(before)).flatten(),
        };
        self.walk(group.stream(), &inner);
        if braces {
            *item = Item::default();
        }
    }
}

/// Where a token stream stands.
struct Place {
    in_test: bool,
    /// The segment before the braces of `use tokio::{…}`.
    after: Option<String>,
}

impl Place {
    fn inherited(&self, before: &[TokenTree]) -> Option<String> {
        if before.is_empty() || ends_with(before, ",") {
            self.after.clone()
        } else {
            None
        }
    }
}

/// What the attributes say of the item that follows them.
#[derive(Default)]
struct Item {
    is_test: bool,
    for_tests: bool,
}

impl Item {
    fn attribute(&mut self, stream: &TokenStream) {
        let text: String = stream.to_string().split_whitespace().collect();
        let path = text.split('(').next().unwrap_or_default();
        let is_test = path.rsplit("::").next() == Some("test");
        self.is_test |= is_test;
        self.for_tests |=
            is_test || text.starts_with("cfg(test)") || text.starts_with("cfg(all(test");
    }
}

/// The function that begins at a `fn`, unless it is a type or has no body.
fn function(tokens: &[TokenTree], is_test: bool) -> Option<Function> {
    let [TokenTree::Ident(start), TokenTree::Ident(name), rest @ ..] = tokens else {
        return None;
    };
    let mut angles = Angles::default();
    let mut parameters = None;
    for token in rest {
        match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                return Some(Function {
                    name: name.to_string(),
                    line: line(start.span()),
                    lines: span_lines(start.span(), group.span_close()),
                    parameters: parameters?,
                    is_test,
                });
            }
            TokenTree::Group(group)
                if group.delimiter() == Delimiter::Parenthesis && angles.depth == 0 =>
            {
                parameters = parameters.or_else(|| Some(count_parameters(group)));
            }
            TokenTree::Punct(punct) if punct.as_char() == ';' => return None,
            TokenTree::Group(_)
            | TokenTree::Ident(_)
            | TokenTree::Punct(_)
            | TokenTree::Literal(_) => {}
        }
        angles.pass(token);
    }
    None
}

fn count_parameters(group: &Group) -> usize {
    let mut angles = Angles::default();
    let mut count = 0;
    let mut open = false;
    for token in group.stream() {
        angles.pass(&token);
        let comma = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == ',');
        if comma && angles.depth == 0 {
            open = false;
        } else if !open {
            open = true;
            count += 1;
        }
    }
    count
}

/// The depth of `<…>`, which are no groups to the lexer; `->` closes nothing.
#[derive(Default)]
struct Angles {
    depth: usize,
    dash: bool,
}

impl Angles {
    fn pass(&mut self, token: &TokenTree) {
        let mark = if let TokenTree::Punct(punct) = token {
            punct.as_char()
        } else {
            ' '
        };
        match mark {
            '<' => self.depth += 1,
            '>' if !self.dash => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.dash = mark == '-';
    }
}

/// The `x` of a stream that ends in `x::`.
fn segment_before(tokens: &[TokenTree]) -> Option<String> {
    if let [
        ..,
        TokenTree::Ident(segment),
        TokenTree::Punct(first),
        TokenTree::Punct(second),
    ] = tokens
        && first.as_char() == ':'
        && second.as_char() == ':'
    {
        return Some(segment.to_string());
    }
    None
}

/// Whether the last token is this mark; `#!` counts as `#`.
fn ends_with(tokens: &[TokenTree], mark: &str) -> bool {
    let is = |token: &TokenTree, mark: &str| matches!(token, TokenTree::Punct(punct) if mark.contains(punct.as_char()));
    match tokens {
        [.., before, last] if is(last, "!") => is(before, mark),
        [.., last] => is(last, mark),
        [] => false,
    }
}

fn line(span: Span) -> usize {
    span.start().line
}

fn span_lines(from: Span, to: Span) -> usize {
    to.end().line.saturating_sub(from.start().line) + 1
}
