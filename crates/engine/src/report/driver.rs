//! One pass over the reports that are due: lease, build, offer, write what came of it.
//!
//! [`run_due`] is to be called again and again (once a minute does; once for each core beside each other, each under a
//! node's name of its own, if there are many reports). Reports go out at the same time up to a bound. Killed at any
//! moment, a report is still due: it may then go out twice under one id, and never not at all.

use std::time::Duration;

use futures_util::future::{Either, select};
use futures_util::stream::{self, StreamExt as _};
use tls_rpt::record::{self, Record, Rua};

use super::bounce;
use super::build::{Built, build};
use super::counting::day_of;
use super::delivery::{Delivery, Ended, Next, Progress, noted_as};
use super::send::{Recipient, destination, mail, post};
use super::settings::Settings;
use crate::facts::UnixTime;
use crate::ports::{
    Clock, Dns, DnsReply, Https, LeaseAsk, Outbox, Outgoing, OutgoingState, RecordKind, Relay, ReportKey,
    RuaHealth, RuaNews, RuaNote, Settlement, Signer, StoreError, Timer,
};

/// For so long nobody else gets a leased report, in seconds.
const LEASE_SECONDS: i64 = 3_600;
/// After so many seconds of one round no further place is tried in it: the lease must outlast it.
const ROUND_SECONDS: i64 = 1_500;
/// One offer, over the bounds of the adapters.
const OFFER: Duration = Duration::from_secs(600);
const _: () = assert!(ROUND_SECONDS + 2 * (OFFER.as_secs() as i64) < LEASE_SECONDS);
/// After failures on so many days a place is left alone …
const DEAD_DAYS: u32 = 5;
/// … for so long after the last of them, in seconds.
const DEAD_SECONDS: i64 = 7 * 86_400;

/// All that sending needs.
#[derive(Debug)]
pub struct Desk<'a, W, O, R, S, C> {
    /// DNS, HTTPS, time that passes.
    pub world: &'a W,
    /// Counts and reports.
    pub outbox: &'a O,
    /// Takes mail.
    pub relay: &'a R,
    /// Signs it.
    pub signer: &'a S,
    /// What time it is.
    pub clock: &'a C,
    /// Who we are.
    pub settings: &'a Settings,
}

/// What a pass did, in reports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pass {
    /// Accepted.
    pub sent: u64,
    /// To be tried again.
    pub waiting: u64,
    /// Given up.
    pub given_up: u64,
    /// Nobody asked for them.
    pub skipped: u64,
    /// Lost to another node: our lease had run out.
    pub lost: u64,
}

/// Sends what is due. `counted_until`: up to this time every session is in the outbox; only days that had ended then
/// are reported.
///
/// # Errors
/// The store's. What was leased is due again at the next call.
pub async fn run_due<W, O, R, S, C>(
    desk: &Desk<'_, W, O, R, S, C>,
    counted_until: UnixTime,
) -> Result<Pass, StoreError>
where
    W: Dns + Https + Timer,
    O: Outbox,
    R: Relay,
    S: Signer,
    C: Clock,
{
    let mut pass = Pass::default();
    // No more than is begun at once: what waits for its turn behind slow places would outlast its lease.
    let side_by_side = desk.settings.concurrency.max(1);
    loop {
        let now = desk.clock.now();
        let ask = LeaseAsk {
            node: desk.settings.node.clone(),
            now,
            until: now + LEASE_SECONDS,
            before_day: day_of(counted_until.min(now)),
            limit: side_by_side,
        };
        let due = desk.outbox.lease(ask).await?;
        let count = due.len();
        let mut handled = stream::iter(due).map(|report| handle(desk, report)).buffer_unordered(side_by_side);
        while let Some(state) = handled.next().await {
            *match state? {
                Some(OutgoingState::Sent) => &mut pass.sent,
                Some(OutgoingState::Waiting) => &mut pass.waiting,
                Some(OutgoingState::GivenUp) => &mut pass.given_up,
                Some(OutgoingState::Skipped) => &mut pass.skipped,
                None => &mut pass.lost,
            } += 1;
        }
        if count < side_by_side {
            return Ok(pass);
        }
    }
}

/// What is to be written of one report.
struct Outcome {
    state: OutgoingState,
    at: UnixTime,
    reason: String,
    progress: Progress,
    token: Option<String>,
    notes: Vec<RuaNote>,
}

async fn handle<W, O, R, S, C>(
    desk: &Desk<'_, W, O, R, S, C>,
    report: Outgoing,
) -> Result<Option<OutgoingState>, StoreError>
where
    W: Dns + Https + Timer,
    O: Outbox,
    R: Relay,
    S: Signer,
    C: Clock,
{
    let outcome = attempt(desk, &report).await?;
    let settlement = Settlement {
        key: report.line.key,
        node: desk.settings.node.clone(),
        state: outcome.state,
        at: outcome.at,
        reason: outcome.reason,
        progress: outcome.progress.to_text(),
        token: outcome.token,
        notes: outcome.notes,
    };
    Ok(desk.outbox.settle(settlement).await?.then_some(outcome.state))
}

async fn attempt<W, O, R, S, C>(
    desk: &Desk<'_, W, O, R, S, C>,
    report: &Outgoing,
) -> Result<Outcome, StoreError>
where
    W: Dns + Https + Timer,
    O: Outbox,
    R: Relay,
    S: Signer,
    C: Clock,
{
    let now = desk.clock.now();
    let key = &report.line.key;
    let progress = Progress::from_text(&report.progress);
    let over = |state, reason: String| Outcome {
        state,
        at: now,
        reason,
        progress: progress.clone(),
        token: None,
        notes: Vec::new(),
    };
    if desk.settings.is_opted_out(&key.domain) {
        return Ok(over(OutgoingState::Skipped, "opted out".to_owned()));
    }
    if report.tally.is_empty() {
        return Ok(over(OutgoingState::Skipped, "no session of that day could be counted".to_owned()));
    }
    let found = match &report.record {
        Some(text) => given(text),
        None => look_up(desk.world, &key.domain).await,
    };
    let record = match found {
        Found::Record(record) => Some(record),
        Found::Nobody(why) => return Ok(over(OutgoingState::Skipped, why)),
        Found::Unknown(why) => {
            let mut delivery = Delivery::begin(progress, None, now, seed(&report.line.key.domain));
            delivery.not_now(now, &why);
            return Ok(settled(&delivery, now, Offered::default()));
        }
    };
    let identity = desk.settings.identity_for(&key.domain);
    let built = match build(identity, key, &report.tally, report.line.unjudged) {
        Ok(built) => built,
        Err(error) => return Ok(over(OutgoingState::GivenUp, error.to_string())),
    };
    let mut delivery = Delivery::begin(progress, record.as_ref(), now, seed(&built.token));
    let offered = offer(desk, &mut delivery, &built, key).await?;
    Ok(settled(&delivery, desk.clock.now(), offered))
}

/// What a round has brought beside its end.
#[derive(Debug, Default)]
struct Offered {
    notes: Vec<RuaNote>,
    /// By this a bounce of the mail that was accepted is known.
    token: Option<String>,
}

/// Offers it to one place after the other.
async fn offer<W, O, R, S, C>(
    desk: &Desk<'_, W, O, R, S, C>,
    delivery: &mut Delivery,
    built: &Built,
    key: &ReportKey,
) -> Result<Offered, StoreError>
where
    W: Dns + Https + Timer,
    O: Outbox,
    R: Relay,
    S: Signer,
    C: Clock,
{
    let identity = desk.settings.identity_for(&key.domain);
    let started = desk.clock.now();
    let noted: Vec<String> = delivery.uris().map(|uri| noted_as(uri, &key.domain)).collect();
    let mut health = desk.outbox.health(noted).await?.into_iter();
    let mut offered = Offered::default();
    loop {
        let now = desk.clock.now();
        let Next::Try(rua) = delivery.next(now) else { return Ok(offered) };
        let rua = rua.clone();
        let held = health.next().flatten();
        if let Some(held) = held.as_ref().filter(|held| is_dead(held, now)) {
            let days = held.failed_days;
            delivery.passed_over(now, &format!("left alone after failures on {days} days: {}", held.reason));
            continue;
        }
        if now - started > ROUND_SECONDS {
            delivery.not_now(now, "there was no time left in this round");
            continue;
        }
        let quota = desk.settings.daily_quota;
        if !desk.outbox.reserve(destination(&rua), day_of(now), quota).await? {
            delivery.not_now(now, &format!("{} has had its {quota} reports of today", destination(&rua)));
            continue;
        }
        let attempt = delivery.progress().attempts;
        let token = match &rua {
            Rua::Mailto { address, .. } => Some(bounce::token(&desk.settings.bounce_secret, key, address)),
            _ => None,
        };
        let offer = async {
            match &rua {
                Rua::Mailto { address, .. } => {
                    let to = Recipient { address, token: token.as_deref().unwrap_or_default() };
                    mail(desk.relay, desk.signer, identity, built, to, now, attempt).await
                }
                Rua::Https { uri, host, port } => post(desk.world, built, uri, host, *port).await,
                Rua::Unsupported { .. } | Rua::Unusable { .. } => Err("nothing can be sent there".to_owned()),
            }
        };
        let too_long = desk.world.sleep(OFFER);
        let outcome = match select(std::pin::pin!(offer), std::pin::pin!(too_long)).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(_) => Err("it took too long".to_owned()),
        };
        let at = desk.clock.now();
        match outcome {
            Ok(()) => {
                delivery.accepted();
                offered.token = token;
                let news = match rua {
                    Rua::Https { .. } => Some(RuaNews::Accepted),
                    // The relay's word says little of the mailbox behind it, and nothing of one that never failed.
                    _ => held.is_some().then_some(RuaNews::Relayed),
                };
                offered.notes.extend(news.map(|news| RuaNote {
                    uri: noted_as(rua.uri(), &key.domain),
                    at,
                    news,
                }));
            }
            Err(error) => {
                delivery.failed(at, &error);
                // Of a mail only the relay has spoken so far, which is ours.
                if matches!(rua, Rua::Https { .. }) {
                    let news = RuaNews::Failed(error);
                    offered.notes.push(RuaNote { uri: rua.uri().to_owned(), at, news });
                }
            }
        }
    }
}

fn is_dead(held: &RuaHealth, now: UnixTime) -> bool {
    // A failure of more than a day ahead was noted before the clock was set back.
    held.failed_days >= DEAD_DAYS && (-86_400..DEAD_SECONDS).contains(&(now - held.last))
}

fn settled(delivery: &Delivery, now: UnixTime, offered: Offered) -> Outcome {
    let Offered { notes, token } = offered;
    let (state, at, reason) = match delivery.next(now) {
        Next::Over(Ended::Sent(uri)) => (OutgoingState::Sent, now, uri),
        Next::Over(Ended::GivenUp(reason)) => (OutgoingState::GivenUp, now, reason),
        Next::Again { at, reason } => (OutgoingState::Waiting, at, reason),
        Next::Try(_) => (OutgoingState::Waiting, now, "interrupted".to_owned()),
    };
    Outcome { state, at, reason, progress: delivery.progress().clone(), token, notes }
}

/// What is known of the record.
enum Found {
    Record(Record),
    /// No reports are wanted; why.
    Nobody(String),
    /// It could not be told.
    Unknown(String),
}

fn given(text: &str) -> Found {
    match record::parse(text.as_bytes()).usable {
        Ok(parsed) => Found::Record(parsed.record),
        Err(error) => Found::Nobody(format!("the TLSRPT record cannot be used: {error}")),
    }
}

async fn look_up(dns: &impl Dns, domain: &str) -> Found {
    let reply = dns.look_up(&format!("{}.{domain}", record::LABEL), RecordKind::Txt).await;
    match &reply {
        DnsReply::Failed(failure) => Found::Unknown(format!("the TLSRPT record: {failure}")),
        DnsReply::Absent(_) => Found::Nobody("there is no TLSRPT record".to_owned()),
        DnsReply::Found(_) => match record::discover(&reply.texts()).map(|reading| reading.usable) {
            Ok(Ok(parsed)) => Found::Record(parsed.record),
            Ok(Err(error)) => Found::Nobody(format!("the TLSRPT record cannot be used: {error}")),
            Err(why) => Found::Nobody(format!("no reports are asked for: {why}")),
        },
    }
}

/// A number of this report, for its waits.
fn seed(text: &str) -> u64 {
    // FNV-1a: spreads, no more.
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
