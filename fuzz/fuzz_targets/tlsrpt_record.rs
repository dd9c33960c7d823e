//! TLSRPT records: the strict verdict implies the usable one, and what a sender would use is fit to be used.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tls_rpt::record::{self, Rua};

fuzz_target!(|data: &[u8]| {
    let reading = record::parse(data);

    if let Ok(strict) = &reading.strict {
        let usable = reading.usable.as_ref().expect("strict is usable");
        assert_eq!(&usable.record, strict);
        assert!(usable.deviations.is_empty());
        assert_eq!(reading.strict_word(), "valid");
    } else if let Ok(usable) = &reading.usable {
        assert!(!usable.deviations.is_empty(), "what is not strict was overlooked by name");
    }
    assert_eq!(record::discover(&[data]).is_ok(), reading.usable.is_ok());
    assert!(record::discover(&[data, data]).is_err());

    let Ok(usable) = &reading.usable else { return };
    let mut destinations = Vec::new();
    for rua in usable.record.usable_ruas() {
        match rua {
            Rua::Mailto { address, .. } => {
                assert!(address.contains('@'));
                // A quoted local part may hold a space or a bracket; nothing may hold a line end.
                let quoted = address.starts_with('"');
                let inert = |byte: u8| match byte {
                    b' ' | b'<' | b'>' => quoted,
                    _ => byte.is_ascii_graphic(),
                };
                assert!(address.bytes().all(inert), "{address:?} would break an SMTP command");
                destinations.push(address.to_string());
            }
            Rua::Https { uri, host, port } => {
                assert!(!host.is_empty() && *port != 0);
                assert!(uri.bytes().all(|byte| byte.is_ascii_graphic()), "{uri} would break a request");
                destinations.push(uri.to_string());
            }
            other => panic!("{other:?} is not usable"),
        }
    }
    assert!(!destinations.is_empty());
    // What we would publish for the same destinations leads to the same places.
    if let Ok(written) = record::write(&destinations) {
        let again = record::parse(written.as_bytes()).strict.expect("what we write is strictly valid");
        let place = |rua: &Rua| match rua {
            Rua::Mailto { address, .. } => address.to_string(),
            Rua::Https { host, port, .. } => format!("{host} {port}"),
            other => panic!("{other:?} is not usable"),
        };
        let wanted: Vec<String> = usable.record.usable_ruas().map(place).collect();
        assert_eq!(again.usable_ruas().map(place).collect::<Vec<_>>(), wanted, "{written}");
    }
});
