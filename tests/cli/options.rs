//! What the program says of options and commands that it cannot do.

use super::program::{andiron, run, text};

#[tokio::test]
async fn a_start_that_fails_lists_every_problem() {
    let flags = [
        "serve",
        "--listen",
        "0.0.0.0:0",
        "--auth",
        "smart",
        "--page-size",
        "x",
    ];
    let output = run(andiron().args(flags).env("ANDIRON_BODY_SIZE", "huge")).await;
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    for says in [
        "say --insecure",
        "`smart` is not there yet",
        "--page-size:",
        "ANDIRON_BODY_SIZE:",
    ] {
        assert!(said.contains(says), "{says}: {said}");
    }
    assert_eq!(text(&output.stdout), "");
}

#[tokio::test]
async fn commands_to_come_say_so() {
    for command in ["client", "user", "fhirpath"] {
        let output = run(andiron().args([command, "x", "--some", "option"])).await;
        assert_eq!(output.status.code(), Some(2), "{command}");
        assert!(text(&output.stderr).contains("not there yet"), "{command}");
    }
}

#[tokio::test]
async fn the_version_and_help_are_on_standard_output() {
    for (flag, says) in [
        ("--version", env!("CARGO_PKG_VERSION")),
        ("--help", "doctor"),
    ] {
        let output = run(andiron().arg(flag)).await;
        assert_eq!(output.status.code(), Some(0), "{flag}");
        assert!(text(&output.stdout).contains(says), "{flag}");
    }
}
