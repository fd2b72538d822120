use std::os::unix::fs::PermissionsExt;

use super::*;

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn tokens(directory: &tempfile::TempDir) -> Tokens {
    Tokens::at(directory.path().join("tokens"))
}

fn now() -> Timestamp {
    "2026-11-23T20:00:00Z".parse().expect("a time")
}

#[test]
fn a_token_is_kept_as_its_hash_and_for_root_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let tokens = tokens(&directory);
    let (token, secret) = tokens.create("laptop", Scope::Read, DAY, now()).expect("a token");
    assert_eq!(secret.len(), PREFIX.len() + 64);
    assert_eq!(tokens.check(&secret, Scope::Read, now()), Ok(token));
    for entry in fs::read_dir(&tokens.directory).expect("the tokens") {
        let path = entry.expect("an entry").path();
        assert!(!fs::read_to_string(&path).expect("text").contains(&secret[PREFIX.len()..]));
        assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
    }
    let mode = fs::metadata(&tokens.directory).expect("a directory").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_token_is_good_for_its_scope_until_its_end_and_no_longer() {
    let directory = tempfile::tempdir().expect("a directory");
    let tokens = tokens(&directory);
    let (_, secret) = tokens.create("scraper", Scope::Metrics, DAY, now()).expect("a token");
    let name = "scraper".to_owned();
    assert!(tokens.check(&secret, Scope::Metrics, now() + DAY - SignedDuration::from_secs(1)).is_ok());
    assert_eq!(
        tokens.check(&secret, Scope::Read, now()),
        Err(Refusal::Scope { name: name.clone(), has: Scope::Metrics })
    );
    assert_eq!(tokens.check(&secret, Scope::Metrics, now() + DAY), Err(Refusal::Expired { name }));
}

#[test]
fn a_revoked_token_is_void_at_once_and_a_late_use_does_not_bring_it_back() {
    let directory = tempfile::tempdir().expect("a directory");
    let tokens = tokens(&directory);
    let (_, secret) = tokens.create("laptop", Scope::Read, DAY, now()).expect("a token");
    tokens.revoke("laptop").expect("revoked");
    tokens.note_use("laptop", now());
    assert_eq!(tokens.check(&secret, Scope::Read, now()), Err(Refusal::Unknown));
    assert_eq!(tokens.list().expect("a list"), []);
    assert!(tokens.revoke("laptop").is_err(), "twice");
}

#[test]
fn what_is_no_token_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let tokens = tokens(&directory);
    assert_eq!(tokens.check("", Scope::Read, now()), Err(Refusal::Unknown), "no tokens at all");
    let (token, secret) = tokens.create("laptop", Scope::Read, DAY, now()).expect("a token");
    for guess in ["", "odin_", &secret[..secret.len() - 1], &format!("{secret}0"), &token.sha256, "\0"] {
        assert_eq!(tokens.check(guess, Scope::Read, now()), Err(Refusal::Unknown), "{guess:?}");
    }
}

#[test]
fn names_are_no_paths_and_none_is_given_twice() {
    let directory = tempfile::tempdir().expect("a directory");
    let tokens = tokens(&directory);
    for name in ["", "../x", "a/b", "A", ".", "a.json", "-a", SCRAPE, &"a".repeat(64)] {
        assert!(tokens.create(name, Scope::Read, DAY, now()).is_err(), "{name:?}");
        assert!(tokens.revoke(name).is_err(), "{name:?}");
    }
    tokens.create("laptop", Scope::Read, DAY, now()).expect("a token");
    assert!(tokens.create("laptop", Scope::Read, DAY, now()).is_err(), "twice");
    assert!(tokens.create("other", Scope::Read, DAY * 400, now()).is_err(), "too long");
    assert!(tokens.create("other", Scope::Read, -DAY, now()).is_err(), "in the past");
}

#[test]
fn a_use_is_noted_to_the_minute() {
    let directory = tempfile::tempdir().expect("a directory");
    let tokens = tokens(&directory);
    let (_, secret) = tokens.create("laptop", Scope::Read, DAY, now()).expect("a token");
    assert_eq!(tokens.last_used("laptop"), None);
    for (after, noted) in [(0, 0), (30, 0), (61, 61)] {
        let time = now() + SignedDuration::from_secs(after);
        tokens.check(&secret, Scope::Read, time).expect("good");
        assert_eq!(tokens.last_used("laptop"), Some(now() + SignedDuration::from_secs(noted)), "{after}");
    }
}

#[test]
fn a_use_that_cannot_be_noted_is_not_tried_with_every_request() {
    let directory = tempfile::tempdir().expect("a directory");
    let tokens = tokens(&directory);
    let (_, secret) = tokens.create("laptop", Scope::Read, DAY, now()).expect("a token");
    let used = tokens.directory.join("laptop.used");
    fs::create_dir_all(used.join("in-its-way")).expect("a directory");
    tokens.check(&secret, Scope::Read, now()).expect("good all the same");
    fs::remove_dir_all(&used).expect("removed");
    for (after, noted) in [(30, false), (61, true)] {
        tokens.check(&secret, Scope::Read, now() + SignedDuration::from_secs(after)).expect("good");
        assert_eq!(used.exists(), noted, "{after}");
    }
}

#[tokio::test]
async fn a_token_is_asked_for_beside_what_else_is_answered() {
    let directory = tempfile::tempdir().expect("a directory");
    let tokens = tokens(&directory);
    let (token, secret) = tokens.create("laptop", Scope::Read, DAY, now()).expect("a token");
    assert_eq!(tokens.ask(&secret, Scope::Read, now()).await, Some(Ok(token)));
    assert_eq!(tokens.ask("odin_1", Scope::Read, now()).await, Some(Err(Refusal::Unknown)));
}

#[test]
fn a_rotated_token_is_good_until_its_successor_has_arrived() {
    let directory = tempfile::tempdir().expect("a directory");
    let tokens = tokens(&directory);
    let hour = SignedDuration::from_hours(1);
    let old = tokens.rotate_scrape(now(), now() + DAY, now()).expect("the first");
    let new = tokens.rotate_scrape(now(), now() + DAY, now() + hour).expect("the second");
    for secret in [&old, &new] {
        assert!(tokens.check(secret, Scope::Metrics, now()).is_ok());
    }
    assert_eq!(tokens.check(&old, Scope::Metrics, now() + hour), Err(Refusal::Unknown));
    assert!(tokens.check(&new, Scope::Metrics, now() + hour).is_ok());
    assert!(tokens.is_scrape(&new).is_some() && tokens.is_scrape(&old).is_none());
}
