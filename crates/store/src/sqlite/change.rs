//! Small writes: a closure over the connection that runs in the writer's transaction, with the others of its group.
//!
//! Intake has jobs of its own, made for volume; everything else that a room keeps is written this way. The closure may
//! run more than once: when its group's transaction fails, each member is tried again by itself.

use rusqlite::Connection;
use tlsward_engine::ports::StoreError;

use super::failure::Failure;
use super::queue::Reply;

/// A small write that waits for its turn.
pub(crate) trait Change: Send {
    /// Does it. Nothing is committed yet.
    fn apply(&mut self, connection: &Connection) -> Result<(), Failure>;

    /// Tells the caller, after the commit or when there was none.
    fn answer(self: Box<Self>, result: Result<(), StoreError>);

    /// Bytes that it holds, about.
    fn bytes(&self) -> usize;
}

/// A closure and whom to tell.
pub(crate) struct Closure<T, F> {
    pub(crate) run: F,
    pub(crate) value: Option<T>,
    pub(crate) bytes: usize,
    pub(crate) reply: Reply<T>,
}

impl<T, F> Change for Closure<T, F>
where
    T: Send,
    F: FnMut(&Connection) -> Result<T, Failure> + Send,
{
    fn apply(&mut self, connection: &Connection) -> Result<(), Failure> {
        self.value = Some((self.run)(connection)?);
        Ok(())
    }

    fn answer(self: Box<Self>, result: Result<(), StoreError>) {
        let Self { value, reply, .. } = *self;
        let missing = || StoreError::Unavailable("it was not written".to_owned());
        // A caller that no longer listens has nothing to be told.
        drop(reply.send(result.and_then(|()| value.ok_or_else(missing))));
    }

    fn bytes(&self) -> usize {
        self.bytes
    }
}
