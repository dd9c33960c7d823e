//! Requests about the owner's own domains, and their answers, as they cross the control socket: JSON on both sides.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::Path;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::{LONG_PATIENCE, PATIENCE};

/// A request at most: a hundred thousand names of domains.
pub(super) const REQUEST_BYTES: usize = 16 << 20;
/// An answer at most: the files of a hundred thousand domains. Lists come in pages.
const REPLY_BYTES: u64 = 256 << 20;

/// What is published, as a command says it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Terms {
    pub(crate) mx: Vec<String>,
    pub(crate) rua: Vec<String>,
    pub(crate) max_age: Option<u64>,
    /// A stage's token.
    pub(crate) stage: String,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub(crate) enum Request {
    /// Begin with domains, by terms of their own or by a group's.
    Add {
        domains: Vec<String>,
        terms: Option<Terms>,
        group: Option<String>,
    },
    /// Take over a domain; without `yes` only say what that would be.
    Adopt {
        domain: String,
        rua: Vec<String>,
        yes: bool,
    },
    /// A page of the list.
    List {
        after: Option<String>,
    },
    Show {
        domain: String,
    },
    Plan {
        domain: String,
    },
    Advance {
        domain: String,
        i_know: bool,
    },
    /// Of a domain, or of a group.
    Mx {
        of: String,
        is_group: bool,
        host: String,
        add: bool,
        i_know: bool,
    },
    Group {
        group: String,
        terms: Terms,
    },
    Reannounce {
        domain: String,
    },
    /// With `wind_down`, in the order that strands no sender.
    Remove {
        domain: String,
        wind_down: bool,
    },
    /// All files.
    Export,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reply {
    pub(crate) result: Outcome,
    /// For a person; may have several lines.
    pub(crate) text: String,
    /// The same as data; `next` in it begins the next page.
    pub(crate) data: serde_json::Value,
}

/// See [`Reply`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// Done, or shown.
    Done,
    /// Not done, for a reason of the owner's making.
    Refused,
    /// What was asked is no domain, host or group.
    Unusable,
    /// It could not be told.
    Untold,
}

impl Reply {
    /// Without data.
    pub(crate) fn of(result: Outcome, text: impl Into<String>) -> Self {
        Self { result, text: text.into(), data: serde_json::Value::Null }
    }
}

/// Who carries requests out.
pub(crate) trait Domains: Send + Sync + 'static {
    /// Carries one out.
    fn carry_out(&self, request: Request) -> BoxFuture<'static, Reply>;
}

/// Has the server at `socket` carry out a request.
pub(crate) fn ask(socket: &Path, request: &Request) -> io::Result<Reply> {
    let body = serde_json::to_vec(request)?;
    let mut stream = BlockingStream::connect(socket)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_read_timeout(Some(LONG_PATIENCE + PATIENCE))?;
    let sent = stream
        .write_all(format!("DOMAIN {}\n", body.len()).as_bytes())
        .and_then(|()| stream.write_all(&body));
    let mut reply = Vec::new();
    stream.take(REPLY_BYTES).read_to_end(&mut reply)?;
    match serde_json::from_slice(&reply) {
        Ok(reply) => Ok(reply),
        Err(_) if reply.is_empty() => {
            Err(sent.err().unwrap_or_else(|| io::Error::other("the server gave no answer")))
        }
        Err(_) => Err(io::Error::other(String::from_utf8_lossy(&reply).trim_end().to_owned())),
    }
}
