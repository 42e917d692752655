//! Forms: what is accepted can be read in one way only, and what hostile clients write is refused.

use dialect::Dialect;
use dialect::head::Head;
use dialect::json::Invalid;
use dialect::task::{Content, Task};
use proptest::prelude::*;

fn head(media_type: &str, body: &[u8]) -> Result<Head, Invalid> {
    let codec = Dialect::OpenaiChat.tasks().unwrap();
    let content = Content {
        bytes: body,
        media_type,
    };
    codec.head(Task::Transcribe, content)
}

const DISPOSITION: &str = "Content-Disposition: form-data; ";
const FILE: &str = "Content-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\n\r\nsound";

/// A form with a file and what else stands in its parts.
fn form(boundary: &str, parts: &[&str]) -> String {
    let all = parts.iter().chain([&FILE]);
    let all = all.map(|part| format!("--{boundary}\r\n{part}\r\n"));
    format!("{}--{boundary}--\r\n", all.collect::<String>())
}

fn refused(media_type: &str, body: &str, part: &str) {
    let error = head(media_type, body.as_bytes())
        .expect_err(body)
        .to_string();
    assert!(error.contains(part), "{error:?} of {body:?}");
}

#[test]
fn a_second_reading_of_the_boundary_is_refused() {
    let own = form(
        "a",
        &["Content-Disposition: form-data; name=\"model\"\r\n\r\nm"],
    );
    for (media_type, part) in [
        ("multipart/form-data; boundary=\"a;b\"", "no boundary of"),
        ("multipart/form-data; boundary=\"a\\\"b\"", "two ways"),
        ("multipart/form-data; boundary=\"a", "no end"),
        ("multipart/form-data; boundary=a\"b", "malformed"),
        ("multipart/form-data; boundary=\"a\"b", "malformed"),
        ("multipart/form-data; boundary=a,b", "malformed"),
        ("multipart/form-data; boundary=\"a \"", "no boundary of"),
        ("multipart/form-data; boundary=\"\"", "no boundary of"),
        ("multipart/form-data; boundary", "malformed"),
        (
            "multipart/form-data; boundary=a; boundary=b",
            "two boundaries",
        ),
        (
            "multipart/form-data; boundary=a; BOUNDARY=a",
            "two boundaries",
        ),
        (
            "multipart/form-data; boundary*=utf-8''b; boundary=a",
            "extended form",
        ),
        (
            "multipart/form-data; boundary=a; boundary*0=b",
            "extended form",
        ),
        ("multipart/form-data; x=\"; boundary=b\"", "no boundary of"),
        ("multipart/form-data", "no boundary of"),
        ("multipart/mixed; boundary=a", "not multipart/form-data"),
    ] {
        refused(media_type, &own, part);
    }
    let media_type = "Multipart/Form-Data; charset=utf-8; Boundary=\"a b\";";
    let body = form(
        "a b",
        &["content-disposition: FORM-DATA;name=model\r\n\r\nm"],
    );
    let head = head(media_type, body.as_bytes()).unwrap();
    assert_eq!(head.model, "m");
    let written = head.work.unwrap().form_type();
    let written = written.as_deref();
    assert_eq!(written, Some("multipart/form-data; boundary=\"a b\""));
}

#[test]
fn what_stands_outside_the_parts_is_refused() {
    let good = form(
        "a",
        &["Content-Disposition: form-data; name=\"model\"\r\n\r\nm"],
    );
    let media_type = "multipart/form-data; boundary=a";
    let model = |body: &str| head(media_type, body.as_bytes()).unwrap().model;
    assert_eq!(model(&good), "m");
    assert_eq!(model(good.trim_end()), "m");
    assert_eq!(model(&format!("\r\n{good}")), "m");
    refused(
        media_type,
        &format!("hello\r\n{good}"),
        "does not begin with",
    );
    refused(media_type, &format!("\n{good}"), "does not begin with");
    for behind in ["x", "\r\n", "\n", "--a\r\n"] {
        refused(media_type, &format!("{good}{behind}"), "goes on behind");
    }
    // What another reader, with the boundary `a;b`, would take for the form.
    refused(media_type, &format!("--a--\r\n{good}"), "goes on behind");
}

#[test]
fn a_part_that_can_be_read_in_two_ways_is_refused() {
    let named = |name: &str| format!("{DISPOSITION}{name}\r\n\r\ngpt");
    let model = named("name=\"model\"");
    let cases = [
        (named("name=\"prompt\"; name=\"model\""), "two names"),
        (named("name=\"prompt\"; Name=model"), "two names"),
        (
            named("name=\"prompt\"; name*=utf-8''model"),
            "extended form",
        ),
        (named("name*0=\"mo\"; name*1=\"del\""), "extended form"),
        (
            named("name=\"prompt\"; filename=\"\\\"; name=\"model\""),
            "two ways",
        ),
        (named("name=\"mod\\el\""), "without escapes"),
        (named("name=\"mod%65l\""), "without escapes"),
        (named("name=\" model\""), "without escapes"),
        (named("name=\"\""), "without escapes"),
        (named("name=mo del"), "malformed"),
        (named("name=\"prompt\" name=\"model\""), "malformed"),
        (named("name=\"model[]\""), "not a file or a list"),
        (named("name=\"model[0]\""), "not a file or a list"),
        (named("name=\"n\"; filename*=utf-8''x"), "not a file"),
        (named("filename=\"x\""), "no name"),
        (
            format!("{DISPOSITION}name=\"x\"\r\n{model}"),
            "two content-dispositions",
        ),
        (format!("{DISPOSITION}name=\"x\"\n{model}"), "is no header"),
        (
            format!("{DISPOSITION}name=\"x\";\r\n name=\"model\"\r\n\r\ngpt"),
            "is no header",
        ),
        (
            format!("Content-Disposition : form-data; name=\"x\"\r\n{model}"),
            "is no header",
        ),
        (
            "Content-Disposition: attachment; name=\"model\"\r\n\r\ngpt".to_owned(),
            "than form-data",
        ),
        (
            format!("Content-Transfer-Encoding: quoted-printable\r\n{model}"),
            "is encoded",
        ),
        (format!("\r\n{model}"), "is no header"),
        (
            format!("{DISPOSITION}name=\"x\"\r\n\r\n1\n--a\n{model}"),
            "something else than a line's end",
        ),
        (
            format!("{DISPOSITION}name=\"x\"\r\n\r\n1\r\n--a \r\n{model}"),
            "a line must end behind",
        ),
        (model.clone(), "stands here twice"),
    ];
    for (part, why) in &cases {
        let body = form("a", &[&named("name=model"), part]);
        refused("multipart/form-data; boundary=a", &body, why);
    }
}

/// As the clients write them: the boundary, the model's part, the file's, the end.
#[test]
fn forms_of_common_clients_are_read() {
    let plain = "Content-Disposition: form-data; name=\"model\"\r\n\r\nm";
    let file = "Content-Disposition: form-data; name=\"file\"; filename=\"";
    for (client, boundary, model, name) in [
        (
            "httpx",
            "b1c4f0a2d3e4f5061728394a5b6c7d8e",
            plain,
            "a%22b\\\\c.mp3\"\r\nContent-Type: audio/mpeg",
        ),
        ("requests", "9051914041544843365972754266", plain, "a.mp3\""),
        (
            "requests, other letters",
            "9051914041544843365972754266",
            plain,
            "a.mp3\"; filename*=utf-8''%C3%A4.mp3",
        ),
        (
            "curl",
            "------------------------d74496d66958873e",
            plain,
            "a;b.mp3\"\r\nContent-Type: audio/mpeg",
        ),
        (
            "undici",
            "----formdata-undici-012345678901",
            plain,
            "\u{e4} %22.mp3\"\r\nContent-Type: audio/mpeg",
        ),
        (
            "aiohttp",
            "0123456789abcdef",
            "Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm",
            "a.mp3\"",
        ),
        (
            "OkHttp",
            "3a1b-4c",
            "Content-Disposition: form-data; name=\"model\"\r\nContent-Length: 1\r\n\r\nm",
            "a.mp3\"",
        ),
        (
            "Apache",
            "mP_x-1",
            "Content-Disposition: form-data; name=\"model\"\r\nContent-Type: text/plain; charset=ISO-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\nm",
            "a.mp3\"\r\nContent-Transfer-Encoding: binary",
        ),
        (
            "a browser",
            "----WebKitFormBoundary7MA4YWxkTrZu0gW",
            plain,
            "C:\\fakepath\\a.mp3\"",
        ),
    ] {
        let body = format!(
            "--{boundary}\r\n{model}\r\n--{boundary}\r\n{file}{name}\r\n\r\nx\r\n--{boundary}--\r\n"
        );
        let media_type = format!("multipart/form-data; boundary={boundary}");
        let head = head(&media_type, body.as_bytes());
        let head = head.unwrap_or_else(|error| panic!("{client}: {error}"));
        assert_eq!(head.model, "m", "{client}");
        assert_eq!(head.work.unwrap().form_type(), Some(media_type));
    }
}

#[test]
fn bytes_of_pictures_are_told_apart_from_text() {
    let body = form(
        "a",
        &[
            "Content-Disposition: form-data; name=\"prompt\"\r\n\r\na boat",
            "Content-Disposition: form-data; name=\"image[]\"; filename=\"a.png\"\r\n\r\n12345",
            "Content-Disposition: form-data; name=\"mask\"; filename=\"b.png\"\r\n\r\n678",
            "Content-Disposition: form-data; name=\"image\"\r\n\r\nno file",
        ],
    );
    let content = Content {
        bytes: body.as_bytes(),
        media_type: "multipart/form-data; boundary=a",
    };
    let codec = Dialect::OpenaiChat.tasks().unwrap();
    let work = codec.head(Task::ImageEdit, content).unwrap().work.unwrap();
    assert_eq!((work.pictures, work.picture_bytes), (3, 8));
}

/// A lenient reader: lines end by CR LF, LF or CR, names are unescaped, the last disposition and the
/// last name count, whatever stands outside the parts is skipped. It gives the values of `model`.
fn lenient(boundary: &str, body: &str) -> Vec<String> {
    let (mark, last) = (format!("--{boundary}"), format!("--{boundary}--"));
    let body = body.replace("\r\n", "\n").replace('\r', "\n");
    let (mut parts, mut open): (Vec<Vec<&str>>, bool) = (Vec::new(), false);
    for line in body.split('\n') {
        if line.trim_end() == mark || line.trim_end() == last {
            open = line.trim_end() == mark;
            parts.extend(open.then(Vec::new));
        } else if let Some(part) = parts.last_mut().filter(|_| open) {
            part.push(line);
        }
    }
    let models = parts.iter().filter_map(|lines| {
        let blank = lines.iter().position(|line| line.is_empty())?;
        let heads = lines[..blank].join("\n").replace("\n ", " ");
        let mut heads = heads.lines().filter_map(|line| line.split_once(':'));
        let is_disposition = |name: &str| name.trim().eq_ignore_ascii_case("content-disposition");
        let disposition = heads.rfind(|(name, _)| is_disposition(name))?;
        let mut quoted = false;
        let parameters = disposition.1.split(|c| {
            quoted ^= c == '"';
            !quoted && [';', ' '].contains(&c)
        });
        let parameters: Vec<&str> = parameters.collect();
        let is_name = |name: &str| name.trim_end_matches('*').eq_ignore_ascii_case("name");
        let mut pairs = parameters
            .iter()
            .filter_map(|one| one.trim().split_once('='));
        let name = pairs.rfind(|(name, _)| is_name(name))?;
        let name = name.1.replace("utf-8''", "").replace('\\', "");
        let name = name.replace("%65", "e").trim_matches('"').to_owned();
        (name.trim_end_matches("[]") == "model").then(|| lines[blank + 1..].join("\n"))
    });
    models.collect()
}

/// Pieces of which hostile forms are made.
fn piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "--a",
        "--a--",
        "--ab",
        "\r\n",
        "\r\n\r\n",
        "\n",
        "\r",
        " ",
        ";",
        "m",
        "n",
        ":",
        "\"",
        "\\",
        "name=\"model\"",
        "; name=model",
        "; name*=utf-8''model",
        "name=\"mod%65l\"",
        "Content-Disposition: form-data; ",
        "filename=\"x\"",
        "name=\"prompt\"",
        "name=\"model[]\"",
        "--a\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nn\r\n",
        "--a\nContent-Disposition: form-data; name=\"model\"\n\nn\n",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn whatever_is_accepted_names_the_same_model_to_a_lenient_reader(
        at in 0_usize..200, cut in 0_usize..8, pieces in prop::collection::vec(piece(), 0..4)
    ) {
        let mut body = form("a", &["Content-Disposition: form-data; name=\"model\"\r\n\r\nm"]);
        let at = at.min(body.len());
        let end = (at + cut).min(body.len());
        body.replace_range(at..end, &pieces.concat());
        if let Ok(head) = head("multipart/form-data; boundary=a", body.as_bytes()) {
            let named: Vec<String> = Some(head.model).filter(|name| !name.is_empty()).into_iter().collect();
            let lenient: Vec<String> = lenient("a", &body).into_iter().collect();
            let own: Vec<String> = named.iter().map(|name| name.replace("\r\n", "\n").replace('\r', "\n")).collect();
            prop_assert_eq!(own, lenient, "{:?}", body);
        }
    }
}
