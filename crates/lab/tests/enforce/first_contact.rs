//! Domains of which nothing is known yet.

use std::time::Duration;

use futures_util::future::join_all;
use mta_sts::response::FetchFailure;
use tlsward_engine::enforce::{NextHop, NoPolicyWhy, Why};
use tlsward_engine::ports::{MtaPolicy, RecordKind};
use tlsward_lab::world::{DnsTrouble, Mode, Page};

use crate::stage::{AFTER_TTL, DAY, DOMAIN, NOW, SECURE, Stage, domain, quoted, told};

/// Proves: S1, S7, S8, E2, E5, E7
#[test]
fn the_first_question_finds_the_policy_and_the_mta_is_told_all_of_it() {
    let mut stage = Stage::with(Mode::Enforce);
    let answer = stage.ask(DOMAIN);
    assert_eq!(told(&answer), SECURE);
    assert!(stage.now() - NOW < 5, "{}", stage.now() - NOW);
    let MtaPolicy::Apply(reply) = &answer.policy else { panic!("{answer:?}") };
    assert!(reply.send_server_name);
    let sts = quoted(&answer).unwrap();
    assert_eq!(sts.policy_domain, DOMAIN);
    assert_eq!(
        sts.policy_strings,
        ["version: STSv1", "mode: enforce", "mx: mx1.alpha.test", "mx: mx2.alpha.test", "max_age: 2419200"]
    );
    assert!(answer.why.text().starts_with("The domain's MTA-STS policy 20260101000000 is enforced."));
    assert!(answer.good_until > stage.now());
    assert_eq!(stage.known(DOMAIN), Some(answer));
}

/// Proves: S4, S5
#[test]
fn a_domain_without_a_record_is_delivered_to_as_the_mta_does_by_itself() {
    let mut stage = Stage::with(Mode::Enforce);
    stage.edit(|world| {
        world.domain("sub.alpha.test").no_policy().add().unwrap();
    });
    let answer = stage.ask("sub.alpha.test");
    assert_eq!(told(&answer), "not-found");
    assert!(matches!(answer.why, Why::NoPolicy { policy: NoPolicyWhy::NoRecord, .. }), "{:?}", answer.why);
    assert_eq!(stage.network.fetches("sub.alpha.test"), 0);
}

/// However many ask, also for other ports, each look-up is made once.
///
/// Proves: S16
#[test]
fn many_questions_at_once_are_one_flight() {
    let mut stage = Stage::with(Mode::Enforce);
    let ask = |port: u16| stage.resolver.resolve(NextHop { domain: domain(DOMAIN), is_host: false, port });
    let asked = join_all((0..100).map(|number| ask(if number % 4 == 0 { 587 } else { 25 })));
    let answers = stage.executor.run(asked).unwrap();
    assert!(answers.iter().all(|answer| told(answer) == SECURE));
    assert_eq!(stage.network.fetches(DOMAIN), 1);
    assert_eq!(stage.network.questions("_mta-sts.alpha.test", RecordKind::Txt), 1);
    assert_eq!(stage.network.questions(DOMAIN, RecordKind::Mx), 2, "of two next hops");
    stage.ask(DOMAIN);
    assert_eq!(stage.network.questions("_mta-sts.alpha.test", RecordKind::Txt), 1, "while it is good");
}

/// Proves: S14, S16
#[test]
fn a_slow_policy_host_makes_mail_wait_until_the_policy_is_there() {
    let mut stage = Stage::with(Mode::Enforce);
    stage.edit(|world| {
        world.edit_sites(DOMAIN, |site| {
            site.pages.values_mut().for_each(|page| page.delay = Duration::from_secs(20));
        });
    });
    let answer = stage.ask(DOMAIN);
    assert_eq!((told(&answer), stage.now() - NOW), ("try-later".to_owned(), 5));
    assert_eq!(answer.why, Why::Pending);
    assert_eq!(stage.known(DOMAIN), None);
    stage.wait(13);
    assert_eq!(told(&stage.ask(DOMAIN)), SECURE, "it joins the flight");
    assert_eq!(stage.network.fetches(DOMAIN), 1);
}

/// A policy host that never ends is given up after a minute, and then it is as if there were no policy.
///
/// Proves: C3, S14, F1
#[test]
fn a_policy_that_cannot_be_fetched_first_makes_mail_wait_and_then_counts_as_none() {
    let mut stage = Stage::with(Mode::Enforce);
    stage.edit(|world| {
        world.edit_sites(DOMAIN, |site| {
            site.pages.values_mut().for_each(|page| page.stalls_after = Some(10));
        });
    });
    assert_eq!(told(&stage.ask(DOMAIN)), "try-later");
    stage.wait(70);
    let answer = stage.known(DOMAIN).unwrap();
    assert_eq!(told(&answer), "not-found");
    let text = answer.why.text();
    assert!(text.contains("could not be fetched (policy host did not answer in time)"), "{text}");
    let last = stage.resolver.status(&domain(DOMAIN)).unwrap().last_failure.unwrap();
    assert_eq!((last.failure, last.is_reportable), (FetchFailure::TimedOut, true));
    stage.edit(|world| world.set_txt("_mta-sts.alpha.test", &[]));
    stage.wait(AFTER_TTL);
    stage.ask(DOMAIN);
    assert_eq!(stage.resolver.status(&domain(DOMAIN)), None, "nothing is announced any more");
}

/// Proves: C3, S10, S15
#[test]
fn a_failed_fetch_is_repeated_after_five_minutes_and_not_before() {
    let mut stage = Stage::with(Mode::Enforce);
    stage.edit(|world| world.serve(DOMAIN, &Page::status(503)));
    assert_eq!(told(&stage.ask(DOMAIN)), "not-found");
    for _ in 0..29 {
        stage.wait(10);
        assert_eq!(told(&stage.ask(DOMAIN)), "not-found");
    }
    assert_eq!(stage.network.fetches(DOMAIN), 1);
    stage.publish("another", Mode::Enforce, &["mx1.alpha.test", "mx2.alpha.test"]);
    stage.wait(11);
    assert_eq!(told(&stage.ask(DOMAIN)), SECURE);
}

/// With nothing cached, DNS trouble at the record means no policy (RFC 8461 §3.3), and mail that waits for nothing; the
/// words say so. It is remembered for half a minute.
///
/// Proves: C3
#[test]
fn with_nothing_cached_a_record_that_cannot_be_looked_up_counts_as_none() {
    for trouble in [DnsTrouble::ServFail, DnsTrouble::Refused] {
        let mut stage = Stage::with(Mode::Enforce);
        stage.disturb("_mta-sts.alpha.test", RecordKind::Txt, trouble);
        let answer = stage.ask(DOMAIN);
        assert_eq!(told(&answer), "not-found");
        let text = answer.why.text();
        assert!(text.contains("could not be looked up") && text.contains("RFC 8461 §3.3"), "{text}");
        stage.calm();
        stage.wait(31);
        assert_eq!(told(&stage.ask(DOMAIN)), SECURE);
    }
}

/// Proves: S2, S3
#[test]
fn a_record_that_cannot_be_used_counts_as_none() {
    let texts: [&[&str]; 3] =
        [&["v=STSv1; id="], &["v=STSv1; id=a;", "v=STSv1; id=b;"], &["v=STSv1; id=a;", "v=STSv1; id=?;"]];
    for texts in texts {
        let mut stage = Stage::with(Mode::Enforce);
        stage.edit(|world| world.set_txt("_mta-sts.alpha.test", texts));
        let answer = stage.ask(DOMAIN);
        assert_eq!(told(&answer), "not-found");
        assert_eq!(answer.why.as_wire(), "bad-record");
    }
}

/// Proves: S7, S10, S11, S13
#[test]
fn what_is_no_policy_over_a_valid_certificate_counts_as_none() {
    let html = Page { content_type: Some("text/html".to_owned()), ..Page::text("<p>version: STSv1") };
    let packed = Page {
        content_encoding: Some("gzip".to_owned()),
        ..Page::text("version: STSv1\nmode: none\nmax_age: 1\n")
    };
    let redirect = Page { location: Some("https://mta-sts.alpha.test/".to_owned()), ..Page::status(301) };
    for page in [html, packed, redirect, Page::text("version: STSv1\n"), Page::text(vec![b'a'; 70_000])] {
        let mut stage = Stage::with(Mode::Enforce);
        stage.edit(|world| world.serve(DOMAIN, &page));
        assert_eq!(stage.ask(DOMAIN).why.as_wire(), "not-fetched", "{page:?}");
    }
    let mut stage = Stage::with(Mode::Enforce);
    stage.edit(|world| world.edit_policy_certificate(DOMAIN, |spec, now| spec.not_after = now - 1));
    let Why::NoPolicy { policy, .. } = stage.ask(DOMAIN).why else { panic!("a policy") };
    assert_eq!(policy, NoPolicyWhy::NotFetched(FetchFailure::Certificate));
}

/// That there is nothing is remembered as long as its TTL says, for half a minute at least and an hour at most.
#[test]
fn an_absent_record_is_looked_for_again_when_its_ttl_is_over() {
    for (ttl, still, no_more) in [(60, 58, 61), (0, 28, 31), (DAY, 3_598, 3_601)] {
        let mut stage = Stage::new(|world| {
            world.domain(DOMAIN).mx(2).no_policy().add().unwrap();
            world.zones.get_mut(DOMAIN).unwrap().negative_ttl = u32::try_from(ttl).unwrap();
        });
        assert_eq!(told(&stage.ask(DOMAIN)), "not-found");
        stage.edit(|world| {
            world.host_policy(DOMAIN, &[], 1);
        });
        stage.publish("first", Mode::Enforce, &["mx1.alpha.test", "mx2.alpha.test"]);
        stage.wait(still);
        assert_eq!(told(&stage.ask(DOMAIN)), "not-found", "TTL {ttl}");
        stage.wait(no_more - still);
        assert_eq!(told(&stage.ask(DOMAIN)), SECURE, "TTL {ttl}");
    }
}

/// A policy with max_age 0 holds for the mail that asked for it.
#[test]
fn a_policy_that_may_not_be_kept_is_applied_to_the_mail_that_asked() {
    let mut stage = Stage::new(|world| {
        world.domain(DOMAIN).mx(2).max_age(0).policy(Mode::Enforce).add().unwrap();
    });
    for number in 1..4 {
        assert_eq!(told(&stage.ask(DOMAIN)), SECURE);
        stage.wait(AFTER_TTL);
        assert_eq!(stage.network.fetches(DOMAIN), number);
    }
}

/// Testing mode is told so that the MTA reports it, and refuses nothing.
///
/// Proves: E8
#[test]
fn a_testing_policy_is_quoted_and_nothing_is_demanded() {
    let mut stage = Stage::with(Mode::Testing);
    let answer = stage.ask(DOMAIN);
    assert_eq!(told(&answer), "may");
    assert_eq!(quoted(&answer).unwrap().policy_strings[1], "mode: testing");
    assert!(answer.why.text().contains("testing mode"));
}
