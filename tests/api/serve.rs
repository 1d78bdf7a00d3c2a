//! Serving on a socket, and stopping.

use crate::harness::Server;
use andiron::api;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// Sends bytes and reads until the server closes.
async fn converse(address: std::net::SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("somebody listens");
    stream
        .write_all(request.as_bytes())
        .await
        .expect("the request goes out");
    let mut answer = Vec::new();
    stream
        .read_to_end(&mut answer)
        .await
        .expect("the answer arrives");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_server_answers_until_it_is_asked_to_stop() {
    let server = Server::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async move {
        let _ = stopped.await;
    };
    let grace = Duration::from_secs(5);
    let serving = tokio::spawn(api::serve(
        listener,
        api::router(server.hub.clone()),
        shutdown,
        grace,
    ));
    let request = "HEAD /fhir/metadata HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answer = converse(address, request).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "HEAD has no body: {answer}");
    // A connection that stays open and idle does not hold the server up.
    let _idle = TcpStream::connect(address).await.expect("somebody listens");
    stop.send(()).expect("the server still waits");
    serving.await.expect("no panic").expect("a clean end");
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_body_that_is_too_large_is_answered_before_the_connection_ends() {
    let server = Server::with(|settings| settings.limits.body_size = 100_000).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let shutdown = std::future::pending();
    let router = api::router(server.hub.clone());
    tokio::spawn(api::serve(listener, router, shutdown, Duration::ZERO));
    let body = " ".repeat(150_000);
    let request = format!(
        "POST /fhir/Patient HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Content-Type: application/fhir+json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = converse(address, &request).await;
    assert!(
        answer.starts_with("HTTP/1.1 413") && answer.contains("body-size"),
        "{answer}"
    );
}
