//! Changes of the zone: through the port [`Records`], checked whole before anything is touched, on disk before they are
//! served.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::Clock;
use tlsward_engine::ports::publish::{Applied, RecordSet, RecordType, Records, RecordsFailure};

use super::config::Settings;
use super::content::Content;
use super::journal::{Journal, Line};
use super::name::{self, MAX_NAME};
use super::set::{Packed, Set, number};
use super::sign::Signer;
use super::{LANES, OpenError, Zone, ZoneConfig, ZoneKey};

/// Names in one domain, and octets of all its records.
const MAX_DOMAIN: usize = 64 << 10;

/// A domain's sets by name relative to it, and type.
type Sets = BTreeMap<(Vec<u8>, u16), Set>;

impl Zone {
    /// A zone that forgets at its end. Signed, if there is a key.
    ///
    /// # Errors
    ///
    /// The configuration cannot be served.
    pub fn new(config: &ZoneConfig, key: Option<ZoneKey>, clock: Box<dyn Clock>) -> Result<Self, OpenError> {
        let settings = Settings::new(config)?;
        let content = Content::new();
        content.put(b"", Packed::new(settings.fixed.iter().map(|(name, set)| (name.as_slice(), set))));
        let serial = AtomicU32::new(next_serial(0, clock.now()));
        Ok(Self {
            settings,
            content,
            signer: key.map(Signer::new),
            serial,
            journal: None,
            clock,
            lanes: (0..LANES).map(|_| Arc::default()).collect(),
            rewriting: Arc::default(),
        })
    }

    /// A zone whose records are in a file, as they were at the last change. Blocks.
    ///
    /// # Errors
    ///
    /// The configuration cannot be served, or the file cannot be read or written. What is in it and does not fit into
    /// the zone as it is configured now (another name, say) is left out, with a warning and a copy of the file beside it.
    pub fn open(
        config: &ZoneConfig,
        key: Option<ZoneKey>,
        clock: Box<dyn Clock>,
        path: &Path,
    ) -> Result<Self, OpenError> {
        let mut zone = Self::new(config, key, clock)?;
        let failed = |source: io::Error| OpenError::Journal { path: path.display().to_string(), source };
        let (mut last, mut left_out) = (0, 0_u32);
        let line = |line: Line| {
            last = line.serial;
            if let Some(domain) = &line.domain
                && let Err(why) = zone.load(domain, &line)
            {
                left_out += 1;
                tracing::warn!(%domain, %why, "records of the zone's file are left out");
            }
            Ok(())
        };
        Journal::read(path, line).map_err(failed)?;
        if left_out > 0 {
            // Whoever takes the change of the configuration back finds them there.
            std::fs::copy(path, path.with_extension("before")).map_err(failed)?;
        }
        zone.serial = AtomicU32::new(next_serial(last, zone.clock.now()));
        let journal = Journal::begin(path, &zone.lines()).map_err(failed)?;
        zone.journal = Some(journal);
        Ok(zone)
    }

    /// The serial, in the SOA record. It grows with each change and never falls (RFC 1982).
    #[must_use]
    pub fn serial(&self) -> u32 {
        self.serial.load(Ordering::Relaxed)
    }

    /// The DS record for the parent zone, as in a zone file: what the owner has to put there, once. `None`: not signed.
    #[must_use]
    pub fn ds(&self) -> Option<String> {
        let data = self.signer.as_ref()?.key.ds(&self.settings.apex_name)?;
        Some(format!("{}. 3600 IN DS {data}", name::text(&self.settings.apex)))
    }

    /// The trust anchor of a validator that asks this zone alone, as in a zone file.
    #[must_use]
    pub fn anchor(&self) -> Option<String> {
        let key = &self.signer.as_ref()?.key.dnskey;
        Some(format!("{}. 3600 IN DNSKEY {key}", name::text(&self.settings.apex)))
    }

    /// What is in the zone for a domain.
    #[must_use]
    pub fn records(&self, domain: &str) -> Vec<RecordSet> {
        let Some(domain) = name::wire(domain) else { return Vec::new() };
        self.to_port(&domain, &self.content.domain(&domain))
    }

    /// Domains with records, and the octets that those take.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        let mut size = (0, 0);
        self.content.each(|domain, sets| size = (size.0 + 1, size.1 + domain.len() + sets.len()));
        size
    }

    fn to_port(&self, domain: &[u8], sets: &Packed) -> Vec<RecordSet> {
        let sets = sets.sets();
        let whole = |name: &[u8]| name::text(&[name, domain, &self.settings.apex].concat());
        sets.map(|(name, set)| set.to_set().to_port(whole(name))).collect()
    }

    fn lines(&self) -> Vec<Line> {
        let mut lines = vec![Line::serial(self.serial())];
        self.content.each(|domain, sets| {
            lines.push(Line::new(self.serial(), &name::text(domain), self.to_port(domain, sets)));
        });
        lines
    }

    fn load(&self, domain: &str, line: &Line) -> Result<(), String> {
        let sets = line.sets.iter().map(|set| set.to_port().ok_or("a type that is not known"));
        let sets = sets.collect::<Result<Vec<_>, _>>()?;
        let (domain, sets) = self.changed(domain, &sets, &Packed::default())?;
        self.content.put(&domain, sets);
        Ok(())
    }

    /// A domain and its sets after a change; or what is wrong with the change.
    fn changed(&self, domain: &str, change: &[RecordSet], now: &Packed) -> Result<(Vec<u8>, Packed), String> {
        let zone = || name::text(&self.settings.apex);
        let wire = name::wire(domain).ok_or_else(|| format!("{domain:?} is not a domain"))?;
        let mut sets: Sets = now
            .sets()
            .map(|(name, set)| (name, set.to_set()))
            .map(|(name, set)| ((name.to_vec(), number(set.kind)), set))
            .collect();
        for set in change {
            let owner = &set.name;
            let whole = name::wire(owner).ok_or_else(|| format!("{owner:?} is not a name"))?;
            let inside = name::before(&whole, &self.settings.apex).ok_or_else(|| {
                format!(
                    "{owner} is outside the embedded zone {}: its records are made where {domain} has its DNS, by \
                     a CNAME record that points into the zone",
                    zone()
                )
            })?;
            let relative = name::before(inside, &wire).ok_or_else(|| {
                format!("{owner} is not below {domain}.{}, where the records of {domain} are", zone())
            })?;
            if whole.len() >= MAX_NAME {
                return Err(format!("{owner} is longer than the {MAX_NAME} octets that are served here"));
            }
            if self.settings.fixed.iter().any(|(fixed, _)| fixed == inside) {
                return Err(format!("{owner} is a host of the zone itself"));
            }
            let set = Set::new(set).map_err(|why| format!("{owner} {}: {why}", set.kind.as_wire()))?;
            let key = (relative.to_vec(), number(set.kind));
            if set.data.is_empty() {
                sets.remove(&key);
            } else {
                sets.insert(key, set);
            }
        }
        let cname = number(RecordType::Cname);
        if let Some((name, _)) =
            sets.keys().find(|(name, kind)| *kind != cname && sets.contains_key(&(name.clone(), cname)))
        {
            // RFC 1034 §3.6.2.
            let name = name::text(&[name, wire.as_slice(), &self.settings.apex].concat());
            return Err(format!("{name} cannot have a CNAME record and others beside it"));
        }
        let packed = Packed::new(sets.iter().map(|((name, _), set)| (name.as_slice(), set)));
        if packed.len() > MAX_DOMAIN {
            return Err(format!(
                "{domain} would have {} octets of records, more than {MAX_DOMAIN}",
                packed.len()
            ));
        }
        Ok((wire, packed))
    }

    fn bump(&self) -> u32 {
        let now = self.clock.now();
        let next = |serial| Some(next_serial(serial, now));
        // It always is Some.
        let before = self.serial.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        next_serial(before.unwrap_or_default(), now)
    }

    async fn rewrite(self: &Arc<Self>) {
        let exclusive = self.rewriting.write().await;
        let zone = Arc::clone(self);
        let rewritten = tokio::task::spawn_blocking(move || match &zone.journal {
            Some(journal) if journal.is_wasteful() => journal.rewrite(&zone.lines()),
            _ => Ok(()),
        });
        if let Ok(Err(error)) = rewritten.await {
            // The old file is whole, and goes on growing.
            tracing::warn!(%error, "the file of the zone's records could not be written anew");
        }
        drop(exclusive);
    }
}

/// The time, unless that would be no step forward (RFC 1982 §3.2: an addition of less than 2^31 is one).
fn next_serial(last: u32, now: UnixTime) -> u32 {
    let time = u32::try_from(now.rem_euclid(1 << 32)).unwrap_or_default();
    let ahead = time.wrapping_sub(last);
    if ahead != 0 && ahead < 1 << 31 { time } else { last.wrapping_add(1) }
}

/// Changes a zone: what the engine calls.
#[derive(Clone)]
pub struct ZoneRecords(Arc<Zone>);

impl ZoneRecords {
    /// Of this zone.
    #[must_use]
    pub fn new(zone: Arc<Zone>) -> Self {
        Self(zone)
    }
}

impl Records for ZoneRecords {
    async fn apply(&self, domain: &str, sets: Vec<RecordSet>) -> Result<Applied, RecordsFailure> {
        let zone = &self.0;
        let wire = name::wire(domain).unwrap_or_default();
        let lane =
            wire.iter().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)));
        let shared = Arc::clone(&zone.rewriting).read_owned().await;
        let lane = Arc::clone(&zone.lanes[lane % LANES]).lock_owned().await;
        let now = zone.content.domain(&wire);
        let (wire, packed) = zone.changed(domain, &sets, &now).map_err(RecordsFailure::Refused)?;
        if packed == now {
            return Ok(Applied::Written);
        }
        let serial = zone.bump();
        let Some(journal) = &zone.journal else {
            zone.content.put(&wire, packed);
            return Ok(Applied::Written);
        };
        let line = Line::new(serial, &name::text(&wire), zone.to_port(&wire, &packed));
        let changing = Arc::clone(zone);
        // Once begun it is carried through, also if nobody waits for it any longer: it takes the locks along.
        let kept = tokio::task::spawn_blocking(move || {
            let kept = changing.journal.as_ref().map_or(Ok(()), |journal| journal.append(&line));
            let kept = kept.map(|()| changing.content.put(&wire, packed));
            drop((lane, shared));
            kept
        });
        let kept = kept.await.unwrap_or_else(|error| Err(error.to_string()));
        kept.map_err(|why| RecordsFailure::Later(format!("the zone's records on disk: {why}")))?;
        if journal.is_wasteful() {
            zone.rewrite().await;
        }
        Ok(Applied::Written)
    }
}
