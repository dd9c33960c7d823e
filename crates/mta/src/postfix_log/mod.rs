//! Postfix's log, for what its datagrams leave out: the MX host and the certificate of a session that succeeded, and MX
//! hosts that were passed over.
//!
//! [`entry`] takes a line apart (syslog's forms, Postfix's own file, journald's JSON and export form), [`message`]
//! reads the words, [`Tracker`] puts together what one process says in several lines, [`Follower`] reads a file that
//! grows and is rotated, [`Feed`] brings what came of all that into the journal, as [`record`]s, and [`JournalFeed`] does
//! so from the journal of systemd. Needs `smtp_tls_loglevel = 2`; at 1 there are no fingerprints, and sessions come
//! without.
//!
//! A log is text that strangers have a part in (names, certificates): a line that is not exactly as Postfix writes it
//! is passed over.

pub mod entry;
mod feed;
mod follow;
mod journalctl;
pub mod message;
pub mod record;
mod telling;
mod track;

pub use feed::Feed;
pub use follow::{Cursor, Follower};
pub use journalctl::{JournalFeed, SystemdJournal};
pub use telling::{FeedStats, OnHeldBack};
pub use track::{MAX_PROCESSES, Tracker};
