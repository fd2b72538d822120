use proptest::prelude::*;

use super::super::resources::{GPU, resources};
use super::super::sharing::{Replicas, Sharing};
use super::super::{Fault, Link};
use super::*;

fn gpu(index: u32) -> Gpu {
    Gpu { index, uuid: format!("GPU-{index}"), numa: Some(index / 4), ..Gpu::default() }
}

/// Eight GPUs; NVLinks between the pairs given.
fn machine(links: &[(u32, u32, u32)]) -> Vec<Gpu> {
    let mut gpus: Vec<Gpu> = (0..8).map(gpu).collect();
    for (one, other, count) in links {
        let to = format!("GPU-{other}");
        gpus[*one as usize].links.push(Link { to, kind: LinkKind::NvLink(*count) });
    }
    gpus
}

fn choose(gpus: &[Gpu], available: &[u32], required: &[u32], size: usize) -> Vec<String> {
    let resource = &resources(gpus, &Sharing::default()).expect("resources")[0];
    let ids = |indices: &[u32]| indices.iter().map(|index| format!("GPU-{index}")).collect::<Vec<_>>();
    let (available, required) = (ids(available), ids(required));
    let request = Request { available: &available, required: &required, size };
    preferred(resource, gpus, Policy::Distributed, request).expect("a choice")
}

#[test]
fn the_nearest_gpus_are_chosen_and_near_ones_are_kept_together() {
    let all: Vec<u32> = (0..8).collect();
    let pairs = machine(&[(0, 3, 4), (1, 2, 4), (4, 5, 2), (6, 7, 4)]);
    type Row<'a> = (&'a [u32], &'a [u32], usize, &'a [&'a str]);
    let rows: [Row<'_>; 6] = [
        // The strongest pair, the first of equals.
        (&all, &[], 2, &["GPU-0", "GPU-3"]),
        (&[2, 4, 5, 6, 7], &[], 2, &["GPU-6", "GPU-7"]),
        // A single GPU is the one nobody misses: 2 has lost its partner.
        (&[2, 4, 5, 6, 7], &[], 1, &["GPU-2"]),
        // Of whole pairs the weakest is torn.
        (&[0, 3, 4, 5, 6, 7], &[], 1, &["GPU-4"]),
        // What is required comes first, its partner next.
        (&all, &[7], 2, &["GPU-7", "GPU-6"]),
        (&all, &[], 0, &[]),
    ];
    for (available, required, size, expected) in rows {
        assert_eq!(choose(&pairs, available, required, size), expected, "{available:?} {required:?} {size}");
    }
}

#[test]
fn without_links_one_memory_node_is_preferred() {
    assert_eq!(choose(&machine(&[]), &[2, 3, 5, 6, 7], &[], 3), ["GPU-5", "GPU-6", "GPU-7"]);
}

#[test]
fn a_gpu_that_failed_is_chosen_last() {
    let mut gpus = machine(&[]);
    gpus[0].fault = Some(Fault::new("GpuLost", ""));
    assert_eq!(choose(&gpus, &[0, 1], &[], 1), ["GPU-1"]);
    assert_eq!(choose(&gpus, &[0, 1], &[], 2), ["GPU-0", "GPU-1"]);
}

fn shared(gpus: &[Gpu], policy: Policy, available: &[&str], size: usize) -> Vec<String> {
    let mut sharing = Sharing { policy, ..Sharing::default() };
    sharing.replicas.insert(GPU.into(), Replicas { count: 3, rename: None });
    let resource = &resources(gpus, &sharing).expect("resources")[0];
    let available: Vec<String> = available.iter().map(|id| (*id).to_owned()).collect();
    preferred(resource, gpus, policy, Request { available: &available, required: &[], size })
        .expect("a choice")
}

#[test]
fn replicas_are_spread_or_packed() {
    let gpus = [gpu(0), gpu(1)];
    // One replica of GPU 1 is in use.
    let free = ["GPU-0::0", "GPU-0::1", "GPU-0::2", "GPU-1::0", "GPU-1::2"];
    assert_eq!(shared(&gpus, Policy::Distributed, &free, 1), ["GPU-0::0"]);
    assert_eq!(shared(&gpus, Policy::Packed, &free, 1), ["GPU-1::0"]);
    assert_eq!(shared(&gpus, Policy::Distributed, &free, 2), ["GPU-0::0", "GPU-1::0"]);
    assert_eq!(shared(&gpus, Policy::Packed, &free, 3), ["GPU-1::0", "GPU-1::2", "GPU-0::0"]);
}

#[test]
fn numbers_that_do_not_fit_are_refused() {
    let gpus = machine(&[]);
    let resource = &resources(&gpus, &Sharing::default()).expect("resources")[0];
    let rows: [(&[&str], &[&str], usize, &str); 4] = [
        (&["GPU-0"], &[], 2, "2 of nvidia.com/gpu are wanted, 1 are available and 0 are required"),
        (&["GPU-0", "GPU-0"], &[], 2, "1 are available"),
        (&["GPU-0"], &["GPU-1", "GPU-2"], 1, "2 are required"),
        (&["GPU-9"], &[], 1, "has no device \"GPU-9\""),
    ];
    for (available, required, size, reason) in rows {
        let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        let (available, required) = (ids(available), ids(required));
        let request = Request { available: &available, required: &required, size };
        let error = preferred(resource, &gpus, Policy::Distributed, request).expect_err(reason);
        assert!(error.to_string().contains(reason), "{error}");
    }
}

proptest! {
    #[test]
    fn a_choice_has_the_size_wanted_and_what_is_required(
        free in proptest::collection::btree_set(0_u32..16, 1..16),
        share in 0.0_f64..1.0,
        must in 0_usize..4,
    ) {
        let gpus: Vec<Gpu> = (0..16).map(gpu).collect();
        let free: Vec<u32> = free.into_iter().collect();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "small")]
        let size = ((free.len() as f64) * share).ceil() as usize;
        let required: Vec<u32> = free.iter().copied().take(must.min(size)).collect();
        let chosen = choose(&gpus, &free, &required, size);
        prop_assert_eq!(chosen.len(), size);
        let distinct: BTreeSet<&String> = chosen.iter().collect();
        prop_assert_eq!(distinct.len(), size);
        for index in required {
            let id = format!("GPU-{index}");
            prop_assert!(chosen.contains(&id));
        }
    }
}
