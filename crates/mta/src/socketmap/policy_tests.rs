use super::*;
use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

fn patterns(texts: &[&str]) -> Vec<MxPattern> {
    texts.iter().map(|text| MxPattern::parse(text).unwrap()).collect()
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

fn enforced(texts: &[&str]) -> PolicyReply {
    PolicyReply {
        level: Level::Secure(patterns(texts)),
        send_server_name: true,
        sts: Some(StsAttributes {
            policy_domain: "ext.example".to_owned(),
            policy_strings: strings(&["version: STSv1", "mode: enforce"]),
            mx_patterns: patterns(texts),
            failure: None,
        }),
    }
}

/// The payload of the answer's netstring.
fn payload(rendering: &Rendering) -> String {
    let wire = rendering.reply.as_bytes();
    let taken = super::super::netstring::take(wire, MAX_REPLY_BYTES).unwrap().unwrap();
    assert_eq!(taken.length, wire.len());
    String::from_utf8(wire[taken.payload].to_vec()).unwrap()
}

fn said(policy: PolicyReply, dialect: Dialect) -> String {
    payload(&render(&MtaPolicy::Apply(policy), dialect))
}

/// Proves: E2, E5
#[test]
fn an_enforced_policy_is_spelled_in_both_dialects() {
    let policy = enforced(&["mx1.ext.example", "*.mail.example", "mx1.ext.example"]);
    assert_eq!(
        said(policy.clone(), Dialect::Classic),
        "OK secure match=mx1.ext.example:.mail.example servername=hostname"
    );
    assert_eq!(
        said(policy, Dialect::TlsRpt),
        "OK secure match=mx1.ext.example:.mail.example servername=hostname policy_type=sts \
         policy_domain=ext.example mx_host_pattern=mx1.ext.example mx_host_pattern=*.mail.example \
         mx_host_pattern=mx1.ext.example { policy_string = version: STSv1 } { policy_string = mode: enforce }"
    );
}

#[test]
fn every_level_has_only_what_postfix_takes_there() {
    let with = |level| {
        let sts = StsAttributes { failure: Some(PolicyFailure::WebPki), ..StsAttributes::default() };
        PolicyReply { level, send_server_name: true, sts: Some(sts) }
    };
    let attributes = " policy_type=sts policy_failure=sts-webpki-invalid";
    for (level, expected) in [
        (Level::None, "OK none".to_owned()),
        (Level::May, format!("OK may servername=hostname{attributes}")),
        (Level::Encrypt, format!("OK encrypt servername=hostname{attributes}")),
        (Level::Dane, format!("OK dane{attributes}")),
        (Level::DaneOnly, format!("OK dane-only{attributes}")),
        (Level::Secure(Vec::new()), format!("OK secure servername=hostname{attributes}")),
    ] {
        assert_eq!(said(with(level), Dialect::TlsRpt), expected);
    }
    assert_eq!(payload(&render(&MtaPolicy::NotFound, Dialect::TlsRpt)), "NOTFOUND ");
    let later = MtaPolicy::TryLater("DNS is silent".to_owned());
    assert_eq!(payload(&render(&later, Dialect::Classic)), "TEMP DNS is silent");
}

#[test]
fn a_policy_line_cannot_break_out_of_its_braces() {
    let mut policy = enforced(&["mx.example"]);
    let long = "x".repeat(MAX_LINE_BYTES + 1);
    let hostile = [
        "x: } { policy_type=no-policy-found",
        "x: {",
        "x: a\nb",
        "x: a\u{85}b",
        "x: \u{7f}",
        "",
        " \t ",
        "fine:\tü = , ; \"q\" ",
        long.as_str(),
    ];
    policy.sts.as_mut().unwrap().policy_strings = strings(&hostile);
    let rendering = render(&MtaPolicy::Apply(policy), Dialect::TlsRpt);
    assert_eq!(rendering.left_out, LeftOut { lines: 8, ..LeftOut::default() });
    assert!(
        payload(&rendering).ends_with("mx_host_pattern=mx.example { policy_string = fine: ü = , ; \"q\" }")
    );
}

#[test]
fn a_pattern_that_is_a_keyword_of_postfix_matches_nothing() {
    let policy = enforced(&["hostname", "nexthop", "dot-nexthop", "*.hostname"]);
    assert_eq!(
        said(policy, Dialect::Classic),
        "OK secure match=nothing.invalid:.hostname servername=hostname"
    );
}

#[test]
fn a_domain_that_postfix_would_refuse_is_left_out() {
    for domain in ["bücher.example", "-a.example", "a-.example", "a..b", "a.", "", "192.0.2.1", "a b", "a}b"]
    {
        let mut policy = enforced(&["mx.example"]);
        policy.sts.as_mut().unwrap().policy_domain = domain.to_owned();
        let rendering = render(&MtaPolicy::Apply(policy), Dialect::TlsRpt);
        assert!(rendering.left_out.domain && !payload(&rendering).contains("policy_domain"), "{domain}");
    }
    assert!(is_hostname("xn--bcher-kva.example") && is_hostname("_x.1.example"));
}

/// Postfix reads no more than 100,000 bytes: what enforces stays longest.
#[test]
fn what_is_too_long_loses_quotes_first_and_enforcement_never() {
    let names =
        |count: usize| -> Vec<String> { (0..count).map(|n| format!("mx{n:05}.example.org")).collect() };
    let policy = |count: usize| {
        let names = names(count);
        let texts: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut policy = enforced(&texts);
        let lines = &mut policy.sts.as_mut().unwrap().policy_strings;
        lines.extend(names.iter().map(|name| format!("mx: {name}")));
        policy
    };
    for (count, without_mx, without_patterns) in
        [(800, false, false), (1700, true, false), (3000, true, true)]
    {
        let rendering = render(&MtaPolicy::Apply(policy(count)), Dialect::TlsRpt);
        let said = payload(&rendering);
        assert!(said.len() <= MAX_REPLY_BYTES);
        assert_eq!(!said.contains("policy_string = mx:"), without_mx, "{count}");
        assert_eq!(!said.contains("mx_host_pattern"), without_patterns, "{count}");
        assert_eq!(rendering.left_out.patterns, without_patterns);
        assert_eq!(said.matches(".example.org:").count() + 1, count, "the match list is whole");
        assert!(said.contains("policy_domain=ext.example"));
    }
    let rendering = render(&MtaPolicy::Apply(policy(6000)), Dialect::TlsRpt);
    assert!(payload(&rendering).starts_with("TEMP "), "half a match list is never sent");
}

/// Splits a value as Postfix's `mystrtokq` does: at commas and white space outside braces.
fn tokens(value: &str) -> Option<Vec<String>> {
    let (mut tokens, mut depth, mut current) = (Vec::new(), 0_i32, String::new());
    for c in value.chars() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if depth < 0 {
            return None;
        }
        if depth == 0 && (c == ',' || c.is_ascii_whitespace()) {
            tokens.extend((!current.is_empty()).then(|| std::mem::take(&mut current)));
        } else {
            current.push(c);
        }
    }
    tokens.extend((!current.is_empty()).then_some(current));
    (depth == 0).then_some(tokens)
}

proptest! {
    #[test]
    fn whatever_a_policy_quotes_postfix_sees_the_same_attributes(
        lines in prop::collection::vec(any::<String>(), 0..8), domain in any::<String>(),
    ) {
        let mut policy = enforced(&["mx.example"]);
        let sts = policy.sts.as_mut().unwrap();
        sts.policy_strings = lines;
        sts.policy_domain = domain;
        let said = said(policy, Dialect::TlsRpt);
        let tokens = tokens(said.strip_prefix("OK ").unwrap()).unwrap();
        prop_assert_eq!(&tokens[..3], ["secure", "match=mx.example", "servername=hostname"]);
        for token in &tokens[3..] {
            let known = ["policy_type=sts", "mx_host_pattern=mx.example"].contains(&token.as_str())
                || token.strip_prefix("policy_domain=").is_some_and(is_hostname)
                || token.strip_prefix("{ policy_string = ").is_some_and(|rest| rest.ends_with(" }"));
            prop_assert!(known, "{}", token);
        }
    }
}
