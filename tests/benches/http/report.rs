//! The figures: each beside its floor and the targets that were set for it.

use crate::Options;
use crate::drive::Run;
use serde::Serialize;
use std::fmt::Write;

/// One measured thing.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    pub name: String,
    pub value: f64,
    pub unit: &'static str,
    /// The same of the floor.
    pub floor: Option<f64>,
    /// `value` as a part of `floor`.
    pub ratio: Option<f64>,
    pub latency: Option<Latency>,
    pub cpu: Option<Cpu>,
    pub floor_cpu: Option<Cpu>,
    /// The part of the processors that strangers had while this was measured.
    pub others: Option<f64>,
    pub targets: Vec<Target>,
}

/// Milliseconds within which half of the requests, and all but a hundredth, were answered.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Latency {
    pub p50: f64,
    pub p99: f64,
}

/// Milliseconds of processor time per request, or per resource where these are counted.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Cpu {
    pub server: f64,
    pub database: f64,
}

#[derive(Clone, Debug, Serialize)]
pub struct Target {
    pub aim: String,
    pub reached: bool,
}

impl Figure {
    /// A rate; `per` is how many of what is counted there are in a request.
    pub fn of(name: &str, unit: &'static str, run: &Run, floor: Option<&Run>, per: f64) -> Figure {
        let rate = |run: &Run| run.rate() * per;
        let cpu = |run: &Run| Cpu {
            server: run.server / (run.requests as f64 * per),
            database: run.database / (run.requests as f64 * per),
        };
        Figure {
            name: name.to_owned(),
            value: rate(run),
            unit,
            floor: floor.map(rate),
            ratio: floor.map(|floor| rate(run) / rate(floor)),
            // One request alone has no distribution.
            latency: (run.requests > 1).then(|| Latency {
                p50: run.within(0.50),
                p99: run.within(0.99),
            }),
            cpu: Some(cpu(run)),
            floor_cpu: floor.map(cpu),
            others: Some(floor.map_or(run.others(), |floor| run.others().max(floor.others()))),
            targets: Vec::new(),
        }
    }

    /// A number by itself, and how it should be, such as `("<", 150.0)`.
    pub fn single(name: &str, value: f64, unit: &'static str, aim: Option<(&str, f64)>) -> Figure {
        let figure = Figure {
            name: name.to_owned(),
            value,
            unit,
            floor: None,
            ratio: None,
            latency: None,
            cpu: None,
            floor_cpu: None,
            others: None,
            targets: Vec::new(),
        };
        match aim {
            Some((relation, bound)) => figure.aim(relation, bound),
            None => figure,
        }
    }

    /// Adds a target for the value.
    pub fn aim(mut self, relation: &str, bound: f64) -> Figure {
        let reached = match relation {
            "≥" => self.value >= bound,
            "≤" => self.value <= bound,
            _ => self.value < bound,
        };
        let aim = format!("{relation} {bound} {}", self.unit);
        self.targets.push(Target { aim, reached });
        self
    }

    /// Adds a target for the part of the floor.
    pub fn aim_ratio(mut self, bound: f64) -> Figure {
        let reached = self.ratio.is_some_and(|ratio| ratio >= bound);
        let aim = format!("≥ {bound:.2} of the floor");
        self.targets.push(Target { aim, reached });
        self
    }
}

/// The part of the processors that strangers may have before the figures are called doubtful.
const QUIET: f64 = 0.10;

/// The figures as a table in Markdown.
pub fn table(options: &Options, figures: &[Figure]) -> String {
    let mut text = format!(
        "{}; median of {} rounds of {} s; CPU in ms per request (per resource where these are \
         counted), server + database\n\n\
         | | Andiron | floor | ratio | p50, p99 ms | CPU | CPU of the floor | target |\n\
         |---|---|---|---|---|---|---|---|\n",
        setting(options),
        options.rounds(),
        options.seconds().as_secs_f64(),
    );
    for figure in figures {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", row(figure));
    }
    let others = figures.iter().filter_map(|figure| figure.others);
    let others = others.fold(0.0, f64::max);
    if others > QUIET {
        let _ = writeln!(
            text,
            "\nNOT a quiet machine: other processes took up to {:.0} % of the processors, so the \
             rates are too low and the ratios are not to be trusted; CPU per request is.",
            others * 100.0
        );
    }
    text
}

fn setting(options: &Options) -> String {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    format!(
        "{processors} processors shared by client, server and database; {} clients, for \
         transactions {}",
        options.clients,
        (options.clients / 2).max(1)
    )
}

fn row(figure: &Figure) -> String {
    let cpu = |cpu: Option<Cpu>| {
        cpu.map_or(String::new(), |cpu| {
            format!("{:.3} + {:.3}", cpu.server, cpu.database)
        })
    };
    let targets: Vec<String> = figure
        .targets
        .iter()
        .map(|target| {
            let verdict = if target.reached { "reached" } else { "MISSED" };
            format!("{} {verdict}", target.aim)
        })
        .collect();
    format!(
        "| {} | {} {} | {} | {} | {} | {} | {} | {} |",
        figure.name,
        short(figure.value),
        figure.unit,
        figure.floor.map_or(String::new(), short),
        figure
            .ratio
            .map_or(String::new(), |ratio| format!("{ratio:.2}")),
        figure.latency.map_or(String::new(), |latency| {
            format!("{:.2}, {:.2}", latency.p50, latency.p99)
        }),
        cpu(figure.cpu),
        cpu(figure.floor_cpu),
        targets.join("; ")
    )
}

/// As many digits as mean something.
fn short(value: f64) -> String {
    match value {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// The figures, and how they were measured, as JSON.
pub fn json(options: &Options, figures: &[Figure]) -> String {
    let value = serde_json::json!({
        "setting": setting(options),
        "rounds": options.rounds(),
        "seconds": options.seconds().as_secs_f64(),
        "figures": figures,
    });
    format!("{value:#}\n")
}
