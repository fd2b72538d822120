//! Where instances go on a GPU.

use odin_model::config::MigDevices;

use super::layout::{Instance, Kind, Seen};

/// The instances a GPU is to have. Those it has already and that are wanted
/// stay where they are, unless the rest fits only without them.
///
/// # Errors
/// In words, when they fit on no such GPU.
pub(super) fn place(devices: &MigDevices, seen: &Seen) -> Result<Vec<Instance>, String> {
    let mut wanted = wanted(devices, seen)?;
    // The largest first: the fewest places, so the shortest search.
    wanted.sort_by(|one, other| other.size.cmp(&one.size).then(one.name.cmp(&other.name)));
    let mut rest = wanted.clone();
    let mut kept: Vec<Instance> = Vec::new();
    for instance in seen.instances.iter().filter(|instance| instance.is_whole()) {
        if let Some(at) = rest.iter().position(|kind| kind.id == instance.profile_id) {
            rest.remove(at);
            kept.push(instance.clone());
        }
    }
    let mut placed = search(&rest, kept)
        .or_else(|| search(&wanted, Vec::new()))
        .ok_or_else(|| format!("{} do not fit together on one {}", words(devices), seen.model))?;
    placed.sort();
    Ok(placed)
}

/// The kinds that are wanted, each as often as it is. Refuses numbers that no
/// placing can satisfy, which is all that can be told while MIG mode is off.
///
/// # Errors
/// In words, naming the model and what it has.
pub(super) fn wanted<'a>(devices: &MigDevices, seen: &'a Seen) -> Result<Vec<&'a Kind>, String> {
    let model = &seen.model;
    let mut wanted = Vec::new();
    for (profile, count) in devices {
        let Some(kind) = seen.kinds.iter().find(|kind| kind.name == *profile) else {
            let mut known: Vec<&str> = seen.kinds.iter().map(|kind| kind.name.as_str()).collect();
            known.sort_unstable();
            return Err(format!("{model} has no profile {profile}; it has {}", known.join(", ")));
        };
        if *count > kind.most {
            return Err(format!("{model} takes {} x {profile} at most, not {count}", kind.most));
        }
        wanted.extend(std::iter::repeat_n(kind, *count as usize));
    }
    has_enough(devices, seen, &wanted, "compute slices", |kind| u64::from(kind.slices))?;
    has_enough(devices, seen, &wanted, "MiB of memory", |kind| kind.memory_mib)?;
    Ok(wanted)
}

/// No kind has more of anything than the whole GPU, which is a kind too.
fn has_enough(
    devices: &MigDevices,
    seen: &Seen,
    wanted: &[&Kind],
    name: &str,
    part: impl Fn(&Kind) -> u64,
) -> Result<(), String> {
    let most = seen.kinds.iter().map(&part).max().unwrap_or_default();
    let sum: u64 = wanted.iter().map(|kind| part(kind)).sum();
    if sum <= most {
        return Ok(());
    }
    Err(format!("{} need {sum} {name}; {} has {most}", words(devices), seen.model))
}

fn search(kinds: &[&Kind], placed: Vec<Instance>) -> Option<Vec<Instance>> {
    let Some((kind, rest)) = kinds.split_first() else { return Some(placed) };
    kind.places.iter().find_map(|start| {
        let instance = Instance::whole(kind, *start);
        if placed.iter().any(|other| other.overlaps(&instance)) {
            return None;
        }
        let mut more = placed.clone();
        more.push(instance);
        search(rest, more)
    })
}

/// `4 x 1g.10gb, 1 x 3g.40gb`.
pub(super) fn words(devices: &MigDevices) -> String {
    let words: Vec<String> = devices.iter().map(|(profile, count)| format!("{count} x {profile}")).collect();
    words.join(", ")
}
