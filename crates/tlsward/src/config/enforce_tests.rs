use super::*;
use crate::config::Settings;

fn loaded(text: &str) -> Result<Enforce, String> {
    let loaded = crate::config::load::parse(text, "tlsward.toml", Path::new("/etc/tlsward"));
    loaded.map(|settings: Settings| settings.enforce.unwrap()).map_err(|error| error.to_string())
}

fn domain(text: &str) -> PolicyDomain {
    PolicyDomain::parse(text).unwrap()
}

#[test]
fn the_bare_table_listens_on_loopback_and_leaves_the_unknown_to_the_mail_server() {
    let enforce = loaded("[enforce]").unwrap();
    assert_eq!(enforce, Enforce::default());
    assert_eq!(enforce.listen, [Listen::Tcp("127.0.0.1:8462".parse().unwrap())]);
    assert_eq!((enforce.default.level(), enforce.under_enforce), (None, UnderEnforce::DaneOnly));
}

#[test]
fn places_are_ports_and_unix_sockets_relative_to_the_file() {
    let text =
        "[enforce]\nlisten = ['[::1]:1', 'unix:run/enforce.sock', 'unix:/run/e']\nsocket_mode = '0660'";
    let enforce = loaded(text).unwrap();
    let shown: Vec<String> = enforce.listen.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["[::1]:1", "unix:/etc/tlsward/run/enforce.sock", "unix:/run/e"]);
    assert_eq!(enforce.socket_mode, 0o660);
}

#[test]
fn a_rule_holds_for_its_domain_or_for_all_below_it_and_the_nearest_wins() {
    let text = "[enforce.overrides]\n'Example.org' = 'encrypt'\n'.example.org' = 'exempt'\n\
                '.deep.example.org' = 'none'\n'bücher.example' = { level = 'secure', match = ['*.b.example', 'MX.example'] }\n\
                'plain.example' = 'secure'\n";
    let overrides = loaded(text).unwrap().overrides;
    let patterns = ["*.b.example", "mx.example"].map(|text| MxPattern::parse(text).unwrap()).to_vec();
    for (asked, expected) in [
        ("example.org", Some(Rule::Apply(Level::Encrypt))),
        ("mail.example.org", Some(Rule::Exempt)),
        ("a.b.example.org", Some(Rule::Exempt)),
        ("deep.example.org", Some(Rule::Exempt)),
        ("x.deep.example.org", Some(Rule::Apply(Level::None))),
        ("notexample.org", None),
        ("org", None),
        ("xn--bcher-kva.example", Some(Rule::Apply(Level::Secure(patterns)))),
        ("plain.example", Some(Rule::Apply(Level::Secure(Vec::new())))),
    ] {
        assert_eq!(overrides.of(&domain(asked)), expected.as_ref(), "{asked}");
    }
    assert_eq!(overrides.len(), 5);
}

#[test]
fn what_cannot_be_meant_is_named_with_what_to_write() {
    for (text, part) in [
        ("listen = ['localhost:8462']", "write it like \"127.0.0.1:8462\" or \"unix:"),
        ("listen = ['unix:']", "no place to listen on"),
        ("listen = ['127.0.0.1:9', '127.0.0.1:9']", "both listen on 127.0.0.1:9"),
        ("socket_mode = '666 '", "no mode of a socket"),
        ("socket_mode = '01777'", "no mode of a socket"),
        ("socket_mode = '1777'", "no mode of a socket"),
        ("default = 'secure'", "expected one of `not-found`, `may`, `encrypt`, `dane`"),
        ("mta_does_dane = false\ndefault = 'dane'", "cannot be told to use DANE"),
        ("under_enforce = 'dane'", "expected `dane-only` or `secure`"),
        ("[enforce.overrides]\n'a b' = 'may'", "no domain"),
        ("[enforce.overrides]\n'192.0.2.1' = 'may'", "no domain"),
        ("[enforce.overrides]\n'a.example' = 'maybe'", "expected one of `exempt`, `none`"),
        ("[enforce.overrides]\n'a.example' = { match = [] }", "missing field `level`"),
        ("[enforce.overrides]\n'a.example' = { level = 'may', matc = ['x'] }", "did you mean 'match'?"),
        ("[enforce.overrides]\n'a.example' = { level = 'may', match = ['x'] }", "\"secure\" alone"),
        ("[enforce.overrides]\n'a.example' = { level = 'secure', match = ['*x'] }", "left-most label"),
        ("[enforce.overrides]\n'A.example' = 'may'\n'a.example' = 'may'", "another spelling"),
    ] {
        let complaint = loaded(&format!("[enforce]\n{text}")).unwrap_err();
        assert!(complaint.contains(part), "{text}: {complaint}");
    }
}
