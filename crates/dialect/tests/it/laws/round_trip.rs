//! Decoding and encoding in one dialect changes nothing.

use dialect::loss::Losses;

use super::target;
use crate::canon::{canon, difference};
use crate::corpus::{Sample, none, requests, wholes};

#[test]
fn a_request_comes_back_as_it_was() {
    let complaints: Vec<String> = requests().iter().filter_map(request).collect();
    none(&complaints, requests().len());
}

fn request(sample: &Sample) -> Option<String> {
    let complain = |what: String| Some(format!("{}: {what}", sample.id));
    let hub = match sample
        .dialect
        .server()
        .decode_request(sample.text.as_bytes())
    {
        Ok(hub) => hub,
        Err(error) => return complain(format!("is refused: {error}")),
    };
    let mut losses = Losses::default();
    let codec = sample.dialect.client();
    let out = codec.encode_request(&hub, &target(&hub.model), &mut losses);
    compare(&sample.text, out, &losses).and_then(complain)
}

#[test]
fn an_answer_comes_back_as_it_was() {
    let complaints: Vec<String> = wholes().iter().filter_map(answer).collect();
    none(&complaints, wholes().len());
}

fn answer(sample: &Sample) -> Option<String> {
    let complain = |what: String| Some(format!("{}: {what}", sample.id));
    let hub = match sample
        .dialect
        .client()
        .decode_response(sample.text.as_bytes())
    {
        Ok(hub) => hub,
        Err(error) => return complain(format!("is refused: {error}")),
    };
    let mut losses = Losses::default();
    let out = sample.dialect.server().encode_response(&hub, &mut losses);
    compare(&sample.text, out, &losses).and_then(complain)
}

#[test]
fn weighing_an_answer_tells_what_reading_it_tells() {
    let complaints: Vec<String> = wholes().iter().filter_map(weighed).collect();
    none(&complaints, wholes().len());
}

fn weighed(sample: &Sample) -> Option<String> {
    let codec = sample.dialect.client();
    let bytes = sample.text.as_bytes();
    let read = codec.decode_response(bytes).map(|hub| hub.usage);
    let mut weighed = codec.weigh_response(bytes).map(|weighed| weighed.usage);
    if let (Ok(Some(read)), Ok(Some(weighed))) = (&read, &mut weighed) {
        weighed.raw.clone_from(&read.raw);
    }
    if read != weighed {
        return Some(format!("{}: {read:?} is not {weighed:?}", sample.id));
    }
    // Cut anywhere, it is whole to neither.
    let text = sample.text.trim_end();
    let ends = [1, text.len() / 3, text.len() / 2, text.len() - 1];
    ends.into_iter().find_map(|end| {
        let cut = &text.as_bytes()[..end];
        let whole = codec.weigh_response(cut).is_ok() || codec.decode_response(cut).is_ok();
        whole.then(|| format!("{}: whole when cut at {end}", sample.id))
    })
}

fn compare(before: &str, after: Vec<u8>, losses: &Losses) -> Option<String> {
    if let Some(loss) = losses.as_slice().first() {
        return Some(format!("loses {loss:?}"));
    }
    let after = String::from_utf8(after).unwrap();
    match (canon(before), canon(&after)) {
        (Ok(before), Ok(after)) => difference(&before, &after),
        (before, after) => Some(format!("is no JSON: {:?} {:?}", before.err(), after.err())),
    }
}
