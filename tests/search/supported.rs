//! What is supported of each search type, as README's table: made from the registry, so that it
//! says what is so. `ANDIRON_GOLDEN=1` writes the table, any other run compares it.
//! <https://hl7.org/fhir/R4/search.html#ptypes>. What goes across types (chains, includes, order)
//! is told in README by hand.

use super::{BASE, REGISTRY, kind as type_of};
use andiron::fhir::{Instant, ResourceType};
use andiron::search::params::{self, Modifier};
use andiron::search::registry::{Kind, Parameter, Registry};
use andiron::search::{self, Handling, Limits, Request, Scope};
use std::fmt::Write;

const BEGIN: &str = "<!-- search types: made by a test -->\n";
const END: &str = "<!-- /search types -->\n";

/// A parameter of each kind, and the forms of values: each with one that is asked of it.
type Forms = &'static [(&'static str, &'static str)];
const KINDS: [(Kind, &str, &str, Forms); 9] = [
    (
        Kind::Token,
        "Observation",
        "code",
        &[
            ("code", "x"),
            ("system|code", "urn:s|x"),
            ("|code", "|x"),
            ("system|", "urn:s|"),
        ],
    ),
    (Kind::String, "Patient", "name", &[("text", "ann")]),
    (
        Kind::Reference,
        "Observation",
        "subject",
        &[
            ("id", "1"),
            ("Type/id", "Patient/1"),
            ("Type/id/_history/version", "Patient/1/_history/2"),
            ("url", "http://other/fhir/Patient/1"),
        ],
    ),
    (
        Kind::Date,
        "Observation",
        "date",
        &[
            ("2024", "2024"),
            ("2024-03", "2024-03"),
            ("2024-03-01", "2024-03-01"),
            ("2024-03-01T10:00Z", "2024-03-01T10:00Z"),
            ("2024-03-01T10:00:00.5+02:00", "2024-03-01T10:00:00.5+02:00"),
        ],
    ),
    (
        Kind::Number,
        "RiskAssessment",
        "probability",
        &[("100", "100"), ("5.40", "5.40"), ("1e-2", "1e-2")],
    ),
    (
        Kind::Quantity,
        "Observation",
        "value-quantity",
        &[
            ("number", "5.4"),
            ("number|system|code", "5.4|http://unitsofmeasure.org|g"),
            ("number||unit", "5.4||g"),
        ],
    ),
    (
        Kind::Uri,
        "ValueSet",
        "url",
        &[
            ("url", "http://example.org/ValueSet/1"),
            ("urn", "urn:oid:1.2"),
        ],
    ),
    (
        Kind::Composite,
        "Observation",
        "code-value-quantity",
        &[("value$value", "8480-6$gt140")],
    ),
    (
        Kind::Special,
        "Location",
        "near",
        &[
            ("latitude|longitude", "42|-72"),
            ("latitude|longitude|km", "42|-72|5"),
            ("latitude|longitude|distance|unit", "42|-72|5|km"),
        ],
    ),
];

const PREFIXES: [&str; 9] = ["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"];

fn takes(parameter: &Parameter, value: &str) -> bool {
    let compiled = params::compile(parameter, None, value, BASE, Instant::now());
    compiled.is_ok()
}

/// Whether a search can be ordered by it.
fn sorts(registry: &Registry, parameter: &Parameter) -> bool {
    let mut pairs = vec![("_sort".to_owned(), parameter.code.clone())];
    // By how far from where, it has to be asked.
    if parameter.kind == Kind::Special {
        pairs.push((parameter.code.clone(), "42|-72".to_owned()));
    }
    let request = Request {
        scope: Scope::Type(parameter.resource_type),
        pairs,
        handling: Handling::Strict,
    };
    search::compile(registry, &request, BASE, &Limits::default(), Instant::now()).is_ok()
}

/// Text in a cell of code.
fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|"))
}

fn codes<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let shown: Vec<String> = texts.into_iter().map(code).collect();
    shown.join(" ")
}

fn row(registry: &Registry, (kind, of, example, forms): (Kind, &str, &str, Forms)) -> String {
    let published = registry.model().definitions().search_parameters().iter();
    let published = published.filter(|one| one.kind == kind).count();
    let every = ResourceType::all().flat_map(|of| {
        let parameters = registry.published_parameters(of).iter();
        parameters.filter(|one| one.kind == kind && one.supported)
    });
    let (mut uses, mut sorted) = (0, 0);
    for parameter in every {
        uses += 1;
        sorted += usize::from(sorts(registry, parameter));
    }
    let of = type_of(of);
    let parameter = registry.parameter(of, example).expect("a parameter");
    assert_eq!(parameter.kind, kind, "{example}");
    for (form, value) in forms {
        assert!(takes(parameter, value), "{example}: {form}: {value}");
    }
    // A prefix is one where letters before a value are not a part of it.
    let ordered = !takes(parameter, &format!("xx{}", forms[0].1));
    let value = forms[0].1;
    let prefixes = PREFIXES.iter().copied();
    let prefixes =
        prefixes.filter(|prefix| ordered && takes(parameter, &format!("{prefix}{value}")));
    format!(
        "| {} | {published} | {uses} | {sorted} | {} | {} | {} |\n",
        kind.as_str(),
        codes(forms.iter().map(|(form, _)| *form)),
        codes(prefixes),
        codes(Modifier::supported(kind).iter().copied()),
    )
}

/// `1,375`
fn thousands(number: usize) -> String {
    match number / 1000 {
        0 => number.to_string(),
        above => format!("{above},{:03}", number % 1000),
    }
}

fn table(registry: &Registry) -> String {
    let all = registry.model().definitions().search_parameters().len();
    let uses = ResourceType::all().map(|of| {
        let parameters = registry.published_parameters(of).iter();
        parameters.filter(|one| one.supported).count()
    });
    let uses: usize = uses.sum();
    let mut shown = format!(
        "R4 defines {} search parameters. Each of them is served, `_query` apart, on each type that it \
         is defined for:\n{} pairs of type and parameter.\n\n\
         | type | parameters | on types | of them sortable | values | prefixes | modifiers |\n\
         |---|---|---|---|---|---|---|\n",
        thousands(all),
        thousands(uses)
    );
    for kind in KINDS {
        write!(shown, "{}", row(registry, kind)).expect("a String takes all");
    }
    shown
}

#[test]
fn the_readme_has_the_table_of_what_is_supported() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = std::fs::read_to_string(path).expect("there is a README");
    let (before, rest) = readme.split_once(BEGIN).expect("the table begins");
    let (found, after) = rest.split_once(END).expect("the table ends");
    let expected = table(&REGISTRY);
    if std::env::var_os("ANDIRON_GOLDEN").is_some() {
        let written = format!("{before}{BEGIN}{expected}{END}{after}");
        std::fs::write(path, written).expect("the README is written");
        return;
    }
    assert_eq!(
        found, expected,
        "README's table is not what is so: write it with ANDIRON_GOLDEN=1"
    );
}
