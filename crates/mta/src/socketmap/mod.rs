//! Postfix's socketmap: one netstring asks, one answers, one question at a time on a connection.
//!
//! [`netstring`] and [`Request`] read, [`Reply`] writes, [`render`] spells a policy in one of the [`Dialect`]s,
//! [`Key`] reads the next hop. [`Server`] is the loop over TCP and unix sockets. What can fail: the client's grammar
//! (answered with `PERM`, and the connection is closed where no next question could be found).

mod connection;
mod key;
mod listener;
pub mod netstring;
mod policy;
mod reply;
mod request;
mod server;

pub use key::Key;
pub use listener::{Listener, ListenerError};
pub use policy::{Dialect, LeftOut, MAX_LINE_BYTES, Rendering, render};
pub use reply::{Encoded, MAX_REPLY_BYTES, Reply};
pub use request::{Request, RequestError};
pub use server::{Answer, Answers, Limits, Server};
