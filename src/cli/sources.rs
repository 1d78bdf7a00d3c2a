//! Where the value of an option comes from: the flag wins over the environment variable, that
//! over the TOML file (`--config`), that over the default.
//!
//! Values stay text until `options` judges them, so that every source speaks one grammar and
//! all problems can be listed at once. Nothing here knows what an option means.

use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// The defaults, in the words that a user would write.
const DEFAULTS: [(&str, &str); 24] = [
    ("auth", "off"),
    ("body-size", "64MiB"),
    ("bundle-entries", "10000"),
    ("concurrent-requests", "512"),
    ("connections", "16"),
    ("count-time", "10s"),
    ("data-dir", "./data"),
    ("demo", "false"),
    ("insecure", "false"),
    ("json-depth", "100"),
    ("listen", "127.0.0.1:8080"),
    ("log", "info"),
    ("log-format", "text"),
    ("max-conditional-delete", "1000"),
    ("max-includes", "1000"),
    ("max-page-size", "1000"),
    ("page-size", "20"),
    ("referential-integrity", "write"),
    ("statement-time", "30s"),
    ("terminology-cache", "10000"),
    ("terminology-cache-time", "1h"),
    ("terminology-time", "5s"),
    ("url-length", "16KiB"),
    ("validation", "structure"),
];

/// What only the file can say, in tables of these names.
const TABLES: [&str; 3] = [
    "required-profiles",
    "validation-by-profile",
    "validation-by-type",
];

/// How a variable of the environment is looked up: the real one, or a test's.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The variables of this process; an empty one counts as absent, as in most shells' scripts.
pub fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The default of an option as text.
pub fn find_default(name: &str) -> Option<&'static str> {
    DEFAULTS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, value)| *value)
}

/// The environment variables of an option, the first one preferred.
pub fn variables(name: &str) -> Vec<String> {
    let own = format!("ANDIRON_{}", name.replace('-', "_").to_uppercase());
    match name {
        // What platforms that rent out databases set.
        "database-url" => vec![own, "DATABASE_URL".to_owned()],
        _ => vec![own],
    }
}

/// Who gave a value; how a problem with it is introduced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Flag,
    Variable(String),
    File(PathBuf),
    Default,
}

/// The merged values, and what was wrong with them so far.
#[derive(Debug)]
pub struct Sources {
    given: BTreeMap<String, (String, Origin)>,
    /// The tables of the file, which have no flag or variable.
    tables: BTreeMap<String, (toml::Table, PathBuf)>,
    pub problems: Vec<String>,
}

impl Sources {
    /// Merges the flags in `args` with the other sources. `known` are all option names that the
    /// file may have, since one file serves several commands.
    pub fn gather(args: &impl Serialize, known: &[String], environment: Environment) -> Sources {
        let mut sources = Sources {
            given: BTreeMap::new(),
            tables: BTreeMap::new(),
            problems: Vec::new(),
        };
        for (name, flag) in members(args) {
            if let Some(value) = flag {
                sources.given.insert(name, (value, Origin::Flag));
            } else if let Some((variable, value)) = variables(&name)
                .into_iter()
                .find_map(|variable| Some((environment(&variable)?, variable)))
                .map(|(value, variable)| (variable, value))
            {
                sources
                    .given
                    .insert(name, (value, Origin::Variable(variable)));
            }
        }
        if let Some(path) = sources
            .given
            .get("config")
            .map(|(path, _)| PathBuf::from(path))
        {
            sources.read_file(path, known);
        }
        sources
    }

    fn read_file(&mut self, path: PathBuf, known: &[String]) {
        let shown = path.display();
        let table: toml::Table = match std::fs::read_to_string(&path) {
            Err(error) => {
                return self
                    .problems
                    .push(format!("--config: cannot read {shown}: {error}"));
            }
            Ok(text) => match text.parse() {
                Ok(table) => table,
                Err(error) => {
                    let error = error.to_string();
                    return self.problems.push(format!("{shown}: {}", error.trim_end()));
                }
            },
        };
        for (name, value) in table {
            if TABLES.contains(&name.as_str()) {
                match value {
                    toml::Value::Table(table) => {
                        self.tables.insert(name, (table, path.clone()));
                    }
                    other => self.problems.push(format!(
                        "{shown}: `{name}`: expected a table but found {}",
                        other.type_str()
                    )),
                }
                continue;
            }
            if name == "config" || !known.contains(&name) {
                self.problems
                    .push(format!("{shown}: there is no option `{name}`"));
                continue;
            }
            let value = match value {
                toml::Value::String(text) => text,
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Boolean(switch) => switch.to_string(),
                other => {
                    let kind = other.type_str();
                    self.problems.push(format!(
                        "{shown}: `{name}`: expected a string, a number or a boolean but found {kind}"
                    ));
                    continue;
                }
            };
            let entry = self.given.entry(name);
            entry.or_insert((value, Origin::File(path.clone())));
        }
    }

    /// The value of an option that has a default. A bad one is noted, and the default stands in
    /// for it so that the other options can be judged too.
    pub fn take<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> T {
        if let Some(value) = self.find(name, &parse) {
            return value;
        }
        let default = find_default(name).expect("an option that is taken has a default");
        parse(default).expect("the defaults are well-formed")
    }

    /// The value of an option that has no default.
    pub fn find<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let (value, origin) = self.given.get(name)?;
        match parse(value) {
            Ok(value) => Some(value),
            Err(expected) => {
                // A database URL may hold a password.
                let found = match name {
                    "database-url" => String::new(),
                    _ => format!(" but found {value:?}"),
                };
                self.problems
                    .push(format!("{}: {expected}{found}", Named(name, origin)));
                None
            }
        }
    }

    /// The entries of a table of the file, each judged; what is wrong with one is noted.
    pub fn table<T>(
        &mut self,
        name: &str,
        parse: impl Fn(&str, &toml::Value) -> Result<T, String>,
    ) -> Vec<T> {
        let mut judged = Vec::new();
        if let Some((table, path)) = self.tables.get(name) {
            for (key, value) in table {
                match parse(key, value) {
                    Ok(entry) => judged.push(entry),
                    Err(problem) => self
                        .problems
                        .push(format!("{}: [{name}] `{key}`: {problem}", path.display())),
                }
            }
        }
        judged
    }

    /// Who gave the value of an option.
    pub fn origin(&self, name: &str) -> Origin {
        match self.given.get(name) {
            Some((_, origin)) => origin.clone(),
            None => Origin::Default,
        }
    }
}

/// The options of a struct of arguments, with what was given on the command line.
fn members(args: &impl Serialize) -> Vec<(String, Option<String>)> {
    let value = serde_json::to_value(args).expect("plain structs of text serialise");
    let members = value.as_object().into_iter().flatten();
    members
        .map(|(name, value)| (name.clone(), value.as_str().map(str::to_owned)))
        .collect()
}

/// The names of the options in a struct of arguments.
pub fn names(args: &impl Serialize) -> Vec<String> {
    members(args).into_iter().map(|(name, _)| name).collect()
}

struct Named<'a>(&'a str, &'a Origin);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Named(name, origin) = self;
        match origin {
            Origin::Flag | Origin::Default => write!(f, "--{name}"),
            Origin::Variable(variable) => f.write_str(variable),
            Origin::File(path) => write!(f, "{}: `{name}`", path.display()),
        }
    }
}
