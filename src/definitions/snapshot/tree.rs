//! A snapshot as a tree: elements by name, their slices beside them.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

/// An element, or a slice of one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    /// The last step of the path: `value[x]`.
    pub name: String,
    pub slice: Option<String>,
    /// The ElementDefinition without id, path and sliceName.
    pub definition: Map<String, Value>,
    pub children: Vec<Node>,
    /// In their order; a slice of a slice follows it.
    pub slices: Vec<Node>,
    /// As it was before this profile spoke of it, which is what a new slice begins with.
    pub before: Option<Box<Node>>,
    /// The number of the element of the differential that was laid here last.
    pub laid: Option<usize>,
}

/// A step of a path with the slice that is meant.
pub type Step = (String, Option<String>);

/// Reads the steps of elements in their order: by the id where it fits the path, else by the slice
/// that was last named there.
#[derive(Default)]
pub struct Steps {
    last_slice: HashMap<String, String>,
    /// By path and slice of an id, the name that the slice really has, if it is one: `sliceName`
    /// says so, not the id.
    renamed: HashMap<(String, String), Option<String>>,
}

impl Steps {
    pub fn of(&mut self, element: &Value) -> Option<Vec<Step>> {
        let path = element["path"].as_str()?;
        let path: Vec<&str> = path.split('.').collect();
        let id: Vec<&str> = element["id"]
            .as_str()
            .unwrap_or_default()
            .split('.')
            .collect();
        let name_of = |step: &str| step.split(':').next().unwrap_or(step).to_owned();
        let is_like = |id: &str, path: &str| id == path || is_choice_of(path, id);
        let own = element["sliceName"].as_str();
        let fits = id.len() == path.len()
            && id
                .iter()
                .zip(&path)
                .all(|(id, path)| is_like(&name_of(id), path));
        let mut steps = Vec::with_capacity(path.len());
        for (at, name) in path.iter().enumerate() {
            let is_last = at + 1 == path.len();
            let upto = path[..=at].join(".");
            let by_id = || {
                let (_, slice) = id.get(at)?.split_once(':')?;
                Some(slice.to_owned())
            };
            let slice = match (fits, is_last) {
                (true, false) => by_id().and_then(|slice| {
                    let known = self.renamed.get(&(upto.clone(), slice.clone()));
                    known.cloned().unwrap_or(Some(slice))
                }),
                (false, false) => self.last_slice.get(&upto).cloned(),
                (_, true) => own.map(str::to_owned),
            };
            if is_last {
                if let Some(said) = by_id().filter(|_| fits)
                    && own != Some(&said)
                {
                    self.renamed
                        .insert((upto.clone(), said), own.map(str::to_owned));
                }
                // What was named below another slice of this is over.
                let below = format!("{upto}.");
                self.last_slice
                    .retain(|known, _| !known.starts_with(&below));
                match &slice {
                    Some(slice) => self.last_slice.insert(upto, slice.clone()),
                    None => self.last_slice.remove(&upto),
                };
            }
            steps.push(((*name).to_owned(), slice));
        }
        Some(steps)
    }
}

/// Whether `valueQuantity` may be of the choice `value[x]`.
pub fn is_choice_of(name: &str, choice: &str) -> bool {
    let stem = choice.strip_suffix("[x]");
    let rest = stem.and_then(|stem| name.strip_prefix(stem));
    rest.is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_uppercase()))
}

impl Node {
    /// The tree of a snapshot.
    ///
    /// # Errors
    /// An element without a path or without what it stands in.
    pub fn parse(elements: &[Value]) -> Result<Node, String> {
        let mut steps = Steps::default();
        let mut root: Option<Node> = None;
        for element in elements {
            let place = steps
                .of(element)
                .ok_or("an element of a snapshot has no path")?;
            let (last, parents) = place.split_last().ok_or("an element has an empty path")?;
            let mut node = Node {
                name: last.0.clone(),
                slice: last.1.clone(),
                definition: element.as_object().cloned().unwrap_or_default(),
                ..Node::default()
            };
            let base = json!({
                "path": element["path"], "min": element["min"], "max": element["max"]
            });
            for name in ["id", "path", "sliceName"] {
                node.definition.shift_remove(name);
            }
            // The trimmed definitions leave out what an element says itself.
            node.definition.entry("base").or_insert(base);
            let Some(root) = &mut root else {
                root = Some(node);
                continue;
            };
            let mut at = root;
            for (name, slice) in parents.iter().skip(1) {
                at = at.find(name, slice.as_deref()).ok_or_else(|| {
                    format!("a snapshot has no element above {}", element["path"])
                })?;
            }
            match (&node.slice, at.child(&node.name)) {
                (Some(_), Some(sliced)) => sliced.slices.push(node),
                _ => at.children.push(node),
            }
        }
        root.ok_or_else(|| "a snapshot has no elements".to_owned())
    }

    pub fn child(&mut self, name: &str) -> Option<&mut Node> {
        self.children.iter_mut().find(|child| child.name == name)
    }

    /// A child, or a slice of it.
    fn find(&mut self, name: &str, slice: Option<&str>) -> Option<&mut Node> {
        let child = self.child(name)?;
        match slice {
            None => Some(child),
            Some(slice) => child.slice_named(slice),
        }
    }

    pub fn slice_named(&mut self, name: &str) -> Option<&mut Node> {
        let is_named = |slice: &&mut Node| slice.slice.as_deref() == Some(name);
        self.slices.iter_mut().find(is_named)
    }

    /// Forgets what only matters while a differential is laid.
    pub fn settle(&mut self) {
        self.before = None;
        self.laid = None;
        let below = self.children.iter_mut().chain(&mut self.slices);
        below.for_each(Node::settle);
    }

    /// The node without its slices, as a slice of it begins.
    pub fn bare(&self) -> Node {
        Node {
            slices: Vec::new(),
            before: None,
            laid: None,
            ..self.clone()
        }
    }

    /// Appends the elements of this node and all below it.
    pub fn flatten(&self, elements: &mut Vec<Value>) {
        self.flatten_below("", "", elements);
    }

    fn flatten_below(&self, id: &str, path: &str, elements: &mut Vec<Value>) {
        let under = |above: &str| match above {
            "" => self.name.clone(),
            above => format!("{above}.{}", self.name),
        };
        let path = under(path);
        let own = match &self.slice {
            Some(slice) => format!("{}:{slice}", under(id)),
            None => under(id),
        };
        let mut element = Map::new();
        element.insert("id".to_owned(), json!(own));
        if let Some(extension) = self.definition.get("extension") {
            element.insert("extension".to_owned(), extension.clone());
        }
        element.insert("path".to_owned(), json!(path));
        if let Some(slice) = &self.slice {
            element.insert("sliceName".to_owned(), json!(slice));
        }
        for (name, value) in &self.definition {
            element.entry(name).or_insert_with(|| value.clone());
        }
        elements.push(Value::Object(element));
        for child in &self.children {
            child.flatten_below(&own, &path, elements);
        }
        for slice in &self.slices {
            slice.flatten_below(id, parent(&path), elements);
        }
    }

    /// The numbers of the differential in the order of the snapshot, each with its path.
    pub fn order(&self, path: &str, order: &mut Vec<(usize, String)>) {
        let path = match path {
            "" => self.name.clone(),
            path => format!("{path}.{}", self.name),
        };
        if let Some(laid) = self.laid {
            order.push((laid, path.clone()));
        }
        for child in &self.children {
            child.order(&path, order);
        }
        for slice in &self.slices {
            slice.order(parent(&path), order);
        }
    }

    pub fn count(&self) -> usize {
        let below = self.children.iter().chain(&self.slices);
        1 + below.map(Node::count).sum::<usize>()
    }

    /// The codes of its types.
    pub fn codes(&self) -> Vec<&str> {
        let types = self.definition.get("type").and_then(Value::as_array);
        let types = types.into_iter().flatten();
        types.filter_map(|of| of["code"].as_str()).collect()
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(parent, _)| parent)
}
