//! The figures as tables in Markdown: each size by itself, how the medians grow, the targets.

use crate::Options;
use crate::drive::Run;
use crate::shapes::{Aim, Shape};
use std::fmt::Write;

/// How it went with a shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Right,
    /// Answered 400: the server does not do this.
    Refused,
    /// The answer is not what the facts say.
    Wrong(String),
    Failed(String),
}

/// One shape on one database.
pub struct Row {
    pub name: &'static str,
    pub aim: Option<Aim>,
    pub limited: bool,
    pub outcome: Outcome,
    /// Milliseconds of the first answer after a start.
    pub cold: Option<f64>,
    /// Resources in an answer, on average.
    pub resources: f64,
    pub alone: Option<Run>,
    pub together: Option<Run>,
    pub floor: Option<Run>,
    pub floor_together: Option<Run>,
    pub floor_failure: Option<String>,
}

/// All shapes on one database.
pub struct Section {
    pub title: String,
    pub size: u32,
    pub rows: Vec<Row>,
    /// Megabytes of the server: before the first request, at the end, at the most.
    pub memory: [f64; 3],
}

impl Row {
    pub fn new(shape: &Shape) -> Row {
        Row {
            name: shape.name,
            aim: shape.aim,
            limited: shape.limited,
            outcome: Outcome::Right,
            cold: None,
            resources: 0.0,
            alone: None,
            together: None,
            floor: None,
            floor_together: None,
            floor_failure: None,
        }
    }

    /// Milliseconds of the median with one client.
    pub fn p50(&self) -> Option<f64> {
        self.alone.as_ref().map(|run| run.within(0.5))
    }

    /// The same of the fastest tenth: what other work on the machine disturbs least.
    fn p10(&self) -> Option<f64> {
        self.alone.as_ref().map(|run| run.within(0.1))
    }

    fn floor_p10(&self) -> Option<f64> {
        self.floor.as_ref().map(|run| run.within(0.1))
    }

    fn floor_p50(&self) -> Option<f64> {
        self.floor.as_ref().map(|run| run.within(0.5))
    }

    /// The median as a multiple of the floor's.
    fn ratio(&self) -> Option<f64> {
        Some(self.p50()? / self.floor_p50()?)
    }

    fn rate(&self) -> Option<f64> {
        self.together.as_ref().map(Run::rate)
    }

    fn trouble(&self) -> Option<String> {
        match &self.outcome {
            Outcome::Right => None,
            Outcome::Refused => Some("refused".to_owned()),
            Outcome::Wrong(why) => Some(format!("WRONG: {why}")),
            Outcome::Failed(why) => Some(format!("FAILED: {why}")),
        }
    }

    /// A line for whoever waits.
    pub fn brief(&self) -> String {
        format!(
            "{}: p50 {} ms, floor {} ms, p10 {} ms, floor {} ms, {} /s {}{}",
            self.name,
            number(self.p50()),
            number(self.floor_p50()),
            number(self.p10()),
            number(self.floor_p10()),
            number(self.rate()),
            self.trouble().unwrap_or_default(),
            self.floor_failure
                .as_ref()
                .map_or(String::new(), |why| format!(" FLOOR FAILED: {why}")),
        )
    }
}

/// As many digits as mean something.
fn number(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value >= 100.0 => format!("{value:.0}"),
        Some(value) if value >= 10.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.2}"),
    }
}

/// Milliseconds of processor time per request of this program's servers.
fn cpu(run: Option<&Run>) -> String {
    run.map_or("-".to_owned(), |run| {
        let requests = run.requests as f64;
        format!(
            "{:.2} + {:.2}",
            run.server / requests,
            run.database / requests
        )
    })
}

/// Everything that was measured.
pub fn table(options: &Options, sections: &[Section]) -> String {
    let mut text = String::new();
    for section in sections {
        write_section(&mut text, options, section);
    }
    write_growth(&mut text, sections);
    write_targets(&mut text, sections);
    text
}

// Writing to a String cannot fail, here and below.
fn write_section(text: &mut String, options: &Options, section: &Section) {
    let _ = writeln!(
        text,
        "\n### {}\n\nms; cold: the first of its shape after server and PostgreSQL started, files \
         in the system's cache; CPU per request with {} clients: server + database, of the floor \
         the database alone\n\n\
         | shape | cold | p50 | floor | ratio | p99 | p10 | floor | {} clients /s | floor /s | their p50, p99 | CPU | CPU floor | rows |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
        section.title, options.clients, options.clients
    );
    for row in &section.rows {
        let within = |part: f64| row.alone.as_ref().map(|run| run.within(part));
        let many = |part: f64| number(row.together.as_ref().map(|run| run.within(part)));
        let floor_cpu = row.floor_together.as_ref().or(row.floor.as_ref());
        let floor_cpu = floor_cpu.map(|run| run.database / run.requests as f64);
        let _ = writeln!(
            text,
            "| {}{} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {}, {} | {} | {} | {:.1} |",
            row.name.replace('|', "\\|"),
            row.trouble()
                .map_or(String::new(), |why| format!(" **{why}**")),
            number(row.cold),
            number(within(0.5)),
            number(row.floor_p50()),
            number(row.ratio()),
            number(within(0.99)),
            number(row.p10()),
            number(row.floor_p10()),
            number(row.rate()),
            number(row.floor_together.as_ref().map(Run::rate)),
            many(0.5),
            many(0.99),
            cpu(row.together.as_ref()),
            number(floor_cpu),
            row.resources,
        );
    }
    let [idle, end, most] = section.memory;
    let _ = writeln!(
        text,
        "\nMemory of the server (RSS): {idle:.0} MB before, {end:.0} MB after, {most:.0} MB at most."
    );
    let runs = section.rows.iter().filter_map(|row| row.together.as_ref());
    let others = runs.map(Run::others).fold(0.0, f64::max);
    if others > 0.1 {
        let _ = writeln!(
            text,
            "NOT a quiet machine: strangers took up to {:.0} % of the processors; CPU is to be \
             trusted, times are not.",
            others * 100.0
        );
    }
}

/// A shape at one size: the medians, and the fastest tenths, of ours and of the floor.
struct AtSize {
    size: u32,
    p50: [Option<f64>; 2],
    p10: [Option<f64>; 2],
}

/// A shape by size, from the smallest.
fn by_size(sections: &[Section], name: &str) -> Vec<AtSize> {
    let rows = sections.iter().filter_map(|section| {
        let row = section.rows.iter().find(|row| row.name == name)?;
        Some(AtSize {
            size: section.size,
            p50: [row.p50(), row.floor_p50()],
            p10: [row.p10(), row.floor_p10()],
        })
    });
    rows.collect()
}

fn names(sections: &[Section]) -> Vec<(&'static str, bool)> {
    let mut names = Vec::new();
    for row in sections.iter().flat_map(|section| &section.rows) {
        if !names.contains(&(row.name, row.limited)) {
            names.push((row.name, row.limited));
        }
    }
    names
}

/// The last as a multiple of the first, where there are two sizes.
fn growth(sizes: &[AtSize], of: impl Fn(&AtSize) -> Option<f64>) -> Option<f64> {
    let (first, last) = (sizes.first()?, sizes.last()?);
    match first.size == last.size {
        true => None,
        false => Some(of(last)? / of(first)?),
    }
}

fn write_growth(text: &mut String, sections: &[Section]) {
    let _ = writeln!(
        text,
        "\n### Growth from the smallest to the largest\n\n\
         | shape | p50 by size | growth | of the floor | of p10 | of the floor |\n|---|---|---|---|---|---|"
    );
    for (name, limited) in names(sections) {
        let sizes = by_size(sections, name);
        let Some(ours) = growth(&sizes, |at| at.p50[0]) else {
            continue;
        };
        let medians = sizes.iter();
        let medians = medians.map(|at| format!("{}x {}", at.size, number(at.p50[0])));
        let verdict = match (limited, ours <= 1.5) {
            (false, _) => " (not limited by its page)",
            (true, true) => "",
            (true, false) => " **> 1.5**",
        };
        let _ = writeln!(
            text,
            "| {name} | {} | {ours:.2}{verdict} | {} | {} | {} |",
            medians.collect::<Vec<_>>().join(", "),
            number(growth(&sizes, |at| at.p50[1])),
            number(growth(&sizes, |at| at.p10[0])),
            number(growth(&sizes, |at| at.p10[1])),
        );
    }
}

fn write_targets(text: &mut String, sections: &[Section]) {
    let _ = writeln!(text, "\n### Targets\n");
    let verdict = |reached: bool| if reached { "reached" } else { "MISSED" };
    for section in sections {
        for row in &section.rows {
            let (aim, value, reached) = match row.aim {
                None => continue,
                Some(Aim::Rate(rate)) => {
                    let found = row.rate();
                    (
                        format!(">= {rate} /s"),
                        found,
                        found.is_some_and(|found| found >= rate),
                    )
                }
                Some(Aim::Within(time)) => {
                    let found = row.p50();
                    (
                        format!("< {time} ms"),
                        found,
                        found.is_some_and(|found| found < time),
                    )
                }
            };
            let said = match row.outcome {
                Outcome::Refused => "refused",
                _ => verdict(reached),
            };
            let _ = writeln!(
                text,
                "- {} {}: {aim}: {} {said}",
                section.title,
                row.name,
                number(value)
            );
        }
        let limited = section.rows.iter().filter(|row| row.limited);
        let ratios: Vec<(f64, &str)> = limited
            .filter_map(|row| Some((row.ratio()?, row.name)))
            .collect();
        let over: Vec<String> = ratios
            .iter()
            .filter(|(ratio, _)| *ratio > 2.0)
            .map(|(ratio, name)| format!("{name} {ratio:.1}"))
            .collect();
        let _ = writeln!(
            text,
            "- {}: p50 <= 2x floor: {} of {} page-limited shapes, {}{}",
            section.title,
            ratios.len() - over.len(),
            ratios.len(),
            verdict(over.is_empty()),
            if over.is_empty() {
                String::new()
            } else {
                format!(": {}", over.join("; "))
            }
        );
    }
    let grown: Vec<String> = names(sections)
        .into_iter()
        .filter(|(_, limited)| *limited)
        .filter_map(|(name, _)| Some((name, growth(&by_size(sections, name), |at| at.p50[0])?)))
        .filter(|(_, growth)| *growth > 1.5)
        .map(|(name, growth)| format!("{name} {growth:.1}"))
        .collect();
    let _ = writeln!(
        text,
        "- p50 grows <= 1.5x: {}{}",
        verdict(grown.is_empty()),
        if grown.is_empty() {
            String::new()
        } else {
            format!(": {}", grown.join("; "))
        }
    );
}
