use super::*;
use crate::profile;

fn h100() -> &'static Profile {
    profile::named("h100").unwrap()
}

fn mig(name: &str) -> &'static MigProfile {
    named(h100(), name).unwrap()
}

fn cut(names: &[&str]) -> Cut {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    Cut::of(h100(), Some(&names), 0, None)
}

#[test]
fn instances_are_made_where_they_fit_and_nowhere_else() {
    use Refusal::{InsufficientResources, InvalidArgument, NotSupported};
    let off = Cut::of(h100(), None, 0, None);
    let cases = [
        (off, "1g.10gb", None, Err(NotSupported)),
        (cut(&[]), "3g.40gb", Some(4), Ok(4)),
        (cut(&[]), "3g.40gb", Some(2), Err(InvalidArgument)),
        (cut(&["3g.40gb"]), "3g.40gb", Some(0), Err(InsufficientResources)),
        (cut(&["3g.40gb"]), "3g.40gb", None, Ok(4)),
        (cut(&["3g.40gb", "3g.40gb"]), "1g.10gb", None, Err(InsufficientResources)),
        (cut(&["7g.80gb"]), "1g.10gb", None, Err(InsufficientResources)),
        (cut(&["1g.10gb+me"]), "1g.10gb+me", None, Err(InsufficientResources)),
        (cut(&["2g.20gb", "1g.10gb"]), "2g.20gb", None, Ok(4)),
    ];
    for (mut cut, name, start, wanted) in cases {
        let made = cut.create(mig(name), start);
        let at = made.map(|id| cut.parts.iter().find(|part| part.id == id).unwrap().start);
        assert_eq!(at, wanted, "{name} at {start:?}");
    }
}

#[test]
fn compute_instances_share_a_gpu_instance() {
    let mut cut = cut(&[]);
    cut.create(mig("4g.40gb"), None).unwrap();
    let part = cut.parts.first_mut().unwrap();
    let kind = mig("4g.40gb");
    assert_eq!(part.create(kind, 3, None), Err(Refusal::NotSupported), "`nvidia-smi mig -lcip`");
    assert_eq!(part.create(kind, 2, Some(1)), Err(Refusal::InvalidArgument));
    assert_eq!(part.create(kind, 2, Some(2)), Ok(0));
    assert_eq!(part.create(kind, 4, None), Err(Refusal::InsufficientResources));
    assert_eq!(part.create(kind, 1, None), Ok(1));
    assert_eq!(part.create(kind, 1, None), Ok(2));
    assert_eq!(part.create(kind, 1, None), Err(Refusal::InsufficientResources));
}

#[test]
fn seven_small_ones_fit_on_every_model_and_no_eighth() {
    for model in ["a100", "h100", "h200", "b200"] {
        let profile = profile::named(model).unwrap();
        let small = profile.mig.iter().find(|mig| mig.profile == 0).unwrap();
        let cut = Cut::of(profile, Some(&[]), 0, None);
        assert_eq!(cut.remaining(small), 7, "{model}");
        let whole = profile.mig.iter().find(|mig| mig.slices == 7).unwrap();
        assert_eq!(cut.remaining(whole), 1, "{model}");
    }
}

#[test]
fn what_a_client_cut_holds_until_the_scenario_says_otherwise() {
    let mut kept = cut(&["3g.40gb"]);
    kept.parts.clear();
    kept.changes = 5;
    kept.pending = false;
    let says = Some(vec!["3g.40gb".to_owned()]);
    let again = |says: &Option<Vec<String>>, resets| Cut::of(h100(), says.as_deref(), resets, Some(&kept));
    assert_eq!(again(&says, 0), kept);
    let reset = again(&says, 1);
    assert!(!reset.enabled && reset.parts.is_empty(), "a reset activates what is pending: {reset:?}");
    let other = again(&Some(vec!["7g.80gb".to_owned()]), 0);
    assert_eq!((other.parts.len(), other.changes, other.enabled), (1, 5, true), "{other:?}");
    let text = toml::to_string(&Cuts::from([("GPU-a".to_owned(), kept.clone())])).unwrap();
    assert_eq!(toml::from_str::<Cuts>(&text).unwrap()["GPU-a"], kept);
}
