//! `andiron doctor`: checks the installation and says what is wrong.
//!
//! It changes nothing: a managed cluster that does not run is started for a moment to look at
//! its schema, one that does not exist is not made.

use super::Failure;
use super::database::Database;
use super::options::{Plain, Problems, Serve};
use crate::definitions::Definitions;
use crate::storage::{cluster, migrate};
use std::time::Instant;

/// One line of the table: what was looked at, and what was found, fine or not.
type Check = (String, Result<String, String>);

pub async fn run(options: Plain, serve: Result<Serve, Problems>) -> Result<(), Failure> {
    let mut checks = check_options(&serve);
    checks.push(check_definitions());
    match &options.place.database {
        Some(_) => checks.push((
            "database".to_owned(),
            Ok("not ours: --database-url".to_owned()),
        )),
        None => checks.extend(cluster::inspect(&options.place.data_dir).await),
    }
    let exists = !checks.iter().any(|(name, finding)| {
        name == "database"
            && finding
                .as_ref()
                .is_ok_and(|text| text.ends_with("will be created"))
    });
    checks.push(match exists {
        true => (
            "schema".to_owned(),
            check_schema(&options, serve.as_ref().ok()).await,
        ),
        false => ("schema".to_owned(), Ok("will be created".to_owned())),
    });
    print!("{}", table(&checks));
    let problems = checks
        .iter()
        .filter(|(_, finding)| finding.is_err())
        .count();
    match problems {
        0 => Ok(()),
        _ => Err(Failure {
            text: format!("{problems} of {} checks found a problem", checks.len()),
            status: 1,
        }),
    }
}

fn check_options(serve: &Result<Serve, Problems>) -> Vec<Check> {
    match serve {
        Ok(serve) => vec![(
            "options".to_owned(),
            Ok(format!("a server would listen on {}", serve.listen)),
        )],
        Err(problems) => problems
            .iter()
            .map(|problem| ("options".to_owned(), Err(problem.clone())))
            .collect(),
    }
}

fn check_definitions() -> Check {
    let begun = Instant::now();
    let definitions = Definitions::r4();
    let types = definitions.resource_types().len();
    let milliseconds = begun.elapsed().as_millis();
    let finding = match types {
        0 => Err("there are no resource types: the program was built badly".to_owned()),
        _ => Ok(format!(
            "R4 with {types} resource types, read in {milliseconds} ms"
        )),
    };
    ("definitions".to_owned(), finding)
}

/// Connects and compares the schema with this program's.
async fn check_schema(options: &Plain, serve: Option<&Serve>) -> Result<String, String> {
    let database = match Database::open(&options.place, &|_| {}).await {
        Ok(database) => database,
        Err(failure) if failure.text.contains("in use by another Andiron") => {
            return match serve {
                Some(serve) => check_server(serve).await,
                None => Ok("not looked at: another Andiron uses the database".to_owned()),
            };
        }
        Err(failure) => return Err(failure.text),
    };
    let pending = migrate::pending(&database.connect).await;
    database.close().await.map_err(|failure| failure.text)?;
    match pending {
        Ok(pending) if pending.is_empty() => Ok("reachable and up to date".to_owned()),
        Ok(pending) => Ok(format!(
            "reachable; the next start or `andiron migrate` will apply {}",
            pending.join(", ")
        )),
        Err(error) => match &error.source {
            Some(source) => Err(format!("{error} ({source})")),
            None => Err(error.to_string()),
        },
    }
}

/// Asks the Andiron that holds the database whether it is well.
async fn check_server(serve: &Serve) -> Result<String, String> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut address = serve.listen;
    if address.ip().is_unspecified() {
        address.set_ip(match address.is_ipv4() {
            true => std::net::Ipv4Addr::LOCALHOST.into(),
            false => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    let url = format!("http://{address}/health/ready");
    match reqwest::get(&url).await {
        Ok(answer) if answer.status().is_success() => Ok(format!(
            "in use by the Andiron at {address}, which is ready"
        )),
        Ok(answer) => Err(format!(
            "in use by the Andiron at {address}, which is not ready ({}); see its log",
            answer.status()
        )),
        Err(_) => Ok(format!(
            "not looked at: another Andiron uses the database, and it does not listen on {address}"
        )),
    }
}

fn table(checks: &[Check]) -> String {
    let mut text = String::new();
    for (name, finding) in checks {
        let (verdict, finding) = match finding {
            Ok(finding) => ("ok", finding),
            Err(finding) => ("PROBLEM", finding),
        };
        // What follows in a finding of several lines is advice: it stays in its column.
        let finding = finding.trim_end().replace('\n', &format!("\n{:26}", ""));
        text.push_str(&format!("{verdict:<8} {name:<16} {finding}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_stays_in_its_column() {
        let checks = [
            ("options".to_owned(), Ok("fine".to_owned())),
            ("schema".to_owned(), Err("too new\nUse another.".to_owned())),
        ];
        let expected = "ok       options          fine\n\
                        PROBLEM  schema           too new\n                          Use another.\n";
        assert_eq!(table(&checks), expected);
    }
}
