//! Domains of one's own, on SQLite.
//!
//! A body stands once, however many domains serve it: an MX change of a group gives ten thousand domains the same one.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::StoreError;
use tlsward_engine::ports::publish::{KeptGroup, KeptPublication, KeptVersion, Publications, Put};

use super::SqliteStore;
use super::failure::Failure;
use crate::filing::sha256;
use crate::{MAX_PAGE, MAX_PAGE_BYTES};

/// About what a row holds besides its state or body, for the bounds of the writer's queue.
const ROW_BYTES: usize = 256;

/// The columns of a publication, in the order of [`publication`].
const COLUMNS: &str = "domain, revision, member_of, cached_until, due_at, state";

impl Publications for SqliteStore {
    fn publications(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<KeptPublication>, StoreError>> + Send {
        // No domain is named by the empty string, so every name comes after it.
        let after = after.unwrap_or_default().to_owned();
        self.readers().ask(move |view| {
            let select =
                format!("SELECT {COLUMNS} FROM publication WHERE domain > ?1 ORDER BY domain LIMIT ?2");
            let mut statement = view.connection.prepare_cached(&select)?;
            page(statement.query(params![after, rows_of(limit)])?, publication, |row| row.state.len())
        })
    }

    fn publication(
        &self,
        domain: &str,
    ) -> impl Future<Output = Result<Option<KeptPublication>, StoreError>> + Send {
        let domain = domain.to_owned();
        self.readers().ask(move |view| {
            let select = format!("SELECT {COLUMNS} FROM publication WHERE domain = ?1");
            Ok(view.connection.prepare_cached(&select)?.query_row([&domain], publication).optional()?)
        })
    }

    fn due(
        &self,
        now: UnixTime,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<KeptPublication>, StoreError>> + Send {
        self.readers().ask(move |view| {
            let select = format!(
                "SELECT {COLUMNS} FROM publication WHERE due_at <= ?1 ORDER BY due_at, domain LIMIT ?2"
            );
            let mut statement = view.connection.prepare_cached(&select)?;
            page(statement.query(params![now, rows_of(limit)])?, publication, |row| row.state.len())
        })
    }

    fn put_publication(
        &self,
        publication: KeptPublication,
        versions: Vec<KeptVersion>,
    ) -> impl Future<Output = Result<Put, StoreError>> + Send {
        let bodies: usize = versions.iter().map(|version| ROW_BYTES + version.body.len()).sum();
        self.change(ROW_BYTES + publication.state.len() + bodies, move |connection| {
            let put = put(connection, &publication)?;
            if put == Put::Kept {
                for version in &versions {
                    note(connection, version)?;
                }
            }
            Ok(put)
        })
    }

    fn remove_publication(
        &self,
        domain: &str,
        revision: u64,
    ) -> impl Future<Output = Result<Put, StoreError>> + Send {
        let domain = domain.to_owned();
        self.change(ROW_BYTES, move |connection| {
            let gone = connection
                .prepare_cached("DELETE FROM publication WHERE domain = ?1 AND revision = ?2")?
                .execute(params![domain, integer(revision)])?;
            Ok(if gone > 0 { Put::Kept } else { Put::Conflict })
        })
    }

    fn versions(
        &self,
        domain: &str,
        before: Option<u32>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<KeptVersion>, StoreError>> + Send {
        let domain = domain.to_owned();
        self.readers().ask(move |view| {
            let mut statement = view.connection.prepare_cached(
                "SELECT domain, number, published_body.body, published_version.id, max_age, first_served_at, announced_at, \
                 last_served_at FROM published_version JOIN published_body ON published_body.id = published_version.body \
                 WHERE domain = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3",
            )?;
            let before = before.map_or(i64::MAX, i64::from);
            page(statement.query(params![domain, before, rows_of(limit)])?, version, |row| row.body.len())
        })
    }

    fn groups(&self) -> impl Future<Output = Result<Vec<KeptGroup>, StoreError>> + Send {
        self.readers().ask(|view| {
            let mut statement = view
                .connection
                .prepare_cached("SELECT name, revision, state FROM publication_group ORDER BY name")?;
            let mut rows = statement.query([])?;
            let mut groups = Vec::new();
            while let Some(row) = rows.next()? {
                let state = row.get::<_, Vec<u8>>(2)?.into();
                groups.push(KeptGroup { name: row.get(0)?, revision: natural(row, 1)?, state });
            }
            Ok(groups)
        })
    }

    fn put_group(&self, group: KeptGroup) -> impl Future<Output = Result<Put, StoreError>> + Send {
        self.change(ROW_BYTES + group.state.len(), move |connection| {
            let revision = integer(group.revision);
            let changed = match revision {
                1 => connection
                    .prepare_cached("INSERT INTO publication_group VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?,
                _ => connection.prepare_cached(
                    "UPDATE publication_group SET revision = ?2, state = ?3 WHERE name = ?1 AND revision = ?2 - 1",
                )?,
            }
            .execute(params![group.name, revision, &group.state[..]])?;
            Ok(if changed > 0 { Put::Kept } else { Put::Conflict })
        })
    }
}

fn put(connection: &Connection, row: &KeptPublication) -> Result<Put, Failure> {
    let revision = integer(row.revision);
    let changed = match revision {
        1 => connection.prepare_cached(
            "INSERT INTO publication VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
        )?,
        // Whatever was served may be held: the time until which it may be never falls.
        _ => connection.prepare_cached(
            "UPDATE publication SET revision = ?2, member_of = ?3, cached_until = max(cached_until, ?4), due_at = ?5, \
             state = ?6 WHERE domain = ?1 AND revision = ?2 - 1",
        )?,
    }
    .execute(params![row.domain, revision, row.group, row.cached_until, row.due_at, &row.state[..]])?;
    Ok(if changed > 0 { Put::Kept } else { Put::Conflict })
}

fn note(connection: &Connection, version: &KeptVersion) -> Result<(), Failure> {
    let digest = sha256(&version.body);
    connection
        .prepare_cached("INSERT INTO published_body (digest, body) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
        .execute(params![&digest[..], &version.body[..]])?;
    // What was served, and when first, is not to be written over.
    connection
        .prepare_cached(
            "INSERT INTO published_version SELECT ?1, ?2, published_body.id, ?4, ?5, ?6, ?7, ?8 FROM published_body \
             WHERE digest = ?3 ON CONFLICT (domain, number) DO UPDATE SET id = coalesce(?4, id), \
             announced_at = coalesce(?7, announced_at), last_served_at = coalesce(?8, last_served_at)",
        )?
        .execute(params![
            version.domain,
            version.number,
            &digest[..],
            version.id,
            version.max_age,
            version.first_served_at,
            version.announced_at,
            version.last_served_at
        ])?;
    Ok(())
}

/// The first rows that make a page.
fn page<T>(
    mut rows: rusqlite::Rows<'_>,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    bytes_of: impl Fn(&T) -> usize,
) -> Result<Vec<T>, Failure> {
    let mut page = Vec::new();
    let mut bytes = 0;
    while bytes < MAX_PAGE_BYTES
        && let Some(row) = rows.next()?
    {
        let item = read(row)?;
        bytes += bytes_of(&item);
        page.push(item);
    }
    Ok(page)
}

fn publication(row: &Row<'_>) -> rusqlite::Result<KeptPublication> {
    Ok(KeptPublication {
        domain: row.get(0)?,
        revision: natural(row, 1)?,
        group: row.get(2)?,
        cached_until: row.get(3)?,
        due_at: row.get(4)?,
        state: row.get::<_, Vec<u8>>(5)?.into(),
    })
}

fn version(row: &Row<'_>) -> rusqlite::Result<KeptVersion> {
    Ok(KeptVersion {
        domain: row.get(0)?,
        number: row.get(1)?,
        body: row.get::<_, Vec<u8>>(2)?.into(),
        id: row.get(3)?,
        max_age: row.get(4)?,
        first_served_at: row.get(5)?,
        announced_at: row.get(6)?,
        last_served_at: row.get(7)?,
    })
}

fn natural(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

/// Revisions go up one by one: none is ever this large.
fn integer(revision: u64) -> i64 {
    i64::try_from(revision).unwrap_or(i64::MAX)
}

fn rows_of(limit: usize) -> i64 {
    limit.min(MAX_PAGE) as i64
}
