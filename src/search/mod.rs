//! Search: a query as a line of total functions.
//!
//! ```text
//! parse -> resolve -> plan -> rewrite/* -> lookup -> sql -> page
//! ```
//!
//! <https://hl7.org/fhir/R4/search.html>. What is indexed is described in [`index`]; each
//! search type is one file of `params/` with both halves: the rows that it extracts from a
//! resource and the predicate that it compiles from a query value.
//!
//! Within `resolve`, a pair of the query becomes a condition in `filter`, at the end of the steps
//! of its `chain`; `list` and `filter_expression` are the special ones, and [`compartment`]
//! says what belongs to a patient or another focal resource.
//!
//! [`compile`] turns the parameters of a request into a [`Query`] without touching the
//! database; [`expand`] reads what its plan names but does not hold, such as the codes of a
//! value set; [`run`] answers it with one page; [`find_matches`] serves the conditional
//! interactions.
//!
//! ## Decisions
//! - *Strict by default* (`handling=strict`). A parameter that is ignored turns a question
//!   about one patient into a list of all of them; the specification lets a server choose,
//!   and every problem of a request is told at once.
//! - *Default order is the key*, the hash of type and id. It never changes while a resource
//!   exists, so a walk over the pages meets each resource that exists throughout exactly
//!   once, whatever is written meanwhile. The cost: pages look shuffled to a person, who
//!   asks for `_sort=_lastUpdated`.
//! - *Pages are keysets, not offsets*: the cursor is the sort value and the key of the last
//!   match, encrypted. It is stateless, so there is nothing to store, to expire or to lose.
//! - *The engine chooses how a page is found, not the planner* (2026-11-22): see [`strategy`].
//!   Every statement has one source that drives it; all other conditions are written so that
//!   no index can be chosen for them (`(…) IS TRUE`, `OFFSET 0`, tenant and type `IS NOT
//!   DISTINCT FROM`), on connections where sequential scans, hash and merge joins are off and
//!   plans are generic: so a plan is made once and cannot depend on a value. Without the fence
//!   a walk along a million dates began with the resources instead: 1.6 s in place of 4 ms.
//! - *A search that one statement answers has no transaction*: one statement is one snapshot.
//!   `Patient?name=` went from 3,100 to 9,100 a second with this, generic plans and kept
//!   connections.
//! - *What is unknown is probed within bounds*: up to a thousand rows of a name or a date, three
//!   hundred sources of a `_has`, a window of the order as large as it takes at the share that
//!   the statistics tell, growing until the index of entries would be cheaper. What the first
//!   window found corrects the estimate: of two common codes that never meet, the index of
//!   entries knows so within milliseconds (1,000,000 resources: 280 ms became 7).
//! - *A signature of the entries stands beside each date, in its index* (2026-11-22): 64 bits,
//!   three for each entry. `code=…&_sort=-date` walks along the dates and looks up one resource
//!   in eight of those that it did before: 4.5 ms became 0.45 at 1,000,000 resources. It costs 17
//!   bytes a resource. Bits never lack, so the answer cannot change; `$meta-add` and `$reindex`
//!   renew them.
//! - *"Ends after b" is asked of where values begin*: nearly all dates are no wider than a day
//!   and nearly all quantities are points, so that the few wide ones have a partial index of
//!   their own. Asked of the end alone, `value-quantity=gt150` read 390,000 rows.
//! - *A canonical is followed by a look at what it can name* (2026-11-22): questionnaires and
//!   measures are few beside what refers to them, so that their names, ten thousand at most, become
//!   entries before the page is searched. A join by url and version would need both in every row.
//! - *What a filter within a path of `_filter` asks of an element is read from the JSON*: no entry
//!   says which use goes with which family. A condition with an index belongs beside it.
//! - *A list of more than a thousand entries is looked up one by one*: the index of entries takes
//!   the square of their number for one look (16,000: 1.1 s, one by one 0.18 s).
//! - *Tokens, references and uris sort by the JSON* (`_sort=status`): entries are hashes and
//!   have no order. It reads every match, so that a selective filter belongs beside it. Concepts
//!   sort by their codes, which keeps equal ones together however they are called; texts decide
//!   where there is no code.
//! - *`last` reads the order from its end* (2026-11-22): its cursor holds no position, so that
//!   it costs nothing to make and is true whatever is written meanwhile. It shows a whole page,
//!   the end of all, which may overlap with the last but one that is reached by `next`.
//! - *Long texts that begin alike are ties*: of a text 200 characters are compared. Its row holds
//!   no more, since a B-tree takes no long keys; with the rest as a second key, each page within a
//!   common name would read all that have it.
//! - *Quantities sort by the number as it is written* (2026-11-22): what is in a home unit of UCUM has
//!   one row, and of Synthea's quantities a quarter is in one that is not the main one (`%`, `g/dL`,
//!   `fL`). To walk along converted numbers each would need a second row, and a search without
//!   a unit a second look. The values of one code are nearly always in one unit.
//! - *`_sort=_score` runs upwards as every key does*: the best come first with `-_score`.
//! - *`_lastUpdated` is indexed without the key*: what one transaction wrote has one instant, which a
//!   B-tree then keeps once. The cost: a page within such a group sorts all of the group.

pub mod contained;
pub mod custom;
pub mod index;
pub mod literal_references;
pub mod live;
pub mod params;
pub mod plan;
pub mod registry;
pub mod repetition;

pub mod compartment;

mod advice;
mod bounds;
mod branch;
mod chain;
mod criteria;
mod cursor;
mod explain;
mod filter;
mod filter_expression;
mod include;
mod link;
mod list;
pub mod lookup;
mod page;
mod parse;
mod places;
mod resolve;
mod result_parameter;
mod rewrite;
mod scope;
mod sort;
pub mod sql;
mod stages;
pub mod statistics;
pub mod strategy;
mod suggest;

pub use advice::advice;
pub use criteria::{compile_criteria, find_matches};
pub use cursor::{Secret, random};
pub use explain::explain;
pub use lookup::expand;
pub use page::{Page, Told, run, run_at_once};
pub use resolve::{Handling, Limits, Query, Request, Scope, Summary, compile};
pub use stages::{Spent, Stages};
