//! MX records and MX hosts.

use std::net::IpAddr;

use super::{Fault, fault, slow};
use crate::world::machine::{TLS10, TLS12_RSA_ONLY};
use crate::world::{Greeting, Reach, Signing, SmtpService, StartTls, World};

fn second(world: &mut World, domain: &str, edit: impl Fn(&mut SmtpService)) {
    world.edit_mx(domain, 1, edit);
}

fn both(world: &mut World, domain: &str, edit: impl Fn(&mut SmtpService)) {
    world.edit_mx(domain, 0, &edit);
    world.edit_mx(domain, 1, &edit);
}

fn one_address(world: &mut World, domain: &str, edit: impl Fn(&mut SmtpService)) {
    let address: Option<IpAddr> =
        world.domains.get(domain).and_then(|entry| entry.mx[1].addresses.get(1).copied());
    if let Some(service) = address.and_then(|address| world.machine(address).smtp.as_mut()) {
        edit(service);
    }
}

pub(super) static LIST: &[Fault] = &[
    fault(
        "starttls-missing-on-one",
        "one of the MX hosts does not offer STARTTLS",
        |world, domain| second(world, domain, |service| service.starttls = StartTls::Missing),
        "at-risk",
        &["mx-no-starttls"],
    ),
    fault(
        "starttls-missing-on-all",
        "no MX host offers STARTTLS",
        |world, domain| both(world, domain, |service| service.starttls = StartTls::Missing),
        "refused",
        &["mx-no-starttls"],
    ),
    fault(
        "starttls-missing-on-one-address",
        "one address of one MX host does not offer STARTTLS",
        |world, domain| one_address(world, domain, |service| service.starttls = StartTls::Missing),
        "at-risk",
        &["mx-no-starttls"],
    ),
    fault(
        "starttls-refused",
        "one of the MX hosts offers STARTTLS and refuses it",
        |world, domain| {
            second(world, domain, |service| {
                service.starttls = StartTls::Refused(454, "4.7.0 TLS not available".to_owned());
            });
        },
        "at-risk",
        &["mx-starttls-refused"],
    ),
    fault(
        "starttls-closes",
        "one of the MX hosts hangs up after STARTTLS",
        |world, domain| second(world, domain, |service| service.starttls = StartTls::Closes),
        "at-risk",
        &["mx-tls-failed"],
    ),
    fault(
        "starttls-noise",
        "one of the MX hosts speaks no TLS after STARTTLS",
        |world, domain| second(world, domain, |service| service.starttls = StartTls::Noise),
        "at-risk",
        &["mx-tls-failed"],
    ),
    slow(fault(
        "starttls-silent",
        "one of the MX hosts falls silent after STARTTLS",
        |world, domain| second(world, domain, |service| service.starttls = StartTls::Silent),
        "at-risk",
        &["mx-tls-failed"],
    )),
    fault(
        "mx-no-certificate",
        "one of the MX hosts has no certificate and ends the handshake",
        |world, domain| second(world, domain, |service| service.tls.otherwise = None),
        "at-risk",
        &["mx-tls-failed"],
    ),
    fault(
        "mx-old-tls",
        "one of the MX hosts speaks TLS 1.0 alone",
        |world, domain| second(world, domain, |service| service.tls.versions = TLS10),
        "at-risk",
        &["mx-tls-too-old"],
    ),
    fault(
        "mx-odd-tls",
        "one of the MX hosts speaks TLS 1.2 with RSA key exchange alone",
        |world, domain| second(world, domain, |service| service.tls.versions = TLS12_RSA_ONLY),
        "unknown",
        &["mx-tls-not-testable"],
    ),
    fault(
        "mx-down",
        "nobody listens at one of the MX hosts",
        |world, domain| second(world, domain, |service| service.reach = Reach::Refused),
        "delivers",
        &["mx-unreachable"],
    ),
    fault(
        "mx-one-address-down",
        "nobody listens at one address of one MX host",
        |world, domain| one_address(world, domain, |service| service.reach = Reach::Refused),
        "delivers",
        &["mx-unreachable"],
    ),
    slow(fault(
        "mx-silent",
        "packets to one of the MX hosts vanish",
        |world, domain| second(world, domain, |service| service.reach = Reach::Silent),
        "delivers",
        &["mx-unreachable"],
    )),
    fault(
        "mx-all-down",
        "nobody listens at any MX host",
        |world, domain| both(world, domain, |service| service.reach = Reach::Refused),
        "unknown",
        &["mx-unreachable"],
    ),
    fault(
        "mx-turns-away",
        "one of the MX hosts greets with a refusal",
        |world, domain| {
            second(world, domain, |service| {
                service.greeting = Greeting::Refusal(554, "5.7.1 no service for you".to_owned());
            });
        },
        "delivers",
        &["mx-refuses-connection"],
    ),
    fault(
        "mx-hangs-up",
        "one of the MX hosts hangs up before it greets",
        |world, domain| second(world, domain, |service| service.greeting = Greeting::Closes),
        "delivers",
        &["mx-broken"],
    ),
    fault(
        "mx-noise",
        "one of the MX hosts speaks something that is not SMTP",
        |world, domain| second(world, domain, |service| service.greeting = Greeting::Noise),
        "delivers",
        &["mx-broken"],
    ),
    slow(fault(
        "mx-says-nothing",
        "one of the MX hosts does not greet",
        |world, domain| second(world, domain, |service| service.greeting = Greeting::Silent),
        "delivers",
        &["mx-broken"],
    )),
    fault(
        "mx-new-not-in-policy",
        "a third MX host was added, and the policy forgot it",
        |world, domain| {
            world.add_mx(domain, &format!("mx3.{domain}"), 30);
        },
        "at-risk",
        &["mx-not-in-policy"],
    ),
    fault(
        "mx-below-wildcard",
        "an MX host two labels below the wildcard of the policy",
        |world, domain| {
            world.add_mx(domain, &format!("a.b.{domain}"), 30);
            let policy = world.domains.get(domain).and_then(|entry| entry.policy.clone());
            if let Some(mut policy) = policy {
                policy.mx = vec![format!("*.{domain}")];
                world.publish(domain, "20260101000001", policy);
            }
        },
        "at-risk",
        &["mx-not-in-policy", "policy-pattern-wildcard"],
    ),
    fault(
        "mx-null-with-policy",
        "the domain takes no mail, its reports neither, and publishes a policy",
        |world, domain| world.node(domain).set_mx(&[(0, "")]),
        "none",
        &["mx-null-with-policy", "tlsrpt-rua-takes-no-mail"],
    ),
    fault(
        "mx-null-among-others",
        "a null MX beside the others",
        |world, domain| {
            let (one, two) = (format!("mx1.{domain}"), format!("mx2.{domain}"));
            world.node(domain).set_mx(&[(0, ""), (10, &one), (20, &two)]);
        },
        "delivers",
        &["mx-null-among-others"],
    ),
    fault(
        "mx-implicit",
        "no MX record: the domain itself takes its mail, and the policy lists it",
        |world, domain| {
            let addresses =
                world.domains.get(domain).map(|entry| entry.mx[0].addresses.clone()).unwrap_or_default();
            world.node(domain).set_mx(&[]);
            world.set_addresses(domain, &addresses);
            world.edit_mx_certificate(domain, 0, |certificate, _| {
                certificate.names = vec![super::DOMAIN.to_owned()];
            });
            let policy = world.domains.get(domain).and_then(|entry| entry.policy.clone());
            if let Some(mut policy) = policy {
                policy.mx = vec![domain.to_owned()];
                world.publish(domain, "20260101000001", policy);
            }
        },
        "delivers",
        &["mx-implicit"],
    ),
    fault(
        "mx-none",
        "neither MX records nor addresses, for reports neither",
        |world, domain| world.node(domain).set_mx(&[]),
        "refused",
        &["mx-none", "tlsrpt-rua-takes-no-mail"],
    ),
    fault(
        "mx-address-literal",
        "an MX record that holds an address",
        |world, domain| {
            let (one, two) = (format!("mx1.{domain}"), format!("mx2.{domain}"));
            world.node(domain).set_mx(&[(10, &one), (20, &two), (30, "192.0.2.1")]);
        },
        "at-risk",
        &["mx-address-literal"],
    ),
    fault(
        "mx-no-address",
        "one of the MX hosts is not in DNS",
        |world, domain| world.set_addresses(&format!("mx2.{domain}"), &[]),
        "at-risk",
        &["mx-no-address"],
    ),
    fault(
        "mx-alias",
        "one of the MX hosts is an alias",
        |world, domain| {
            let addresses =
                world.domains.get(domain).map(|entry| entry.mx[1].addresses.clone()).unwrap_or_default();
            let (host, target) = (format!("mx2.{domain}"), format!("real.{domain}"));
            world.set_addresses(&target, &addresses);
            world.set_addresses(&host, &[]);
            world.node(&host).alias = Some(target);
        },
        "delivers",
        &["mx-alias"],
    ),
    fault(
        "subdomain-takes-mail",
        "a sub-domain takes mail and has no policy",
        |world, domain| {
            let one = format!("mx1.{domain}");
            world.node(&format!("lists.{domain}")).set_mx(&[(10, &one)]);
        },
        "delivers",
        &["subdomain-without-policy"],
    ),
    fault(
        "mx-elsewhere-signed",
        "the MX hosts of an unsigned domain stand in the signed zone of a provider: no fault at all",
        |world, domain| {
            world.ensure_zone("provider.test", Signing::Signed);
            let addresses =
                world.domains.get(domain).map(|entry| entry.mx[0].addresses.clone()).unwrap_or_default();
            world.set_addresses("mx.provider.test", &addresses);
            world.node(domain).set_mx(&[(10, "mx.provider.test")]);
            world.edit_mx_certificate(domain, 0, |certificate, _| {
                certificate.names = vec!["mx.provider.test".to_owned()];
            });
            let policy = world.domains.get(domain).and_then(|entry| entry.policy.clone());
            if let Some(mut policy) = policy {
                policy.mx = vec!["mx.provider.test".to_owned()];
                world.publish(domain, "20260101000001", policy);
            }
        },
        "delivers",
        &[],
    ),
];
