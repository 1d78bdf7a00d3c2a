//! `andiron migrate`: brings the schema up to date and says what it did.

use super::Failure;
use super::database::Database;
use super::options::Plain;
use crate::storage::migrate;

pub async fn run(options: Plain) -> Result<(), Failure> {
    let database = Database::open(&options.place, &|text| eprintln!("{text}")).await?;
    let outcome = migrate::run(&database.connect).await;
    database.close().await?;
    let report = outcome?;
    for title in &report.applied {
        println!("applied {title}");
    }
    match report.applied.len() {
        0 => println!("the schema is up to date (version {})", report.version),
        _ => println!("the schema is now at version {}", report.version),
    }
    Ok(())
}
