//! Being asked to stop: SIGTERM and SIGINT (Ctrl-C), counted.

use super::Failure;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// How often this process has been asked to stop; clones see the same count.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<u32>);

impl Stop {
    /// Takes the signals over from the system, whose answer would be to end the process.
    pub fn listen() -> Result<Stop, Failure> {
        let open = |kind| {
            signal(kind)
                .map_err(|error| Failure::new(format!("cannot listen for signals: {error}")))
        };
        let terminate = open(SignalKind::terminate())?;
        let interrupt = open(SignalKind::interrupt())?;
        let (sender, receiver) = watch::channel(0);
        tokio::spawn(count(terminate, interrupt, sender));
        Ok(Stop(receiver))
    }

    /// Returns once somebody has asked.
    pub async fn asked(&self) {
        self.asked_times(1).await;
    }

    /// Returns once somebody has asked again, having lost patience.
    pub async fn asked_again(&self) {
        self.asked_times(2).await;
    }

    pub fn is_asked(&self) -> bool {
        *self.0.borrow() > 0
    }

    async fn asked_times(&self, times: u32) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|count| *count >= times).await.is_err() {
            // Nobody counts any more, so nobody will ask.
            std::future::pending::<()>().await;
        }
    }
}

async fn count(mut terminate: Signal, mut interrupt: Signal, sender: watch::Sender<u32>) {
    loop {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        sender.send_modify(|count| *count += 1);
    }
}
