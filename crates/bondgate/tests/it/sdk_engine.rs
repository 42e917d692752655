//! A real engine, through the real program, asked by the official library of each dialect.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use crate::compatibility::{ENGINE, From};
use crate::program::{KEY, Program, part, root};
use crate::sdk::suite;

#[test]
fn a_real_engine_answers_behind_all_six_client_dialects() {
    let (Some(engine), Some(python)) = (
        part(".parts/venv-engine/bin/python"),
        part(".parts/venv-sdk/bin/python"),
    ) else {
        return;
    };
    let engine = Engine::start(&engine);
    let url = &engine.url;
    let gateway = Program::start(&format!(
        "providers:\n  engine: {{ base_url: \"{url}\", dialect: openai-chat, key: none }}\n  \
         engine-messages: {{ base_url: \"{url}\", dialect: anthropic-messages, key: none }}\n\
         models:\n  engine-chat: {{ targets: [engine/tiny-random] }}\n  \
         engine-anthropic: {{ targets: [engine-messages/tiny-random] }}\n\
         keys:\n  test: {{ secret: {KEY} }}\n"
    ));
    let mut command = Command::new(python);
    command.arg("tests/sdk/python/engine.py");
    ENGINE.measured(From::Python, &suite(command, &gateway));
}

/// llama.cpp's own server on a tiny random model. Ends with this.
struct Engine {
    url: String,
    child: Child,
}

impl Engine {
    fn start(python: &std::path::Path) -> Self {
        let mut child = Command::new(python)
            .current_dir(root())
            .arg("tests/engine/serve.py")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the engine starts");
        let lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let address = lines
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("LISTEN ").map(str::to_owned))
            .expect("the engine says where it listens");
        Self {
            url: format!("http://{address}"),
            child,
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // It ends when its stdin closes.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
