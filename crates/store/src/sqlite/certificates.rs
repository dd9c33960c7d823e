//! Certificates, and all that leads to them, on SQLite. Keys are sealed before they come here.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::StoreError;
use tlsward_engine::ports::certificates::{
    CertificateLine, Certificates, Counted, CountedEvent, KeptAccount, KeptAttempts, KeptCertificate,
    KeptOrder, PrivateKey, RenewalWindow,
};

use super::SqliteStore;
use super::failure::Failure;
use crate::MAX_PAGE;
use crate::seal::{HEAD_BYTES, Place, SealingKey};

/// About what a row holds, for the bounds of the writer's queue.
const ROW_BYTES: usize = 1_024;
const LINE: &str = "name, directory, not_before, not_after, issued_at, ari_id, renewal_start, renewal_end, \
                    explanation, ask_again_at, substr(key, 1, 9)";
const ATTEMPTS: &str = "name, failures, with_first, since, last_at, next_at, kind, text";

impl SqliteStore {
    fn sealing(&self) -> Result<Arc<SealingKey>, StoreError> {
        let none = || StoreError::Unavailable("there is no key file to seal keys with".to_owned());
        self.sealing.get().cloned().ok_or_else(none)
    }

    /// Seals keys with this from now on, and opens those that were sealed with it. The first call counts.
    pub fn seal_with(&self, key: SealingKey) {
        // A second one would make what the first sealed unreadable.
        let _ = self.sealing.set(Arc::new(key));
    }

    fn run<T: Send + 'static>(
        &self,
        prepared: Result<Vec<u8>, StoreError>,
        mut run: impl FnMut(&Connection, &[u8]) -> Result<T, Failure> + Send + 'static,
    ) -> impl Future<Output = Result<T, StoreError>> + Send {
        let submitted = prepared
            .map(|sealed| self.change(ROW_BYTES + sealed.len(), move |connection| run(connection, &sealed)));
        async move { submitted?.await }
    }

    fn seal(&self, place: Place<'_>, key: &PrivateKey) -> Result<Vec<u8>, StoreError> {
        self.sealing()?.seal(place, key.pkcs8())
    }
}

fn open(sealing: Option<&SealingKey>, place: Place<'_>, sealed: &[u8]) -> Option<PrivateKey> {
    sealing?.open(place, sealed).map(PrivateKey::from_pkcs8)
}

impl Certificates for SqliteStore {
    fn account(
        &self,
        directory: &str,
    ) -> impl Future<Output = Result<Option<KeptAccount>, StoreError>> + Send {
        let (directory, sealing) = (directory.to_owned(), self.sealing.get().cloned());
        self.readers().ask(move |view| {
            let found = view
                .connection
                .prepare_cached("SELECT url, key FROM certificate_account WHERE directory = ?1")?
                .query_row([&directory], |row| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?)))
                .optional()?;
            let Some((url, sealed)) = found else { return Ok(None) };
            let key = open(sealing.as_deref(), Place::Account(&directory), &sealed);
            Ok(key.map(|key| KeptAccount { directory, key, url }))
        })
    }

    fn put_account(&self, account: KeptAccount) -> impl Future<Output = Result<(), StoreError>> + Send {
        let sealed = self.seal(Place::Account(&account.directory), &account.key);
        self.run(sealed, move |connection, sealed| {
            connection
                .prepare_cached("INSERT OR REPLACE INTO certificate_account VALUES (?1, ?2, ?3)")?
                .execute(params![account.directory, account.url, sealed])?;
            Ok(())
        })
    }

    fn order(&self, name: &str) -> impl Future<Output = Result<Option<KeptOrder>, StoreError>> + Send {
        let (name, sealing) = (name.to_owned(), self.sealing.get().cloned());
        self.readers().ask(move |view| {
            view.connection
                .prepare_cached(
                    "SELECT directory, account, url, begun_at, key FROM certificate_order WHERE name = ?1",
                )?
                .query_row([&name], |row| {
                    let sealed: Vec<u8> = row.get(4)?;
                    let Some(key) = open(sealing.as_deref(), Place::Order(&name), &sealed) else {
                        return Ok(None);
                    };
                    Ok(Some(KeptOrder {
                        name: name.clone(),
                        directory: row.get(0)?,
                        account: row.get(1)?,
                        url: row.get(2)?,
                        begun_at: row.get(3)?,
                        key,
                    }))
                })
                .optional()
                .map(Option::flatten)
                .map_err(Failure::from)
        })
    }

    fn put_order(&self, order: KeptOrder) -> impl Future<Output = Result<(), StoreError>> + Send {
        let sealed = self.seal(Place::Order(&order.name), &order.key);
        self.run(sealed, move |connection, sealed| {
            let KeptOrder { name, directory, account, url, begun_at, .. } = &order;
            connection
                .prepare_cached("INSERT OR REPLACE INTO certificate_order VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
                .execute(params![name, directory, account, url, begun_at, sealed])?;
            Ok(())
        })
    }

    fn drop_order(&self, name: &str, url: &str) -> impl Future<Output = Result<(), StoreError>> + Send {
        let (name, url) = (name.to_owned(), url.to_owned());
        self.change(ROW_BYTES, move |connection| {
            connection
                .prepare_cached("DELETE FROM certificate_order WHERE name = ?1 AND url = ?2")?
                .execute([&name, &url])?;
            Ok(())
        })
    }

    fn ordered(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<String>, StoreError>> + Send {
        // No name is the empty string, so every one comes after it.
        let after = after.unwrap_or_default().to_owned();
        self.readers().ask(move |view| {
            let sql = "SELECT name FROM certificate_order WHERE name > ?1 ORDER BY name LIMIT ?2";
            page(view.connection, sql, &after, limit, |row| Ok(row.get(0)?))
        })
    }

    fn put_certificate(
        &self,
        certificate: KeptCertificate,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        let sealed = self.seal(Place::Certificate(&certificate.line.name), &certificate.key);
        let chain = pack(&certificate.chain);
        let line = certificate.line;
        self.run(sealed, move |connection, sealed| {
            let window = line.renewal.as_ref();
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO certificate VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
                )?
                .execute(params![
                    line.name,
                    line.directory,
                    line.not_before,
                    line.not_after,
                    line.issued_at,
                    line.ari_id,
                    window.map(|window| window.start),
                    window.map(|window| window.end),
                    window.and_then(|window| window.explanation.as_ref()),
                    window.map(|window| window.ask_again_at),
                    chain,
                    sealed
                ])?;
            for table in ["certificate_order", "certificate_attempts"] {
                connection
                    .prepare_cached(&format!("DELETE FROM {table} WHERE name = ?1"))?
                    .execute([&line.name])?;
            }
            Ok(())
        })
    }

    fn certificate(
        &self,
        name: &str,
    ) -> impl Future<Output = Result<Option<KeptCertificate>, StoreError>> + Send {
        let (name, sealing) = (name.to_owned(), self.sealing.get().cloned());
        self.readers().ask(move |view| {
            let sql = format!("SELECT {LINE}, chain, key FROM certificate WHERE name = ?1");
            let mut statement = view.connection.prepare_cached(&sql)?;
            let mut rows = statement.query([&name])?;
            let Some(row) = rows.next()? else { return Ok(None) };
            let sealed: Vec<u8> = row.get(12)?;
            let Some(key) = open(sealing.as_deref(), Place::Certificate(&name), &sealed) else {
                return Ok(None);
            };
            let chain = unpack(&row.get::<_, Vec<u8>>(11)?)?;
            Ok(Some(KeptCertificate { line: line(row, sealing.as_deref())?, chain, key }))
        })
    }

    fn certificate_line(
        &self,
        name: &str,
    ) -> impl Future<Output = Result<Option<CertificateLine>, StoreError>> + Send {
        let (name, sealing) = (name.to_owned(), self.sealing.get().cloned());
        self.readers().ask(move |view| {
            let sql = format!("SELECT {LINE} FROM certificate WHERE name = ?1");
            let mut statement = view.connection.prepare_cached(&sql)?;
            let mut rows = statement.query([&name])?;
            rows.next()?.map(|row| line(row, sealing.as_deref())).transpose()
        })
    }

    fn certificate_lines(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<CertificateLine>, StoreError>> + Send {
        let (after, sealing) = (after.unwrap_or_default().to_owned(), self.sealing.get().cloned());
        self.readers().ask(move |view| {
            let sql = format!("SELECT {LINE} FROM certificate WHERE name > ?1 ORDER BY name LIMIT ?2");
            page(view.connection, &sql, &after, limit, |row| line(row, sealing.as_deref()))
        })
    }

    fn put_renewal(
        &self,
        name: &str,
        ari_id: &str,
        renewal: RenewalWindow,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        let (name, ari_id) = (name.to_owned(), ari_id.to_owned());
        self.change(ROW_BYTES, move |connection| {
            let RenewalWindow { start, end, explanation, ask_again_at } = &renewal;
            connection
                .prepare_cached(
                    "UPDATE certificate SET renewal_start = ?3, renewal_end = ?4, explanation = ?5, \
                     ask_again_at = ?6 WHERE name = ?1 AND ari_id = ?2",
                )?
                .execute(params![name, ari_id, start, end, explanation, ask_again_at])?;
            Ok(())
        })
    }

    fn forget_certificate(&self, name: &str) -> impl Future<Output = Result<(), StoreError>> + Send {
        let name = name.to_owned();
        self.change(ROW_BYTES, move |connection| {
            for table in ["certificate", "certificate_order", "certificate_attempts"] {
                connection.execute(&format!("DELETE FROM {table} WHERE name = ?1"), [&name])?;
            }
            Ok(())
        })
    }

    fn attempts(&self, name: &str) -> impl Future<Output = Result<Option<KeptAttempts>, StoreError>> + Send {
        let name = name.to_owned();
        self.readers().ask(move |view| {
            let sql = format!("SELECT {ATTEMPTS} FROM certificate_attempts WHERE name = ?1");
            let mut statement = view.connection.prepare_cached(&sql)?;
            let mut rows = statement.query([&name])?;
            rows.next()?.map(attempts).transpose()
        })
    }

    fn put_attempts(&self, attempts: KeptAttempts) -> impl Future<Output = Result<(), StoreError>> + Send {
        self.change(ROW_BYTES + attempts.text.len(), move |connection| {
            let KeptAttempts { name, failures, with_first, since, last_at, next_at, kind, text } = &attempts;
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO certificate_attempts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                )?
                .execute(params![name, failures, with_first, since, last_at, next_at, kind, text])?;
            Ok(())
        })
    }

    fn all_attempts(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<KeptAttempts>, StoreError>> + Send {
        let after = after.unwrap_or_default().to_owned();
        self.readers().ask(move |view| {
            let sql =
                format!("SELECT {ATTEMPTS} FROM certificate_attempts WHERE name > ?1 ORDER BY name LIMIT ?2");
            page(view.connection, &sql, &after, limit, attempts)
        })
    }

    fn count(
        &self,
        event: CountedEvent,
        forget_before: UnixTime,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        self.change(ROW_BYTES, move |connection| {
            let CountedEvent { directory, name, what, at } = &event;
            connection
                .prepare_cached("INSERT INTO certificate_count VALUES (NULL, ?1, ?2, ?3, ?4)")?
                .execute(params![directory, name, what.as_wire(), at])?;
            connection
                .prepare_cached("DELETE FROM certificate_count WHERE at < ?1")?
                .execute([forget_before])?;
            Ok(())
        })
    }

    fn counted(
        &self,
        since: UnixTime,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<CountedEvent>, StoreError>> + Send {
        self.readers().ask(move |view| {
            let mut statement = view.connection.prepare_cached(
                "SELECT directory, name, what, at FROM certificate_count WHERE at >= ?1 ORDER BY at, id LIMIT ?2",
            )?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let mut rows = statement.query(params![since, limit])?;
            let mut events = Vec::new();
            while let Some(row) = rows.next()? {
                let token: String = row.get(2)?;
                let what = Counted::from_wire(&token)
                    .ok_or(Failure::Damaged("what counts towards a limit is unknown"))?;
                events.push(CountedEvent {
                    directory: row.get(0)?,
                    name: row.get(1)?,
                    what,
                    at: row.get(3)?,
                });
            }
            Ok(events)
        })
    }

    fn unopened(&self) -> impl Future<Output = Result<u64, StoreError>> + Send {
        let sealing = self.sealing.get().cloned();
        self.readers().ask(move |view| {
            let head = sealing.as_deref().map_or([0; HEAD_BYTES], |key| *key.head());
            let mut sum = 0_u64;
            for table in ["certificate_account", "certificate_order", "certificate"] {
                let sql = format!("SELECT count(*) FROM {table} WHERE substr(key, 1, 9) <> ?1");
                let count: i64 =
                    view.connection.prepare_cached(&sql)?.query_row([&head[..]], |row| row.get(0))?;
                sum = sum.saturating_add(count.unsigned_abs());
            }
            Ok(sum)
        })
    }
}

fn page<T>(
    connection: &Connection,
    sql: &str,
    after: &str,
    limit: usize,
    read: impl Fn(&Row<'_>) -> Result<T, Failure>,
) -> Result<Vec<T>, Failure> {
    let mut statement = connection.prepare_cached(sql)?;
    let limit = limit.min(MAX_PAGE) as i64;
    let mut rows = statement.query(params![after, limit])?;
    let mut items = Vec::new();
    while let Some(row) = rows.next()? {
        items.push(read(row)?);
    }
    Ok(items)
}

fn line(row: &Row<'_>, sealing: Option<&SealingKey>) -> Result<CertificateLine, Failure> {
    let (start, end): (Option<i64>, Option<i64>) = (row.get(6)?, row.get(7)?);
    let explanation: Option<String> = row.get(8)?;
    let ask_again_at: Option<i64> = row.get(9)?;
    let renewal = match (start, end, ask_again_at) {
        (Some(start), Some(end), Some(ask_again_at)) => {
            Some(RenewalWindow { start, end, explanation, ask_again_at })
        }
        _ => None,
    };
    let head: Vec<u8> = row.get(10)?;
    Ok(CertificateLine {
        name: row.get(0)?,
        directory: row.get(1)?,
        not_before: row.get(2)?,
        not_after: row.get(3)?,
        issued_at: row.get(4)?,
        ari_id: row.get(5)?,
        renewal,
        has_key: sealing.is_some_and(|key| key.head()[..] == head),
    })
}

fn attempts(row: &Row<'_>) -> Result<KeptAttempts, Failure> {
    Ok(KeptAttempts {
        name: row.get(0)?,
        failures: row.get(1)?,
        with_first: row.get(2)?,
        since: row.get(3)?,
        last_at: row.get(4)?,
        next_at: row.get(5)?,
        kind: row.get(6)?,
        text: row.get(7)?,
    })
}

/// Each certificate after its length.
fn pack(chain: &[Vec<u8>]) -> Vec<u8> {
    let mut packed = Vec::new();
    for certificate in chain {
        packed.extend_from_slice(&u32::try_from(certificate.len()).unwrap_or(0).to_be_bytes());
        packed.extend_from_slice(certificate);
    }
    packed
}

fn unpack(mut packed: &[u8]) -> Result<Vec<Vec<u8>>, Failure> {
    let mut chain = Vec::new();
    while !packed.is_empty() {
        let next = packed.split_first_chunk::<4>().and_then(|(length, rest)| {
            rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
        });
        let Some((certificate, rest)) = next else {
            return Err(Failure::Damaged("a chain of certificates is cut"));
        };
        chain.push(certificate.to_vec());
        packed = rest;
    }
    Ok(chain)
}
