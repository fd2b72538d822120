//! `odin token`: who may read over the network.
//!
//! Without the lock of operations: a token must be void in the moment somebody
//! revokes it, also while a restore runs for an hour. Each is a file that is
//! replaced or removed in one step.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{Outcome, Status};
use crate::Result;
use crate::appliance::Appliance;
use crate::records::Records;
use crate::tokens::{Scope, Tokens};

/// File of what was done with tokens, one JSON object a line.
pub(crate) const FILE: &str = "tokens.jsonl";

/// Makes a token and shows it, the only time.
///
/// # Errors
/// When the name is none or taken, the time too long, or it cannot be kept.
pub fn create(
    appliance: &Appliance,
    name: &str,
    scope: Scope,
    expires_in: SignedDuration,
) -> Result<Outcome> {
    let now = Timestamp::now();
    let (token, secret) = Tokens::of(appliance).create(name, scope, expires_in, now)?;
    keep(appliance, "created", name, now)?;
    let text = format!("{secret}\nscope {scope}, good until {}; it is shown only now", token.expires);
    let data = json!({
        "name": name, "scope": scope, "token": secret, "created": token.created, "expires": token.expires,
    });
    Ok(Outcome::new(Status::Done, text, &data))
}

/// Lists the tokens, never what they are.
///
/// # Errors
/// When they cannot be read.
pub fn list(appliance: &Appliance) -> Result<Outcome> {
    let tokens = Tokens::of(appliance);
    let now = Timestamp::now();
    let list = tokens.list()?;
    let mut text =
        format!("{:<24} {:<8} {:<20} {:<20} {}\n", "name", "scope", "created", "expires", "last used");
    let mut data = Vec::new();
    for token in &list {
        let last = tokens.last_used(&token.name);
        let seconds = |time: Timestamp| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let used = last.map_or_else(|| "never".to_owned(), seconds);
        let ended = if token.expires <= now { " (ended)" } else { "" };
        let (name, scope) = (&token.name, token.scope.to_string());
        let (created, expires) = (seconds(token.created), seconds(token.expires));
        text.push_str(&format!("{name:<24} {scope:<8} {created:<20} {expires:<20} {used}{ended}\n"));
        data.push(json!({
            "name": name, "scope": scope, "created": token.created, "expires": token.expires, "last-used": last,
        }));
    }
    if list.is_empty() {
        text = "there are no tokens".to_owned();
    }
    Ok(Outcome::new(Status::Done, text, &data))
}

/// Makes a token void.
///
/// # Errors
/// When there is none of this name, or it cannot be removed.
pub fn revoke(appliance: &Appliance, name: &str) -> Result<Outcome> {
    Tokens::of(appliance).revoke(name)?;
    keep(appliance, "revoked", name, Timestamp::now())?;
    Ok(Outcome::new(Status::Done, format!("{name} is void"), &json!({ "name": name })))
}

fn keep(appliance: &Appliance, event: &str, name: &str, time: Timestamp) -> Result<()> {
    Records::of(appliance).append(FILE, &json!({ "time": time, "event": event, "name": name }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_shown_once_and_what_was_done_is_kept_without_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut config = odin_model::config::Config::default();
        config.host.state_dir = directory.path().to_owned();
        let appliance = Appliance { config, site_keys: Vec::new(), file: "odin.toml".into() };
        let day = SignedDuration::from_hours(24);
        let made = create(&appliance, "laptop", Scope::Read, day).expect("a token");
        let secret = made.data["token"].as_str().expect("the token").to_owned();
        assert!(made.text.starts_with(&secret));
        let listed = list(&appliance).expect("a list");
        assert!(listed.text.contains("laptop") && !listed.text.contains(&secret));
        assert_eq!(listed.data[0]["last-used"], serde_json::Value::Null);
        revoke(&appliance, "laptop").expect("revoked");
        assert_eq!(list(&appliance).expect("a list").text, "there are no tokens");
        let kept = std::fs::read_to_string(appliance.history_dir().join(FILE)).expect("the record");
        assert_eq!(kept.lines().count(), 2);
        assert!(kept.contains("created") && kept.contains("revoked") && !kept.contains(&secret), "{kept}");
    }
}
