//! Reports: what was read is in normal form (it reads again without a repair), what is written is JSON to
//! others too, and a stream gives what a slice gives.

#![no_main]

use std::io::Read;

use libfuzzer_sys::fuzz_target;
use tls_rpt::report::{self, Collected, Limits, ReadError};

/// Hands out one to seven bytes at a time.
struct Trickle<'a> {
    rest: &'a [u8],
    step: usize,
}

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.step = self.step % 7 + 1;
        let length = self.step.min(buffer.len()).min(self.rest.len());
        let (now, later) = self.rest.split_at(length);
        buffer[..length].copy_from_slice(now);
        self.rest = later;
        Ok(length)
    }
}

fn depth(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Array(elements) => 1 + elements.iter().map(depth).max().unwrap_or(0),
        serde_json::Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fuzz_target!(|data: &[u8]| {
    let limits = Limits { policies: 1000, failures: 1000, string_bytes: 4096, repairs: 100 };
    let read = report::read_slice(data, &limits);

    let streamed = report::collect(Trickle { rest: data, step: 0 }, &limits, usize::MAX);
    match (&read, &streamed) {
        (Ok(whole), Ok(Collected::Held(held))) => assert_eq!(whole, held, "a stream reads otherwise"),
        (Err(one), Err(other)) => assert_eq!(one.to_string(), other.to_string()),
        (one, other) => panic!("slice {one:?}, stream {other:?}"),
    }

    let reports = match read {
        Ok(reports) => reports,
        Err(ReadError::Json(error)) => {
            // What is JSON to another reader is so to ours, but for the limit on nesting.
            if let Ok(value) = serde_json::from_slice::<serde_json::Value>(data) {
                assert!(depth(&value) > 60, "refused as no JSON: {error}");
            }
            return;
        }
        Err(_) => return,
    };
    assert!(!reports.is_empty());
    for parsed in reports {
        let mut written = Vec::new();
        report::write_report(&mut written, &parsed.report);
        let value: serde_json::Value = serde_json::from_slice(&written).expect("what we write is JSON");
        assert!(value.is_object());
        if parsed.report.policies.is_none() && parsed.report.date_range.is_none() {
            // What made it a report was null or unreadable: nothing is invented in its place.
            continue;
        }
        let again = report::read_slice(&written, &limits).expect("normal form is readable");
        let [again] = again.as_slice() else { panic!("one report became {}", again.len()) };
        assert!(again.repairs.is_empty(), "{:?} in {}", again.repairs, String::from_utf8_lossy(&written));
        assert_eq!(again.report, parsed.report, "{}", String::from_utf8_lossy(&written));
    }
});
