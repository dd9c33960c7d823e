//! Every statement of the writer, compiled once.

use rusqlite::{Connection, PrepFlags, Statement};

use super::books;

macro_rules! statements {
    ($($name:ident: $sql:expr;)*) => {
        /// The writer's statements.
        pub(crate) struct Statements<'c> { $(pub(crate) $name: Statement<'c>,)* }

        impl<'c> Statements<'c> {
            pub(crate) fn prepare(connection: &'c Connection) -> rusqlite::Result<Self> {
                // For long: SQLite then keeps its fast memory for what changes, such as bound text.
                let flags = PrepFlags::SQLITE_PREPARE_PERSISTENT;
                Ok(Self { $($name: connection.prepare_with_flags($sql, flags)?,)* })
            }
        }
    };
}

statements! {
    begin: "BEGIN IMMEDIATE";
    commit: "COMMIT";
    rollback: "ROLLBACK";
    books: books::UPDATE;

    raw_insert: "INSERT INTO raw VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    raw_find: "SELECT received_at, length(bytes) FROM raw WHERE id = ?1";
    raw_use: "UPDATE raw SET uses = uses + ?2, complaints = coalesce(?3, complaints) WHERE id = ?1";
    raw_remove_unused:
        "DELETE FROM raw WHERE id = ?1 AND uses <= 0 AND NOT EXISTS (SELECT 1 FROM pending WHERE pending.id = ?1) \
        AND NOT EXISTS (SELECT 1 FROM set_aside WHERE set_aside.id = ?1)";

    pending_insert: "INSERT INTO pending (id, attempts) VALUES (?1, 0)";
    pending_find: "SELECT 1 FROM pending WHERE id = ?1";
    pending_remove: "DELETE FROM pending WHERE id = ?1";

    set_aside_insert: "INSERT INTO set_aside (id, reason, detail, reader, attempts) VALUES (?1, ?2, ?3, ?4, 0)";
    set_aside_find: "SELECT reason FROM set_aside WHERE id = ?1";
    set_aside_again: "UPDATE set_aside SET reason = ?2, detail = ?3, reader = ?4, attempts = 0 WHERE id = ?1";
    set_aside_oldest: "SELECT set_aside.id, length(raw.bytes) FROM set_aside JOIN raw ON raw.id = set_aside.id \
        ORDER BY set_aside.id LIMIT 1";
    set_aside_remove: "DELETE FROM set_aside WHERE id = ?1";

    report_find: "SELECT id, digest, state, raw, share, trust, policy_count, failure_count FROM report \
        WHERE id = ?1";
    report_came_with: "SELECT 1 FROM report JOIN raw ON raw.id = ?2 \
        WHERE report.id = ?1 AND report.received_at = raw.received_at";
    report_insert: "INSERT INTO report VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, \
        ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25)";
    report_replace: "UPDATE report SET trust = ?2, raw = ?3, share = ?4, member = ?5, repairs = ?6 WHERE id = ?1";
    report_show: "UPDATE report SET state = 0, domain = ?2, domains = ?3 WHERE id = ?1";
    report_doom: "UPDATE report SET state = 2 WHERE id = ?1";
    report_times: "SELECT day, organization FROM report WHERE id = ?1";
    report_next: "SELECT id, state, trust, share, policy_count, failure_count FROM report WHERE id > ?1 \
        ORDER BY id LIMIT 1";
    report_doomed: "SELECT id, raw, prefix FROM report WHERE state <> 0 AND state = 2 LIMIT 1";
    report_remove: "DELETE FROM report WHERE id = ?1";

    digest_find: "SELECT report FROM digest WHERE prefix = ?1";
    digest_insert: "INSERT OR IGNORE INTO digest VALUES (?1, ?2)";
    digest_remove: "DELETE FROM digest WHERE prefix = ?1 AND report = ?2";
    digest_slice: "INSERT INTO digest_slice VALUES (?1, ?2) ON CONFLICT (slice) DO UPDATE SET through = ?2";

    policy_insert_plain: "INSERT INTO policy VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, NULL, NULL, NULL, NULL, NULL, ?8)";
    policy_insert: "INSERT INTO policy VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
    policy_some: "SELECT id, domain FROM policy WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT ?3";
    policy_remove: "DELETE FROM policy WHERE id >= ?1 AND id <= ?2";

    failure_insert: "INSERT INTO failure VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    failure_first: "SELECT id FROM failure WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT 1";
    failure_remove: "DELETE FROM failure WHERE id >= ?1 AND id < ?2";

    domain_find: "SELECT id, last_end, mode, mode_end, counted FROM domain WHERE name = ?1";
    domain_insert: "INSERT INTO domain (name, last_end, mode, mode_end, counted) VALUES (?1, ?2, ?3, ?4, ?5)";
    domain_update: "UPDATE domain SET last_end = ?2, mode = ?3, mode_end = ?4, counted = ?5 WHERE id = ?1";
    domain_remove: "DELETE FROM domain WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM session WHERE domain = ?1)";
    domain_uncounted: "SELECT id, name FROM domain WHERE counted = 0 AND id > ?1 ORDER BY id LIMIT ?2";

    session_insert: "INSERT INTO session VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
    session_remove: "DELETE FROM session WHERE domain = ?1 AND report = ?2";
    session_newest_shown: "SELECT report.begin, report.end, report.received_at, session.mode FROM session \
        JOIN report ON report.id = session.report WHERE session.domain = ?1 AND report.state = 0 \
        ORDER BY session.report DESC LIMIT 1";

    day_upsert: "INSERT INTO day VALUES (?1, ?2, ?2) \
        ON CONFLICT (day) DO UPDATE SET last_report = max(last_report, excluded.last_report)";
}
