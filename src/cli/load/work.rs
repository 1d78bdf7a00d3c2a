//! One file from start to end, and passes over many of them.
//!
//! In each [`Mode`] a file is done as far as it goes. What is refused, but may be accepted once
//! something else is there, is left for the next pass.

use super::content::{self, Cut, Item, Shape};
use super::files::{Form, Source};
use super::report::Report;
use super::state::State;
use super::target::{Answer, Refusal, Target};
use crate::cli::stop::Stop;
use bytes::Bytes;
use futures::StreamExt;
use std::collections::BTreeSet;
use std::io::{BufReader, Read};
use std::sync::{Arc, OnceLock};

/// How much is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Entries without a request of their own in transactions; refused ones are left.
    Together,
    /// Those one by one.
    Apart,
    /// The same, and what is refused is reported: there will be no other pass.
    Final,
}

/// A file, or what is left of it.
pub struct Task {
    source: Source,
    /// Only these entries; `None` means all.
    only: Option<BTreeSet<usize>>,
    /// Whether some of it failed for good.
    failed: bool,
    /// Why the whole of it was refused last time.
    refusal: Option<String>,
}

/// What a pass came to.
#[derive(Default)]
pub struct Pass {
    /// Whether anything was stored.
    pub progress: bool,
    pub left: Vec<Task>,
}

/// What all workers share.
pub struct Worker {
    pub target: Target,
    pub state: State,
    pub report: Report,
    pub stop: Stop,
    /// Why the target cannot be reached any more: trying every other file would only repeat it.
    pub lost: OnceLock<String>,
}

/// What one file came to in one pass.
#[derive(Default)]
struct Outcome {
    progress: bool,
    /// What was stored and is not counted yet: whether created, and the type.
    stored: Vec<(bool, String)>,
    left: BTreeSet<usize>,
}

impl Task {
    pub fn new(source: Source) -> Task {
        Task {
            source,
            only: None,
            failed: false,
            refusal: None,
        }
    }

    /// A guess from the first bytes. It only decides when a file is read.
    pub fn looks_like_transaction(&self) -> bool {
        const TRANSACTION: &[u8] = b"\"transaction\"";
        let mut start = Vec::new();
        let read = self
            .source
            .open()
            .and_then(|file| file.take(2048).read_to_end(&mut start));
        self.source.form == Form::Json
            && read.is_ok()
            && start
                .windows(TRANSACTION.len())
                .any(|window| window == TRANSACTION)
    }
}

/// Works on `tasks`, some at the same time.
pub async fn pass(worker: &Arc<Worker>, tasks: Vec<Task>, mode: Mode, workers: usize) -> Pass {
    let work = futures::stream::iter(tasks).map(|task| {
        let worker = worker.clone();
        // On a thread of its own, since parsing takes longer than waiting.
        async move { tokio::spawn(async move { worker.work(task, mode).await }).await }
    });
    let mut done = std::pin::pin!(work.buffer_unordered(workers));
    let mut pass = Pass::default();
    while let Some(outcome) = done.next().await {
        match outcome {
            Ok((progress, left)) => {
                pass.progress |= progress;
                pass.left.extend(left);
            }
            Err(error) => worker.report.warn(&format!("a worker failed: {error}")),
        }
    }
    pass
}

impl Worker {
    /// Whether no more work is to be begun.
    pub fn is_over(&self) -> bool {
        self.stop.is_asked() || self.lost.get().is_some()
    }

    async fn submit(&self, bundle: Bytes) -> Result<Vec<Answer>, Refusal> {
        let outcome = self.target.submit(bundle).await;
        if let Err(refusal) = &outcome
            && refusal.is_lost
        {
            // The first to notice says it for all.
            let _ = self.lost.set(refusal.text.clone());
        }
        outcome
    }

    /// Does one task; returns whether anything was stored, and what is left of it.
    async fn work(&self, mut task: Task, mode: Mode) -> (bool, Option<Task>) {
        if self.is_over() {
            return (false, Some(task));
        }
        if mode == Mode::Final
            && let Some(text) = task.refusal.take()
        {
            self.report.fail(&task.source, None, &text);
            self.report.file_done(&task.source);
            return (true, None);
        }
        let outcome = match task.source.form {
            Form::Json => self.work_on_json(&mut task, mode).await,
            Form::Lines => self.work_on_lines(&mut task, mode).await,
        };
        let outcome = outcome.unwrap_or_else(|text| {
            self.report.fail(&task.source, None, &text);
            task.failed = true;
            task.refusal = None;
            Outcome::default()
        });
        if !outcome.left.is_empty() {
            task.only = Some(outcome.left);
            return (outcome.progress, Some(task));
        }
        if task.refusal.is_some() {
            return (outcome.progress, Some(task));
        }
        self.report.file_done(&task.source);
        if !task.failed
            && let Err(error) = self.state.record(&task.source)
        {
            let path = self.state.path().display();
            self.report.warn(&format!(
                "{path}: {error}; the next run will not know what is loaded"
            ));
        }
        (outcome.progress, None)
    }

    async fn work_on_json(&self, task: &mut Task, mode: Mode) -> Result<Outcome, String> {
        let (text, shape) = tokio::task::block_in_place(|| {
            let text = read(&task.source)?;
            let shape = content::shape(&text)?;
            Ok::<_, String>((text, shape))
        })?;
        if shape == Shape::Transaction {
            return self.transact(task, text, mode).await;
        }
        let items = tokio::task::block_in_place(|| content::cut(&text, shape))?;
        drop(text);
        let mut outcome = Outcome::default();
        let mut chunk = Vec::new();
        for item in items {
            self.collect(task, item, &mut chunk);
            if content::is_full(&chunk) {
                self.flush(task, &mut chunk, shape, mode, &mut outcome)
                    .await;
            }
        }
        self.flush(task, &mut chunk, shape, mode, &mut outcome)
            .await;
        Ok(outcome)
    }

    async fn work_on_lines(&self, task: &mut Task, mode: Mode) -> Result<Outcome, String> {
        let file = task.source.open().map_err(|error| error.to_string())?;
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let mut next = 0;
        let mut outcome = Outcome::default();
        let mut chunk = Vec::new();
        loop {
            let line = tokio::task::block_in_place(|| content::next_line(&mut reader, &mut next));
            let Some(item) = line.map_err(|error| error.to_string())? else {
                break;
            };
            self.collect(task, item, &mut chunk);
            if content::is_full(&chunk) {
                self.flush(task, &mut chunk, Shape::Collection, mode, &mut outcome)
                    .await;
            }
        }
        self.flush(task, &mut chunk, Shape::Collection, mode, &mut outcome)
            .await;
        Ok(outcome)
    }

    /// Adds an item to the chunk if it is wanted; a bad one is reported, once.
    fn collect(&self, task: &mut Task, item: Cut, chunk: &mut Vec<Item>) {
        let wanted = |index| task.only.as_ref().is_none_or(|only| only.contains(&index));
        match item {
            Ok(item) if wanted(item.index) => chunk.push(item),
            Err((index, text)) if wanted(index) => {
                self.report.fail(&task.source, Some(index), &text);
                task.failed = true;
            }
            _ => {}
        }
    }

    /// A file that is one transaction: all of it or nothing.
    async fn transact(&self, task: &mut Task, text: Bytes, mode: Mode) -> Result<Outcome, String> {
        match self.submit(text).await {
            Ok(answers) => {
                task.refusal = None;
                let mut outcome = Outcome::default();
                for (index, answer) in answers.into_iter().enumerate() {
                    self.take(task, index, answer, Mode::Final, &mut outcome);
                }
                self.report.count(outcome.stored.drain(..));
                Ok(outcome)
            }
            Err(refusal) if refusal.is_lost => {
                task.refusal = Some(refusal.text);
                Ok(Outcome::default())
            }
            Err(refusal) if refusal.is_final || mode == Mode::Final => Err(refusal.text),
            Err(refusal) => {
                task.refusal = Some(refusal.text);
                Ok(Outcome::default())
            }
        }
    }

    /// Sends a chunk away and empties it.
    async fn flush(
        &self,
        task: &mut Task,
        chunk: &mut Vec<Item>,
        shape: Shape,
        mode: Mode,
        outcome: &mut Outcome,
    ) {
        let items = std::mem::take(chunk);
        if items.is_empty() {
            return;
        }
        if self.is_over() {
            outcome.left.extend(items.iter().map(|item| item.index));
            return;
        }
        if shape != Shape::Batch && mode == Mode::Together {
            let bundle = Bytes::from(content::bundle("transaction", &items));
            match self.submit(bundle).await {
                Ok(answers) => return self.take_all(task, &items, answers, mode, outcome),
                // Something is missing that another file may bring.
                Err(refusal) if !refusal.is_final || refusal.is_lost => {
                    outcome.left.extend(items.iter().map(|item| item.index));
                    return;
                }
                // One of them is bad: the batch will tell which.
                Err(_) => {}
            }
        }
        let bundle = Bytes::from(content::bundle("batch", &items));
        match self.submit(bundle).await {
            Ok(answers) => self.take_all(task, &items, answers, mode, outcome),
            Err(refusal) if refusal.is_lost => {
                outcome.left.extend(items.iter().map(|item| item.index));
            }
            Err(refusal) => {
                for item in &items {
                    let answer = Answer::Refused(refusal.clone());
                    self.take(task, item.index, answer, mode, outcome);
                }
            }
        }
    }

    fn take_all(
        &self,
        task: &mut Task,
        items: &[Item],
        answers: Vec<Answer>,
        mode: Mode,
        outcome: &mut Outcome,
    ) {
        if answers.len() != items.len() {
            let (found, expected) = (answers.len(), items.len());
            let text = format!("expected {expected} answers but found {found}");
            self.report.fail(&task.source, None, &text);
            task.failed = true;
        }
        for (item, answer) in items.iter().zip(answers) {
            self.take(task, item.index, answer, mode, outcome);
        }
        self.report.count(outcome.stored.drain(..));
    }

    /// Counts, leaves for later or reports what became of one entry.
    fn take(
        &self,
        task: &mut Task,
        index: usize,
        answer: Answer,
        mode: Mode,
        outcome: &mut Outcome,
    ) {
        match answer {
            Answer::Stored {
                created,
                resource_type,
            } => {
                outcome.progress = true;
                let resource_type = resource_type.unwrap_or_else(|| "(no location)".to_owned());
                outcome.stored.push((created, resource_type));
            }
            Answer::Refused(Refusal { is_final, .. }) if !is_final && mode != Mode::Final => {
                outcome.left.insert(index);
            }
            Answer::Refused(refusal) => {
                self.report.fail(&task.source, Some(index), &refusal.text);
                task.failed = true;
            }
        }
    }
}

fn read(source: &Source) -> Result<Bytes, String> {
    let mut text = Vec::with_capacity(usize::try_from(source.size).unwrap_or(0));
    let read = source
        .open()
        .and_then(|mut file| file.read_to_end(&mut text));
    read.map_err(|error| error.to_string())?;
    Ok(Bytes::from(text))
}
