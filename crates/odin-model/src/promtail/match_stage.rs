//! The `match` stage: stages, or an end, for some lines only.

use super::section::{Notes, Section};
use super::selector;
use super::stages::Stages;

pub(super) fn convert(stages: &mut Stages, stage: &mut Section, notes: &mut Notes) {
    // Names of counters.
    stage.ignore(&["pipeline_name", "drop_counter_reason"]);
    let action = stage.text("action", notes).unwrap_or_else(|| "keep".to_owned());
    let nested = stage.list("stages", notes);
    let Some(text) = stage.text("selector", notes) else {
        return notes.add(stage.place_of("selector"), "it is missing");
    };
    let conditions = match selector::conditions(&text, |label| stages.place_of(label)) {
        Ok(conditions) => conditions,
        Err(reason) => return notes.add(stage.place_of("selector"), reason),
    };
    match action.as_str() {
        "drop" => {
            let all: Vec<String> = conditions.iter().map(|one| format!("({one})")).collect();
            stages.drop_when(&if all.is_empty() { "true".to_owned() } else { all.join(" and ") });
        }
        "keep" => {
            let outside = stages.conditions.len();
            stages.conditions.extend(conditions);
            stages.convert(nested, notes);
            stages.conditions.truncate(outside);
        }
        _ => notes.add(stage.place_of("action"), "it is neither keep nor drop"),
    }
}
