//! Weighing an answer says what decoding it says.

use crate::corpus::{Sample, none, wholes};

#[test]
fn a_whole_answer_weighs_what_it_decodes_to() {
    let complaints: Vec<String> = wholes().iter().filter_map(weighs_alike).collect();
    none(&complaints, wholes().len());
}

fn weighs_alike(sample: &Sample) -> Option<String> {
    let codec = sample.dialect.client();
    let decoded = codec.decode_response(sample.text.as_bytes());
    let weighed = codec.weigh_response(sample.text.as_bytes());
    let agree = match (&decoded, &weighed) {
        (Ok(response), Ok(weighed)) => {
            response.usage == weighed.usage
                && response.model == weighed.model
                && response.service_tier.as_deref() == weighed.service_tier.as_deref()
        }
        (Err(_), Err(_)) => true,
        (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
    };
    (!agree).then(|| {
        format!(
            "{}: {weighed:?} instead of {:?}",
            sample.id,
            decoded.map(|r| r.usage)
        )
    })
}

#[test]
fn a_whole_answer_cut_anywhere_does_not_pass() {
    let complaints: Vec<String> = wholes().iter().filter_map(passes_cut).collect();
    none(&complaints, wholes().len());
}

fn passes_cut(sample: &Sample) -> Option<String> {
    let text = sample.text.trim_end().as_bytes();
    let step = (text.len() / 200).max(1);
    (0..text.len())
        .step_by(step)
        .find(|at| sample.dialect.client().weigh_response(&text[..*at]).is_ok())
        .map(|at| format!("{}: passes when cut at byte {at}", sample.id))
}
