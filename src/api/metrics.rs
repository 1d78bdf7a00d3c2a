//! What is counted, in the text format of Prometheus (OpenMetrics 1.0).
//!
//! Labels have few values: interaction, resource type and status, never an id, a path or a
//! search value. The label sets are small `Copy` values, so that counting a request
//! allocates nothing once its set has been seen.

use crate::error::{Error, Result};
use crate::interaction::Hub;
use crate::interaction::meter::{Measured, SAMPLED};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::time::Duration;

/// Upper bounds of the latency histogram, in seconds.
const BUCKETS: [f64; 13] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0,
];

/// How long a scrape waits for the database.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    interaction: &'static str,
    /// The resource type; empty at the system level.
    resource_type: &'static str,
    status: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Took {
    interaction: &'static str,
    /// `2xx` and so on.
    status: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Connections {
    state: &'static str,
}

/// A part of answering a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Stage {
    stage: &'static str,
}

/// How a resource came on the page of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Returned {
    /// `match` or `include`.
    mode: &'static str,
}

/// Rows of the searches that are sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Rows {
    /// `scanned` or `returned`.
    rows: &'static str,
}

#[derive(Clone)]
struct Buckets;

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(BUCKETS)
    }
}

/// The numbers of one process.
pub struct Metrics {
    registry: Registry,
    answered: Family<Answered, Counter>,
    took: Family<Took, Histogram, Buckets>,
    stages: Family<Stage, Histogram, Buckets>,
    returned: Family<Returned, Counter>,
    samples: Counter,
    sampled: Family<Rows, Counter>,
    pub in_flight: Gauge,
    connections: Family<Connections, Gauge>,
    database_size: Gauge,
}

impl Metrics {
    pub fn new() -> Metrics {
        let mut metrics = Metrics {
            registry: Registry::with_prefix("andiron"),
            answered: Family::default(),
            took: Family::new_with_constructor(Buckets),
            stages: Family::new_with_constructor(Buckets),
            returned: Family::default(),
            samples: Counter::default(),
            sampled: Family::default(),
            in_flight: Gauge::default(),
            connections: Family::default(),
            database_size: Gauge::default(),
        };
        let registry = &mut metrics.registry;
        registry.register(
            "requests",
            "Requests answered, by interaction, resource type and status",
            metrics.answered.clone(),
        );
        registry.register_with_unit(
            "request_duration",
            "Time from a request to its answer, by interaction and class of status",
            Unit::Seconds,
            metrics.took.clone(),
        );
        registry.register_with_unit(
            "search_stage_duration",
            "Time of a search by stage: compile, lookup, settle, find, include, total, assemble; of \
             searches inside Bundles too",
            Unit::Seconds,
            metrics.stages.clone(),
        );
        registry.register(
            "search_resources",
            "Resources on the pages of searches, by how they came there: match or include",
            metrics.returned.clone(),
        );
        registry.register(
            "search_samples",
            format!("Searches whose rows are counted: one in {SAMPLED}"),
            metrics.samples.clone(),
        );
        registry.register(
            "search_sampled_rows",
            "Rows of the sampled searches: scanned, the entries of indexes and the rows of whole \
             tables that PostgreSQL read for them, and returned, the resources on their pages",
            metrics.sampled.clone(),
        );
        registry.register(
            "requests_in_flight",
            "Requests in work at the moment",
            metrics.in_flight.clone(),
        );
        registry.register(
            "database_connections",
            "Connections of the pool: in use, idle, and as many as there may be",
            metrics.connections.clone(),
        );
        registry.register_with_unit(
            "database_size",
            "Size of the database with everything in it",
            Unit::Bytes,
            metrics.database_size.clone(),
        );
        metrics
    }

    /// Counts one answered request.
    pub fn answered(
        &self,
        interaction: &'static str,
        resource_type: &'static str,
        status: u16,
        took: Duration,
    ) {
        let labels = Answered {
            interaction,
            resource_type,
            status,
        };
        self.answered.get_or_create(&labels).inc();
        let labels = Took {
            interaction,
            status: class(status),
        };
        self.took.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// Counts what one search cost and brought.
    pub fn searched(&self, measured: &Measured) {
        for (stage, spent) in &measured.spent {
            let histogram = self.stages.get_or_create(&Stage { stage });
            histogram.observe(spent.as_secs_f64());
        }
        for (mode, count) in [("match", measured.matches), ("include", measured.includes)] {
            let returned = self.returned.get_or_create(&Returned { mode });
            returned.inc_by(count as u64);
        }
        if let Some(scanned) = measured.scanned {
            self.samples.inc();
            let returned = (measured.matches + measured.includes) as u64;
            for (rows, count) in [("scanned", scanned), ("returned", returned)] {
                self.sampled.get_or_create(&Rows { rows }).inc_by(count);
            }
        }
    }

    /// Everything as text. The database is asked now; while it is away its size is the last
    /// one known.
    pub async fn to_text(&self, hub: &Hub) -> Result<String> {
        let pool = hub.store.pool_status();
        let idle = pool.idle as i64;
        let open = i64::from(pool.open);
        for (state, count) in [
            ("used", (open - idle).max(0)),
            ("idle", idle),
            ("most", i64::from(pool.most)),
        ] {
            self.connections
                .get_or_create(&Connections { state })
                .set(count);
        }
        let size = tokio::time::timeout(PATIENCE, hub.store.database_size());
        if let Ok(Ok(size)) = size.await {
            self.database_size.set(size);
        }
        self.encode()
    }

    fn encode(&self) -> Result<String> {
        let mut text = String::new();
        encode(&mut text, &self.registry).map_err(Error::fault)?;
        Ok(text)
    }
}

fn class(status: u16) -> &'static str {
    match status / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_is_counted_by_its_stages_and_what_it_returned() {
        let metrics = Metrics::new();
        metrics.searched(&Measured {
            spent: vec![("find", Duration::from_millis(2))],
            matches: 3,
            includes: 0,
            scanned: Some(7),
        });
        let text = metrics.encode().expect("text");
        for line in [
            r#"andiron_search_stage_duration_seconds_count{stage="find"} 1"#,
            r#"andiron_search_resources_total{mode="match"} 3"#,
            r#"andiron_search_resources_total{mode="include"} 0"#,
            "andiron_search_samples_total 1",
            r#"andiron_search_sampled_rows_total{rows="scanned"} 7"#,
            r#"andiron_search_sampled_rows_total{rows="returned"} 3"#,
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }

    #[test]
    fn a_request_is_counted_by_interaction_type_and_status() {
        let metrics = Metrics::new();
        for (resource_type, status) in [("Patient", 200), ("Patient", 200), ("Patient", 404)] {
            metrics.answered("read", resource_type, status, Duration::from_millis(2));
        }
        let text = metrics.encode().expect("text");
        for line in [
            r#"andiron_requests_total{interaction="read",resource_type="Patient",status="200"} 2"#,
            r#"andiron_requests_total{interaction="read",resource_type="Patient",status="404"} 1"#,
            r#"andiron_request_duration_seconds_count{interaction="read",status="2xx"} 2"#,
            r#"andiron_request_duration_seconds_bucket{le="0.0025",interaction="read",status="2xx"} 2"#,
            "andiron_requests_in_flight 0",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
