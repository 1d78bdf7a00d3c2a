//! One resource per request: read, create, update, and two searches that have no floor.

use crate::client::write_request;
use crate::drive::{self, Run};
use crate::place::Place;
use crate::report::Figure;
use crate::synthea::without_blanks;
use crate::{Options, Result, Scenario, client, floor};
use std::cell::Cell;
use std::path::Path;

/// Patients that the prepared Observations are of.
const PATIENTS: usize = 100;

/// What was stored before anything is measured.
struct Prepared {
    patients: Vec<String>,
    /// Ids of Observations in Andiron.
    observations: Vec<String>,
    /// Ids of the same number of rows in the floor.
    rows: Vec<String>,
}

/// An Observation of 1.1 KB, in pieces, so that each request can say something new.
struct Observation {
    text: String,
    /// Where the digits of its value are.
    value: std::ops::Range<usize>,
    counter: Cell<u32>,
}

/// The start of every resource: what follows it is where an `id` belongs.
const START: &str = "{\"resourceType\":\"Observation\",";

impl Observation {
    fn load() -> Result<Observation> {
        let text = fixture("observation-vital.json")?;
        let value = text
            .find(":121,")
            .ok_or("the fixture has another value than 121")?
            + 1;
        if !text.starts_with(START) {
            return Err("the fixture starts otherwise than with its type".into());
        }
        Ok(Observation {
            text,
            value: value..value + 3,
            counter: Cell::new(0),
        })
    }

    /// A value of six digits that was not said before.
    fn digits(&self) -> [u8; 6] {
        let number = self.counter.get();
        self.counter.set((number + 1) % 900_000);
        let mut digits = [b'0'; 6];
        let mut rest = 100_000 + number;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + u8::try_from(rest % 10).expect("a digit is small");
            rest /= 10;
        }
        digits
    }

    /// Writes a request whose body has a new value and, behind its type, `inset`.
    fn write(&self, request: &mut Vec<u8>, method: &str, path: &str, inset: &str) {
        let rest = &self.text.as_bytes()[START.len()..];
        let value = self.value.start - START.len()..self.value.end - START.len();
        let (head, tail) = (&rest[..value.start], &rest[value.end..]);
        let pieces = [
            START.as_bytes(),
            inset.as_bytes(),
            head,
            &self.digits(),
            tail,
        ];
        write_request(request, method, path, &pieces);
    }

    /// The same text with a reference to a Patient.
    fn of(&self, patient: &str) -> Result<Observation> {
        let subject = "\"subject\":{";
        let at = self
            .text
            .find(subject)
            .ok_or("the fixture has no subject")?
            + subject.len();
        let reference = format!("\"reference\":\"Patient/{patient}\",");
        let mut text = self.text.clone();
        text.insert_str(at, &reference);
        let value = match self.value.start > at {
            true => self.value.start + reference.len()..self.value.end + reference.len(),
            false => self.value.clone(),
        };
        Ok(Observation {
            text,
            value,
            counter: Cell::new(self.counter.get()),
        })
    }
}

fn fixture(name: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/single")
        .join(name);
    Ok(without_blanks(&std::fs::read_to_string(path)?))
}

/// Measures what is wanted, on a place of its own.
pub async fn measure(options: &Options, figures: &mut Vec<Figure>) -> Result<()> {
    let mut place = Place::start(options).await?;
    let (now, _) = crate::process::memory(place.andiron()?.pid);
    figures.push(Figure::single("memory, idle", now, "MB", None));
    let start = place.start_time()?.as_secs_f64();
    figures.push(Figure::single(
        "first start, with initdb",
        start,
        "s",
        Some(("<", 10.0)),
    ));
    let outcome = measure_at(&place, options, figures).await;
    outcome.map_err(|failure| format!("{failure}\n{}", place.log()).into())
}

async fn measure_at(place: &Place, options: &Options, figures: &mut Vec<Figure>) -> Result<()> {
    let observation = Observation::load()?;
    let prepared = prepare(place, options, &observation).await?;
    if options.wants(Scenario::Read) {
        figures.push(read(place, options, &prepared).await?);
    }
    if options.wants(Scenario::Create) {
        figures.push(create(place, options, &observation).await?);
        figures.push(create_with_reference(place, options, &observation, &prepared).await?);
    }
    if options.wants(Scenario::Update) {
        figures.push(update(place, options, &observation, &prepared).await?);
    }
    if options.wants(Scenario::Search) {
        search(place, options, &prepared, figures).await?;
    }
    Ok(())
}

/// Stores Patients and Observations of theirs, and as many rows in the floor.
async fn prepare(place: &Place, options: &Options, observation: &Observation) -> Result<Prepared> {
    let observations = if options.quick { 2_000 } else { 10_000 };
    eprintln!("storing {PATIENTS} Patients and {observations} Observations");
    let andiron = place.andiron()?;
    let text = fixture("patient.json")?;
    let name = "Öztürk-Lavoie";
    if !text.contains(name) {
        return Err("the fixture of a Patient has another name".into());
    }
    let requests: Vec<_> = (0..PATIENTS)
        .map(|number| text.replace(name, &format!("Bench{number:03}")))
        .map(|text| client::request("POST", "/fhir/Patient", text.as_bytes()))
        .collect();
    let patients = post_all(&andiron, options, &requests, "Patient").await?;
    let of_patients = patients.iter().map(|patient| observation.of(patient));
    let of_patients = of_patients.collect::<Result<Vec<_>>>()?;
    let requests = |path: &str| -> Vec<Vec<u8>> {
        (0..observations)
            .map(|number| {
                let mut request = Vec::new();
                of_patients[number % PATIENTS].write(&mut request, "POST", path, "");
                request
            })
            .collect()
    };
    let ours = requests("/fhir/Observation");
    let floors = requests("/Floor");
    let prepared = Prepared {
        observations: post_all(&andiron, options, &ours, "Observation").await?,
        rows: post_all(&place.floor(), options, &floors, "Floor").await?,
        patients,
    };
    // So that neither side is measured while it tidies up.
    for database in ["andiron", floor::DATABASE] {
        place.execute(database, "VACUUM ANALYZE").await?;
    }
    Ok(prepared)
}

/// Posts all and returns the ids of what was created.
async fn post_all(
    target: &drive::Target,
    options: &Options,
    requests: &[Vec<u8>],
    resource_type: &str,
) -> Result<Vec<String>> {
    let ids = std::cell::RefCell::new(Vec::with_capacity(requests.len()));
    drive::send_all(target, options.clients, requests, 201, |_, reply| {
        ids.borrow_mut().push(reply.id(resource_type)?);
        Ok(())
    })
    .await?;
    Ok(ids.take())
}

/// Lets the floor and Andiron take turns; returns the median round of each.
async fn compare<F: FnMut(&mut Vec<u8>), O: FnMut(&mut Vec<u8>)>(
    place: &Place,
    options: &Options,
    name: &str,
    status: u16,
    floor: impl Fn(usize) -> F,
    ours: impl Fn(usize) -> O,
) -> Result<(Run, Run)> {
    let (mut floors, mut all) = (Vec::new(), Vec::new());
    let andiron = place.andiron()?;
    for round in 1..=options.rounds() {
        let (clients, time) = (options.clients, options.seconds());
        floors.push(drive::run(&place.floor(), clients, time, status, &floor).await?);
        all.push(drive::run(&andiron, clients, time, status, &ours).await?);
        let rates = (floors[round - 1].rate(), all[round - 1].rate());
        eprintln!(
            "{name}, round {round}: floor {:.0}/s, Andiron {:.0}/s",
            rates.0, rates.1
        );
    }
    Ok((median(floors), median(all)))
}

/// The run whose rate is in the middle.
pub fn median(mut runs: Vec<Run>) -> Run {
    runs.sort_by(|a, b| a.rate().total_cmp(&b.rate()));
    runs.swap_remove((runs.len() - 1) / 2)
}

/// Sends prepared requests again and again: each client from another place, with long strides.
fn again<'a>(
    requests: &'a [Vec<u8>],
    clients: usize,
    client: usize,
) -> impl FnMut(&mut Vec<u8>) + 'a {
    const STRIDE: usize = 7919;
    let mut at = client * requests.len() / clients;
    move |request| {
        request.clear();
        request.extend_from_slice(&requests[at]);
        at = (at + STRIDE) % requests.len();
    }
}

fn gets<'a>(ids: &'a [String], base: &'a str) -> Vec<Vec<u8>> {
    ids.iter()
        .map(|id| client::request("GET", &format!("{base}/{id}"), &[]))
        .collect()
}

async fn read(place: &Place, options: &Options, prepared: &Prepared) -> Result<Figure> {
    let floors = gets(&prepared.rows, "/Floor");
    let ours = gets(&prepared.observations, "/fhir/Observation");
    let clients = options.clients;
    let (floor, run) = compare(
        place,
        options,
        "read",
        200,
        |client| again(&floors, clients, client),
        |client| again(&ours, clients, client),
    )
    .await?;
    Ok(Figure::of("read", "/s", &run, Some(&floor), 1.0)
        .aim_ratio(0.90)
        .aim("≥", 15_000.0))
}

async fn create(place: &Place, options: &Options, observation: &Observation) -> Result<Figure> {
    let (floor, run) = compare(
        place,
        options,
        "create",
        201,
        |_| |request: &mut Vec<u8>| observation.write(request, "POST", "/Floor", ""),
        |_| |request: &mut Vec<u8>| observation.write(request, "POST", "/fhir/Observation", ""),
    )
    .await?;
    Ok(Figure::of("create", "/s", &run, Some(&floor), 1.0)
        .aim_ratio(0.50)
        .aim("≥", 2_500.0))
}

/// The same with a subject whose existence has to be checked.
async fn create_with_reference(
    place: &Place,
    options: &Options,
    observation: &Observation,
    prepared: &Prepared,
) -> Result<Figure> {
    let all = prepared
        .patients
        .iter()
        .map(|patient| observation.of(patient));
    let all = all.collect::<Result<Vec<_>>>()?;
    let run = drive::run(
        &place.andiron()?,
        options.clients,
        options.seconds(),
        201,
        |client| {
            let mut at = client;
            let all = &all;
            move |request: &mut Vec<u8>| {
                at = (at + 1) % all.len();
                all[at].write(request, "POST", "/fhir/Observation", "");
            }
        },
    )
    .await?;
    Ok(Figure::of(
        "create, with a reference",
        "/s",
        &run,
        None,
        1.0,
    ))
}

/// Every client has ids of its own: two that write the same one would wait for each other.
async fn update(
    place: &Place,
    options: &Options,
    observation: &Observation,
    prepared: &Prepared,
) -> Result<Figure> {
    let writer = |client: usize, base: &'static str, ids: &'_ [String]| {
        let own: Vec<(String, String)> = ids
            .iter()
            .skip(client)
            .step_by(options.clients)
            .map(|id| (format!("{base}/{id}"), format!("\"id\":\"{id}\",")))
            .collect();
        let mut at = 0;
        move |request: &mut Vec<u8>| {
            let (path, id) = &own[at];
            observation.write(request, "PUT", path, id);
            at = (at + 1) % own.len();
        }
    };
    let (floor, run) = compare(
        place,
        options,
        "update",
        200,
        |client| writer(client, "/Floor", &prepared.rows),
        |client| writer(client, "/fhir/Observation", &prepared.observations),
    )
    .await?;
    Ok(Figure::of("update", "/s", &run, Some(&floor), 1.0).aim_ratio(0.40))
}

async fn search(
    place: &Place,
    options: &Options,
    prepared: &Prepared,
    figures: &mut Vec<Figure>,
) -> Result<()> {
    let get = |path: String| client::request("GET", &path, &[]);
    let by_name = (0..PATIENTS).map(|number| get(format!("/fhir/Patient?name=Bench{number:03}")));
    let by_code = prepared.patients.iter().map(|patient| {
        get(format!(
            "/fhir/Observation?patient={patient}&code=http://loinc.org%7C85354-9"
        ))
    });
    let searches: [(&str, Vec<Vec<u8>>); 2] = [
        ("search Patient?name=", by_name.collect()),
        ("search Observation?patient=&code=", by_code.collect()),
    ];
    for (name, requests) in searches {
        let clients = options.clients;
        let run = drive::run(
            &place.andiron()?,
            clients,
            options.seconds(),
            200,
            |client| again(&requests, clients, client),
        )
        .await?;
        eprintln!("{name}: {:.0}/s", run.rate());
        figures.push(Figure::of(name, "/s", &run, None, 1.0));
    }
    Ok(())
}
