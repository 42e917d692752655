//! The request as a target gets it: encoded, signed, with the headers that may go on.

mod tasks;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dialect::chat;
use dialect::codec::{Edits, TargetModel};
use dialect::loss::{Fidelity, Loss, Losses};
use dialect::task::vectors::VectorRequest;
use dialect::task::{Task, Work};
use dialect::{Fitted, HeadersSaid, Spoken, Worn};
use http::header::{ACCEPT_ENCODING, CONTENT_TYPE, HeaderName, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use http_body_util::Full;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use policy::failure::{AttemptFailure, Code, Failure};
use policy::model::Target;
use policy::profile::Thinking;
use policy::provider::Provider;
use policy::secret::ProviderKey;
use store::keys::KeyHasher;

use crate::Shared;
use crate::admit::Admitted;
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
    /// What the client's body said and these headers say to the target.
    pub moved: Vec<(&'static str, String)>,
    /// A request for vectors that goes on in the words of another maker.
    pub crossing: Option<Box<Crossing>>,
}

/// A request for vectors in the hub.
pub(crate) struct Crossing {
    /// What it is at the target.
    pub task: Task,
    /// The request.
    pub request: VectorRequest,
}

impl Outgoing {
    /// Takes the request over.
    #[must_use]
    pub(crate) fn new(planned: Box<Planned>, clamp: Option<u64>, shared: Arc<Shared>) -> Self {
        Self {
            kept: Kept::of(&planned.screened.admitted.caller.key),
            credentials: match &planned.pinned {
                Some(place) => Credentials::only(shared, &place.credential),
                None => Credentials::new(shared, fastrand::usize(..)),
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

    /// Writes the body for a target, in a dialect that it speaks.
    ///
    /// # Errors
    /// `invalid_request` where the request does not decode, `cannot_translate`
    /// where the target cannot carry what must be carried, `no_target` where every
    /// credential for it was refused already.
    pub(crate) fn encode(
        &mut self,
        spoken: Spoken,
        target: &Arc<Target>,
        shared: &Shared,
    ) -> Result<Encoded, Failure> {
        let memory = &shared.memory;
        let key = match self.credentials.choose(target) {
            Shown::Nothing => None,
            Shown::Key(key) => Some(key),
            Shown::AllSpent => {
                return Err(no_target(target, "none of its credentials is of use now"));
            }
        };
        let screened = &self.planned.screened;
        let admitted = &screened.admitted;
        let client = admitted.call.speech.dialect;
        if let Some(work) = &admitted.head.work {
            return if spoken.dialect().shares_tasks(client.dialect()) {
                self.carried_on(work, target, key, memory)
            } else {
                self.crossed(work, target, key, memory)
            };
        }
        if spoken.dialect() == client.dialect() {
            return self.fitted(spoken, target, key, memory);
        }
        let force_usage = self.forces_usage(target);
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
        let model = target_model(target, force_usage);
        let request = returned.as_ref().unwrap_or(request);
        let body = spoken.client().encode_request(request, &model, &mut losses);
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
            moved: Vec::new(),
            crossing: None,
        })
    }

    /// Whether the target is to tell what its stream used.
    fn forces_usage(&self, target: &Target) -> bool {
        let head = &self.planned.screened.admitted.head;
        head.stream && target.provider.quirks.stream_usage
    }

    /// The client's own bytes, as a target of its dialect wants them.
    fn fitted(
        &self,
        spoken: Spoken,
        target: &Target,
        key: Option<Arc<ProviderKey>>,
        memory: &Memory,
    ) -> Result<Encoded, Failure> {
        let edits = Edits {
            model: &target.model,
            force_usage: self.forces_usage(target),
            max_output_tokens: self.clamp,
        };
        let fitted = fit(spoken, &self.planned, &edits)?;
        let body = &self.planned.screened.body.bytes;
        Ok(Encoded {
            _room: room(memory, 0)?,
            body: fitted.patch.splice(body).into(),
            key,
            same_dialect: true,
            losses: Vec::new(),
            moved: fitted.headers,
            crossing: None,
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
        at: (&KeyHasher, i64),
    ) -> Result<Request<Full<Pieces>>, Failure> {
        let spoken = target.provider.spoken();
        let stream = self.planned.screened.admitted.head.stream;
        let work = self.planned.screened.admitted.head.work.as_deref();
        let crossing = encoded.crossing.as_ref().map(|crossing| crossing.task);
        let task = crossing.or(work.map(|work| work.task));
        let path = match target.provider.dialect.tasks().zip(task) {
            Some((codec, task)) => codec.path(task, &target.model),
            None => spoken.client().chat_path(&target.model, stream),
        };
        self.request_at((target, spoken, &path), encoded, at)
    }

    /// The same to a path of any dialect that the target speaks.
    ///
    /// # Errors
    /// As that.
    pub(crate) fn request_at(
        &self,
        (target, spoken, of_dialect): (&Target, Spoken, &str),
        encoded: &mut Encoded,
        (hasher, now_ms): (&KeyHasher, i64),
    ) -> Result<Request<Full<Pieces>>, Failure> {
        let provider = &target.provider;
        let names = names::of(spoken);
        let (mut head, ()) = Request::new(()).into_parts();
        head.method = Method::POST;
        head.uri = Uri::try_from(path(target, of_dialect))
            .map_err(|_| no_target(target, "its path is no path"))?;
        let headers = &mut head.headers;
        own(headers, names, provider);
        let admitted = &self.planned.screened.admitted;
        let work = admitted.head.work.as_deref();
        if let Some(form) = work.and_then(Work::form_type) {
            // It names the boundary that was read, and no other.
            let form = HeaderValue::try_from(form)
                .map_err(|_| no_target(target, "its form has no content-type"))?;
            headers.insert(CONTENT_TYPE, form);
        }
        if encoded.same_dialect {
            forward(headers, &admitted.call.headers, &names.forwarded);
        }
        for (name, value) in &encoded.moved {
            let value = HeaderValue::try_from(value.as_str())
                .map_err(|_| no_target(target, "a beta's name can stand in no header"))?;
            headers.insert(HeaderName::from_static(name), value);
        }
        idempotent(headers, (admitted, target), hasher)?;
        if let Some(key) = &encoded.key {
            sign::show(&mut head, &encoded.body, (provider, key), now_ms)
                .map_err(|why| no_target(target, &why))?;
        }
        let body = std::mem::take(&mut encoded.body);
        Ok(Request::from_parts(head, Full::new(body)))
    }
}

/// What an encoder must know of a target.
fn target_model(target: &Target, force_usage: bool) -> TargetModel<'_> {
    let (profile, usual) = (&target.profile, target.default_max_tokens);
    TargetModel {
        model: &target.model,
        default_max_tokens: profile
            .max_output_tokens
            .map_or(usual, |most| most.min(usual)),
        force_usage,
        adaptive_thinking: profile.thinking == Some(Thinking::Adaptive),
    }
}

/// The client's own bytes for a target of its dialect.
fn fit(spoken: Spoken, planned: &Planned, edits: &Edits<'_>) -> Result<Fitted, Failure> {
    let admitted = &planned.screened.admitted;
    let headers = &admitted.call.headers;
    let client = admitted.call.speech.dialect;
    let named = spoken.headers().filter(|_| client != spoken);
    let text = |value: &'static str| headers.get_all(value).iter();
    let betas: Vec<&str> = named
        .into_iter()
        .flat_map(|[betas, _]| text(betas))
        .filter_map(|value| value.to_str().ok())
        .collect();
    let version = named.and_then(|[_, version]| headers.get(version)?.to_str().ok());
    let worn = Worn {
        spoken: client,
        head: &admitted.head,
        body: &planned.screened.body.bytes,
        headers: HeadersSaid {
            betas: &betas,
            version,
        },
    };
    spoken
        .fit(&worn, edits)
        .map_err(|invalid| refuse::invalid(&invalid))
}

/// The client's `idempotency-key`, as a value that is one tenant's own.
///
/// # Errors
/// `no_target` where it cannot be written.
pub(crate) fn idempotent(
    headers: &mut HeaderMap,
    (admitted, target): (&Admitted, &Target),
    hasher: &KeyHasher,
) -> Result<(), Failure> {
    if let Some(key) = admitted.call.headers.get(IDEMPOTENCY_KEY) {
        let text = String::from_utf8_lossy(key.as_bytes());
        let hashed = hasher.opaque_id(&admitted.caller.key.name, &text);
        let value = HeaderValue::try_from(hashed).map_err(|_| no_target(target, "of its key"))?;
        headers.insert(IDEMPOTENCY_KEY, value);
    }
    Ok(())
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

/// Copies the headers of those names.
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

/// That a target cannot be asked, and why.
pub(crate) fn no_target(target: &Target, why: &str) -> Failure {
    Failure::new(
        Code::NoTarget,
        format!("the target {} cannot be used: {why}", target.name()),
    )
}
