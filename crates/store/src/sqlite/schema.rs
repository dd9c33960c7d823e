//! The tables, and how a file of an older program gets them.
//!
//! `user_version` counts the steps that a file has been through. A file that went further than this program knows is
//! refused: writing into it could destroy what a newer one keeps there.

use rusqlite::Connection;
use tlsward_engine::ports::StoreError;

use super::failure::Failure;

/// Marks a file as ours (`PRAGMA application_id`): "TLSW".
const APPLICATION: i32 = 0x544c_5357;

/// Each step in order; a released one never changes.
///
/// Policies and failure rows of report R have the integer keys from `R << 20`: appended in the order of arrival, found
/// as one range, and without an index of their own. `prefix` is 64 bits of a report's digest; whoever finds one
/// compares the rest. `report.state`: 0 whole, 1 rows still coming, 2 to be removed; only 0 is shown.
pub(crate) const STEPS: &[&str] = &["
CREATE TABLE books (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    reports INTEGER NOT NULL, domains INTEGER NOT NULL, duplicates INTEGER NOT NULL, dropped INTEGER NOT NULL,
    set_aside INTEGER NOT NULL, set_aside_bytes INTEGER NOT NULL,
    pending INTEGER NOT NULL, pending_bytes INTEGER NOT NULL,
    open_reports INTEGER NOT NULL, open_bytes INTEGER NOT NULL, open_rows INTEGER NOT NULL,
    last_received_at INTEGER,
    next_raw INTEGER NOT NULL, next_report INTEGER NOT NULL, oldest_open INTEGER NOT NULL
) STRICT;
INSERT INTO books VALUES (1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, 1, 1, 0);

CREATE TABLE raw (
    id INTEGER PRIMARY KEY, digest BLOB NOT NULL, road INTEGER NOT NULL, received_at INTEGER NOT NULL,
    peer BLOB, label TEXT NOT NULL, uses INTEGER NOT NULL, complaints TEXT, bytes BLOB NOT NULL
) STRICT;
CREATE TABLE pending (id INTEGER PRIMARY KEY) STRICT;
CREATE TABLE set_aside (id INTEGER PRIMARY KEY, reason INTEGER NOT NULL, detail TEXT NOT NULL) STRICT;

CREATE TABLE report (
    id INTEGER PRIMARY KEY, prefix INTEGER NOT NULL, digest BLOB NOT NULL, state INTEGER NOT NULL,
    raw INTEGER NOT NULL, share INTEGER NOT NULL, trust INTEGER NOT NULL, received_at INTEGER NOT NULL,
    day INTEGER NOT NULL, begin INTEGER, end INTEGER,
    organization_name TEXT, organization INTEGER NOT NULL, report_id TEXT, contact_info TEXT,
    domain TEXT, domains INTEGER NOT NULL,
    successful INTEGER NOT NULL, successful_more INTEGER NOT NULL, failed INTEGER NOT NULL, failed_more INTEGER NOT NULL,
    policy_count INTEGER NOT NULL, failure_count INTEGER NOT NULL, member TEXT NOT NULL, repairs BLOB
) STRICT;
CREATE INDEX report_hidden ON report (state) WHERE state <> 0;

CREATE TABLE digest (prefix INTEGER NOT NULL, report INTEGER NOT NULL, PRIMARY KEY (prefix, report))
    STRICT, WITHOUT ROWID;
CREATE TABLE digest_slice (slice INTEGER PRIMARY KEY, through INTEGER NOT NULL) STRICT;

CREATE TABLE policy (
    id INTEGER PRIMARY KEY, domain TEXT, type ANY, strings BLOB, mx BLOB, successful INTEGER, failed INTEGER,
    detailed INTEGER, mode INTEGER, results BLOB, first_row INTEGER, last_row INTEGER, has_details INTEGER NOT NULL
) STRICT;
CREATE TABLE failure (
    id INTEGER PRIMARY KEY, policy INTEGER NOT NULL, result ANY, sending_ip TEXT, mx TEXT, helo TEXT,
    receiving_ip TEXT, sessions INTEGER, information TEXT, reason TEXT
) STRICT;

CREATE TABLE domain (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, last_end INTEGER, mode INTEGER, mode_end INTEGER,
    counted INTEGER NOT NULL
) STRICT;
CREATE INDEX domain_uncounted ON domain (counted) WHERE counted = 0;
CREATE TABLE session (
    domain INTEGER NOT NULL, report INTEGER NOT NULL, day INTEGER NOT NULL, organization INTEGER NOT NULL,
    successful INTEGER NOT NULL, successful_more INTEGER NOT NULL, failed INTEGER NOT NULL, failed_more INTEGER NOT NULL,
    mode INTEGER, kinds ANY, results BLOB, first_row INTEGER, last_row INTEGER,
    PRIMARY KEY (domain, report)
) STRICT, WITHOUT ROWID;
CREATE TABLE day (day INTEGER PRIMARY KEY, first_report INTEGER NOT NULL, last_report INTEGER NOT NULL) STRICT;
", "
CREATE TABLE audit (
    domain TEXT NOT NULL, since INTEGER NOT NULL, last_at INTEGER NOT NULL, verdict TEXT NOT NULL,
    snapshot TEXT NOT NULL, report TEXT NOT NULL,
    PRIMARY KEY (domain, since)
) STRICT;
", "
-- Who set it aside; how many processes have begun to read it and brought no verdict.
ALTER TABLE set_aside ADD COLUMN reader TEXT NOT NULL DEFAULT '';
ALTER TABLE set_aside ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pending ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
", "
CREATE TABLE outgoing (
    id INTEGER PRIMARY KEY, day INTEGER NOT NULL, domain TEXT NOT NULL, part INTEGER NOT NULL,
    state TEXT NOT NULL, at INTEGER NOT NULL, reason TEXT NOT NULL, progress TEXT NOT NULL, token TEXT,
    begun INTEGER NOT NULL, lease_node TEXT NOT NULL, lease_until INTEGER NOT NULL,
    record TEXT, record_at INTEGER,
    successful INTEGER NOT NULL, failed INTEGER NOT NULL, unjudged INTEGER NOT NULL, tally BLOB NOT NULL,
    UNIQUE (day, domain, part)
) STRICT;
CREATE INDEX outgoing_due ON outgoing (at) WHERE state = 'waiting';
CREATE INDEX outgoing_domain ON outgoing (domain, day);
CREATE INDEX outgoing_token ON outgoing (token) WHERE token IS NOT NULL;
CREATE TABLE journal_place (
    journal TEXT PRIMARY KEY, segment INTEGER NOT NULL, place INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE outgoing_quota (
    destination TEXT PRIMARY KEY, day INTEGER NOT NULL, used INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE rua_health (
    uri TEXT PRIMARY KEY, failed_days INTEGER NOT NULL, since INTEGER NOT NULL, last INTEGER NOT NULL,
    reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;
", "
-- When the relay first took a mail after the last failure.
ALTER TABLE rua_health ADD COLUMN relayed INTEGER;
", "
CREATE TABLE kept_policy (
    domain TEXT PRIMARY KEY, id TEXT NOT NULL, fetched_at INTEGER NOT NULL, failures INTEGER NOT NULL, body BLOB NOT NULL
) STRICT;
", "
CREATE TABLE publication (
    domain TEXT PRIMARY KEY, revision INTEGER NOT NULL, member_of TEXT, cached_until INTEGER NOT NULL,
    due_at INTEGER NOT NULL, state BLOB NOT NULL
) STRICT;
CREATE INDEX publication_due ON publication (due_at, domain);
CREATE TABLE published_body (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, body BLOB NOT NULL) STRICT;
CREATE TABLE published_version (
    domain TEXT NOT NULL, number INTEGER NOT NULL, body INTEGER NOT NULL, id TEXT, max_age INTEGER NOT NULL,
    first_served_at INTEGER NOT NULL, announced_at INTEGER, last_served_at INTEGER,
    PRIMARY KEY (domain, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE publication_group (name TEXT PRIMARY KEY, revision INTEGER NOT NULL, state BLOB NOT NULL) STRICT;
", "
-- Reports are listed by how they stand, and days added up, without reading the reports themselves.
CREATE INDEX outgoing_shown ON outgoing (state, day, domain, part, successful, failed, unjudged);
", "
-- `key` is sealed.
CREATE TABLE certificate_account (directory TEXT PRIMARY KEY, url TEXT, key BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE certificate_order (
    name TEXT PRIMARY KEY, directory TEXT NOT NULL, account TEXT NOT NULL, url TEXT NOT NULL, begun_at INTEGER NOT NULL,
    key BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE certificate (
    name TEXT PRIMARY KEY, directory TEXT NOT NULL, not_before INTEGER NOT NULL, not_after INTEGER NOT NULL,
    issued_at INTEGER NOT NULL, ari_id TEXT, renewal_start INTEGER, renewal_end INTEGER, explanation TEXT,
    ask_again_at INTEGER, chain BLOB NOT NULL, key BLOB NOT NULL
) STRICT;
CREATE TABLE certificate_attempts (
    name TEXT PRIMARY KEY, failures INTEGER NOT NULL, with_first INTEGER NOT NULL, since INTEGER NOT NULL,
    last_at INTEGER NOT NULL, next_at INTEGER NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE certificate_count (
    id INTEGER PRIMARY KEY, directory TEXT NOT NULL, name TEXT NOT NULL, what TEXT NOT NULL, at INTEGER NOT NULL
) STRICT;
CREATE INDEX certificate_count_at ON certificate_count (at);
"];

/// How many steps the file has been through. Reads only; refuses what this program must not write into.
pub(crate) fn recognise(connection: &Connection) -> Result<usize, StoreError> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let version = pragma("user_version").map_err(Failure::from)?;
    let application = pragma("application_id").map_err(Failure::from)?;
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(Failure::from)?;
    if application != i64::from(APPLICATION) && (application != 0 || tables != 0 || version != 0) {
        return Err(StoreError::Damaged("the file is a database of another program".to_owned()));
    }
    usize::try_from(version).ok().filter(|done| *done <= STEPS.len()).ok_or_else(|| {
        let known = STEPS.len();
        StoreError::Damaged(format!("the file has version {version}, this program knows up to {known}"))
    })
}

/// Makes the file, which has been through `done` steps, one of this program's version.
pub(crate) fn migrate(connection: &mut Connection, done: usize) -> Result<(), StoreError> {
    if done == STEPS.len() {
        return Ok(());
    }
    let change = connection.transaction().map_err(Failure::from)?;
    for step in STEPS.iter().skip(done) {
        change.execute_batch(step).map_err(Failure::from)?;
    }
    change.pragma_update(None, "application_id", APPLICATION).map_err(Failure::from)?;
    change.pragma_update(None, "user_version", STEPS.len() as i64).map_err(Failure::from)?;
    Ok(change.commit().map_err(Failure::from)?)
}
