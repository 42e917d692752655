//! The request as a target gets it: encoded, signed, with the headers that may go on.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dialect::chat;
use dialect::codec::{Edits, TargetModel};
use dialect::loss::{Fidelity, Loss, Losses};
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderName, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use http_body_util::Full;
use policy::failure::{AttemptFailure, Code, Failure};
use policy::model::Target;
use policy::provider::Auth;
use policy::secret::ProviderKey;
use store::keys::KeyHasher;

use crate::credentials::{Credentials, Shown};
use crate::memory::{Memory, Permit};
use crate::names;
use crate::plan::Planned;
use crate::refuse;
use crate::upstream::Pieces;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A request that can be written for any target of its plan.
pub(crate) struct Outgoing {
    planned: Box<Planned>,
    /// The request in the hub, decoded when the first target needs it.
    decoded: Option<(Box<chat::Request>, Permit)>,
    /// The output limit that a budget imposes.
    clamp: Option<u64>,
    credentials: Credentials,
}

/// A body written for one target.
pub(crate) struct Encoded {
    /// The body.
    pub body: Pieces,
    /// Holds the memory for what of it is not the client's own bytes.
    pub _room: Permit,
    /// The credential that goes with it.
    pub key: Option<Arc<ProviderKey>>,
    /// Whether the target speaks the client's own dialect.
    pub same_dialect: bool,
    /// What the target cannot carry.
    pub losses: Vec<Loss>,
}

impl Outgoing {
    /// Takes the request over.
    #[must_use]
    pub(crate) fn new(planned: Box<Planned>, clamp: Option<u64>) -> Self {
        Self {
            planned,
            decoded: None,
            clamp,
            credentials: Credentials::new(fastrand::usize(..)),
        }
    }

    /// The request.
    #[must_use]
    pub(crate) fn planned(&self) -> &Planned {
        &self.planned
    }

    /// What a translation may lose, there and back.
    #[must_use]
    pub(crate) fn fidelity(&self) -> Fidelity {
        let own = self.planned.screened.admitted.call.options.fidelity;
        own.unwrap_or(self.planned.plan.model.fidelity)
    }

    /// Writes the body for a target.
    ///
    /// # Errors
    /// `invalid_request` where the request does not decode, `cannot_translate`
    /// where the target cannot carry what must be carried, `no_target` where every
    /// credential for it was refused already.
    pub(crate) fn encode(
        &mut self,
        target: &Arc<Target>,
        memory: &Memory,
    ) -> Result<Encoded, Failure> {
        let key = match self.credentials.choose(target) {
            Shown::Nothing => None,
            Shown::Key(key) => Some(key),
            Shown::AllSpent => return Err(no_target(target, "its credentials were refused")),
        };
        let screened = &self.planned.screened;
        let admitted = &screened.admitted;
        let force_usage = admitted.head.stream && target.provider.quirks.stream_usage;
        if target.provider.dialect == admitted.call.dialect {
            let edits = Edits {
                model: &target.model,
                force_usage,
                max_output_tokens: self.clamp,
            };
            let patch = admitted.call.dialect.server().patch(&admitted.head, &edits);
            return Ok(Encoded {
                _room: room(memory, 0)?,
                body: patch.splice(&screened.body.bytes).into(),
                key,
                same_dialect: true,
                losses: Vec::new(),
            });
        }
        let request = match &mut self.decoded {
            Some((request, _room)) => request,
            none => {
                let mut decoded = admitted
                    .call
                    .dialect
                    .server()
                    .decode_request(&screened.body.bytes)
                    .map_err(|e| refuse::invalid(&e))?;
                decoded.max_output_tokens = self.clamp.or(decoded.max_output_tokens);
                let room = room(memory, screened.body.bytes.len())?;
                &mut none.insert((Box::new(decoded), room)).0
            }
        };
        let mut losses = Losses::default();
        let model = TargetModel {
            model: &target.model,
            default_max_tokens: target.default_max_tokens,
            force_usage,
        };
        let body = target
            .provider
            .dialect
            .client()
            .encode_request(request, &model, &mut losses);
        let refused = self.fidelity().refused(losses.as_slice());
        if !refused.is_empty() {
            let what = format!("{} cannot carry what this request says", target.name());
            return Err(refuse::cannot_translate(&what, &refused));
        }
        Ok(Encoded {
            _room: room(memory, body.len())?,
            body: Bytes::from(body).into(),
            key,
            same_dialect: false,
            losses: losses.into_vec(),
        })
    }

    /// Takes note of how an attempt failed that showed `key`. Whether another credential is
    /// worth a try at the same target.
    pub(crate) fn after(
        &mut self,
        key: Option<Arc<ProviderKey>>,
        target: &Arc<Target>,
        failure: AttemptFailure,
    ) -> bool {
        self.credentials.after(key, target, failure)
    }

    /// The whole HTTP request for a target; takes the body.
    ///
    /// # Errors
    /// `no_target` where the target's credential may not go to its origin.
    pub(crate) fn request(
        &self,
        target: &Target,
        encoded: &mut Encoded,
        hasher: &KeyHasher,
    ) -> Result<Request<Full<Pieces>>, Failure> {
        let provider = &target.provider;
        let codec = provider.dialect.client();
        let names = names::of(provider.dialect);
        let stream = self.planned.screened.admitted.head.stream;
        let mut request = Request::new(Full::new(std::mem::take(&mut encoded.body)));
        *request.method_mut() = Method::POST;
        let path = [
            provider.base_path.as_str(),
            &codec.chat_path(&target.model, stream),
        ]
        .concat();
        *request.uri_mut() =
            Uri::try_from(path).map_err(|_| no_target(target, "its path is no path"))?;
        let headers = request.headers_mut();
        // With credential, `host` and length these are six, as a rule; twelve would take a slower road
        // of the allocator.
        headers.reserve(6 + names.fixed.len() + provider.headers.len());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("bondgate/", env!("CARGO_PKG_VERSION"))),
        );
        for (name, value) in &names.fixed {
            headers.insert(name, value.clone());
        }
        for (name, value) in &provider.headers {
            if let (Ok(name), Ok(value)) =
                (HeaderName::try_from(name), HeaderValue::try_from(value))
            {
                headers.insert(name, value);
            }
        }
        let admitted = &self.planned.screened.admitted;
        if encoded.same_dialect {
            forward(headers, &admitted.call.headers, &names.forwarded);
        }
        if let Some(key) = admitted.call.headers.get(IDEMPOTENCY_KEY) {
            let hashed = hasher.opaque_id(
                &admitted.caller.key.name,
                &String::from_utf8_lossy(key.as_bytes()),
            );
            headers.insert(
                IDEMPOTENCY_KEY,
                HeaderValue::try_from(hashed).map_err(|_| no_target(target, "of its key"))?,
            );
        }
        sign(headers, target, encoded.key.as_deref())?;
        Ok(request)
    }
}

fn room(memory: &Memory, bytes: usize) -> Result<Permit, Failure> {
    memory.try_reserve(bytes).ok_or_else(|| {
        let why = "the gateway has no memory for the request at the moment";
        Failure::new(Code::Overloaded, why).retry_after(Duration::from_secs(1))
    })
}

fn forward(to: &mut HeaderMap, from: &HeaderMap, names: &[HeaderName]) {
    for name in names {
        let mut values = from.get_all(name).iter();
        if let Some(first) = values.next() {
            to.insert(name, first.clone());
        }
        for value in values {
            to.append(name, value.clone());
        }
    }
}

/// Shows the provider's credential, which goes nowhere but to the origin that it is bound to.
fn sign(
    headers: &mut HeaderMap,
    target: &Target,
    key: Option<&ProviderKey>,
) -> Result<(), Failure> {
    let provider = &target.provider;
    let Some(key) = key else { return Ok(()) };
    let (name, prefix) = match provider.auth {
        Auth::None => return Ok(()),
        Auth::Bearer => (AUTHORIZATION, "Bearer "),
        Auth::Header(name) => (HeaderName::from_static(name), ""),
    };
    let secret = key
        .reveal_for(&provider.origin)
        .ok_or_else(|| no_target(target, "its key belongs to another origin"))?;
    let mut value = HeaderValue::try_from([prefix, secret].concat())
        .map_err(|_| no_target(target, "its key cannot stand in a header"))?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}

/// The text without the credential of that target, which some providers repeat in their errors.
#[must_use]
pub(crate) fn conceal(target: &Target, text: String) -> String {
    let provider = &target.provider;
    let keys = provider.keys.iter();
    keys.filter_map(|key| key.reveal_for(&provider.origin))
        .filter(|secret| !secret.is_empty())
        .fold(text, |text, secret| {
            if text.contains(secret) {
                text.replace(secret, "[credential]")
            } else {
                text
            }
        })
}

fn no_target(target: &Target, why: &str) -> Failure {
    Failure::new(
        Code::NoTarget,
        format!("the target {} cannot be used: {why}", target.name()),
    )
}
