//! Policies of other domains, on SQLite.

use rusqlite::{Row, params};
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::{Keeping, KeptPolicy, Policies, StoreError};

use super::SqliteStore;
use crate::{MAX_PAGE, MAX_PAGE_BYTES};

/// About what a row holds besides its body, for the bounds of the writer's queue.
const ROW_BYTES: usize = 256;

impl Policies for SqliteStore {
    fn keep(&self, policy: KeptPolicy) -> impl Future<Output = Result<Keeping, StoreError>> + Send {
        self.change(ROW_BYTES + policy.body.len(), move |connection| {
            let changed = connection
                .prepare_cached(
                    "INSERT INTO kept_policy VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (domain) DO UPDATE SET \
                     id = ?2, fetched_at = ?3, failures = ?4, body = ?5 WHERE fetched_at <= ?3",
                )?
                .execute(params![
                    policy.domain,
                    policy.id,
                    policy.fetched_at,
                    policy.failures,
                    &policy.body[..]
                ])?;
            if changed > 0 {
                return Ok(Keeping::Kept);
            }
            let newer = connection
                .prepare_cached("SELECT fetched_at FROM kept_policy WHERE domain = ?1")?
                .query_row([&policy.domain], |row| row.get(0))?;
            Ok(Keeping::Newer(newer))
        })
    }

    fn note_failures(
        &self,
        domain: &str,
        fetched_at: UnixTime,
        failures: u32,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        let domain = domain.to_owned();
        self.change(ROW_BYTES, move |connection| {
            connection
                .prepare_cached("UPDATE kept_policy SET failures = ?3 WHERE domain = ?1 AND fetched_at = ?2")?
                .execute(params![domain, fetched_at, failures])?;
            Ok(())
        })
    }

    fn forget(
        &self,
        domain: &str,
        fetched_until: UnixTime,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send {
        let domain = domain.to_owned();
        self.change(ROW_BYTES, move |connection| {
            let gone = connection
                .prepare_cached("DELETE FROM kept_policy WHERE domain = ?1 AND fetched_at <= ?2")?
                .execute(params![domain, fetched_until])?;
            Ok(gone > 0)
        })
    }

    fn kept(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<KeptPolicy>, StoreError>> + Send {
        // No domain is named by the empty string, so every name comes after it.
        let after = after.unwrap_or_default().to_owned();
        self.readers().ask(move |view| {
            let mut statement = view.connection.prepare_cached(
                "SELECT domain, id, fetched_at, failures, body FROM kept_policy WHERE domain > ?1 ORDER BY domain LIMIT ?2",
            )?;
            let limit = limit.min(MAX_PAGE) as i64;
            let mut rows = statement.query(params![after, limit])?;
            let mut page = Vec::new();
            let mut bytes = 0;
            while bytes < MAX_PAGE_BYTES
                && let Some(row) = rows.next()?
            {
                let policy = policy(row)?;
                bytes += policy.body.len();
                page.push(policy);
            }
            Ok(page)
        })
    }
}

fn policy(row: &Row<'_>) -> rusqlite::Result<KeptPolicy> {
    Ok(KeptPolicy {
        domain: row.get(0)?,
        id: row.get(1)?,
        fetched_at: row.get(2)?,
        failures: row.get(3)?,
        body: row.get::<_, Vec<u8>>(4)?.into(),
    })
}
