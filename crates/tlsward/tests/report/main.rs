//! `tlsward serve` with `[report]`, from the outside: sessions come in by every road, are counted once whatever happens, and
//! their reports go out.

#![expect(clippy::unwrap_used, reason = "a test whose world cannot be set up fails")]

#[path = "../dkim/mod.rs"]
mod dkim;
#[path = "../program/mod.rs"]
mod program;
#[expect(dead_code, reason = "each test program uses its own part")]
#[path = "../relay/mod.rs"]
mod relay;
#[expect(dead_code, reason = "each test program uses its own part")]
#[path = "../program/server.rs"]
mod server;

mod intake;
mod logged;
mod mail_log;
#[expect(dead_code, reason = "each test program uses its own part")]
mod scene;
mod sending;
