//! The explanations' contract: complete, safe to paste, and no conclusion dressed up as an observation.

use super::*;
use proptest::prelude::*;

fn all() -> Vec<(&'static str, &'static Explanation)> {
    let mut all: Vec<_> =
        ResultType::REGISTERED.iter().map(|result| (name(result), explain(result))).collect();
    all.push(("unknown", explain(&ResultType::Unknown("x".into()))));
    all
}

/// The wire word with a static life, for messages.
fn name(result: &ResultType) -> &'static str {
    Box::leak(result.as_wire().to_owned().into_boxed_str())
}

/// Proves: H12
#[test]
fn every_result_type_has_an_explanation_of_its_own() {
    let mut titles: Vec<&str> = all().iter().map(|(_, explanation)| explanation.title).collect();
    titles.sort_unstable();
    titles.dedup();
    assert_eq!(titles.len(), 12);
    for (result, explanation) in all() {
        assert!(!explanation.causes.is_empty(), "{result}");
        assert_eq!(explanation.side(), explanation.causes[0].side);
        for text in texts(explanation) {
            assert!(!text.trim().is_empty() && !text.contains("  "), "{result}: {text:?}");
        }
    }
}

#[test]
fn nothing_in_a_text_is_left_as_a_placeholder_or_a_registered_word() {
    for (result, explanation) in all() {
        let filled = explanation.fill(&Context::default());
        let shown = format!("{filled:?}");
        for unfilled in ["{domain}", "{mx}", "{mx_addr}", "{sender_ip}"] {
            assert!(!shown.contains(unfilled), "{result}: {unfilled}");
        }
        // A person who has never seen the word must not need it.
        let words = ResultType::REGISTERED.iter().filter(|known| shown.contains(known.as_wire())).count();
        assert_eq!(words, 0, "{result} explains itself by a registered word");
    }
}

/// Design, mission rule 1 and 5: an attack is a candidate, the last one, and never answered by relaxing the policy.
#[test]
fn an_attack_is_the_last_candidate_and_its_fix_keeps_the_policy() {
    for (result, explanation) in all() {
        for (index, cause) in explanation.causes.iter().enumerate() {
            if cause.side == Side::Path {
                assert_eq!(index + 1, explanation.causes.len(), "{result}");
                assert!(
                    cause.fix.contains("Keep the")
                        || cause.fix.contains("keep the")
                        || cause.fix.contains("Nothing on your side")
                );
            }
        }
    }
    for attackable in [
        ResultType::StarttlsNotSupported,
        ResultType::CertificateHostMismatch,
        ResultType::StsPolicyFetchError,
    ] {
        assert!(explain(&attackable).causes.iter().any(|cause| cause.side == Side::Path));
    }
}

/// Proves: E7, C3
#[test]
fn what_enforcement_would_do_depends_on_result_and_policy() {
    use Enforcement::{Delayed, Delivered, NothingToEnforce, Refused, Unknown};
    let rows = [
        (ResultType::StarttlsNotSupported, PolicyType::Sts, Refused),
        (ResultType::StarttlsNotSupported, PolicyType::NoPolicyFound, NothingToEnforce),
        (ResultType::CertificateExpired, PolicyType::Sts, Refused),
        (ResultType::ValidationFailure, PolicyType::Sts, Refused),
        (ResultType::TlsaInvalid, PolicyType::Tlsa, Refused),
        (ResultType::DnssecInvalid, PolicyType::Tlsa, Delayed),
        (ResultType::DaneRequired, PolicyType::NoPolicyFound, Refused),
        (ResultType::StsPolicyFetchError, PolicyType::Sts, Delivered),
        (ResultType::StsPolicyInvalid, PolicyType::NoPolicyFound, Delivered),
        (ResultType::StsWebpkiInvalid, PolicyType::Sts, Delivered),
        (ResultType::Unknown("x".into()), PolicyType::Sts, Unknown),
    ];
    for (result, policy, expected) in rows {
        assert_eq!(enforcement(&result, &policy), expected, "{result:?} under {policy:?}");
    }
    assert_eq!(Refused.holds_mail_back(), Some(true));
    assert_eq!(Delivered.holds_mail_back(), Some(false));
    assert_eq!(Unknown.holds_mail_back(), None);
}

#[test]
fn values_that_prove_to_be_hosts_and_addresses_are_filled_in() {
    let context = Context {
        domain: Some("example.com"),
        mx: Some("MX1.example.com."),
        mx_ip: Some("2001:db8::1"),
        sender_ip: Some("192.0.2.7"),
    };
    assert_eq!(
        context.fill("a {domain} b {mx} c '{mx_addr}:25' d {sender_ip} %{http_code} {"),
        "a example.com b MX1.example.com c '[2001:db8::1]:25' d 192.0.2.7 %{http_code} {"
    );
    assert_eq!(
        Context::default().fill("{domain} {mx} {mx_addr} {sender_ip}"),
        "DOMAIN MX ADDRESS SENDER-ADDRESS"
    );
    let filled = explain(&ResultType::CertificateExpired).fill(&context);
    assert!(
        filled.causes[0].commands[0].contains("-connect MX1.example.com:25 -servername MX1.example.com ")
    );
}

/// Design: what a shell sees is quoted. Here: what could mean anything to a shell is not let in.
#[test]
fn a_hostile_value_leaves_its_placeholder() {
    let hostile = [
        "x;rm -rf ~",
        "$(id)",
        "`id`",
        "a b",
        "-oProxyCommand=id",
        "a.-b",
        "a\nb",
        "a'b",
        "a\"b",
        "a|b",
        "a&b",
        "a>b",
        "*",
        "~",
        "",
        ".",
        "a..b",
        "ä.example",
        "{mx}",
        "a/b",
        "a\\b",
        "#a",
        "a!b",
        "::1",
        "1.2.3.4:25",
    ];
    for value in hostile {
        let context = Context {
            domain: Some(value),
            mx: Some(value),
            mx_ip: Some("1.2.3.4 ; id"),
            sender_ip: Some("x"),
        };
        assert_eq!(
            context.fill("{domain} {mx} {mx_addr} {sender_ip}"),
            "DOMAIN MX ADDRESS SENDER-ADDRESS",
            "{value:?}"
        );
    }
}

#[test]
fn every_command_is_one_line_that_a_shell_can_parse() {
    for (result, explanation) in all() {
        for command in explanation.causes.iter().flat_map(|cause| cause.commands) {
            assert!(!command.contains('\n') && !command.contains("  "), "{result}: {command}");
            assert_eq!(command.matches('\'').count() % 2, 0, "{result}: {command}");
            assert_eq!(command.matches('"').count() % 2, 0, "{result}: {command}");
            // Brackets of an IPv6 address are a pattern to a shell unless quoted.
            assert_eq!(
                command.matches("{mx_addr}").count(),
                command.matches("'{mx_addr}:25'").count(),
                "{command}"
            );
        }
    }
}

#[test]
fn well_known_reasons_are_put_into_words() {
    let rows = [
        (ResultType::CertificateNotTrusted, "X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "intermediate"),
        (ResultType::CertificateNotTrusted, "X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT", "self-signed"),
        (
            ResultType::CertificateNotTrusted,
            "self-signed certificate in certificate chain",
            "root of your own",
        ),
        (ResultType::CertificateExpired, "certificate has expired", "last day"),
        (ResultType::ValidationFailure, "X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED", "not allowed to sign"),
        (ResultType::ValidationFailure, "MX_HOSTS_MISMATCH", "mx: line"),
        (ResultType::ValidationFailure, "tls: handshake failure", "TLS 1.2"),
        (
            ResultType::StsPolicyFetchError,
            "unable to do http request: Get \"https://mta-sts.x.example/\": context deadline exceeded",
            "too long",
        ),
        (ResultType::StsPolicyFetchError, "dial tcp: lookup mta-sts.x.example: no such host", "no address"),
        (ResultType::StsPolicyFetchError, "unexpected status 404", "no file"),
        (ResultType::StsPolicyFetchError, "HTTP/1.1 301", "redirect"),
        (
            ResultType::CertificateHostMismatch,
            "4.7.5 certificate subject does not match host",
            "does not hold the name",
        ),
    ];
    for (result, reason, word) in rows {
        let hint = hint(&result, reason).unwrap_or_else(|| panic!("{reason}"));
        assert!(hint.text.contains(word), "{reason}: {}", hint.text);
    }
    for nothing in ["", "VALIDATION_FAILURE", "<script>alert(1)</script>", "404 sessions"] {
        assert_eq!(hint(&ResultType::ValidationFailure, nothing), None, "{nothing}");
    }
    let late = format!("{}connection refused", "x".repeat(5_000));
    assert_eq!(hint(&ResultType::ValidationFailure, &late), None, "only the beginning is looked at");
}

/// Proves: E3, H12
#[test]
fn an_mx_outside_the_applied_policy_is_deduced_from_the_row() {
    let rows: [(&str, &[&str], &[&str], bool); 10] = [
        ("a.h-v1.mx.example", &["*.mx.example"], &[], true),
        ("a.mx.example", &["*.mx.example"], &[], false),
        ("mx.example", &["*.mx.example"], &[], true),
        ("MX1.Example.", &["mx1.example"], &[], false),
        ("mx3.example", &[], &["version: STSv1", "mx: mx1.example", "mx:mx2.example"], true),
        ("mx2.example", &[], &["version: STSv1", "mx: mx1.example", "mx:mx2.example"], false),
        ("mx2.example", &["mx1.example"], &["mx: mx2.example"], false),
        ("mx2.example", &[], &["version: STSv1"], false),
        ("", &["mx1.example"], &[], false),
        ("mx.example", &["mx.m\u{fc}ller.example"], &[], false),
    ];
    for (mx, mx_patterns, policy_lines, outside) in rows {
        let facts = RowFacts {
            result: &ResultType::ValidationFailure,
            policy_type: &PolicyType::Sts,
            mx: Some(mx),
            mx_patterns,
            policy_lines,
        };
        assert_eq!(
            deduce(&facts),
            outside.then_some(Deduction::MxOutsidePolicy),
            "{mx} {mx_patterns:?} {policy_lines:?}"
        );
        let dane = RowFacts { policy_type: &PolicyType::Tlsa, ..facts };
        assert_eq!(deduce(&dane), None);
        let expired = RowFacts { result: &ResultType::CertificateExpired, ..facts };
        assert_eq!(deduce(&expired), None);
    }
}

/// Proves: H4
#[test]
fn every_policy_type_has_an_explanation() {
    for policy in PolicyType::REGISTERED {
        assert!(!explain_policy_type(&policy).meaning.is_empty());
    }
    assert!(explain_policy_type(&PolicyType::Unknown("x".into())).title.contains("does not know"));
}

fn texts(explanation: &'static Explanation) -> Vec<&'static str> {
    let mut texts = vec![explanation.title, explanation.meaning];
    for cause in explanation.causes {
        texts.extend([cause.what, cause.verify, cause.fix]);
    }
    texts
}

proptest! {
    #[test]
    fn whatever_a_report_says_a_command_holds_only_harmless_characters(value in ".{0,40}", ip in ".{0,40}") {
        let context = Context { domain: Some(&value), mx: Some(&value), mx_ip: Some(&ip), sender_ip: Some(&ip) };
        let filled = context.fill("{domain} {mx} {sender_ip}");
        prop_assert!(filled.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" .-_:".contains(&byte)), "{}", filled);
        prop_assert!(filled.split(' ').all(|word| !word.starts_with('-')));
    }

    #[test]
    fn any_reason_is_read_without_harm(text in ".{0,300}") {
        for result in ResultType::REGISTERED {
            let _ = hint(&result, &text);
        }
    }
}
