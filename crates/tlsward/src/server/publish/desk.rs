//! What the owner asks about one's own domains, carried out: the answers of the control socket.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt as _};
use mta_sts::mx::MxPattern;
use mta_sts::policy::MaxAge;
use mta_sts::policy_domain::PolicyDomain;
use serde_json::{Value, json};
use tlsward_engine::check::{self, gather};
use tlsward_engine::ports::publish::{KeptVersion, Publications as _, Put};
use tlsward_engine::ports::{Clock as _, Dns as _, RecordKind, StoreError};
use tlsward_engine::publish::drift::Wanted;
use tlsward_engine::publish::export::{Item, export};
use tlsward_engine::publish::group::{GroupDefinition, GroupName};
use tlsward_engine::publish::mx_change::{self, Standing};
use tlsward_engine::publish::{
    Command, Member, OrderError, Publication, Refusal, Stage, Wish, adopt, outside, plan, records, show,
};

use super::{Shared, TheDomains};
use crate::checking::domains::normal;
use crate::control::domains::{Domains, Outcome, Reply, Request, Terms};
use crate::edge::SystemClock;

/// Domains on one page of a list.
const PAGE: usize = 500;
/// Versions of a domain that are looked at.
const VERSIONS: usize = 200;
/// Domains that are taken in side by side.
const AT_ONCE: usize = 16;
/// A domain is in testing for this long before it is enforced, unless the owner insists, in seconds.
const TESTING_SECS: i64 = 14 * 86_400;

/// Carries requests out.
#[derive(Clone)]
pub(in crate::server) struct Desk {
    pub(super) domains: TheDomains,
    pub(super) shared: Arc<Shared>,
}

impl Domains for Desk {
    fn carry_out(&self, request: Request) -> BoxFuture<'static, Reply> {
        let desk = self.clone();
        Box::pin(async move { desk.answer(request).await.unwrap_or_else(|reply| reply) })
    }
}

type Answer = Result<Reply, Reply>;

fn refused(text: impl Into<String>) -> Reply {
    Reply::of(Outcome::Refused, text)
}

fn untold(error: &StoreError) -> Reply {
    Reply::of(Outcome::Untold, error.to_string())
}

fn of_order(error: OrderError) -> Reply {
    match error {
        OrderError::Refused(Refusal::Strands { until }) => refused(format!(
            "senders may hold its policy until {}: taking it away now would make them refuse or lose mail. `tlsward domain \
             remove --wind-down` publishes mode none now; the domain can be removed once nobody holds a policy any longer",
            jiff::Timestamp::from_second(until).map_or_else(|_| until.to_string(), |at| at.to_string())
        )),
        OrderError::Store(error) => untold(&error),
        other @ (OrderError::Refused(_) | OrderError::Unmanaged(_) | OrderError::Managed(_)) => {
            refused(other.to_string())
        }
    }
}

fn parsed(text: &str) -> Result<PolicyDomain, Reply> {
    normal(text)
        .ok_or_else(|| Reply::of(Outcome::Unusable, format!("'{text}' is no domain that could take mail")))
}

impl Desk {
    async fn answer(&self, request: Request) -> Answer {
        match request {
            Request::Add { domains, terms, group } => self.add(domains, terms, group).await,
            Request::Adopt { domain, rua, yes } => self.adopt(&parsed(&domain)?, &rua, yes).await,
            Request::List { after } => self.list(after.as_deref()).await,
            Request::Show { domain } => self.show(&parsed(&domain)?).await,
            Request::Plan { domain } => {
                let domain = parsed(&domain)?;
                let (publication, versions) = self.managed(&domain).await?;
                // Whoever asks has perhaps just done what was asked of them.
                self.domains.look_now(&domain);
                self.planned(&publication, &versions)
            }
            Request::Advance { domain, i_know } => self.advance(&parsed(&domain)?, i_know).await,
            Request::Mx { of, is_group: true, host, add, i_know } => {
                self.group_mx(&of, &host, add, i_know).await
            }
            Request::Mx { of, is_group: false, host, add, i_know } => {
                self.mx(&parsed(&of)?, &host, add, i_know).await
            }
            Request::Group { group, terms } => self.group(&group, &terms).await,
            Request::Reannounce { domain } => {
                let domain = parsed(&domain)?;
                self.domains.order(&domain, Command::Reannounce).await.map_err(of_order)?;
                Ok(Reply::of(
                    Outcome::Done,
                    format!("{domain}: its policy is announced anew, under another id"),
                ))
            }
            Request::Remove { domain, wind_down } => self.remove(&parsed(&domain)?, wind_down).await,
            Request::Export => self.export().await,
        }
    }

    async fn managed(&self, domain: &PolicyDomain) -> Result<(Publication, Vec<KeptVersion>), Reply> {
        let found = self.domains.show(domain, VERSIONS).await.map_err(|error| untold(&error))?;
        found.ok_or_else(|| of_order(OrderError::Unmanaged(domain.to_string())))
    }

    async fn definition(&self, group: &str) -> Result<Option<GroupDefinition>, Reply> {
        let groups = self.shared.store.groups().await.map_err(|error| untold(&error))?;
        let row = groups.iter().find(|row| row.name == group);
        row.map(GroupDefinition::from_row).transpose().map_err(|error| untold(&error))
    }

    fn wish(&self, terms: &Terms) -> Result<Wish, Reply> {
        let unusable = |text: String| Reply::of(Outcome::Unusable, text);
        let mut mx = Vec::new();
        for host in &terms.mx {
            let pattern =
                MxPattern::parse(host).map_err(|error| unusable(format!("--mx {host}: {error}")))?;
            if !mx.contains(&pattern) {
                mx.push(pattern);
            }
        }
        let stage = Stage::from_wire(&terms.stage)
            .ok_or_else(|| unusable(format!("'{}' is no stage", terms.stage)))?;
        let max_age = match terms.max_age {
            None => None,
            Some(secs) => Some(
                MaxAge::from_secs(secs)
                    .map_err(|_| unusable(format!("--max-age {secs}: it is 31557600 seconds at most")))?,
            ),
        };
        let rua = if terms.rua.is_empty() { self.shared.rua.clone() } else { terms.rua.clone() };
        if rua.is_empty() {
            return Err(unusable(
                "where are reports to go? Say it with --rua, or once for all domains with 'rua' in [publish]: without \
                 reports nobody sees what a policy breaks"
                    .to_owned(),
            ));
        }
        if mx.is_empty() {
            return Err(unusable(
                "which hosts take the mail? Name each with --mx: they are never read from DNS, which an attacker could \
                 forge"
                    .to_owned(),
            ));
        }
        let wish = Wish { stage, mx, rua, max_age };
        wish.policy().and_then(|_| wish.reporting_record()).map_err(|error| unusable(error.to_string()))?;
        Ok(wish)
    }

    async fn add(&self, names: Vec<String>, terms: Option<Terms>, group: Option<String>) -> Answer {
        let (wish, member) = match (group, terms) {
            (Some(group), _) => {
                let Some(definition) = self.definition(&group).await? else {
                    return Err(refused(format!(
                        "there is no group '{group}': define it first with `tlsward domain group`"
                    )));
                };
                let member = Member { group, revision: definition.revision };
                (definition.wish, Some(member))
            }
            (None, Some(terms)) => (self.wish(&terms)?, None),
            (None, None) => return Err(Reply::of(Outcome::Unusable, "neither a group nor terms are named")),
        };
        let domains = names.iter().map(|name| parsed(name)).collect::<Result<Vec<_>, _>>()?;
        let one = if let [one] = domains.as_slice() { Some(one.clone()) } else { None };
        let taken = stream::iter(domains.into_iter().map(|domain| {
            let (desk, wish, member) = (self.clone(), wish.clone(), member.clone());
            async move {
                let outcome = desk.add_one(&domain, wish, member).await;
                (domain, outcome)
            }
        }));
        let taken: Vec<(PolicyDomain, Result<(), Reply>)> = taken.buffered(AT_ONCE).collect().await;
        let mut text = String::new();
        let mut items = Vec::new();
        let mut worst = Outcome::Done;
        for (domain, outcome) in &taken {
            let (said, result) = match outcome {
                Ok(()) => ("it is managed now".to_owned(), Outcome::Done),
                Err(reply) => (reply.text.clone(), reply.result),
            };
            if result != Outcome::Done {
                worst = result;
            }
            text.push_str(&format!("{domain}: {said}\n"));
            items.push(json!({"domain": domain.as_str(), "result": result, "text": said}));
        }
        if let (Some(domain), Outcome::Done) = (one, worst) {
            let (publication, versions) = self.managed(&domain).await?;
            let plan = self.planned(&publication, &versions)?;
            return Ok(Reply { text: format!("{text}\n{}", plan.text), ..plan });
        }
        Ok(Reply { result: worst, text, data: json!({"items": items}) })
    }

    async fn add_one(&self, domain: &PolicyDomain, wish: Wish, member: Option<Member>) -> Result<(), Reply> {
        // One that publishes already is taken over as it is, or its senders would be told less than they were.
        let reply = self.shared.world.dns.look_up(&domain.record_name(), RecordKind::Txt).await;
        if reply.texts().iter().any(|text| text.starts_with(b"v=STSv1")) {
            return Err(refused(format!(
                "it publishes MTA-STS already: take it over as it is with `tlsward domain adopt {domain}`"
            )));
        }
        if let Some(failure) = reply.failure() {
            return Err(Reply::of(
                Outcome::Untold,
                format!("whether it publishes already cannot be told ({failure}): try again"),
            ));
        }
        self.domains.add(domain, wish, member, false).await.map(drop).map_err(of_order)
    }

    async fn adopt(&self, domain: &PolicyDomain, rua: &[String], yes: bool) -> Answer {
        let seen = gather(&self.shared.world, domain, &check::Options::default()).await;
        let ours = rua.first().or(self.shared.rua.first()).map(String::as_str);
        let now = SystemClock.now();
        let takeover =
            adopt::adopt(&seen, &self.shared.roots, ours, now).map_err(|error| refused(error.to_string()))?;
        let data = serde_json::to_value(&takeover).unwrap_or(Value::Null);
        if !yes {
            let text =
                format!("{}\nNothing was changed. To do it, say the same with --yes.", takeover.to_text());
            return Ok(Reply { result: Outcome::Done, text, data });
        }
        let Command::Adopt(adoption) = takeover.to_command(None) else {
            return Err(refused("it cannot be taken over"));
        };
        self.domains.adopt(domain, adoption).await.map_err(of_order)?;
        let text = format!("{}\nIt is managed now.", takeover.to_text());
        Ok(Reply { result: Outcome::Done, text, data })
    }

    async fn list(&self, after: Option<&str>) -> Answer {
        let found = self.domains.list(after, PAGE).await.map_err(|error| untold(&error))?;
        let next = (found.len() == PAGE).then(|| found.last().map(|last| last.domain.to_string())).flatten();
        let mut text = String::new();
        let now = SystemClock.now();
        let items: Vec<Value> = found
            .iter()
            .map(|publication| {
                let waits = super::book::waiting_for(publication, now);
                text.push_str(&format!(
                    "{:<40} {:<12} {}\n",
                    publication.domain.as_str(),
                    publication.wish.stage.as_wire(),
                    waits.as_deref().unwrap_or("quiet")
                ));
                json!({
                    "domain": publication.domain.as_str(),
                    "stage": publication.wish.stage,
                    "group": publication.member.as_ref().map(|member| &member.group),
                    "waiting_for": waits,
                })
            })
            .collect();
        if items.is_empty() && after.is_none() {
            text.push_str("no domain is managed yet: `tlsward domain add` or `adopt` one\n");
        }
        if let (None, Some(ds)) = (after, self.shared.zone.as_ref().and_then(|zone| zone.ds())) {
            text.push_str(&format!("\nFor the parent of the zone, so that its signatures count:\n{ds}\n"));
        }
        Ok(Reply { result: Outcome::Done, text, data: json!({"items": items, "next": next}) })
    }

    async fn show(&self, domain: &PolicyDomain) -> Answer {
        let (publication, _) = self.managed(domain).await?;
        self.domains.look_now(domain);
        let seen = gather(&self.shared.world, domain, &check::Options::default()).await;
        let desired = publication.desired();
        let wanted = Wanted {
            wish: &publication.wish,
            desired: &desired,
            body: publication.served.as_ref().map(|served| &served.body[..]),
            place: &self.shared.place,
        };
        let shown = show::show(&wanted, &seen, &self.shared.roots, SystemClock.now())
            .map_err(|error| refused(error.to_string()))?;
        let data = serde_json::to_value(&shown).unwrap_or(Value::Null);
        Ok(Reply { result: Outcome::Done, text: shown.to_text(), data })
    }

    fn planned(&self, publication: &Publication, versions: &[KeptVersion]) -> Answer {
        let plan = self.shared.plan(publication, versions).map_err(|error| refused(error.to_string()))?;
        let data = serde_json::to_value(&plan).unwrap_or(Value::Null);
        Ok(Reply { result: Outcome::Done, text: plan.to_text(), data })
    }

    async fn advance(&self, domain: &PolicyDomain, i_know: bool) -> Answer {
        let (publication, versions) = self.managed(domain).await?;
        if let Some(member) = &publication.member {
            return Err(refused(format!(
                "{domain} follows the group {}: it goes on when the group does",
                member.group
            )));
        }
        let stage = match publication.wish.stage {
            Stage::Reporting => Stage::Testing,
            Stage::Testing => Stage::Enforce,
            Stage::Enforce => {
                return Err(refused(format!("{domain} is at its last stage: its policy is enforced")));
            }
            Stage::WindingDown => return Err(refused(format!("{domain} is being wound down"))),
        };
        if stage == Stage::Enforce && !i_know {
            tested_long_enough(&publication, &versions, SystemClock.now()).map_err(refused)?;
        }
        let wish = Wish { stage, max_age: None, ..publication.wish.clone() };
        let order = Command::Change { wish, member: None, i_know };
        let after = self.domains.order(domain, order).await.map_err(of_order)?;
        let (_, versions) = self.managed(domain).await?;
        let plan = self.planned(&after, &versions)?;
        Ok(Reply { text: format!("{domain}: its stage is {} now\n\n{}", stage.as_wire(), plan.text), ..plan })
    }

    async fn mx(&self, domain: &PolicyDomain, host: &str, add: bool, i_know: bool) -> Answer {
        let (publication, versions) = self.managed(domain).await?;
        if let Some(member) = &publication.member {
            return Err(refused(format!(
                "{domain} follows the group {0}: change the group, with `tlsward domain mx {1} --group {0} {host}`",
                member.group,
                if add { "add" } else { "remove" }
            )));
        }
        let now = SystemClock.now();
        let standing = Standing {
            domain,
            wish: &publication.wish,
            versions: &versions,
            cached_until: publication.cached_until(now),
            ttl: self.shared.place.ttls.announcement,
            now,
        };
        let (wish, text, data) = if add {
            let change = mx_change::add(&standing, host).map_err(|error| refused(error.to_string()))?;
            let data = serde_json::to_value(&change).unwrap_or(Value::Null);
            (change.wish.clone(), change.to_text(now), data)
        } else {
            let seen = gather(&self.shared.world, domain, &check::Options::default()).await;
            let live = outside::read(&seen, &self.shared.roots, now);
            let seen = mx_change::MxSeen { mx: &live.mx, gone_since: None, ttl: None };
            let change = mx_change::remove(&standing, host, seen, i_know)
                .map_err(|error| refused(error.to_string()))?;
            let data = serde_json::to_value(&change).unwrap_or(Value::Null);
            (change.wish.clone(), change.to_text(now), data)
        };
        let order = Command::Change { wish, member: None, i_know: true };
        self.domains.order(domain, order).await.map_err(of_order)?;
        Ok(Reply { result: Outcome::Done, text, data })
    }

    async fn group(&self, name: &str, terms: &Terms) -> Answer {
        let name = GroupName::parse(name)
            .map_err(|error| Reply::of(Outcome::Unusable, format!("'{name}': {error}")))?;
        let wish = self.wish(terms)?;
        let definition = match self.definition(name.as_str()).await? {
            None => GroupDefinition::new(name, wish),
            Some(known) if known.wish.stage > wish.stage => {
                return Err(refused(format!(
                    "the group {name} is at stage {} already: going back is not for this command",
                    known.wish.stage.as_wire()
                )));
            }
            Some(known) => known.changed(wish),
        };
        self.keep_group(definition.map_err(|error| Reply::of(Outcome::Unusable, error.to_string()))?).await
    }

    async fn group_mx(&self, group: &str, host: &str, add: bool, i_know: bool) -> Answer {
        let Some(known) = self.definition(group).await? else {
            return Err(refused(format!("there is no group '{group}'")));
        };
        let pattern = MxPattern::parse(host)
            .map_err(|error| Reply::of(Outcome::Unusable, format!("{host}: {error}")))?;
        let mut wish = known.wish.clone();
        let is_there = wish.mx.contains(&pattern);
        match (add, is_there) {
            (true, true) => {
                return Err(refused(format!("the policy of the group {group} names {host} already")));
            }
            (true, false) => wish.mx.push(pattern),
            (false, false) => {
                return Err(refused(format!("the policy of the group {group} does not name {host}")));
            }
            // What DNS says of ten thousand domains is not asked here: the owner says it.
            (false, true) if !i_know => {
                return Err(refused(format!(
                    "take {host} out of the MX records of every domain of {group} first, and wait for five days, so that no \
                     mail is on its way there; then say so with --i-know"
                )));
            }
            (false, true) => wish.mx.retain(|known| *known != pattern),
        }
        let definition = known.changed(wish).map_err(|error| refused(error.to_string()))?;
        self.keep_group(definition).await
    }

    async fn keep_group(&self, definition: GroupDefinition) -> Answer {
        let put = self.shared.store.put_group(definition.to_row()).await;
        match put.map_err(|error| untold(&error))? {
            Put::Kept => {}
            Put::Conflict => return Err(refused("somebody else changed the group just now: look again")),
        }
        self.shared.groups.notify_one();
        let text = format!(
            "the group {} is at revision {}; its domains follow in waves: 1, 10, 100, 1000, then 5000 at a time, each once the \
             one before is live everywhere",
            definition.name, definition.revision
        );
        let data = json!({"group": definition.name.as_str(), "revision": definition.revision});
        Ok(Reply { result: Outcome::Done, text, data })
    }

    async fn remove(&self, domain: &PolicyDomain, wind_down: bool) -> Answer {
        if !wind_down {
            self.domains.order(domain, Command::Remove).await.map_err(of_order)?;
            return Ok(Reply::of(
                Outcome::Done,
                format!("{domain}: its records go, and then it is forgotten"),
            ));
        }
        let after = self.domains.order(domain, Command::WindDown).await.map_err(of_order)?;
        let until = after.cached_until(SystemClock.now());
        let until =
            jiff::Timestamp::from_second(until).map_or_else(|_| until.to_string(), |at| at.to_string());
        let text = format!(
            "{domain}: mode none is published now, in the right order. A sender may hold the policy before it until {until} at \
             least; after that the record goes, and then the policy host. Leave both alone until then."
        );
        Ok(Reply { result: Outcome::Done, text, data: json!({"domain": domain.as_str(), "until": until}) })
    }

    async fn export(&self) -> Answer {
        let mut items = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = self.domains.list(after.as_deref(), PAGE).await.map_err(|error| untold(&error))?;
            let Some(last) = page.last() else { break };
            after = Some(last.domain.to_string());
            for publication in &page {
                let sets =
                    records::desired(&publication.domain, &publication.desired(), &self.shared.place, false)
                        .map_err(|error| refused(error.to_string()))?;
                items.push(Item {
                    domain: publication.domain.to_string(),
                    body: publication.served.as_ref().map(|served| served.body.clone()),
                    records: sets,
                });
            }
        }
        let files = export(&items).map_err(|error| refused(error.to_string()))?;
        let files: Vec<Value> = files
            .iter()
            .map(|file| json!({"path": file.path, "text": String::from_utf8_lossy(&file.bytes)}))
            .collect();
        Ok(Reply { result: Outcome::Done, text: String::new(), data: json!({"files": files}) })
    }
}

/// Enforcing what was hardly tried is how mail is lost: two weeks of reports first.
fn tested_long_enough(publication: &Publication, versions: &[KeptVersion], now: i64) -> Result<(), String> {
    let is_testing = |version: &&KeptVersion| version.body.windows(13).any(|part| part == b"mode: testing");
    let since = versions.iter().filter(is_testing).filter_map(|version| version.announced_at).min();
    let Some(since) = since else {
        return Err(format!(
            "the policy of {} was never live in mode testing: nobody knows what enforcing it would refuse. `tlsward domain plan` \
             says what is missing; --i-know enforces it nevertheless",
            publication.domain
        ));
    };
    let from = since + TESTING_SECS;
    if now >= from {
        return Ok(());
    }
    let from = jiff::Timestamp::from_second(from).map_or_else(|_| from.to_string(), |at| at.to_string());
    Err(format!(
        "{} has been in testing for less than 14 days. Not before {from}, so that the reports of two weeks can be read; --i-know \
         enforces it now",
        publication.domain
    ))
}

impl Shared {
    /// What is done next for a domain.
    pub(super) fn plan(
        &self,
        publication: &Publication,
        versions: &[KeptVersion],
    ) -> Result<plan::Plan, plan::PlanError> {
        // The stage began with the first of the newest versions that have its mode.
        let mode = publication.wish.stage.mode().map(|mode| format!("mode: {}", mode.as_wire()));
        let is_of_stage = |version: &&KeptVersion| {
            mode.as_ref().is_some_and(|mode| String::from_utf8_lossy(&version.body).contains(mode.as_str()))
        };
        let stage_since =
            versions.iter().take_while(is_of_stage).filter_map(|version| version.announced_at).min();
        let ways = plan::Ways { place: &self.place, by_hand: self.writer.is_by_hand(), stage_since };
        plan::plan(publication, &ways, SystemClock.now())
    }
}
