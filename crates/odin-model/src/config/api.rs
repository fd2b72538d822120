//! `[api]`: reading over the network.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::Impossible;

/// `[api]`: the reading API and the page over TCP, with TLS and tokens.
/// Absent: no TCP port is opened, and the sockets are all there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Api {
    /// Address and port to listen on.
    pub listen: String,
    /// Further names and addresses by which the machine is reached, for its
    /// certificate. Its host name, `localhost`, `odin` and the address of its
    /// node are there anyway.
    pub names: Vec<String>,
    /// Whether the cluster's Prometheus scrapes this supervisor. Of several
    /// servers one has it: they share the Secret that it needs.
    pub scrape: bool,
}

impl Default for Api {
    fn default() -> Self {
        Self { listen: "0.0.0.0:9480".to_owned(), names: Vec::new(), scrape: true }
    }
}

impl Api {
    /// The address to listen on; none when it is not one, which a declaration
    /// that was read never is.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.listen.parse().ok()
    }

    pub(super) fn validate(&self) -> Result<(), Impossible> {
        if self.address().is_none() {
            return Err(Impossible::new(
                "api.listen",
                &self.listen,
                "must be an address with a port, for example \"0.0.0.0:9480\"",
            ));
        }
        match self.names.iter().find(|name| name.parse::<IpAddr>().is_err() && !is_host_name(name)) {
            Some(name) => Err(Impossible::new("api.names", name, "must be a host name or an address")),
            None => Ok(()),
        }
    }
}

/// A host name as certificates name one (RFC 1123), at most 253 characters.
fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    (1..=253).contains(&text.len()) && text.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_listened_on_or_certified_is_refused() {
        let with = |listen: &str, name: &str| Api {
            listen: listen.into(),
            names: vec![name.into()],
            ..Api::default()
        };
        assert_eq!(with("[::]:9480", "gpu-01.example.org").validate(), Ok(()));
        assert_eq!(with("0.0.0.0:9480", "2001:db8::1").validate(), Ok(()));
        for (listen, name, key) in [
            ("9480", "a", "api.listen"),
            ("localhost:9480", "a", "api.listen"),
            ("0.0.0.0:9480", "", "api.names"),
            ("0.0.0.0:9480", "a b", "api.names"),
            ("0.0.0.0:9480", "-a.example.org", "api.names"),
            ("0.0.0.0:9480", "*.example.org", "api.names"),
        ] {
            assert_eq!(with(listen, name).validate().expect_err("impossible").key, key, "{listen} {name}");
        }
    }
}
