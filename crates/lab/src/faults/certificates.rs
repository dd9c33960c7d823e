//! Certificates of MX hosts and of the policy host.

use super::{Fault, fault};
use crate::world::{CertificateSpec, DAY, Issuer, Presented, UnixTime, World};

type Edit = fn(&mut CertificateSpec, UnixTime);

const EXPIRED: Edit = |certificate, now| certificate.not_after = now - DAY;
const EXPIRES_SOON: Edit = |certificate, now| certificate.not_after = now + 5 * DAY;
const NOT_YET: Edit = |certificate, now| certificate.not_before = now + DAY;
const WRONG_NAME: Edit = |certificate, _| certificate.names = vec!["www.example".to_owned()];
const SELF_SIGNED: Edit = |certificate, _| certificate.issuer = Issuer::SelfSigned;
const UNTRUSTED: Edit = |certificate, _| certificate.issuer = Issuer::Untrusted;
const INCOMPLETE: Edit = |certificate, _| certificate.with_intermediate = false;
const COMMON_NAME: Edit = |certificate, _| {
    certificate.common_name = certificate.names.pop();
};

fn second_mx(world: &mut World, domain: &str, edit: Edit) {
    world.edit_mx_certificate(domain, 1, edit);
}

fn all_mx(world: &mut World, domain: &str, edit: Edit) {
    world.edit_mx_certificate(domain, 0, edit);
    world.edit_mx_certificate(domain, 1, edit);
}

/// The second MX host shows the right certificate to those who ask for its name, or to the others; the rest get one
/// for another name.
fn by_sni(world: &mut World, domain: &str, good_with_sni: bool) {
    let now = world.now;
    world.edit_mx(domain, 1, |service| {
        let host = service.hello_name.clone();
        let good = CertificateSpec::healthy(&[&host], now);
        let bad = CertificateSpec::healthy(&["www.example"], now);
        let (named, otherwise) = if good_with_sni { (good, bad) } else { (bad, good) };
        service.tls = Presented { by_name: [(host, named)].into(), ..Presented::always(otherwise) };
    });
}

pub(super) static LIST: &[Fault] = &[
    fault(
        "mx-certificate-expired",
        "the certificate of one MX host ran out yesterday",
        |world, domain| second_mx(world, domain, EXPIRED),
        "at-risk",
        &["mx-certificate-expired"],
    ),
    fault(
        "mx-certificates-all-expired",
        "the certificates of all MX hosts ran out yesterday",
        |world, domain| all_mx(world, domain, EXPIRED),
        "refused",
        &["mx-certificate-expired"],
    ),
    fault(
        "mx-certificate-expires-soon",
        "the certificate of one MX host has five days to go",
        |world, domain| second_mx(world, domain, EXPIRES_SOON),
        "delivers",
        &["mx-certificate-expires-soon"],
    ),
    fault(
        "mx-certificate-not-yet-valid",
        "the certificate of one MX host begins tomorrow",
        |world, domain| second_mx(world, domain, NOT_YET),
        "at-risk",
        &["mx-certificate-not-yet-valid"],
    ),
    fault(
        "mx-clock-ahead",
        "the clock of one MX host is an hour ahead: its fresh certificate begins in the future",
        |world, domain| second_mx(world, domain, |certificate, now| certificate.not_before = now + 3_600),
        "at-risk",
        &["mx-certificate-not-yet-valid"],
    ),
    fault(
        "mx-certificate-wrong-name",
        "the certificate of one MX host is for another name",
        |world, domain| second_mx(world, domain, WRONG_NAME),
        "at-risk",
        &["mx-certificate-name-mismatch"],
    ),
    fault(
        "mx-certificate-of-domain",
        "the certificate of one MX host is for the domain, not for the host",
        |world, domain| {
            second_mx(world, domain, |certificate, _| certificate.names = vec![super::DOMAIN.to_owned()]);
        },
        "at-risk",
        &["mx-certificate-name-mismatch"],
    ),
    fault(
        "mx-certificate-common-name",
        "the name of one MX host stands in the common name alone",
        |world, domain| second_mx(world, domain, COMMON_NAME),
        "at-risk",
        &["mx-certificate-name-mismatch"],
    ),
    fault(
        "mx-certificate-self-signed",
        "the certificate of one MX host is signed by itself",
        |world, domain| second_mx(world, domain, SELF_SIGNED),
        "at-risk",
        &["mx-certificate-self-signed"],
    ),
    fault(
        "mx-certificate-untrusted",
        "the certificate of one MX host is from an authority that nobody trusts",
        |world, domain| second_mx(world, domain, UNTRUSTED),
        "at-risk",
        &["mx-certificate-not-trusted"],
    ),
    fault(
        "mx-certificate-chain-incomplete",
        "one MX host does not send the intermediate certificate",
        |world, domain| second_mx(world, domain, INCOMPLETE),
        "at-risk",
        &["mx-certificate-chain-incomplete"],
    ),
    fault(
        "mx-certificate-one-address",
        "one address of one MX host shows an expired certificate",
        |world, domain| {
            let now = world.now;
            let address = world.domains.get(domain).and_then(|entry| entry.mx[1].addresses.get(1).copied());
            let service = address.and_then(|address| world.machine(address).smtp.as_mut());
            if let Some(certificate) = service.and_then(|service| service.tls.otherwise.as_mut()) {
                EXPIRED(certificate, now);
            }
        },
        "at-risk",
        &["mx-certificate-expired"],
    ),
    fault(
        "mx-needs-sni",
        "one MX host shows the right certificate only to those who name it",
        |world, domain| by_sni(world, domain, true),
        "delivers",
        &["mx-needs-sni"],
    ),
    fault(
        "mx-fails-with-sni",
        "one MX host shows the right certificate only to those who do not name it",
        |world, domain| by_sni(world, domain, false),
        "at-risk",
        &["mx-fails-with-sni"],
    ),
    fault(
        "policy-certificate-expired",
        "the policy host's certificate ran out yesterday",
        |world, domain| world.edit_policy_certificate(domain, EXPIRED),
        "broken",
        &["policy-certificate-expired"],
    ),
    fault(
        "policy-certificate-expires-soon",
        "the policy host's certificate has five days to go",
        |world, domain| world.edit_policy_certificate(domain, EXPIRES_SOON),
        "delivers",
        &["policy-certificate-expires-soon"],
    ),
    fault(
        "policy-certificate-not-yet-valid",
        "the policy host's certificate begins tomorrow",
        |world, domain| world.edit_policy_certificate(domain, NOT_YET),
        "broken",
        &["policy-certificate-not-yet-valid"],
    ),
    fault(
        "policy-certificate-wrong-name",
        "the policy host's certificate is for another name",
        |world, domain| world.edit_policy_certificate(domain, WRONG_NAME),
        "broken",
        &["policy-certificate-name-mismatch"],
    ),
    fault(
        "policy-certificate-common-name",
        "the policy host's name stands in the common name alone",
        |world, domain| world.edit_policy_certificate(domain, COMMON_NAME),
        "broken",
        &["policy-certificate-name-mismatch"],
    ),
    fault(
        "policy-certificate-self-signed",
        "the policy host's certificate is signed by itself",
        |world, domain| world.edit_policy_certificate(domain, SELF_SIGNED),
        "broken",
        &["policy-certificate-self-signed"],
    ),
    fault(
        "policy-certificate-untrusted",
        "the policy host's certificate is from an authority that nobody trusts",
        |world, domain| world.edit_policy_certificate(domain, UNTRUSTED),
        "broken",
        &["policy-certificate-not-trusted"],
    ),
    fault(
        "policy-certificate-chain-incomplete",
        "the policy host does not send the intermediate certificate",
        |world, domain| world.edit_policy_certificate(domain, INCOMPLETE),
        "broken",
        &["policy-certificate-chain-incomplete"],
    ),
];
