use crate::failure::{ClientFailure, ProviderError};
pub(super) fn encode(_f: &ClientFailure) -> Vec<u8> {
    Vec::new()
}
pub(super) fn decode(_b: &[u8]) -> ProviderError {
    ProviderError::default()
}
