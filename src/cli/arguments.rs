//! The command line as clap reads it. Every doc comment here is the text of `--help`.
//!
//! Options that can also come from the environment or a file stay text here; `options` merges
//! the sources and judges the values, so that one start can list every problem. A field
//! `data_dir` is the flag `--data-dir`, the variable `ANDIRON_DATA_DIR` and the key `data-dir`.

use clap::{Args, Parser, Subcommand};
use serde::Serialize;
use std::path::PathBuf;

/// A FHIR R4 server that keeps every version of every resource in PostgreSQL.
#[derive(Debug, Parser)]
#[command(name = "andiron", version, arg_required_else_help = true)]
pub struct CommandLine {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server: the FHIR API, health and metrics.
    Serve(Box<ServeArgs>),
    /// Load files or folders of FHIR JSON.
    Load(Box<LoadArgs>),
    /// Bring the database schema up to date and say what was done.
    Migrate(Box<PlainArgs>),
    /// Check the installation and say what is wrong.
    Doctor(Box<DoctorArgs>),
    /// Compile an unpacked package of FHIR definitions into one file (for developers).
    #[command(hide = true)]
    CompileDefinitions {
        /// The directory of the unpacked package.
        source: PathBuf,
        /// The file to write.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Install, list and remove FHIR packages, such as US Core.
    Package(Box<PackageArgs>),
    /// Load code systems such as SNOMED CT and LOINC, and list them.
    Terminology(Box<TerminologyArgs>),
    /// Rebuild the rows of the search index.
    Reindex(Box<ReindexArgs>),
    /// Register SMART clients (not there yet).
    Client(NotYetArgs),
    /// Register local users (not there yet).
    User(NotYetArgs),
    /// Validate files of FHIR JSON, XML or NDJSON offline.
    Validate(ValidateArgs),
    /// Evaluate FHIRPath on files (not there yet).
    Fhirpath(NotYetArgs),
}

/// Whatever follows a command that is not there yet: its answer should be about the command,
/// never about its options.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub struct NotYetArgs {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    pub rest: Vec<std::ffi::OsString>,
}

/// Without a server or a database: R4, and what --definitions brings.
#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// Files, or folders searched for `.json`, `.xml` and `.ndjson`, each optionally `.gz`.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// A profile that each resource must keep, beside those that it claims; may be repeated.
    #[arg(long, value_name = "URL")]
    pub profile: Vec<String>,
    /// Packages (.tgz), files or folders with StructureDefinitions, ValueSets and the like; may be
    /// repeated.
    #[arg(long, visible_alias = "package", value_name = "PATH")]
    pub definitions: Vec<PathBuf>,
    /// A line for each problem, or an OperationOutcome for each resource, a line each.
    #[arg(long, value_enum, default_value_t = Output::Text, value_name = "FORM")]
    pub output: Output,
}

/// How a command says what it has found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    #[default]
    Text,
    Json,
}

/// Where the data is, and how to report.
#[derive(Clone, Debug, Default, Args, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CommonArgs {
    /// The directory that holds everything, Andiron's own PostgreSQL included.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<String>,
    /// A PostgreSQL 15 or newer to use instead of one of Andiron's own under the data
    /// directory. The variable DATABASE_URL is heard too, last.
    #[arg(long, value_name = "URL")]
    pub database_url: Option<String>,
    /// Connections to the database at most.
    #[arg(long, value_name = "N")]
    pub connections: Option<String>,
    /// A TOML file of options under the same names. Its tables validation-by-type,
    /// validation-by-profile and required-profiles say where validation is another one.
    #[arg(long, value_name = "FILE")]
    pub config: Option<String>,
    /// What is logged: error, warn, info, debug or trace, or directives such as
    /// `info,andiron::storage=debug`.
    #[arg(long, value_name = "LEVEL")]
    pub log: Option<String>,
    /// How it is logged, on standard error: text or json.
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
}

/// What matters to everything that writes resources.
#[derive(Debug, Default, Args, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct WriteArgs {
    /// The URL under which clients reach the server; every absolute link begins with it. If
    /// not given, http:// and the address that is listened on.
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// How writes are validated: off, structure, or profile.
    #[arg(long, value_name = "MODE")]
    pub validation: Option<String>,
    /// How references are checked: off; write (a relative reference to nothing is refused);
    /// full (deleting what is referred to is refused as well).
    #[arg(long, value_name = "MODE")]
    pub referential_integrity: Option<String>,
    /// The FHIR base of another terminology server, asked for what is not known here.
    #[arg(long, value_name = "URL")]
    pub terminology_server: Option<String>,
    /// How long the other terminology server may take to answer.
    #[arg(long, value_name = "TIME")]
    pub terminology_time: Option<String>,
    /// Answers of the other terminology server that are kept.
    #[arg(long, value_name = "N")]
    pub terminology_cache: Option<String>,
    /// How long answers of the other terminology server are kept.
    #[arg(long, value_name = "TIME")]
    pub terminology_cache_time: Option<String>,
}

/// What a request may cost. Sizes are written like 500, 64KiB or 1GB, times like 500ms or 30s.
#[derive(Debug, Default, Args, Serialize)]
#[serde(rename_all = "kebab-case")]
#[command(next_help_heading = "Limits")]
pub struct LimitArgs {
    /// The size of a request body, decompressed; a larger one is answered 413.
    #[arg(long, value_name = "SIZE")]
    pub body_size: Option<String>,
    /// Entries of a batch or transaction; more are answered 413.
    #[arg(long, value_name = "N")]
    pub bundle_entries: Option<String>,
    /// How deep the arrays and objects of a body may be nested; deeper is answered 400.
    #[arg(long, value_name = "N")]
    pub json_depth: Option<String>,
    /// The size of the request target; a longer one is answered 414.
    #[arg(long, value_name = "SIZE")]
    pub url_length: Option<String>,
    /// Matches on a search page where the request has no _count.
    #[arg(long, value_name = "N")]
    pub page_size: Option<String>,
    /// Matches on a search page at most; a larger _count is capped.
    #[arg(long, value_name = "N")]
    pub max_page_size: Option<String>,
    /// Included resources on a search page at most.
    #[arg(long, value_name = "N")]
    pub max_includes: Option<String>,
    /// How long the database may work on one statement.
    #[arg(long, value_name = "TIME")]
    pub statement_time: Option<String>,
    /// How long the database may count the matches of a search; then the total is left out.
    #[arg(long, value_name = "TIME")]
    pub count_time: Option<String>,
    /// Requests in work at once; more are answered 503.
    #[arg(long, value_name = "N")]
    pub concurrent_requests: Option<String>,
    /// Resources that one conditional delete may remove.
    #[arg(long, value_name = "N")]
    pub max_conditional_delete: Option<String>,
}

#[derive(Debug, Default, Args, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ServeArgs {
    /// The address and port to listen on; port 0 takes any free port.
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<String>,
    /// Who may call: off (anybody, and then only on a loopback address), or smart (not there yet).
    #[arg(long, value_name = "MODE")]
    pub auth: Option<String>,
    /// Allow --auth off on an address that other machines can reach.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub insecure: Option<String>,
    /// Load fictional demo patients into an empty store.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub demo: Option<String>,
    #[command(flatten)]
    #[serde(flatten)]
    pub common: CommonArgs,
    #[command(flatten)]
    #[serde(flatten)]
    pub write: WriteArgs,
    #[command(flatten)]
    #[serde(flatten)]
    pub limits: LimitArgs,
}

#[derive(Debug, Default, Args, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct LoadArgs {
    /// Files, or folders searched for `.json` and `.ndjson`, each optionally `.gz`:
    /// Bundles, single resources, or one resource per line.
    #[arg(required = true, value_name = "PATH")]
    #[serde(skip)]
    pub paths: Vec<PathBuf>,
    /// Load through a running server, such as http://127.0.0.1:8080/fhir, instead of straight
    /// into the database.
    #[arg(long, value_name = "URL")]
    #[serde(skip)]
    pub server: Option<String>,
    /// Files loaded at the same time [default: one per processor, 4 with --server].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    #[serde(skip)]
    pub workers: Option<u16>,
    /// Load files again that an earlier run has loaded completely.
    #[arg(long)]
    #[serde(skip)]
    pub again: bool,
    #[command(flatten)]
    #[serde(flatten)]
    pub common: CommonArgs,
    #[command(flatten)]
    #[serde(flatten)]
    pub write: WriteArgs,
}

#[derive(Debug, Default, Args, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ReindexArgs {
    /// A resource type, such as Observation; may be repeated [default: all].
    #[arg(long = "type", value_name = "TYPE")]
    #[serde(skip)]
    pub types: Vec<String>,
    #[command(flatten)]
    #[serde(flatten)]
    pub common: CommonArgs,
    #[command(flatten)]
    #[serde(flatten)]
    pub write: WriteArgs,
}

/// A package is a .tgz file as it is published; nothing is ever fetched.
#[derive(Debug, Args)]
pub struct PackageArgs {
    #[command(subcommand)]
    pub action: PackageAction,
}

#[derive(Debug, Subcommand)]
pub enum PackageAction {
    /// Install packages with what they need: all of it, or nothing.
    Add(Box<PackageAddArgs>),
    /// Say which packages are installed, and what they miss.
    List(Box<PlainArgs>),
    /// Take a package out; resources that were changed since they came stay.
    Remove(Box<PackageRemoveArgs>),
}

#[derive(Debug, Default, Args, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PackageAddArgs {
    /// Packages. What they need is looked for among those that are installed, then among these
    /// and the other .tgz files of their folders.
    #[arg(required = true, value_name = "FILE")]
    #[serde(skip)]
    pub files: Vec<PathBuf>,
    /// Do without this package where it is needed and not there; may be repeated. What it
    /// defines is then not known: profiles and value sets that name it are checked in part.
    #[arg(long, value_name = "NAME")]
    #[serde(skip)]
    pub without_dependency: Vec<String>,
    #[command(flatten)]
    #[serde(flatten)]
    pub common: CommonArgs,
    #[command(flatten)]
    #[serde(flatten)]
    pub write: WriteArgs,
}

#[derive(Debug, Default, Args, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PackageRemoveArgs {
    /// Name and version as `andiron package list` tells them: hl7.fhir.us.core#6.1.0.
    #[arg(value_name = "NAME#VERSION")]
    #[serde(skip)]
    pub package: String,
    #[command(flatten)]
    #[serde(flatten)]
    pub common: CommonArgs,
    #[command(flatten)]
    #[serde(flatten)]
    pub write: WriteArgs,
}

#[derive(Debug, Default, Args, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PlainArgs {
    #[command(flatten)]
    #[serde(flatten)]
    pub common: CommonArgs,
}

#[derive(Debug, Args)]
pub struct TerminologyArgs {
    #[command(subcommand)]
    pub command: TerminologyCommand,
}

impl TerminologyArgs {
    /// Where the database is.
    pub fn plain(&self) -> PlainArgs {
        let common = match &self.command {
            TerminologyCommand::Load(load) => &load.common,
            TerminologyCommand::List(list) => &list.common,
            TerminologyCommand::Remove(remove) => &remove.common,
        };
        PlainArgs {
            common: common.clone(),
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum TerminologyCommand {
    /// Load a version of a code system; one that is loaded already is left alone.
    Load(Box<TerminologyLoadArgs>),
    /// List the code systems that are loaded.
    List(Box<PlainArgs>),
    /// Take a version of a code system away.
    Remove(Box<TerminologyRemoveArgs>),
}

#[derive(Debug, Default, Args)]
pub struct TerminologyLoadArgs {
    /// What it is: snomed (RF2 snapshot), loinc (Loinc.csv and accessory files), rxnorm (RRF),
    /// icd10cm (the order file), or csv (columns code, display, definition, parent, inactive,
    /// abstract, designation:LANGUAGE; any other is a property).
    #[arg(value_name = "KIND")]
    pub kind: String,
    /// The unpacked folder of the release, its .zip, or its files.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// The canonical URL of the code system (csv).
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// The version, where the files do not tell it or tell another.
    #[arg(long, value_name = "VERSION")]
    pub version: Option<String>,
    /// The name of the code system.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// The language of the displays (csv).
    #[arg(long, value_name = "TAG")]
    pub language: Option<String>,
    /// The language reference set whose preferred terms are the displays (snomed)
    /// [default: US English, else GB English].
    #[arg(long, value_name = "ID")]
    pub display_refset: Option<String>,
    /// Codes that differ in case are the same (csv).
    #[arg(long)]
    pub any_case: bool,
    #[command(flatten)]
    pub common: CommonArgs,
}

#[derive(Debug, Default, Args)]
pub struct TerminologyRemoveArgs {
    /// The code system as URL|VERSION; without a version, the default one.
    #[arg(value_name = "CANONICAL")]
    pub canonical: String,
    #[command(flatten)]
    pub common: CommonArgs,
}

/// Doctor takes what `serve` takes, since it judges how a server would start.
#[derive(Debug, Default, Args, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct DoctorArgs {
    #[command(flatten)]
    #[serde(flatten)]
    pub serve: ServeArgs,
}
