//! Places within a resource: found by the path of an element definition, compared as FHIRPath.

use serde_json::Value;

/// An object or a value of a resource.
#[derive(Clone, Debug)]
pub struct Place {
    /// As JSON Pointer.
    pub pointer: String,
    /// As FHIRPath, with the index of what may repeat.
    pub path: String,
}

impl Place {
    pub fn root(resource: &Value) -> Place {
        Place {
            pointer: String::new(),
            path: resource["resourceType"].as_str().unwrap_or_default().into(),
        }
    }

    /// What is below by that name, which may end in `[x]`; with the JSON's own name.
    pub fn below(&self, resource: &Value, name: &str) -> Vec<(String, Place)> {
        let Some(object) = resource.pointer(&self.pointer).and_then(Value::as_object) else {
            return Vec::new();
        };
        let choice = name.strip_suffix("[x]");
        let is_meant = |key: &str| match choice {
            Some(stem) => key.strip_prefix(stem).is_some_and(is_type),
            None => key == name,
        };
        let plain = choice.unwrap_or(name);
        let mut found = Vec::new();
        for (key, value) in object.iter().filter(|(key, _)| is_meant(key)) {
            let pointer = format!("{}/{key}", self.pointer);
            let path = format!("{}.{plain}", self.path);
            let count = value.as_array().map(Vec::len);
            match count {
                None => found.push((key.clone(), Place { pointer, path })),
                Some(count) => found.extend((0..count).map(|at| {
                    let pointer = format!("{pointer}/{at}");
                    let path = format!("{path}[{at}]");
                    (key.clone(), Place { pointer, path })
                })),
            }
        }
        found
    }
}

fn is_type(rest: &str) -> bool {
    rest.starts_with(|first: char| first.is_ascii_uppercase())
}

/// All places of an element definition's path, without those that differ by slice.
pub fn places(resource: &Value, path: &str) -> Vec<Place> {
    let mut found = vec![Place::root(resource)];
    for name in path.split('.').skip(1) {
        found = found
            .iter()
            .flat_map(|place| place.below(resource, name))
            .map(|(_, place)| place)
            .collect();
    }
    found
}

/// Whether an error found there is about what was broken here: at it, within it, or at what
/// it is directly in, where what is missing is told.
pub fn is_at(found: &str, broken: &str) -> bool {
    let (found, broken) = (steps(found), steps(broken));
    let common = found
        .iter()
        .zip(&broken)
        .take_while(|(a, b)| a.0 == b.0 && (a.1 == b.1 || a.1.is_none() || b.1.is_none()))
        .count();
    common == broken.len() || common == found.len() && found.len() + 1 == broken.len()
}

/// Names with their indexes.
fn steps(path: &str) -> Vec<(&str, Option<&str>)> {
    path.split('.')
        .map(|step| match step.split_once('[') {
            Some((name, index)) => (name, Some(index)),
            None => (step, None),
        })
        .collect()
}
