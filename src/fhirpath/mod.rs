//! fhirpath (under construction)
