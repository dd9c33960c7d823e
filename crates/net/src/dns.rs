//! DNS: the resolver behind the engine's port.
//!
//! A stub resolver of our own over hickory's messages: hickory's shows neither AD nor DO, and what this project asks
//! of DNS is to keep apart what others throw together: nothing there, trouble, forged. Three kinds of trust:
//!
//! - [`Trust::AuthenticData`]: the AD bit of a validating resolver on this machine (RFC 7672 §2.2: over a network
//!   anybody can set it), after a probe that saw it set. A resolver that strips DNSSEC is found by the probe: then
//!   nothing is secure and [`Dns::dnssec`] says why, instead of every domain looking unsigned. A resolver that fails
//!   at the probe takes nothing back: once DNSSEC was seen to work, only an answer without AD ends that.
//! - [`Trust::Validate`]: validated here, down from a trust anchor, by hickory's validator. Asked with CD=1, so that a
//!   validating resolver between hands over what it holds forged, and we see it so. Once it was seen to work, nothing
//!   that comes over the network ends that: without signatures, signed domains look forged and their mail waits.
//! - [`Trust::Off`].
//!
//! One question takes ten seconds at most, whatever it needs: tries, servers, aliases, keys. Answers are kept for
//! their TTL within bounds, and many askers of one question share one asking.
//! What can fail: see [`DnsFailure`]. A failure is never turned into an absence.

mod authority;
mod cache;
mod chain;
mod config;
mod exchange;
pub(crate) mod name;
mod plain;
mod probe;
mod validate;
pub(crate) mod wire;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use hickory_proto::rr::Name;
use tlsward_engine::ports::{Dns, DnsFailure, DnsReply, Dnssec, RecordData, RecordKind, Security};
use tokio::time::{Duration, Instant};

pub use self::authority::NameServers;
pub use self::config::{Config, ConfigError, Trust, TrustAnchor, system_servers};
use crate::limits::dns as limits;
use cache::{Kept, Key};
use exchange::Exchange;
use plain::Belief;
use probe::Seen;
use validate::Validator;
use wire::Flags;

/// Asks DNS. A clone is the same resolver.
#[derive(Clone)]
pub struct Resolver {
    inner: Arc<Inner>,
}

struct Inner {
    exchange: Arc<Exchange>,
    means: Means,
    probe_names: Vec<Name>,
    standing: Mutex<Standing>,
    /// Held while a probe is under way.
    probing: tokio::sync::Mutex<()>,
    /// `None`: nothing is kept.
    known: Option<Mutex<Known>>,
}

/// How security is told.
enum Means {
    Off,
    AuthenticData,
    /// Resolvers elsewhere: their AD is nobody's word. The text says so.
    Elsewhere(String),
    Validate(Validator),
}

/// What the probe has told so far, and when it last ran.
struct Standing {
    seen: Option<Seen>,
    probed: Option<(Instant, Duration)>,
}

/// What is kept, and what is being asked.
struct Known {
    answers: Kept<Arc<DnsReply>>,
    flights: BTreeMap<Key, WeakShared<Flight>>,
    /// Counts the changes of what security means: an answer from before is not kept after.
    epoch: u64,
}

type Flight = BoxFuture<'static, Arc<DnsReply>>;

impl Resolver {
    /// Asks nothing yet: the first question, or [`Resolver::probe`], begins with the probe.
    ///
    /// # Errors
    /// There is no server, or the probe name is none.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        if config.servers.is_empty() {
            return Err(ConfigError::NoServer);
        }
        let anchored = match &config.trust {
            Trust::Validate(anchor) => anchor.zone.as_ref(),
            Trust::AuthenticData | Trust::Off => None,
        };
        let probe_names = match config.probe_name.as_ref().or(anchored) {
            None => vec![Name::root(), name::parse("org").unwrap_or_else(Name::root)],
            Some(text) if text == "." => vec![Name::root()],
            Some(text) => vec![name::parse(text).ok_or_else(|| ConfigError::ProbeName(text.clone()))?],
        };
        let mut servers = config.servers.clone();
        let is_here = |server: &SocketAddr| server.ip().to_canonical().is_loopback();
        if matches!(config.trust, Trust::AuthenticData) && servers.iter().any(is_here) {
            servers.retain(is_here);
        }
        let exchange = Arc::new(Exchange::new(&servers));
        let means = match &config.trust {
            Trust::Off => Means::Off,
            Trust::AuthenticData if servers.iter().any(is_here) => Means::AuthenticData,
            Trust::AuthenticData => Means::Elsewhere(format!(
                "the resolver {} is not on a loopback address, so its word on DNSSEC could be anybody's (RFC 7672 \
                 §2.2). DANE is out of use. Run a validating resolver on this machine, or set dnssec = \"validate\"",
                servers[0].ip()
            )),
            Trust::Validate(anchor) => Means::Validate(Validator::new(Arc::clone(&exchange), anchor)),
        };
        let known = || {
            let answers = Kept::new(limits::CACHED_ANSWERS);
            Mutex::new(Known { answers, flights: BTreeMap::new(), epoch: 0 })
        };
        let inner = Inner {
            exchange,
            means,
            probe_names,
            standing: Mutex::new(Standing { seen: None, probed: None }),
            probing: tokio::sync::Mutex::new(()),
            known: config.cache.then(known),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Looks at once whether DNSSEC works, and says what statuses rest on from now. Otherwise the first question
    /// does that, and later questions do it again now and then.
    pub async fn probe(&self) -> Dnssec {
        let _probing = self.inner.probing.lock().await;
        self.inner.probe(Instant::now() + limits::TOTAL).await;
        self.inner.dnssec()
    }

    async fn ask(&self, name: Name, kind: RecordKind) -> DnsReply {
        let deadline = Instant::now() + limits::TOTAL;
        let inner = &self.inner;
        let belief = match &inner.means {
            Means::Off | Means::Elsewhere(_) => Belief::None,
            Means::AuthenticData | Means::Validate(_) => match self.standing(deadline).await {
                Ok(Some(flags)) => Belief::AuthenticData(flags),
                Ok(None) => Belief::None,
                Err(failure) => return DnsReply::Failed(failure),
            },
        };
        match (&inner.means, belief) {
            (Means::Validate(validator), Belief::AuthenticData(_)) => {
                let reply = validator.look_up(&name, kind, deadline).await;
                if let DnsReply::Failed(DnsFailure::Bogus(_)) = reply {
                    inner.lock_standing().hasten();
                }
                reply
            }
            _ => {
                let reply = plain::look_up(&inner.exchange, &name, kind, belief, deadline).await;
                if reply.security() == Some(Security::Secure) {
                    inner.lock_standing().seen_at_work();
                }
                reply
            }
        }
    }

    /// Whether DNSSEC works, and with which bits. Probes first where that is not known, and beside the question
    /// where it was last looked at long ago.
    async fn standing(&self, deadline: Instant) -> Result<Option<Flags>, DnsFailure> {
        let inner = &self.inner;
        if inner.lock_standing().is_due() {
            if inner.lock_standing().is_told() {
                let again = self.clone();
                // The question at hand is answered by what is known; the next ones by what this finds.
                tokio::spawn(async move {
                    if let Ok(_probing) = again.inner.probing.try_lock() {
                        again.inner.probe(Instant::now() + limits::TOTAL).await;
                    }
                });
            } else {
                let _probing = inner.probing.lock().await;
                if inner.lock_standing().is_due() {
                    inner.probe(deadline).await;
                }
            }
        }
        match &inner.lock_standing().seen {
            Some(Seen::Working(flags)) => Ok(Some(*flags)),
            Some(Seen::Unusable(_) | Seen::Refusing(_)) => Ok(None),
            // The resolver is there and fails at the probe's name, as where the root is out of reach. Its bits lose
            // nothing: one that validates sets AD on what is secure and refuses what is forged, and with one that
            // does not there is no DANE in any case.
            Some(Seen::Nothing(DnsFailure::Server(_) | DnsFailure::Malformed(_) | DnsFailure::Bogus(_)))
                if matches!(inner.means, Means::AuthenticData) =>
            {
                Ok(Some(probe::BITS[1]))
            }
            // Answers that cannot be told secure from insecure are no answers: mail waits, as for any other
            // outage, and no DANE domain is sent to without DANE.
            Some(Seen::Nothing(failure)) => Err(failure.clone()),
            None => Err(DnsFailure::TimedOut),
        }
    }

    /// A new asking, which many may wait for. It keeps its own answer.
    fn take_off(&self, key: &Key, name: Name, kind: RecordKind, epoch: u64) -> Shared<Flight> {
        let (resolver, key) = (self.clone(), key.clone());
        let flight = async move {
            let reply = Arc::new(resolver.ask(name, kind).await);
            if let Some(mut known) = resolver.inner.lock_known() {
                known.flights.remove(&key);
                if known.epoch == epoch {
                    let seconds = kept_seconds(&reply);
                    known.answers.insert(key, Arc::clone(&reply), Instant::now(), seconds);
                }
            }
            reply
        };
        flight.boxed().shared()
    }
}

impl Inner {
    /// With `probing` held.
    async fn probe(&self, deadline: Instant) {
        let seen = match &self.means {
            Means::Off | Means::Elsewhere(_) => return,
            Means::AuthenticData => probe::authentic_data(&self.exchange, &self.probe_names, deadline).await,
            Means::Validate(validator) => {
                probe::chain_of_trust(&self.exchange, validator, &self.probe_names, deadline).await
            }
        };
        let again = match &seen {
            Seen::Working(_) => limits::PROBE_AGAIN_WORKING,
            Seen::Unusable(_) | Seen::Refusing(_) => limits::PROBE_AGAIN_UNUSABLE,
            Seen::Nothing(_) => limits::PROBE_AGAIN_UNANSWERED,
        };
        let by_resolver = matches!(self.means, Means::AuthenticData);
        let (changed, replaced) = {
            let mut standing = self.lock_standing();
            standing.probed = Some((Instant::now(), again));
            let changed = standing.seen.as_ref() != Some(&seen);
            let replaced = changed && seen.replaces(standing.seen.as_ref(), by_resolver);
            if replaced {
                standing.seen = Some(seen.clone());
            }
            (changed, replaced)
        };
        match &seen {
            Seen::Working(_) if replaced => tracing::info!("DNSSEC works"),
            Seen::Unusable(text) | Seen::Refusing(text) if replaced => {
                tracing::error!("DNSSEC does not work: {text}");
            }
            Seen::Unusable(text) | Seen::Refusing(text) if changed => {
                tracing::error!(
                    "DNSSEC worked and does not now: {text}. It may pass, or be an attack: mail to domains that \
                     were secure waits"
                );
            }
            Seen::Nothing(failure) if replaced => {
                tracing::error!("whether DNSSEC works could not be told: {failure}");
            }
            _ => {}
        }
        if replaced && let Some(mut known) = self.lock_known() {
            known.answers.clear();
            known.epoch += 1;
        }
    }

    fn dnssec(&self) -> Dnssec {
        let works = match &self.means {
            Means::Off => return Dnssec::Off,
            Means::Elsewhere(text) => return Dnssec::Unusable(text.clone()),
            Means::AuthenticData => Dnssec::TrustedResolver,
            Means::Validate(_) => Dnssec::Validated,
        };
        match &self.lock_standing().seen {
            Some(Seen::Working(_)) => works,
            Some(Seen::Unusable(text) | Seen::Refusing(text)) => Dnssec::Unusable(text.clone()),
            Some(Seen::Nothing(failure)) => {
                Dnssec::Unusable(format!("whether DNSSEC works could not be told yet: {failure}"))
            }
            None => Dnssec::Unusable("whether DNSSEC works was not looked at yet".to_owned()),
        }
    }

    fn lock_standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_known(&self) -> Option<MutexGuard<'_, Known>> {
        self.known.as_ref().map(|known| known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Standing {
    fn is_told(&self) -> bool {
        matches!(self.seen, Some(Seen::Working(_) | Seen::Unusable(_) | Seen::Refusing(_)))
    }

    /// An answer was secure: where the probe could not be answered, that tells it as well.
    fn seen_at_work(&mut self) {
        if matches!(self.seen, Some(Seen::Nothing(_))) {
            self.seen = Some(Seen::Working(probe::BITS[1]));
        }
    }

    /// Where forged answers are seen, it may be the resolver that began to strip signatures: then every signed
    /// domain looks forged, and its mail should not wait long for the next probe.
    fn hasten(&mut self) {
        if let Some((_, again)) = &mut self.probed {
            *again = limits::PROBE_AGAIN_UNUSABLE.min(*again);
        }
    }

    fn is_due(&self) -> bool {
        self.probed.is_none_or(|(at, again)| at.elapsed() >= again)
    }
}

impl Dns for Resolver {
    async fn look_up(&self, name: &str, kind: RecordKind) -> DnsReply {
        let Some(parsed) = name::parse(name) else {
            let shown = wire::printable(name.as_bytes());
            return DnsReply::Failed(DnsFailure::Name(shown));
        };
        let key = (name::write(&parsed), u16::from(chain::record_type(kind)));
        let flight = {
            let Some(mut known) = self.inner.lock_known() else { return self.ask(parsed, kind).await };
            if let Some((reply, age_seconds)) = known.answers.get(&key, Instant::now()) {
                return aged(&reply, age_seconds);
            }
            match known.flights.get(&key).and_then(WeakShared::upgrade) {
                Some(flight) => flight,
                None => {
                    let flight = self.take_off(&key, parsed, kind, known.epoch);
                    if known.flights.len() >= limits::CACHED_ANSWERS {
                        // Askings that were given up by all who waited.
                        known.flights.retain(|_, flight| flight.upgrade().is_some());
                    }
                    known.flights.extend(flight.downgrade().map(|weak| (key, weak)));
                    flight
                }
            }
        };
        let reply = flight.await;
        Arc::unwrap_or_clone(reply)
    }

    fn dnssec(&self) -> Dnssec {
        self.inner.dnssec()
    }
}

/// How long a reply may be kept.
fn kept_seconds(reply: &DnsReply) -> u32 {
    let aliases: &[String] = match reply {
        DnsReply::Found(answer) => &answer.aliases,
        DnsReply::Absent(absence) => &absence.aliases,
        DnsReply::Failed(_) => &[],
    };
    let alias_bytes: usize = aliases.iter().map(|alias| size_of::<String>() + alias.len()).sum();
    let record_bytes: usize = reply.records().iter().map(data_bytes).sum();
    match reply {
        _ if alias_bytes + record_bytes > limits::CACHED_ANSWER_BYTES => 0,
        DnsReply::Found(answer) => answer.ttl.min(limits::CACHED_SECONDS),
        DnsReply::Absent(absence) => absence.ttl.min(limits::CACHED_ABSENCE_SECONDS),
        DnsReply::Failed(_) => limits::CACHED_FAILURE_SECONDS,
    }
}

/// About what a record takes in memory.
fn data_bytes(record: &RecordData) -> usize {
    let more = match record {
        RecordData::A(_) | RecordData::Aaaa(_) => 0,
        RecordData::Mx { exchange: name, .. } | RecordData::Ns(name) => name.len(),
        RecordData::Txt(strings) => strings.iter().map(|string| size_of::<Vec<u8>>() + string.len()).sum(),
        RecordData::Tlsa { data, .. } => data.len(),
        RecordData::Caa { tag, value, .. } => tag.len() + value.len(),
    };
    size_of::<RecordData>() + more
}

/// A kept reply as it would come now.
fn aged(reply: &DnsReply, seconds: u32) -> DnsReply {
    let mut reply = reply.clone();
    match &mut reply {
        DnsReply::Found(answer) => answer.ttl = answer.ttl.saturating_sub(seconds),
        DnsReply::Absent(absence) => absence.ttl = absence.ttl.saturating_sub(seconds),
        DnsReply::Failed(_) => {}
    }
    reply
}
