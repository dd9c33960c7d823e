//! Policy bodies: what is accepted says the same after it was written and read again, whatever its line ends.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mta_sts::mx::{self, MxPattern};
use mta_sts::policy::{self, Mode};
use mta_sts::verdict;

fuzz_target!(|data: &[u8]| {
    let parsed = policy::parse(data);
    assert_eq!(parsed.strict().is_ok(), verdict::sts_policy(data) == "valid");
    assert!(policy::served_lines(data).iter().all(|line| !line.is_empty()));

    // CRLF says what LF says.
    if !data.contains(&b'\r') {
        let mut crlf = Vec::with_capacity(data.len() * 2);
        for byte in data {
            if *byte == b'\n' {
                crlf.push(b'\r');
            }
            crlf.push(*byte);
        }
        if crlf.len() <= policy::MAX_BODY_BYTES {
            assert_eq!(parsed, policy::parse(&crlf), "line ends change the meaning");
        }
    }

    let Ok(found) = parsed.usable() else { return };
    assert!(found.mode() == Mode::None || !found.mx().is_empty());
    for pattern in found.mx() {
        assert_eq!(MxPattern::parse(&pattern.as_wire()).as_ref(), Ok(pattern));
        // A wildcard covers one label: not its own domain, not two labels below it.
        if let Some(domain) = pattern.as_wire().strip_prefix("*.") {
            let only = std::slice::from_ref(pattern);
            assert!(!mx::matches_any(only, domain));
            assert!(!mx::matches_any(only, &format!("a.b.{domain}")));
        }
    }
    let Ok(body) = found.to_body() else { return };
    let again = policy::parse(body.as_bytes());
    assert!(again.deviations().is_empty(), "{body}");
    let again = again.strict().expect("what we write is strictly valid");
    assert!(found.same_rules(again));
    assert_eq!(found.max_age(), again.max_age());
    assert_eq!(found.extensions(), again.extensions());
});
