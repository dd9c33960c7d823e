//! The room `report` at work: sessions come in and are journalled, counted and reported.
//!
//! ```text
//! datagrams ─ Receiver ┐
//! files, pipes, POST ──┼─ Intake (journal, synced) ─ Counting ─ Outbox ─ Sending ─ relay, https
//! Postfix's log ───────┘                                                      bounces ┘
//! ```
//!
//! [`Room::open`] does all that can fail before anything is started; [`Room::start`] starts the parts. What can fail
//! later is told by the part that it happens to. A part that ends by itself stops the server: sessions that nobody takes in
//! would be lost without a word.

mod bounces;
mod counting;
pub(crate) mod dkim;
mod figures;
pub(crate) mod kept;
mod lines;
mod places;
mod sending;

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use prometheus_client::registry::Registry;
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::{Outbox as _, Timer};
use tlsward_engine::report::Settings as Counted;
use tlsward_engine::report::judge::{Certificates, NoPolicies, PolicyHosts};
use tlsward_mail::bounce::Bounces;
use tlsward_mail::dkim::DkimSigner;
use tlsward_mta::journal::{FromFile, Journal, Options};
use tlsward_mta::postfix_log::{Feed, FeedStats, JournalFeed, OnHeldBack, SystemdJournal};
use tlsward_mta::session::{
    Appended, DEFAULT_QUEUE_PATH, Inlet, Intake, IntakeOptions, Receiver, SessionSocket, queue_advice,
};
use tlsward_net::limits::SmtpLimits;
use tlsward_net::relay::{RelayConfig, SmtpRelay};
use tlsward_store::SqliteStore;
use tlsward_web::report_endpoint::Sessions;
use tokio::sync::{Notify, watch};
use tokio::task::spawn_blocking;
use tokio::time::interval;

use super::{Parts, named, shown};
use crate::config::{PostfixLog, Report, Settings};
use crate::control::told_to_stop;
use crate::edge::{self, SystemClock};
use crate::world::Open;
use counting::{Counting, Court};
use figures::{Figures, Shown};
use places::Places;
use sending::Sending;

/// How often it is looked whether the threads are at work, and whether the mail log has grown.
const LOOK: Duration = Duration::from_secs(1);
/// A token is a line.
const LONGEST_TOKEN: usize = 4096;

/// All that is needed, opened.
pub(super) struct Room {
    config: Report,
    settings: Arc<Counted>,
    signer: Arc<DkimSigner>,
    relay: SmtpRelay,
    socket: Option<SessionSocket>,
    intake: Intake,
    counting: Counting<SqliteStore>,
    appended: watch::Receiver<Appended>,
    counted: watch::Receiver<Option<UnixTime>>,
    world: Arc<Open>,
    store: Arc<SqliteStore>,
    token: Option<String>,
    /// Hears of mail that Postfix held back.
    on_held_back: Option<OnHeldBack>,
    /// The folder in which it is kept how far Postfix's log was read.
    folder: PathBuf,
}

/// Who reads Postfix's log.
enum LogReader {
    File(Feed<SystemClock>),
    Journal(JournalFeed<SystemClock>),
}

impl Room {
    /// Opens everything. `handed`: a socket for sessions that the service manager keeps.
    pub(super) async fn open(
        config: &Report,
        settings: &Settings,
        handed: Option<UnixDatagram>,
        store: &Arc<SqliteStore>,
        world: &Arc<Open>,
    ) -> anyhow::Result<Self> {
        let folder = kept::folder(&settings.data_dir)?;
        let installation = kept::installation(&folder)?;
        let signer = dkim::signer(&config.dkim, &config.submitters(), &folder)?;
        let ehlo_name = settings.net.hostname.clone().unwrap_or_else(edge::host_name);
        let relay = RelayConfig { address: config.relay.clone(), ehlo_name, limits: SmtpLimits::default() };
        let relay = SmtpRelay::new(relay).context("[net] hostname")?;
        let token = config.token_file.as_deref().map(token).transpose()?;

        let place =
            store.place(&installation.node).await.context("cannot read how far sessions are counted")?;
        let at = counting::position(place);
        let journal_folder = folder.join("journal");
        let (journal, recovery) = Journal::open(&journal_folder, Options::default(), at)?;
        if recovery.is_damaged {
            tracing::error!(journal = shown(&journal_folder), "the newest part of the journal is damaged");
        } else if recovery.cut_bytes > 0 {
            let bytes = recovery.cut_bytes;
            tracing::info!(
                bytes,
                "a record of the journal that was being written at the last stop is left out"
            );
        }
        let end = journal.end();
        let in_journal = if config.sessions.is_empty() {
            std::collections::BTreeMap::new()
        } else {
            counting::places_in(&journal_folder, end)
                .with_context(|| format!("cannot read the journal {}", shown(&journal_folder)))?
        };
        let places = Places::open(&folder, in_journal)?;
        let (sync, retire) = (journal.sync_handle(), journal.retire_handle());
        let (tell, appended) = watch::channel(Appended { position: end, records: 0 });
        let on_appended = Box::new(move |_: &mut Journal, to: Appended| _ = tell.send_replace(to));
        let intake = Intake::start(journal, IntakeOptions::default(), on_appended)
            .context("cannot start the threads of the journal")?;
        let socket = match handed {
            Some(socket) => Some(SessionSocket::from_fd(socket.into())?),
            None => config.socket.as_deref().map(|path| bind(path, config.socket_mode)).transpose()?,
        };

        let mut counted =
            Counted::new(config.identity.clone(), installation.spread_seed, installation.bounce_secret);
        counted.node = installation.node;
        counted.identities.clone_from(&config.identities);
        counted.opt_outs.clone_from(&config.opt_outs);
        counted.daily_quota = config.daily_quota;
        let counted_settings = Arc::new(counted);
        let policies: Arc<dyn PolicyHosts> = Arc::new(NoPolicies);
        let court = Court {
            certificates: Certificates::new(),
            roots: Arc::clone(&world.roots),
            policies,
            follows_log: config.postfix_log.is_some(),
        };
        let (until, counted) = watch::channel(None);
        let counting = Counting {
            outbox: Arc::clone(store),
            world: Arc::clone(world),
            settings: Arc::clone(&counted_settings),
            court: Arc::new(court),
            journal: journal_folder,
            inlet: intake.inlet(Arc::new(SystemClock)),
            appended: appended.clone(),
            sync,
            retire,
            places,
            figures: Arc::new(Figures::default()),
            counted: until,
            late: Arc::new(Notify::new()),
            stored: place,
            at,
            retired: 0,
            one_by_one: false,
            stuck_at: None,
        };
        Ok(Self {
            config: config.clone(),
            settings: counted_settings,
            signer: Arc::new(signer),
            relay,
            socket,
            intake,
            counting,
            appended,
            counted,
            world: Arc::clone(world),
            store: Arc::clone(store),
            token,
            on_held_back: None,
            folder,
        })
    }

    /// Who hears of mail to addresses that reports are sent from.
    pub(super) fn bounces(&self) -> Option<Arc<dyn Bounces>> {
        let addresses: Vec<String> = self.config.bounce_addresses().into_iter().map(str::to_owned).collect();
        if addresses.is_empty() {
            return None;
        }
        Some(Arc::new(bounces::Returned {
            outbox: Arc::clone(&self.store),
            node: self.settings.node.clone(),
            addresses,
            figures: Arc::clone(&self.counting.figures),
        }))
    }

    /// Who reports, for the pages.
    pub(super) fn settings(&self) -> Arc<Counted> {
        Arc::clone(&self.settings)
    }

    /// Who takes sessions by POST.
    pub(super) fn sessions(&self) -> anyhow::Result<Option<Sessions>> {
        let Some(token) = &self.token else { return Ok(None) };
        let desk = lines::Desk {
            inlet: self.counting.inlet.clone(),
            appended: self.appended.clone(),
            sync: self.counting.sync.clone(),
        };
        let sessions = Sessions::new(token, lines::LONGEST_BODY, Arc::new(desk));
        sessions.context("[report] token_file").map(Some)
    }

    /// Judges sessions by these policies as well.
    pub(super) fn judge_by(&mut self, policies: Arc<dyn PolicyHosts>) {
        // Nobody else has it before the start.
        if let Some(court) = Arc::get_mut(&mut self.counting.court) {
            court.policies = policies;
        }
    }

    /// Tells of domains whose mail Postfix held back because of TLS, as far as its log says so.
    pub(super) fn tell_held_back(&mut self, on_held_back: OnHeldBack) {
        self.on_held_back = Some(on_held_back);
    }

    /// Starts everything.
    pub(super) fn start(
        self,
        parts: &mut Parts,
        registry: &mut Registry,
        takes_mail: bool,
        shutdown: &watch::Receiver<bool>,
    ) -> anyhow::Result<()> {
        self.advise(takes_mail);
        let Self {
            config,
            settings,
            signer,
            relay,
            socket,
            intake,
            counting,
            counted,
            world,
            store,
            on_held_back,
            folder,
            ..
        } = self;
        let figures = Arc::clone(&counting.figures);
        let (inlet, late) = (counting.inlet.clone(), Arc::clone(&counting.late));
        let receiver = socket
            .map(|socket| Receiver::start(socket, inlet.clone()))
            .transpose()
            .context("cannot start the thread that takes sessions")?;
        let log =
            config.postfix_log.as_ref().map(|log| LogReader::new(log, &folder, inlet.clone(), on_held_back));
        let shown = Shown {
            figures: Arc::clone(&figures),
            inlet: inlet.clone(),
            receiver: receiver.as_ref().map(Receiver::stats),
            log: log.as_ref().map(LogReader::stats),
            journal: counting.retire.clone(),
        };
        shown.register(registry);
        let into = lines::Into { inlet, figures: Arc::clone(&figures) };
        for path in &config.sessions {
            let place = counting.places.of(&FromFile::path_of(path));
            parts.spawn(named(
                "reader of sessions",
                lines::follow(path.clone(), place, into.clone(), shutdown.clone()),
            ));
        }
        if let Some(log) = log {
            parts.spawn(named("reader of the mail log", log.run(world.net.clone(), shutdown.clone())));
        }
        let submitters = config.submitters().into_iter().map(str::to_owned).collect();
        let sending =
            Sending { world, outbox: store, relay, signer, submitters, settings, figures, counted, late };
        parts.spawn(named("sender of reports", sending.run(shutdown.clone())));
        parts.spawn(named("counter of sessions", counting.run(shutdown.clone())));
        parts.spawn(named("intake of sessions", keep_taking(receiver, intake, shutdown.clone())));
        Ok(())
    }

    /// What the owner may want to change.
    fn advise(&self, takes_mail: bool) {
        let config = &self.config;
        if self.socket.is_some()
            && let Some(advice) = queue_advice(Path::new(DEFAULT_QUEUE_PATH))
        {
            tracing::warn!("{advice}");
        }
        if self.socket.is_none() && config.sessions.is_empty() && config.token_file.is_none() {
            tracing::warn!(
                "[report] has no source of sessions, so there is nothing to report: set 'socket', 'sessions' or 'token_file'"
            );
        }
        for identity in config.all_identities() {
            match identity.bounces() {
                None => tracing::info!(
                    from = identity.from(),
                    "reports that come back go to their author, to be read by a person; with [report] bounces_to the next \
                     place is tried instead"
                ),
                Some(address) if !takes_mail => tracing::warn!(
                    address,
                    "[report] bounces_to needs the listener of [receive.smtp], which is not configured: bounces are not \
                     taken in"
                ),
                Some(_) => {}
            }
        }
    }
}

impl LogReader {
    fn new(
        log: &PostfixLog,
        folder: &Path,
        inlet: Inlet<SystemClock>,
        on_held_back: Option<OnHeldBack>,
    ) -> Self {
        match log {
            PostfixLog::File(path) => {
                let feed = Feed::new(path, &folder.join("postfix-log.place"), inlet);
                Self::File(feed.on_held_back(on_held_back))
            }
            PostfixLog::Journal(directory) => {
                let journal = SystemdJournal { directory: directory.clone() };
                let feed = JournalFeed::new(journal, &folder.join("systemd-journal.place"), inlet);
                Self::Journal(feed.on_held_back(on_held_back))
            }
        }
    }

    fn stats(&self) -> Arc<FeedStats> {
        match self {
            Self::File(feed) => feed.stats(),
            Self::Journal(feed) => feed.stats(),
        }
    }

    async fn run(self, timer: impl Timer, shutdown: watch::Receiver<bool>) {
        match self {
            Self::File(feed) => feed.run(timer, LOOK, shutdown).await,
            Self::Journal(feed) => feed.run(timer, shutdown).await,
        }
    }
}

fn bind(path: &Path, mode: u32) -> anyhow::Result<SessionSocket> {
    SessionSocket::bind(path, mode).with_context(|| {
        format!(
            "[report] socket: cannot take sessions at {}; its folder must exist and be writable for this user",
            shown(path)
        )
    })
}

fn token(path: &Path) -> anyhow::Result<String> {
    let bytes =
        kept::read(path)?.with_context(|| format!("[report] token_file: there is no {}", shown(path)))?;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST_TOKEN)]).trim().to_owned();
    Ok(text)
}

/// Watches over the threads that take sessions in; at the end takes what is queued and writes it down.
async fn keep_taking(receiver: Option<Receiver>, intake: Intake, mut shutdown: watch::Receiver<bool>) {
    let mut looks = interval(LOOK);
    loop {
        tokio::select! {
            () = told_to_stop(&mut shutdown) => break,
            _ = looks.tick() => {
                if receiver.as_ref().is_some_and(|receiver| !receiver.is_running()) || !intake.is_running() {
                    break;
                }
            }
        }
    }
    let stopped = spawn_blocking(move || {
        let received = receiver.map_or(Ok(()), Receiver::stop);
        (received, intake.stop().is_some())
    });
    match stopped.await {
        Ok((Ok(()), true)) => {}
        Ok((Err(error), _)) => tracing::error!(%error, "the session socket broke"),
        Ok((Ok(()), false)) => tracing::error!("a thread of the journal broke"),
        Err(error) => tracing::error!(%error, "a thread that takes sessions broke"),
    }
}
