//! The OpenAPI document, made of the routes and the types they answer with.

use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::problem::Problem;
use super::{guard, routes};

/// What `/api/v1/openapi.json` answers.
pub(super) fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "ODIN",
        description = "Reading over the network: what a machine is, was and lacks. Nothing can be changed. \
                       Errors are `application/problem+json` (RFC 9457)."
    ),
    paths(
        routes::healthz,
        routes::readyz,
        routes::metrics,
        routes::status,
        routes::components,
        routes::history,
        routes::backups,
        routes::restores,
        routes::drills,
        routes::gpus,
        routes::alerts,
        routes::runbooks,
        routes::document
    ),
    components(schemas(Problem)),
    security(("read" = []), ("cookie" = [])),
    modifiers(&Schemes)
)]
struct Document;

struct Schemes;

impl Modify for Schemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        for scope in ["read", "metrics"] {
            let mut bearer = Http::new(HttpAuthScheme::Bearer);
            bearer.description =
                Some(format!("A token of scope `{scope}`: `odin token create NAME --scope {scope}`"));
            components.add_security_scheme(scope, SecurityScheme::Http(bearer));
        }
        let cookie =
            ApiKeyValue::with_description(guard::COOKIE, "A token of scope `read`, by the page's login");
        components.add_security_scheme("cookie", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_document_has_the_routes_there_are() {
        let document = document();
        let described: BTreeSet<&str> = document.paths.paths.keys().map(String::as_str).collect();
        let open = ["/healthz", "/readyz", "/metrics"];
        let routed: BTreeSet<&str> = routes::api().into_iter().map(|(path, _)| path).chain(open).collect();
        assert_eq!(described, routed);
    }

    #[test]
    fn every_reference_of_the_document_leads_somewhere_and_nothing_is_changed() {
        let value = serde_json::to_value(document()).expect("JSON");
        let text = value.to_string();
        for reference in text.split("\"$ref\":\"#").skip(1) {
            let pointer = reference.split('"').next().expect("a pointer");
            assert!(value.pointer(pointer).is_some(), "{pointer}");
        }
        for (path, item) in value["paths"].as_object().expect("paths") {
            let methods: Vec<&String> = item.as_object().expect("a path").keys().collect();
            assert_eq!(methods, ["get"], "{path}");
            assert!(item["get"]["summary"].is_string(), "{path} says nothing");
        }
    }
}
