//! Credentials that a provider repeats: they go out of whatever is told or kept of its words.
//!
//! A credential is known as it is and with any of its bytes percent-encoded, as queries carry it. It must
//! be taken out before a text is shortened: half of it would not be known.

use std::borrow::Cow;

use bytes::Bytes;
use policy::model::Target;
use policy::renewal::{Renewal, Token};
use policy::secret::Secret;

/// What stands in place of a credential.
const CONCEALED: &[u8] = b"[credential]";

/// The text without the credentials of that target.
#[must_use]
pub(crate) fn conceal(target: &Target, text: String) -> String {
    let shown = match concealed(target, text.as_bytes()) {
        Cow::Borrowed(_) => None,
        Cow::Owned(shown) => Some(String::from_utf8_lossy(&shown).into_owned()),
    };
    shown.unwrap_or(text)
}

/// The same of a body that is not read yet.
#[must_use]
pub(crate) fn conceal_bytes(target: &Target, body: Bytes) -> Bytes {
    let shown = match concealed(target, &body) {
        Cow::Borrowed(_) => None,
        Cow::Owned(shown) => Some(shown.into()),
    };
    shown.unwrap_or(body)
}

fn concealed<'t>(target: &Target, text: &'t [u8]) -> Cow<'t, [u8]> {
    let provider = &target.provider;
    provider.keys.iter().fold(Cow::Borrowed(text), |text, key| {
        let text = match key.reveal_for(&provider.origin) {
            Some(secret) => without(text, secret),
            None => text,
        };
        match key.renewal_for(&provider.origin).and_then(Renewal::last) {
            None => text,
            Some(obtained) => match &obtained.token {
                Token::Bearer(secret) => without(text, secret.reveal()),
                Token::Aws(keys) => {
                    let session = keys.session_token.as_ref().map_or("", Secret::reveal);
                    without(without(text, keys.secret_access_key.reveal()), session)
                }
            },
        }
    })
}

fn without<'t>(text: Cow<'t, [u8]>, secret: &str) -> Cow<'t, [u8]> {
    let (mut shown, mut rest) = (Vec::new(), &*text);
    while let Some((before, behind)) = next(rest, secret.as_bytes()) {
        shown.extend_from_slice(before);
        shown.extend_from_slice(CONCEALED);
        rest = behind;
    }
    if shown.is_empty() {
        return text;
    }
    shown.extend_from_slice(rest);
    Cow::Owned(shown)
}

/// What stands before and behind the first place where the text spells the secret.
fn next<'t>(text: &'t [u8], secret: &[u8]) -> Option<(&'t [u8], &'t [u8])> {
    let first = secret.first()?;
    let mut begins = memchr::memchr2_iter(*first, b'%', text);
    begins.find_map(|at| {
        let (before, from) = text.split_at_checked(at)?;
        let behind = from.strip_prefix(secret).or_else(|| decoded(from, secret));
        Some((before, behind?))
    })
}

/// What is left of a text that begins with the secret, any of its bytes percent-encoded.
fn decoded<'t>(mut text: &'t [u8], secret: &[u8]) -> Option<&'t [u8]> {
    for byte in secret {
        let (said, rest) = match text {
            [b'%', high, low, rest @ ..] => (coded(*high, *low)?, rest),
            [said, rest @ ..] => (*said, rest),
            [] => return None,
        };
        if said != *byte {
            return None;
        }
        text = rest;
    }
    Some(text)
}

/// The byte that two hexadecimal digits stand for.
fn coded(high: u8, low: u8) -> Option<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let value = digit(high)? * 16 + digit(low)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, secret: &str) -> String {
        let shown = without(Cow::Borrowed(text.as_bytes()), secret);
        String::from_utf8(shown.into_owned()).unwrap()
    }

    #[test]
    fn a_secret_is_known_however_a_query_spells_it() {
        let secret = "sk/a+b=%25é";
        for spelled in [
            "sk/a+b=%25é",
            "sk%2Fa%2Bb%3D%2525%C3%A9",
            "sk%2fa%2bb%3d%2525%c3%a9",
            "%73k/a%2Bb=%2525é",
        ] {
            let text = format!("no such path: /v1/models?key={spelled}&alt=sse, key {spelled}");
            let known = "no such path: /v1/models?key=[credential]&alt=sse, key [credential]";
            assert_eq!(shown(&text, secret), known);
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in [
            "",
            "sk",
            "sk%",
            "sk%2",
            "sk%zz",
            "100% of sk%2Fb",
            "%%%",
            "grüße",
        ] {
            assert_eq!(shown(text, "sk/a"), text);
            assert_eq!(shown(text, ""), text);
        }
    }
}
