//! The command line: what the user types, and what each subcommand does with it.
//!
//! ```text
//! arguments -> sources -> options -> serve | load | package | reindex | migrate | doctor
//!     |                              validate: no options, no database
//!   clap        merging    judging
//! ```
//!
//! Commands print what they are asked for on standard output and everything else on standard
//! error. Exit status: 0 done, 1 it failed, 2 it was not understood or is not there yet.

pub mod arguments;
pub mod compile_definitions;
mod database;
mod demo;
mod doctor;
mod load;
mod logging;
mod migrate;
pub mod options;
mod overrides;
mod package;
mod reindex;
mod serve;
mod sources;
mod stop;
pub mod terminology;
mod validate;
mod values;

use arguments::{Command, CommandLine, PackageAction};
use clap::{Arg, CommandFactory, FromArgMatches};
use options::Problems;
use sources::{find_default, process_environment, variables};
use std::ffi::OsString;
use std::fmt::Display;
use std::process::ExitCode;

/// Why a command ended without success, in words for the person who typed it.
#[derive(Debug)]
pub struct Failure {
    /// Whole lines; empty where everything was said already.
    pub text: String,
    pub status: u8,
}

impl Failure {
    pub fn new(text: impl Display) -> Failure {
        Failure {
            text: text.to_string(),
            status: 1,
        }
    }

    /// The command line or the configuration was not understood.
    pub fn usage(problems: Problems) -> Failure {
        let lines: Vec<String> = problems
            .iter()
            .map(|problem| format!("\n  {problem}"))
            .collect();
        Failure {
            text: format!("cannot start with these options:{}", lines.concat()),
            status: 2,
        }
    }
}

impl From<crate::error::Error> for Failure {
    /// On the command line there is no log to look into, so the cause is told too.
    fn from(error: crate::error::Error) -> Failure {
        match &error.source {
            Some(source) => Failure::new(format!("{error} ({source})")),
            None => Failure::new(error),
        }
    }
}

impl From<crate::storage::cluster::ClusterError> for Failure {
    fn from(error: crate::storage::cluster::ClusterError) -> Failure {
        Failure::new(error)
    }
}

/// Runs the command in `line`, the program's name included.
pub fn run(line: impl IntoIterator<Item = OsString>) -> ExitCode {
    let parsed = command()
        .try_get_matches_from(line)
        .and_then(|matches| CommandLine::from_arg_matches(&matches));
    let parsed = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            // Help and version are "errors" of clap's that go to standard output.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    match dispatch(parsed.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.text.is_empty() {
                eprintln!("andiron: {}", failure.text);
            }
            ExitCode::from(failure.status)
        }
    }
}

/// The commands with their help, to which defaults and variables are added from the one table
/// that is also used to read them.
fn command() -> clap::Command {
    CommandLine::command()
        .mut_subcommands(|subcommand| described(subcommand).mut_subcommands(described))
}

fn described(command: clap::Command) -> clap::Command {
    command.next_line_help(true).mut_args(describe)
}

fn describe(argument: Arg) -> Arg {
    let known = options::known();
    let Some(name) = argument
        .get_long()
        .filter(|name| known.iter().any(|k| k == name))
    else {
        return argument;
    };
    let mut text = argument
        .get_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    text = text.trim_end_matches('.').to_owned();
    if let Some(default) = find_default(name) {
        text.push_str(&format!(" [default: {default}]"));
    }
    text.push_str(&format!(" [env: {}]", variables(name).join(", ")));
    argument.help(text)
}

fn dispatch(command: Command) -> Result<(), Failure> {
    let environment = &process_environment;
    match command {
        Command::Serve(args) => {
            let options = options::serve(&args, environment).map_err(Failure::usage)?;
            logging::start(&options.log);
            block_on(serve::run(options))
        }
        Command::Load(args) => {
            let options = options::load(&args, environment).map_err(Failure::usage)?;
            logging::start(&options.log);
            block_on(load::run(&args, options))
        }
        Command::Reindex(args) => {
            let options = options::reindex(&args, environment).map_err(Failure::usage)?;
            logging::start(&options.log);
            block_on(reindex::run(options))
        }
        Command::Migrate(args) => {
            let options = options::plain(&args, environment).map_err(Failure::usage)?;
            logging::start(&options.log);
            block_on(migrate::run(options))
        }
        Command::Doctor(args) => {
            let (options, serve) = options::doctor(&args, environment);
            logging::start(&options.log);
            block_on(doctor::run(options, serve))
        }
        Command::CompileDefinitions { source, out } => {
            compile_definitions::run(&source, &out).map_err(Failure::new)
        }
        Command::Package(args) => package_command(args.action),
        Command::Terminology(args) => {
            let options =
                options::terminology(&args.plain(), environment).map_err(Failure::usage)?;
            logging::start(&options.log);
            block_on(terminology::run(&args, options))
        }
        Command::Client(_) => not_yet("client"),
        Command::User(_) => not_yet("user"),
        Command::Validate(args) => validate::run(&args),
        Command::Fhirpath(_) => not_yet("fhirpath"),
    }
}

fn package_command(action: PackageAction) -> Result<(), Failure> {
    let environment = &process_environment;
    let options = match &action {
        PackageAction::Add(args) => options::package(args, environment),
        PackageAction::List(args) => options::package(args, environment),
        PackageAction::Remove(args) => options::package(args, environment),
    };
    let options = options.map_err(Failure::usage)?;
    logging::start(&options.log);
    block_on(package::run(action, options))
}

fn not_yet(command: &str) -> Result<(), Failure> {
    Err(Failure {
        text: format!(
            "`andiron {command}` is not there yet in version {}",
            env!("CARGO_PKG_VERSION")
        ),
        status: 2,
    })
}

fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start threads: {error}")))?;
    let outcome = runtime.block_on(command);
    // What is still going on belongs to nobody any more.
    runtime.shutdown_background();
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_well_formed() {
        command().debug_assert();
    }

    #[test]
    fn help_tells_defaults_and_variables() {
        let mut command = command();
        let serve = command.find_subcommand_mut("serve").expect("serve");
        let help = serve.render_long_help().to_string();
        for says in [
            "[default: 127.0.0.1:8080] [env: ANDIRON_LISTEN]",
            "[env: ANDIRON_DATABASE_URL, DATABASE_URL]",
            "[default: 64MiB] [env: ANDIRON_BODY_SIZE]",
            "--max-conditional-delete <N>",
        ] {
            assert!(help.contains(says), "{says}: {help}");
        }
    }

    #[test]
    fn commands_to_come_say_so() {
        for line in ["fhirpath --output json x", "fhirpath --help", "user"] {
            let line = format!("andiron {line}");
            let parsed = CommandLine::command()
                .try_get_matches_from(line.split(' '))
                .and_then(|matches| CommandLine::from_arg_matches(&matches))
                .expect(&line);
            let failure = dispatch(parsed.command).expect_err("not there yet");
            assert_eq!(failure.status, 2);
            assert!(failure.text.contains("not there yet"), "{}", failure.text);
        }
    }
}
