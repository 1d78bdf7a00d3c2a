//! fhir (under construction)
