//! The secret of a database: made by whoever connects first, kept beside the data, and so the
//! same on every node and after a restart. Who reads the database reads what it protects, too.

use crate::error::{Error, Result};
use crate::search::{self, Secret};
use sqlx::PgPool;

const READ: &str = "SELECT value FROM secret WHERE name = 'cursors'";

const KEEP: &str =
    "INSERT INTO secret (name, value) VALUES ('cursors', $1) ON CONFLICT (name) DO NOTHING";

/// Every fixed statement of this file, for the test that prepares them.
pub const STATEMENTS: [&str; 2] = [READ, KEEP];

/// What cursors are sealed with.
///
/// # Errors
/// Those of the database; a fault where what it keeps is no secret of ours.
pub async fn of_cursors(pool: &PgPool) -> Result<Secret> {
    if let Some(known) = read(pool).await? {
        return Ok(known);
    }
    let made: [u8; Secret::BYTES] = search::random();
    sqlx::query(KEEP).bind(&made[..]).execute(pool).await?;
    // Another node may have been faster.
    let kept = read(pool).await?;
    kept.ok_or_else(|| Error::fault("the secret of cursors is not kept"))
}

async fn read(pool: &PgPool) -> Result<Option<Secret>> {
    let found: Option<Vec<u8>> = sqlx::query_scalar(READ).fetch_optional(pool).await?;
    let bytes = found.map(<[u8; Secret::BYTES]>::try_from).transpose();
    let bytes = bytes.map_err(|_| Error::fault("the secret of cursors has another length"))?;
    Ok(bytes.map(Secret::new))
}
