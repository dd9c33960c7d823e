//! One certificate, step by step: account, order, proof, certificate.
//!
//! A kill may come between any two steps. Each is decided from what is kept and from what the authority says of the order:
//! the account's key is kept before the authority hears of it, and the order with the certificate's key before it is
//! finalised. An order that was begun is gone on with, so that one issuance becomes one certificate whose key is kept.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::caa;
use super::failure::{FailureKind, IssueFailure};
use super::need::Wanted;
use super::pace::{Leave, Pace};
use super::preflight;
use super::settings::{AuthoritySettings, Settings};
use crate::gate::Gates;
use crate::ports::certificates::{
    Authority, AuthorityFailure, CertificateLine, Certificates, ChallengeKind, Counted, CountedEvent,
    KeptAccount, KeptCertificate, KeptOrder, OfferedChallenge, OrderSeen, OrderStatus, RetryAfter,
};
use crate::ports::publish::{Applied, Challenge, Challenges, RecordSet, RecordType, RecordValue, Records};
use crate::ports::{Clock, Dns, StoreError, Timer};

/// An order is looked at so often at most in one go …
const LOOKS: u32 = 60;
/// … with waits from this …
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// … to this between them, whatever the authority says.
const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// Of a record for dns-01, in seconds.
const RECORD_TTL: u32 = 60;

/// All that certifying needs.
#[derive(Debug)]
pub struct Desk<W, A, S, C, R, K> {
    /// DNS, and time that passes.
    pub world: W,
    /// Certificate authorities.
    pub authority: A,
    /// Where all of it is kept.
    pub store: S,
    /// Answers http-01 and tls-alpn-01.
    pub challenges: C,
    /// Writes records for dns-01, where that is possible.
    pub records: Option<R>,
    /// What time it is.
    pub clock: K,
    /// As the owner has set it.
    pub settings: Settings,
    shared: Shared,
}

#[derive(Debug)]
struct Shared {
    /// By directory.
    paces: Mutex<BTreeMap<String, Pace>>,
    accounts: Gates<String>,
}

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Job {
    /// The name.
    pub wanted: Wanted,
    /// Which of the authorities.
    pub authority: usize,
    /// The id of the certificate that the new one replaces, if the authority may be told.
    pub replaces: Option<String>,
    /// Failures before this attempt.
    pub failures: u32,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// There is a certificate, and it is kept.
    Issued(CertificateLine),
    /// It would be beyond the authority's limits: nothing was done.
    Later(Leave),
}

impl<W, A, S, C, R, K> Desk<W, A, S, C, R, K>
where
    W: Dns + Timer,
    A: Authority,
    S: Certificates,
    C: Challenges,
    R: Records,
    K: Clock,
{
    /// A desk that has counted nothing yet: see [`Desk::remember`].
    pub fn new(
        world: W,
        authority: A,
        store: S,
        challenges: C,
        records: Option<R>,
        clock: K,
        settings: Settings,
    ) -> Self {
        let pace = |authority: &AuthoritySettings| (authority.directory.clone(), Pace::new(authority.limits));
        let paces = settings.authorities.iter().map(pace).collect();
        let shared = Shared { paces: Mutex::new(paces), accounts: Gates::new(1) };
        Self { world, authority, store, challenges, records, clock, settings, shared }
    }

    /// Reads what was counted before the last restart.
    ///
    /// # Errors
    /// The store's.
    pub async fn remember(&self) -> Result<(), StoreError> {
        const PAGE: usize = 100_000;
        let memory =
            self.settings.authorities.iter().map(|authority| authority.limits.memory()).max().unwrap_or(0);
        let since = self.clock.now().saturating_sub(memory);
        for event in self.store.counted(since, PAGE).await? {
            if let Some(pace) = self.paces().get_mut(&event.directory) {
                pace.count(&event);
            }
        }
        Ok(())
    }

    /// Certifies a name, or goes on with the order that was begun for it.
    ///
    /// # Errors
    /// Why there is no certificate. What is kept stays as it is, or is forgotten where nothing can come of it any more.
    pub async fn issue(&self, job: &Job) -> Result<Outcome, IssueFailure> {
        let Some(settings) = self.settings.authorities.get(job.authority) else {
            return Err(IssueFailure::new(FailureKind::Account, "no certificate authority is set up"));
        };
        let account = self.account(settings).await?;
        let name = job.wanted.name.as_str();
        let order = match self.begun(&account, name).await? {
            Some(order) => order,
            None => match self.begin(settings, &account, job).await? {
                Ok(order) => order,
                Err(leave) => return Ok(Outcome::Later(leave)),
            },
        };
        let mut proof = Proof { challenges: &self.challenges, presented: None, record: None };
        let ended = self.pursue(&account, &order, job, &mut proof).await;
        if let Some(name) = proof.record.take()
            && let Some(records) = &self.records
        {
            // What is left there does no harm, and the next success takes it away.
            let _ = records.apply(&job.wanted.domain, vec![text_record(name, None)]).await;
        }
        ended.map(Outcome::Issued)
    }

    /// Counts towards the authority's limits: before the thing happens, so that a kill makes it too many rather than too few.
    async fn count(&self, directory: &str, name: &str, what: Counted) -> Result<(), StoreError> {
        let at = self.clock.now();
        let event = CountedEvent { directory: directory.to_owned(), name: name.to_owned(), what, at };
        let memory = {
            let mut paces = self.paces();
            if let Some(pace) = paces.get_mut(directory) {
                pace.count(&event);
            }
            self.settings.authorities.iter().map(|authority| authority.limits.memory()).max().unwrap_or(0)
        };
        self.store.count(event, at.saturating_sub(memory)).await
    }

    fn paces(&self) -> MutexGuard<'_, BTreeMap<String, Pace>> {
        self.shared.paces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Our account: as it is kept, or made once.
    async fn account(&self, settings: &AuthoritySettings) -> Result<KeptAccount, IssueFailure> {
        let directory = settings.directory.clone();
        self.shared.accounts.within(directory.clone(), async {
            let kept = self.store.account(&directory).await?;
            if let Some(account) = kept.as_ref().filter(|account| account.url.is_some()) {
                return Ok(account.clone());
            }
            let facts = self.authority.facts(&directory).await?;
            if let Some(terms) = facts.terms_of_service.as_ref().filter(|_| !settings.terms_agreed) {
                let text = format!("the terms of service at {} are not agreed to", terms.escape_debug());
                return Err(IssueFailure::new(FailureKind::Account, text));
            }
            if facts.needs_external_account && settings.registration.external.is_none() {
                let text = "the certificate authority asks for an account that exists elsewhere (EAB), and none is set up";
                return Err(IssueFailure::new(FailureKind::Account, text));
            }
            let account = match kept {
                Some(account) => account,
                None => {
                    let key = self.authority.new_key()?;
                    let account = KeptAccount { directory: directory.clone(), key, url: None };
                    self.store.put_account(account.clone()).await?;
                    account
                }
            };
            let account = self.authority.register(&account, &settings.registration).await?;
            self.store.put_account(account.clone()).await?;
            Ok(account)
        })
        .await
    }

    /// The order that was begun, if something can still come of it.
    async fn begun(&self, account: &KeptAccount, name: &str) -> Result<Option<KeptOrder>, IssueFailure> {
        let Some(order) = self.store.order(name).await? else { return Ok(None) };
        if order.directory != account.directory || account.url.as_deref() != Some(order.account.as_str()) {
            return Ok(None);
        }
        match self.authority.look(account, &order.url).await {
            Ok(seen) if seen.status != OrderStatus::Invalid => Ok(Some(order)),
            Ok(_) => {
                self.store.drop_order(name, &order.url).await?;
                Ok(None)
            }
            // RFC 8555 has no problem for an order that is no longer there.
            Err(AuthorityFailure::Problem { problem, .. }) if matches!(problem.status, 400..=428) => {
                self.store.drop_order(name, &order.url).await?;
                Ok(None)
            }
            Err(failure) => Err(failure.into()),
        }
    }

    /// Makes an order and keeps it.
    async fn begin(
        &self,
        settings: &AuthoritySettings,
        account: &KeptAccount,
        job: &Job,
    ) -> Result<Result<KeptOrder, Leave>, IssueFailure> {
        let name = job.wanted.name.as_str();
        let facts = self.authority.facts(&settings.directory).await?;
        let mut identities = facts.caa_identities;
        identities.extend(settings.caa_identities.iter().cloned());
        let url = account.url.clone().unwrap_or_default();
        let seen = preflight::look(&self.world, name).await;
        let issuer = caa::Issuer { identities: &identities, account: &url };
        preflight::judge(&seen, name, issuer, &self.settings.addresses, &self.methods())?;
        let mut replaces = job.replaces.as_deref().filter(|_| facts.has_renewal_info);
        let made = loop {
            let now = self.clock.now();
            let leave = match self.paces().get_mut(&settings.directory) {
                Some(pace) => {
                    pace.tidy(now);
                    pace.leave(name, replaces.is_some(), now)
                }
                None => Leave::Now,
            };
            if leave != Leave::Now {
                return Ok(Err(leave));
            }
            if replaces.is_none() {
                self.count(&settings.directory, name, Counted::Order).await?;
            }
            match self.authority.new_order(account, name, replaces).await {
                // RFC 9773 §5: it was replaced already; then it is an order like any other.
                Err(AuthorityFailure::Problem { problem, .. })
                    if replaces.is_some() && problem.status < 429 =>
                {
                    replaces = None;
                }
                Err(AuthorityFailure::Problem { problem, .. }) if problem.kind == "accountDoesNotExist" => {
                    self.store.put_account(KeptAccount { url: None, ..account.clone() }).await?;
                    return Err(AuthorityFailure::Problem { problem, retry_after: None }.into());
                }
                made => break made?,
            }
        };
        let order = KeptOrder {
            name: name.to_owned(),
            directory: settings.directory.clone(),
            account: url,
            url: made,
            key: self.authority.new_key()?,
            begun_at: self.clock.now(),
        };
        self.store.put_order(order.clone()).await?;
        Ok(Ok(order))
    }

    /// Goes on with an order to its end.
    async fn pursue(
        &self,
        account: &KeptAccount,
        order: &KeptOrder,
        job: &Job,
        proof: &mut Proof<'_, C>,
    ) -> Result<CertificateLine, IssueFailure> {
        let name = order.name.as_str();
        let mut wait = FIRST_WAIT;
        let mut is_finalized = false;
        for _ in 0..LOOKS {
            let seen = self.authority.look(account, &order.url).await?;
            match seen.status {
                OrderStatus::Valid => return self.take(account, order, job).await,
                OrderStatus::Invalid => {
                    let failure = IssueFailure::of_order(seen.problem.as_ref());
                    if failure.counts {
                        self.count(&order.directory, name, Counted::FailedValidation).await?;
                    }
                    self.store.drop_order(name, &order.url).await?;
                    return Err(failure);
                }
                OrderStatus::Ready => {
                    self.finalize(account, order).await?;
                    if !is_finalized {
                        is_finalized = true;
                        continue;
                    }
                }
                OrderStatus::Pending => self.prove(account, order, job, &seen, proof).await?,
                OrderStatus::Processing => {}
            }
            let said = seen.retry_after.map(|at| match at {
                RetryAfter::In(wait) => wait,
                RetryAfter::At(at) => {
                    Duration::from_secs(at.saturating_sub(self.clock.now()).max(0).unsigned_abs())
                }
            });
            self.world.sleep(said.unwrap_or(wait).clamp(FIRST_WAIT, LONGEST_WAIT)).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
        let text =
            "the certificate authority has not come to the order's end in time; it is gone on with later";
        Err(IssueFailure::new(FailureKind::AuthorityDown, text))
    }

    /// Asks for the certificate. The key is kept already.
    async fn finalize(&self, account: &KeptAccount, order: &KeptOrder) -> Result<(), IssueFailure> {
        match self.authority.finalize(account, &order.url, &order.name, &order.key).await {
            // It was asked for before, or the proof has run out: the next look says which.
            Err(AuthorityFailure::Problem { problem, .. }) if problem.kind == "orderNotReady" => Ok(()),
            Err(AuthorityFailure::Problem { problem, retry_after })
                if matches!(problem.status, 400..=428) && problem.kind != "badNonce" =>
            {
                // It would be refused again.
                self.store.drop_order(&order.name, &order.url).await?;
                Err(AuthorityFailure::Problem { problem, retry_after }.into())
            }
            done => Ok(done?),
        }
    }

    /// Sees to it that control over the name can be proved, and says so.
    async fn prove(
        &self,
        account: &KeptAccount,
        order: &KeptOrder,
        job: &Job,
        seen: &OrderSeen,
        proof: &mut Proof<'_, C>,
    ) -> Result<(), IssueFailure> {
        let offered: Vec<ChallengeKind> = seen.offers.iter().map(|offer| offer.kind).collect();
        let methods = self.methods();
        let begun = seen.offers.iter().find(|offer| offer.is_begun && methods.contains(&offer.kind));
        let chosen = match begun {
            Some(offer) => offer.kind,
            None => {
                let methods = self.possible(account, order).await;
                preflight::choose(&offered, &methods, job.failures).ok_or_else(|| {
                    let names = |kinds: &[ChallengeKind]| {
                        kinds.iter().map(|kind| kind.as_wire()).collect::<Vec<_>>().join(", ")
                    };
                    let (offered, methods) = (names(&offered), names(&methods));
                    let text =
                        format!("the certificate authority offers {offered}, and possible here is {methods}");
                    IssueFailure::new(FailureKind::NoChallenge, text)
                })?
            }
        };
        let Some(offer) = seen.offers.iter().find(|offer| offer.kind == chosen) else { return Ok(()) };
        // Also of one that was begun before a restart: the authority may not have looked yet.
        self.present(order, job, offer, proof).await?;
        if !offer.is_begun {
            self.authority.answer(account, &order.url, chosen).await?;
        }
        Ok(())
    }

    /// The methods that are left by what is set up. CAA is looked at before an order; for one method of several here too.
    async fn possible(&self, account: &KeptAccount, order: &KeptOrder) -> Vec<ChallengeKind> {
        let methods = self.methods();
        let set = caa::find(&self.world, &order.name).await;
        let identities = self.authority.facts(&order.directory).await.map(|facts| facts.caa_identities);
        let issuer = caa::Issuer {
            identities: &identities.unwrap_or_default(),
            account: account.url.as_deref().unwrap_or_default(),
        };
        match caa::methods(&set, issuer) {
            Ok(allowed) => methods.into_iter().filter(|kind| allowed.contains(kind)).collect(),
            // The authority's own look decides.
            Err(_) => methods,
        }
    }

    fn methods(&self) -> Vec<ChallengeKind> {
        let can = |kind: &ChallengeKind| *kind != ChallengeKind::Dns01 || self.records.is_some();
        self.settings.methods.iter().copied().filter(can).collect()
    }

    async fn present(
        &self,
        order: &KeptOrder,
        job: &Job,
        offer: &OfferedChallenge,
        proof: &mut Proof<'_, C>,
    ) -> Result<(), IssueFailure> {
        let name = order.name.clone();
        let challenge = match offer.kind {
            ChallengeKind::Http01 => Challenge::Http01 {
                name,
                token: offer.token.clone(),
                key_authorization: offer.key_authorization.clone(),
            },
            ChallengeKind::TlsAlpn01 => Challenge::TlsAlpn01 { name, digest: offer.digest },
            ChallengeKind::Dns01 => return self.present_record(order, job, offer, proof).await,
        };
        proof.present(challenge);
        Ok(())
    }

    async fn present_record(
        &self,
        order: &KeptOrder,
        job: &Job,
        offer: &OfferedChallenge,
        proof: &mut Proof<'_, C>,
    ) -> Result<(), IssueFailure> {
        let Some(records) = &self.records else { return Ok(()) };
        if proof.record.is_some() {
            return Ok(());
        }
        let owner = format!("_acme-challenge.{}", order.name);
        let set = text_record(owner.clone(), Some(offer.dns_value.clone()));
        match records.apply(&job.wanted.domain, vec![set]).await {
            Ok(Applied::Written) => {}
            Ok(Applied::ByHand) => {
                let text =
                    format!("the TXT record {owner} would have to be written by hand, for each renewal");
                return Err(IssueFailure::new(FailureKind::NoChallenge, text));
            }
            Err(failure) => return Err(IssueFailure::new(FailureKind::Record, failure.to_string())),
        }
        proof.record = Some(owner);
        self.world.sleep(self.settings.record_wait).await;
        Ok(())
    }

    /// Takes what was issued into the store.
    async fn take(
        &self,
        account: &KeptAccount,
        order: &KeptOrder,
        job: &Job,
    ) -> Result<CertificateLine, IssueFailure> {
        let issued = match self.authority.fetch(account, &order.url, &order.name, &order.key).await {
            Ok(issued) => issued,
            Err(failure @ AuthorityFailure::Unusable(_)) => {
                // It would be the same the next time.
                self.store.drop_order(&order.name, &order.url).await?;
                return Err(failure.into());
            }
            Err(failure) => return Err(failure.into()),
        };
        if job.replaces.is_none() {
            self.count(&order.directory, &order.name, Counted::Issued).await?;
        }
        let line = CertificateLine {
            name: order.name.clone(),
            directory: order.directory.clone(),
            not_before: issued.not_before,
            not_after: issued.not_after,
            issued_at: self.clock.now(),
            ari_id: issued.ari_id,
            renewal: None,
            has_key: true,
        };
        let certificate = KeptCertificate { line: line.clone(), chain: issued.chain, key: order.key.clone() };
        self.store.put_certificate(certificate).await?;
        Ok(line)
    }
}

fn text_record(name: String, value: Option<String>) -> RecordSet {
    let values = value.into_iter().map(RecordValue::Txt).collect();
    RecordSet { name, kind: RecordType::Txt, ttl: RECORD_TTL, values }
}

/// What is presented, until it is dropped.
struct Proof<'c, C: Challenges> {
    challenges: &'c C,
    presented: Option<Challenge>,
    /// The owner of the TXT record that was written.
    record: Option<String>,
}

impl<C: Challenges> Proof<'_, C> {
    fn present(&mut self, challenge: Challenge) {
        if self.presented.as_ref() == Some(&challenge) {
            return;
        }
        self.withdraw();
        self.challenges.present(&challenge);
        self.presented = Some(challenge);
    }

    fn withdraw(&mut self) {
        if let Some(challenge) = self.presented.take() {
            self.challenges.withdraw(&challenge);
        }
    }
}

impl<C: Challenges> Drop for Proof<'_, C> {
    fn drop(&mut self) {
        self.withdraw();
    }
}
