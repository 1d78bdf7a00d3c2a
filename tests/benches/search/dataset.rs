//! The filled databases: a data folder each, kept below the target directory, so that filling is
//! done once for each size, seed, schema and way of indexing.
//!
//! ```text
//! CARGO_TARGET_TMPDIR/search/10x-1-HASH/data    tenant 1 is everything
//!                           /10x-1-HASH-small   tenant 1 is five people inside of tenant 2
//! ```
//!
//! While it is filled the database is not durable; a folder that was not finished is begun anew.

use crate::fill::{self, Lines, Share};
use crate::grow::{PEOPLE, World};
use crate::{Result, process};
use andiron::access::Tenant;
use andiron::search::registry::Registry;
use andiron::storage::cluster::Cluster;
use andiron::storage::migrate;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use xxhash_rust::xxh3::xxh3_64;

/// People of the small tenant, at every size of the other.
const FEW: u32 = 5;

/// How the tenants share a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Everything is of tenant 1, the only one that requests can ask for.
    Whole,
    /// Tenant 1 is small, and the rest is of tenant 2.
    Small,
}

/// A filled database and the facts that it was filled with.
pub struct Dataset {
    pub size: u32,
    pub layout: Layout,
    /// What tenant 1 has.
    pub world: Arc<World>,
    folder: PathBuf,
}

impl fmt::Display for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.layout {
            Layout::Whole => write!(f, "{}x", self.size),
            Layout::Small => write!(f, "{}x, tenant 1 of {FEW} people", self.size),
        }
    }
}

impl Dataset {
    /// Finds or fills the database.
    pub async fn open(
        registry: &Arc<Registry>,
        size: u32,
        seed: u64,
        layout: Layout,
    ) -> Result<Dataset> {
        let bulk = Arc::new(World::grow(seed, PEOPLE * size));
        let few = Arc::new(World::grow(seed + 1, FEW));
        let shares = |layout| match layout {
            Layout::Whole => vec![Share {
                tenant: Tenant::DEFAULT,
                world: bulk.clone(),
                bodies: true,
            }],
            Layout::Small => vec![
                Share {
                    tenant: Tenant(2),
                    world: bulk.clone(),
                    bodies: false,
                },
                Share {
                    tenant: Tenant::DEFAULT,
                    world: few.clone(),
                    bodies: true,
                },
            ],
        };
        let parent = Path::new(env!("CARGO_TARGET_TMPDIR")).join("search");
        let suffix = match layout {
            Layout::Whole => "",
            Layout::Small => "-small",
        };
        let prefix = format!("{size}x-{seed}-");
        let hash = fingerprint(registry, &shares(layout))?;
        let folder = parent.join(format!("{prefix}{hash:016x}{suffix}"));
        if !folder.join("filled").exists() {
            remove_others(&parent, &prefix, suffix)?;
            make(&folder, registry, &shares(layout)).await?;
        }
        let world = match layout {
            Layout::Whole => bulk,
            Layout::Small => few,
        };
        Ok(Dataset {
            size,
            layout,
            world,
            folder,
        })
    }

    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub fn log(&self) -> PathBuf {
        self.folder.join("andiron.log")
    }
}

/// Changes with the schema of the tables that are filled, with what the generator makes and with how that is indexed.
fn fingerprint(registry: &Registry, shares: &[Share]) -> Result<u64> {
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/storage/migrations");
    let mut files = fs::read_dir(migrations)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    files.sort();
    let mut text = String::new();
    for file in files {
        let statements = fs::read_to_string(file)?;
        // Others are applied as the server starts, and change nothing that was filled.
        if fill::is_about_tables(&statements) {
            text.push_str(&statements);
        }
    }
    for share in shares {
        text.push_str(&Lines::of(share, registry, 0)?.all());
    }
    Ok(xxh3_64(text.as_bytes()))
}

/// Removes what was filled for another schema, since it is large.
fn remove_others(parent: &Path, prefix: &str, suffix: &str) -> Result<()> {
    fs::create_dir_all(parent)?;
    for entry in fs::read_dir(parent)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let hash = name
            .strip_prefix(prefix)
            .and_then(|rest| rest.strip_suffix(suffix));
        if hash.is_some_and(|hash| !hash.contains('-')) {
            let folder = parent.join(name);
            if let Some(cluster) = process::elsewhere(&folder.join("data")) {
                fs::remove_dir_all(cluster)?;
            }
            fs::remove_dir_all(folder)?;
        }
    }
    Ok(())
}

/// What makes filling fast; taken back before anything is measured.
const HURRY: [&str; 6] = [
    "fsync = off",
    "full_page_writes = off",
    "autovacuum = off",
    "wal_level = minimal",
    "max_wal_senders = 0",
    "maintenance_work_mem = '1GB'",
];

async fn make(folder: &Path, registry: &Arc<Registry>, shares: &[Share]) -> Result<()> {
    eprintln!("filling {}", folder.display());
    let begun = Instant::now();
    let data = folder.join("data");
    fs::create_dir_all(&data)?;
    let said = |text: &str| eprintln!("  {text}");
    // Settings take effect at a start: hence three of them.
    let cluster = Cluster::start(&data, &said).await?;
    migrate::run(&cluster.connect_options()).await?;
    let hurry = HURRY.map(|setting| format!("ALTER SYSTEM SET {setting}"));
    alter(&cluster, &hurry).await?;
    cluster.stop().await?;
    let cluster = Cluster::start(&data, &said).await?;
    let resources = fill::fill(&cluster.connect_options(), registry, shares).await?;
    alter(&cluster, &["ALTER SYSTEM RESET ALL".to_owned()]).await?;
    cluster.stop().await?;
    fs::write(folder.join("filled"), format!("{resources} resources\n"))?;
    let seconds = begun.elapsed().as_secs_f64();
    eprintln!("  {resources} resources in {seconds:.0} s");
    Ok(())
}

async fn alter(cluster: &Cluster, statements: &[String]) -> Result<()> {
    let mut session = cluster.connect_options().connect().await?;
    for statement in statements {
        session.execute(AssertSqlSafe(statement.clone())).await?;
    }
    Ok(session.close().await?)
}
