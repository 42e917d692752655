//! The request as a target gets it: encoded, signed, with the headers that may go on.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dialect::chat;
use dialect::codec::{Edits, TargetModel};
use dialect::loss::{Fidelity, Loss, Losses};
use http::header::{ACCEPT_ENCODING, CONTENT_TYPE, HeaderName, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use http_body_util::Full;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use policy::failure::{AttemptFailure, Code, Failure};
use policy::model::Target;
use policy::provider::Provider;
use policy::renewal::{Renewal, Token};
use policy::secret::{ProviderKey, Secret};
use store::keys::KeyHasher;

use crate::Shared;
use crate::credentials::{Credentials, Shown};
use crate::memory::{Memory, Permit};
use crate::names::{self, Names};
use crate::plan::Planned;
use crate::reasoning::{Keeper, Kept};
use crate::refuse;
use crate::stored::Binder;
use crate::upstream::{Pieces, sign};

/// What cannot stand in a segment of a path as it is.
pub(crate) const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A request that can be written for any target of its plan.
pub(crate) struct Outgoing {
    planned: Box<Planned>,
    /// The request in the hub, decoded when the first target needs it.
    decoded: Option<(Box<chat::Request>, Permit)>,
    /// The output limit that a budget imposes.
    clamp: Option<u64>,
    credentials: Credentials,
    /// The reasoning that is kept for this caller.
    kept: Kept,
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
            kept: Kept::of(&planned.screened.admitted.caller.key),
            credentials: match &planned.pinned {
                Some(place) => Credentials::only(&place.credential),
                None => Credentials::new(fastrand::usize(..)),
            },
            planned,
            decoded: None,
            clamp,
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
        shared: &Shared,
    ) -> Result<Encoded, Failure> {
        let memory = &shared.memory;
        let key = match self.credentials.choose(target) {
            Shown::Nothing => None,
            Shown::Key(key) => Some(key),
            Shown::AllSpent => return Err(no_target(target, "its credentials were refused")),
        };
        let screened = &self.planned.screened;
        let admitted = &screened.admitted;
        let force_usage = admitted.head.stream && target.provider.quirks.stream_usage;
        let client = admitted.call.speech.dialect;
        if target.provider.dialect == client {
            let edits = Edits {
                model: &target.model,
                force_usage,
                max_output_tokens: self.clamp,
            };
            let patch = client.server().patch(&admitted.head, &edits);
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
                let mut decoded = client
                    .server()
                    .decode_request(&screened.body.bytes)
                    .map_err(|e| refuse::invalid(&e))?;
                decoded.max_output_tokens = self.clamp.or(decoded.max_output_tokens);
                // Where the path says it, the body does not.
                decoded.stream = admitted.head.stream;
                decoded.model.clone_from(&admitted.head.model);
                let room = room(memory, screened.body.bytes.len())?;
                &mut none.insert((Box::new(decoded), room)).0
            }
        };
        let returned = self.kept.put_back(request, target, shared);
        let mut losses = Losses::default();
        let model = TargetModel {
            model: &target.model,
            default_max_tokens: target.default_max_tokens,
            force_usage,
        };
        let body = target.provider.dialect.client().encode_request(
            returned.as_ref().unwrap_or(request),
            &model,
            &mut losses,
        );
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

    /// Who binds the answer of a target, where the target keeps it and the client reads the id that
    /// the target gave it.
    #[must_use]
    pub(crate) fn binder(&self, target: &Target, encoded: &Encoded) -> Option<Binder> {
        let admitted = &self.planned.screened.admitted;
        let binds = encoded.same_dialect && admitted.head.stores;
        let binder = || Binder::new(&admitted.caller.key, target, encoded.key.as_deref());
        binds.then(binder)
    }

    /// Begins to keep the reasoning of what a target answers, where it is asked in another dialect
    /// than the client's.
    #[must_use]
    pub(crate) fn keeper(&self, target: &Target, shared: &Arc<Shared>) -> Option<Keeper> {
        let (request, _) = self.decoded.as_ref()?;
        self.kept.keeper(request, target, shared)
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
        (hasher, now_ms): (&KeyHasher, i64),
    ) -> Result<Request<Full<Pieces>>, Failure> {
        let provider = &target.provider;
        let codec = provider.dialect.client();
        let names = names::of(provider.dialect);
        let stream = self.planned.screened.admitted.head.stream;
        let (mut head, ()) = Request::new(()).into_parts();
        head.method = Method::POST;
        head.uri = Uri::try_from(path(target, &codec.chat_path(&target.model, stream)))
            .map_err(|_| no_target(target, "its path is no path"))?;
        let headers = &mut head.headers;
        own(headers, names, provider);
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
        if let Some(key) = &encoded.key {
            sign::show(&mut head, &encoded.body, (provider, key), now_ms)
                .map_err(|why| no_target(target, &why))?;
        }
        let body = std::mem::take(&mut encoded.body);
        Ok(Request::from_parts(head, Full::new(body)))
    }
}

/// What neither the client nor a credential says.
pub(crate) fn own(headers: &mut HeaderMap, names: &Names, provider: &Provider) {
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
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
}

/// The path of an operation at a target: the provider's root, Azure's deployment where it wants one,
/// the dialect's own path, and the provider's query behind the path's own.
pub(crate) fn path(target: &Target, of_dialect: &str) -> String {
    let Provider {
        base_path, paths, ..
    } = &*target.provider;
    let mut path = base_path.clone();
    if paths.deployments {
        let name = utf8_percent_encode(&target.model, SEGMENT);
        path.push_str(&format!("/deployments/{name}"));
    }
    path.push_str(of_dialect);
    if !paths.query.is_empty() {
        path.push(if of_dialect.contains('?') { '&' } else { '?' });
        path.push_str(&paths.query);
    }
    path
}

fn room(memory: &Memory, bytes: usize) -> Result<Permit, Failure> {
    memory.try_reserve(bytes).ok_or_else(|| {
        let why = "the gateway has no memory for the request at the moment";
        Failure::new(Code::Overloaded, why).retry_after(Duration::from_secs(1))
    })
}

pub(crate) fn forward(to: &mut HeaderMap, from: &HeaderMap, names: &[HeaderName]) {
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

/// The text without the credential of that target, which some providers repeat in their errors.
#[must_use]
pub(crate) fn conceal(target: &Target, text: String) -> String {
    let provider = &target.provider;
    provider.keys.iter().fold(text, |text, key| {
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

fn without(text: String, secret: &str) -> String {
    if !secret.is_empty() && text.contains(secret) {
        text.replace(secret, "[credential]")
    } else {
        text
    }
}

pub(crate) fn no_target(target: &Target, why: &str) -> Failure {
    Failure::new(
        Code::NoTarget,
        format!("the target {} cannot be used: {why}", target.name()),
    )
}
