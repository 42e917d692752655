//! Items of the input that stand for what the provider keeps.
//!
//! An item with an `id` and nothing of its own is read by the provider out of what it stored, for
//! whoever asks with our credential. By OpenAI's published schema a reference needs its `id` alone
//! (`ItemReferenceParam`: `type` may be missing or null), so an item counts as whole only where it
//! holds what its type is about. A type that is not listed counts as a reference.

use crate::json::{Invalid, Kind, Reader};
use crate::openai_responses::wire::kind_of;

/// What of an item is its own content, by its type: one of these members, not null.
const OWN: [(&str, &[&str]); 28] = [
    ("", &["content"]),
    ("message", &["content"]),
    ("function_call", &["arguments"]),
    ("function_call_output", &["output"]),
    ("custom_tool_call", &["input"]),
    ("custom_tool_call_output", &["output"]),
    ("reasoning", &["encrypted_content", "content"]),
    ("compaction", &["encrypted_content"]),
    ("compaction_summary", &["encrypted_content"]),
    ("image_generation_call", &["result"]),
    ("web_search_call", &["action"]),
    ("file_search_call", &["queries"]),
    ("code_interpreter_call", &["code"]),
    ("computer_call", &["action", "actions"]),
    ("computer_call_output", &["output"]),
    ("local_shell_call", &["action"]),
    ("local_shell_call_output", &["output"]),
    ("shell_call", &["action"]),
    ("shell_call_output", &["output"]),
    ("apply_patch_call", &["operation"]),
    ("apply_patch_call_output", &["status"]),
    ("tool_search_call", &["arguments"]),
    ("tool_search_output", &["tools"]),
    ("additional_tools", &["tools"]),
    ("mcp_list_tools", &["tools"]),
    ("mcp_approval_request", &["arguments"]),
    ("mcp_approval_response", &["approve"]),
    ("mcp_call", &["arguments"]),
];

/// Types whose content stands for nothing where it is empty.
const FILLED: [&str; 7] = [
    "",
    "message",
    "reasoning",
    "compaction",
    "compaction_summary",
    "code_interpreter_call",
    "image_generation_call",
];

/// Reads the elements of `input`; whether one of them stands for what the provider keeps.
///
/// # Errors
/// [`Invalid`] where it is no list of values, or an item with an `id` says a member twice.
pub(super) fn stands_for_stored(input: &mut Reader<'_>) -> Result<bool, Invalid> {
    let mut any = false;
    input.array(|_, item| {
        if item.peek()? != Kind::Object {
            return item.skip().map(drop);
        }
        let whole = item.clone();
        let mut named = false;
        item.object(|key, member| {
            named |= key == "id" && member.peek()? != Kind::Null;
            member.skip().map(drop)
        })?;
        any |= named && is_reference(whole.with_unique_keys())?;
        Ok(())
    })?;
    Ok(any)
}

/// Whether an item that has an `id` has nothing else to tell.
fn is_reference(mut item: Reader<'_>) -> Result<bool, Invalid> {
    let kind = kind_of(&item)?;
    let listed = OWN.iter().find(|(name, _)| *name == kind);
    let own: &[&str] = listed.map(|(_, own)| *own).unwrap_or_default();
    let is_filled = FILLED.contains(&&*kind);
    // Without a type it is a message by its role alone.
    let (mut speaks, mut holds) = (!kind.is_empty(), false);
    item.object(|key, member| {
        speaks |= key == "role" && member.peek()? == Kind::String;
        if !own.contains(&key) {
            return member.skip().map(drop);
        }
        let is_empty = is_empty(member)?;
        holds |= is_empty.is_some_and(|is_empty| !(is_empty && is_filled));
        Ok(())
    })?;
    Ok(!(speaks && holds))
}

/// Whether a text or list is empty; `None` for null.
fn is_empty(value: &mut Reader<'_>) -> Result<Option<bool>, Invalid> {
    Ok(match value.peek()? {
        Kind::Null => {
            value.skip()?;
            None
        }
        Kind::String => Some(value.string()?.is_empty()),
        Kind::Array => {
            let mut is_empty = true;
            value.array(|_, element| {
                is_empty = false;
                element.skip().map(drop)
            })?;
            Some(is_empty)
        }
        Kind::Object | Kind::Number | Kind::Bool => {
            value.skip()?;
            Some(false)
        }
    })
}
