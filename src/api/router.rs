//! The route table: every URL that is served, and what it does.
//! <https://hl7.org/fhir/R4/http.html#summary>
//!
//! The CapabilityStatement is derived from [`ROUTES`], so that it says what is served.

use super::{Api, answer, middleware, pages};
use crate::interaction::capabilities::{Interaction, Level, Offer};
use axum::Router;
use axum::extract::{Request, State};
use axum::routing::{MethodFilter, get, on};
use std::sync::Arc;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::SizeAbove;

/// One row of the table.
#[derive(Debug)]
pub struct Route {
    pub method: MethodFilter,
    /// `{type}`, `{id}`, `{vid}` and `{member}` (a type or `*`) stand for one segment each.
    pub path: &'static str,
    pub interaction: Interaction,
}

const GET: MethodFilter = MethodFilter::GET;
const POST: MethodFilter = MethodFilter::POST;
const PUT: MethodFilter = MethodFilter::PUT;
const PATCH: MethodFilter = MethodFilter::PATCH;
const DELETE: MethodFilter = MethodFilter::DELETE;

const fn route(method: MethodFilter, path: &'static str, interaction: Interaction) -> Route {
    Route {
        method,
        path,
        interaction,
    }
}

/// The FHIR API. Each GET answers HEAD too, each path also with a slash at its end.
#[rustfmt::skip]
pub static ROUTES: &[Route] = &[
    route(GET,    "/fhir",                                   Interaction::Search),
    route(POST,   "/fhir",                                   Interaction::Bundle),
    route(GET,    "/fhir/metadata",                          Interaction::Capabilities),
    route(POST,   "/fhir/_search",                           Interaction::Search),
    route(GET,    "/fhir/_history",                          Interaction::History),
    route(GET,    "/fhir/$meta",                             Interaction::Meta),
    route(POST,   "/fhir/$meta",                             Interaction::Meta),
    route(POST,   "/fhir/$reindex",                          Interaction::Reindex),
    route(POST,   "/fhir/$closure",                          Interaction::Closure),
    route(POST,   "/fhir/$install-package",                  Interaction::InstallPackage),
    route(POST,   "/fhir/$convert",                          Interaction::Convert),
    route(GET,    "/fhir/$graphql",                          Interaction::Graphql),
    route(POST,   "/fhir/$graphql",                          Interaction::Graphql),
    route(GET,    "/fhir/_job",                              Interaction::Job),
    route(GET,    "/fhir/_job/{id}",                         Interaction::Job),
    route(DELETE, "/fhir/_job/{id}",                         Interaction::Job),

    route(GET,    "/fhir/{type}",                            Interaction::Search),
    route(POST,   "/fhir/{type}",                            Interaction::Create),
    route(PUT,    "/fhir/{type}",                            Interaction::ConditionalUpdate),
    route(PATCH,  "/fhir/{type}",                            Interaction::ConditionalPatch),
    route(DELETE, "/fhir/{type}",                            Interaction::ConditionalDelete),
    route(POST,   "/fhir/{type}/_search",                    Interaction::Search),
    route(GET,    "/fhir/{type}/_history",                   Interaction::History),
    route(GET,    "/fhir/{type}/$meta",                      Interaction::Meta),
    route(POST,   "/fhir/{type}/$meta",                      Interaction::Meta),
    route(POST,   "/fhir/{type}/$reindex",                   Interaction::Reindex),
    route(POST,   "/fhir/{type}/$validate",                  Interaction::Validate),
    route(GET,   "/fhir/{type}/$snapshot",                    Interaction::Snapshot),
    route(POST,  "/fhir/{type}/$snapshot",                    Interaction::Snapshot),
    route(GET,   "/fhir/{type}/$expand",                      Interaction::Expand),
    route(POST,  "/fhir/{type}/$expand",                      Interaction::Expand),
    route(GET,   "/fhir/{type}/$validate-code",               Interaction::ValidateCode),
    route(POST,  "/fhir/{type}/$validate-code",               Interaction::ValidateCode),
    route(GET,   "/fhir/{type}/$lookup",                      Interaction::Lookup),
    route(POST,  "/fhir/{type}/$lookup",                      Interaction::Lookup),
    route(GET,   "/fhir/{type}/$subsumes",                    Interaction::Subsumes),
    route(POST,  "/fhir/{type}/$subsumes",                    Interaction::Subsumes),
    route(GET,   "/fhir/{type}/$translate",                   Interaction::Translate),
    route(POST,  "/fhir/{type}/$translate",                   Interaction::Translate),
    route(GET,   "/fhir/{type}/$find-matches",                Interaction::FindMatches),
    route(POST,  "/fhir/{type}/$find-matches",                Interaction::FindMatches),

    route(GET,    "/fhir/{type}/{id}",                       Interaction::Read),
    route(PUT,    "/fhir/{type}/{id}",                       Interaction::Update),
    route(PATCH,  "/fhir/{type}/{id}",                       Interaction::Patch),
    route(DELETE, "/fhir/{type}/{id}",                       Interaction::Delete),
    route(GET,    "/fhir/{type}/{id}/$validate",             Interaction::Validate),
    route(POST,   "/fhir/{type}/{id}/$validate",             Interaction::Validate),
    route(GET,    "/fhir/{type}/{id}/$graphql",              Interaction::Graphql),
    route(POST,   "/fhir/{type}/{id}/$graphql",              Interaction::Graphql),
    route(GET,    "/fhir/{type}/{id}/_history",              Interaction::History),
    route(GET,    "/fhir/{type}/{id}/_history/{vid}",        Interaction::Vread),
    route(GET,    "/fhir/{type}/{id}/$meta",                 Interaction::Meta),
    route(POST,   "/fhir/{type}/{id}/$meta",                 Interaction::Meta),
    route(POST,   "/fhir/{type}/{id}/$meta-add",             Interaction::MetaAdd),
    route(POST,   "/fhir/{type}/{id}/$meta-delete",          Interaction::MetaDelete),
    route(GET,    "/fhir/{type}/{id}/$snapshot",             Interaction::Snapshot),
    route(POST,   "/fhir/{type}/{id}/$snapshot",             Interaction::Snapshot),
    route(GET,    "/fhir/{type}/{id}/$expand",               Interaction::Expand),
    route(POST,   "/fhir/{type}/{id}/$expand",               Interaction::Expand),
    route(GET,    "/fhir/{type}/{id}/$validate-code",        Interaction::ValidateCode),
    route(POST,   "/fhir/{type}/{id}/$validate-code",        Interaction::ValidateCode),
    route(GET,    "/fhir/{type}/{id}/$subsumes",             Interaction::Subsumes),
    route(POST,   "/fhir/{type}/{id}/$subsumes",             Interaction::Subsumes),
    route(GET,    "/fhir/{type}/{id}/$find-matches",         Interaction::FindMatches),
    route(POST,   "/fhir/{type}/{id}/$find-matches",         Interaction::FindMatches),
    route(GET,    "/fhir/{type}/{id}/$translate",            Interaction::Translate),
    route(POST,   "/fhir/{type}/{id}/$translate",            Interaction::Translate),
    route(GET,    "/fhir/{type}/{id}/_history/{vid}/$meta",  Interaction::Meta),
    route(POST,   "/fhir/{type}/{id}/_history/{vid}/$meta",  Interaction::Meta),
    route(POST,   "/fhir/{type}/{id}/_history/{vid}/$meta-add",    Interaction::MetaAdd),
    route(POST,   "/fhir/{type}/{id}/_history/{vid}/$meta-delete", Interaction::MetaDelete),

    route(GET,    "/fhir/{type}/{id}/{member}",              Interaction::Search),
    route(POST,   "/fhir/{type}/{id}/{member}/_search",      Interaction::Search),
];

impl Route {
    pub fn offer(&self) -> Offer {
        let level = match self.path {
            path if path.contains("{id}") => Level::Instance,
            path if path.contains("{type}") => Level::Type,
            _ => Level::System,
        };
        Offer {
            interaction: self.interaction,
            level,
        }
    }
}

/// What the table serves.
pub fn offers() -> Vec<Offer> {
    ROUTES.iter().map(Route::offer).collect()
}

/// Builds the router: the table above and the pages that are not FHIR.
pub fn build(api: Arc<Api>) -> Router {
    let mut router = Router::new()
        .route("/", get(pages::landing))
        .route("/health/live", get(pages::live))
        .route("/health/ready", get(pages::ready))
        .route("/metrics", get(pages::metrics))
        .route(
            "/fhir/.well-known/smart-configuration",
            get(pages::smart_configuration),
        );
    for route in ROUTES {
        let handler = move |State(api): State<Arc<Api>>, request: Request| async move {
            answer::answer(&api, route, request).await
        };
        router = router
            .route(route.path, on(route.method, handler))
            .route(&format!("{}/", route.path), on(route.method, handler));
    }
    router
        .fallback(pages::not_found)
        .method_not_allowed_fallback(pages::not_allowed)
        // One layer of two, the first outside: each layer of its own would be a box more.
        .layer((
            compression(),
            axum::middleware::from_fn_with_state(api.clone(), middleware::observe),
        ))
        .with_state(api)
}

/// gzip or zstd for whom asks, at the speed that costs least; small bodies are not worth it.
fn compression() -> CompressionLayer<SizeAbove> {
    CompressionLayer::new()
        .quality(CompressionLevel::Fastest)
        .compress_when(SizeAbove::new(1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_follow_from_paths() {
        for (path, level) in [
            ("/fhir/metadata", Level::System),
            ("/fhir/{type}/_history", Level::Type),
            ("/fhir/{type}/{id}/_history/{vid}", Level::Instance),
        ] {
            let row = ROUTES.iter().find(|row| row.path == path).expect(path);
            assert_eq!(row.offer().level, level);
        }
    }
}
