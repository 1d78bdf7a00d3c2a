//! From the sources of options to what the program runs with: every value is judged, and a
//! start that fails lists every problem at once.
//!
//! The options themselves, with their help, are in `arguments`; precedence is in `sources`.

use super::arguments::{CommonArgs, DoctorArgs, LoadArgs, PlainArgs, ReindexArgs, ServeArgs};
use super::sources::{Environment, Origin, Sources, names};
use super::values::{
    parse_address, parse_count, parse_http_url, parse_size, parse_switch, parse_time, parse_word,
};
use crate::config::{Integrity, Limits, Overrides, TerminologyServer, Validation};
use crate::fhir::ResourceType;
use sqlx::postgres::PgConnectOptions;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// Where the database is.
#[derive(Clone, Debug)]
pub struct Place {
    pub data_dir: PathBuf,
    /// A PostgreSQL that somebody else runs; `None` means our own under `data_dir`.
    pub database: Option<PgConnectOptions>,
    /// Connections at most.
    pub connections: u32,
}

/// What is logged and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    pub directives: String,
    pub json: bool,
}

/// What writes are held to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writing {
    /// Without a slash at its end; `None` means the address that is listened on.
    pub public_url: Option<String>,
    pub validation: Validation,
    pub overrides: Overrides,
    pub integrity: Integrity,
    pub terminology_server: Option<TerminologyServer>,
}

#[derive(Clone, Debug)]
pub struct Serve {
    pub listen: SocketAddr,
    pub demo: bool,
    pub place: Place,
    pub log: Log,
    pub writing: Writing,
    pub limits: Limits,
}

#[derive(Clone, Debug)]
pub struct Load {
    pub place: Place,
    pub log: Log,
    pub writing: Writing,
    /// The FHIR base of a running server, without a slash at its end.
    pub server: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Reindex {
    pub place: Place,
    pub log: Log,
    pub writing: Writing,
    /// Empty for all.
    pub types: Vec<ResourceType>,
}

#[derive(Clone, Debug)]
pub struct Package {
    pub place: Place,
    pub log: Log,
    pub writing: Writing,
}

#[derive(Clone, Debug)]
pub struct Plain {
    pub place: Place,
    pub log: Log,
}

/// Every problem of a start, each a sentence of its own.
pub type Problems = Vec<String>;

/// What `serve` runs with.
pub fn serve(args: &ServeArgs, environment: Environment) -> Result<Serve, Problems> {
    let mut sources = gather(args, environment);
    let listen = sources.take("listen", parse_address);
    let insecure = sources.take("insecure", parse_switch);
    sources.take("auth", |text| match text {
        "off" => Ok(()),
        "smart" => Err("`smart` is not there yet, expected off".to_owned()),
        _ => Err("expected off".to_owned()),
    });
    if !listen.ip().is_loopback() && !insecure {
        sources.problems.push(format!(
            "--listen: with --auth off anybody who reaches {listen} can read and change \
             everything; listen on a loopback address such as 127.0.0.1, or say --insecure"
        ));
    }
    let serve = Serve {
        listen,
        demo: sources.take("demo", parse_switch),
        place: place(&mut sources),
        log: log(&mut sources),
        writing: writing(&mut sources),
        limits: limits(&mut sources),
    };
    finish(sources, serve)
}

/// What `load` runs with.
pub fn load(args: &LoadArgs, environment: Environment) -> Result<Load, Problems> {
    let mut sources = gather(args, environment);
    let mut log = log(&mut sources);
    // Lines of the log would tear the progress bar: only what somebody asked for, or what
    // needs attention. That a statement takes long does not, since here some are long.
    if sources.origin("log") == Origin::Default {
        log.directives = "warn,sqlx::query=error".to_owned();
    }
    let server = args.server.as_deref().and_then(|url| {
        let parsed = parse_http_url(url);
        parsed
            .map_err(|expected| {
                sources
                    .problems
                    .push(format!("--server: {expected} but found {url:?}"))
            })
            .ok()
    });
    let load = Load {
        place: place(&mut sources),
        log,
        writing: writing(&mut sources),
        server,
    };
    finish(sources, load)
}

/// What `reindex` runs with.
pub fn reindex(args: &ReindexArgs, environment: Environment) -> Result<Reindex, Problems> {
    let mut sources = gather(args, environment);
    let mut log = log(&mut sources);
    // As with `load`: the progress is what there is to see.
    if sources.origin("log") == Origin::Default {
        log.directives = "warn,sqlx::query=error".to_owned();
    }
    let mut types = Vec::new();
    for name in &args.types {
        match ResourceType::parse(name) {
            Some(kind) => types.push(kind),
            None => sources.problems.push(format!(
                "--type: expected a resource type but found {name:?}"
            )),
        }
    }
    let reindex = Reindex {
        place: place(&mut sources),
        log,
        writing: writing(&mut sources),
        types,
    };
    finish(sources, reindex)
}

/// What the commands of packages run with.
pub fn package(
    args: &impl serde::Serialize,
    environment: Environment,
) -> Result<Package, Problems> {
    let mut sources = gather(args, environment);
    let mut log = log(&mut sources);
    // As with `load`: what there is to say is printed.
    if sources.origin("log") == Origin::Default {
        log.directives = "warn,sqlx::query=error".to_owned();
    }
    let package = Package {
        place: place(&mut sources),
        log,
        writing: writing(&mut sources),
    };
    finish(sources, package)
}

/// What `migrate` runs with.
pub fn plain(args: &PlainArgs, environment: Environment) -> Result<Plain, Problems> {
    let mut sources = gather(args, environment);
    let plain = Plain {
        place: place(&mut sources),
        log: log(&mut sources),
    };
    finish(sources, plain)
}

/// What `terminology` runs with.
pub fn terminology(args: &PlainArgs, environment: Environment) -> Result<Plain, Problems> {
    let mut sources = gather(args, environment);
    let mut log = log(&mut sources);
    // As with `load`: the progress is what there is to see.
    if sources.origin("log") == Origin::Default {
        log.directives = "warn,sqlx::query=error".to_owned();
    }
    let plain = Plain {
        place: place(&mut sources),
        log,
    };
    finish(sources, plain)
}

/// What `doctor` looks at: the options of `serve`, and what is wrong with them. The places are
/// usable even where other options are not, so that the rest can still be looked at.
pub fn doctor(args: &DoctorArgs, environment: Environment) -> (Plain, Result<Serve, Problems>) {
    let mut sources = gather(args, environment);
    let plain = Plain {
        place: place(&mut sources),
        log: log(&mut sources),
    };
    (plain, serve(&args.serve, environment))
}

fn gather(args: &impl serde::Serialize, environment: Environment) -> Sources {
    Sources::gather(args, &known(), environment)
}

/// All options that a configuration file may hold: those of `serve` include every other's.
pub fn known() -> Vec<String> {
    let mut known = names(&ServeArgs::default());
    known.extend(names(&CommonArgs::default()));
    known
}

fn finish<T>(sources: Sources, options: T) -> Result<T, Problems> {
    match sources.problems.is_empty() {
        true => Ok(options),
        false => Err(sources.problems),
    }
}

fn place(sources: &mut Sources) -> Place {
    let connections = |text: &str| match text.parse() {
        Ok(number @ 2..=10_000) => Ok(number),
        _ => Err("expected a number from 2 to 10000".to_owned()),
    };
    Place {
        data_dir: sources.take("data-dir", |text| Ok(PathBuf::from(text))),
        database: sources.find("database-url", parse_database_url),
        connections: sources.take("connections", connections),
    }
}

fn parse_database_url(text: &str) -> Result<PgConnectOptions, String> {
    let expected = || "expected a URL such as postgres://user:password@host/database".to_owned();
    if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
        return Err(expected());
    }
    PgConnectOptions::from_str(text).map_err(|_| expected())
}

pub(super) const VALIDATION: [(&str, Validation); 3] = [
    ("off", Validation::Off),
    ("structure", Validation::Structure),
    ("profile", Validation::Profile),
];

fn writing(sources: &mut Sources) -> Writing {
    let integrity = [
        ("off", Integrity::Off),
        ("write", Integrity::Write),
        ("full", Integrity::Full),
    ];
    Writing {
        public_url: sources.find("public-url", parse_http_url),
        validation: sources.take("validation", |text| parse_word(text, &VALIDATION)),
        overrides: super::overrides::take(sources),
        integrity: sources.take("referential-integrity", |text| parse_word(text, &integrity)),
        terminology_server: terminology_server(sources),
    }
}

fn terminology_server(sources: &mut Sources) -> Option<TerminologyServer> {
    let time = sources.take("terminology-time", parse_time);
    let cached = sources.take("terminology-cache", |text| {
        text.parse()
            .map_err(|_| "expected a whole number from 0".to_owned())
    });
    let cache_time = sources.take("terminology-cache-time", parse_time);
    let url = sources.find("terminology-server", parse_http_url)?;
    Some(TerminologyServer {
        url,
        time,
        cached,
        cache_time,
    })
}

fn limits(sources: &mut Sources) -> Limits {
    let limits = Limits {
        body_size: sources.take("body-size", parse_size),
        bundle_entries: sources.take("bundle-entries", parse_count),
        json_depth: sources.take("json-depth", parse_depth),
        url_length: sources.take("url-length", parse_size),
        page_size: sources.take("page-size", parse_count),
        max_page_size: sources.take("max-page-size", parse_count),
        max_includes: sources.take("max-includes", parse_count),
        statement_time: sources.take("statement-time", parse_time),
        count_time: sources.take("count-time", parse_time),
        concurrent_requests: sources.take("concurrent-requests", parse_count),
        max_conditional_delete: sources.take("max-conditional-delete", parse_count),
    };
    if limits.page_size > limits.max_page_size {
        sources.problems.push(format!(
            "--page-size: expected no more than --max-page-size ({}) but found {}",
            limits.max_page_size, limits.page_size
        ));
    }
    limits
}

/// Whoever parses a nested body uses the stack for it, so that depth has an end.
fn parse_depth(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(depth @ 10..=500) => Ok(depth),
        _ => Err("expected a number from 10 to 500".to_owned()),
    }
}

fn log(sources: &mut Sources) -> Log {
    let directive = |text: &str| {
        let text = directives(text);
        match tracing_subscriber::EnvFilter::try_new(&text) {
            Ok(_) => Ok(text),
            Err(_) => Err("expected error, warn, info, debug, trace or directives".to_owned()),
        }
    };
    Log {
        directives: sources.take("log", directive),
        json: sources.take("log-format", |text| {
            parse_word(text, &[("text", false), ("json", true)])
        }),
    }
}

/// A bare level is about Andiron: what the libraries below say at `debug` would drown it, and
/// could hold more of a request than our own log does.
fn directives(text: &str) -> String {
    match text {
        "error" | "off" => text.to_owned(),
        "warn" | "info" | "debug" | "trace" => format!("warn,andiron={text}"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::arguments::{Command, CommandLine};
    use clap::Parser;

    fn nothing(_: &str) -> Option<String> {
        None
    }

    fn serve_with(flags: &[&str], environment: Environment) -> Result<Serve, Problems> {
        let line = [&["andiron", "serve"], flags].concat();
        match CommandLine::try_parse_from(line)
            .expect("clap takes it")
            .command
        {
            Command::Serve(args) => serve(&args, environment),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_defaults_are_those_of_the_limits() {
        let options = serve_with(&[], &nothing).expect("the defaults are fine");
        assert_eq!(
            format!("{:?}", options.limits),
            format!("{:?}", Limits::default())
        );
        assert_eq!(options.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(options.place.data_dir, PathBuf::from("./data"));
        assert!(options.place.database.is_none() && !options.demo);
        assert_eq!(options.writing.integrity, Integrity::Write);
        assert_eq!(options.writing.validation, Validation::Structure);
    }

    #[test]
    fn flags_win_over_variables_over_the_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("andiron.toml");
        std::fs::write(
            &file,
            "page-size = 5\njson-depth = 50\nbody-size = \"1KiB\"\ndemo = true\n",
        )
        .expect("written");
        let path = file.to_str().expect("UTF-8").to_owned();
        let environment = |name: &str| match name {
            "ANDIRON_CONFIG" => Some(path.clone()),
            "ANDIRON_PAGE_SIZE" => Some("6".to_owned()),
            "ANDIRON_JSON_DEPTH" => Some("60".to_owned()),
            _ => None,
        };
        let options = serve_with(&["--page-size", "7"], &environment).expect("fine");
        assert_eq!(options.limits.page_size, 7, "flag");
        assert_eq!(options.limits.json_depth, 60, "variable");
        assert_eq!(options.limits.body_size, 1024, "file");
        assert_eq!(options.limits.max_page_size, 1000, "default");
        assert!(options.demo);
        let options = serve_with(&["--demo=false"], &environment).expect("fine");
        assert!(!options.demo, "a switch can be turned off again");
    }

    #[test]
    fn the_database_is_found_in_either_variable() {
        let url = |host: &str| Some(format!("postgres://{host}/x"));
        type Case<'a> = (&'a [&'a str], &'a [&'a str], &'a str);
        let cases: [Case; 3] = [
            (
                &["--database-url", "postgres://flag/x"],
                &["ANDIRON_DATABASE_URL"],
                "flag",
            ),
            (
                &[],
                &["ANDIRON_DATABASE_URL", "DATABASE_URL"],
                "ANDIRON_DATABASE_URL",
            ),
            (&[], &["DATABASE_URL"], "DATABASE_URL"),
        ];
        for (flags, set, host) in cases {
            let environment = |name: &str| set.contains(&name).then(|| url(name)).flatten();
            let options = serve_with(flags, &environment).expect("fine");
            let database = options.place.database.expect("a database");
            assert_eq!(database.get_host().to_lowercase(), host.to_lowercase());
        }
    }

    #[test]
    fn all_problems_are_listed_at_once() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("andiron.toml");
        std::fs::write(&file, "page-sise = 5\nmax-includes = 1.5\n").expect("written");
        let path = file.to_str().expect("UTF-8");
        let environment = |name: &str| (name == "ANDIRON_LOG_FORMAT").then(|| "xml".to_owned());
        let flags = [
            "--config",
            path,
            "--listen",
            "0.0.0.0:80",
            "--auth",
            "smart",
            "--validation",
            "strict",
            "--body-size",
            "big",
            "--database-url",
            "postgres:secret",
            "--page-size",
            "2000",
        ];
        let problems = serve_with(&flags, &environment).expect_err("many problems");
        let expected = [
            "there is no option `page-sise`",
            "`max-includes`: expected a string, a number or a boolean but found float",
            "--auth: `smart` is not there yet",
            "say --insecure",
            "--validation: expected",
            "--body-size: expected a size such as 65536, 64KiB or 64MB but found \"big\"",
            "--database-url: expected a URL",
            "ANDIRON_LOG_FORMAT: expected text or json but found \"xml\"",
            "--page-size: expected no more than --max-page-size (1000)",
        ];
        for says in expected {
            assert!(
                problems.iter().any(|problem| problem.contains(says)),
                "{says}: {problems:#?}"
            );
        }
        assert_eq!(problems.len(), expected.len(), "{problems:#?}");
        assert!(!problems.concat().contains("secret"));
    }

    #[test]
    fn only_loopback_is_served_without_auth() {
        for (listen, flags, fine) in [
            ("127.0.0.1:8080", &[][..], true),
            ("127.9.9.9:0", &[], true),
            ("[::1]:8080", &[], true),
            ("0.0.0.0:8080", &[], false),
            ("[::]:8080", &[], false),
            ("192.0.2.1:8080", &[], false),
            ("0.0.0.0:8080", &["--insecure"], true),
            ("0.0.0.0:8080", &["--insecure=false"], false),
        ] {
            let flags = [&["--listen", listen], flags].concat();
            assert_eq!(serve_with(&flags, &nothing).is_ok(), fine, "{flags:?}");
        }
    }
}
