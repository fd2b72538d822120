//! `odin config`.

use odin_supervisor::appliance::Appliance;
use serde_json::json;

use crate::args::{Arguments, Config};
use crate::failure::{ExitStatus, Failure};
use crate::words;

pub(crate) fn run(verb: &Config, arguments: &Arguments) -> Result<ExitStatus, Failure> {
    let (Config::Check { file } | Config::Show { file }) = verb;
    let appliance = Appliance::load(file.as_ref().unwrap_or(&arguments.config))?;
    if matches!(verb, Config::Check { .. }) {
        return Ok(ExitStatus::Done);
    }
    if arguments.json {
        words::show_json(&json!({ "config": appliance.config, "site": appliance.site_keys }));
        return Ok(ExitStatus::Done);
    }
    let text = appliance
        .config
        .to_toml()
        .map_err(|reason| Failure::Own { action: "show the declaration".to_owned(), reason })?;
    for key in &appliance.site_keys {
        words::show(&format!("# {key} is this host's own (site.toml)"));
    }
    words::show(&format!("# all else is from {}\n{}", appliance.file.display(), text.trim_end()));
    Ok(ExitStatus::Done)
}
