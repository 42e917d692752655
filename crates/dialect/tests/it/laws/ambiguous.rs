//! A whole answer that two readers could understand in two ways is broken, and so is one whose
//! proof of completion is none.

use dialect::Dialect;

#[test]
fn a_whole_answer_that_two_readers_could_understand_in_two_ways_is_broken() {
    for dialect in Dialect::ALL {
        let (good, broken) = match dialect {
            Dialect::OpenaiChat => chat(),
            Dialect::AnthropicMessages => messages(),
            Dialect::OpenaiResponses => responses(),
            Dialect::Gemini => contents(),
            Dialect::BedrockConverse => converse(),
            Dialect::Cohere => cohere(),
        };
        let codec = dialect.client();
        assert!(codec.decode_response(good.as_bytes()).is_ok(), "{good}");
        assert!(codec.weigh_response(good.as_bytes()).is_ok(), "{good}");
        for answer in broken {
            assert!(
                codec.decode_response(answer.as_bytes()).is_err(),
                "{answer}"
            );
            assert!(codec.weigh_response(answer.as_bytes()).is_err(), "{answer}");
        }
    }
}

/// An answer that is whole, and some that are not.
type Answers = (String, Vec<String>);

fn chat() -> Answers {
    const CHOICE: &str =
        r#"{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}"#;
    let broken = vec![
        format!(r#"{{"choices":[{CHOICE}],"choices":[]}}"#),
        r#"{"choices":[{"index":0,"message":{"content":"Hi"},"finish_reason":"stop","finish_reason":null}]}"#.to_owned(),
        r#"{"choices":[{"index":0,"finish_reason":"stop"}]}"#.to_owned(),
        r#"{"choices":[{"index":0,"message":"Hi","finish_reason":"stop"}]}"#.to_owned(),
        r#"{"choices":[{"index":0,"message":{"content":"Hi"},"finish_reason":7}]}"#.to_owned(),
        r#"{"choices":[{"index":0,"message":{"content":"Hi"},"finish_reason":"stop","error":{"message":"no"}}]}"#.to_owned(),
        format!(r#"{{"error":{{"message":"no"}},"choices":[{CHOICE}]}}"#),
        format!(r#"{{"choices":[{CHOICE},{{"index":1,"message":{{"content":"Hi"}}}}]}}"#),
        format!(r#"{{"choices":[{CHOICE}]}} x"#),
    ];
    (format!(r#"{{"choices":[{CHOICE}]}}"#), broken)
}

fn messages() -> Answers {
    const MESSAGE: &str =
        r#""type":"message","role":"assistant","content":[{"type":"text","text":"Hi"}]"#;
    let broken = vec![
        format!(r#"{{{MESSAGE},"stop_reason":"end_turn","stop_reason":null}}"#),
        format!(r#"{{{MESSAGE},"stop_reason":"end_turn","content":[]}}"#),
        format!(r#"{{{MESSAGE},"stop_reason":""}}"#),
        format!(r#"{{{MESSAGE},"stop_reason":"end_turn","error":{{"message":"no"}}}}"#),
        r#"{"type":"message","content":["Hi"],"stop_reason":"end_turn"}"#.to_owned(),
        r#"{"type":"message","content":7,"stop_reason":"end_turn"}"#.to_owned(),
        r#"{"content":[],"stop_reason":"end_turn"}"#.to_owned(),
    ];
    (format!(r#"{{{MESSAGE},"stop_reason":"end_turn"}}"#), broken)
}

fn cohere() -> Answers {
    const SAID: &str = r#""message":{"role":"assistant","content":[{"type":"text","text":"Hi"}]}"#;
    let broken = vec![
        format!(r#"{{{SAID},"finish_reason":"COMPLETE","finish_reason":null}}"#),
        format!(r#"{{{SAID},"finish_reason":"COMPLETE","message":{{}}}}"#),
        format!(r#"{{{SAID},"finish_reason":""}}"#),
        format!(r#"{{{SAID},"finish_reason":"ERROR"}}"#),
        format!(r#"{{{SAID},"finish_reason":"TIMEOUT"}}"#),
        format!(r#"{{{SAID},"finish_reason":7}}"#),
        format!("{{{SAID}}}"),
        r#"{"message":"no","id":"a"}"#.to_owned(),
        r#"{"message":"no","finish_reason":"COMPLETE"}"#.to_owned(),
        r#"{"message":{"content":["Hi"]},"finish_reason":"COMPLETE"}"#.to_owned(),
        r#"{"message":{"content":7},"finish_reason":"COMPLETE"}"#.to_owned(),
        r#"{"message":{"tool_calls":7},"finish_reason":"COMPLETE"}"#.to_owned(),
    ];
    (format!(r#"{{{SAID},"finish_reason":"COMPLETE"}}"#), broken)
}

fn converse() -> Answers {
    const CONVERSED: &str =
        r#""output":{"message":{"role":"assistant","content":[{"text":"Hi"}]}}"#;
    let broken = vec![
        format!(r#"{{{CONVERSED},"stopReason":"end_turn","stopReason":null}}"#),
        format!(r#"{{{CONVERSED},"stopReason":"end_turn","output":{{}}}}"#),
        format!(r#"{{{CONVERSED},"stopReason":""}}"#),
        format!(r#"{{{CONVERSED},"stopReason":7}}"#),
        format!("{{{CONVERSED}}}"),
        format!(r#"{{{CONVERSED},"stopReason":"end_turn"}} x"#),
        r#"{"message":"no"}"#.to_owned(),
        r#"{"stopReason":"end_turn"}"#.to_owned(),
        r#"{"output":{},"stopReason":"end_turn"}"#.to_owned(),
        r#"{"output":{"message":{"role":"assistant","content":["Hi"]}},"stopReason":"end_turn"}"#
            .to_owned(),
        r#"{"output":{"message":{"role":"assistant","content":7}},"stopReason":"end_turn"}"#
            .to_owned(),
    ];
    (
        format!(r#"{{{CONVERSED},"stopReason":"end_turn"}}"#),
        broken,
    )
}

fn responses() -> Answers {
    const RESPONSE: &str = r#""object":"response","output":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"Hi"}]}]"#;
    let broken = vec![
        format!(r#"{{{RESPONSE}}}"#),
        format!(r#"{{{RESPONSE},"status":""}}"#),
        format!(r#"{{{RESPONSE},"status":null}}"#),
        format!(r#"{{{RESPONSE},"status":"in_progress"}}"#),
        format!(r#"{{{RESPONSE},"status":"queued"}}"#),
        format!(r#"{{{RESPONSE},"status":"cancelled"}}"#),
        format!(r#"{{{RESPONSE},"status":"failed","error":{{"message":"no"}}}}"#),
        format!(r#"{{{RESPONSE},"status":"completed","error":{{"message":"no"}}}}"#),
        format!(r#"{{{RESPONSE},"status":"completed","status":"in_progress"}}"#),
        format!(r#"{{{RESPONSE},"status":"completed","output":[]}}"#),
        r#"{"status":"completed"}"#.to_owned(),
        r#"{"status":"completed","output":7}"#.to_owned(),
        r#"{"status":"completed","output":["Hi"]}"#.to_owned(),
        format!(r#"{{{RESPONSE},"status":"completed"}} x"#),
    ];
    (format!(r#"{{{RESPONSE},"status":"completed"}}"#), broken)
}

fn contents() -> Answers {
    const CANDIDATE: &str = r#"{"content":{"parts":[{"text":"Hi"}]},"finishReason":"STOP"}"#;
    let broken = vec![
        format!(r#"{{"candidates":[{CANDIDATE}],"candidates":[]}}"#),
        r#"{"candidates":[]}"#.to_owned(),
        r#"{"usageMetadata":{"promptTokenCount":1}}"#.to_owned(),
        r#"{"promptFeedback":{"safetyRatings":[]}}"#.to_owned(),
        r#"{"promptFeedback":{"blockReason":"BLOCKED_REASON_UNSPECIFIED"}}"#.to_owned(),
        r#"{"candidates":[{"content":{"parts":[{"text":"Hi"}]}}]}"#.to_owned(),
        r#"{"candidates":[{"content":{"parts":[{"text":"Hi"}]},"finishReason":"STOP","finishReason":null}]}"#.to_owned(),
        r#"{"candidates":[{"content":{},"finishReason":"FINISH_REASON_UNSPECIFIED"}]}"#.to_owned(),
        r#"{"candidates":[{"content":{},"finishReason":""}]}"#.to_owned(),
        r#"{"candidates":[{"content":{},"finishReason":0}]}"#.to_owned(),
        r#"{"candidates":[{"content":"Hi","finishReason":"STOP"}]}"#.to_owned(),
        r#"{"candidates":["Hi"]}"#.to_owned(),
        format!(r#"{{"error":{{"message":"no"}},"candidates":[{CANDIDATE}]}}"#),
        format!(r#"{{"candidates":[{CANDIDATE},{{"content":{{}},"index":1}}]}}"#),
        format!(r#"{{"candidates":[{CANDIDATE}]}} x"#),
        format!(r#"[{{"candidates":[{CANDIDATE}]}}]"#),
    ];
    (format!(r#"{{"candidates":[{CANDIDATE}]}}"#), broken)
}
