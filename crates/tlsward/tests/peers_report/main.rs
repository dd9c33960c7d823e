//! `tlsward serve` with `[report]` beside programs from outside: days that pass by libfaketime, the journal of systemd, and a
//! file system that is full.

#![expect(clippy::unwrap_used, reason = "a test whose world cannot be set up fails")]

#[path = "../dkim/mod.rs"]
mod dkim;
#[path = "../report/logged.rs"]
mod logged;
#[path = "../program/mod.rs"]
mod program;
#[expect(dead_code, reason = "each test program uses its own part")]
#[path = "../relay/mod.rs"]
mod relay;
#[path = "../report/scene.rs"]
mod scene;
#[expect(dead_code, reason = "each test program uses its own part")]
#[path = "../program/server.rs"]
mod server;

mod days;
mod full_disk;
mod journald;
