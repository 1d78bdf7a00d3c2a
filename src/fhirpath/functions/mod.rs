//! The functions, in one table: name, number of arguments, what they are of and give, body.
//! <https://hl7.org/fhirpath/N1/#functions>; of FHIR itself:
//! <https://hl7.org/fhir/R4/fhirpath.html#functions>
//!
//! `is`, `as` and `ofType` are not here: their argument is a type, so the parser makes them
//! nodes of the tree. Beyond N1 stand those of its successor that the official tests use
//! (`sort`, `split`, `lowBoundary`, …).

mod boundary;
mod conversion;
mod existence;
mod fhir;
mod filtering;
mod math;
mod narrative;
mod outside;
mod string;
mod subsetting;
mod tree;
mod utility;

pub use fhir::target_type;

use super::ast::Ast;
use super::context::{Evaluated, EvaluationError, Items, Scope};
use super::eval::evaluate;
use super::item::Item;
use super::model::System;
use super::operators::{single, unexpected};
use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;

/// What a function does with its input collection; arguments come unevaluated, since many
/// are evaluated once per item.
pub type Body = for<'s, 'a> fn(&Scope<'s, 'a>, Items<'a>, &'a [Ast]) -> Evaluated<'a>;

/// What a function is of, as far as it can be told without a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    Anything,
    String,
    /// One or several booleans.
    Boolean,
    /// A number or quantity.
    Number,
    /// A collection whose order matters.
    Ordered,
}

/// What a function gives, as far as it can be told without a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gives {
    /// Items of its input.
    Input,
    /// Items of its input and of its first argument.
    InputAndArgument,
    /// What its first argument gives of each item.
    Argument,
    /// What its second or third argument gives.
    Either,
    /// The children of that name.
    Child(&'static str),
    Value(System),
    Unknown,
}

/// How its arguments are evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arguments {
    /// Of each item of the input.
    PerItem,
    /// Once, where the function itself stands.
    Once,
}

/// A function of the language.
pub struct Function {
    pub name: &'static str,
    arity: RangeInclusive<usize>,
    pub takes: Takes,
    pub gives: Gives,
    pub arguments: Arguments,
    /// It asks more than the resource: the clock, terminology, profiles.
    pub is_of_outside: bool,
    pub(super) call: Body,
}

use Arguments::{Once, PerItem};
use Gives::{Argument, Child, Either, Input, InputAndArgument, Unknown, Value};
use Takes::{Anything, Number, Ordered};

const BOOLEAN: Gives = Value(System::Boolean);
const STRING: Gives = Value(System::String);
const INTEGER: Gives = Value(System::Integer);
const DECIMAL: Gives = Value(System::Decimal);

#[rustfmt::skip]
static FUNCTIONS: &[Function] = &[
    // Existence.
    function("empty", 0..=0, Anything, BOOLEAN, Once, existence::empty),
    function("exists", 0..=1, Anything, BOOLEAN, PerItem, existence::exists),
    function("all", 1..=1, Anything, BOOLEAN, PerItem, existence::all),
    function("allTrue", 0..=0, Takes::Boolean, BOOLEAN, Once, existence::all_true),
    function("anyTrue", 0..=0, Takes::Boolean, BOOLEAN, Once, existence::any_true),
    function("allFalse", 0..=0, Takes::Boolean, BOOLEAN, Once, existence::all_false),
    function("anyFalse", 0..=0, Takes::Boolean, BOOLEAN, Once, existence::any_false),
    function("subsetOf", 1..=1, Anything, BOOLEAN, Once, existence::subset_of),
    function("supersetOf", 1..=1, Anything, BOOLEAN, Once, existence::superset_of),
    function("count", 0..=0, Anything, INTEGER, Once, existence::count),
    function("distinct", 0..=0, Anything, Input, Once, existence::distinct),
    function("isDistinct", 0..=0, Anything, BOOLEAN, Once, existence::is_distinct),
    function("not", 0..=0, Anything, BOOLEAN, Once, existence::not),
    // Filtering and projection.
    function("where", 1..=1, Anything, Input, PerItem, filtering::filter),
    function("select", 1..=1, Anything, Argument, PerItem, filtering::select),
    function("repeat", 1..=1, Anything, Argument, PerItem, filtering::repeat),
    function("repeatAll", 1..=1, Anything, Argument, PerItem, filtering::repeat_all),
    function("sort", 0..=8, Anything, Input, PerItem, filtering::sort),
    function("coalesce", 1..=8, Anything, Unknown, Once, filtering::coalesce),
    function("aggregate", 1..=2, Anything, Unknown, PerItem, filtering::aggregate),
    // Subsetting.
    function("single", 0..=0, Anything, Input, Once, subsetting::single),
    function("first", 0..=0, Ordered, Input, Once, subsetting::first),
    function("last", 0..=0, Ordered, Input, Once, subsetting::last),
    function("tail", 0..=0, Ordered, Input, Once, subsetting::tail),
    function("skip", 1..=1, Ordered, Input, Once, subsetting::skip),
    function("take", 1..=1, Ordered, Input, Once, subsetting::take),
    function("intersect", 1..=1, Anything, Input, Once, subsetting::intersect),
    function("exclude", 1..=1, Anything, Input, Once, subsetting::exclude),
    // Combining.
    function("union", 1..=1, Anything, InputAndArgument, Once, subsetting::union),
    function("combine", 1..=2, Anything, InputAndArgument, Once, subsetting::combine),
    // Conversion.
    function("iif", 2..=3, Anything, Either, PerItem, conversion::iif),
    function("toBoolean", 0..=0, Anything, BOOLEAN, Once, conversion::to_boolean),
    function("convertsToBoolean", 0..=0, Anything, BOOLEAN, Once, conversion::is_boolean),
    function("toInteger", 0..=0, Anything, INTEGER, Once, conversion::to_integer),
    function("convertsToInteger", 0..=0, Anything, BOOLEAN, Once, conversion::is_integer),
    function("toDecimal", 0..=0, Anything, DECIMAL, Once, conversion::to_decimal),
    function("convertsToDecimal", 0..=0, Anything, BOOLEAN, Once, conversion::is_decimal),
    function("toDate", 0..=0, Anything, Value(System::Date), Once, conversion::to_date),
    function("convertsToDate", 0..=0, Anything, BOOLEAN, Once, conversion::is_date),
    function("toDateTime", 0..=0, Anything, Value(System::DateTime), Once, conversion::to_date_time),
    function("convertsToDateTime", 0..=0, Anything, BOOLEAN, Once, conversion::is_date_time),
    function("toTime", 0..=0, Anything, Value(System::Time), Once, conversion::to_time),
    function("convertsToTime", 0..=0, Anything, BOOLEAN, Once, conversion::is_time),
    function("toQuantity", 0..=1, Anything, Value(System::Quantity), Once, conversion::to_quantity),
    function("convertsToQuantity", 0..=1, Anything, BOOLEAN, Once, conversion::is_quantity),
    function("toString", 0..=0, Anything, STRING, Once, conversion::to_string),
    function("convertsToString", 0..=0, Anything, BOOLEAN, Once, conversion::is_string),
    // Strings.
    function("indexOf", 1..=1, Takes::String, INTEGER, Once, string::index_of),
    function("lastIndexOf", 1..=1, Takes::String, INTEGER, Once, string::last_index_of),
    function("substring", 1..=2, Takes::String, STRING, Once, string::substring),
    function("startsWith", 1..=1, Takes::String, BOOLEAN, Once, string::starts_with),
    function("endsWith", 1..=1, Takes::String, BOOLEAN, Once, string::ends_with),
    function("contains", 1..=1, Takes::String, BOOLEAN, Once, string::contains),
    function("upper", 0..=0, Takes::String, STRING, Once, string::upper),
    function("lower", 0..=0, Takes::String, STRING, Once, string::lower),
    function("replace", 2..=2, Takes::String, STRING, Once, string::replace),
    function("matches", 1..=2, Takes::String, BOOLEAN, Once, string::matches),
    function("matchesFull", 1..=2, Takes::String, BOOLEAN, Once, string::matches_full),
    function("replaceMatches", 2..=3, Takes::String, STRING, Once, string::replace_matches),
    function("length", 0..=0, Takes::String, INTEGER, Once, string::length),
    function("toChars", 0..=0, Takes::String, STRING, Once, string::to_chars),
    function("encode", 1..=1, Takes::String, STRING, Once, string::encode),
    function("decode", 1..=1, Takes::String, STRING, Once, string::decode),
    function("escape", 1..=1, Takes::String, STRING, Once, string::escape),
    function("unescape", 1..=1, Takes::String, STRING, Once, string::unescape),
    function("trim", 0..=0, Takes::String, STRING, Once, string::trim),
    function("split", 1..=1, Takes::String, STRING, Once, string::split),
    function("join", 0..=1, Takes::String, STRING, Once, string::join),
    // Numbers.
    function("abs", 0..=0, Number, Unknown, Once, math::abs),
    function("ceiling", 0..=0, Number, Unknown, Once, math::ceiling),
    function("floor", 0..=0, Number, Unknown, Once, math::floor),
    function("truncate", 0..=0, Number, Unknown, Once, math::truncate),
    function("round", 0..=1, Number, Unknown, Once, math::round),
    function("exp", 0..=0, Number, DECIMAL, Once, math::exp),
    function("ln", 0..=0, Number, DECIMAL, Once, math::ln),
    function("log", 1..=1, Number, DECIMAL, Once, math::log),
    function("power", 1..=1, Number, Unknown, Once, math::power),
    function("sqrt", 0..=0, Number, DECIMAL, Once, math::sqrt),
    // The tree.
    function("children", 0..=0, Anything, Unknown, Once, tree::children),
    function("descendants", 0..=0, Anything, Unknown, Once, tree::descendants),
    // Utility.
    function("trace", 1..=2, Anything, Input, PerItem, utility::trace),
    outside("now", 0..=0, Value(System::DateTime), utility::now),
    outside("today", 0..=0, Value(System::Date), utility::today),
    outside("timeOfDay", 0..=0, Value(System::Time), utility::time_of_day),
    function("type", 0..=0, Anything, Unknown, Once, utility::type_of),
    function("lowBoundary", 0..=1, Anything, Unknown, Once, boundary::low),
    function("highBoundary", 0..=1, Anything, Unknown, Once, boundary::high),
    function("precision", 0..=0, Anything, INTEGER, Once, boundary::precision),
    function("comparable", 1..=1, Anything, BOOLEAN, Once, utility::comparable),
    function("yearOf", 0..=0, Anything, INTEGER, Once, utility::year_of),
    function("monthOf", 0..=0, Anything, INTEGER, Once, utility::month_of),
    function("dayOf", 0..=0, Anything, INTEGER, Once, utility::day_of),
    function("hourOf", 0..=0, Anything, INTEGER, Once, utility::hour_of),
    function("minuteOf", 0..=0, Anything, INTEGER, Once, utility::minute_of),
    function("secondOf", 0..=0, Anything, INTEGER, Once, utility::second_of),
    function("millisecondOf", 0..=0, Anything, INTEGER, Once, utility::millisecond_of),
    // FHIR.
    function("extension", 1..=1, Anything, Child("extension"), Once, fhir::extension),
    function("hasValue", 0..=0, Anything, BOOLEAN, Once, fhir::has_value),
    function("getValue", 0..=0, Anything, Input, Once, fhir::get_value),
    function("resolve", 0..=0, Anything, Unknown, Once, fhir::resolve),
    function("checkModifiers", 0..=8, Anything, Input, Once, fhir::check_modifiers),
    function("htmlChecks", 0..=0, Anything, BOOLEAN, Once, narrative::html_checks),
    outside("elementDefinition", 0..=0, Unknown, outside::element_definition),
    outside("slice", 2..=2, Input, outside::slice),
    outside("conformsTo", 1..=1, BOOLEAN, outside::conforms_to),
    outside("memberOf", 1..=1, BOOLEAN, outside::member_of),
    outside("subsumes", 1..=1, BOOLEAN, outside::subsumes),
    outside("subsumedBy", 1..=1, BOOLEAN, outside::subsumed_by),
    outside("defineVariable", 1..=2, Input, outside::define_variable),
];

const fn function(
    name: &'static str,
    arity: RangeInclusive<usize>,
    takes: Takes,
    gives: Gives,
    arguments: Arguments,
    call: Body,
) -> Function {
    Function {
        name,
        arity,
        takes,
        gives,
        arguments,
        is_of_outside: false,
        call,
    }
}

const fn outside(
    name: &'static str,
    arity: RangeInclusive<usize>,
    gives: Gives,
    call: Body,
) -> Function {
    Function {
        name,
        arity,
        takes: Anything,
        gives,
        arguments: Once,
        is_of_outside: true,
        call,
    }
}

/// The function of that name that takes so many arguments.
///
/// # Errors
/// A sentence that says what is not supported.
pub fn find(name: &str, arguments: usize) -> Result<&'static Function, String> {
    let Some(function) = FUNCTIONS.iter().find(|function| function.name == name) else {
        return Err(format!("the function {name}() is not supported"));
    };
    if function.arity.contains(&arguments) {
        return Ok(function);
    }
    let (least, most) = (function.arity.start(), function.arity.end());
    let expected = match least == most {
        true => least.to_string(),
        false => format!("{least} to {most}"),
    };
    let plural = if *most == 1 { "" } else { "s" };
    Err(format!(
        "{name}() takes {expected} argument{plural} but found {arguments}"
    ))
}

impl PartialEq for Function {
    fn eq(&self, other: &Function) -> bool {
        self.name == other.name
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The items of an argument that is evaluated once; none where it is left out.
fn argument<'a>(scope: &Scope<'_, 'a>, arguments: &'a [Ast], at: usize) -> Evaluated<'a> {
    match arguments.get(at) {
        Some(argument) => evaluate(scope, argument),
        None => Ok(Vec::new()),
    }
}

/// The string of an argument.
fn text_argument<'a>(
    scope: &Scope<'_, 'a>,
    arguments: &'a [Ast],
    at: usize,
) -> Result<Option<Cow<'a, str>>, EvaluationError> {
    text(&argument(scope, arguments, at)?, "an argument")
}

/// The string of a collection.
fn text<'a>(items: &[Item<'a>], place: &str) -> Result<Option<Cow<'a, str>>, EvaluationError> {
    match single(items, place)? {
        None => Ok(None),
        Some(item) => match item.text() {
            Some(text) => Ok(Some(text)),
            None if is_without_value(item) => Ok(None),
            None => Err(unexpected("a string", place, item)),
        },
    }
}

/// A primitive that has extensions only.
fn is_without_value(item: &Item<'_>) -> bool {
    matches!(item, Item::Node(node) if node.value.is_none())
}

fn integer_argument<'a>(
    scope: &Scope<'_, 'a>,
    arguments: &'a [Ast],
    at: usize,
) -> Result<Option<i64>, EvaluationError> {
    super::operators::integer(&argument(scope, arguments, at)?, "an argument")
}

fn one<'a>(item: Option<Item<'a>>) -> Evaluated<'a> {
    Ok(item.into_iter().collect())
}
