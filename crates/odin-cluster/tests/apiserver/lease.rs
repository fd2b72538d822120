//! One at a time.

use std::time::Duration;

use odin_cluster::Error;

use super::fixture::Corner;

fn seize(corner: &Corner, renewed: &str) {
    let lease = format!(
        r#"{{"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {{"name": "odin-apply"}},
            "spec": {{"holderIdentity": "other-machine/1", "leaseDurationSeconds": 2, "renewTime": "{renewed}"}}}}"#
    );
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), lease).expect("written");
    let path = file.path().display().to_string();
    corner.kubectl(&[
        "apply",
        "--server-side",
        "--force-conflicts",
        "-n",
        &corner.settings.state_namespace,
        "-f",
        &path,
    ]);
}

#[tokio::test]
async fn a_holder_that_lives_is_waited_for_and_a_dead_one_is_followed() {
    let corner = Corner::new("lease").await;
    let mut sources = corner.sources();
    corner.apply(&sources).await;
    sources.config_map("base", "map", "one");

    // It renews while it is looked at.
    seize(&corner, "2026-01-01T00:00:00.000000Z");
    let renewing = async {
        for number in 1.. {
            tokio::time::sleep(Duration::from_millis(300)).await;
            seize(&corner, &format!("2026-01-01T00:00:00.{number:06}Z"));
        }
    };
    let error = tokio::select! {
        applied = corner.try_apply(&sources) => applied.expect_err("held"),
        () = renewing => unreachable!(),
    };
    assert!(matches!(&error, Error::Held { holder, .. } if holder == "other-machine/1"), "{error}");

    // It does not: after its two seconds it is followed.
    corner.apply(&sources).await;
    let lease = corner.kubectl(&[
        "get",
        "lease",
        "odin-apply",
        "-n",
        &corner.settings.state_namespace,
        "-o",
        "jsonpath={.spec}",
    ]);
    assert!(lease.contains(r#""holderIdentity":"""#), "given back: {lease}");
}

#[tokio::test]
async fn two_applies_at_once_end_with_one_state() {
    let mut one = Corner::new("race").await;
    let mut two = Corner::new("race").await;
    two.namespace.clone_from(&one.namespace);
    two.settings.state_namespace.clone_from(&one.settings.state_namespace);
    two.settings.holder = "other-machine".to_owned();
    (one.settings.lease, two.settings.lease) = (Duration::from_secs(3), Duration::from_secs(3));
    let mut sources = one.sources();
    for number in 0..40 {
        sources.config_map("base", &format!("map-{number}"), "one");
    }
    let (left, right) = tokio::join!(one.try_apply(&sources), two.try_apply(&sources));
    let went = [&left, &right]
        .iter()
        .filter(|result| result.as_ref().is_ok_and(|changes| changes.succeeded()))
        .count();
    assert!(went >= 1, "{left:?} {right:?}");
    for error in [left, right].into_iter().filter_map(Result::err) {
        assert!(matches!(error, Error::Stale { .. } | Error::Held { .. }), "{error}");
    }
    assert!(one.plan(&one.desired(&sources)).await.converged());
}
