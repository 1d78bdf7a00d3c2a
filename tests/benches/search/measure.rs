//! One shape after the other on one database: the first answer after a start, whether the answers
//! are right, then as fast as they come, with one client and with several, beside the floor.

use crate::client::{Connection, write_request};
use crate::dataset::Dataset;
use crate::drive::{self, Run, Target};
use crate::floor::{self, Names};
use crate::process::{self, Postmaster};
use crate::report::{Outcome, Row, Section};
use crate::shapes::{self, Ask, Shape, Source};
use crate::{Options, Result, truth};
use andiron::search::registry::Registry;
use std::time::{Duration, Instant};

/// Answers per shape that are compared with the facts.
const CHECKED: usize = 5;

/// A shape that takes longer than this is not asked by several clients at once.
const SLOW: f64 = 1_500.0;

/// Everything on one database.
pub async fn measure(options: &Options, registry: &Registry, dataset: &Dataset) -> Result<Section> {
    let source = Source {
        world: &dataset.world,
        names: Names(registry),
        layout: dataset.layout,
    };
    let mut all = shapes::all(&source);
    all.retain(|shape| options.wants(shape.name));
    let server = process::serve(&dataset.data(), &dataset.log(), options.connections).await?;
    let target = Target {
        address: server.address,
        pid: server.pid(),
        postmaster: Postmaster::find(&dataset.data())?,
    };
    let (idle, _) = process::memory(target.pid);
    // First all the first answers, while nothing has been read yet.
    let mut firsts = Vec::new();
    for shape in &all {
        firsts.push(first(&target, shape).await);
    }
    let mut rows = Vec::new();
    for (shape, first) in all.iter_mut().zip(firsts) {
        let row = row(options, &target, dataset, shape, first).await?;
        eprintln!("  {}", row.brief());
        rows.push(row);
    }
    let (memory, most) = process::memory(target.pid);
    Ok(Section {
        title: dataset.to_string(),
        size: dataset.size,
        rows,
        memory: [idle, memory, most],
    })
}

/// Writes the request of an ask.
fn write(request: &mut Vec<u8>, ask: &Ask) {
    let path = match ask.path.starts_with('/') {
        true => ask.path.clone(),
        false => format!("/fhir/{}", ask.path),
    };
    match &ask.form {
        None => write_request(request, "GET", &path, &[]),
        Some(form) => {
            request.clear();
            let head = format!(
                "POST {path} HTTP/1.1\r\nhost: bench\r\naccept: application/fhir+json\r\n\
                 content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
                form.len()
            );
            request.extend_from_slice(head.as_bytes());
        }
    }
}

/// Milliseconds until the answer, its status and its body.
async fn send(target: &Target, ask: &Ask) -> Result<(f64, u16, Vec<u8>)> {
    let mut connection = Connection::open(target.address).await?;
    let mut request = Vec::new();
    write(&mut request, ask);
    let begun = Instant::now();
    let reply = connection.send(&request).await?;
    let taken = begun.elapsed().as_secs_f64() * 1000.0;
    Ok((taken, reply.status, reply.body.to_vec()))
}

/// The first answer of a shape: how long it took, or why there is none.
async fn first(target: &Target, shape: &Shape) -> Result<f64, Outcome> {
    let failed = |failure: crate::Failure| Outcome::Failed(failure.to_string());
    let Some(ask) = shape.asks.last() else {
        return Err(Outcome::Failed(
            "nothing to ask for at this size".to_owned(),
        ));
    };
    let (taken, status, body) = send(target, ask).await.map_err(failed)?;
    match status {
        200 => Ok(taken),
        400 | 501 => Err(Outcome::Refused),
        _ => {
            let start: String = String::from_utf8_lossy(&body).chars().take(300).collect();
            Err(Outcome::Failed(format!("{status} {start}")))
        }
    }
}

async fn row(
    options: &Options,
    target: &Target,
    dataset: &Dataset,
    shape: &mut Shape,
    first: Result<f64, Outcome>,
) -> Result<Row> {
    let mut row = Row::new(shape);
    match first {
        Ok(taken) => row.cold = Some(taken),
        Err(outcome) => {
            row.outcome = outcome;
            if options.floors && !shape.asks.is_empty() {
                measure_floor(options, target, dataset, shape, &mut row).await;
            }
            return Ok(row);
        }
    }
    if let Err(failure) = follow(target, shape).await {
        row.outcome = Outcome::Failed(failure.to_string());
        return Ok(row);
    }
    match check(target, dataset, shape).await {
        Ok(resources) => row.resources = resources,
        Err(failure) => row.outcome = Outcome::Wrong(failure.to_string()),
    }
    let time = options.seconds();
    match run(target, shape, 1, time).await {
        Ok(run) => row.alone = Some(run),
        Err(failure) => {
            row.outcome = Outcome::Failed(failure.to_string());
            return Ok(row);
        }
    }
    if row.p50().is_some_and(|p50| p50 < SLOW) {
        row.together = run(target, shape, options.clients, time).await.ok();
    }
    if options.floors {
        measure_floor(options, target, dataset, shape, &mut row).await;
    }
    Ok(row)
}

/// Lets each client send the requests of the shape, each from another place.
async fn run(target: &Target, shape: &Shape, clients: usize, time: Duration) -> Result<Run> {
    drive::run(target, clients, time, 200, |client| {
        let mut number = client * 17;
        move |request: &mut Vec<u8>| {
            number += 1;
            write(request, &shape.asks[number % shape.asks.len()]);
        }
    })
    .await
}

/// Replaces each request by the one that its link `next` leads to, as often as is asked for.
async fn follow(target: &Target, shape: &mut Shape) -> Result<()> {
    if shape.follow == 0 {
        return Ok(());
    }
    for ask in &mut shape.asks {
        for _ in 0..shape.follow {
            let (_, status, body) = send(target, ask).await?;
            let next = match status {
                200 => truth::next(&body)?,
                _ => return Err(format!("a page was answered {status}").into()),
            };
            ask.path = next.ok_or("there is no next page")?;
        }
    }
    Ok(())
}

/// Compares some answers with the facts; returns how many resources they had on average.
async fn check(target: &Target, dataset: &Dataset, shape: &Shape) -> Result<f64> {
    let world = &dataset.world;
    let mut resources = 0;
    let checked = CHECKED.min(shape.asks.len());
    for ask in &shape.asks[..checked] {
        let (_, status, body) = send(target, ask).await?;
        let compared = match status {
            200 => truth::check_bundle(world, &(ask.expected)(world), &body),
            _ => Err(format!("it was answered {status}").into()),
        };
        let path: String = ask.path.chars().take(150).collect();
        resources += compared.map_err(|failure| format!("{path}: {failure}"))?;
    }
    Ok(resources as f64 / checked as f64)
}

/// The floor, checked like the server.
async fn measure_floor(
    options: &Options,
    target: &Target,
    dataset: &Dataset,
    shape: &Shape,
    row: &mut Row,
) {
    let outcome = async {
        let mut session = floor::connect(target, shape).await?;
        for number in 0..CHECKED.min(shape.asks.len()) {
            let rows = floor::ask(&mut session, shape, number).await?;
            let expected = (shape.asks[number].expected)(&dataset.world);
            truth::check_rows(&dataset.world, &expected, &rows)?;
        }
        drop(session);
        let time = options.seconds();
        let alone = floor::run(target, shape, 1, time).await?;
        let together = match alone.within(0.5) < SLOW {
            true => Some(floor::run(target, shape, options.clients, time).await?),
            false => None,
        };
        Ok::<_, crate::Failure>((alone, together))
    };
    match outcome.await {
        Ok((alone, together)) => {
            row.floor = Some(alone);
            row.floor_together = together;
        }
        Err(failure) => row.floor_failure = Some(failure.to_string()),
    }
}
