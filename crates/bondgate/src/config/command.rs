//! Running the commands of `${command:…}`.
//!
//! By `sh -c`, in the gateway's environment and folder, for at most ten seconds, with a
//! bound on what it may say. What it says on stderr goes to ours; what it says on stdout
//! is the value and must never be shown.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

const PATIENCE: Duration = Duration::from_secs(10);

/// What the command writes, without the last line end.
///
/// # Errors
/// A few words on why there is no value.
pub fn run(command: &str, max: usize) -> Result<Zeroizing<String>, String> {
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("it does not start: {error}"))?;
    let stdout = child.stdout.take().ok_or("its output cannot be read")?;
    let (say, hear) = mpsc::channel();
    // Ends with the pipe; a grandchild that holds it open is not waited for.
    thread::spawn(move || {
        let mut capped = stdout.take(max as u64 + 1);
        let mut bytes = Zeroizing::new(Vec::new());
        let read = capped.read_to_end(&mut bytes);
        // Before the pipe closes, so that a command ended by that is known to have said too much.
        say.send(read.map(|_| bytes)).ok();
    });
    let too_much = format!("it says more than {max} bytes");
    if let Err(why) = wait(&mut child) {
        let said = hear.try_recv().ok().and_then(Result::ok);
        return Err(said
            .filter(|bytes| bytes.len() > max)
            .map_or(why, |_| too_much));
    }
    let bytes = hear
        .recv_timeout(PATIENCE)
        .map_err(|_| "its output does not end".to_owned())?
        .map_err(|error| format!("its output cannot be read: {error}"))?;
    if bytes.len() > max {
        return Err(too_much);
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| "what it says is no UTF-8".to_owned())?;
    if text.trim().is_empty() {
        return Err("it says nothing".to_owned());
    }
    Ok(super::interpolate::trimmed(text))
}

fn wait(child: &mut Child) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(format!("it ended with {status}")),
            Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(10)),
            Ok(None) => {
                // Best effort: it may have ended in between.
                child.kill().ok();
                child.wait().ok();
                return Err(format!("it did not end within {} s", PATIENCE.as_secs()));
            }
            Err(error) => return Err(error.to_string()),
        }
    }
}
