//! Which packages are installed, and in which order: those that others need come first.
//!
//! A dependency is met by the server itself, by what is installed, by what is asked for, or by
//! what lies beside it, in this order; of several that lie beside, by the newest. All that is
//! missing is told at once.

use super::manifest::{Dependency, Manifest, is_built_in, satisfies};
use crate::validation::profile::compare_versions;
use std::fmt;

/// A dependency that nothing meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// `name#version` of the package that needs it.
    pub of: String,
    pub dependency: Dependency,
    /// The versions that there are, none of them wanted.
    pub found: Vec<String>,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Dependency { name, wanted } = &self.dependency;
        write!(f, "{} needs {name} {wanted}, ", self.of)?;
        match self.found.as_slice() {
            [] => write!(f, "which is not there"),
            found => write!(f, "but there is only {}", found.join(", ")),
        }
    }
}

/// The places in `asked` followed by `beside` of what is to be installed, in order, and what is
/// missing of it. `installed` are names and versions. What is named in `without` is let go.
pub fn order(
    asked: &[Manifest],
    beside: &[Manifest],
    installed: &[(String, String)],
    without: &[String],
) -> (Vec<usize>, Vec<Missing>) {
    let mut walk = Walk {
        all: asked.iter().chain(beside).collect(),
        asked: asked.len(),
        installed,
        without,
        done: Vec::new(),
        begun: Vec::new(),
        missing: Vec::new(),
    };
    for place in 0..asked.len() {
        walk.visit(place);
    }
    (walk.done, walk.missing)
}

struct Walk<'m> {
    all: Vec<&'m Manifest>,
    asked: usize,
    installed: &'m [(String, String)],
    without: &'m [String],
    done: Vec<usize>,
    begun: Vec<usize>,
    missing: Vec<Missing>,
}

impl Walk<'_> {
    fn visit(&mut self, place: usize) {
        // Where packages need each other in a circle, one of them comes first: they are
        // installed together or not at all.
        if self.begun.contains(&place) {
            return;
        }
        self.begun.push(place);
        let manifest = self.all[place];
        let is_known = |(name, version): &(String, String)| {
            *name == manifest.name && *version == manifest.version
        };
        // What is installed already was asked for with what it lacks.
        let needs = match self.installed.iter().any(is_known) {
            true => &[][..],
            false => &manifest.dependencies,
        };
        for dependency in needs {
            self.meet(dependency, manifest);
        }
        self.done.push(place);
    }

    fn meet(&mut self, dependency: &Dependency, of: &Manifest) {
        let is_met = |name: &str, version: &str| {
            name == dependency.name && satisfies(version, &dependency.wanted)
        };
        let mut installed = self.installed.iter();
        if is_built_in(dependency) || installed.any(|(name, version)| is_met(name, version)) {
            return;
        }
        let fitting = (0..self.all.len()).filter(|place| {
            let manifest = self.all[*place];
            is_met(&manifest.name, &manifest.version)
        });
        let best = fitting.max_by(|a, b| {
            let is_asked = |place: &usize| *place < self.asked;
            let version = |place: &usize| &self.all[*place].version;
            let by_version = compare_versions(version(a), version(b));
            is_asked(a).cmp(&is_asked(b)).then(by_version)
        });
        match best {
            Some(place) => self.visit(place),
            None if self.without.contains(&dependency.name) => {}
            None => {
                let found = self.versions(&dependency.name);
                self.missing.push(Missing {
                    of: of.label(),
                    dependency: dependency.clone(),
                    found,
                });
            }
        }
    }

    /// All versions that there are of a package.
    fn versions(&self, name: &str) -> Vec<String> {
        let installed = self.installed.iter().filter(|(own, _)| own == name);
        let installed = installed.map(|(_, version)| version.clone());
        let lying = self.all.iter().filter(|manifest| manifest.name == name);
        let lying = lying.map(|manifest| manifest.version.clone());
        let core = super::manifest::CORE;
        let built_in = (core.0 == name).then(|| core.1.to_owned());
        let mut all: Vec<String> = installed.chain(lying).chain(built_in).collect();
        all.sort_by(|a, b| compare_versions(a, b));
        all.dedup();
        all
    }
}
