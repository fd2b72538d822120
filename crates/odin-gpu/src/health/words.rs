//! Verdicts as a person reads them.

use std::fmt;

use super::{Finding, Health, Verdict};

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        })
    }
}

impl fmt::Display for Health {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(reason) = &self.unavailable {
            write!(formatter, "unknown   {}\n    next: {}", reason.evidence, reason.next_step)?;
        } else {
            write!(formatter, "driver {}, {} GPUs", self.driver, self.gpus.len())?;
            match self.baseline {
                Some(recorded) => write!(formatter, ", measured against the baseline of {recorded:.0}")?,
                None => write!(formatter, ", without a baseline")?,
            }
        }
        for gpu in &self.gpus {
            let identity = gpu.identity.clone().unwrap_or_default();
            write!(formatter, "\n{:<3} {:<9} {} {}", gpu.index, gpu.verdict, identity.name, identity.uuid)?;
            write_findings(formatter, &gpu.findings)?;
        }
        if !self.findings.is_empty() {
            let worst = self.findings.iter().map(|finding| finding.verdict).max();
            write!(formatter, "\nall {:<9} the machine", worst.unwrap_or(Verdict::Healthy))?;
            write_findings(formatter, &self.findings)?;
        }
        Ok(())
    }
}

fn write_findings(formatter: &mut fmt::Formatter<'_>, findings: &[Finding]) -> fmt::Result {
    for finding in findings {
        write!(
            formatter,
            "\n    {}: {}\n        next: {}",
            finding.name, finding.evidence, finding.next_step
        )?;
    }
    Ok(())
}
