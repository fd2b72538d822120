//! ConfigMaps found by a label.

use kube::api::ListParams;
use serde_json::Value;

use super::{Cluster, Resource};
use crate::Error;

/// One file of a ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFile {
    /// `namespace/name` of the ConfigMap.
    pub config_map: String,
    /// Key it is under.
    pub key: String,
    /// Content.
    pub text: String,
}

impl Cluster {
    /// Every file of every ConfigMap that a label selector names, sorted.
    ///
    /// # Errors
    /// When the API server cannot be asked.
    pub async fn config_files(&self, selector: &str) -> Result<Vec<ConfigFile>, Error> {
        let maps = Resource::core("ConfigMap", "configmaps", true);
        let params = ListParams::default().labels(selector);
        let found = self.list_by(&maps, None, &params).await;
        let found = found.map_err(|failure| {
            failure.into_error(&format!("list the ConfigMaps with the label {selector}"), self)
        })?;
        let mut files: Vec<ConfigFile> = found.iter().flat_map(files_of).collect();
        files.sort_by(|one, other| (&one.config_map, &one.key).cmp(&(&other.config_map, &other.key)));
        Ok(files)
    }
}

fn files_of(map: &Value) -> Vec<ConfigFile> {
    let text = |path: &str| map.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let config_map = format!("{}/{}", text("/metadata/namespace"), text("/metadata/name"));
    let data = map.get("data").and_then(Value::as_object).into_iter().flatten();
    data.filter_map(|(key, value)| {
        let text = value.as_str()?.to_owned();
        Some(ConfigFile { config_map: config_map.clone(), key: key.clone(), text })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_file_knows_where_it_lies() {
        let map = json!({
            "metadata": {"namespace": "monitoring", "name": "dashboard-node"},
            "data": {"node.json": "{}"}, "binaryData": {"logo.png": "AA=="},
        });
        let file = ConfigFile {
            config_map: "monitoring/dashboard-node".to_owned(),
            key: "node.json".to_owned(),
            text: "{}".to_owned(),
        };
        assert_eq!(files_of(&map), [file]);
        assert_eq!(files_of(&json!({"metadata": {"name": "empty"}})), []);
    }
}
