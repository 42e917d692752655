//! Starting without a file.

use bondgate::config::zero_config;

fn environment(name: &str) -> Option<String> {
    match name {
        "OPENAI_API_KEY" => Some("sk-openai".to_owned()),
        "GOOGLE_API_KEY" => Some("g-key".to_owned()),
        "GROQ_API_KEY" => Some(String::new()),
        _ => None,
    }
}

#[test]
fn providers_whose_usual_variable_is_set_are_on_and_the_simulated_one_always() {
    let config = zero_config(&environment, "http://127.0.0.1:5555").unwrap();
    let names: Vec<&str> = config.providers.keys().map(String::as_str).collect();
    assert_eq!(names, ["gemini", "openai", "sim"]);
    let sim = &config.providers["sim"];
    assert_eq!(
        format!("{}{}", sim.origin, sim.base_path),
        "http://127.0.0.1:5555/v1"
    );
    let openai = &config.providers["openai"];
    assert_eq!(openai.keys[0].reveal_for(&openai.origin), Some("sk-openai"));
}

#[test]
fn its_key_is_new_each_time_and_may_call_any_target() {
    let of = || zero_config(&environment, "http://127.0.0.1:5555").unwrap();
    let (one, two) = (of(), of());
    let (a, b) = (&one.keys[0], &two.keys[0]);
    assert_eq!((a.name.as_str(), a.direct), ("default", true));
    assert_ne!(a.secret.reveal(), b.secret.reveal());
    let random = a.secret.reveal().strip_prefix("bg-").unwrap();
    assert_eq!(random.len(), 43);
    assert!(
        random
            .bytes()
            .all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_')
    );
}
