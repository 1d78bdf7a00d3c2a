//! Where an element of a differential belongs in the tree: its steps, and what is unfolded on the
//! way. <https://hl7.org/fhir/R4/elementdefinition.html#path>,
//! <https://hl7.org/fhir/R4/profiling.html#slicing>

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::tree::{Node, Step, Steps, is_choice_of};
use super::{Generator, MOST_ELEMENTS, error, merge};
use crate::error::Issue;

const TYPES: &str = "http://hl7.org/fhir/StructureDefinition/";

/// The base's tree with the differential of a definition laid over it.
pub fn lay_all(
    generator: &mut Generator<'_>,
    definition: &Value,
    base: &Arc<Node>,
) -> Result<Node, Vec<Issue>> {
    let mut root = Node::clone(base);
    let adds = definition["derivation"] != "constraint";
    if adds && let Some(name) = definition["type"].as_str() {
        root.name = name.rsplit('/').next().unwrap_or(name).to_owned();
    }
    let elements = definition["differential"]["element"].as_array();
    let elements = elements.map_or(&[][..], Vec::as_slice);
    let mut issues = Vec::new();
    let mut steps = Steps::default();
    for (number, element) in elements.iter().enumerate() {
        let place = element["id"].as_str().or(element["path"].as_str());
        let place = place.unwrap_or("an element without a path").to_owned();
        let Some(path) = steps.of(element) else {
            issues.push(error("expected an element with a path").at(place));
            continue;
        };
        let mut overlay = Overlay {
            generator,
            base,
            element,
            adds,
        };
        match overlay.lay(&mut root, &path, number) {
            Ok(wrong) => issues.extend(wrong.into_iter().map(|text| error(text).at(place.clone()))),
            Err(more) => issues.extend(more.into_iter().map(|issue| match issue.expression {
                Some(_) => issue,
                None => issue.at(place.clone()),
            })),
        }
        if root.count() > MOST_ELEMENTS {
            let text = format!("expected a snapshot of at most {MOST_ELEMENTS} elements");
            return Err(vec![Issue::error("too-costly", text).at(place)]);
        }
    }
    unfold_slices(generator, base, &mut root);
    issues.extend(out_of_order(&root, elements));
    issues.extend(settle_choices(&mut root));
    match issues.is_empty() {
        true => Ok(root),
        false => Err(issues),
    }
}

/// Where a profile goes into an element, it goes into its slices: what their own profiles say stands
/// beside what is said of all.
fn unfold_slices(generator: &mut Generator<'_>, base: &Arc<Node>, node: &mut Node) {
    let was_closed = node
        .before
        .as_ref()
        .is_some_and(|before| before.children.is_empty());
    if was_closed && !node.children.is_empty() {
        for slice in &mut node.slices {
            if slice.laid.is_some() && slice.children.is_empty() {
                let mut overlay = Overlay {
                    generator: &mut *generator,
                    base,
                    element: &Value::Null,
                    adds: false,
                };
                // What is not known stays closed.
                let _ = overlay.unfold(slice);
            }
        }
    }
    for below in node.children.iter_mut().chain(&mut node.slices) {
        unfold_slices(generator, base, below);
    }
}

/// Elements of a differential stand in the order of the snapshot.
fn out_of_order(root: &Node, elements: &[Value]) -> Vec<Issue> {
    let mut order = Vec::new();
    root.order("", &mut order);
    let mut issues = Vec::new();
    let mut last = 0;
    for (number, path) in order {
        if number < last {
            let before = elements
                .get(last)
                .and_then(|element| element["path"].as_str());
            let text = format!(
                "expected {path} before {} in the differential, as in the snapshot",
                before.unwrap_or_default()
            );
            issues.push(error(text).at(path));
        }
        last = last.max(number);
    }
    issues
}

/// A choice has one value: where one of its types is required, there is no other, and where each
/// type has its slice, these are all.
fn settle_choices(node: &mut Node) -> Vec<Issue> {
    let mut issues = Vec::new();
    // What else could tell the values of a choice apart?
    let is_by_type = node.definition.get("slicing").is_some_and(|slicing| {
        let first = &slicing["discriminator"][0];
        first.is_null() || (first["type"] == "type" && first["path"] == "$this")
    });
    let is_new = node.slices.iter().any(|slice| slice.laid.is_some());
    if node.name.ends_with("[x]") && is_by_type && is_new {
        if let Some(Value::Object(slicing)) = node.definition.get_mut("slicing") {
            let by_type = json!([{"type": "type", "path": "$this"}]);
            slicing.entry("discriminator").or_insert(by_type);
        }
        let stem = node.name.trim_end_matches("[x]");
        for slice in &node.slices {
            let name = slice.slice.as_deref().unwrap_or_default();
            if slice.laid.is_some() && !name.starts_with(stem) {
                let text = format!(
                    "expected a slice by type to be called as {stem} and the type, not {name}"
                );
                issues.push(error(text).at(node.name.clone()));
            }
        }
        let number = |slice: &Node| slice.definition.get("min").and_then(Value::as_u64);
        let required = node.slices.iter().find(|slice| number(slice) > Some(0));
        let possible = |slice: &&Node| slice.definition.get("max").is_none_or(|max| max != "0");
        if let Some(required) = required {
            if node.slices.iter().filter(possible).count() > 1 {
                let text =
                    "expected no other slice by type beside one with a min of 1 but found one";
                issues.push(error(text).at(node.name.clone()));
            }
            let types = required.definition.get("type").cloned();
            let min = required.definition.get("min").cloned().unwrap_or(json!(1));
            node.definition.insert("min".to_owned(), min);
            if let Some(types) = types {
                let codes: Vec<&Value> = types
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|of| &of["code"])
                    .collect();
                let own = node
                    .definition
                    .get_mut("type")
                    .and_then(Value::as_array_mut);
                if let Some(own) = own {
                    own.retain(|of| codes.contains(&&of["code"]));
                }
            }
        }
        let covered = node.slices.iter().flat_map(|slice| slice.codes());
        let covered: Vec<String> = covered.map(str::to_owned).collect();
        if node
            .codes()
            .iter()
            .all(|code| covered.iter().any(|known| known == code))
            && let Some(Value::Object(slicing)) = node.definition.get_mut("slicing")
        {
            slicing.insert("rules".to_owned(), json!("closed"));
        }
    }
    let below = node.children.iter_mut().chain(&mut node.slices);
    issues.extend(below.flat_map(settle_choices));
    issues
}

struct Overlay<'o, 'l> {
    generator: &'o mut Generator<'l>,
    base: &'o Arc<Node>,
    element: &'o Value,
    /// Whether elements may be added: a type of its own, no profile.
    adds: bool,
}

impl Overlay<'_, '_> {
    /// Lays the element at its place; gives what is wrong with what it says.
    fn lay(
        &mut self,
        root: &mut Node,
        path: &[Step],
        number: usize,
    ) -> Result<Vec<String>, Vec<Issue>> {
        let Some((first, steps)) = path.split_first() else {
            return Ok(Vec::new());
        };
        if first.0 != root.name {
            let text = format!("expected a path in {} but found {}", root.name, first.0);
            return Err(vec![error(text)]);
        }
        let mut at = root;
        for (number, (name, slice)) in steps.iter().enumerate() {
            let is_last = number + 1 == steps.len();
            at = self.step(at, name, slice.as_deref(), is_last)?;
        }
        if at.laid.replace(number).is_some() {
            let text =
                "expected each element once in a differential but found another with this place";
            return Err(vec![error(text)]);
        }
        self.take_profile(at)?;
        let is_type = |code: &str, of: &str| is_type(self.generator, code, of);
        let is_slice = at.slice.is_some();
        Ok(merge::merge(
            &mut at.definition,
            self.element,
            is_slice,
            &is_type,
        ))
    }

    /// The child of that name, or the slice of it that is meant.
    fn step<'n>(
        &mut self,
        at: &'n mut Node,
        name: &str,
        slice: Option<&str>,
        is_last: bool,
    ) -> Result<&'n mut Node, Vec<Issue>> {
        if at.children.is_empty() && !(self.adds && is_last) {
            self.unfold(at)?;
        }
        let own = at.children.iter().position(|child| child.name == name);
        let choice = || {
            at.children
                .iter()
                .position(|child| is_choice_of(name, &child.name))
        };
        let (found, by_type) = match own {
            Some(found) => (found, None),
            None => match choice() {
                Some(found) => (found, Some(name)),
                None if self.adds && is_last => {
                    at.children.push(self.new_element(name));
                    (at.children.len() - 1, None)
                }
                None => {
                    let text = format!("expected an element of {} but found {name}", at.name);
                    return Err(vec![error(text)]);
                }
            },
        };
        let child = &mut at.children[found];
        if child.before.is_none() {
            child.before = Some(Box::new(child.bare()));
        }
        // What may have one type only needs no slice to be named by it.
        let is_one = child
            .before
            .as_ref()
            .is_some_and(|before| before.codes().len() == 1);
        match (by_type, slice) {
            (Some(name), None) if is_one && child.slices.is_empty() && fits(child, name) => {
                Ok(child)
            }
            (Some(name), slice) => self.type_slice(child, name, slice),
            (None, None) => Ok(child),
            (None, Some(slice)) => self.slice(child, slice, is_last),
        }
    }

    /// An element of a type of its own.
    fn new_element(&self, name: &str) -> Node {
        let element = self.element;
        let base = json!({"path": element["path"], "min": element["min"], "max": element["max"]});
        Node {
            name: name.to_owned(),
            definition: Map::from_iter([("base".to_owned(), base)]),
            ..Node::default()
        }
    }

    /// `valueQuantity`: the slice of that type of `value[x]`.
    fn type_slice<'n>(
        &mut self,
        choice: &'n mut Node,
        name: &str,
        slice: Option<&str>,
    ) -> Result<&'n mut Node, Vec<Issue>> {
        let stem = choice.name.trim_end_matches("[x]");
        let suffix = &name[stem.len()..];
        let codes = choice.codes();
        let code = codes.iter().find(|code| code.eq_ignore_ascii_case(suffix));
        let Some(code) = code.map(|code| (*code).to_owned()) else {
            let text = format!(
                "expected a type of {} ({}) but found {name}",
                choice.name,
                codes.join(", ")
            );
            return Err(vec![error(text)]);
        };
        let slice = slice.unwrap_or(name).to_owned();
        if choice.slice_named(&slice).is_none() {
            slice_by_type(choice);
            let mut new = self.new_slice(choice, &slice)?;
            keep_type(&mut new.definition, &code);
            choice.slices.push(new);
        }
        self.named(choice, &slice)
    }

    /// The slice of that name; `a/b` is one of the slice `a`.
    fn slice<'n>(
        &mut self,
        sliced: &'n mut Node,
        name: &str,
        is_last: bool,
    ) -> Result<&'n mut Node, Vec<Issue>> {
        if sliced.slice_named(name).is_some() {
            return self.named(sliced, name);
        }
        if !is_last {
            let text = format!(
                "expected a slice of {} that is known but found {name}",
                sliced.name
            );
            return Err(vec![error(text)]);
        }
        if !sliced.definition.contains_key("slicing") {
            match sliced.name.as_str() {
                "extension" | "modifierExtension" => slice_by_url(sliced),
                choice if choice.ends_with("[x]") => slice_by_type(sliced),
                _ if name.contains('/') => {}
                other => {
                    let text = format!("expected a slicing of {other} before its slice {name}");
                    return Err(vec![error(text)]);
                }
            }
        }
        let new = self.new_slice(sliced, name)?;
        // A slice of a slice stands behind it and those that it has already.
        let of = name.rsplit_once('/').map(|(of, _)| of);
        let at = of.and_then(|of| {
            let below = format!("{of}/");
            let is_of = |slice: &Node| {
                let slice = slice.slice.as_deref().unwrap_or_default();
                slice == of || slice.starts_with(&below)
            };
            sliced.slices.iter().rposition(is_of)
        });
        match at {
            Some(at) => sliced.slices.insert(at + 1, new),
            None => sliced.slices.push(new),
        }
        self.named(sliced, name)
    }

    fn named<'n>(&self, sliced: &'n mut Node, name: &str) -> Result<&'n mut Node, Vec<Issue>> {
        let text = format!("expected a slice {name} of {}", sliced.name);
        let found = sliced.slice_named(name);
        let slice = found.ok_or_else(|| vec![error(text)])?;
        if slice.before.is_none() {
            slice.before = Some(Box::new(slice.bare()));
        }
        Ok(slice)
    }

    /// A slice as it begins: the element before this profile spoke of it, not required.
    fn new_slice(&self, sliced: &mut Node, name: &str) -> Result<Node, Vec<Issue>> {
        let of = name.rsplit_once('/').map(|(of, _)| of);
        let of = of.and_then(|of| sliced.slice_named(of)).map(|of| of.bare());
        let mut new = match (of, &sliced.before) {
            (Some(of), _) => of,
            (None, Some(before)) => before.bare(),
            (None, None) => sliced.bare(),
        };
        new.slice = Some(name.to_owned());
        new.definition.shift_remove("slicing");
        new.definition.insert("min".to_owned(), json!(0));
        Ok(new)
    }

    /// Where the element names the one profile of its type, that profile's root is what the
    /// element's own words are laid over.
    fn take_profile(&mut self, at: &mut Node) -> Result<(), Vec<Issue>> {
        let types = self.element["type"].as_array();
        let Some([of]) = types.map(Vec::as_slice) else {
            return Ok(());
        };
        let Some([Value::String(profile)]) = of["profile"].as_array().map(Vec::as_slice) else {
            return Ok(());
        };
        let code = of["code"].as_str().unwrap_or_default();
        if self.generator.open.iter().any(|open| open == profile) {
            // Deeper down it is a circle only for who goes into it.
            let is_root = self.element["path"]
                .as_str()
                .is_some_and(|path| !path.contains('.'));
            return match is_root {
                true => Err(vec![error(format!("{profile} stands on itself"))]),
                false => Ok(()),
            };
        }
        let found = (self.generator.lookup)(profile);
        if let Some(found) = found.filter(|found| found["type"] != code) {
            let text = format!(
                "expected a profile on {code} but found {profile}, one on {}",
                found["type"]
            );
            return Err(vec![error(text)]);
        }
        // What is not known may be right all the same.
        let Ok(tree) = self.generator.tree(profile) else {
            return Ok(());
        };
        /// What stays the element's own.
        const KEPT: [&str; 7] = [
            "base",
            "slicing",
            "isModifier",
            "isSummary",
            "mustSupport",
            "type",
            "binding",
        ];
        for (name, value) in &tree.definition {
            // How often an extension may stand its own definition says, too.
            let is_number = matches!(name.as_str(), "min" | "max") && code != "Extension";
            if !KEPT.contains(&name.as_str()) && !is_number {
                at.definition.insert(name.clone(), value.clone());
            }
        }
        Ok(())
    }

    /// Gives a node the children of its type, of its profile, or of what it repeats.
    fn unfold(&mut self, at: &mut Node) -> Result<(), Vec<Issue>> {
        if let Some(reference) = at
            .definition
            .get("contentReference")
            .and_then(Value::as_str)
        {
            let path = reference.rsplit('#').next().unwrap_or_default().to_owned();
            let (name, steps) = path.split_once('.').unwrap_or((&path, ""));
            // What the type repeats, not what a profile says of the one that is repeated.
            let of_type = self.generator.tree(&format!("{TYPES}{name}"));
            let root = of_type.unwrap_or_else(|_| self.base.clone());
            let target = steps.split('.').try_fold(&*root, |at, step| {
                at.children.iter().find(|child| child.name == step)
            });
            let target =
                target.ok_or_else(|| vec![error(format!("there is no element {path}"))])?;
            at.children = target.children.clone();
            at.definition.shift_remove("contentReference");
            if let Some(types) = target.definition.get("type") {
                at.definition.insert("type".to_owned(), types.clone());
            }
            return Ok(());
        }
        let Some(canonical) = canonical_of(&at.definition) else {
            let text = format!(
                "expected an element with a type to go into but found {}",
                at.name
            );
            return Err(vec![error(text)]);
        };
        let tree = match self.generator.tree(&canonical) {
            Ok(tree) => tree,
            // An extension that is not known is one all the same.
            Err(_) if at.codes() == ["Extension"] => {
                self.generator.tree(&format!("{TYPES}Extension"))?
            }
            Err(issues) => return Err(issues),
        };
        at.children = tree.children.clone();
        Ok(())
    }
}

/// The definition whose elements stand below an element: that of its profile or its type; of
/// several types, what they have in common.
fn canonical_of(definition: &Map<String, Value>) -> Option<String> {
    let types = definition.get("type")?.as_array()?;
    let code = |of: &Value| of["code"].as_str().map(str::to_owned);
    let first = code(types.first()?)?;
    if let [of] = types.as_slice()
        && let Some([Value::String(profile)]) = of["profile"].as_array().map(Vec::as_slice)
    {
        return Some(profile.clone());
    }
    let is_one = types.iter().all(|of| code(of).as_ref() == Some(&first));
    let name = match is_one {
        true => first,
        false => "Element".to_owned(),
    };
    Some(match name.contains(':') {
        true => name,
        false => format!("{TYPES}{name}"),
    })
}

/// Whether a name such as `valueString` says the one type that the choice has.
fn fits(choice: &Node, name: &str) -> bool {
    let stem = choice.name.trim_end_matches("[x]");
    let suffix = name.strip_prefix(stem).unwrap_or_default();
    choice
        .codes()
        .iter()
        .any(|code| code.eq_ignore_ascii_case(suffix))
}

fn slice_by_url(node: &mut Node) {
    let slicing = json!({
        "discriminator": [{"type": "value", "path": "url"}], "ordered": false, "rules": "open"
    });
    node.definition.insert("slicing".to_owned(), slicing);
}

fn slice_by_type(node: &mut Node) {
    let slicing = json!({
        "discriminator": [{"type": "type", "path": "$this"}], "ordered": false, "rules": "open"
    });
    node.definition.entry("slicing").or_insert(slicing);
}

fn keep_type(definition: &mut Map<String, Value>, code: &str) {
    if let Some(types) = definition.get_mut("type").and_then(Value::as_array_mut) {
        types.retain(|of| of["code"] == code);
    }
}

/// Whether a type is another or derives from it.
fn is_type(generator: &Generator<'_>, code: &str, of: &str) -> bool {
    let mut name = code.to_owned();
    for _ in 0..super::DEEPEST {
        if name == of || of == "*" {
            return true;
        }
        let url = match name.contains(':') {
            true => name.clone(),
            false => format!("{TYPES}{name}"),
        };
        let base = (generator.lookup)(&url).and_then(|found| {
            let base = found["baseDefinition"].as_str()?;
            Some(base.rsplit('/').next().unwrap_or_default().to_owned())
        });
        match base {
            Some(base) => name = base,
            None => return false,
        }
    }
    false
}
