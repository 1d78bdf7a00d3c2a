//! From the parameters of a request to a [`Query`]: every name is looked up, every value
//! compiled, and every problem told at once.
//!
//! <https://hl7.org/fhir/R4/search.html>, errors and handling:
//! <https://hl7.org/fhir/R4/search.html#errors>
//!
//! What a caller asks for and this server does not *know* is refused when strict and ignored
//! with a warning when lenient. What is known and malformed, or known and not supported yet,
//! is refused in both: to ignore it would answer another question. Each filter is one file
//! further on, in `filter`; what a compartment holds is told by `compartment`.

use super::bounds;
use super::cursor::{self, Secret, Start};
use super::explain::Explain;
use super::include;
use super::parse::{self, Item, ResultName};
use super::plan::{Contained, ContainedType, Plan, Predicate, Total};
use super::registry::{Parameter, Registry};
pub use super::result_parameter::Summary;
pub use super::scope::Scope;
use super::{compartment, filter, link, result_parameter, rewrite, sort};
use crate::error::{Category, Error, Issue};
use crate::fhir::{Instant, ResourceType};
use std::time::Duration;

/// `Prefer: handling=…`, for what is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Handling {
    /// Refused.
    #[default]
    Strict,
    /// Ignored, with a warning.
    Lenient,
}

/// A search as it was asked.
#[derive(Clone, Debug)]
pub struct Request {
    pub scope: Scope,
    /// Decoded names and values, in the order of the request.
    pub pairs: Vec<(String, String)>,
    pub handling: Handling,
}

/// How much one page may cost, and what the links to its neighbours are sealed with.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Matches on a page without `_count`.
    pub default_count: usize,
    /// The most that `_count` gets.
    pub max_count: usize,
    /// Included resources on a page.
    pub max_include: usize,
    /// How long the matches may be counted.
    pub count_time: Duration,
    /// What cursors are sealed with.
    pub secret: Secret,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            default_count: 20,
            max_count: 1000,
            max_include: 1000,
            count_time: Duration::from_secs(10),
            secret: Secret::default(),
        }
    }
}

/// A search that can be run.
#[derive(Clone, Debug)]
pub struct Query {
    pub scope: Scope,
    pub plan: Plan,
    /// The parameters that were used, as they were used; the cursor apart.
    pub used: Vec<(String, String)>,
    /// The cursor of this page, for its self link.
    pub cursor: Option<String>,
    /// What cursors are sealed with.
    pub secret: Secret,
    /// Where this page begins; nowhere in particular on the first.
    pub start: Option<Start>,
    pub summary: Option<Summary>,
    pub elements: Vec<String>,
    pub format: Option<String>,
    pub pretty: Option<String>,
    pub max_include: usize,
    /// How long the matches may be counted.
    pub count_time: Duration,
    pub contained: Contained,
    pub contained_type: ContainedType,
    /// Whether it is told how well a match fits, where words are asked for.
    pub score: bool,
    /// It is to be explained, not answered.
    pub explain: Option<Explain>,
    /// Warnings: what was ignored.
    pub issues: Vec<Issue>,
}

impl Query {
    /// What a cursor is bound to: what selects and orders, and nothing of how it is shown.
    pub fn identity(&self) -> String {
        let selecting = self.used.iter().filter(|(name, _)| {
            let item = parse::parse(name, "");
            use ResultName::{Contained, ContainedType, Sort};
            matches!(
                item,
                Item::Filter(_) | Item::Result(Sort | Contained | ContainedType, _)
            )
        });
        link::url(
            "",
            &self.scope,
            selecting.map(|(name, value)| (name.as_str(), value.as_str())),
        )
    }
}

/// Why a parameter cannot be used.
#[derive(Clone, Debug, PartialEq)]
pub enum Problem {
    /// Not known here: a lenient caller gets a warning.
    Unknown(Issue),
    /// Refused in any case.
    Refused(Issue),
}

impl Problem {
    pub fn unknown(text: String) -> Problem {
        Problem::Unknown(Issue::error("not-supported", text))
    }

    pub fn not_supported(text: String) -> Problem {
        Problem::refused("not-supported", text)
    }

    pub fn refused(code: &'static str, text: String) -> Problem {
        Problem::Refused(Issue::error(code, text))
    }
}

/// The parameter of that code on every one of these types, if all have it as the same kind.
pub fn parameter_of_all<'r>(
    registry: &'r Registry,
    types: &[ResourceType],
    code: &str,
) -> Option<Vec<&'r Parameter>> {
    let found: Vec<&Parameter> = types
        .iter()
        .map(|kind| registry.parameter(*kind, code))
        .collect::<Option<_>>()?;
    let kind = found.first()?.kind;
    found
        .iter()
        .all(|parameter| parameter.kind == kind)
        .then_some(found)
}

/// Compiles a request, without I/O. `base` is our own base URL without a trailing slash,
/// `now` what approximate dates are compared with. An error lists the problems, up to a
/// bound; what asks for more than one query may is refused before it is looked at.
pub fn compile(
    registry: &Registry,
    request: &Request,
    base: &str,
    limits: &Limits,
    now: Instant,
) -> Result<Query, Error> {
    bounds::check(&request.pairs)?;
    let types = request.scope.types(registry)?;
    let mut draft = Draft::new(registry, request, types, base, limits, now);
    draft.find_types(request);
    draft.stay_in_compartment(&request.scope);
    bounds::check_typed(&request.pairs, draft.context.types.len())?;
    for (at, (name, value)) in request.pairs.iter().enumerate() {
        if draft.has_failed_enough() {
            draft.say_more(request.pairs.len() - at, Issue::error);
            break;
        }
        draft.take(name, value);
    }
    draft.finish()
}

/// What the pairs of a request need to be looked up with.
pub struct Context<'a> {
    pub registry: &'a Registry,
    pub base: &'a str,
    pub now: Instant,
    /// The searched types, all of them listed.
    pub types: Vec<ResourceType>,
}

struct Draft<'a> {
    context: Context<'a>,
    limits: &'a Limits,
    handling: Handling,
    filters: Vec<Predicate>,
    seen: Vec<ResultName>,
    query: Query,
    /// Warnings that are only counted.
    unsaid: usize,
}

/// What becomes of a pair: whether it was used, and with which value.
enum Use {
    AsGiven,
    As(String),
    /// It asked nothing: an empty value.
    NotAtAll,
}

impl<'a> Draft<'a> {
    fn new(
        registry: &'a Registry,
        request: &Request,
        types: Vec<ResourceType>,
        base: &'a str,
        limits: &'a Limits,
        now: Instant,
    ) -> Draft<'a> {
        let all = if types.is_empty() {
            ResourceType::all().collect()
        } else {
            types.clone()
        };
        let has_explain = request.pairs.iter().any(|(name, _)| name == "_explain");
        Draft {
            context: Context {
                registry,
                base,
                now,
                types: all,
            },
            limits,
            handling: request.handling,
            filters: Vec::new(),
            seen: Vec::new(),
            query: Query {
                scope: request.scope.clone(),
                plan: Plan {
                    types,
                    filter: Predicate::Everything,
                    sort: Vec::new(),
                    count: limits.default_count.min(limits.max_count),
                    total: Total::Unasked,
                    includes: Vec::new(),
                },
                used: Vec::new(),
                cursor: None,
                secret: limits.secret,
                start: None,
                summary: None,
                elements: Vec::new(),
                format: None,
                pretty: None,
                max_include: limits.max_include,
                count_time: limits.count_time,
                contained: Contained::default(),
                contained_type: ContainedType::default(),
                score: true,
                explain: has_explain.then(Explain::default),
                issues: Vec::new(),
            },
            unsaid: 0,
        }
    }

    fn has_failed_enough(&self) -> bool {
        let errors = self.query.issues.iter().filter(|issue| issue.is_error());
        errors.count() >= bounds::MAX_ISSUES
    }

    fn say_more(&mut self, more: usize, issue: fn(&'static str, String) -> Issue) {
        if more > 0 {
            let text = format!("and {more} more");
            self.query.issues.push(issue("too-costly", text));
        }
    }

    /// `_type` comes first, wherever it stands: it decides which names are known.
    fn find_types(&mut self, request: &Request) {
        if !request.scope.takes_types() {
            return;
        }
        let mut types: Option<Vec<ResourceType>> = None;
        for (_, value) in request
            .pairs
            .iter()
            .filter(|(name, value)| name == "_type" && !value.is_empty())
        {
            let (mut listed, mut unknown) = (Vec::new(), Vec::new());
            for name in value.split(',').filter(|name| !name.is_empty()) {
                match ResourceType::parse(name) {
                    Some(resource_type) => listed.push(resource_type),
                    None => unknown.push(name),
                }
            }
            let more = unknown.len().saturating_sub(bounds::MAX_ISSUES);
            for name in unknown.into_iter().take(bounds::MAX_ISSUES) {
                let known = ResourceType::NAMES.into_iter();
                let hint = super::suggest::hint(name, known);
                self.query.issues.push(Issue::error(
                    "value",
                    format!("_type: expected a resource type but found {name:?}.{hint}"),
                ));
            }
            self.say_more(more, Issue::error);
            // Repeating is AND, as with every parameter.
            types = Some(match types {
                Some(before) => before
                    .into_iter()
                    .filter(|kind| listed.contains(kind))
                    .collect(),
                None => listed,
            });
        }
        if let Some(mut types) = types {
            types.sort_unstable();
            types.dedup();
            self.refuse_outsiders(&request.scope, &types);
            if types.is_empty() {
                self.filters.push(Predicate::Nothing);
            } else {
                self.context.types = types.clone();
                self.query.plan.types = types;
            }
        }
    }

    /// A type that is never in the compartment is no question about it.
    fn refuse_outsiders(&mut self, scope: &Scope, types: &[ResourceType]) {
        if let Scope::Compartment { focal, .. } = scope {
            for member in types {
                let refused = compartment::check_member(self.context.registry, *focal, *member);
                let issues = refused.err().into_iter().flat_map(|error| error.issues);
                self.query.issues.extend(issues);
            }
        }
    }

    fn stay_in_compartment(&mut self, scope: &Scope) {
        if let Scope::Compartment { focal, id, .. } = scope {
            let Context {
                registry, types, ..
            } = &self.context;
            let inside = compartment::membership_of_any(registry, *focal, id, types);
            self.filters.push(inside);
            self.note(0, || format!("in the compartment {focal}/{id}"));
        }
    }

    /// Keeps the filters from `first` on as they are, if they are to be explained.
    fn note(&mut self, first: usize, name: impl FnOnce() -> String) {
        if let (Some(explain), [.., last]) = (&mut self.query.explain, &self.filters[first..]) {
            explain.conditions.push((name(), last.clone()));
        }
    }

    fn take(&mut self, name: &str, value: &str) {
        let before = self.filters.len();
        let outcome = if name.contains('\0') || value.contains('\0') {
            let name = name.replace('\0', "\u{FFFD}");
            Err(Problem::refused(
                "value",
                format!("{name}: expected text but found the character U+0000"),
            ))
        } else {
            self.take_item(parse::parse(name, value))
        };
        self.note(before, || format!("{name}={value}"));
        match outcome {
            Ok(Use::AsGiven) => self.query.used.push((name.to_owned(), value.to_owned())),
            Ok(Use::As(value)) => self.query.used.push((name.to_owned(), value)),
            Ok(Use::NotAtAll) => {}
            Err(Problem::Unknown(_))
                if self.handling == Handling::Lenient
                    && self.query.issues.len() >= bounds::MAX_ISSUES =>
            {
                self.unsaid += 1;
            }
            Err(Problem::Unknown(issue)) if self.handling == Handling::Lenient => {
                let text = format!("ignored: {}", issue.text);
                self.query.issues.push(Issue::warning(issue.code, text));
            }
            Err(Problem::Unknown(issue) | Problem::Refused(issue)) => {
                self.query.issues.push(issue);
            }
        }
    }

    fn take_item(&mut self, item: Item<'_>) -> Result<Use, Problem> {
        match item {
            Item::Filter(term)
                if term.code == "_type"
                    && term.steps.is_empty()
                    && self.query.scope.takes_types() =>
            {
                if let Some(modifier) = term.modifier {
                    return Err(Problem::refused(
                        "not-supported",
                        format!("_type has no modifier {modifier:?}"),
                    ));
                }
                Ok(if term.value.is_empty() {
                    Use::NotAtAll
                } else {
                    Use::AsGiven
                })
            }
            Item::Filter(term) => match filter::resolve(&term, &self.context)? {
                Some(predicate) => {
                    self.filters.push(predicate);
                    Ok(Use::AsGiven)
                }
                None => Ok(Use::NotAtAll),
            },
            Item::Include { value: "", .. } => Ok(Use::NotAtAll),
            Item::Include {
                reverse,
                modifier,
                value,
            } => {
                let include = include::resolve(reverse, modifier, value, &self.context)?;
                self.query.plan.includes.push(include);
                Ok(Use::AsGiven)
            }
            Item::Cursor(text) => {
                if self.query.cursor.is_some() {
                    let text = "_cursor: expected one page to begin at but found several";
                    return Err(Problem::refused("value", text.to_owned()));
                }
                self.query.cursor = Some(text.to_owned());
                Ok(Use::NotAtAll)
            }
            Item::Result(name, value) => {
                if self.seen.contains(&name) {
                    return Err(Problem::unknown(format!(
                        "{}: expected it once, but it is repeated; the first counts",
                        name.text()
                    )));
                }
                self.seen.push(name);
                self.take_result(name, value)
            }
        }
    }

    fn take_result(&mut self, name: ResultName, value: &str) -> Result<Use, Problem> {
        let query = &mut self.query;
        match name {
            ResultName::Count => {
                query.plan.count = result_parameter::count(value, self.limits)?;
                return Ok(Use::As(query.plan.count.to_string()));
            }
            ResultName::Explain => {
                let explain = query.explain.take().unwrap_or_default();
                query.explain = explain.of(value, &self.context.types)?;
                return Ok(Use::NotAtAll);
            }
            _ if value.is_empty() => return Ok(Use::NotAtAll),
            ResultName::Sort => {
                query.plan.sort = sort::resolve(value, &self.context)?;
            }
            ResultName::Total => query.plan.total = result_parameter::total(value)?,
            ResultName::Summary => query.summary = Some(result_parameter::summary(value)?),
            ResultName::Elements => query.elements = result_parameter::elements(value),
            ResultName::Contained => query.contained = result_parameter::contained(value)?,
            ResultName::ContainedType => {
                query.contained_type = result_parameter::contained_type(value)?;
            }
            ResultName::Score => query.score = result_parameter::score(value)?,
            ResultName::Format => query.format = Some(value.to_owned()),
            ResultName::Pretty => query.pretty = Some(value.to_owned()),
        }
        Ok(Use::AsGiven)
    }

    fn finish(mut self) -> Result<Query, Error> {
        self.say_more(self.unsaid, Issue::warning);
        let mut query = self.query;
        if query.summary == Some(Summary::Count) {
            query.plan.count = 0;
        }
        if query.summary == Some(Summary::Text) && !query.plan.includes.is_empty() {
            query.issues.push(Issue::error(
                "invalid",
                "_summary=text cannot be combined with _include or _revinclude",
            ));
        }
        if query.contained != Contained::False && !query.plan.sort.is_empty() {
            query.issues.push(Issue::error(
                "not-supported",
                "_sort cannot be combined with _contained=true or both: contained resources have \
                 the default order only",
            ));
        }
        if let Err(issue) = sort::complete(&mut query.plan.sort, &self.filters) {
            query.issues.push(issue);
        }
        if let Some(cursor) = &query.cursor {
            let fits = |start: &Start| {
                let position = start.position.as_ref();
                position.is_none_or(|position| position.fits(&query.plan.sort))
            };
            query.start = cursor::decode(cursor, &query.identity(), &query.secret).filter(fits);
            if query.start.is_none() {
                query.issues.push(Issue::error(
                    "value",
                    "_cursor: expected the cursor of a page of this search but found another, or \
                     a damaged one; start again from the first page",
                ));
            }
        }
        if query.issues.iter().any(Issue::is_error) {
            query.issues.retain(Issue::is_error);
            return Err(Error::of(Category::Invalid, query.issues));
        }
        query.plan.filter = Predicate::And(std::mem::take(&mut self.filters));
        query.plan = rewrite::rewrite(query.plan);
        bounds::check_filter(&query.plan.filter)?;
        Ok(query)
    }
}
