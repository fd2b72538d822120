//! A plan for a person to read.

use std::fmt;

use odin_model::event::Verb;

use super::{Action, Plan, StepKind};

/// Fields shown of one object; the rest is counted.
const FIELDS: usize = 8;

impl fmt::Display for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |digest: &str| digest.chars().take(12).collect::<String>();
        if self.from_digest.is_empty() {
            writeln!(
                formatter,
                "nothing applied yet -> generation {} bundle {}",
                self.generation,
                short(&self.digest)
            )?;
        } else {
            let (from, to) = (short(&self.from_digest), short(&self.digest));
            let (old, new) = (self.from_generation, self.generation);
            writeln!(formatter, "generation {old} bundle {from} -> generation {new} bundle {to}")?;
        }
        for step in &self.steps {
            let quiet = step.actions.iter().filter(|action| action.verb == Verb::Unchanged).count();
            let shown: Vec<&Action> =
                step.actions.iter().filter(|action| action.verb != Verb::Unchanged).collect();
            write!(formatter, "{}", step.name)?;
            if let StepKind::Component { after, .. } = &step.kind
                && !after.is_empty()
            {
                write!(formatter, " (after {})", after.join(", "))?;
            }
            writeln!(formatter, ": {} to do, {quiet} unchanged", shown.len())?;
            for action in shown {
                write_action(formatter, action)?;
            }
        }
        let count = |verb| self.count(verb);
        writeln!(
            formatter,
            "{} to create, {} to configure, {} to delete, {} unchanged, {} skipped, {} cannot be done",
            count(Verb::Created),
            count(Verb::Configured),
            count(Verb::Deleted),
            count(Verb::Unchanged),
            count(Verb::Skipped),
            count(Verb::Failed),
        )?;
        for reason in &self.blocked {
            writeln!(formatter, "blocked: {reason}")?;
        }
        Ok(())
    }
}

fn write_action(formatter: &mut fmt::Formatter<'_>, action: &Action) -> fmt::Result {
    let sign = match action.verb {
        Verb::Created => "+",
        Verb::Configured => "~",
        Verb::Deleted => "-",
        Verb::Unchanged => "=",
        Verb::Skipped => ".",
        Verb::Failed => "!",
    };
    write!(formatter, "  {sign} {}", action.object)?;
    if action.detail.is_empty() {
        writeln!(formatter)?
    } else {
        writeln!(formatter, ": {}", action.detail)?
    }
    for change in action.fields.iter().take(FIELDS) {
        match (&change.from, &change.to) {
            (None, None) => writeln!(formatter, "      {} is no longer declared", change.path)?,
            (None, Some(to)) => writeln!(formatter, "      {}: {to}", change.path)?,
            (Some(from), None) => writeln!(formatter, "      {}: {from} -> nothing", change.path)?,
            (Some(from), Some(to)) => writeln!(formatter, "      {}: {from} -> {to}", change.path)?,
        }
    }
    if action.fields.len() > FIELDS {
        writeln!(formatter, "      and {} more fields", action.fields.len() - FIELDS)?;
    }
    Ok(())
}
