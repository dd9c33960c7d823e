//! Names kept certified for weeks on a virtual clock, by an authority that is slow, down, strict and changes its mind.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::future::{Either, select};
use tlsward_engine::alert::{Board, Heard, News, Rule};
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::certificates::{
    Authority, AuthorityFailure, Certificates, ChallengeKind, DirectoryFacts, IssuedChain, KeptAccount,
    OfferedChallenge, OrderSeen, OrderStatus, PrivateKey, Problem, Registration, RenewalWindow, RetryAfter,
};
use tlsward_engine::ports::publish::{Applied, Challenge, Challenges, RecordSet, Records, RecordsFailure};
use tlsward_engine::ports::{
    Absence, Answer, Dns, DnsReply, Dnssec, RecordData, RecordKind, Security, Timer,
};
use tlsward_engine::publish::certificate::driver::{Driver, Ears, Wishes};
use tlsward_engine::publish::certificate::issue::Desk;
use tlsward_engine::publish::certificate::need::{Managed, wanted};
use tlsward_engine::publish::certificate::pace::Limits;
use tlsward_engine::publish::certificate::preflight::OurAddresses;
use tlsward_engine::publish::certificate::settings::{AuthoritySettings, Settings};
use tlsward_lab::executor::{Clock, Executor};
use tlsward_store::MemoryStore;

const BEGIN: UnixTime = 1_800_000_000;
const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;
const FIRST: &str = "https://first.test/dir";
const SECOND: &str = "https://second.test/dir";

/// What the authorities of a test do.
#[derive(Debug, Clone)]
struct Ca {
    clock: Clock,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// By directory: between these times it does not answer.
    down: BTreeMap<String, (UnixTime, UnixTime)>,
    /// Requests while it was down.
    in_vain: usize,
    /// Until then no order is taken.
    limited_until: UnixTime,
    lifetime: i64,
    has_renewal_info: bool,
    /// Of every certificate.
    window: Option<(UnixTime, UnixTime)>,
    orders: Vec<Ordered>,
    issued: Vec<(UnixTime, String, String)>,
    keys: u32,
}

#[derive(Debug)]
struct Ordered {
    name: String,
    directory: String,
    at: UnixTime,
    replaces: Option<String>,
    status: OrderStatus,
    is_begun: bool,
}

impl Ca {
    fn new(clock: Clock, lifetime: i64) -> Self {
        let state = State { lifetime, ..State::default() };
        Self { clock, state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panicked with it")
    }

    /// A request takes a second, and may find nobody.
    async fn ask(&self, directory: &str) -> Result<UnixTime, AuthorityFailure> {
        self.clock.sleep(Duration::from_secs(1)).await;
        let now = self.clock.now();
        let mut state = self.state();
        let is_down = state.down.get(directory).is_some_and(|(from, until)| (*from..*until).contains(&now));
        if is_down {
            state.in_vain += 1;
            return Err(AuthorityFailure::Unreachable("no answer in time".to_owned()));
        }
        Ok(now)
    }
}

fn place(url: &str) -> usize {
    url.rsplit('/').next().and_then(|text| text.parse().ok()).expect("an order of ours")
}

impl Authority for Ca {
    fn new_key(&self) -> Result<PrivateKey, AuthorityFailure> {
        let mut state = self.state();
        state.keys += 1;
        Ok(PrivateKey::from_pkcs8(state.keys.to_be_bytes().to_vec()))
    }

    async fn facts(&self, directory: &str) -> Result<DirectoryFacts, AuthorityFailure> {
        self.ask(directory).await?;
        Ok(DirectoryFacts { has_renewal_info: self.state().has_renewal_info, ..DirectoryFacts::default() })
    }

    async fn register(
        &self,
        account: &KeptAccount,
        _: &Registration,
    ) -> Result<KeptAccount, AuthorityFailure> {
        self.ask(&account.directory).await?;
        Ok(KeptAccount { url: Some("acct".to_owned()), ..account.clone() })
    }

    async fn new_order(
        &self,
        account: &KeptAccount,
        name: &str,
        replaces: Option<&str>,
    ) -> Result<String, AuthorityFailure> {
        let at = self.ask(&account.directory).await?;
        let mut state = self.state();
        if at < state.limited_until {
            let problem = Problem {
                kind: "rateLimited".to_owned(),
                detail: "too many".to_owned(),
                status: 429,
                parts: Vec::new(),
            };
            let wait = state.limited_until - at;
            let retry_after = Some(RetryAfter::In(Duration::from_secs(wait.unsigned_abs())));
            return Err(AuthorityFailure::Problem { problem, retry_after });
        }
        state.orders.push(Ordered {
            name: name.to_owned(),
            directory: account.directory.clone(),
            at,
            replaces: replaces.map(str::to_owned),
            status: OrderStatus::Pending,
            is_begun: false,
        });
        Ok(format!("order/{}", state.orders.len() - 1))
    }

    async fn look(&self, account: &KeptAccount, order: &str) -> Result<OrderSeen, AuthorityFailure> {
        self.ask(&account.directory).await?;
        let mut state = self.state();
        let order = &mut state.orders[place(order)];
        if order.status == OrderStatus::Pending && order.is_begun {
            order.status = OrderStatus::Ready;
        }
        let offer = OfferedChallenge {
            kind: ChallengeKind::Http01,
            token: "token".to_owned(),
            key_authorization: String::new(),
            digest: [0; 32],
            dns_value: String::new(),
            is_begun: order.is_begun,
        };
        Ok(OrderSeen { status: order.status, offers: vec![offer], problem: None, retry_after: None })
    }

    async fn answer(
        &self,
        account: &KeptAccount,
        order: &str,
        _: ChallengeKind,
    ) -> Result<(), AuthorityFailure> {
        self.ask(&account.directory).await?;
        self.state().orders[place(order)].is_begun = true;
        Ok(())
    }

    async fn finalize(
        &self,
        account: &KeptAccount,
        order: &str,
        _: &str,
        _: &PrivateKey,
    ) -> Result<(), AuthorityFailure> {
        self.ask(&account.directory).await?;
        self.state().orders[place(order)].status = OrderStatus::Valid;
        Ok(())
    }

    async fn fetch(
        &self,
        account: &KeptAccount,
        _: &str,
        name: &str,
        _: &PrivateKey,
    ) -> Result<IssuedChain, AuthorityFailure> {
        let now = self.ask(&account.directory).await?;
        let mut state = self.state();
        state.issued.push((now, name.to_owned(), account.directory.clone()));
        let ari_id = state.has_renewal_info.then(|| format!("id.{}", state.issued.len()));
        let lifetime = state.lifetime;
        Ok(IssuedChain { chain: vec![vec![1]], not_before: now, not_after: now + lifetime, ari_id })
    }

    async fn renewal(
        &self,
        directory: &str,
        _: &str,
        now: UnixTime,
    ) -> Result<RenewalWindow, AuthorityFailure> {
        self.ask(directory).await?;
        let Some((start, end)) = self.state().window else {
            return Err(AuthorityFailure::Status { status: 500, retry_after: None });
        };
        Ok(RenewalWindow { start, end, explanation: None, ask_again_at: now + 6 * HOUR })
    }
}

/// Every name leads to us; time is the executor's.
#[derive(Debug, Clone)]
struct World(Clock);

impl Dns for World {
    async fn look_up(&self, _: &str, kind: RecordKind) -> DnsReply {
        match kind {
            RecordKind::A => DnsReply::Found(Answer {
                aliases: Vec::new(),
                security: Security::Insecure,
                first_security: Security::Insecure,
                ttl: 60,
                records: vec![RecordData::A([192, 0, 2, 1].into())],
            }),
            _ => DnsReply::Absent(Absence {
                aliases: Vec::new(),
                name_exists: true,
                security: Security::Insecure,
                ttl: 60,
            }),
        }
    }

    fn dnssec(&self) -> Dnssec {
        Dnssec::Off
    }
}

impl tlsward_engine::ports::Clock for World {
    fn now(&self) -> UnixTime {
        self.0.now()
    }
}

impl Timer for World {
    async fn sleep(&self, duration: Duration) {
        self.0.sleep(duration).await;
    }
}

#[derive(Debug)]
struct NoChallenges;

impl Challenges for NoChallenges {
    fn present(&self, _: &Challenge) {}

    fn withdraw(&self, _: &Challenge) {}
}

#[derive(Debug)]
struct NoRecords;

impl Records for NoRecords {
    async fn apply(&self, _: &str, _: Vec<RecordSet>) -> Result<Applied, RecordsFailure> {
        Ok(Applied::ByHand)
    }
}

/// The stage of a test.
struct Stage {
    executor: Executor,
    ca: Ca,
    store: Arc<MemoryStore>,
    board: Board,
    directories: Vec<&'static str>,
    limits: Limits,
    names: usize,
}

impl Stage {
    fn new(names: usize, lifetime: i64) -> Self {
        let executor = Executor::new(BEGIN, 7);
        let ca = Ca::new(executor.clock(), lifetime);
        let (store, board) = (Arc::default(), Board::default());
        Self { executor, ca, store, board, directories: vec![FIRST], limits: Limits::default(), names }
    }

    /// Runs a driver from now on for so long, then drops it wherever it is.
    fn run(&mut self, seconds: i64) {
        let clock = self.executor.clock();
        let authority = |directory: &&str| AuthoritySettings {
            directory: (*directory).to_owned(),
            terms_agreed: true,
            registration: Registration::default(),
            caa_identities: Vec::new(),
            limits: self.limits,
        };
        let authorities = self.directories.iter().map(authority).collect();
        let settings = Settings::new(authorities, OurAddresses { ours: Vec::new(), is_public: |_| true });
        let desk = Desk::new(
            World(clock.clone()),
            self.ca.clone(),
            Arc::clone(&self.store),
            NoChallenges,
            None::<NoRecords>,
            World(clock.clone()),
            settings,
        );
        let names = self.names;
        let board = &self.board;
        let done = self.executor.run(async {
            let (driver, wishes) = Driver::new();
            wish(&wishes, names);
            let ears = Ears { board, renewed: &|_| {}, random: &|| 1 << 62 };
            let run = std::pin::pin!(driver.run(&desk, &ears));
            let end = std::pin::pin!(clock.sleep(Duration::from_secs(seconds.unsigned_abs())));
            match select(run, end).await {
                Either::Left((ended, _)) => panic!("the driver ended: {ended:?}"),
                Either::Right(_) => drop(wishes),
            }
        });
        done.expect("time goes on");
    }

    fn expiries(&self) -> Vec<UnixTime> {
        let lines = futures_util::FutureExt::now_or_never(self.store.certificate_lines(None, 1_000));
        let lines = lines.expect("memory answers at once").expect("lines");
        lines.into_iter().map(|line| line.not_after - BEGIN).collect()
    }
}

fn wish(wishes: &Wishes, names: usize) {
    let name = |number: usize| {
        let domain = format!("d{number}.test");
        wanted(Managed { domain: &domain, serves_policy: true, has_own_file: false }).expect("it is managed")
    };
    wishes.these((0..names).map(name).collect());
}

/// Proves: K7
#[test]
fn short_lived_certificates_are_renewed_again_and_again_in_time() {
    let mut stage = Stage::new(10, 6 * DAY);
    let mut news = stage.board.listen();
    stage.run(60 * DAY);
    assert!(stage.expiries().iter().all(|at| *at > 60 * DAY), "{:?}", stage.expiries());
    let issued = stage.ca.state().issued.len();
    assert!((140..=180).contains(&issued), "{issued}: each name about every four days");
    assert_eq!(news.try_next(), None, "nobody needs to know");
}

/// Proves: K7
#[test]
fn an_authority_down_for_days_is_asked_with_patience_told_of_and_then_catches_up() {
    let mut stage = Stage::new(50, 90 * DAY);
    let down = (BEGIN + 50 * DAY, BEGIN + 65 * DAY);
    stage.ca.state().down.insert(FIRST.to_owned(), down);
    let mut news = stage.board.listen();
    stage.run(64 * DAY);
    let in_vain = stage.ca.state().in_vain;
    // Ten days or so of failures, half-hourly at most, whatever the number of names.
    assert!((50..1_500).contains(&in_vain), "{in_vain} requests in vain");
    let standing = stage.board.standing();
    assert!(!standing.is_empty() && standing.iter().all(|alert| alert.rule == Rule::CertificateFailing));
    assert!(standing[0].text.contains("does not answer"), "{}", standing[0].text);
    // Over a restart too.
    stage.run(6 * DAY);
    assert!(stage.expiries().iter().all(|at| *at > 140 * DAY), "{:?}", stage.expiries());
    assert_eq!(stage.board.standing(), []);
    let mut told = (0, 0);
    while let Some(Heard::News(heard)) = news.try_next() {
        match heard {
            News::Raised(_) => told.0 += 1,
            News::Resolved { .. } => told.1 += 1,
        }
    }
    assert!(told.0 > 0 && told.0 == told.1, "{told:?}");
    assert!(told.0 <= 50, "each name once: {told:?}");
}

/// Proves: K7
#[test]
fn a_second_authority_takes_over_and_the_first_comes_back() {
    let mut stage = Stage::new(20, 6 * DAY);
    stage.directories = vec![FIRST, SECOND];
    stage.ca.state().down.insert(FIRST.to_owned(), (BEGIN + 3 * DAY, BEGIN + 20 * DAY));
    let mut news = stage.board.listen();
    stage.run(40 * DAY);
    assert!(stage.expiries().iter().all(|at| *at > 40 * DAY), "{:?}", stage.expiries());
    let state = stage.ca.state();
    let by = |directory: &str, from: i64, until: i64| {
        let within = |at: UnixTime| (BEGIN + from * DAY..BEGIN + until * DAY).contains(&at);
        state.issued.iter().filter(|(at, _, of)| within(*at) && of == directory).count()
    };
    assert!(by(SECOND, 3, 20) >= 60, "{}", by(SECOND, 3, 20));
    assert_eq!(by(SECOND, 25, 40), 0);
    assert!(by(FIRST, 25, 40) >= 60);
    assert_eq!(news.try_next(), None, "nothing was in danger");
}

/// Proves: K7
#[test]
fn what_the_authority_says_about_renewal_is_done_and_names_what_it_replaces() {
    let mut stage = Stage::new(5, 90 * DAY);
    {
        let mut state = stage.ca.state();
        state.has_renewal_info = true;
        state.window = Some((BEGIN + 60 * DAY, BEGIN + 61 * DAY));
    }
    stage.run(10 * DAY);
    assert_eq!(stage.ca.state().orders.len(), 5);
    // All are to be revoked: the window moves into the past.
    stage.ca.state().window = Some((BEGIN, BEGIN + DAY));
    stage.run(DAY);
    stage.ca.state().window = Some((BEGIN + 80 * DAY, BEGIN + 81 * DAY));
    stage.run(DAY);
    let state = stage.ca.state();
    let later: Vec<&Ordered> = state.orders.iter().skip(5).collect();
    assert!(later.len() >= 5, "{}", later.len());
    assert!(later.iter().all(|order| order.replaces.is_some() && order.directory == FIRST));
    let names: std::collections::BTreeSet<&str> = later.iter().map(|order| order.name.as_str()).collect();
    assert_eq!(names.len(), 5);
}

/// Proves: K7
#[test]
fn many_names_come_as_fast_as_the_limit_allows_and_a_restart_forgets_no_count() {
    let mut stage = Stage::new(1_000, 90 * DAY);
    for _ in 0..20 {
        stage.run(HOUR / 2 + 7);
    }
    let state = stage.ca.state();
    let times: Vec<UnixTime> = state.orders.iter().map(|order| order.at).collect();
    // A request takes a second on its way, so that the authority's clock is that much off ours.
    assert!(times.windows(301).all(|window| window[300] - window[0] >= 3 * HOUR - 2));
    assert_eq!(state.issued.len(), 1_000, "in four windows of three hours");
}

/// Proves: K7
#[test]
fn an_authority_that_has_had_enough_is_left_alone_until_it_said() {
    let mut stage = Stage::new(3, 90 * DAY);
    stage.ca.state().limited_until = BEGIN + 5 * HOUR;
    stage.run(5 * HOUR - 60);
    assert_eq!(stage.ca.state().issued, []);
    stage.run(2 * HOUR);
    assert_eq!(stage.ca.state().issued.len(), 3);
}
