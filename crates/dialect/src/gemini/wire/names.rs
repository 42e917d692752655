//! Member names in their two cases: ProtoJSON is read in both, so clients write both.
//!
//! A name that was written with underscores is noted at its node and written so
//! again; nothing may depend on how it was spelled.

use crate::chat::Extra;

/// Names with underscores, and as they are written otherwise.
const CASES: [(&str, &str); 38] = [
    ("system_instruction", "systemInstruction"),
    ("generation_config", "generationConfig"),
    ("tool_config", "toolConfig"),
    ("service_tier", "serviceTier"),
    ("inline_data", "inlineData"),
    ("file_data", "fileData"),
    ("function_call", "functionCall"),
    ("function_response", "functionResponse"),
    ("executable_code", "executableCode"),
    ("code_execution_result", "codeExecutionResult"),
    ("thought_signature", "thoughtSignature"),
    ("mime_type", "mimeType"),
    ("file_uri", "fileUri"),
    ("display_name", "displayName"),
    ("function_declarations", "functionDeclarations"),
    ("parameters_json_schema", "parametersJsonSchema"),
    ("function_calling_config", "functionCallingConfig"),
    ("allowed_function_names", "allowedFunctionNames"),
    ("stop_sequences", "stopSequences"),
    ("candidate_count", "candidateCount"),
    ("max_output_tokens", "maxOutputTokens"),
    ("top_p", "topP"),
    ("top_k", "topK"),
    ("response_mime_type", "responseMimeType"),
    ("response_schema", "responseSchema"),
    ("response_json_schema", "responseJsonSchema"),
    ("response_logprobs", "responseLogprobs"),
    ("thinking_config", "thinkingConfig"),
    ("thinking_budget", "thinkingBudget"),
    ("thinking_level", "thinkingLevel"),
    ("include_thoughts", "includeThoughts"),
    ("presence_penalty", "presencePenalty"),
    ("frequency_penalty", "frequencyPenalty"),
    ("cached_content", "cachedContent"),
    ("safety_settings", "safetySettings"),
    ("response_modalities", "responseModalities"),
    ("speech_config", "speechConfig"),
    ("media_resolution", "mediaResolution"),
];

/// The name without underscores.
pub(crate) fn plain(name: &str) -> &str {
    case(name).map_or(name, |(_, plain)| plain)
}

/// The name without underscores; that it had some is noted.
pub(crate) fn read<'n>(name: &'n str, notes: &mut Extra) -> &'n str {
    match case(name) {
        Some((with, plain)) => {
            notes.note(with);
            plain
        }
        None => name,
    }
}

/// The name as it was written at that node.
pub(crate) fn write(name: &'static str, notes: &Extra) -> &'static str {
    let case = CASES.iter().find(|(_, plain)| *plain == name);
    match case {
        Some((with, _)) if notes.noted(with) => with,
        Some(_) | None => name,
    }
}

fn case(name: &str) -> Option<(&'static str, &'static str)> {
    if !name.contains('_') {
        return None;
    }
    CASES.iter().copied().find(|(with, _)| *with == name)
}
