//! Clients that each send a request as soon as the one before is answered, and what came of it.

use crate::Result;
use crate::client::Connection;
use crate::process::{self, Postmaster};
use futures::stream::{FuturesUnordered, TryStreamExt};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A server that is measured, and the database that works for it.
#[derive(Clone, Debug)]
pub struct Target {
    pub address: SocketAddr,
    pub pid: u32,
    pub postmaster: Postmaster,
}

/// What one measurement came to.
#[derive(Clone, Debug, Default)]
pub struct Run {
    pub requests: usize,
    pub seconds: f64,
    /// Microseconds, from the fastest to the slowest.
    latencies: Vec<u32>,
    /// Milliseconds of processor time of the server, in all.
    pub server: f64,
    /// The same of the database.
    pub database: f64,
    /// The same of everything on the machine, this program and strangers included.
    busy: f64,
    /// The same of this program.
    driver: f64,
}

/// Processor time so far, in milliseconds, of a server and of its database.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    server: f64,
    database: f64,
    busy: f64,
    driver: f64,
    at: Instant,
}

impl Clock {
    pub fn read(target: &Target) -> Clock {
        Clock {
            server: process::cpu(target.pid),
            database: target.postmaster.cpu(),
            busy: process::busy(),
            driver: process::cpu(std::process::id()),
            at: Instant::now(),
        }
    }

    /// What was measured from this moment until now.
    pub fn stop(&self, target: &Target, mut latencies: Vec<u32>) -> Run {
        let now = Clock::read(target);
        latencies.sort_unstable();
        Run {
            requests: latencies.len(),
            seconds: (now.at - self.at).as_secs_f64(),
            latencies,
            server: now.server - self.server,
            database: now.database - self.database,
            busy: now.busy - self.busy,
            driver: now.driver - self.driver,
        }
    }
}

impl Run {
    /// Requests per second.
    pub fn rate(&self) -> f64 {
        self.requests as f64 / self.seconds
    }

    /// The part of the processors that went to processes which are none of ours: what they took,
    /// the measured ones may have missed.
    pub fn others(&self) -> f64 {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let others = self.busy - self.server - self.database - self.driver;
        (others / (self.seconds * 1000.0 * processors as f64)).max(0.0)
    }

    /// The time in milliseconds within which this part of all requests was answered.
    pub fn within(&self, part: f64) -> f64 {
        let at = (self.latencies.len() as f64 * part) as usize;
        let last = self.latencies.len().saturating_sub(1);
        self.latencies
            .get(at.min(last))
            .map_or(f64::NAN, |us| f64::from(*us) / 1000.0)
    }
}

/// One client: a connection, and what it sends next.
struct Client<W> {
    connection: Connection,
    request: Vec<u8>,
    write: W,
    latencies: Vec<u32>,
}

impl<W: FnMut(&mut Vec<u8>)> Client<W> {
    async fn work(&mut self, until: Instant, status: u16) -> Result<()> {
        let mut now = Instant::now();
        while now < until {
            (self.write)(&mut self.request);
            let begun = Instant::now();
            let reply = self.connection.send(&self.request).await?;
            reply.expect(status, &self.request)?;
            now = Instant::now();
            let taken = (now - begun).as_micros();
            self.latencies
                .push(u32::try_from(taken).unwrap_or(u32::MAX));
        }
        Ok(())
    }
}

/// Lets `clients` send for `time`, after a shorter while that does not count. `writer` makes, for
/// each client, what writes its next request; every answer must have the `status`.
pub async fn run<W: FnMut(&mut Vec<u8>)>(
    target: &Target,
    clients: usize,
    time: Duration,
    status: u16,
    writer: impl Fn(usize) -> W,
) -> Result<Run> {
    let mut all = Vec::with_capacity(clients);
    for number in 0..clients {
        all.push(Client {
            connection: Connection::open(target.address).await?,
            request: Vec::with_capacity(4 << 10),
            write: writer(number),
            latencies: Vec::with_capacity(1 << 16),
        });
    }
    together(&mut all, time.div_f64(8.0), status).await?;
    all.iter_mut().for_each(|client| client.latencies.clear());
    let clock = Clock::read(target);
    together(&mut all, time, status).await?;
    let latencies = all
        .into_iter()
        .flat_map(|client| client.latencies)
        .collect();
    Ok(clock.stop(target, latencies))
}

async fn together<W: FnMut(&mut Vec<u8>)>(
    clients: &mut [Client<W>],
    time: Duration,
    status: u16,
) -> Result<()> {
    let until = Instant::now() + time;
    // Of many futures this one wakes only those that have something to do.
    let work: FuturesUnordered<_> = clients
        .iter_mut()
        .map(|client| client.work(until, status))
        .collect();
    work.try_collect().await
}

/// Sends each of `requests` once, `clients` at a time, and passes each answer to `take`.
pub async fn send_all<R: AsRef<[u8]>>(
    target: &Target,
    clients: usize,
    requests: &[R],
    status: u16,
    take: impl Fn(usize, &crate::client::Reply<'_>) -> Result<()>,
) -> Result<Run> {
    let next = std::cell::Cell::new(0);
    let latencies = std::cell::RefCell::new(Vec::with_capacity(requests.len()));
    let clock = Clock::read(target);
    let work: FuturesUnordered<_> = (0..clients)
        .map(|_| async {
            let mut connection = Connection::open(target.address).await?;
            loop {
                let number = next.replace(next.get() + 1);
                let Some(request) = requests.get(number) else {
                    return Ok::<(), crate::Failure>(());
                };
                let begun = Instant::now();
                let reply = connection.send(request.as_ref()).await?;
                reply.expect(status, request.as_ref())?;
                let taken = u32::try_from(begun.elapsed().as_micros()).unwrap_or(u32::MAX);
                latencies.borrow_mut().push(taken);
                take(number, &reply)?;
            }
        })
        .collect();
    work.try_collect::<()>().await?;
    Ok(clock.stop(target, latencies.take()))
}
