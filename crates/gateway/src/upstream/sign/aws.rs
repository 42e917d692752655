//! Where the AWS tools look for credentials, in their order, and what they find there.
//!
//! Bearer token of the environment, its keys, the shared credentials file, the container's
//! endpoint, the machine's metadata service (version 2). Pure: the environment and files are read
//! through arguments, and what must be asked over HTTP is returned as a place.
//!
//! Source: <https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html>.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use policy::origin::{BaseUrl, Scheme};
use policy::renewal::{AwsKeys, Obtained, Token};
use policy::secret::Secret;
use serde_json::Value;

/// Reads a variable of the environment.
pub type Env<'a> = &'a (dyn Fn(&str) -> Option<String> + Sync);

/// Reads a file.
pub type Files<'a> = &'a (dyn Fn(&Path) -> std::io::Result<String> + Sync);

/// The address of a task's credentials in ECS.
const ECS: &str = "http://169.254.170.2";
/// The address of a machine's metadata service.
const IMDS: &str = "http://169.254.169.254";
/// Addresses that may be asked without TLS, beside the loopback: ECS, and EKS's pod identity.
const CLEARTEXT: [&str; 3] = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"];

/// Where credentials come from.
pub enum Place {
    /// They are at hand.
    Here(Token),
    /// The container's endpoint.
    Container {
        /// Its URL.
        url: BaseUrl,
        /// What it is shown as `authorization`.
        authorization: Option<Secret>,
    },
    /// The machine's metadata service.
    Machine {
        /// Its address.
        url: BaseUrl,
    },
}

/// Finds the place; a `profile` that is named comes before the environment's keys.
///
/// # Errors
/// What is wrong with the first place that says something, naming the variable or the file.
pub fn place(env: Env<'_>, read: Files<'_>, profile: Option<&str>) -> Result<Place, String> {
    let said = |name: &str| env(name).filter(|value| !value.is_empty());
    if profile.is_none() {
        if let Some(token) = said("AWS_BEARER_TOKEN_BEDROCK") {
            return Ok(Place::Here(Token::Bearer(Secret::new(token))));
        }
        if let Some(access_key_id) = said("AWS_ACCESS_KEY_ID") {
            let secret = said("AWS_SECRET_ACCESS_KEY")
                .ok_or("AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not")?;
            return Ok(Place::Here(Token::Aws(AwsKeys {
                access_key_id,
                secret_access_key: Secret::new(secret),
                session_token: said("AWS_SESSION_TOKEN").map(Secret::new),
            })));
        }
    }
    let named = profile.map(str::to_owned).or_else(|| said("AWS_PROFILE"));
    if let Some(keys) = of_file(&said, read, named.as_deref())? {
        return Ok(Place::Here(Token::Aws(keys)));
    }
    if let Some(container) = container(&said, read)? {
        return Ok(container);
    }
    if said("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Err(
            "no AWS credentials were found: neither in the environment nor in the \
                    shared credentials file, and the metadata service is switched off"
                .to_owned(),
        );
    }
    let url = said("AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or_else(|| IMDS.to_owned());
    let url =
        BaseUrl::parse(&url).map_err(|why| format!("AWS_EC2_METADATA_SERVICE_ENDPOINT: {why}"))?;
    Ok(Place::Machine { url })
}

/// Keys of the shared credentials file; a profile that was named must be there.
fn of_file(
    said: &dyn Fn(&str) -> Option<String>,
    read: Files<'_>,
    named: Option<&str>,
) -> Result<Option<AwsKeys>, String> {
    let path = said("AWS_SHARED_CREDENTIALS_FILE")
        .map(PathBuf::from)
        .or_else(|| {
            let home = said("HOME")?;
            Some(Path::new(&home).join(".aws/credentials"))
        });
    let profile = named.unwrap_or("default");
    let Some(path) = path else { return Ok(None) };
    let text = match read(&path) {
        Ok(text) => text,
        Err(_) if named.is_none() => return Ok(None),
        Err(error) => {
            let file = path.display();
            return Err(format!("the profile `{profile}` wants {file}: {error}"));
        }
    };
    match keys_of(&text, profile) {
        Some(keys) => Ok(Some(keys)),
        None if named.is_none() => Ok(None),
        None => Err(format!(
            "{} has no profile `{profile}` with aws_access_key_id and aws_secret_access_key",
            path.display()
        )),
    }
}

/// The keys of one profile of a shared credentials file.
#[must_use]
pub fn keys_of(text: &str, profile: &str) -> Option<AwsKeys> {
    let mut inside = false;
    let (mut id, mut secret, mut session) = (None, None, None);
    for line in text.lines().map(str::trim) {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            inside = name.trim() == profile;
        } else if let Some((name, value)) = line.split_once('=').filter(|_| inside) {
            let value = Some(value.trim().to_owned()).filter(|value| !value.is_empty());
            match name.trim() {
                "aws_access_key_id" => id = value,
                "aws_secret_access_key" => secret = value,
                "aws_session_token" => session = value,
                _ => {}
            }
        }
    }
    Some(AwsKeys {
        access_key_id: id?,
        secret_access_key: Secret::new(secret?),
        session_token: session.map(Secret::new),
    })
}

fn container(
    said: &dyn Fn(&str) -> Option<String>,
    read: Files<'_>,
) -> Result<Option<Place>, String> {
    let relative = said("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").map(|path| [ECS, &path].concat());
    let Some(url) = relative.or_else(|| said("AWS_CONTAINER_CREDENTIALS_FULL_URI")) else {
        return Ok(None);
    };
    let url = BaseUrl::parse(&url).map_err(|why| format!("AWS_CONTAINER_CREDENTIALS_…: {why}"))?;
    let host = &url.origin.host;
    let loopback = host
        .parse()
        .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    let safe = loopback || host == "localhost" || CLEARTEXT.contains(&host.as_str());
    if url.origin.scheme != Scheme::Https && !safe {
        return Err(format!(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI names {host} without TLS"
        ));
    }
    let authorization = match said("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        None => said("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
        Some(path) => {
            let text = read(Path::new(&path))
                .map_err(|error| format!("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: {error}"))?;
            Some(text.trim().to_owned())
        }
    };
    Ok(Some(Place::Container {
        url,
        authorization: authorization.map(Secret::new),
    }))
}

/// Reads the document in which both endpoints tell keys.
///
/// # Errors
/// What it lacks; never repeats it.
pub fn keys_told(body: &[u8], now_ms: i64) -> Result<Obtained, String> {
    let told: Value =
        serde_json::from_slice(body).map_err(|_| "the answer is no JSON".to_owned())?;
    let text = |name: &str| told.get(name).and_then(Value::as_str).map(str::to_owned);
    if let Some(code) = text("Code").filter(|code| code != "Success") {
        return Err(format!("the answer says {}", said_short(&code)));
    }
    let must = |name: &str| text(name).ok_or_else(|| format!("the answer has no `{name}`"));
    let expires_ms = match text("Expiration") {
        None => None,
        Some(time) => {
            let end: Timestamp = time.parse().map_err(|_| "`Expiration` is no time")?;
            Some(end.as_millisecond())
        }
    };
    Ok(Obtained {
        token: Token::Aws(AwsKeys {
            access_key_id: must("AccessKeyId")?,
            secret_access_key: Secret::new(must("SecretAccessKey")?),
            session_token: text("Token").map(Secret::new),
        }),
        at_ms: now_ms,
        expires_ms,
    })
}

/// A word of somebody else's, short enough to be repeated.
pub(super) fn said_short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::{Error, ErrorKind};
    use std::path::Path;

    use policy::renewal::{AwsKeys, Token};

    use super::{Place, keys_told, place};

    const FILE: &str = "[default]\naws_access_key_id = AKIA\naws_secret_access_key=s\n\n\
                        [ prod ]\n# the other\naws_access_key_id=ASIA\naws_secret_access_key=p\naws_session_token=t\n";

    fn found(env: &[(&str, &str)], profile: Option<&str>) -> Result<Place, String> {
        let env: BTreeMap<_, _> = env.iter().copied().collect();
        let env = |name: &str| env.get(name).map(|value| (*value).to_owned());
        let read = |path: &Path| {
            let there = path == Path::new("/home/a/.aws/credentials");
            there
                .then(|| FILE.to_owned())
                .ok_or_else(|| Error::from(ErrorKind::NotFound))
        };
        place(&env, &read, profile)
    }

    fn keys(found: Result<Place, String>) -> AwsKeys {
        match found {
            Ok(Place::Here(Token::Aws(keys))) => keys,
            Ok(_) => panic!("another place"),
            Err(why) => panic!("{why}"),
        }
    }

    #[test]
    fn the_places_are_looked_at_in_their_order() {
        let all = [
            ("AWS_BEARER_TOKEN_BEDROCK", "token"),
            ("AWS_ACCESS_KEY_ID", "ENV"),
            ("AWS_SECRET_ACCESS_KEY", "e"),
            ("HOME", "/home/a"),
            ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/task"),
        ];
        let bearer = found(&all, None);
        assert!(matches!(bearer, Ok(Place::Here(Token::Bearer(_)))));
        assert_eq!(keys(found(&all[1..], None)).access_key_id, "ENV");
        assert_eq!(keys(found(&all[3..], None)).access_key_id, "AKIA");
        match found(&all[4..], None) {
            Ok(Place::Container { url, .. }) => {
                assert_eq!(
                    format!("{}{}", url.origin, url.path),
                    "http://169.254.170.2/task"
                );
            }
            _ => panic!("no container"),
        }
        match found(&[], None) {
            Ok(Place::Machine { url }) => assert_eq!(url.origin.host, "169.254.169.254"),
            _ => panic!("no machine"),
        }
        let named = keys(found(&all, Some("prod")));
        assert_eq!(named.access_key_id, "ASIA");
        assert_eq!(named.session_token.unwrap().reveal(), "t");
    }

    #[test]
    fn what_is_half_said_is_told() {
        let told = |env: &[(&str, &str)], profile| found(env, profile).err().unwrap();
        let why = told(&[("AWS_ACCESS_KEY_ID", "A")], None);
        assert!(why.contains("AWS_SECRET_ACCESS_KEY"), "{why}");
        let why = told(&[("HOME", "/home/a")], Some("nobody"));
        assert!(why.contains("no profile `nobody`"), "{why}");
        let far = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://far.example/x");
        let why = told(&[far], None);
        assert!(why.contains("far.example without TLS"), "{why}");
        let why = told(&[("AWS_EC2_METADATA_DISABLED", "true")], None);
        assert!(why.contains("no AWS credentials were found"), "{why}");
    }

    #[test]
    fn the_document_of_an_endpoint_is_read_and_its_end_known() {
        let body = br#"{"Code":"Success","AccessKeyId":"A","SecretAccessKey":"s","Token":"t",
            "Expiration":"2016-02-25T06:03:31Z"}"#;
        let obtained = keys_told(body, 7).unwrap();
        assert_eq!(obtained.expires_ms, Some(1_456_380_211_000));
        for (body, why) in [
            (&b"<html>"[..], "no JSON"),
            (br#"{"Code":"Failed"}"#, "says Failed"),
            (br#"{"AccessKeyId":"A"}"#, "no `SecretAccessKey`"),
        ] {
            let told = keys_told(body, 0).err().unwrap();
            assert!(told.contains(why), "{told}");
        }
    }
}
