//! The HTTP edge, through HTTP: <https://hl7.org/fhir/R4/http.html>.

pub mod client;

mod capabilities;
mod crud;
mod negotiation;
mod pages;
mod prefer;
mod routing;
mod subset;
