//! Killed at any request, the next apply converges and nothing is orphaned.

use std::collections::BTreeSet;
use std::time::Duration;

use odin_cluster::apply::apply;
use odin_cluster::plan::plan;
use odin_model::event::Silent;

use super::fixture::{Corner, Sources, deployment};

/// Names of the ConfigMaps that exist, without Kubernetes' own.
fn present(corner: &Corner) -> BTreeSet<String> {
    let names = corner.kubectl(&["get", "configmaps", "-o", "jsonpath={.items[*].metadata.name}"]);
    names.split_whitespace().filter(|name| name.starts_with("map-")).map(str::to_owned).collect()
}

/// Applies until so many requests were sent, then dies. Tells whether it died.
async fn killed(corner: &Corner, sources: &Sources, after: u64) -> bool {
    let desired = corner.desired(sources);
    let observation =
        corner.cluster.observe(&desired, &corner.settings.state_namespace).await.expect("observed");
    let plan = plan(&desired, &observation, &corner.settings);
    let limit = corner.cluster.api_calls() + after;
    let watch = async {
        while corner.cluster.api_calls() < limit {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
    };
    tokio::select! {
        biased;
        () = watch => true,
        done = apply(&corner.cluster, &desired, &plan, &corner.settings, &corner.store, &Silent) => {
            assert!(done.expect("applied").succeeded());
            false
        }
    }
}

#[tokio::test]
async fn killed_after_every_request_the_next_apply_converges() {
    let mut corner = Corner::new("kill").await;
    corner.settings.prune_limit = 100;
    // Two bundles that share little, applied in turn.
    let mut even = corner.sources();
    let mut odd = corner.sources();
    for number in 0..12 {
        even.config_map("base", &format!("map-even-{number}"), "one");
        odd.config_map("base", &format!("map-odd-{number}"), "one");
    }
    even.config_map("base", "map-both", "even").object("base", deployment(&corner.namespace, "app", 0));
    odd.config_map("base", "map-both", "odd").object("base", deployment(&corner.namespace, "app", 0));
    corner.apply(&even).await;
    let (mut hits, mut rounds) = (0, 0);
    for after in 0..36 {
        let (wanted, other) = if after % 2 == 0 { (&odd, &even) } else { (&even, &odd) };
        rounds += 1;
        hits += usize::from(killed(&corner, wanted, after).await);
        // Every third time the next bundle is yet another one.
        let next = if after % 3 == 0 { other } else { wanted };
        corner.apply(next).await;
        let (inventory, _) = corner.cluster.inventory(&corner.settings.state_namespace).await.expect("read");
        let known: BTreeSet<String> = inventory
            .objects
            .keys()
            .map(|key| key.name.clone())
            .filter(|name| name.starts_with("map-"))
            .collect();
        assert_eq!(present(&corner), known, "after {after} requests");
        assert_eq!(known.len(), 13, "after {after} requests");
        assert!(inventory.pending.is_none());
        if after % 3 == 0 && after % 2 == 0 {
            corner.apply(&odd).await;
        } else if after % 3 == 0 {
            corner.apply(&even).await;
        }
    }
    println!("killed {hits} of {rounds} times");
    assert!(hits * 10 >= rounds * 8, "killed only {hits} of {rounds} times");
}
