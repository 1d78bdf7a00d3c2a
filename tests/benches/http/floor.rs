//! The floor server: the least that a server of JSON on PostgreSQL could do. A bare axum handler
//! per route, one statement per request through a pool like Andiron's, on a database of its own
//! in the same cluster. Nothing is parsed, checked, or indexed but the key.
//!
//! ```text
//! GET  /Floor/{id}    one row                     POST /bundle   all bodies, one statement
//! POST /Floor         one row                     PUT  /Floor/{id}   the old row kept as history
//! ```

use crate::{Failure, Result, process};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path as PathPart, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use sqlx::postgres::{PgPool, PgPoolOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

/// Its database.
pub const DATABASE: &str = "floor";

/// What is in it.
pub const SCHEMA: &str = "
    CREATE TABLE floor_resource (
        id text PRIMARY KEY,
        version integer NOT NULL DEFAULT 1,
        body text NOT NULL
    );
    CREATE TABLE floor_history (
        id text NOT NULL,
        version integer NOT NULL,
        body text NOT NULL,
        PRIMARY KEY (id, version)
    );
    CREATE TABLE floor_load (id text PRIMARY KEY, body text NOT NULL);
";

const READ: &str = "SELECT body FROM floor_resource WHERE id = $1";

const CREATE: &str = "INSERT INTO floor_resource (id, body) VALUES ($1, $2)";

const UPDATE: &str = "
    WITH old AS (
        INSERT INTO floor_history (id, version, body)
        SELECT id, version, body FROM floor_resource WHERE id = $1
    )
    UPDATE floor_resource SET version = version + 1, body = $2 WHERE id = $1";

const BUNDLE: &str = "
    INSERT INTO floor_resource (id, body) SELECT * FROM unnest($1::text[], $2::text[])";

const JSON: [(header::HeaderName, &str); 1] = [(header::CONTENT_TYPE, "application/fhir+json")];

/// Runs the server until the process that started it ends.
pub fn run(socket_dir: &Path, connections: u32) -> Result<()> {
    std::thread::spawn(|| {
        // Nothing is ever written to us: this returns when nobody is left who could.
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    tokio::runtime::Runtime::new()?.block_on(serve(socket_dir, connections))
}

async fn serve(socket_dir: &Path, connections: u32) -> Result<()> {
    let connect = process::connect(socket_dir, DATABASE)
        .application_name("floor")
        .statement_cache_capacity(500)
        .options([("statement_timeout", "30000"), ("jit", "off")]);
    let pool = PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(10))
        .test_before_acquire(false)
        .connect_with(connect)
        .await?;
    let router = Router::new()
        .route("/Floor", post(create))
        .route("/Floor/{id}", get(read).put(update))
        .route("/bundle", post(bundle))
        .layer(DefaultBodyLimit::disable())
        .with_state(pool);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let mut out = std::io::stdout();
    writeln!(out, "listening on http://{address}")?;
    out.flush()?;
    Ok(axum::serve(listener, router).await?)
}

/// Whatever went wrong, in words, with status 500.
struct Wrong(Failure);

impl<E: Into<Failure>> From<E> for Wrong {
    fn from(error: E) -> Wrong {
        Wrong(error.into())
    }
}

impl IntoResponse for Wrong {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.0.to_string()).into_response()
    }
}

type Answer = std::result::Result<Response, Wrong>;

async fn read(State(pool): State<PgPool>, PathPart(id): PathPart<String>) -> Answer {
    let body: String = sqlx::query_scalar(READ).bind(id).fetch_one(&pool).await?;
    Ok((JSON, body).into_response())
}

async fn create(State(pool): State<PgPool>, body: Bytes) -> Answer {
    let id = uuid::Uuid::now_v7().to_string();
    let body = std::str::from_utf8(&body)?;
    sqlx::query(CREATE)
        .bind(&id)
        .bind(body)
        .execute(&pool)
        .await?;
    let location = [(header::LOCATION, format!("/Floor/{id}"))];
    Ok((StatusCode::CREATED, location).into_response())
}

async fn update(State(pool): State<PgPool>, PathPart(id): PathPart<String>, body: Bytes) -> Answer {
    let body = std::str::from_utf8(&body)?;
    let done = sqlx::query(UPDATE)
        .bind(&id)
        .bind(body)
        .execute(&pool)
        .await?;
    match done.rows_affected() {
        1 => Ok(StatusCode::OK.into_response()),
        _ => Ok(StatusCode::NOT_FOUND.into_response()),
    }
}

async fn bundle(State(pool): State<PgPool>, frame: Bytes) -> Answer {
    let (ids, bodies) = unframe(&frame)?;
    sqlx::query(BUNDLE)
        .bind(ids)
        .bind(bodies)
        .execute(&pool)
        .await?;
    Ok(StatusCode::OK.into_response())
}

/// Adds an id and a body to the body of a request to `/bundle`: each is its length in four bytes
/// and then its text.
pub fn frame(frame: &mut Vec<u8>, id: &str, body: &str) {
    for text in [id, body] {
        let length = u32::try_from(text.len()).expect("a resource is smaller than 4 GiB");
        frame.extend_from_slice(&length.to_le_bytes());
        frame.extend_from_slice(text.as_bytes());
    }
}

/// The ids and the bodies of a frame.
fn unframe(mut frame: &[u8]) -> Result<(Vec<&str>, Vec<&str>)> {
    let (mut ids, mut bodies) = (Vec::new(), Vec::new());
    while !frame.is_empty() {
        for texts in [&mut ids, &mut bodies] {
            let (length, rest) = frame.split_first_chunk().ok_or("half a length")?;
            let length = u32::from_le_bytes(*length) as usize;
            let (text, rest) = rest.split_at_checked(length).ok_or("half a text")?;
            texts.push(std::str::from_utf8(text)?);
            frame = rest;
        }
    }
    Ok((ids, bodies))
}
