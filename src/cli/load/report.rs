//! What the user sees of a load: the progress bar, each failure, and the counts at the end.

use super::files::Source;
use crate::cli::Failure;
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Resources of one type.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    created: u64,
    /// Updated, or there already.
    other: u64,
}

#[derive(Debug, Default)]
struct Counts {
    by_type: BTreeMap<String, Count>,
    failures: u64,
    files: u64,
    bytes: u64,
}

impl Counts {
    fn stored(&self) -> u64 {
        self.by_type
            .values()
            .map(|count| count.created + count.other)
            .sum()
    }
}

#[derive(Debug)]
pub struct Report {
    bar: ProgressBar,
    begun: Instant,
    counts: Mutex<Counts>,
}

impl Report {
    pub fn start(sources: &[Source]) -> Report {
        let bytes = sources.iter().map(|source| source.size).sum();
        // Hidden by itself where standard error is no terminal.
        let bar = ProgressBar::new(bytes);
        if let Ok(style) = ProgressStyle::with_template(
            "{elapsed_precise} {wide_bar} {bytes}/{total_bytes} {msg} (ETA {eta})",
        ) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(500));
        Report {
            bar,
            begun: Instant::now(),
            counts: Mutex::default(),
        }
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resources stored so far.
    pub fn stored(&self) -> u64 {
        self.counts().stored()
    }

    /// Counts resources that were stored: their type, and whether each was created.
    pub fn count(&self, stored: impl IntoIterator<Item = (bool, String)>) {
        let mut counts = self.counts();
        for (created, resource_type) in stored {
            let count = counts.by_type.entry(resource_type).or_default();
            match created {
                true => count.created += 1,
                false => count.other += 1,
            }
        }
        self.bar
            .set_message(format!("{} resources", HumanCount(counts.stored())));
    }

    /// Tells of a failure: the file, the entry in it, and what the server had to say.
    pub fn fail(&self, source: &Source, index: Option<usize>, text: &str) {
        self.counts().failures += 1;
        let place = match (index, source.form) {
            (None, _) => String::new(),
            (Some(index), super::files::Form::Json) => format!(": entry {index}"),
            (Some(index), super::files::Form::Lines) => format!(": line {}", index + 1),
        };
        self.bar
            .suspend(|| eprintln!("{}{place}: {text}", source.shown));
    }

    /// Tells something that is no failure of a resource.
    pub fn warn(&self, text: &str) {
        self.bar.suspend(|| eprintln!("{text}"));
    }

    /// Counts a file that is done, whether all of it was stored or not.
    pub fn file_done(&self, source: &Source) {
        let mut counts = self.counts();
        counts.files += 1;
        counts.bytes += source.size;
        self.bar.inc(source.size);
    }

    /// Prints the counts; `unfinished` files were left when the load came to an early end.
    pub fn finish(&self, unfinished: usize) -> Result<(), Failure> {
        self.bar.finish_and_clear();
        let counts = self.counts();
        print!("{}", summary(&counts, self.begun.elapsed()));
        if unfinished > 0 {
            eprintln!(
                "{unfinished} files are not loaded completely; the same command again goes on \
                 with them"
            );
        }
        match unfinished == 0 && counts.failures == 0 {
            true => Ok(()),
            false => Err(Failure {
                text: String::new(),
                status: 1,
            }),
        }
    }
}

fn summary(counts: &Counts, elapsed: Duration) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    if !counts.by_type.is_empty() {
        let _ = writeln!(text, "{:<32} {:>10} {:>10}", "type", "created", "present");
    }
    for (resource_type, count) in &counts.by_type {
        let _ = writeln!(
            text,
            "{resource_type:<32} {:>10} {:>10}",
            count.created, count.other
        );
    }
    let (created, other) = counts
        .by_type
        .values()
        .fold((0, 0), |(created, other), count| {
            (created + count.created, other + count.other)
        });
    let _ = writeln!(text, "{:<32} {created:>10} {other:>10}", "total");
    let seconds = elapsed.as_secs_f64().max(0.001);
    let _ = writeln!(
        text,
        "{} resources from {} files ({}) in {seconds:.1} s: {:.0} resources/s; {} failures",
        counts.stored(),
        counts.files,
        HumanBytes(counts.bytes),
        counts.stored() as f64 / seconds,
        counts.failures,
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_counts_by_type() {
        let report = Report::start(&[]);
        report.count([
            (true, "Patient".to_owned()),
            (false, "Patient".to_owned()),
            (true, "List".to_owned()),
        ]);
        let text = summary(&report.counts(), Duration::from_secs(2));
        let words: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(words[1], ["List", "1", "0"]);
        assert_eq!(words[2], ["Patient", "1", "1"]);
        assert_eq!(words[3], ["total", "2", "1"]);
        assert!(
            text.contains("3 resources from 0 files (0 B) in 2.0 s: 2 resources/s; 0 failures"),
            "{text}"
        );
    }

    #[test]
    fn anything_that_failed_makes_the_status_1() {
        for (unfinished, failures, fine) in [(0, 0, true), (1, 0, false), (0, 1, false)] {
            let report = Report::start(&[]);
            report.counts().failures = failures;
            assert_eq!(report.finish(unfinished).is_ok(), fine);
        }
    }
}
