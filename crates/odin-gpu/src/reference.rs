//! The reference of the metrics, written from the tables that make them
//! (docs/reference/metrics.md).

use std::collections::{BTreeMap, BTreeSet};

use crate::catalogue::CATALOGUE;
use crate::dcgm::{ROWS, Source};
use crate::{coverage, family};

const HEAD: &str = "# Metrics of the GPUs

Generated from the tables of `odin-gpu`; do not edit. `odin gpu serve` tells them at port 9400, \
`/metrics`, in Prometheus' text format 0.0.4.

A number that is older than `gpu.maximum-age`, or that a driver does not tell, is left out: no sample \
is ever 0 for want of an answer. Everything is read once in `gpu.interval`, but for the counters of \
links, which are read every five seconds or as often as `gpu.maximum-age` asks for, and for what only a \
setting, a driver or a reset changes, every half minute. Samples of one GPU have the labels `gpu` and `UUID`; those of a MIG \
device `mig_uuid`, `GPU_I_PROFILE` and `GPU_I_ID` as well.
";

/// The page, in Markdown.
#[must_use]
pub fn metrics() -> String {
    let mut page = HEAD.to_owned();
    write_dcgm(&mut page);
    write_nvml(&mut page);
    write_own(&mut page);
    write_excluded(&mut page);
    page
}

fn line(page: &mut String, arguments: std::fmt::Arguments<'_>) {
    page.push_str(&arguments.to_string());
    page.push('\n');
}

fn write_dcgm(page: &mut String) {
    page.push_str(
        "\n## Under DCGM's names\n\nWith the labels of dcgm-exporter: `gpu`, `UUID`, `pci_bus_id`, `device`, \
         `modelName`, `hostname`, the fields of `gpu.dcgm-labels`, and `container`, `namespace`, `pod` where \
         one pod has the whole GPU. Counters keep DCGM's names, without `_total`. `gpu.dcgm-aliases` adds the \
         names of DCGM 4.6.\n\n| id | metric | type | DCGM 4.6 | what |\n|---|---|---|---|---|\n",
    );
    let is_told = |source: &Source| !matches!(source, Source::Nothing(_));
    for row in ROWS.iter().filter(|row| is_told(&row.source)) {
        let alias = row.alias.map(|alias| format!("`{alias}`")).unwrap_or_default();
        line(
            page,
            format_args!("| {} | `{}` | {} | {alias} | {} |", row.id, row.name, row.kind.name(), row.help),
        );
    }
    page.push_str("\nOf dcgm-exporter's default file these are not told:\n\n| metric | why |\n|---|---|\n");
    for row in ROWS {
        if let Source::Nothing(reason) = row.source {
            line(page, format_args!("| `{}` | {reason} |", row.name));
        }
    }
}

fn write_nvml(page: &mut String) {
    let counts = coverage::counts();
    page.push_str("\n## Everything NVML tells\n\n");
    for (table, counts) in counts {
        line(
            page,
            format_args!(
                "- {table}: {} of {} have a metric or a label, {} are left out",
                counts.covered(),
                counts.listed(),
                counts.excluded()
            ),
        );
    }
    let mut sources = BTreeMap::<&str, Vec<String>>::new();
    for listed in coverage::all() {
        for metric in listed.metrics {
            sources.entry(metric).or_default().push(listed.name.clone());
        }
    }
    page.push_str("\n| metric | type | labels | what | from |\n|---|---|---|---|---|\n");
    for metric in &CATALOGUE.metrics {
        let family = metric.family;
        let labels: BTreeSet<&str> = metric.labels.iter().flat_map(|labels| names(labels)).collect();
        let labels: Vec<String> = labels.into_iter().map(|name| format!("`{name}`")).collect();
        let from = sources.get(family.name).map(|names| shortened(names)).unwrap_or_default();
        line(
            page,
            format_args!(
                "| `{}` | {} | {} | {} | {from} |",
                family.name,
                family.kind(),
                labels.join(", "),
                family.help
            ),
        );
    }
}

/// The first names; a metric that has one field for each lane has hundreds.
fn shortened(names: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    let more = names.len().saturating_sub(SHOWN);
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}

/// Names of the labels in `a="1",b="2"`; values of the tables have no comma.
fn names(labels: &str) -> impl Iterator<Item = &str> {
    labels.split(',').filter_map(|label| label.split_once('=').map(|(name, _)| name))
}

fn write_own(page: &mut String) {
    page.push_str("\n## ODIN's own\n\n| metric | type | what |\n|---|---|---|\n");
    for family in family::of_fleet() {
        line(page, format_args!("| `{}` | {} | {} |", family.name, family.kind(), family.help));
    }
}

fn write_excluded(page: &mut String) {
    page.push_str("\n## What of NVML is left out\n\n| function | why |\n|---|---|\n");
    for listed in coverage::all() {
        if let Some(reason) = listed.excluded {
            line(page, format_args!("| `{}` | {reason} |", listed.name));
        }
    }
}
