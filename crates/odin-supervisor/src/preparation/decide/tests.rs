use super::*;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJLg9wULeIrs6MsrLy9zGDMt1npFt3A8J+EVti2lQ2ym you@desk";
const FILE: &str = "/var/lib/odin-keys/admin";

fn site(text: &str) -> (Site, PathBuf) {
    let file = PathBuf::from("/boot/odin-site.toml");
    (Site::parse(text, &file).expect("a site"), file)
}

fn with_key() -> (Site, PathBuf) {
    site(&format!("[access]\nauthorized-keys = [\"{KEY}\"]"))
}

fn values<'a>(site: &'a (Site, PathBuf), missing: Option<&'a str>) -> Values<'a> {
    Values { site: Some((&site.0, &site.1)), missing: missing.map(Path::new) }
}

fn own(content: &str) -> Seen {
    Seen::Own { content: content.to_owned(), mode: 0o644 }
}

fn foreign(content: &str) -> Seen {
    Seen::Foreign { content: content.to_owned() }
}

#[track_caller]
fn action(decision: Decision) -> Action {
    let Decision::Do { action, .. } = decision else { panic!("{decision:?}") };
    action
}

#[track_caller]
fn left(decision: Decision) -> String {
    let Decision::Left(words) = decision else { panic!("{decision:?}") };
    words
}

#[track_caller]
fn refused(decision: Decision) -> String {
    let Decision::Refused { reason, hint } = decision else { panic!("{decision:?}") };
    format!("{reason}; {}", hint.expect("a hint"))
}

fn keys_of(site: &(Site, PathBuf), seen: &Seen) -> Decision {
    keys(Some((Path::new(FILE), seen)), &values(site, None))
}

fn written(site: &(Site, PathBuf), seen: &Seen) -> String {
    let Action::WriteKeys { content, file } = action(keys_of(site, seen)) else { panic!("not the keys") };
    assert_eq!(file, Path::new(FILE));
    content
}

#[test]
fn keys_are_written_once_and_go_when_they_are_gone_from_the_site() {
    let content = written(&with_key(), &Seen::Absent);
    assert!(content.starts_with(MARK) && content.lines().nth(1) == Some(KEY), "{content}");
    assert!(matches!(keys_of(&with_key(), &own(&content)), Decision::Unchanged(_)));
    assert_eq!(written(&with_key(), &own(&format!("{content}{KEY}\n"))), content);
    // As sshd, which reads it as the user, must find it.
    assert_eq!(written(&with_key(), &Seen::Own { content: content.clone(), mode: 0o600 }), content);
    let without = written(&site(""), &own(&content));
    assert!(without.starts_with(MARK) && !without.contains(KEY), "{without}");
    assert!(matches!(keys_of(&site(""), &Seen::Absent), Decision::Unchanged(_)));
}

#[test]
fn keys_that_somebody_else_wrote_stay() {
    for seen in [foreign(KEY), foreign(""), Seen::Link { content: format!("{MARK}somewhere") }] {
        let words = left(keys_of(&with_key(), &seen));
        assert!(words.contains(FILE) && words.contains("remove it"), "{words}");
        assert!(matches!(keys_of(&site(""), &seen), Decision::Unchanged(_)));
    }
}

#[test]
fn no_site_takes_no_keys_away() {
    let values = Values { site: None, missing: None };
    let content = written(&with_key(), &Seen::Absent);
    let decision = keys(Some((Path::new(FILE), &own(&content))), &values);
    assert_eq!(decision, Decision::Unchanged(NO_SITE.to_owned()));
}

#[test]
fn keys_without_a_file_for_them_are_missed() {
    let words = refused(keys(None, &values(&with_key(), None)));
    assert!(words.contains("1 key") && words.contains("access.keys-file"), "{words}");
    assert!(matches!(keys(None, &values(&site(""), None)), Decision::Unchanged(_)));
}

/// Without the data partition the site is that of the installation: it lets
/// somebody in on a first boot, and takes nothing back later.
#[test]
fn an_old_site_writes_only_what_is_absent() {
    let site = site(&format!("[host]\nname = \"gpu-01\"\n[access]\nauthorized-keys = [\"{KEY}\"]"));
    let values = values(&site, Some("/var/lib/odin"));
    let file = Path::new(FILE);
    assert!(matches!(keys(Some((file, &Seen::Absent)), &values), Decision::Do { .. }));
    let words = left(keys(Some((file, &own(&format!("{MARK}newer")))), &values));
    assert!(words.contains("/var/lib/odin") && words.contains(FILE), "{words}");
    assert!(matches!(host_name(&Seen::Absent, "localhost", &values), Decision::Do { .. }));
    let words = left(host_name(&own(&format!("{MARK}newer\ngpu-02\n")), "gpu-02", &values));
    assert!(words.contains("/var/lib/odin"), "{words}");
}

#[test]
fn the_name_is_the_sites_where_nothing_declares_another() {
    let site = site("[host]\nname = \"gpu-01\"");
    let named = |seen: &Seen, kernel: &str| host_name(seen, kernel, &values(&site, None));
    let Action::Name { name, content } = action(named(&Seen::Absent, "localhost")) else { panic!("no name") };
    let content = content.expect("a content");
    assert!(name == "gpu-01" && content.starts_with(MARK), "{content}");
    assert_eq!(static_name(&content), Some("gpu-01"));
    assert!(matches!(named(&own(&content), "gpu-01"), Decision::Unchanged(_)));
    let only_now = Action::Name { name: "gpu-01".to_owned(), content: None };
    assert_eq!(action(named(&own(&content), "dhcp-7")), only_now);
    assert_eq!(action(named(&foreign("# mine\n\ngpu-01\n"), "dhcp-7")), only_now);
    assert!(matches!(action(named(&own(&format!("{MARK}x\ngpu-02\n")), "gpu-02")), Action::Name { .. }));
    // What a person or the configuration says wins, and is said where it differs.
    let words = left(named(&foreign("rack-7\n"), "rack-7"));
    assert!(["rack-7", "gpu-01", "not written by ODIN"].iter().all(|part| words.contains(part)), "{words}");
    let words = left(named(&Seen::Link { content: "rack-7\n".to_owned() }, "rack-7"));
    assert!(words.contains("the configuration declares it"), "{words}");
    assert!(left(named(&foreign(""), "rack-7")).contains("nothing"));
}

#[test]
fn no_name_is_taken_away() {
    let none = host_name(&own(&format!("{MARK}x\ngpu-02\n")), "gpu-02", &values(&site(""), None));
    assert!(matches!(none, Decision::Unchanged(_)));
    let none = host_name(&Seen::Absent, "dhcp-7", &Values { site: None, missing: None });
    assert!(matches!(none, Decision::Unchanged(_)));
}

fn password_at(file: &str, place: &Place) -> Decision {
    let backup = Backup::at("/mnt/backup/box".into(), file.into());
    password(Some((&backup, place)), Path::new("/var/lib/odin"))
}

#[test]
fn a_password_is_made_for_the_first_repository_only() {
    const OWN: &str = "/var/lib/odin/repository-password";
    for found in [Found::Nothing, Found::Unfinished] {
        let made = action(password_at(OWN, &Place::Empty(found)));
        assert_eq!(made, Action::MakePassword { file: OWN.into() });
    }
    assert!(matches!(password_at(OWN, &Place::Taken), Decision::Unchanged(_)));
    assert!(matches!(password(None, Path::new("/var/lib/odin")), Decision::Unchanged(_)));
    let words = refused(password_at(OWN, &Place::Empty(Found::Repository)));
    assert!(words.contains("/mnt/backup/box is a repository") && words.contains("chmod 600"), "{words}");
    let words = refused(password_at(OWN, &Place::Empty(Found::Foreign("it holds photos".to_owned()))));
    assert!(words.contains("it holds photos") && words.contains("backup.repository"), "{words}");
    let words = refused(password_at(OWN, &Place::Missing("/mnt/backup".into())));
    assert!(words.contains("mounted at /mnt/backup") && words.contains("odin host apply"), "{words}");
}

#[test]
fn no_password_is_made_where_another_program_brings_it() {
    let places =
        [Place::Empty(Found::Nothing), Place::Empty(Found::Repository), Place::Missing("/mnt/backup".into())];
    for place in places {
        let words = left(password_at("/run/secrets/restic", &place));
        assert!(words.contains("outside of /var/lib/odin"), "{words}");
    }
}
