//! The first part: answers that the provider breaks off, asked for directly and through the gateway.

use super::Demo;
use super::ask::{Answer, Asker, End, Question};
use super::child::Running;

const STORY: &str = "tell me a story [[chunks=40&bytes=6]]";
const STORY_LETTERS: usize = 240;
const LETTER: &str = "write a letter [[words=40]]";

pub(super) async fn show(demo: &mut Demo, gateway: &Running) -> anyhow::Result<()> {
    demo.page
        .part(1, "A provider breaks off in the middle of an answer")?;
    demo.page
        .say("   The provider stops after a few words and closes as if all were said.")?;
    let (direct, through) = (demo.direct()?, gateway.asker()?);
    let story = told(demo, &direct, "story-direct", true).await;
    let same = told(demo, &through, "story-gateway", true).await;
    demo.page
        .row("a stream, asked for directly", &words(&story))?;
    demo.page
        .row("the same through the gateway", &words(&same))?;
    let honest = story.end == End::Unproven && matches!(same.end, End::Failed(_));
    demo.page.promise(
        honest && !same.text.is_empty(),
        "a broken answer is never sold as a whole one",
    )?;
    let letter = told(demo, &direct, "letter-direct", false).await;
    let again = told(demo, &through, "letter-gateway", false).await;
    demo.page.row("a whole answer, directly", &words(&letter))?;
    demo.page
        .row("the same through the gateway", &words(&again))?;
    demo.page.promise(
        letter.end == End::Broken && again.end == End::Whole && again.attempts == Some(2),
        "what the client has not seen yet is asked for again, unseen",
    )
}

async fn told(demo: &mut Demo, asker: &Asker, name: &str, stream: bool) -> Answer {
    let question = Question {
        name: name.to_owned(),
        model: "chat",
        text: if stream { STORY } else { LETTER },
        stream,
        max_tokens: 400,
    };
    let answer = asker.ask(&question).await;
    demo.notes.asked(&question.name, &answer);
    answer
}

/// What a client makes of an answer.
fn words(answer: &Answer) -> String {
    let letters = answer.text.chars().count();
    match &answer.end {
        End::Whole => match answer.attempts {
            Some(attempts) if attempts > 1 => {
                format!("{letters} letters, whole, by attempt {attempts}")
            }
            Some(_) | None => format!("{letters} letters, whole"),
        },
        End::Unproven => {
            format!("{letters} of {STORY_LETTERS} letters, then an end like any other: no error")
        }
        End::Failed(code) => {
            format!("{letters} of {STORY_LETTERS} letters, then an error: {code}")
        }
        End::Broken => "the connection broke, nothing to use".to_owned(),
    }
}
