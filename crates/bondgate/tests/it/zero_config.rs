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
    let config = zero_config(&environment, "http://127.0.0.1:5555");
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
