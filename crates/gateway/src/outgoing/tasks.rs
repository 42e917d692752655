//! Requests of other tasks than chat, as a target gets them.

use std::sync::Arc;

use bytes::Bytes;
use dialect::Dialect;
use dialect::codec::Edits;
use dialect::loss::Losses;
use dialect::task::Work;
use dialect::task::vectors::VectorCodec;
use policy::failure::Failure;
use policy::model::Target;
use policy::secret::ProviderKey;

use super::{Crossing, Encoded, Outgoing, no_target, room};
use crate::memory::Memory;
use crate::refuse;

impl Outgoing {
    /// A request of another task than chat, which goes on in its own words.
    pub(super) fn carried_on(
        &self,
        work: &Work,
        target: &Target,
        key: Option<Arc<ProviderKey>>,
        memory: &Memory,
    ) -> Result<Encoded, Failure> {
        let screened = &self.planned.screened;
        let head = &screened.admitted.head;
        let client = screened.admitted.call.speech.dialect.dialect();
        let edits = Edits {
            model: &target.model,
            force_usage: self.forces_usage(target),
            max_output_tokens: self.clamp,
        };
        let does = target.provider.does(work.task, client);
        let Some(codec) = client.tasks().filter(|_| does) else {
            return Err(no_target(target, "it does not do what is asked for"));
        };
        let patch = codec.patch(head, work, &edits);
        Ok(Encoded {
            _room: room(memory, 0)?,
            body: patch.splice(&screened.body.bytes).into(),
            key,
            same_dialect: true,
            losses: Vec::new(),
            moved: Vec::new(),
            crossing: None,
        })
    }

    /// Writes a request for vectors in the target's words.
    pub(super) fn crossed(
        &self,
        work: &Work,
        target: &Target,
        key: Option<Arc<ProviderKey>>,
        memory: &Memory,
    ) -> Result<Encoded, Failure> {
        let screened = &self.planned.screened;
        let client = screened.admitted.call.speech.dialect.dialect();
        let codecs = vectors_of(client).zip(vectors_of(target.provider.dialect));
        let does = target.provider.does(work.task, client);
        let Some((from, to)) = codecs.filter(|_| does) else {
            return Err(no_target(target, "it does not do what is asked for"));
        };
        let request = from.decode_request(work.task, &screened.body.bytes);
        let request = request.map_err(|invalid| refuse::cannot_cross(target, &invalid))?;
        let mut losses = Losses::default();
        let written = to.encode_request(&request, &target.model, &mut losses);
        let (task, body) = written.map_err(|why| no_target(target, why))?;
        if !target.provider.quirks.tasks.has(task) {
            return Err(no_target(target, "it takes one text a request"));
        }
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
            crossing: Some(Box::new(Crossing { task, request })),
        })
    }
}

fn vectors_of(dialect: Dialect) -> Option<&'static dyn VectorCodec> {
    dialect.tasks()?.vectors()
}
