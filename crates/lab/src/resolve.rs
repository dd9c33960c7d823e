//! What a name resolves to, decided once for both transports: alias chains followed, DNSSEC status by the chain of
//! zones, an attacker's forgeries put in, trouble where the world has it.
//!
//! The statuses are those that a validating resolver would find; that the signatures on the wire bear them out is
//! for the tests with real validators to prove.

use tlsward_engine::ports::{RecordData, RecordKind};

use crate::world::{AttackKind, DnsTrouble, Signing, UnixTime, World, Zone, names};

/// How long a chain of aliases may be.
const ALIASES_MAX: usize = 8;

/// The way from a question to its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// The aliases on the way, each with what it points to.
    pub aliases: Vec<Link>,
    /// At the end of the way.
    pub end: End,
}

/// One alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The name that is an alias.
    pub owner: String,
    /// What for.
    pub target: String,
    /// Status of this link.
    pub status: Status,
    /// Seconds.
    pub ttl: u32,
}

/// What is at the end of the aliases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Records.
    Records {
        /// Who has them.
        owner: String,
        /// Status of the set.
        status: Status,
        /// Seconds.
        ttl: u32,
        /// At least one.
        records: Vec<RecordData>,
    },
    /// None.
    Nothing {
        /// Who has none.
        owner: String,
        /// Whether the name is there at all.
        name_exists: bool,
        /// Status of the proof.
        status: Status,
        /// Seconds.
        ttl: u32,
    },
    /// The question goes wrong.
    Trouble(DnsTrouble),
    /// The chain of aliases is too long or goes round.
    Endless,
}

/// What a validator would find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Signed, all the way from the root.
    Secure,
    /// Proved to be unsigned.
    Insecure,
    /// Should be signed, and is not so that it validates.
    Bogus(Flaw),
}

/// What is wrong with a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flaw {
    /// Forged.
    Forged,
    /// Run out.
    Expired,
}

impl Resolution {
    /// The worst of the chain and its end; `None` where there is no answer.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        let end = match &self.end {
            End::Records { status, .. } | End::Nothing { status, .. } => *status,
            End::Trouble(_) | End::Endless => return None,
        };
        Some(self.aliases.iter().map(|link| link.status).chain([end]).max().unwrap_or(end))
    }
}

impl World {
    /// Resolves a question as `viewer` sees it at `now`.
    #[must_use]
    pub fn resolve(&self, name: &str, kind: RecordKind, now: UnixTime, viewer: Option<&str>) -> Resolution {
        let mut aliases: Vec<Link> = Vec::new();
        let mut owner = name.to_owned();
        loop {
            if let Some(trouble) = self.trouble(&owner, kind).filter(|trouble| *trouble != DnsTrouble::Bogus)
            {
                return Resolution { aliases, end: End::Trouble(trouble) };
            }
            if let Some(end) = self.forged(&owner, kind, now, viewer) {
                return Resolution { aliases, end };
            }
            let (apex, zone) = self.zone_of(&owner);
            let status = self.status_of(apex, &owner, kind);
            let key = names::key(&owner);
            let node = zone.nodes.get(&key);
            if let Some(target) = node.and_then(|node| node.alias.clone()) {
                let seen = target == owner || aliases.iter().any(|link| link.owner == target);
                aliases.push(Link { owner, target: target.clone(), status, ttl: zone.negative_ttl });
                if seen || aliases.len() > ALIASES_MAX {
                    return Resolution { aliases, end: End::Endless };
                }
                owner = target;
                continue;
            }
            let end = match node.and_then(|node| node.sets.get(&kind)) {
                Some(set) => End::Records { owner, status, ttl: set.ttl, records: set.records.clone() },
                None => {
                    let name_exists = owner == apex || zone_has(zone, &key);
                    End::Nothing { owner, name_exists, status, ttl: zone.negative_ttl }
                }
            };
            return Resolution { aliases, end };
        }
    }

    /// DNSSEC status of what the zone `apex` says of `name`.
    #[must_use]
    pub fn status_of(&self, apex: &str, name: &str, kind: RecordKind) -> Status {
        let mut zone = apex;
        let mut status = Status::Secure;
        // Up the chain of zones: one that has no DS record makes everything below it insecure.
        loop {
            match self.zones.get(zone).map(|zone| zone.signing) {
                Some(Signing::Signed) => {}
                Some(Signing::Unsigned | Signing::Island) | None => return Status::Insecure,
                Some(Signing::Bogus) => status = Status::Bogus(Flaw::Forged),
                Some(Signing::Expired) => status = Status::Bogus(Flaw::Expired),
            }
            if zone.is_empty() {
                break;
            }
            let above = zone.split_once('.').map_or("", |(_, above)| above);
            zone = self.zone_of(above).0;
        }
        if self.trouble(name, kind) == Some(DnsTrouble::Bogus) { Status::Bogus(Flaw::Forged) } else { status }
    }

    fn forged(&self, name: &str, kind: RecordKind, now: UnixTime, viewer: Option<&str>) -> Option<End> {
        for attack in self.attacks.iter().filter(|attack| attack.is_in_force(now, viewer)) {
            match &attack.kind {
                AttackKind::ForgeMx { domain, exchange } if domain == name && kind == RecordKind::Mx => {
                    let (apex, _) = self.zone_of(name);
                    let status = match self.status_of(apex, name, kind) {
                        Status::Insecure => Status::Insecure,
                        Status::Secure | Status::Bogus(_) => Status::Bogus(Flaw::Forged),
                    };
                    let records = vec![RecordData::Mx { preference: 10, exchange: exchange.clone() }];
                    return Some(End::Records { owner: name.to_owned(), status, ttl: 300, records });
                }
                AttackKind::HideRecord { domain } if name.strip_prefix("_mta-sts.") == Some(domain) => {
                    return Some(End::Trouble(DnsTrouble::Silent));
                }
                _ => {}
            }
        }
        None
    }
}

/// Whether the zone has the name, or one below it.
fn zone_has(zone: &Zone, key: &str) -> bool {
    if key.is_empty() || zone.nodes.get(key).is_some_and(|node| node.alias.is_some() || !node.sets.is_empty())
    {
        return true;
    }
    let below = format!("{key}\0");
    let node = zone.nodes.range(below.clone()..).next().map(|(next, _)| next);
    let delegation = zone.delegations.range(below.clone()..).next();
    node.into_iter().chain(delegation).any(|next| next.starts_with(&below))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{Attack, Scope};

    const NOW: UnixTime = 1_800_000_000;

    fn world() -> World {
        let mut world = World::public(NOW);
        world.domain("alpha.test").mx(2).add().unwrap();
        world.domain("sig.test").dane().add().unwrap();
        world
    }

    fn end(world: &World, name: &str, kind: RecordKind) -> End {
        world.resolve(name, kind, NOW, None).end
    }

    #[test]
    fn the_status_is_that_of_the_chain_of_zones() {
        let mut world = world();
        let status = |world: &World, name: &str| world.resolve(name, RecordKind::Mx, NOW, None).status();
        assert_eq!(status(&world, "sig.test"), Some(Status::Secure));
        assert_eq!(status(&world, "nothing.test"), Some(Status::Secure));
        assert_eq!(status(&world, "alpha.test"), Some(Status::Insecure));
        world.zones.get_mut("sig.test").unwrap().signing = Signing::Expired;
        assert_eq!(status(&world, "sig.test"), Some(Status::Bogus(Flaw::Expired)));
        world.zones.get_mut("test").unwrap().signing = Signing::Island;
        assert_eq!(status(&world, "sig.test"), Some(Status::Insecure));
    }

    #[test]
    fn a_name_exists_if_one_below_it_does() {
        let world = world();
        let exists =
            |name: &str| matches!(end(&world, name, RecordKind::A), End::Nothing { name_exists: true, .. });
        assert!(
            exists("_tls.alpha.test")
                && exists("test")
                && exists("alpha.test")
                && exists("_tcp.mx1.sig.test")
        );
        assert!(!exists("tls.alpha.test") && !exists("other") && !exists("mx3.alpha.test"));
    }

    #[test]
    fn aliases_are_followed_across_zones_and_never_for_ever() {
        let mut world = world();
        world.node("_mta-sts.sig.test").alias = Some("_mta-sts.alpha.test".to_owned());
        let found = world.resolve("_mta-sts.sig.test", RecordKind::Txt, NOW, None);
        assert_eq!(found.aliases[0].status, Status::Secure);
        assert_eq!(found.status(), Some(Status::Insecure));
        assert!(matches!(found.end, End::Records { .. }));
        world.node("_mta-sts.alpha.test").alias = Some("_mta-sts.sig.test".to_owned());
        assert_eq!(end(&world, "_mta-sts.sig.test", RecordKind::Txt), End::Endless);
    }

    #[test]
    fn an_attacker_forges_mx_records_that_a_signed_zone_gives_away() {
        let mut world = world();
        for domain in ["alpha.test", "sig.test"] {
            let kind = AttackKind::ForgeMx { domain: domain.to_owned(), exchange: "evil.test".to_owned() };
            world.attacks.push(Attack { from: NOW, until: NOW + 10, scope: Scope::Everyone, kind });
        }
        let at = |name, now| world.resolve(name, RecordKind::Mx, now, None);
        let forged = vec![RecordData::Mx { preference: 10, exchange: "evil.test".to_owned() }];
        assert!(matches!(at("alpha.test", NOW).end, End::Records { records, .. } if records == forged));
        assert_eq!(at("sig.test", NOW).status(), Some(Status::Bogus(Flaw::Forged)));
        assert_eq!(at("sig.test", NOW + 10).status(), Some(Status::Secure));
    }
}
