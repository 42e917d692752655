//! Guardrails on the input. It stands before the plan, since what is found here may restrict the targets.

use policy::failure::{Code, Failure};
use policy::guardrail::Verdict;

use crate::admit::Admitted;
use crate::intake;

/// A request whose content may go on.
pub(crate) struct Screened {
    /// The request.
    pub admitted: Admitted,
    /// Its body.
    pub body: intake::Body,
}

/// Looks at the content.
///
/// # Errors
/// `guardrail_blocked` naming the guardrail, never the text.
pub(crate) fn screen(admitted: Admitted, body: intake::Body) -> Result<Screened, Failure> {
    match judge(&admitted, &body) {
        Verdict::Allow => Ok(Screened { admitted, body }),
        Verdict::Block { guardrail } => Err(Failure::new(
            Code::GuardrailBlocked,
            format!("the guardrail {guardrail} does not let this request pass"),
        )),
    }
}

/// No guardrail can be configured yet, so nothing stands against any request.
fn judge(_admitted: &Admitted, _body: &intake::Body) -> Verdict {
    Verdict::Allow
}
