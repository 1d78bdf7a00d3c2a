//! Golden SQL of what composites, units and distances become: the conditions alone.

use super::Statement;
use super::condition::conditions;
use crate::access::Access;
use crate::definitions::Definitions;
use crate::fhir::{Instant, ResourceType};
use crate::search::registry::Registry;
use crate::search::{Handling, Limits, Request, Scope, compile};

const SEARCHES: [&str; 11] = [
    "Observation?code-value-quantity=http://loinc.org|1234-5$gt5",
    "Observation?component-code-value-quantity=http://loinc.org|8480-6$lt107",
    "Observation?component-code-value-quantity=http://loinc.org|$lt107",
    "Observation?component-code-value-concept=a$s|b",
    "Observation?combo-code-value-quantity=8480-6$107||mmHg",
    "Group?characteristic-value=a$true,b$false",
    "MolecularSequence?chromosome-variant-coordinate=1$lt100$ne200",
    "Observation?value-quantity=5.4|http://unitsofmeasure.org|mg",
    "Observation?value-quantity=5.4|http://other|mg",
    "Location?near=42.25|-83.69|11.2|km",
    "Location?near=0|180",
];

#[test]
fn tuples_become_these_conditions() {
    let registry = Registry::new(Definitions::r4()).expect("the registry of R4 compiles");
    let (access, limits) = (Access::unrestricted(), Limits::default());
    let now = Instant::from_milliseconds(0);
    let mut shown = String::new();
    for text in SEARCHES {
        let (path, pairs) = text.split_once('?').expect("a query");
        let request = Request {
            scope: Scope::Type(ResourceType::parse(path).expect("a type")),
            pairs: crate::fhir::query::pairs(pairs).expect("well encoded"),
            handling: Handling::Strict,
        };
        let query = compile(&registry, &request, "http://me/fhir", &limits, now).expect(text);
        let mut statement = Statement::new(&access);
        conditions(&mut statement, &query.plan, &access);
        shown.push_str(&format!("{text}\n    {}\n", statement.sql));
    }
    assert_eq!(shown, include_str!("golden_tuples.txt"), "found:\n{shown}");
}
