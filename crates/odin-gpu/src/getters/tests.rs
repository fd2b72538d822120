use std::collections::BTreeSet;

use super::*;
use crate::family;
use crate::nvml::Buffer;

/// What `raw.rs` is safe by: nothing is written or read outside the buffer.
#[test]
fn every_structure_is_within_the_buffer() {
    for getter in all() {
        let Out { count, size, words } = getter.out;
        let symbol = getter.symbol;
        assert!(size <= Buffer::WORDS * 8, "{symbol} writes {size} bytes");
        assert!(count == 1 || size == 8 * count, "{symbol}: separate outs have a slot each");
        assert!(words.iter().all(|(offset, _)| offset % 4 == 0 && offset + 4 <= size), "{symbol}");
        for number in getter.numbers {
            let length = match number.word {
                Word::U8 => 1,
                Word::U32 | Word::I32 => 4,
                Word::U64 | Word::Bit(_) => 8,
            };
            assert!(number.offset + length <= size, "{symbol} at {}", number.offset);
            assert!(number.offset % length == 0, "{symbol} at {} is not aligned", number.offset);
            assert!(number.unless_zero.is_none_or(|offset| offset + 4 <= size), "{symbol}");
        }
    }
}

#[test]
fn every_number_becomes_a_metric_that_has_a_help() {
    let families: BTreeSet<&str> = family::of_nvml().map(|family| family.name).collect();
    for name in all().flat_map(|getter| getter.numbers).map(|number| number.family) {
        assert!(families.contains(name), "{name}");
    }
}

#[test]
fn a_selector_is_given_where_a_getter_is_repeated() {
    for getter in all() {
        let repeated =
            matches!(getter.each, Each::Link | Each::Fan | Each::SumOfLinks | Each::MaximumOfLinks);
        let selects = getter.select.contains(&Getter::EACH)
            || getter.out.words.iter().any(|(_, word)| *word == Getter::EACH);
        assert_eq!(repeated, selects, "{}", getter.symbol);
    }
}

#[test]
fn what_is_read_now_and_then_is_in_the_table() {
    let symbols: BTreeSet<&str> = all().map(|getter| getter.symbol).collect();
    for name in STEADY {
        assert!(symbols.contains(name), "{name}");
    }
}
