use crate::chat::StreamEvent;
use crate::codec::{Broken, EncoderOptions, End, EventDecoder, EventEncoder};
use crate::failure::ClientFailure;
use crate::frame::Frame;
use crate::loss::Losses;
#[derive(Clone, Debug)]
pub(super) struct Decoder;
impl Decoder {
    pub(super) fn new(_c: u64) -> Self {
        Self
    }
}
impl EventDecoder for Decoder {
    fn push(&mut self, _f: &Frame<'_>, _e: &mut Vec<StreamEvent>) -> Result<(), Broken> {
        Err(Broken::new("not written yet"))
    }
    fn finish(&mut self, _end: End, _e: &mut Vec<StreamEvent>) -> Result<(), Broken> {
        Err(Broken::new("not written yet"))
    }
    fn unknown_fields(&self) -> &[String] {
        &[]
    }
    fn boxed_clone(&self) -> Box<dyn EventDecoder> {
        Box::new(self.clone())
    }
}
#[derive(Clone, Debug, Default)]
pub(super) struct Encoder {
    losses: Losses,
}
impl Encoder {
    pub(super) fn new(_o: EncoderOptions) -> Self {
        Self::default()
    }
}
impl EventEncoder for Encoder {
    fn push(&mut self, _e: &StreamEvent, _o: &mut Vec<u8>) {}
    fn fail(&mut self, _f: &ClientFailure, _o: &mut Vec<u8>) {}
    fn keep_alive(&self) -> &'static [u8] {
        b""
    }
    fn losses(&self) -> &Losses {
        &self.losses
    }
    fn boxed_clone(&self) -> Box<dyn EventEncoder> {
        Box::new(self.clone())
    }
}
