//! The policy, its host, and how it is served.

use std::io::Write;
use std::net::IpAddr;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{Fault, fault, slow};
use crate::world::{Mode, Page, Policy, PolicyHost, Reach, World};

/// Serves the policy with its text edited.
fn text(world: &mut World, domain: &str, edit: impl Fn(String) -> String) {
    page(world, domain, |page| page.body = edit(String::from_utf8_lossy(&page.body).into_owned()).into());
}

/// Serves the policy's page edited.
fn page(world: &mut World, domain: &str, edit: impl Fn(&mut Page)) {
    world.edit_sites(domain, |site| site.pages.values_mut().for_each(&edit));
}

/// Publishes the policy edited.
fn policy(world: &mut World, domain: &str, edit: impl Fn(&mut Policy)) {
    let Some(entry) = world.domains.get(domain) else { return };
    if let Some(mut policy) = entry.policy.clone() {
        let id = entry.policy_id.clone();
        edit(&mut policy);
        world.publish(domain, &id, policy);
    }
}

fn host(world: &World, domain: &str) -> Option<PolicyHost> {
    world.domains.get(domain)?.policy_host.clone()
}

fn at_second_address(world: &mut World, domain: &str, edit: impl Fn(&mut crate::world::HttpsService)) {
    let address: Option<IpAddr> = host(world, domain).and_then(|host| host.addresses.get(1).copied());
    if let Some(service) = address.and_then(|address| world.machine(address).https.as_mut()) {
        edit(service);
    }
}

pub(super) static LIST: &[Fault] = &[
    fault(
        "policy-404",
        "there is no such page",
        |world, domain| world.serve(domain, &Page::status(404)),
        "broken",
        &["policy-http-status"],
    ),
    fault(
        "policy-500",
        "the web server has an internal error",
        |world, domain| world.serve(domain, &Page::status(500)),
        "broken",
        &["policy-http-status"],
    ),
    fault(
        "policy-redirect",
        "a redirect to another place",
        |world, domain| {
            let location = Some(format!("https://www.{domain}/.well-known/mta-sts.txt"));
            world.serve(domain, &Page { location, ..Page::status(301) });
        },
        "broken",
        &["policy-redirect"],
    ),
    fault(
        "policy-html",
        "a web page in place of the policy",
        |world, domain| {
            let body = "<!DOCTYPE html>\n<html><head><title>Welcome</title></head><body></body></html>\n";
            world.serve(domain, &Page { content_type: Some("text/html".to_owned()), ..Page::text(body) });
        },
        "broken",
        &["policy-html"],
    ),
    fault(
        "policy-wrong-type",
        "the policy is declared as octets",
        |world, domain| {
            page(world, domain, |page| page.content_type = Some("application/octet-stream".to_owned()));
        },
        "delivers",
        &["policy-media-type"],
    ),
    slow(fault(
        "policy-slow",
        "nothing comes for two minutes",
        |world, domain| page(world, domain, |page| page.delay = Duration::from_secs(120)),
        "broken",
        &["policy-host-slow"],
    )),
    slow(fault(
        "policy-stalls",
        "the body stops in the middle",
        |world, domain| page(world, domain, |page| page.stalls_after = Some(20)),
        "broken",
        &["policy-host-slow"],
    )),
    fault(
        "policy-huge",
        "a policy of 70 KiB",
        |world, domain| text(world, domain, |text| format!("{text}{}", "note: x\r\n".repeat(8_000))),
        "broken",
        &["policy-too-large"],
    ),
    fault(
        "policy-compressed",
        "gzip that nobody asked for",
        |world, domain| {
            page(world, domain, |page| {
                let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
                let packed = gzip.write_all(&page.body).and_then(|()| gzip.finish());
                page.body = packed.unwrap_or_default().into();
                page.content_encoding = Some("gzip".to_owned());
            });
        },
        "broken",
        &["policy-compressed"],
    ),
    fault(
        "policy-bom",
        "a byte order mark before the first line, which most senders pass over",
        |world, domain| text(world, domain, |text| format!("\u{feff}{text}")),
        "delivers",
        &["policy-byte-order-mark"],
    ),
    fault(
        "policy-blank-line",
        "a blank line at the end, which most senders pass over",
        |world, domain| text(world, domain, |text| format!("{text}\r\n")),
        "delivers",
        &["policy-blank-line"],
    ),
    fault(
        "policy-without-mode",
        "no mode",
        |world, domain| text(world, domain, |text| text.replace("mode: enforce\r\n", "")),
        "broken",
        &["policy-field-missing"],
    ),
    fault(
        "policy-without-mx",
        "no mx",
        |world, domain| policy(world, domain, |policy| policy.mx.clear()),
        "broken",
        &["policy-field-missing"],
    ),
    fault(
        "policy-mode-unknown",
        "a mode that there is not",
        |world, domain| text(world, domain, |text| text.replace("enforce", "enforced")),
        "broken",
        &["policy-mode-invalid"],
    ),
    fault(
        "policy-version-unknown",
        "the version of the future",
        |world, domain| text(world, domain, |text| text.replace("STSv1", "STSv2")),
        "broken",
        &["policy-version-invalid"],
    ),
    fault(
        "policy-max-age-not-a-number",
        "max_age in words",
        |world, domain| text(world, domain, |text| text.replace("2419200", "4 weeks")),
        "broken",
        &["policy-max-age-invalid"],
    ),
    fault(
        "policy-max-age-hour",
        "max_age of an hour",
        |world, domain| policy(world, domain, |policy| policy.max_age = 3_600),
        "delivers",
        &["policy-max-age-too-short"],
    ),
    fault(
        "policy-max-age-days",
        "max_age of three days",
        |world, domain| policy(world, domain, |policy| policy.max_age = 3 * 86_400),
        "delivers",
        &["policy-max-age-short"],
    ),
    fault(
        "policy-max-age-over",
        "max_age above the maximum, which most senders cut down to it",
        |world, domain| policy(world, domain, |policy| policy.max_age = 40_000_000),
        "delivers",
        &["policy-max-age-over-maximum"],
    ),
    fault(
        "policy-duplicate-field",
        "two modes, of which the first counts",
        |world, domain| text(world, domain, |text| format!("{text}mode: none\r\n")),
        "delivers",
        &["policy-duplicate-field"],
    ),
    fault(
        "policy-mode-none",
        "the policy says that there is none",
        |world, domain| policy(world, domain, |policy| policy.mode = Mode::None),
        "none",
        &["policy-mode-none"],
    ),
    fault(
        "policy-mode-testing",
        "the policy tests",
        |world, domain| policy(world, domain, |policy| policy.mode = Mode::Testing),
        "delivers",
        &["policy-mode-testing"],
    ),
    fault(
        "policy-mx-underscore",
        "an mx that is no domain name",
        |world, domain| text(world, domain, |text| format!("{text}mx: mail_1.example\r\n")),
        "broken",
        &["policy-mx-invalid"],
    ),
    fault(
        "policy-mx-u-label",
        "an mx in letters beyond ASCII",
        |world, domain| text(world, domain, |text| format!("{text}mx: mäil.example\r\n")),
        "broken",
        &["policy-mx-not-a-label"],
    ),
    fault(
        "policy-mx-dot",
        "a dot at the end of each mx, which most senders pass over",
        |world, domain| text(world, domain, |text| text.replace(".test\r\n", ".test.\r\n")),
        "delivers",
        &["policy-mx-dot-at-end"],
    ),
    fault(
        "policy-pattern-unused",
        "a pattern that no mail server matches",
        |world, domain| policy(world, domain, |policy| policy.mx.push("old.example".to_owned())),
        "delivers",
        &["policy-pattern-unused"],
    ),
    fault(
        "policy-pattern-too-broad",
        "every host under the top level may be the mail server",
        |world, domain| policy(world, domain, |policy| policy.mx.push("*.com".to_owned())),
        "delivers",
        &["policy-pattern-too-broad"],
    ),
    fault(
        "policy-pattern-wildcard",
        "a wildcard over the domain in place of names",
        |world, domain| policy(world, domain, |policy| policy.mx = vec![format!("*.{domain}")]),
        "delivers",
        &["policy-pattern-wildcard"],
    ),
    fault(
        "policy-forgets-mx",
        "the policy lists one of the two MX hosts",
        |world, domain| policy(world, domain, |policy| policy.mx.truncate(1)),
        "at-risk",
        &["mx-not-in-policy"],
    ),
    fault(
        "policy-of-others",
        "the policy lists other hosts alone",
        |world, domain| policy(world, domain, |policy| policy.mx = vec!["mx.example".to_owned()]),
        "refused",
        &["mx-not-in-policy", "policy-pattern-unused"],
    ),
    fault(
        "policy-host-missing",
        "the policy host is not in DNS",
        |world, domain| world.set_addresses(&format!("mta-sts.{domain}"), &[]),
        "broken",
        &["policy-host-missing"],
    ),
    fault(
        "policy-host-down",
        "nobody listens at the policy host",
        |world, domain| world.edit_policy_hosts(domain, |service, _| service.reach = Reach::Refused),
        "broken",
        &["policy-host-unreachable"],
    ),
    slow(fault(
        "policy-host-silent",
        "packets to the policy host vanish",
        |world, domain| world.edit_policy_hosts(domain, |service, _| service.reach = Reach::Silent),
        "broken",
        &["policy-host-unreachable"],
    )),
    fault(
        "policy-host-one-address-down",
        "one of the two addresses of the policy host is dead",
        |world, domain| at_second_address(world, domain, |service| service.reach = Reach::Refused),
        "delivers",
        &["policy-host-unreachable"],
    ),
    fault(
        "policy-addresses-differ",
        "the second address serves an older policy",
        |world, domain| {
            at_second_address(world, domain, |service| {
                for page in service.sites.values_mut().flat_map(|site| site.pages.values_mut()) {
                    page.body = String::from_utf8_lossy(&page.body).replace("2419200", "1209600").into();
                }
            });
        },
        "delivers",
        &["policy-addresses-differ"],
    ),
    fault(
        "policy-host-unknown-name",
        "the web server knows no such name and ends the handshake",
        |world, domain| {
            world.edit_policy_hosts(domain, |service, host| {
                service.tls.by_name.remove(host);
                service.tls.otherwise = None;
            });
        },
        "broken",
        &["policy-host-tls-failed"],
    ),
];
