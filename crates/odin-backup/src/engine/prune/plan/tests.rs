use proptest::prelude::*;
use std::collections::BTreeMap;

use super::super::catalogue::Stored;
use super::*;

fn id(number: u8) -> Id {
    Id::new([number; 32])
}

fn blob(number: u8, offset: u32, length: u32) -> Blob {
    let kind = if number.is_multiple_of(5) { BlobType::Tree } else { BlobType::Data };
    Blob { id: id(number), kind, offset, length, uncompressed_length: None }
}

/// A catalogue of packs, each of some blobs, and which of the blobs are needed.
fn catalogue(packs: &[Vec<u8>], needed: &[u8]) -> (Catalogue, BTreeMap<Id, u64>) {
    let mut catalogue = Catalogue { packs: Vec::new(), copies: Vec::new(), marked: BTreeSet::new() };
    for (number, blobs) in packs.iter().enumerate() {
        let mut offset = 0;
        for one in blobs {
            let blob = blob(*one, offset, 100 + u32::from(*one));
            offset += blob.length;
            catalogue.copies.push(BlobCopy { blob, pack: number, needed: needed.contains(one) });
        }
        let name = id(100 + u8::try_from(number).unwrap());
        catalogue.packs.push(Stored { id: name, bytes: u64::from(offset) + 50 });
    }
    catalogue.copies.sort_unstable_by_key(|copy| (copy.blob.kind, copy.blob.id, copy.pack, copy.blob.offset));
    let mut stored: BTreeMap<Id, u64> = catalogue.packs.iter().map(|pack| (pack.id, pack.bytes)).collect();
    stored.insert(id(255), 7);
    (catalogue, stored)
}

fn limit(text: &str) -> MaxUnused {
    text.parse().unwrap()
}

#[test]
fn of_two_copies_the_one_in_a_pack_without_waste_is_kept() {
    // As a kill leaves it between the new index and the old one's removal.
    let (catalogue, stored) = catalogue(&[vec![1, 2, 3], vec![1, 2]], &[1, 2]);
    let plan = plan(&catalogue, &stored, Vec::new(), &limit("0"));
    assert_eq!(plan.unused.keys().copied().collect::<Vec<_>>(), [id(100)]);
    assert!(plan.repack.is_empty());
    assert_eq!(plan.witnesses.iter().map(|place| place.pack).collect::<Vec<_>>(), [id(101), id(101)]);
    assert_eq!(plan.orphaned.keys().copied().collect::<Vec<_>>(), [id(255)]);
}

#[test]
fn the_most_wasteful_pack_is_written_anew_first_and_no_more_than_need_be() {
    let (catalogue, stored) =
        catalogue(&[vec![1, 2, 3, 4], vec![6, 7, 8, 9], vec![11, 12]], &[1, 6, 7, 8, 11, 12]);
    let chosen = |text: &str| {
        let plan = plan(&catalogue, &stored, Vec::new(), &limit(text));
        (plan.repack.iter().map(|repack| repack.pack).collect::<Vec<_>>(), plan.figures.unused_left)
    };
    assert_eq!(chosen("unlimited"), (vec![], 102 + 103 + 104 + 109));
    assert_eq!(chosen("20%"), (vec![id(100)], 109));
    assert_eq!(chosen("0"), (vec![id(100), id(101)], 0));
}

#[test]
fn a_snapshot_less_repository_is_emptied() {
    let (catalogue, stored) = catalogue(&[vec![1, 2], vec![3]], &[]);
    let plan = plan(&catalogue, &stored, Vec::new(), &limit("10%"));
    assert_eq!((plan.unused.len(), plan.orphaned.len(), plan.repack.len()), (2, 1, 0));
    assert_eq!(plan.figures.freed(), stored.values().sum::<u64>());
}

proptest! {
    #[test]
    fn whatever_is_needed_stays_or_is_written_anew_once(
        packs in prop::collection::vec(prop::collection::vec(0_u8..40, 1..8), 0..10),
        needed in prop::collection::vec(0_u8..40, 0..20),
        share in 0_u64..100,
    ) {
        let present: Vec<u8> =
            needed.into_iter().filter(|one| packs.iter().flatten().any(|other| one == other)).collect();
        let (catalogue, stored) = catalogue(&packs, &present);
        let limit = limit(&format!("{share}%"));
        let plan = plan(&catalogue, &stored, Vec::new(), &limit);
        let repacked: BTreeSet<Id> = plan.repack.iter().map(|repack| repack.pack).collect();
        for one in &present {
            let whole = catalogue.copies.iter().any(|copy| {
                let pack = catalogue.packs[copy.pack].id;
                copy.blob.id == id(*one) && !plan.unused.contains_key(&pack) && !repacked.contains(&pack)
            });
            let anew =
                plan.repack.iter().flat_map(|repack| &repack.blobs).filter(|blob| blob.id == id(*one)).count();
            prop_assert!(anew == 1 || (whole && anew == 0), "blob {one}: whole {whole}, anew {anew}");
        }
        prop_assert!(plan.needed.is_sorted());
        prop_assert_eq!(plan.needed.len(), present.iter().collect::<BTreeSet<_>>().len());
        prop_assert!(!plan.unused.contains_key(&id(255)) && plan.orphaned.contains_key(&id(255)));
        let used: u64 =
            plan.needed.iter().map(|(_, one)| 100 + (0..40).find(|n| id(*n) == *one).map_or(0, u64::from)).sum();
        prop_assert!(plan.figures.unused_left <= limit.allowed(used));
        prop_assert!(plan.figures.freed() <= stored.values().sum());
    }
}
