//! `odin logs`.

use std::path::Path;

use odin_model::promtail;
use odin_supervisor::appliance::Appliance;
use odin_supervisor::journal;

use crate::args::{Arguments, Logs};
use crate::failure::{ExitStatus, Failure};
use crate::words;

/// Largest Promtail configuration that is read, in bytes.
const MAXIMUM_BYTES: u64 = 4 << 20;

pub(crate) fn run(verb: &Logs, arguments: &Arguments) -> Result<ExitStatus, Failure> {
    match verb {
        Logs::Journal => {
            let appliance = Appliance::load(&arguments.config)?;
            let runtime = super::gpu::runtime()?;
            super::supervise::start_log();
            runtime.block_on(journal::follow(&appliance))?;
            Ok(ExitStatus::Done)
        }
        Logs::Convert { file } => convert(file, arguments.json),
    }
}

fn convert(file: &Path, json: bool) -> Result<ExitStatus, Failure> {
    let refused = |reason: String| Failure::Input {
        action: format!("convert {}", file.display()),
        reason,
        hint: "give it Promtail's configuration file: YAML with scrape_configs",
    };
    let text = read(file).map_err(refused)?;
    let conversion = promtail::convert(&text).map_err(refused)?;
    if json {
        let left: Vec<_> = conversion
            .left
            .iter()
            .map(|left| serde_json::json!({ "place": left.place, "reason": left.reason }))
            .collect();
        words::show_json(&serde_json::json!({ "configuration": conversion.yaml, "left": left }));
    } else {
        words::show(conversion.yaml.trim_end());
        for left in &conversion.left {
            words::tell(&format!("not converted: {}: {}", left.place, left.reason));
        }
    }
    Ok(if conversion.left.is_empty() { ExitStatus::Done } else { ExitStatus::Pending })
}

fn read(file: &Path) -> Result<String, String> {
    let metadata = std::fs::metadata(file).map_err(|error| error.to_string())?;
    if metadata.len() > MAXIMUM_BYTES {
        return Err(format!("it has more than {MAXIMUM_BYTES} bytes"));
    }
    std::fs::read_to_string(file).map_err(|error| error.to_string())
}
