//! The second part: more requests at once than a hard budget can pay for.

use tokio::task::JoinSet;

use super::Demo;
use super::ask::{End, Question};
use super::child::Running;
use super::page::usd;

const AT_ONCE: u32 = 500;
const LIMIT: i64 = 1_000_000_000;
const ANSWER: &str = "[[chunks=50&bytes=40]]";

/// What the requests came to.
#[derive(Default)]
struct Counts {
    whole: u32,
    refused: u32,
    other: u32,
}

pub(super) async fn show(demo: &mut Demo, gateway: &Running) -> anyhow::Result<()> {
    demo.page.part(
        2,
        &format!("{AT_ONCE} requests at once on a hard budget of $1"),
    )?;
    demo.page.say(
        "   An answer costs half a cent. The most that a request can cost is held before it is sent;\n   \
         one that does not fit is refused.",
    )?;
    let counts = rush(demo, gateway).await?;
    let held = settled(gateway).await?;
    let billed = demo.notes.billed(&demo.sim, "rush-");
    demo.page.row("answered whole", &counts.whole.to_string())?;
    demo.page
        .row("refused: budget_exceeded", &counts.refused.to_string())?;
    demo.page.row("the budget", &usd(LIMIT))?;
    demo.page.row("the provider's bill", &usd(billed))?;
    demo.page
        .row("over the budget", &usd(billed.saturating_sub(LIMIT).max(0)))?;
    demo.page.promise(
        billed <= LIMIT && billed > 0 && counts.refused > 0 && counts.other == 0,
        "a hard budget is hard, however many ask at once",
    )?;
    demo.page.promise(
        held == 0,
        &format!("afterwards nothing is held: {}", usd(held)),
    )
}

async fn rush(demo: &mut Demo, gateway: &Running) -> anyhow::Result<Counts> {
    let asker = gateway.asker()?;
    let mut all = JoinSet::new();
    for n in 0..AT_ONCE {
        let asker = asker.clone();
        all.spawn(async move {
            let question = Question {
                name: format!("rush-{n}"),
                model: "rush",
                text: ANSWER,
                stream: n % 2 == 0,
                max_tokens: 500,
            };
            let answer = asker.ask(&question).await;
            (question.name, answer)
        });
    }
    let mut counts = Counts::default();
    while let Some(done) = all.join_next().await {
        let (name, answer) = done?;
        demo.notes.asked(&name, &answer);
        match &answer.end {
            End::Whole => counts.whole += 1,
            End::Failed(code) if code == "budget_exceeded" => counts.refused += 1,
            End::Failed(_) | End::Unproven | End::Broken => counts.other += 1,
        }
    }
    Ok(counts)
}

/// What is still held, once the last answers have been settled.
async fn settled(gateway: &Running) -> anyhow::Result<i64> {
    for _ in 0..200 {
        if gateway.held().await? == 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    gateway.held().await
}
