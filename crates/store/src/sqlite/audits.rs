//! The history of audits, on SQLite.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use tlsward_engine::ports::{Audit, Checks, SPELLS_KEPT, Spell, StoreError};

use super::SqliteStore;
use super::failure::Failure;
use crate::MAX_PAGE;

const COLUMNS: &str = "domain, since, last_at, verdict, snapshot, report";

impl Checks for SqliteStore {
    fn note(&self, audit: Audit) -> impl Future<Output = Result<(), StoreError>> + Send {
        let bytes = audit.snapshot.len() + audit.report.len();
        self.change(bytes, move |connection| note(connection, &audit))
    }

    fn latest(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Spell>, StoreError>> + Send {
        // No domain is named by the empty string, so every name comes after it.
        let after = after.unwrap_or_default().to_owned();
        self.readers().ask(move |view| {
            let sql = format!(
                "SELECT {COLUMNS} FROM audit AS newest WHERE domain > ?1 AND since = \
                 (SELECT max(since) FROM audit WHERE domain = newest.domain) ORDER BY domain LIMIT ?2"
            );
            collect(view.connection, &sql, &after, limit)
        })
    }

    fn spells(
        &self,
        domain: &str,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Spell>, StoreError>> + Send {
        let domain = domain.to_owned();
        self.readers().ask(move |view| {
            let sql = format!("SELECT {COLUMNS} FROM audit WHERE domain = ?1 ORDER BY since DESC LIMIT ?2");
            collect(view.connection, &sql, &domain, limit)
        })
    }
}

fn note(connection: &Connection, audit: &Audit) -> Result<(), Failure> {
    let newest: Option<(i64, i64, String)> = connection
        .prepare_cached(
            "SELECT since, last_at, snapshot FROM audit WHERE domain = ?1 ORDER BY since DESC LIMIT 1",
        )?
        .query_row([&audit.domain], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    match newest {
        Some((_, last_at, _)) if audit.at <= last_at => Ok(()),
        Some((since, _, snapshot)) if snapshot == audit.snapshot => {
            connection
                .prepare_cached(
                    "UPDATE audit SET last_at = ?3, report = ?4 WHERE domain = ?1 AND since = ?2",
                )?
                .execute(params![audit.domain, since, audit.at, audit.report])?;
            Ok(())
        }
        _ => {
            connection
                .prepare_cached("INSERT INTO audit VALUES (?1, ?2, ?2, ?3, ?4, ?5)")?
                .execute(params![audit.domain, audit.at, audit.verdict, audit.snapshot, audit.report])?;
            connection
                .prepare_cached(
                    "DELETE FROM audit WHERE domain = ?1 AND since < (SELECT min(since) FROM \
                     (SELECT since FROM audit WHERE domain = ?1 ORDER BY since DESC LIMIT ?2))",
                )?
                .execute(params![audit.domain, SPELLS_KEPT as i64])?;
            Ok(())
        }
    }
}

fn collect(connection: &Connection, sql: &str, name: &str, limit: usize) -> Result<Vec<Spell>, Failure> {
    let limit = limit.min(MAX_PAGE) as i64;
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_map(params![name, limit], spell)?.collect::<Result<_, _>>()?;
    Ok(found)
}

fn spell(row: &Row<'_>) -> rusqlite::Result<Spell> {
    let last = Audit {
        domain: row.get(0)?,
        at: row.get(2)?,
        verdict: row.get(3)?,
        snapshot: row.get(4)?,
        report: row.get(5)?,
    };
    Ok(Spell { since: row.get(1)?, last })
}
