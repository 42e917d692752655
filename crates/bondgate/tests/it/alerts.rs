//! Alerts against a real HTTP server: once each, signed, tried again, and nobody waits for them.

mod kit;

use std::time::Duration;

use aws_lc_rs::hmac;
use bondgate::alerts::{Alert, Pace};
use bondgate::config::{Alerts, Webhook};
use gateway::notice::Notice;
use policy::accounts::Drift;
use policy::health::Cause;
use policy::secret::Secret;

use crate::client::{CHAT, Client, chat, request};
use crate::program::{KEY, Program, SimThread};
use crate::proof::{self, metric};
use kit::{
    Does, House, QUICK, SECRET, Server, balance, folder, messages, now_ms, step, unpriced, until,
    webhook,
};

#[test]
fn targets_and_credentials_that_are_out_of_use_are_told_once_each() {
    let (server, data) = (Server::start([]), folder());
    let house = House::start(data.path(), &webhook(&server));
    let soon = now_ms() + 300_000;
    let breaker = |open_until_ms| Notice::Breaker {
        target: "local/small".into(),
        open_until_ms,
    };
    let used_up = || Notice::Credential {
        target: "local/small".into(),
        name: "local-2".into(),
        cause: Cause::Exhausted,
        until_ms: soon,
    };
    let gone = || Notice::ModelGone {
        target: "local/old".into(),
    };
    for _ in 0..3 {
        house.notice(breaker(Some(soon)));
        house.notice(used_up());
        house.notice(gone());
    }
    house.notice(breaker(None));
    let received = server.wait(4);
    drop(house);
    assert_eq!(server.received().len(), 4);
    let told = received.iter().map(|one| {
        let of = |name: &str| one.text(name);
        (of("kind"), of("severity"), of("target"))
    });
    let told: Vec<_> = told.collect();
    let expected = [
        ("target", "warning", "local/small"),
        ("credential", "critical", "local/small"),
        ("target", "warning", "local/old"),
        ("target", "info", "local/small"),
    ];
    let expected = expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()));
    assert_eq!(told, expected);
    assert!(received[1].text("message").contains("`local-2`"));
}

#[test]
fn each_alert_is_told_once_over_restarts_too() {
    let (server, data) = (Server::start([]), folder());
    let house = House::start(data.path(), &webhook(&server));
    for _ in 0..3 {
        house.notice(step(80, "ada"));
        house.notice(unpriced("local/small"));
    }
    house.notice(step(80, "bob"));
    house.notice(step(100, "ada"));
    let received = server.wait(4);
    until("it is remembered", || house.handle.counts().sent == 4);
    drop(house);

    let house = House::start(data.path(), &webhook(&server));
    house.notice(step(80, "ada"));
    house.notice(unpriced("local/small"));
    house.notice(unpriced("local/other"));
    let after = server.wait(5);
    drop(house);
    assert_eq!(server.received().len(), 5, "{:?}", messages(&after));
    let first = received[0].json();
    let said = |name: &str| first[name].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        [
            "kind",
            "severity",
            "budget",
            "on",
            "bucket",
            "settled_usd",
            "limit_usd"
        ]
        .map(said),
        [
            "budget",
            "warning",
            "support",
            "team:support",
            "ada",
            "401.500000000",
            "500.000000000"
        ]
    );
    assert_eq!(first["percent"], 80);
    assert!(
        said("message").contains("401.50 USD of 500.00 USD"),
        "{first}"
    );
    assert_eq!(received[3].text("severity"), "critical");
    assert_eq!(after[4].text("target"), "local/other");
    assert_ne!(said("id"), received[1].text("id"));
}

#[test]
fn what_the_last_process_had_no_time_to_tell_is_told_by_the_next() {
    let (server, data) = (Server::start([]), folder());
    let house = House::start(data.path(), &webhook(&server));
    house.notice(step(50, "ada"));
    server.wait(1);
    until("it is remembered", || house.handle.counts().sent == 1);
    drop(house);
    let house = House::start(data.path(), &webhook(&server));
    house.handle.reached(vec![balance(400_000_000_000)]);
    let received = server.wait(2);
    drop(house);
    assert_eq!(server.received().len(), 2);
    assert_eq!(received[1].json()["percent"], 80);
}

#[test]
fn a_torn_or_foreign_line_in_what_was_told_is_passed_over() {
    let (server, data) = (Server::start([]), folder());
    let house = House::start(data.path(), &webhook(&server));
    house.notice(unpriced("local/small"));
    server.wait(1);
    until("it is remembered", || house.handle.counts().sent == 1);
    drop(house);
    let file = data.path().join(bondgate::alerts::FILE);
    let mut text = std::fs::read(&file).unwrap();
    text.extend(b"\xff not a line\n{\"told\":\"webhook unpr");
    std::fs::write(&file, text).unwrap();
    let house = House::start(data.path(), &webhook(&server));
    house.notice(unpriced("local/small"));
    house.notice(unpriced("local/other"));
    let received = server.wait(2);
    drop(house);
    assert_eq!(received[1].text("target"), "local/other");
    assert_eq!(server.received().len(), 2);
}

#[test]
fn the_signature_is_of_time_and_body() {
    let (server, data) = (Server::start([]), folder());
    let house = House::start(data.path(), &webhook(&server));
    house.notice(step(80, "ada"));
    let received = server.wait(1).remove(0);
    drop(house);
    assert_eq!(received.path, "/hook?channel=1");
    assert_eq!(received.headers["content-type"], "application/json");
    let header = received.headers["x-bondgate-signature"].to_str().unwrap();
    let (time, mac) = header
        .strip_prefix("t=")
        .and_then(|rest| rest.split_once(",v1="))
        .unwrap();
    let age_s = now_ms() / 1000 - time.parse::<i64>().unwrap();
    assert!((0..300).contains(&age_s), "{age_s}");
    let mac: Vec<u8> = (0..mac.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&mac[at..at + 2], 16).unwrap())
        .collect();
    let verifies = |time: &str, body: &[u8], secret: &str| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let signed = [time.as_bytes(), b".", body].concat();
        hmac::verify(&key, &signed, &mac).is_ok()
    };
    assert!(verifies(time, &received.body, SECRET));
    let mut changed = received.body.to_vec();
    changed[10] ^= 1;
    assert!(!verifies(time, &changed, SECRET));
    assert!(!verifies("1", &received.body, SECRET));
    assert!(!verifies(time, &received.body, "another secret, as long"));
}

#[test]
fn a_failing_receiver_is_tried_again_with_the_same_alert() {
    let server = Server::start([Does::Answers(503), Does::Answers(429)]);
    let data = folder();
    let house = House::start(data.path(), &webhook(&server));
    house.notice(step(80, "ada"));
    let received = server.wait(3);
    until("it is counted", || house.handle.counts().sent == 1);
    assert_eq!(house.handle.counts().retried, 2);
    assert_eq!(house.handle.counts().given_up, 0);
    assert!(received.iter().all(|one| one.body == received[0].body));
}

#[test]
fn after_its_tries_an_alert_is_given_up_and_the_next_one_sent() {
    let server = Server::start((0..3).map(|_| Does::Answers(500)));
    let data = folder();
    let house = House::start(data.path(), &webhook(&server));
    house.notice(unpriced("local/small"));
    until("it is given up", || house.handle.counts().given_up == 1);
    house.notice(unpriced("local/small"));
    house.notice(unpriced("local/other"));
    let received = server.wait(4);
    drop(house);
    assert_eq!(received[3].text("target"), "local/other");
    assert_eq!(
        server.received().len(),
        4,
        "it rests before it is told again"
    );

    let house = House::start(data.path(), &webhook(&server));
    house.notice(unpriced("local/small"));
    assert_eq!(server.wait(5)[4].text("target"), "local/small");
    drop(house);
}

#[test]
fn a_refusal_is_final_and_a_redirect_is_not_followed() {
    let elsewhere = Server::start([]);
    let there = elsewhere.url("/").reveal().to_owned();
    let server = Server::start([Does::Redirects(there), Does::Answers(404)]);
    let data = folder();
    let house = House::start(data.path(), &webhook(&server));
    house.notice(unpriced("local/small"));
    house.notice(unpriced("local/other"));
    until("both are given up", || house.handle.counts().given_up == 2);
    assert_eq!(server.received().len(), 2);
    assert!(elsewhere.received().is_empty());
    assert_eq!(house.handle.counts().retried, 0);
}

#[test]
fn a_receiver_that_hangs_holds_up_neither_the_road_nor_another_receiver() {
    let slow = Server::start((0..100).map(|_| Does::Hangs));
    let (quick, data) = (Server::start([]), folder());
    let alerts = Alerts {
        slack: Some(quick.url("/services/T0/B0/x")),
        ..webhook(&slow)
    };
    let pace = Pace {
        timeout: Duration::from_secs(600),
        ..QUICK
    };
    let house = House::paced(data.path(), &alerts, pace);
    house.notice(unpriced("local/first"));
    slow.wait(1);
    // More than may wait for a receiver, in such portions that the other keeps up.
    for portion in 0..15 {
        for n in 0..100 {
            house.notice(unpriced(&format!("local/{portion}-{n}")));
        }
        quick.wait(1 + 100 * (portion + 1));
    }
    until("the oldest are dropped", || {
        house.handle.counts().dropped > 0
    });
    assert_eq!(house.handle.counts().dropped, 1500 - 1024);
    assert_eq!(slow.received().len(), 1);
}

#[test]
fn slack_gets_its_own_format_and_nobody_is_mentioned() {
    let (server, data) = (Server::start([]), folder());
    let alerts = Alerts {
        webhook: None,
        slack: Some(server.url("/services/T0/B0/x")),
    };
    let house = House::start(data.path(), &alerts);
    house.notice(step(100, "<!channel> & co"));
    let received = server.wait(1).remove(0);
    drop(house);
    assert_eq!(received.path, "/services/T0/B0/x");
    assert!(!received.headers.contains_key("x-bondgate-signature"));
    let body = received.json();
    assert!(
        body["text"]
            .as_str()
            .unwrap()
            .contains("100 % of `support`")
    );
    let kinds: Vec<_> = body["blocks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|b| &b["type"])
        .collect();
    assert_eq!(kinds, ["header", "section", "context"]);
    assert_eq!(body["blocks"][0]["text"]["type"], "plain_text");
    let section = body["blocks"][1]["text"]["text"].as_str().unwrap();
    assert!(section.contains("&lt;!channel&gt; &amp; co"), "{section}");
    assert!(!body.to_string().contains("<!channel>"));
}

#[test]
fn a_part_in_trouble_is_told_when_it_begins_and_when_it_is_over() {
    let (server, data) = (Server::start([]), folder());
    let house = House::start(data.path(), &webhook(&server));
    house.set_journal(true);
    house.set_journal(false);
    server.wait(1);
    until("it is remembered", || house.handle.counts().sent == 1);
    drop(house);

    // The next process finds it in trouble still, then well again.
    let house = House::start(data.path(), &webhook(&server));
    house.set_journal(false);
    house.notice(unpriced("local/small"));
    server.wait(2);
    house.set_journal(true);
    let received = server.wait(3);
    until("it is remembered", || house.handle.counts().sent == 2);
    house.set_journal(false);
    server.wait(4);
    drop(house);
    let phases: Vec<_> = received.iter().map(|one| one.text("phase")).collect();
    assert_eq!(phases, ["begun", "", "over"]);
    assert_eq!(received[0].text("severity"), "critical");
    assert_eq!(received[0].text("state"), "the disk is full");
    assert_eq!(received[2].text("severity"), "info");
    assert_eq!(received[0].text("key"), received[2].text("key"));
    assert_eq!(server.received().len(), 4);
}

#[test]
fn an_account_that_differs_from_the_ledger_is_told_once_a_day() {
    let (server, data) = (Server::start([]), folder());
    let house = House::start(data.path(), &webhook(&server));
    let drift = Drift {
        account: balance(2_000_000_000),
        ledger_settled: 1_000_000_000,
        ledger_held: 0,
    };
    let noon = now_ms() / 86_400_000 * 86_400_000 + 43_200_000;
    house.handle.tell(Alert::drift(&drift, noon));
    house.handle.tell(Alert::drift(&drift, noon + 1000));
    house.handle.tell(Alert::drift(&drift, noon + 86_400_000));
    let received = server.wait(2);
    drop(house);
    assert_eq!(server.received().len(), 2);
    let body = received[0].json();
    assert_eq!(body["kind"], "drift");
    assert_eq!(body["account_settled_usd"], "2.000000000");
    assert_eq!(body["ledger_settled_usd"], "1.000000000");
}

#[test]
fn a_change_of_the_configuration_holds_from_the_next_try() {
    let (old, new, data) = (Server::start([]), Server::start([]), folder());
    let house = House::start(data.path(), &webhook(&old));
    house.notice(unpriced("local/small"));
    old.wait(1);
    house.handle.follow(&webhook(&new));
    house.notice(unpriced("local/other"));
    assert_eq!(new.wait(1)[0].text("target"), "local/other");
    house.handle.follow(&Alerts::default());
    drop(house);
    assert_eq!((old.received().len(), new.received().len()), (1, 1));
}

#[test]
fn a_credential_in_the_url_is_sent_as_one() {
    let (server, data) = (Server::start([]), folder());
    let url = format!("http://ops:p%40ss@{}/hook", server.address);
    let alerts = Alerts {
        webhook: Some(Webhook {
            url: Secret::new(url),
            secret: Secret::new(SECRET.to_owned()),
        }),
        slack: None,
    };
    let house = House::start(data.path(), &alerts);
    house.notice(unpriced("local/small"));
    let received = server.wait(1).remove(0);
    drop(house);
    assert_eq!(received.headers["authorization"], "Basic b3BzOnBAc3M=");
    assert_eq!(received.headers["host"], server.address.to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_figures_count_what_came_of_alerts() {
    let sim = SimThread::start("{}");
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = free.local_addr().unwrap();
    drop(free);
    let gateway = Program::start(&format!(
        "{}models:\n  m: {{ targets: [chat/echo] }}\nkeys:\n  test: {{ secret: {KEY} }}\n\
         alerts: {{ slack: \"http://{nobody}/x\" }}\n",
        sim.providers()
    ));
    assert_eq!(metric(&gateway, "bondgate_alerts").await, 0);
    let mut client = Client::to(&gateway).await;
    let got = client
        .ask(request("POST", CHAT, KEY, chat("m", "hello", false)))
        .await;
    assert_eq!(got.status, 200, "{got:?}");
    proof::until("the model has no price, and nobody takes that", || async {
        proof::metrics(&gateway).await.lines().any(|line| {
            line.strip_prefix("bondgate_alerts{outcome=\"retried\"} ")
                .is_some_and(|count| count != "0")
        })
    })
    .await;
}
