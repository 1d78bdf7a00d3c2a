//! What validation may be told to be strict about, where the specification leaves it open.
//!
//! The defaults are those of a server that stores what others wrote: it refuses what is wrong,
//! and tells of what it cannot judge. Whoever publishes definitions or examples may ask for
//! more. Not here: whether resources are validated at all (`config`).

use crate::error::Severity;

/// How strict to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Of an extension that nobody here defines. R4 says that who does not know an extension
    /// ignores it (<https://hl7.org/fhir/R4/extensibility.html>), hence information.
    pub unknown_extensions: Severity,
    /// Of a profile that a profile wants a type or the target of a reference to keep, and that
    /// is not known here, so that nothing of it can be checked.
    pub unknown_profiles: Severity,
    /// The beginnings of the urls of extensions that are defined elsewhere, and no error where
    /// they are not known here.
    pub known_elsewhere: Vec<String>,
    /// Of a `display` that is none of the code's in a code system at hand.
    pub wrong_displays: Severity,
    /// Of a canonical that is no absolute URL; sixty of R4's own examples have one.
    pub relative_canonicals: Severity,
    /// Of a tag of HTML in a text that is not Markdown.
    pub html_in_texts: Severity,
    /// Of a tag of HTML in Markdown.
    pub html_in_markdown: Severity,
    /// Of URLs below the example domains that no real record should point at.
    pub example_urls: Severity,
    /// Of a reference to what is none of the resources at hand: contained, of the same Bundle or
    /// given. `None` leaves them alone; a server looks into its storage instead.
    pub missing_targets: Option<Severity>,
    /// Whether the resource type that the URL of a reference tells is held against the element.
    pub types_by_url: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            unknown_extensions: Severity::Information,
            unknown_profiles: Severity::Warning,
            known_elsewhere: Vec::new(),
            wrong_displays: Severity::Warning,
            relative_canonicals: Severity::Warning,
            html_in_texts: Severity::Information,
            html_in_markdown: Severity::Warning,
            example_urls: Severity::Information,
            missing_targets: None,
            types_by_url: true,
        }
    }
}
