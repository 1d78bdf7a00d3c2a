//! The settings of the managed cluster, written to `andiron.conf` in the database directory on
//! every start and included by `postgresql.conf`
//! ([reference](https://www.postgresql.org/docs/current/runtime-config.html)).
//!
//! `postgresql.conf` itself is left to its reader: what stands there below the `include` line
//! wins over ours, except where the server listens, which is passed on the command line.
//! Nothing here trades durability for speed.

use std::fs;
use std::path::Path;

/// The name of our file, beside `postgresql.conf`.
pub(super) const FILE_NAME: &str = "andiron.conf";

/// The most connections that the cluster takes.
pub const MAX_CONNECTIONS: u32 = 100;

const MIB: u64 = 1 << 20;

/// What of the settings depends on the machine and on how PostgreSQL was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Machine {
    /// Bytes of memory that this process may use.
    pub(super) memory: u64,
    /// Whether this PostgreSQL compresses with lz4.
    pub(super) lz4: bool,
}

/// The text of `andiron.conf`.
pub(super) fn compose(machine: Machine) -> String {
    let shared_buffers = (machine.memory / 8).clamp(128 * MIB, 4096 * MIB) / MIB;
    let effective_cache = (machine.memory / 2).max(256 * MIB) / MIB;
    let (wal, toast) = match machine.lz4 {
        true => ("lz4", "lz4"),
        false => ("pglz", "pglz"),
    };
    // A client that was killed is noticed in the middle of a long statement, where the
    // platform can tell, so that its locks do not outlive it for long.
    let check_client = match cfg!(target_os = "linux") {
        true => "client_connection_check_interval = '5s'\n",
        false => "",
    };
    format!(
        "\
# Written by Andiron on every start: changes made here are lost. To change a setting, add it
# to postgresql.conf, below the line that includes this file.

# Memory
shared_buffers = '{shared_buffers}MB'
effective_cache_size = '{effective_cache}MB'
work_mem = '16MB'
maintenance_work_mem = '128MB'
huge_pages = try

# Durability
fsync = on
full_page_writes = on
synchronous_commit = on

# Write-ahead log and compression
wal_compression = {wal}
default_toast_compression = {toast}
max_wal_size = '2GB'
min_wal_size = '256MB'
checkpoint_timeout = '10min'
checkpoint_completion_target = 0.9

# Planner: statements are short and disks are solid
jit = off
random_page_cost = 1.1

# Connections
max_connections = {MAX_CONNECTIONS}
{check_client}
# Vacuum sooner than by default: tables are large and versions are many
autovacuum = on
autovacuum_naptime = '30s'
autovacuum_vacuum_scale_factor = 0.1
autovacuum_analyze_scale_factor = 0.05

# Text and time
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
client_encoding = 'UTF8'

# Log: never a statement or a value, which may be a patient's
logging_collector = off
log_destination = 'stderr'
log_line_prefix = '%m [%p] '
log_statement = none
log_min_error_statement = panic
log_error_verbosity = terse
log_min_duration_statement = -1
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
"
    )
}

/// Where the server listens, as command line arguments: nothing in a file may open a port.
pub(super) fn listen_arguments(socket_dir: &Path, port: u16) -> Vec<String> {
    vec![
        "-c".to_owned(),
        "listen_addresses=".to_owned(),
        "-c".to_owned(),
        format!("unix_socket_directories={}", quote_directory(socket_dir)),
        "-p".to_owned(),
        port.to_string(),
    ]
}

/// The setting is a list: quotes keep a comma or an edge blank in a path from dividing it.
fn quote_directory(directory: &Path) -> String {
    format!(
        "\"{}\"",
        directory.display().to_string().replace('"', "\"\"")
    )
}

/// Bytes of memory that this process may use: of the machine, or of its container if less.
/// Where the system does not tell, 1 GiB is assumed.
pub(super) fn available_memory() -> u64 {
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let machine = parse_meminfo(&meminfo).unwrap_or(1024 * MIB);
    [
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ]
    .iter()
    .filter_map(|path| fs::read_to_string(path).ok()?.trim().parse().ok())
    .fold(machine, u64::min)
}

/// The total memory in bytes out of the text of `/proc/meminfo`.
fn parse_meminfo(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_buffers_follow_memory_within_bounds() {
        let cases = [
            (256 * MIB, "shared_buffers = '128MB'"),
            (8192 * MIB, "shared_buffers = '1024MB'"),
            (1 << 40, "shared_buffers = '4096MB'"),
        ];
        for (memory, expected) in cases {
            let text = compose(Machine { memory, lz4: true });
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn compression_falls_back_where_lz4_was_not_built_in() {
        for (lz4, expected) in [(true, "lz4"), (false, "pglz")] {
            let text = compose(Machine {
                memory: 1 << 33,
                lz4,
            });
            assert!(text.contains(&format!("wal_compression = {expected}\n")));
            assert!(text.contains(&format!("default_toast_compression = {expected}\n")));
        }
    }

    #[test]
    fn memory_is_read_from_meminfo_text() {
        let cases = [
            (
                "MemTotal:       24685360 kB\nMemFree: 1 kB\n",
                Some(24_685_360 * 1024),
            ),
            ("MemFree: 1 kB\n", None),
            ("MemTotal: many\n", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_meminfo(text), expected, "{text}");
        }
        assert!(available_memory() > 0);
    }

    #[test]
    fn a_socket_directory_with_odd_characters_stays_one_directory() {
        let arguments = listen_arguments(Path::new("/data, of \"me\"/run"), 5432);
        assert!(
            arguments.contains(&"unix_socket_directories=\"/data, of \"\"me\"\"/run\"".to_owned())
        );
    }
}
