use super::*;

fn loaded(text: &str) -> Result<Settings, Vec<String>> {
    parse(text, "tlsward.toml", Path::new("/etc/tlsward")).map_err(|error| match error {
        ConfigError::Wrong(problems) => problems.iter().map(ToString::to_string).collect(),
        unreadable @ ConfigError::Unreadable { .. } => vec![unreadable.to_string()],
    })
}

/// What is wrong with a text, as one string.
fn wrong(text: &str) -> String {
    loaded(text).expect_err(text).join("\n")
}

/// What a list of tables stands in.
fn beside(list: &str) -> &'static str {
    match list {
        "publish.certificates" => "[publish]\nhost = 'a.example'\n",
        _ => "[report]\ncontact = 'a@b.example'\n",
    }
}

/// A key of `[publish]` beside those that it needs.
fn publishing(table: &str, key: &super::super::keys::Key) -> String {
    let given = |of: &str, but: &[&str]| {
        let keys = KEYS.iter().filter(|other| other.table == of && !but.contains(&other.name));
        keys.map(|key| format!("{} = {}\n", key.name, key.example)).collect::<String>()
    };
    let but: &[&str] = if key.name == "addresses" { &["host", "dns"] } else { &["addresses", "dns"] };
    let dns = table.strip_prefix("publish.").filter(|word| *word != "certificates").unwrap_or("manual");
    let own = match table {
        "publish" => String::new(),
        "publish.certificates" => format!("[[{table}]]\n{}", given(table, &[])),
        _ => format!("[{table}]\n{}", given(table, &[])),
    };
    format!("[publish]\ndns = '{dns}'\n{}{own}", given("publish", but))
}

#[test]
fn every_key_of_the_reference_is_read_and_nothing_else_is() {
    for table in TABLES {
        let header = match table.name {
            "" => String::new(),
            // A list of tables, within one that needs something itself.
            name if LISTS.contains(&name) => format!("{}[[{name}]]\n", beside(name)),
            name => format!("[{name}]\n"),
        };
        for key in KEYS.iter().filter(|key| key.table == table.name) {
            let mut text = format!("{header}{} = {}\n", key.name, key.example);
            // Some keys mean something only beside another.
            for other in KEYS.iter().filter(|other| other.table == key.table && other.name != key.name) {
                if ["certificate", "key", "contact", "domains"].contains(&other.name) {
                    text.push_str(&format!("{} = {}\n", other.name, other.example));
                }
            }
            match key.name {
                _ if table.name.starts_with("publish") => {
                    text = publishing(table.name, key);
                }
                "token_file" => text.push_str("[receive.https]\n"),
                "journal_directory" => text.push_str("postfix_log = \"journal\"\n"),
                _ if table.name == "report.dkim" => text.push_str("[report]\ncontact = 'a@b.example'\n"),
                _ => {}
            }
            assert_eq!(loaded(&text).map(drop), Ok(()), "{text}");
        }
        if FREE.contains(&table.name) {
            continue;
        }
        // serde names the fields it knows: they are those of the reference, no more and no fewer.
        let error = toml::from_str::<File>(&format!("{header}nonsense = 1")).unwrap_err();
        let known = error.message().split("expected").nth(1).unwrap_or_default();
        let quoted = known.split('`').skip(1).step_by(2);
        let subtable = |name: &str| TABLES.iter().any(|table2| table2.name == dotted(table.name, name));
        let mut fields: Vec<&str> = quoted.filter(|name| !subtable(name)).collect();
        let mut listed: Vec<&str> =
            KEYS.iter().filter(|key| key.table == table.name).map(|key| key.name).collect();
        fields.sort_unstable();
        listed.sort_unstable();
        assert_eq!(fields, listed, "[{}]", table.name);
    }
}

#[test]
fn a_role_runs_if_and_only_if_its_table_is_present() {
    let settings = loaded("").unwrap();
    assert!(settings.web.is_none() && settings.https.is_none() && settings.smtp.is_none());
    let settings = loaded("[receive]\ndomains = ['example.com']").unwrap();
    assert!(settings.https.is_none() && settings.smtp.is_none());
    let settings = loaded("[web]\n[receive.smtp]").unwrap();
    assert_eq!(settings.web.unwrap().listen.to_string(), "127.0.0.1:8460");
    assert_eq!(settings.smtp.unwrap().listen.to_string(), "127.0.0.1:8425");
    let settings = Settings::load(None).unwrap();
    assert!(settings.web.is_some() && settings.https.is_some() && settings.smtp.is_some());
    assert_eq!(settings.database, Path::new("./tlsward-data/tlsward.db"));
}

#[test]
fn relative_paths_are_relative_to_the_file() {
    let settings =
        loaded("data_dir = 'data'\n[receive.smtp]\ncertificate = 'c.pem'\nkey = '/k.pem'").unwrap();
    assert_eq!(settings.data_dir, Path::new("/etc/tlsward/data"));
    assert_eq!(settings.database, Path::new("/etc/tlsward/data/tlsward.db"));
    let tls = settings.smtp.unwrap().tls.unwrap();
    assert_eq!(tls.certificate, Path::new("/etc/tlsward/c.pem"));
    assert_eq!(tls.key, Path::new("/k.pem"));
    let settings = loaded("[store]\nurl = 'sqlite:/var/db/t.db'").unwrap();
    assert_eq!(settings.database, Path::new("/var/db/t.db"));
}

#[test]
fn unknown_keys_name_their_place_and_the_nearest_known_key() {
    assert_eq!(
        wrong("[web]\nlistn = '127.0.0.1:1'\n"),
        "tlsward.toml:2:1: unknown key 'listn' in [web]; did you mean 'listen'?"
    );
    assert_eq!(wrong("datadir = 'x'"), "tlsward.toml:1:1: unknown key 'datadir'; did you mean 'data_dir'?");
    assert_eq!(
        wrong("[recieve.smtp]\nlisten = 'x'"),
        "tlsward.toml:1:2: unknown table [recieve]; did you mean [receive]?"
    );
    // Everything at once, in the order of the file.
    let both = wrong("a = 1\n[web]\n  b = 2");
    assert_eq!(
        both.lines().map(|line| &line[..16]).collect::<Vec<_>>(),
        ["tlsward.toml:1:1", "tlsward.toml:3:3"]
    );
}

#[test]
fn tables_of_later_versions_are_refused_by_name() {
    for table in LATER {
        let text = wrong(&format!("[{table}]\nx = 1"));
        assert!(
            text.contains(&format!("table [{table}] belongs to a later version and is not supported yet")),
            "{text}"
        );
    }
}

#[test]
fn what_would_expose_something_is_refused() {
    let rows = [
        ("[web]\nlisten = '0.0.0.0:8460'", "loopback address only"),
        ("[web]\nlisten = '[::]:8460'", "loopback address only"),
        ("[receive.https]\nlisten = '0.0.0.0:8461'", "'certificate' and 'key'"),
        ("[receive.https]\ncertificate = 'c'", "no 'key'"),
        ("[receive.smtp]\nkey = 'k'", "no 'certificate'"),
        ("[store]\nurl = 'postgres://db/tlsward'", "not in this version"),
        ("[store]\nurl = 'mysql:x'", "is no store"),
        ("[store]\nurl = 'sqlite::memory:'", "needs a file"),
        ("[web]\nlisten = '127.0.0.1'", "write it like \"127.0.0.1:8460\""),
        ("[web]\nlisten = 8460", "expected"),
        (
            "[web]\nlisten = '127.0.0.1:7'\n[receive.smtp]\nlisten = '127.0.0.1:7'",
            "both listen on 127.0.0.1:7",
        ),
        ("[receive]\ndomains = ['exa mple.com']", "no domain name"),
        ("[receive]\ndomains = ['']", "no domain name"),
        ("[receive]\nset_aside_quota = 'much'", "no size"),
        ("[receive.https]\nexempt = ['10.0.0.0/40']", "prefix"),
        ("[receive.smtp]\nrecipients = ['@@']", "neither an address nor a domain"),
        ("[net]\ndns_servers = ['localhost']", "write it like \"127.0.0.1:53\""),
        ("[net]\nallowed = ['mx.example.com']", "write 10.0.0.0/8"),
        ("[net]\nallowed = ['10.0.0.0/33']", "10.0.0.0/33 is no address, network or end point"),
        ("[net]\nallowed = [\"\\u001b[31m\"]", "is no address"),
        ("[net]\ndnssec = 'yes'", "expected one of `trust-ad`, `validate`, `off`"),
        ("[net]\nsmtp_port = 0", "nonzero"),
        ("[check]\ndomains = ['a b']", "no domain that could take mail"),
        ("[check]\ndomains = ['127.0.0.1']", "no domain that could take mail"),
        ("[check]\ndomains = ['localhost']", "no domain that could take mail"),
        ("web = 1", "'web' is a table"),
        ("[web\n", "tlsward.toml:1:5"),
        ("'\u{1b}[31m' = 1", "tlsward.toml:1:2"),
        ("\"\\u001b[31m\" = 1", "unknown key '\\u{1b}[31m'"),
    ];
    for (text, part) in rows {
        let complaint = wrong(text);
        assert!(complaint.contains(part), "{text}: {complaint}");
        assert!(!complaint.contains('\u{1b}'), "{complaint:?}");
    }
}

#[test]
fn what_exposes_nothing_is_accepted() {
    let rows = [
        "[web]\nlisten = '[::1]:0'",
        "[web]\nlisten = '127.0.0.1:0'\n[receive.https]\nlisten = '127.0.0.1:0'",
        "[receive.https]\nlisten = '0.0.0.0:443'\ncertificate = 'c'\nkey = 'k'",
        "[receive.https]\nlisten = '0.0.0.0:80'\ntrusted_proxies = ['10.0.0.0/8', '2001:db8::1']",
        "[receive.smtp]\nlisten = '0.0.0.0:25'\nrecipients = ['TLSRPT@Example.com', 'reports.example.com', '@b.example']",
        "[receive]\nset_aside_quota = 1048576",
    ];
    for text in rows {
        assert_eq!(loaded(text).map(drop), Ok(()), "{text}");
    }
}

#[test]
fn domains_become_lower_case_a_labels() {
    let settings = loaded("[receive]\ndomains = ['Bücher.Example.', 'example.com']").unwrap();
    let domains: Vec<&str> = settings.receive.domains.iter().map(String::as_str).collect();
    assert_eq!(domains, ["example.com", "xn--bcher-kva.example"]);
}

#[test]
fn a_resolver_has_port_53_unless_another_is_written() {
    let settings = loaded("[net]\ndns_servers = ['127.0.0.1', '::1', '[::1]:5300', '192.0.2.1:54']").unwrap();
    let servers: Vec<String> = settings.net.dns_servers.iter().map(ToString::to_string).collect();
    assert_eq!(servers, ["127.0.0.1:53", "[::1]:53", "[::1]:5300", "192.0.2.1:54"]);
    assert_eq!((settings.net.https_port, settings.net.smtp_port), (443, 25));
    assert!(!settings.net.allow_private_addresses);
    assert!(settings.net.allowed.is_empty());
}

#[test]
fn what_is_allowed_is_an_address_a_network_or_an_end_point() {
    let settings = loaded("[net]\nallowed = ['10.0.0.5:25', '192.168.7.0/24', 'fd00::5']").unwrap();
    let allowed: Vec<String> = settings.net.allowed.iter().map(ToString::to_string).collect();
    assert_eq!(allowed, ["10.0.0.5:25", "192.168.7.0/24", "fd00::5"]);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Settings::load(Some(Path::new("/nonexistent/tlsward.toml"))).unwrap_err();
    assert!(
        error.to_string().starts_with("cannot read the configuration /nonexistent/tlsward.toml"),
        "{error}"
    );
}
