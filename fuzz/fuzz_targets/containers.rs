//! Containers: the limits hold, a walk tells the truth about itself, and members read the same every time.

#![no_main]

use std::io::Read;
use std::ops::ControlFlow;

use containers::{Item, Limits, MboxItem, MboxReader, Walker};
use libfuzzer_sys::fuzz_target;

/// Small, so that fuzzing reaches them.
fn limits() -> Limits {
    Limits {
        decompressed: 1 << 20,
        total: 16 << 20,
        depth: 4,
        members: 50,
        mail_parts: 50,
        mail_nesting: 8,
        header_bytes: 512,
        buffered: 256 << 10,
        mail_bytes: 64 << 10,
    }
}

/// What a visitor sees of an item.
#[derive(Debug, PartialEq)]
enum Seen {
    Member { path: String, bytes: Vec<u8>, error: Option<String> },
    Refused { path: String, reason: String },
}

fn look(walker: &mut Walker, name: &str, data: &[u8]) -> Vec<Seen> {
    let limits = limits();
    let mut seen = Vec::new();
    let (mut members, mut refused) = (0, 0);
    let summary = walker.walk(name, data, &mut |item| {
        match item {
            Item::Member(member) => {
                members += 1;
                let mut bytes = Vec::new();
                let error = member.open().read_to_end(&mut bytes).err().map(|error| error.to_string());
                assert!(bytes.len() as u64 <= limits.decompressed, "{} bytes", bytes.len());
                if let Some(slice) = member.as_slice() {
                    assert!(error.is_none() && slice == bytes, "the slice is the contents");
                }
                seen.push(Seen::Member { path: printable(member.path(), name), bytes, error });
            }
            Item::Refused(refusal) => {
                refused += 1;
                let path = printable(refusal.path, name);
                seen.push(Seen::Refused { path, reason: refusal.reason.to_string() });
            }
        }
        ControlFlow::Continue(())
    });
    assert_eq!((summary.members, summary.refused), (members, refused));
    assert!(!summary.stopped);
    seen
}

/// A path begins with the input's name and is safe to print.
fn printable(path: &str, name: &str) -> String {
    assert!(path.starts_with(name), "{path:?}");
    assert!(!path.chars().any(char::is_control), "{path:?}");
    path.to_owned()
}

fuzz_target!(|data: &[u8]| {
    let mut walker = Walker::new(limits());
    for name in ["input", "input.eml", "input.json.gz"] {
        let first = look(&mut walker, name, data);
        // Buffers kept from one input to the next leave no trace in it.
        assert_eq!(first, look(&mut walker, name, data));
        let stopped = walker.walk(name, data, &mut |_| ControlFlow::Break(()));
        assert!(stopped.members + stopped.refused <= 1);
    }

    let mut mails = MboxReader::new(data, limits().mail_bytes);
    let (mut last, mut total) = (0, 0);
    while let Some(item) = mails.next_mail().expect("a slice has no errors") {
        let number = match item {
            MboxItem::Mail { number, bytes } => {
                assert!(bytes.len() <= limits().mail_bytes);
                total += bytes.len();
                number
            }
            MboxItem::TooLong { number } => number,
        };
        assert_eq!(number, last + 1, "mails are numbered in order");
        last = number;
    }
    assert!(total <= data.len(), "nothing is invented");
});
