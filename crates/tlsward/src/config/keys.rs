//! The one table of what may stand in the configuration: the reference is printed from it, and unknown keys are
//! compared with it. A test holds it against what the reader of the file accepts.

/// A key of the configuration.
#[derive(Debug)]
pub(crate) struct Key {
    /// The table that it stands in, `""` for the top of the file.
    pub(crate) table: &'static str,
    /// Its name.
    pub(crate) name: &'static str,
    /// What its value is, for a person.
    pub(crate) kind: &'static str,
    /// What holds without it.
    pub(crate) default: &'static str,
    /// A value as it is written in TOML.
    pub(crate) example: &'static str,
    /// What it is for.
    pub(crate) text: &'static str,
}

/// A table of the configuration.
#[derive(Debug)]
pub(crate) struct Table {
    /// Its name in brackets, `""` for the top of the file.
    pub(crate) name: &'static str,
    /// What it is for, and whether its presence starts something.
    pub(crate) text: &'static str,
}

/// The tables, in the order of the reference.
pub(crate) const TABLES: &[Table] = &[
    Table { name: "", text: "Keys at the top of the file, before the first table." },
    Table { name: "store", text: "Where everything is kept." },
    Table {
        name: "net",
        text: "How the world is asked: by `check` and `policy`, and by the parts of the server that ask.",
    },
    Table {
        name: "web",
        text: "The pages, the JSON API, the metrics and the probes. They are served if this table is present.",
    },
    Table { name: "receive", text: "What holds for reports on whichever road they come." },
    Table {
        name: "receive.https",
        text: "Reports by POST (RFC 8460 §5.4), at the path `/v1/tlsrpt`. Taken if this table is present.",
    },
    Table {
        name: "receive.smtp",
        text: "Reports by mail (RFC 8460 §5.3): a listener that takes mail and relays none. Taken if this table is present.",
    },
    Table {
        name: "enforce",
        text: "Answers for the mail server: which TLS a domain's mail needs, by its MTA-STS policy and its TLSA \
               records. Given if this table is present; what each answer means stands in enforce.md.",
    },
    Table {
        name: "enforce.overrides",
        text: "Your own rules for single domains, which hold whatever those publish. Taken anew at `SIGHUP`.",
    },
    Table {
        name: "publish",
        text: "Policies of your own domains, served and kept true, with their records and certificates. Done if this table is \
               present; `tlsward domain add` names the domains. `host` or `addresses` is needed.",
    },
    Table {
        name: "publish.rfc2136",
        text: "Records are written by dynamic update (RFC 2136), signed with a key (TSIG). For `dns = \"rfc2136\"`.",
    },
    Table {
        name: "publish.embedded",
        text: "Records are served from here, in a zone of their own, to which three aliases of each domain lead. For \
               `dns = \"embedded\"`.",
    },
    Table {
        name: "publish.certificates",
        text: "Certificates of your own, for policy hosts that are not to have one by ACME. Written \
               `[[publish.certificates]]`, as often as needed; each is for the names that are in it.",
    },
    Table {
        name: "check",
        text: "Domains that are audited every hour, with their history on the pages. Done if this table is present.",
    },
    Table {
        name: "report",
        text: "What your mail server tells of its TLS sessions is counted, and the daily reports are sent (RFC 8460). Done if \
               this table is present; [report.md](report.md) says how. `contact` is needed.",
    },
    Table {
        name: "report.dkim",
        text: "The keys that sign reports. Each is made at the first start and kept in `data_dir`, unless a file is named; \
               `tlsward report dkim` prints the records to publish.",
    },
    Table {
        name: "report.identities",
        text: "Others who report, to certain domains. Written `[[report.identities]]`, as often as needed; what one leaves out is \
               taken from `[report]`.",
    },
];

/// Tables that may stand there several times.
pub(crate) const LISTS: &[&str] = &["report.identities", "publish.certificates"];

/// Tables of later versions, which this one does not know how to serve: named as such instead of ignored.
pub(crate) const LATER: &[&str] = &["receive.maildir"];

/// Tables whose keys are the owner's own; [`KEYS`] says under one name what they may be.
pub(crate) const FREE: &[&str] = &["enforce.overrides"];

/// What may stand in a table under such a key.
pub(crate) const RULE_KEYS: &[&str] = &["level", "match"];

/// The keys, in the order of the reference.
pub(crate) const KEYS: &[Key] = &[
    Key {
        table: "",
        name: "data_dir",
        kind: "path",
        default: "`./tlsward-data`",
        example: "\"/var/lib/tlsward\"",
        text: "The folder for the database, the control socket and the spool. Made with mode 0700 if it is missing.",
    },
    Key {
        table: "store",
        name: "url",
        kind: "URL",
        default: "`sqlite:tlsward.db`",
        example: "\"sqlite:tlsward.db\"",
        text: "The database. `sqlite:FILE`; a relative FILE lies in `data_dir`. PostgreSQL is for a later version.",
    },
    Key {
        table: "net",
        name: "dns_servers",
        kind: "list of addresses, with or without a port",
        default: "the system's (`/etc/resolv.conf`)",
        example: "[\"127.0.0.1\", \"[::1]:5300\"]",
        text: "The resolvers that are asked, in this order: the next one where one is silent. With `trust-ad` each should \
               validate.",
    },
    Key {
        table: "net",
        name: "dnssec",
        kind: "`\"trust-ad\"`, `\"validate\"` or `\"off\"`",
        default: "`\"trust-ad\"`",
        example: "\"validate\"",
        text: "What DANE rests on. `trust-ad` believes a validating resolver on a loopback address, which is tried at \
               start, and asks only such ones if there are any; `validate` checks the signatures itself; `off` does without DNSSEC and so without DANE.",
    },
    Key {
        table: "net",
        name: "trust_anchor",
        kind: "path",
        default: "the root keys of IANA",
        example: "\"root.key\"",
        text: "DNSKEY records, as in a zone file (or the `root.key` of Unbound), that `validate` starts from. For a zone \
               other than the root, all of its keys.",
    },
    Key {
        table: "net",
        name: "trust_roots",
        kind: "path",
        default: "none",
        example: "\"extra-ca.pem\"",
        text: "Certificates in PEM of authorities that are trusted besides those of the system.",
    },
    Key {
        table: "net",
        name: "https_port",
        kind: "port",
        default: "`443`",
        example: "443",
        text: "The port of policy hosts. Another one is for tests.",
    },
    Key {
        table: "net",
        name: "smtp_port",
        kind: "port",
        default: "`25`",
        example: "25",
        text: "The port of MX hosts. Another one is for tests.",
    },
    Key {
        table: "net",
        name: "allow_private_addresses",
        kind: "true or false",
        default: "`false`",
        example: "true",
        text: "Whether names of strangers may lead to private, loopback and link-local addresses. With `true`, whoever \
               runs a domain that is looked at can have hosts of your network asked.",
    },
    Key {
        table: "net",
        name: "allowed",
        kind: "list of addresses, networks, or addresses with a port",
        default: "none",
        example: "[\"10.0.0.5:25\", \"192.168.7.0/24\", \"[fd00::5]:443\"]",
        text: "What names may lead to although it is not public: your own mail and policy hosts, where their names lead \
               to private addresses from inside, as behind NAT. Names of strangers can lead there too, so name no more than that.",
    },
    Key {
        table: "net",
        name: "hostname",
        kind: "host name",
        default: "the system's",
        example: "\"mail.example.com\"",
        text: "The name in EHLO when MX hosts are examined.",
    },
    Key {
        table: "web",
        name: "listen",
        kind: "address and port",
        default: "`127.0.0.1:8460`",
        example: "\"127.0.0.1:8460\"",
        text: "Where the pages are served. A loopback address: there are no accounts yet that would guard any other.",
    },
    Key {
        table: "web",
        name: "names",
        kind: "list of host names",
        default: "none",
        example: "[\"tls.example.com\"]",
        text: "Names under which the pages may be asked for, besides `localhost` and the address itself, such as the \
               name of a reverse proxy. Requests for any other host are refused.",
    },
    Key {
        table: "receive",
        name: "domains",
        kind: "list of domains",
        default: "none: reports for every domain are filed",
        example: "[\"example.com\", \"example.net\"]",
        text: "The domains that reports are filed for. Reports for others are set aside.",
    },
    Key {
        table: "receive",
        name: "set_aside_quota",
        kind: "size",
        default: "`64 MiB`",
        example: "\"64 MiB\"",
        text: "How much is kept of what could not be filed. When it is full, the oldest goes first, and is counted.",
    },
    Key {
        table: "receive",
        name: "unauthenticated_quota",
        kind: "size",
        default: "`4 GiB`",
        example: "\"4 GiB\"",
        text: "How much is kept of reports whose origin nobody vouches for. In this version that is every report: \
               signatures of mail are noted and not verified yet. When it is full, the oldest goes first, and is counted.",
    },
    Key {
        table: "receive.https",
        name: "listen",
        kind: "address and port",
        default: "`127.0.0.1:8461`",
        example: "\"0.0.0.0:443\"",
        text: "Where reports are taken. Any other than a loopback address needs `certificate` and `key`, or \
               `trusted_proxies`.",
    },
    Key {
        table: "receive.https",
        name: "certificate",
        kind: "path",
        default: "none: plain HTTP",
        example: "\"/etc/tlsward/reports.pem\"",
        text: "The certificate chain in PEM, the server's own first.",
    },
    Key {
        table: "receive.https",
        name: "key",
        kind: "path",
        default: "none",
        example: "\"/etc/tlsward/reports.key\"",
        text: "The private key of `certificate`, in PEM.",
    },
    Key {
        table: "receive.https",
        name: "trusted_proxies",
        kind: "list of networks",
        default: "none",
        example: "[\"192.0.2.1\", \"10.0.0.0/8\"]",
        text: "Reverse proxies whose `X-Forwarded-For` is believed.",
    },
    Key {
        table: "receive.https",
        name: "exempt",
        kind: "list of networks",
        default: "none, besides loopback",
        example: "[\"198.51.100.0/24\"]",
        text: "Sources to which the limit of requests a second does not apply.",
    },
    Key {
        table: "receive.smtp",
        name: "listen",
        kind: "address and port",
        default: "`127.0.0.1:8425`",
        example: "\"0.0.0.0:25\"",
        text: "Where report mail is taken.",
    },
    Key {
        table: "receive.smtp",
        name: "protocol",
        kind: "`\"smtp\"` or `\"lmtp\"`",
        default: "`\"smtp\"`",
        example: "\"lmtp\"",
        text: "LMTP (RFC 2033) suits a mail server that hands over what it has accepted for the reports' address.",
    },
    Key {
        table: "receive.smtp",
        name: "hostname",
        kind: "host name",
        default: "`localhost`",
        example: "\"reports.example.com\"",
        text: "The name in the greeting.",
    },
    Key {
        table: "receive.smtp",
        name: "certificate",
        kind: "path",
        default: "none: no STARTTLS",
        example: "\"/etc/tlsward/mail.pem\"",
        text: "The certificate chain for STARTTLS in PEM, the server's own first.",
    },
    Key {
        table: "receive.smtp",
        name: "key",
        kind: "path",
        default: "none",
        example: "\"/etc/tlsward/mail.key\"",
        text: "The private key of `certificate`, in PEM.",
    },
    Key {
        table: "receive.smtp",
        name: "recipients",
        kind: "list of addresses or domains",
        default: "none: mail for every recipient is taken as a report",
        example: "[\"tlsrpt@example.com\", \"reports.example.com\"]",
        text: "Whom mail is taken for. A domain stands for every address in it. Mail for others is refused.",
    },
    Key {
        table: "enforce",
        name: "listen",
        kind: "list of addresses and ports, or `unix:` and a path",
        default: "`[\"127.0.0.1:8462\"]`",
        example: "[\"127.0.0.1:8462\", \"unix:/run/tlsward/enforce.sock\"]",
        text: "Where the mail server asks, by Postfix's socketmap protocol. Nothing guards it: whoever can change \
               answers on their way decides how mail is secured, so keep it on this machine or in a network that you trust.",
    },
    Key {
        table: "enforce",
        name: "socket_mode",
        kind: "octal number in quotes",
        default: "`\"0666\"`",
        example: "\"0660\"",
        text: "The mode of unix sockets. The mail server's user has to be able to write.",
    },
    Key {
        table: "enforce",
        name: "under_enforce",
        kind: "`\"dane-only\"` or `\"secure\"`",
        default: "`\"dane-only\"`",
        example: "\"secure\"",
        text: "What is said where a domain has a policy in mode enforce and MX hosts with usable TLSA records. \
               `dane-only`: DANE decides, as RFC 8461 §2 demands; the domain's MX hosts without such records are passed \
               over, and mail waits while no other is up. `secure`: the policy decides for every MX host; a host whose \
               certificate fails DANE is accepted if a public authority vouches for it, which is what DANE is there to prevent.",
    },
    Key {
        table: "enforce",
        name: "mta_does_dane",
        kind: "true or false",
        default: "`true`",
        example: "false",
        text: "Whether the mail server looks up TLSA records itself, through a validating resolver (Postfix: \
               `smtp_dns_support_level = dnssec`). Where it does not, an answer that speaks of DANE would keep mail back \
               or let it go unauthenticated: with `false`, MTA-STS decides alone.",
    },
    Key {
        table: "enforce",
        name: "default",
        kind: "`\"not-found\"`, `\"may\"`, `\"encrypt\"` or `\"dane\"`",
        default: "`\"not-found\"`",
        example: "\"dane\"",
        text: "What is said of a domain that has no policy in force and no usable TLSA records. `not-found` leaves it to \
               `smtp_tls_security_level`; `encrypt` keeps mail back from every host without TLS.",
    },
    Key {
        table: "enforce.overrides",
        name: "DOMAIN",
        kind: "`\"exempt\"`, `\"none\"`, `\"may\"`, `\"encrypt\"`, `\"dane\"`, `\"dane-only\"` or `\"secure\"`, or a table with \
               `level` and, for `secure`, `match`",
        default: "none",
        example: "{ level = \"secure\", match = [\"mx.example.org\", \"*.example.net\"] }",
        text: "The key is a domain as it stands in addresses, or the name of a relay; with a dot before it, all that is \
               below it. `exempt` says nothing of the domain, so that the mail server's own settings hold; the others are \
               Postfix's levels. `secure` without `match` wants a certificate for the domain itself.",
    },
    Key {
        table: "publish",
        name: "host",
        kind: "host name",
        default: "none",
        example: "\"sts.example.net\"",
        text: "The name of this server: `mta-sts.<domain>` of every domain is an alias of it.",
    },
    Key {
        table: "publish",
        name: "addresses",
        kind: "list of addresses",
        default: "none",
        example: "[\"192.0.2.1\", \"2001:db8::1\"]",
        text: "In the place of `host`: the addresses that `mta-sts.<domain>` has.",
    },
    Key {
        table: "publish",
        name: "listen_https",
        kind: "address and port, or `\"off\"`",
        default: "`\"[::]:443\"`",
        example: "\"192.0.2.1:443\"",
        text: "Where policies are served. `off`: a proxy does it, over `listen_http`.",
    },
    Key {
        table: "publish",
        name: "listen_http",
        kind: "address and port, or `\"off\"`",
        default: "`\"[::]:80\"`",
        example: "\"127.0.0.1:8080\"",
        text: "Where a certificate authority looks for its challenge (`http-01`), and where proxies ask for policies. Nobody else \
               gets a policy here: senders take it over HTTPS only.",
    },
    Key {
        table: "publish",
        name: "trusted_proxies",
        kind: "list of addresses and networks",
        default: "none",
        example: "[\"127.0.0.1\"]",
        text: "Proxies that may ask for policies over plain HTTP, and whose `X-Forwarded-` headers are believed.",
    },
    Key {
        table: "publish",
        name: "dns",
        kind: "`\"manual\"`, `\"rfc2136\"` or `\"embedded\"`",
        default: "`\"manual\"`",
        example: "\"manual\"",
        text: "Who writes the records. `manual`: you do; `tlsward domain plan` prints them, and they are watched until they are \
               live. [dns.md](dns.md) says which to choose.",
    },
    Key {
        table: "publish",
        name: "name_server_port",
        kind: "port",
        default: "`53`",
        example: "5300",
        text: "Where the domains' name servers are asked whether a record is live.",
    },
    Key {
        table: "publish",
        name: "acme_directory",
        kind: "URL",
        default: "none: certificates come from files only",
        example: "\"https://acme-v02.api.letsencrypt.org/directory\"",
        text: "The certificate authority, by the URL of its ACME directory (RFC 8555).",
    },
    Key {
        table: "publish",
        name: "acme_fallback",
        kind: "URL",
        default: "none",
        example: "\"https://acme.example.net/directory\"",
        text: "A second authority, for when the first one keeps failing.",
    },
    Key {
        table: "publish",
        name: "acme_contact",
        kind: "mail address",
        default: "none",
        example: "\"hostmaster@example.com\"",
        text: "Where the authority writes to.",
    },
    Key {
        table: "publish",
        name: "acme_terms_agreed",
        kind: "boolean",
        default: "`false`",
        example: "true",
        text: "That you agree to the terms of service of the authorities named. Without it none is asked.",
    },
    Key {
        table: "publish",
        name: "acme_challenges",
        kind: "list of `\"http-01\"`, `\"tls-alpn-01\"`, `\"dns-01\"`",
        default: "`[\"http-01\", \"tls-alpn-01\"]`",
        example: "[\"tls-alpn-01\"]",
        text: "How it is shown that a policy host is yours, in this order. `dns-01` needs `dns` to be other than `manual`.",
    },
    Key {
        table: "publish",
        name: "rua",
        kind: "list of addresses and URIs",
        default: "none",
        example: "[\"mailto:tlsrpt@example.com\"]",
        text: "Where senders report to (RFC 8460 §3), for domains that are added without an address of their own.",
    },
    Key {
        table: "publish.rfc2136",
        name: "server",
        kind: "address, with or without a port",
        default: "none",
        example: "\"192.0.2.53\"",
        text: "The primary name server of the domains.",
    },
    Key {
        table: "publish.rfc2136",
        name: "key_file",
        kind: "path",
        default: "none",
        example: "\"tsig.key\"",
        text: "The key, as `tsig-keygen` of BIND and `keymgr -t` of Knot write it.",
    },
    Key {
        table: "publish.rfc2136",
        name: "zone",
        kind: "domain",
        default: "found by the SOA records of the server",
        example: "\"example.com\"",
        text: "The zone that is updated, if all domains are in one.",
    },
    Key {
        table: "publish.embedded",
        name: "zone",
        kind: "domain",
        default: "none",
        example: "\"sts.example.net\"",
        text: "The zone that is served. Its parent delegates it to `name_servers`.",
    },
    Key {
        table: "publish.embedded",
        name: "listen",
        kind: "list of addresses and ports",
        default: "none",
        example: "[\"192.0.2.1:53\", \"[2001:db8::1]:53\"]",
        text: "Where it is served, over UDP and TCP.",
    },
    Key {
        table: "publish.embedded",
        name: "name_servers",
        kind: "list of names, each with addresses after it if it lies in the zone",
        default: "none",
        example: "[\"ns1.example.net\", \"ns2.sts.example.net 192.0.2.2\"]",
        text: "The names by which the parent delegates the zone.",
    },
    Key {
        table: "publish.embedded",
        name: "dnssec",
        kind: "boolean",
        default: "`false`",
        example: "true",
        text: "Whether the zone is signed. The key is made at the first start; `tlsward domain list` prints the DS record for the \
               parent.",
    },
    Key {
        table: "publish.certificates",
        name: "certificate",
        kind: "path",
        default: "none",
        example: "\"mta-sts.pem\"",
        text: "The chain in PEM, the certificate of the policy host first.",
    },
    Key {
        table: "publish.certificates",
        name: "key",
        kind: "path",
        default: "none",
        example: "\"mta-sts.key\"",
        text: "Its private key in PEM.",
    },
    Key {
        table: "check",
        name: "domains",
        kind: "list of domains",
        default: "none",
        example: "[\"example.com\", \"example.net\"]",
        text: "The domains that are audited every hour.",
    },
    Key {
        table: "report",
        name: "socket",
        kind: "path",
        default: "none: no datagrams are taken",
        example: "\"/run/tlsward/tlsrpt.sock\"",
        text: "The unix datagram socket that Postfix (3.10 and later, `smtp_tlsrpt_socket_name`) and others with libtlsrpt \
               tell of sessions.",
    },
    Key {
        table: "report",
        name: "socket_mode",
        kind: "octal number in quotes",
        default: "`\"0666\"`",
        example: "\"0660\"",
        text: "The mode of the socket. The mail server's user has to be able to write.",
    },
    Key {
        table: "report",
        name: "sessions",
        kind: "list of paths",
        default: "none",
        example: "[\"/var/log/tls-sessions.jsonl\", \"/run/tlsward/sessions\"]",
        text: "Files and named pipes that sessions are read from, as JSON lines ([sessions.md](sessions.md)). A file is read from \
               its beginning, followed as it grows and is rotated, and read on after a restart.",
    },
    Key {
        table: "report",
        name: "token_file",
        kind: "path",
        default: "none: no sessions by POST",
        example: "\"/etc/tlsward/sessions.token\"",
        text: "A file with a secret of at least 24 characters. Whoever has it may POST sessions as JSON lines to `/v1/sessions` \
               at the listener of `[receive.https]`.",
    },
    Key {
        table: "report",
        name: "postfix_log",
        kind: "path, or `\"journal\"`",
        default: "none",
        example: "\"/var/log/mail.log\"",
        text: "Postfix's log, in which stands what its datagrams leave out: a file, or the journal of systemd \
               ([testing-mode.md](testing-mode.md)).",
    },
    Key {
        table: "report",
        name: "journal_directory",
        kind: "path",
        default: "none: this machine's journal",
        example: "\"/var/log/journal/remote\"",
        text: "With `postfix_log = \"journal\"`: the folder of another journal, such as one that systemd-journal-remote writes.",
    },
    Key {
        table: "report",
        name: "organization_name",
        kind: "text",
        default: "the domain of `contact`",
        example: "\"Example, Inc.\"",
        text: "Who reports, in words.",
    },
    Key {
        table: "report",
        name: "contact",
        kind: "mail address",
        default: "none: it is needed",
        example: "\"postmaster@example.com\"",
        text: "Whom receivers may ask. Its domain is the submitter of the reports and signs them.",
    },
    Key {
        table: "report",
        name: "from",
        kind: "mail address",
        default: "`contact`",
        example: "\"tlsrpt@example.com\"",
        text: "The author of the mails; of the domain of `contact`.",
    },
    Key {
        table: "report",
        name: "bounces_to",
        kind: "mail address",
        default: "none: bounces go to `from`, to be read by a person",
        example: "\"tlsrpt-bounces@example.com\"",
        text: "Bounces come to this address with `+` and a token before the `@`, to the listener of `[receive.smtp]`, and the next \
               place is tried.",
    },
    Key {
        table: "report",
        name: "relay",
        kind: "host and port",
        default: "`\"127.0.0.1:25\"`",
        example: "\"mail.example.com:25\"",
        text: "The mail server that takes reports and delivers them. It is spoken to in the clear, without a password.",
    },
    Key {
        table: "report",
        name: "opt_outs",
        kind: "list of domains",
        default: "none",
        example: "[\"example.org\", \".example.net\"]",
        text: "Domains that get no report and whose sessions are not counted; with a dot before it, all that is below it.",
    },
    Key {
        table: "report",
        name: "daily_quota",
        kind: "number",
        default: "`2000`",
        example: "2000",
        text: "Reports that one destination (a mail domain, or the host of a URI) gets in a day, whoever asks for them to be sent \
               there.",
    },
    Key {
        table: "report.dkim",
        name: "rsa_selector",
        kind: "DKIM selector",
        default: "`\"tlsrpt-rsa\"`",
        example: "\"tlsrpt-rsa\"",
        text: "The name of the RSA key's record, before `._domainkey`.",
    },
    Key {
        table: "report.dkim",
        name: "rsa_key",
        kind: "path",
        default: "one of 2048 bits that is made",
        example: "\"/etc/tlsward/dkim-rsa.pem\"",
        text: "The private RSA key in PEM.",
    },
    Key {
        table: "report.dkim",
        name: "ed25519_selector",
        kind: "DKIM selector",
        default: "`\"tlsrpt-ed25519\"`",
        example: "\"tlsrpt-ed25519\"",
        text: "The name of the Ed25519 key's record.",
    },
    Key {
        table: "report.dkim",
        name: "ed25519_key",
        kind: "path",
        default: "one that is made",
        example: "\"/etc/tlsward/dkim-ed25519.pem\"",
        text: "The private Ed25519 key in PEM.",
    },
    Key {
        table: "report.identities",
        name: "domains",
        kind: "list of domains",
        default: "none: they are needed",
        example: "[\"example.org\", \".example.net\"]",
        text: "The policy domains that this one reports to; with a dot before it, all that is below it. The longest that fits \
               is taken.",
    },
    Key {
        table: "report.identities",
        name: "organization_name",
        kind: "text",
        default: "that of `[report]`",
        example: "\"Example Hosting\"",
        text: "As in `[report]`.",
    },
    Key {
        table: "report.identities",
        name: "contact",
        kind: "mail address",
        default: "that of `[report]`",
        example: "\"postmaster@hosting.example\"",
        text: "As in `[report]`. Its domain needs the DKIM records too.",
    },
    Key {
        table: "report.identities",
        name: "from",
        kind: "mail address",
        default: "`contact`",
        example: "\"tlsrpt@hosting.example\"",
        text: "As in `[report]`.",
    },
    Key {
        table: "report.identities",
        name: "bounces_to",
        kind: "mail address",
        default: "that of `[report]`",
        example: "\"tlsrpt-bounces@hosting.example\"",
        text: "As in `[report]`.",
    },
];

/// A known key as a person would write it down: `receive.https.listen`.
pub(crate) fn dotted(table: &str, name: &str) -> String {
    if table.is_empty() { name.to_owned() } else { format!("{table}.{name}") }
}

/// What an unknown key was probably meant to be: the known name of the fewest edits, one of another table only if it is
/// nearer by three.
pub(crate) fn nearest_key(table: &str, written: &str) -> String {
    let own = KEYS.iter().filter(|key| key.table == table).map(|key| (0, key.name, key.name.to_owned()));
    let others =
        KEYS.iter().filter(|key| key.table != table).map(|key| (3, key.name, dotted(key.table, key.name)));
    nearest(written, own.chain(others))
}

/// What an unknown table was probably meant to be. `written` is its full name.
pub(crate) fn nearest_table(written: &str) -> String {
    let tables = TABLES.iter().filter(|table| !table.name.is_empty());
    nearest(written, tables.map(|table| (0, table.name, table.name.to_owned())))
}

/// What an unknown key under a domain was probably meant to be.
pub(crate) fn nearest_rule_key(written: &str) -> String {
    nearest(written, RULE_KEYS.iter().map(|name| (0, *name, (*name).to_owned())))
}

fn nearest(written: &str, candidates: impl Iterator<Item = (usize, &'static str, String)>) -> String {
    // A stranger's key may be long; beyond any known name its tail tells nothing.
    let written: String = written.chars().take(64).collect();
    candidates
        .min_by_key(|(handicap, name, _)| strsim::damerau_levenshtein(&written, name) + handicap)
        .map(|(_, _, shown)| shown)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_key_is_taken_for_its_neighbour_of_the_same_table() {
        let rows = [
            ("", "datadir", "data_dir"),
            ("", "listen", "web.listen"),
            ("web", "lisen", "listen"),
            ("web", "host_names", "names"),
            ("web", "recipients", "receive.smtp.recipients"),
            ("receive.smtp", "Protocol", "protocol"),
            ("receive.https", "trusted_proxy", "trusted_proxies"),
        ];
        for (table, written, expected) in rows {
            assert_eq!(nearest_key(table, written), expected, "{table} {written}");
        }
        assert_eq!(nearest_table("recieve.htps"), "receive.https");
        assert_eq!(nearest_table("wbe"), "web");
    }

    #[test]
    fn every_key_stands_in_a_known_table_and_no_table_is_both_known_and_later() {
        for key in KEYS {
            assert!(TABLES.iter().any(|table| table.name == key.table), "{}", key.name);
        }
        for table in TABLES {
            assert!(!LATER.contains(&table.name), "{}", table.name);
        }
    }
}
