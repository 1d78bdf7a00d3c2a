//! The definitions of one or more packages, found by name and canonical, decoded on demand.
//!
//! Canonicals: <https://hl7.org/fhir/R4/references.html#canonical>. Later packages come first:
//! where two packages hold one URL, an unversioned canonical means the last package's. What is
//! once decoded is kept, so that the registry grows up to the size of its packages and no
//! further; a name that nothing has is never remembered, since names come from requests.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::{Arc, LazyLock, OnceLock, PoisonError, RwLock};

use serde_json::Value;

use super::value_set::{self, CodeSet};
use super::{
    Artifact, Compartment, Derivation, Operation, Package, SearchParameter, Strength, Structure,
    TypeInfo,
};

const STRUCTURES: &str = "http://hl7.org/fhir/StructureDefinition/";

/// The registry. Cheap to share: all methods take `&self`.
#[derive(Debug, Default)]
pub struct Definitions {
    packages: Vec<Package>,
    /// (package, artifact), ordered by URL, then the last package and version first.
    by_url: Vec<(u32, u32)>,
    resource_types: Vec<String>,
    search: OnceLock<SearchTable>,
    compartments: OnceLock<Vec<Arc<Compartment>>>,
    operations: OnceLock<Vec<Arc<Operation>>>,
    structures: Memo<(u32, u32), Structure>,
    types: Memo<String, TypeInfo>,
    codes: Memo<(u32, u32), Option<Arc<CodeSet>>>,
    systems: Memo<(u32, u32), Option<String>>,
}

/// By resource type, its parameters by code.
#[derive(Debug, Default)]
struct SearchTable {
    all: Vec<Arc<SearchParameter>>,
    by_type: HashMap<String, Vec<Arc<SearchParameter>>>,
}

/// What was decoded once.
#[derive(Debug)]
struct Memo<K, V>(RwLock<HashMap<K, Arc<V>>>);

impl<K, V> Default for Memo<K, V> {
    fn default() -> Self {
        Memo(RwLock::default())
    }
}

impl<K: Hash + Eq, V> Memo<K, V> {
    fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<Arc<V>>
    where
        K: std::borrow::Borrow<Q>,
    {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.get(key).cloned()
    }

    /// Two threads may decode the same thing; both get the one that was first.
    fn put(&self, key: K, value: V) -> Arc<V> {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.entry(key).or_insert_with(|| Arc::new(value)).clone()
    }
}

impl Definitions {
    /// FHIR R4 4.0.1 as compiled into the program.
    pub fn r4() -> Arc<Definitions> {
        static R4: LazyLock<Arc<Definitions>> = LazyLock::new(|| {
            let package = Package::from_bytes(super::R4)
                .expect("the committed file was written by the compiler of this version");
            Arc::new(Definitions::new(vec![package]))
        });
        R4.clone()
    }

    /// A registry over these packages; the last one is preferred.
    pub fn new(packages: Vec<Package>) -> Definitions {
        let artifact = |at: &(u32, u32)| &packages[at.0 as usize].artifacts()[at.1 as usize];
        let mut by_url: Vec<(u32, u32)> = Vec::new();
        for (n, package) in (0_u32..).zip(&packages) {
            by_url.extend((0_u32..).zip(package.artifacts()).map(|(m, _)| (n, m)));
        }
        by_url.sort_by(|a, b| {
            let (left, right) = (artifact(a), artifact(b));
            let by_url = left.url.cmp(&right.url);
            by_url
                .then(b.0.cmp(&a.0))
                .then_with(|| right.version.cmp(&left.version))
        });
        let mut resource_types: Vec<String> = by_url
            .iter()
            .map(artifact)
            .filter(|a| a.resource_type == "StructureDefinition" && a.kind == "resource")
            .filter(|a| !a.is_abstract && a.derivation == "specialization")
            .map(|a| a.type_name.clone())
            .collect();
        resource_types.sort();
        resource_types.dedup();
        Definitions {
            packages,
            by_url,
            resource_types,
            ..Definitions::default()
        }
    }

    pub fn packages(&self) -> &[Package] {
        &self.packages
    }

    /// The concrete resource types, sorted.
    pub fn resource_types(&self) -> &[String] {
        &self.resource_types
    }

    pub fn is_resource_type(&self, name: &str) -> bool {
        self.resource_types
            .binary_search_by(|t| t.as_str().cmp(name))
            .is_ok()
    }

    /// What the indexes of the packages say of the artifacts of a resource type.
    pub fn artifacts(&self, resource_type: &str) -> impl Iterator<Item = &Artifact> {
        self.positions(resource_type).map(|at| self.entry(at))
    }

    /// The trimmed JSON of an artifact by its canonical, with or without `|version`. Decoded
    /// anew on each call: what is typed below is memoised, this is not.
    pub fn artifact(&self, resource_type: &str, canonical: &str) -> Option<Arc<Value>> {
        self.read(self.find(resource_type, canonical)?)
            .map(Arc::new)
    }

    /// Whether there is an artifact of this type with this canonical; nothing is decoded.
    pub fn has(&self, resource_type: &str, canonical: &str) -> bool {
        self.find(resource_type, canonical).is_some()
    }

    /// A StructureDefinition by the name of its type (`Patient`) or by its canonical.
    pub fn structure(&self, name_or_url: &str) -> Option<Arc<Structure>> {
        let at = match name_or_url.contains(':') {
            true => self.find("StructureDefinition", name_or_url),
            false => self.find("StructureDefinition", &format!("{STRUCTURES}{name_or_url}")),
        }?;
        if let Some(known) = self.structures.get(&at) {
            return Some(known);
        }
        let structure = self.told(Structure::parse(&self.read(at)?))?;
        Some(self.structures.put(at, structure))
    }

    /// The members of a type by its key: a type (`Patient`, `Quantity`, `string`) or the path
    /// of a backbone element (`Patient.contact`).
    pub fn type_info(&self, key: &str) -> Option<Arc<TypeInfo>> {
        if let Some(known) = self.types.get(key) {
            return Some(known);
        }
        let type_name = key.split('.').next().unwrap_or(key);
        let mut structure = self.structure(type_name)?;
        if structure.derivation == Derivation::Constraint && key == type_name {
            // SimpleQuantity is a profile under a type's URL: its instances are Quantities.
            structure = self.structure(&structure.type_name)?;
        }
        let path = if key == type_name {
            &structure.type_name
        } else {
            key
        };
        let compiled = TypeInfo::compile(&structure, path)?;
        Some(self.types.put(key.to_owned(), compiled))
    }

    /// Every search parameter, ordered by URL.
    pub fn search_parameters(&self) -> &[Arc<SearchParameter>] {
        &self.search().all
    }

    /// The search parameters of a resource type, those of Resource and DomainResource
    /// included, sorted by code. For `Resource`: what all types have. Empty for no type.
    pub fn search_parameters_for(&self, resource_type: &str) -> &[Arc<SearchParameter>] {
        self.search()
            .by_type
            .get(resource_type)
            .map_or(&[], Vec::as_slice)
    }

    /// The search parameter of a resource type with this code.
    pub fn search_parameter(
        &self,
        resource_type: &str,
        code: &str,
    ) -> Option<&Arc<SearchParameter>> {
        let of_type = self.search_parameters_for(resource_type);
        let at = of_type
            .binary_search_by(|p| p.code.as_str().cmp(code))
            .ok()?;
        of_type.get(at)
    }

    /// The search parameter with this canonical, as a composite's component names it.
    pub fn search_parameter_by_url(&self, canonical: &str) -> Option<&Arc<SearchParameter>> {
        let url = canonical.split('|').next().unwrap_or(canonical);
        let all = &self.search().all;
        let at = all.partition_point(|p| p.url.as_str() < url);
        all.get(at).filter(|p| p.url == url)
    }

    /// The compartments, ordered by code.
    pub fn compartments(&self) -> &[Arc<Compartment>] {
        self.compartments.get_or_init(|| {
            let mut all = self.parse_all("CompartmentDefinition", Compartment::parse);
            all.sort_by(|a, b| a.code.cmp(&b.code));
            all
        })
    }

    pub fn compartment(&self, code: &str) -> Option<&Arc<Compartment>> {
        self.compartments().iter().find(|c| c.code == code)
    }

    /// The operations, ordered by code, then URL.
    pub fn operations(&self) -> &[Arc<Operation>] {
        self.operations.get_or_init(|| {
            let mut all = self.parse_all("OperationDefinition", Operation::parse);
            all.sort_by(|a, b| (&a.code, &a.url).cmp(&(&b.code, &b.url)));
            all
        })
    }

    /// All codes of a value set; `None` when it is unknown, or when the packages do not hold
    /// all of them.
    pub fn value_set_codes(&self, canonical: &str) -> Option<Arc<CodeSet>> {
        let at = self.find("ValueSet", canonical)?;
        let known = match self.codes.get(&at) {
            Some(known) => known,
            None => {
                let codes =
                    value_set::expand(&self.read(at)?, &|kind, url| self.artifact(kind, url));
                self.codes.put(at, codes.map(Arc::new))
            }
        };
        (*known).clone()
    }

    /// The code system that a `code` element's values are of: its required binding's, when that
    /// draws on one system only, whether its codes are known here or not. `type_key` as in
    /// [`Definitions::type_info`], `field` a JSON name.
    pub fn implicit_system(&self, type_key: &str, field: &str) -> Option<String> {
        let info = self.type_info(type_key)?;
        let field = info.field(field).filter(|f| f.type_code == "code")?;
        let binding = field
            .binding
            .as_ref()
            .filter(|b| b.strength == Strength::Required)?;
        self.value_set_system(&binding.value_set)
    }

    /// The one system that a value set draws on, whether its codes are known here or not.
    pub fn value_set_system(&self, canonical: &str) -> Option<String> {
        let at = self.find("ValueSet", canonical)?;
        if let Some(known) = self.systems.get(&at) {
            return (*known).clone();
        }
        let systems = value_set::systems(&self.read(at)?, &|kind, url| self.artifact(kind, url));
        let mut systems = systems.into_iter().flatten();
        let system = systems.next().filter(|_| systems.next().is_none());
        (*self.systems.put(at, system)).clone()
    }

    fn search(&self) -> &SearchTable {
        self.search.get_or_init(|| {
            let all = self.parse_all("SearchParameter", SearchParameter::parse);
            let mut table = SearchTable::default();
            for resource_type in self
                .resource_types
                .iter()
                .map(String::as_str)
                .chain(["Resource"])
            {
                let bases = self.bases(resource_type);
                // By code; what is nearer to the type comes later and replaces what is above.
                let mut of_type: BTreeMap<&str, &Arc<SearchParameter>> = BTreeMap::new();
                for base in bases.iter().rev() {
                    let own = all
                        .iter()
                        .rev()
                        .filter(|p| p.base.iter().any(|b| b == base));
                    of_type.extend(own.map(|p| (p.code.as_str(), p)));
                }
                let of_type = of_type.into_values().cloned().collect();
                table.by_type.insert(resource_type.to_owned(), of_type);
            }
            table.all = all;
            table
        })
    }

    /// The type itself and what it derives from, nearest first: Patient, DomainResource,
    /// Resource.
    fn bases(&self, type_name: &str) -> Vec<String> {
        let mut bases = vec![type_name.to_owned()];
        let mut url = format!("{STRUCTURES}{type_name}");
        while let Some(at) = self.find("StructureDefinition", &url) {
            url.clone_from(&self.entry(at).base);
            let name = url.rsplit('/').next().unwrap_or_default().to_owned();
            if name.is_empty() || bases.contains(&name) {
                break;
            }
            bases.push(name);
        }
        bases
    }

    fn parse_all<T>(
        &self,
        resource_type: &str,
        parse: impl Fn(&Value) -> Result<T, String>,
    ) -> Vec<Arc<T>> {
        self.positions(resource_type)
            .filter_map(|at| self.told(parse(&self.read(at)?)))
            .map(Arc::new)
            .collect()
    }

    fn positions(&self, resource_type: &str) -> impl Iterator<Item = (u32, u32)> {
        self.by_url
            .iter()
            .copied()
            .filter(move |at| self.entry(*at).resource_type == resource_type)
    }

    fn entry(&self, at: (u32, u32)) -> &Artifact {
        &self.packages[at.0 as usize].artifacts()[at.1 as usize]
    }

    fn find(&self, resource_type: &str, canonical: &str) -> Option<(u32, u32)> {
        let canonical = canonical.split('#').next().unwrap_or(canonical);
        let (url, version) = match canonical.split_once('|') {
            Some((url, version)) => (url, Some(version)),
            None => (canonical, None),
        };
        let start = self
            .by_url
            .partition_point(|at| self.entry(*at).url.as_str() < url);
        self.by_url[start..]
            .iter()
            .take_while(|at| self.entry(**at).url == url)
            .find(|at| {
                let entry = self.entry(**at);
                entry.resource_type == resource_type && version.is_none_or(|v| entry.version == v)
            })
            .copied()
    }

    fn read(&self, at: (u32, u32)) -> Option<Value> {
        let package = &self.packages[at.0 as usize];
        let parsed = package.json(at.1 as usize).and_then(|json| {
            serde_json::from_slice(&json)
                .map_err(|e| format!("{} holds no JSON: {e}", self.entry(at).url))
        });
        self.told(parsed)
    }

    /// A definition that cannot be read is as good as absent, but somebody should hear of it.
    fn told<T>(&self, result: Result<T, String>) -> Option<T> {
        result
            .inspect_err(|error| tracing::error!(%error, "a definition cannot be read"))
            .ok()
    }
}
