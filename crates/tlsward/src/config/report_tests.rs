use std::path::Path;

use super::super::load::{ConfigError, parse};
use super::*;

fn loaded(text: &str) -> Result<Report, String> {
    match parse(text, "tlsward.toml", Path::new("/etc/tlsward")) {
        Ok(settings) => Ok(settings.report.expect("the table is there")),
        Err(ConfigError::Wrong(problems)) => {
            Err(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        }
        Err(unreadable) => Err(unreadable.to_string()),
    }
}

#[test]
fn a_contact_is_enough_and_the_rest_follows() {
    let report = loaded("[report]\ncontact = 'Postmaster@Example.com'").unwrap();
    assert_eq!(report.identity.organization_name(), "Example.com");
    assert_eq!(report.identity.from(), "Postmaster@example.com");
    assert_eq!(report.identity.bounces(), None);
    assert_eq!(
        (report.relay.as_str(), report.socket_mode, report.daily_quota),
        ("127.0.0.1:25", 0o666, 2000)
    );
    assert_eq!((report.socket, report.token_file, report.sessions.len()), (None, None, 0));
    assert_eq!(report.dkim, Dkim::default());
}

#[test]
fn who_reports_to_certain_domains_says_only_what_differs() {
    let report = loaded(
        "[report]\ncontact = 'tls@a.example'\nfrom = 'reports@a.example'\nbounces_to = 'back@a.example'\n\
         socket = 's.sock'\nsocket_mode = '0660'\nopt_outs = ['.Quiet.example']\nrelay = 'Mail.example'\n\
         [[report.identities]]\ndomains = ['c.example', '.d.example']\ncontact = 'tls@b.example'\n\
         [[report.identities]]\ndomains = ['e.example']\norganization_name = 'E'\n",
    )
    .unwrap();
    let other = &report.identities["c.example"];
    assert_eq!((other.from(), other.submitter()), ("tls@b.example", "b.example"));
    assert_eq!(other.bounces(), Some("back@a.example"));
    assert_eq!(&report.identities[".d.example"], other);
    assert_eq!(report.identities["e.example"].from(), "reports@a.example");
    assert_eq!(report.submitters().into_iter().collect::<Vec<_>>(), ["a.example", "b.example"]);
    assert_eq!(report.bounce_addresses().into_iter().collect::<Vec<_>>(), ["back@a.example"]);
    assert_eq!(report.socket.as_deref(), Some(Path::new("/etc/tlsward/s.sock")));
    assert_eq!((report.socket_mode, report.relay.as_str()), (0o660, "mail.example:25"));
    assert!(report.opt_outs.contains(".quiet.example"));
}

#[test]
fn the_mail_log_is_a_file_or_a_journal_of_systemd() {
    let log = |text: &str| loaded(&format!("[report]\ncontact = 'a@b.example'\n{text}")).unwrap().postfix_log;
    for (text, expected) in [
        ("", None),
        ("postfix_log = 'mail.log'", Some(PostfixLog::File("/etc/tlsward/mail.log".into()))),
        ("postfix_log = './journal'", Some(PostfixLog::File("/etc/tlsward/./journal".into()))),
        ("postfix_log = 'journal'", Some(PostfixLog::Journal(None))),
        (
            "postfix_log = 'journal'\njournal_directory = '/var/log/journal/remote'",
            Some(PostfixLog::Journal(Some("/var/log/journal/remote".into()))),
        ),
    ] {
        assert_eq!(log(text), expected, "{text}");
    }
}

#[test]
fn what_could_not_work_is_refused_with_its_place() {
    let contact = "[report]\ncontact = 'a@b.example'\n";
    let rows = [
        ("[report]\n", "tlsward.toml:1:1: [report] needs 'contact'"),
        ("[report]\ncontact = 'nobody'", "tlsward.toml:2:11: 'nobody' is not a plain mail address"),
        (&format!("{contact}from = 'a@c.example'"), "must be of the domain of the contact, b.example"),
        (&format!("{contact}organization_name = ' '"), "no name for an organization"),
        (&format!("{contact}journal_directory = 'x'"), "tlsward.toml:3:21: 'journal_directory' is for"),
        (&format!("{contact}bounces_to = 'x'"), "tlsward.toml:3:14: 'x' is not"),
        (&format!("{contact}relay = 'a b'"), "write it like \"127.0.0.1:25\""),
        (&format!("{contact}relay = 'a:99999'"), "is no mail server"),
        (&format!("{contact}opt_outs = ['..']"), "'..' is no domain"),
        (&format!("{contact}socket_mode = '999'"), "is no mode of a socket"),
        (&format!("{contact}daily_quota = -1"), "expected"),
        (&format!("{contact}token_file = 't'"), "add that table"),
        (&format!("{contact}[report.dkim]\nrsa_selector = 'a b'"), "is no DKIM selector"),
        (&format!("{contact}[report.dkim]\nrsa_selector = 'tlsrpt-ed25519'"), "selectors of their own"),
        (&format!("{contact}[[report.identities]]\ncontact = 'a@b.example'"), "needs 'domains'"),
        (
            &format!("{contact}[[report.identities]]\ndomains = ['a.example', 'A.example']"),
            "among the domains of two identities",
        ),
        (&format!("{contact}[report.identities]\n"), "write [[report.identities]]"),
        (&format!("{contact}[[report.identities]]\ndomain = []"), "did you mean 'domains'?"),
        (&format!("{contact}sokcet = 'x'"), "did you mean 'socket'?"),
    ];
    for (text, part) in rows {
        let complaint = loaded(text).expect_err(text);
        assert!(complaint.contains(part), "{text}: {complaint}");
    }
    let text = format!("{contact}token_file = 't'\n[receive.https]\n");
    assert_eq!(loaded(&text).unwrap().token_file.as_deref(), Some(Path::new("/etc/tlsward/t")));
}
