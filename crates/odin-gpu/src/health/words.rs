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
        let steps = self.gpus.iter().flat_map(|gpu| &gpu.findings).map(|finding| &finding.next_step);
        if steps.into_iter().any(|step| step.contains("reset")) {
            formatter.write_str(RESET)?;
        }
        Ok(())
    }
}

/// The driver resets no GPU that a program has open, and reading it is that.
const RESET: &str = "\na reset: systemctl stop odin-gpu nvidia-persistenced; \
                     nvidia-smi --gpu-reset --id=UUID; \
                     systemctl start nvidia-persistenced odin-gpu";

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::Gpu;
    use crate::sample::State;

    fn with(next_step: &str) -> String {
        let finding = Finding {
            name: "one".to_owned(),
            verdict: Verdict::Failed,
            evidence: "seen".to_owned(),
            next_step: next_step.to_owned(),
            cured_by_reset: false,
        };
        let gpu = Gpu {
            index: 0,
            identity: None,
            state: State::Running,
            facts: None,
            mig: false,
            verdict: Verdict::Failed,
            findings: vec![finding],
        };
        Health {
            library: "open".to_owned(),
            unavailable: None,
            driver: "580".to_owned(),
            baseline: None,
            gpus: vec![gpu],
            findings: Vec::new(),
        }
        .to_string()
    }

    #[test]
    fn who_is_told_to_reset_is_told_how() {
        assert!(with("drain the GPU and reset it").ends_with("systemctl start nvidia-persistenced odin-gpu"));
        assert!(with("replace the GPU").ends_with("next: replace the GPU"));
    }
}
