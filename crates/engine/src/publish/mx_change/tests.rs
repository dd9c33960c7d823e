use bytes::Bytes;
use mta_sts::policy::MaxAge;
use proptest::prelude::{Just, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::*;
use crate::publish::Stage;
use crate::publish::outside::LiveMx;

const NOW: UnixTime = 1_800_000_000;
const WEEK: u32 = 604_800;
const TTL: u32 = 300;

fn domain() -> PolicyDomain {
    PolicyDomain::parse("example.org").unwrap()
}

fn wish(stage: Stage, mx: &[&str]) -> Wish {
    let mx = mx.iter().map(|mx| MxPattern::parse(mx).unwrap()).collect();
    Wish { stage, mx, rua: Vec::new(), max_age: Some(MaxAge::from_secs(u64::from(WEEK)).unwrap()) }
}

fn version(number: u32, wish: &Wish, from: UnixTime, to: Option<UnixTime>) -> KeptVersion {
    let policy = wish.policy().unwrap().unwrap();
    KeptVersion {
        domain: "example.org".to_owned(),
        number,
        body: Bytes::from(policy.to_body().unwrap()),
        id: Some("1".to_owned()),
        max_age: policy.max_age().as_secs(),
        first_served_at: from,
        announced_at: Some(from + 60),
        last_served_at: to,
    }
}

fn standing<'a>(domain: &'a PolicyDomain, wish: &'a Wish, versions: &'a [KeptVersion]) -> Standing<'a> {
    let cached_until = versions
        .iter()
        .map(|version| version.last_served_at.unwrap_or(NOW) + MARGIN_SECS + i64::from(version.max_age))
        .max()
        .unwrap_or(0);
    Standing { domain, wish, versions, cached_until, ttl: TTL, now: NOW }
}

/// Proves: D17
#[test]
fn a_new_host_comes_into_the_policy_first_and_has_two_dates_for_dns() {
    let (domain, wish) = (domain(), wish(Stage::Enforce, &["mx1.example.org"]));
    let versions = [version(1, &wish, NOW - 1_000_000, None)];
    let added = add(&standing(&domain, &wish, &versions), "MX2.Example.org.").unwrap();
    assert_eq!(added.pattern, "mx2.example.org");
    assert!(added.changes_policy && added.may_refuse && !added.is_announced);
    assert_eq!(added.wish.mx.len(), 2);
    assert_eq!(added.known_at, NOW + 300 + MARGIN_SECS);
    assert_eq!(added.certain_at, NOW + i64::from(WEEK));
    let text = added.to_text(NOW);
    assert!(text.contains("2027-01-15 08:10 UTC (in 10 minutes)"), "{text}");
    assert!(text.contains("2027-01-22 08:00 UTC (in 7 days)"), "{text}");
}

#[test]
fn once_the_policy_with_the_host_is_announced_the_dates_stand_still() {
    let domain = domain();
    let (before, after) = (
        wish(Stage::Enforce, &["mx1.example.org"]),
        wish(Stage::Enforce, &["mx1.example.org", "mx2.example.org"]),
    );
    let versions =
        [version(1, &before, NOW - 900_000, Some(NOW - 1_000)), version(2, &after, NOW - 1_000, None)];
    let added = add(&standing(&domain, &after, &versions), "mx2.example.org").unwrap();
    assert!(!added.changes_policy && added.is_announced && added.may_refuse);
    assert_eq!(added.known_at, NOW - 1_000 + 60 + 300 + MARGIN_SECS);
    assert_eq!(added.certain_at, NOW - 1_000 + MARGIN_SECS + i64::from(WEEK));

    let later = Standing { now: NOW + i64::from(WEEK), ..standing(&domain, &after, &versions) };
    let added = add(&later, "mx2.example.org").unwrap();
    assert!(!added.may_refuse, "the last cache has run out");
    assert!(added.to_text(later.now).contains("(has passed)"));
}

#[test]
fn a_policy_that_refuses_nothing_keeps_no_host_out() {
    let domain = domain();
    for stage in [Stage::Testing, Stage::WindingDown] {
        let wish = wish(stage, &["mx1.example.org"]);
        let versions = [version(1, &wish, NOW - 1_000_000, None)];
        let added = add(&standing(&domain, &wish, &versions), "mx2.example.org").unwrap();
        assert!(!added.may_refuse, "{stage:?}");
        assert_eq!(added.certain_at, added.known_at);
    }
    let reporting = Wish { max_age: None, ..wish(Stage::Reporting, &[]) };
    let added = add(&standing(&domain, &reporting, &[]), "mx.example.org").unwrap();
    assert!(added.to_text(NOW).contains("at any time"));
}

/// Who served it before may have served any max_age.
#[test]
fn what_was_served_before_a_domain_was_taken_over_counts_as_a_policy_without_the_host() {
    let domain = domain();
    let wish = wish(Stage::Testing, &["mx1.example.org"]);
    let versions = [version(1, &wish, NOW - 1_000, None)];
    let a_year = NOW + 31_557_600;
    let taken_over = Standing { cached_until: a_year, ..standing(&domain, &wish, &versions) };
    let added = add(&taken_over, "mx2.example.org").unwrap();
    assert!(added.may_refuse);
    assert_eq!(added.certain_at, a_year);
}

#[test]
fn a_host_is_named_and_not_numbered() {
    let (domain, wish) = (domain(), wish(Stage::Enforce, &["mx1.example.org"]));
    let standing = standing(&domain, &wish, &[]);
    for address in ["192.0.2.1", "[192.0.2.1]", "2001:db8::1", "[2001:db8::1]"] {
        assert!(matches!(add(&standing, address), Err(MxError::Address { .. })), "{address}");
    }
    for wrong in ["", "*", "*.", "mx*.example.org", "a b", "a..b", "-mx.example", "mx_1.example", "a\nmx: b"]
    {
        assert!(matches!(add(&standing, wrong), Err(MxError::Pattern { .. })), "{wrong:?}");
    }
    assert_eq!(add(&standing, "mx.bücher.example").unwrap().pattern, "mx.xn--bcher-kva.example");
    assert_eq!(add(&standing, "*.mail.example").unwrap().pattern, "*.mail.example");
}

fn hosts(names: &[&str]) -> LiveMx {
    LiveMx::Hosts { hosts: names.iter().map(|name| (10, (*name).to_owned())).collect(), ttl: 3_600 }
}

fn seen(mx: &LiveMx) -> MxSeen<'_> {
    MxSeen { mx, gone_since: None, ttl: None }
}

#[test]
fn a_host_leaves_the_policy_only_after_it_left_dns() {
    let domain = domain();
    let wish = wish(Stage::Enforce, &["mx1.example.org", "mx2.example.org"]);
    let standing = standing(&domain, &wish, &[]);
    let both = hosts(&["mx1.example.org", "mx2.example.org"]);
    assert!(matches!(
        remove(&standing, "mx2.example.org", seen(&both), false),
        Err(MxError::StillListed { hosts, .. }) if hosts == "mx2.example.org"
    ));
    let forced = remove(&standing, "mx2.example.org", seen(&both), true).unwrap();
    assert_eq!(forced.stranded, ["mx2.example.org"]);
    assert!(forced.to_text(NOW).contains("You insisted"));

    let one = hosts(&["mx1.example.org"]);
    let removed = remove(&standing, "mx2.example.org", seen(&one), false).unwrap();
    assert_eq!(removed.wish.mx, [MxPattern::parse("mx1.example.org").unwrap()]);
    assert_eq!(removed.unknown_at, NOW + 3_600 + MARGIN_SECS);
    assert_eq!(removed.quiet_at, removed.unknown_at + 5 * 86_400);
    let since = MxSeen { mx: &one, gone_since: Some(NOW - 7_200), ttl: Some(60) };
    assert_eq!(
        remove(&standing, "mx2.example.org", since, false).unwrap().unknown_at,
        NOW - 7_200 + 60 + MARGIN_SECS
    );
}

#[test]
fn what_dns_could_not_tell_is_no_permission() {
    let domain = domain();
    let wish = wish(Stage::Enforce, &["mx1.example.org", "mx2.example.org"]);
    let standing = standing(&domain, &wish, &[]);
    let unknown = LiveMx::Unknown("no answer from DNS in time".to_owned());
    assert!(matches!(
        remove(&standing, "mx2.example.org", seen(&unknown), false),
        Err(MxError::NotTold { .. })
    ));
    assert!(remove(&standing, "mx2.example.org", seen(&unknown), true).is_ok());
}

#[test]
fn the_last_host_and_one_that_is_not_there_cannot_be_removed() {
    let domain = domain();
    let only = wish(Stage::Enforce, &["mx1.example.org"]);
    let none = LiveMx::Null;
    let last = remove(&standing(&domain, &only, &[]), "mx1.example.org", seen(&none), true);
    assert!(matches!(last, Err(MxError::Last { .. })), "{last:?}");

    let wide = wish(Stage::Enforce, &["*.example.org", "mx.example.net"]);
    let standing = standing(&domain, &wide, &[]);
    let covered = remove(&standing, "mx1.example.org", seen(&none), false).unwrap_err().to_string();
    assert!(covered.contains("`mx: *.example.org` covers that host"), "{covered}");
    assert!(remove(&standing, "*.example.org", seen(&none), false).is_ok());
    // A wildcard that goes takes every host with it that nothing else covers.
    let listed = hosts(&["mx1.example.org", "mx.example.net"]);
    assert!(matches!(
        remove(&standing, "*.example.org", seen(&listed), false),
        Err(MxError::StillListed { hosts, .. }) if hosts == "mx1.example.org"
    ));
}

#[test]
fn an_emergency_swap_says_what_it_costs_and_what_helps() {
    let domain = domain();
    let wish = wish(Stage::Enforce, &["mx1.example.org", "mx2.example.org"]);
    let versions = [version(1, &wish, NOW - 1_000_000, None)];
    let enforced = standing(&domain, &wish, &versions);
    let others = ["mx1.example.org".to_owned(), "mx2.example.org".to_owned()];
    let swap_it = |others: &[String]| swap(&enforced, "mx1.example.org", "new.example.org", others).unwrap();
    let costly = swap_it(&others);
    assert!(costly.costs_mail);
    assert_eq!(costly.helps, [Help::KeepTheName, Help::BothNames, Help::OtherHosts, Help::AnnounceAtOnce]);
    // The lost host stays in the policy: whoever holds an older one tries it still.
    assert_eq!(costly.successor.wish.mx.len(), 3);
    let text = costly.to_text(NOW);
    assert!(text.contains("2027-01-22 08:00 UTC (in 7 days)"), "{text}");
    assert!(!swap_it(&others[..1]).helps.contains(&Help::OtherHosts));

    let tested = Wish { stage: Stage::Testing, ..wish.clone() };
    let versions = [version(1, &tested, NOW - 1_000_000, None)];
    let free =
        swap(&standing(&domain, &tested, &versions), "mx1.example.org", "new.example.org", &[]).unwrap();
    assert!(!free.costs_mail);
    assert!(free.to_text(NOW).contains("What it costs: nothing"));
}

/// A life of versions, each served until the next one.
fn lives() -> impl Strategy<Value = Vec<(Stage, bool, u32, i64)>> {
    let stage = prop_oneof![Just(Stage::Testing), Just(Stage::Enforce), Just(Stage::WindingDown)];
    prop::collection::vec((stage, any::<bool>(), 0..31_557_600u32, 1..5_000_000i64), 1..8)
}

fn kept(life: &[(Stage, bool, u32, i64)]) -> (Vec<KeptVersion>, Wish) {
    let mut at = NOW - life.iter().map(|(.., length)| length).sum::<i64>();
    let mut versions = Vec::new();
    let mut last = wish(Stage::Testing, &["mx1.example.org"]);
    for (index, (stage, has_host, max_age, length)) in life.iter().enumerate() {
        let mx: &[&str] =
            if *has_host { &["mx1.example.org", "mx2.example.org"] } else { &["mx1.example.org"] };
        last = Wish { max_age: Some(MaxAge::from_secs(u64::from(*max_age)).unwrap()), ..wish(*stage, mx) };
        let to = if index + 1 == life.len() { None } else { Some(at + length) };
        versions.push(version(u32::try_from(index).unwrap() + 1, &last, at, to));
        at += length;
    }
    (versions, last)
}

proptest! {
    /// Senders that follow the RFC know before the last cache has run out; time alone brings no date nearer than it was, and
    /// once the second has passed nobody holds an enforced policy without the host.
    #[test]
    fn dates_are_in_order_and_no_cache_outlives_the_last(life in lives(), passed in 0..40_000_000i64) {
        let domain = domain();
        let (versions, wish) = kept(&life);
        let now = standing(&domain, &wish, &versions);
        let added = add(&now, "mx2.example.org").unwrap();
        prop_assert!(added.known_at <= added.certain_at);
        let later = Standing { now: NOW + passed, cached_until: now.cached_until + passed, ..now };
        let again = add(&later, "mx2.example.org").unwrap();
        prop_assert!(again.known_at >= added.known_at);
        if added.may_refuse && again.may_refuse {
            prop_assert!(again.certain_at >= added.certain_at.min(again.known_at));
        }
        for version in versions.iter().filter(|version| version.last_served_at.is_some()) {
            let policy = policy::parse(&version.body).into_usable().unwrap();
            let refuses = policy.mode() == Mode::Enforce && !matches_any(policy.mx(), "mx2.example.org");
            let until = version.last_served_at.unwrap() + i64::from(version.max_age);
            prop_assert!(!refuses || until <= added.certain_at || until <= NOW);
        }
    }

    /// What goes is the one line, and nothing else.
    #[test]
    fn adding_and_removing_a_host_gives_the_wish_back(stage in prop_oneof![Just(Stage::Testing), Just(Stage::Enforce)]) {
        let domain = domain();
        let before = wish(stage, &["mx1.example.org"]);
        let added = add(&standing(&domain, &before, &[]), "mx2.example.org").unwrap();
        let listed = hosts(&["mx1.example.org"]);
        let removed = remove(&standing(&domain, &added.wish, &[]), "mx2.example.org", seen(&listed), false).unwrap();
        prop_assert_eq!(removed.wish, before);
    }
}
