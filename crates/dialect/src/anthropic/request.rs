use crate::chat::Request;
use crate::codec::{Edits, TargetModel};
use crate::head::Head;
use crate::json::Invalid;
use crate::loss::Losses;
use crate::patch::Patch;
pub(super) fn head(_b: &[u8]) -> Result<Head, Invalid> {
    Err(Invalid::new("not written yet"))
}
pub(super) fn patch(_h: &Head, _e: &Edits<'_>) -> Patch {
    Patch::default()
}
pub(super) fn decode(_b: &[u8]) -> Result<Request, Invalid> {
    Err(Invalid::new("not written yet"))
}
pub(super) fn encode(_r: &Request, _t: &TargetModel<'_>, _l: &mut Losses) -> Vec<u8> {
    Vec::new()
}
