//! The third part: the gateway is killed under load and started again.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::Demo;
use super::ask::{Answer, End, Question};
use super::child::Running;

const STREAMS: u32 = 60;
const QUICK: u32 = 100;
const SLOW: &str = "[[chunks=200&bytes=8&gap_ms=20]]";

pub(super) async fn show(demo: &mut Demo, gateway: Running) -> anyhow::Result<Running> {
    demo.page.part(3, "kill -9 under load")?;
    demo.page
        .say("   The gateway is killed in the middle of 60 streams, after 100 quick answers.")?;
    let mut load = load(&gateway)?;
    until_all_flow(demo).await;
    let pid = gateway.pid();
    gateway.kill()?;
    let began = Instant::now();
    let gateway = demo.place.start().await?;
    let took = began.elapsed().as_millis();
    let (mut whole, mut broken, mut sold) = (0, 0, 0);
    while let Some(done) = load.join_next().await {
        let (name, answer) = done?;
        demo.notes.asked(&name, &answer);
        match answer.end {
            End::Whole => whole += 1,
            End::Broken | End::Failed(_) => broken += 1,
            End::Unproven => sold += 1,
        }
    }
    demo.page
        .row("killed", &format!("process {pid}, by SIGKILL"))?;
    demo.page.row(
        "until then",
        &format!("{whole} answers came whole, {broken} streams were cut with an error"),
    )?;
    demo.page.row("serves again after", &format!("{took} ms"))?;
    let said = gateway.said()?;
    let line = said
        .lines()
        .find(|line| line.contains("under way when the last run ended"));
    let told = line.and_then(|line| line.rsplit("; ").next());
    demo.page.row("and says", told.unwrap_or("nothing"))?;
    demo.page.promise(
        broken >= STREAMS && sold == 0,
        "no client took a cut answer for a whole one",
    )?;
    demo.page.promise(
        line.is_some_and(|line| line.contains(&format!("{STREAMS} requests"))),
        "each request that was under way is known, and charged with what was held for it",
    )?;
    Ok(gateway)
}

fn load(gateway: &Running) -> anyhow::Result<JoinSet<(String, Answer)>> {
    let asker = gateway.asker()?;
    let mut all = JoinSet::new();
    for n in 0..STREAMS + QUICK {
        let (asker, is_slow) = (asker.clone(), n < STREAMS);
        all.spawn(async move {
            let question = Question {
                name: format!("kill-{n}"),
                model: "chat",
                text: if is_slow { SLOW } else { "a quick question" },
                stream: is_slow,
                max_tokens: 500,
            };
            let answer = asker.ask(&question).await;
            (question.name, answer)
        });
    }
    Ok(all)
}

/// Waits until the quick ones have ended and every slow stream has been flowing for a while.
async fn until_all_flow(demo: &Demo) {
    let by = Instant::now() + Duration::from_secs(20);
    while Instant::now() < by {
        let seen = demo.sim.seen();
        let wanted = |text: &[u8]| text.windows(6).any(|part| part == b"{kill-");
        let of_load = seen.iter().filter(|seen| wanted(&seen.body));
        let ready = of_load.filter(|seen| seen.events_sent > 20 || seen.outcome.is_some());
        if u32::try_from(ready.count()).is_ok_and(|ready| ready >= STREAMS + QUICK) {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
}
