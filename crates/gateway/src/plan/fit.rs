//! What a request needs of its targets, looked for only where a target is known to lack something.
//!
//! The head tells what stands at the top level; what stands deeper is searched for by its words, and
//! only where those are there is the request read whole, since text may quote them.

use dialect::needs::{Need, Needs};
use memchr::memmem;
use policy::fit::{Unfit, Wants, fit as fit_plan, least_tokens};
use policy::plan::Plan;
use policy::profile::Profile;

use crate::screen::Screened;

/// What the head does not tell and the messages may hold.
const MEDIA: [Need; 4] = [Need::Vision, Need::Audio, Need::Video, Need::Documents];

/// How near behind the last role its word stands, in bytes.
const ROLE_BYTES: usize = 32;

/// Takes the targets out of the plan that cannot serve the request; gives those.
pub(super) fn fit(screened: &Screened, plan: &mut Plan) -> Vec<Unfit> {
    let limits = plan.model.fallback.context_window.iter();
    let all = plan.steps.iter().map(|step| &step.target).chain(limits);
    let known: Vec<Profile> = all.map(|target| target.profile).collect();
    if known.iter().all(|profile| *profile == Profile::default()) {
        return Vec::new();
    }
    fit_plan(plan, &wants(screened, &known))
}

fn wants(screened: &Screened, known: &[Profile]) -> Wants {
    let head = &screened.admitted.head;
    let body = &screened.body.bytes;
    let server = screened.admitted.call.speech.dialect.server();
    let lacking = |need: Need| known.iter().any(|one| one.can(need) == Some(false));
    let some_lack_media = MEDIA.into_iter().any(lacking);
    let smallest = known.iter().filter_map(|one| one.max_input_tokens).min();
    // Fewer bytes than that are not too long for any of them.
    let may_be_long = smallest.is_some_and(|most| least_tokens(body.len(), 0) > most);
    let mut has_media = false;
    if some_lack_media || may_be_long {
        let found = server.media(body);
        has_media = found.images > 0 || found.documents > 0 || found.unbounded.is_some();
    }
    let may_be_begun = lacking(Need::Prefill) && may_end_in_own_words(body);
    let mut needs = head.needs;
    // What does not decode may still be right for a target of its dialect, which is for it to say.
    if ((has_media && some_lack_media) || may_be_begun)
        && let Ok(request) = server.decode_request(body)
    {
        needs = needs.and(only_deeper(Needs::of(&request)));
    }
    let escapes = || memmem::find_iter(body, b"\\u").count();
    // Of media the bytes say nothing.
    let least = (may_be_long && !has_media).then(|| least_tokens(body.len(), escapes()));
    Wants {
        needs,
        least_tokens: least,
    }
}

/// Those that the head does not tell.
fn only_deeper(needs: Needs) -> Needs {
    let is_deeper = |need: &Need| MEDIA.contains(need) || *need == Need::Prefill;
    needs
        .iter()
        .filter(is_deeper)
        .fold(Needs::default(), Needs::with)
}

/// Whether the last role in the body may be the model's.
fn may_end_in_own_words(body: &[u8]) -> bool {
    let Some(at) = memmem::rfind(body, b"\"role\"") else {
        return false;
    };
    let behind = body.get(at..).unwrap_or_default();
    let word = behind.get(6..behind.len().min(6 + ROLE_BYTES));
    let word = word.unwrap_or_default();
    [&b"\"assistant\""[..], b"\"model\""]
        .iter()
        .any(|own| memmem::find(word, own).is_some())
}
