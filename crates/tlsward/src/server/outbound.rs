//! What the pages show of the outbound side: the policies in force, who reports, where Postfix asks and tells.

use std::sync::Arc;

use tlsward_engine::ports::{AlertLine, PolicyBook, PolicyLine, StoreError};
use tlsward_engine::report::Settings;
use tlsward_web::pages::Outbound;

use super::announce::Places;
use super::demo_outbound::DemoBook;
use super::enforce::Handle;

/// Where the policies that are shown come from.
pub(super) enum Book {
    /// Enforcement at work.
    Live(Handle),
    /// The demonstration.
    Demo(DemoBook),
}

/// The outbound side of a server that enforces, or reports, or both.
pub(super) fn shown(
    enforcing: Option<Handle>,
    reporting: Option<Arc<Settings>>,
    places: &Places,
) -> Outbound<Book> {
    Outbound {
        policies: enforcing.map(|handle| Arc::new(Book::Live(handle))),
        reporting,
        socketmap: places.socketmap(),
        session_socket: places.sessions.as_ref().map(|path| path.display().to_string()),
    }
}

impl PolicyBook for Book {
    async fn policies(&self, after: Option<&str>, limit: usize) -> Result<Vec<PolicyLine>, StoreError> {
        match self {
            Self::Live(book) => book.policies(after, limit).await,
            Self::Demo(book) => book.policies(after, limit).await,
        }
    }

    async fn policy(&self, domain: &str) -> Result<Option<PolicyLine>, StoreError> {
        match self {
            Self::Live(book) => book.policy(domain).await,
            Self::Demo(book) => book.policy(domain).await,
        }
    }

    async fn alerts(&self, domain: Option<&str>, limit: usize) -> Result<Vec<AlertLine>, StoreError> {
        match self {
            Self::Live(book) => book.alerts(domain, limit).await,
            Self::Demo(book) => book.alerts(domain, limit).await,
        }
    }
}
