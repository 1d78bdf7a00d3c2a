//! `andiron package`: installs FHIR packages from files, says which there are, takes one out.
//!
//! It works on the database, beside servers that run on the same one, which take over what has
//! changed by themselves. A server with a database of its own is asked over HTTP instead:
//! `POST [base]/$install-package`.

use super::Failure;
use super::arguments::{PackageAction, PackageAddArgs, PackageRemoveArgs};
use super::database::Database;
use super::options::Package as Options;
use super::serve::open_hub;
use crate::access::Access;
use crate::config::Limits;
use crate::interaction::Hub;
use crate::jobs::{self, Work};
use crate::operation::install_package::{self, Outcome};
use crate::operation::remove_package::{self, Removed};
use crate::package::{Bounds, Manifest, Package, order};
use crate::storage::migrate;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub async fn run(action: PackageAction, options: Options) -> Result<(), Failure> {
    // Before a database is opened: what is no package fails at once.
    let given = match &action {
        PackageAction::Add(args) => read_all(&args.files)?,
        _ => Vec::new(),
    };
    let database = Database::open(&options.place, &|text| eprintln!("{text}"))
        .await
        .map_err(advise_server)?;
    let outcome = with(&database, &action, given, &options).await;
    let closed = database.close().await;
    outcome.and(closed)
}

async fn with(
    database: &Database,
    action: &PackageAction,
    given: Vec<Package>,
    options: &Options,
) -> Result<(), Failure> {
    migrate::run(&database.connect).await?;
    let limits = Limits {
        statement_time: Duration::from_secs(600),
        ..Limits::default()
    };
    let url = options.writing.public_url.as_deref();
    let url = url.unwrap_or("http://127.0.0.1:8080");
    let (connect, connections) = (database.connect.clone(), options.place.connections);
    let hub = open_hub(connect, connections, &options.writing, &limits, url).await?;
    let outcome = match action {
        PackageAction::List(_) => list(&hub).await,
        PackageAction::Add(args) => {
            let background = jobs::start(&hub, Work::No).await?;
            let outcome = add(&hub, args, given).await;
            background.stop().await;
            outcome
        }
        PackageAction::Remove(args) => {
            let background = jobs::start(&hub, Work::No).await?;
            let outcome = remove(&hub, args).await;
            background.stop().await;
            outcome
        }
    };
    hub.store.close().await;
    outcome
}

fn read_all(files: &[PathBuf]) -> Result<Vec<Package>, Failure> {
    let mut packages = Vec::with_capacity(files.len());
    let mut problems = Vec::new();
    for path in files {
        match open(path).and_then(|file| Package::read(file, &Bounds::default())) {
            Ok(package) => packages.push(package),
            Err(error) => problems.push(format!("{}: {error}", path.display())),
        }
    }
    match problems.is_empty() {
        true => Ok(packages),
        false => Err(Failure::new(problems.join("\n"))),
    }
}

fn open(path: &Path) -> Result<BufReader<File>, String> {
    let file = File::open(path).map_err(|error| format!("it cannot be opened: {error}"))?;
    Ok(BufReader::new(file))
}

async fn add(hub: &Arc<Hub>, args: &PackageAddArgs, given: Vec<Package>) -> Result<(), Failure> {
    let access = Access::unrestricted();
    let installed = install_package::installed(hub, &access).await?;
    let known: Vec<(String, String)> = installed
        .into_iter()
        .map(|one| (one.name, one.version))
        .collect();
    let without = &args.without_dependency;
    let asked: Vec<Manifest> = given.iter().map(|one| one.manifest.clone()).collect();
    let (mut places, mut missing) = order(&asked, &[], &known, &[]);
    let mut beside = Vec::new();
    if !missing.is_empty() {
        beside = lying_beside(&args.files);
        let manifests: Vec<Manifest> = beside.iter().map(|(_, one)| one.clone()).collect();
        (places, missing) = order(&asked, &manifests, &known, without);
    }
    if !missing.is_empty() {
        return Err(refused(install_package::refusal(&missing)));
    }
    let mut given: Vec<Option<Package>> = given.into_iter().map(Some).collect();
    let mut packages = Vec::with_capacity(places.len());
    for place in places {
        match given.get_mut(place) {
            Some(package) => packages.extend(package.take()),
            None => {
                let (path, _) = &beside[place - asked.len()];
                packages.extend(read_all(std::slice::from_ref(path))?);
            }
        }
    }
    let outcomes = install_package::install(hub, &access, packages, without).await;
    for outcome in outcomes.map_err(refused)? {
        tell(&outcome);
    }
    Ok(())
}

/// The packages in the folders of these files, the files themselves left out. What is none is
/// passed over: nobody has asked for it.
fn lying_beside(files: &[PathBuf]) -> Vec<(PathBuf, Manifest)> {
    let folder = |path: &PathBuf| match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    };
    let mut folders: Vec<PathBuf> = files.iter().map(folder).collect();
    folders.sort();
    folders.dedup();
    let same = |path: &Path| {
        let path = path.canonicalize().ok();
        path.is_some() && files.iter().any(|file| file.canonicalize().ok() == path)
    };
    let mut found = Vec::new();
    for folder in folders {
        let entries = std::fs::read_dir(folder).into_iter().flatten();
        let mut paths: Vec<PathBuf> = entries.filter_map(|one| Some(one.ok()?.path())).collect();
        paths.sort();
        for path in paths {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let is_package = name.ends_with(".tgz") || name.ends_with(".tar.gz");
            if !is_package || same(&path) {
                continue;
            }
            let read = |file| Package::read_manifest(file, &Bounds::default());
            if let Ok(manifest) = open(&path).and_then(read) {
                found.push((path, manifest));
            }
        }
    }
    found
}

fn tell(outcome: &Outcome) {
    let Outcome { name, version, .. } = outcome;
    match outcome.is_new {
        false => println!("{name}#{version} was installed before"),
        true => {
            let stored: usize = outcome.stored.values().sum();
            println!("installed {name}#{version}: {stored} resources");
            for (kind, count) in &outcome.stored {
                println!("  {count:>5} {kind}");
            }
        }
    }
    if outcome.is_new && outcome.parameters > 0 {
        println!(
            "  {} of the search parameters are new here; what is stored already is indexed by a \
             server that runs, or the next that does",
            outcome.parameters
        );
    }
    if outcome.is_new && outcome.examples > 0 {
        println!("  {} examples are left out", outcome.examples);
    }
    for dependency in &outcome.missing {
        println!("  without {} {}", dependency.name, dependency.wanted);
    }
    for issue in &outcome.issues {
        println!("  {}: {}", issue.severity.code(), issue.text);
    }
}

async fn list(hub: &Hub) -> Result<(), Failure> {
    let installed = install_package::installed(hub, &Access::unrestricted()).await?;
    let known: Vec<(String, String)> = installed
        .iter()
        .map(|one| (one.name.clone(), one.version.clone()))
        .collect();
    for one in &installed {
        println!(
            "{}#{}  {} resources, {}",
            one.name, one.version, one.resources, one.installed
        );
        for dependency in install_package::missing(&one.dependencies, &known) {
            println!("  missing: {} {}", dependency.name, dependency.wanted);
        }
    }
    if installed.is_empty() {
        println!("no package is installed");
    }
    Ok(())
}

async fn remove(hub: &Hub, args: &PackageRemoveArgs) -> Result<(), Failure> {
    let Some((name, version)) = args.package.split_once('#') else {
        return Err(Failure::new(format!(
            "expected a name and a version such as hl7.fhir.us.core#6.1.0 but found {:?}",
            args.package
        )));
    };
    let access = Access::unrestricted();
    let Removed { deleted, kept } = remove_package::remove(hub, &access, name, version).await?;
    println!("removed {name}#{version}: {deleted} resources");
    for reference in kept {
        println!("  {reference} was changed here and stays");
    }
    Ok(())
}

/// Every problem on a line of its own.
fn refused(error: crate::error::Error) -> Failure {
    if error.source.is_some() {
        return error.into();
    }
    let lines: Vec<&str> = error.issues.iter().map(|one| one.text.as_str()).collect();
    let text = lines.join("\n  ");
    Failure::new(text.replace("(without-dependency)", "(--without-dependency NAME)"))
}

fn advise_server(failure: Failure) -> Failure {
    match failure.text.contains("in use by another Andiron") {
        true => Failure::new(format!(
            "{}\nTo have that one do it, POST the package to $install-package below its FHIR base",
            failure.text
        )),
        false => failure,
    }
}
