//! The TLSRPT record, and the places that it names.

use super::{Fault, fault};
use crate::world::{CertificateSpec, HttpsService, ReportDesk, Site, World};

fn txt(world: &mut World, domain: &str, texts: &[&str]) {
    world.set_txt(&format!("_smtp._tls.{domain}"), texts);
}

/// A host at which reports are posted.
fn desk(world: &mut World, host: &str, certificate: &CertificateSpec) {
    for address in world.add_host(host, 1) {
        let mut service = HttpsService::healthy(certificate.clone());
        let desks = [("/v1/tlsrpt".to_owned(), ReportDesk { status: 201 })].into();
        service.sites.insert(host.to_owned(), Site { desks, ..Site::default() });
        world.machine(address).https = Some(service);
    }
}

pub(super) static LIST: &[Fault] = &[
    fault(
        "tlsrpt-missing",
        "no TLSRPT record beside an enforced policy",
        |world, domain| txt(world, domain, &[]),
        "delivers",
        &["enforced-without-reports"],
    ),
    fault(
        "tlsrpt-doubled",
        "two TLSRPT records",
        |world, domain| {
            txt(
                world,
                domain,
                &["v=TLSRPTv1; rua=mailto:a@alpha.test", "v=TLSRPTv1; rua=mailto:b@alpha.test"],
            );
        },
        "delivers",
        &["tlsrpt-multiple"],
    ),
    fault(
        "tlsrpt-malformed",
        "a TLSRPT record without rua",
        |world, domain| txt(world, domain, &["v=TLSRPTv1; ruf=mailto:a@alpha.test"]),
        "delivers",
        &["tlsrpt-malformed"],
    ),
    fault(
        "tlsrpt-at-wrong-name",
        "the TLSRPT record stands at _tlsrpt",
        |world, domain| {
            txt(world, domain, &[]);
            world.set_txt(&format!("_tlsrpt.{domain}"), &["v=TLSRPTv1; rua=mailto:a@alpha.test"]);
        },
        "delivers",
        &["tlsrpt-at-wrong-name"],
    ),
    fault(
        "tlsrpt-rua-nowhere",
        "reports go to a domain that is not there",
        |world, domain| txt(world, domain, &["v=TLSRPTv1; rua=mailto:reports@gone.test"]),
        "delivers",
        &["tlsrpt-rua-takes-no-mail"],
    ),
    fault(
        "tlsrpt-unknown-scheme",
        "one of two places is of no known scheme",
        |world, domain| txt(world, domain, &["v=TLSRPTv1; rua=mailto:a@alpha.test,ftp://alpha.test/reports"]),
        "delivers",
        &["tlsrpt-unknown-scheme"],
    ),
    fault(
        "tlsrpt-https",
        "reports are posted to an end point that answers: no fault at all",
        |world, domain| {
            let certificate = CertificateSpec::healthy(&["reports.alpha.test"], world.now);
            desk(world, "reports.alpha.test", &certificate);
            txt(world, domain, &["v=TLSRPTv1; rua=https://reports.alpha.test/v1/tlsrpt"]);
        },
        "delivers",
        &[],
    ),
    fault(
        "tlsrpt-https-down",
        "nobody listens at the end point for reports",
        |world, domain| {
            world.add_host("reports.alpha.test", 1);
            txt(world, domain, &["v=TLSRPTv1; rua=https://reports.alpha.test/v1/tlsrpt"]);
        },
        "delivers",
        &["tlsrpt-rua-unreachable"],
    ),
    fault(
        "tlsrpt-https-certificate",
        "the end point for reports has a certificate for another name",
        |world, domain| {
            let certificate = CertificateSpec::healthy(&["www.example"], world.now);
            desk(world, "reports.alpha.test", &certificate);
            txt(world, domain, &["v=TLSRPTv1; rua=https://reports.alpha.test/v1/tlsrpt"]);
        },
        "delivers",
        &["tlsrpt-rua-certificate"],
    ),
];
