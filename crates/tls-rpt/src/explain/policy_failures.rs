//! Failures of the policy itself: DANE and DNSSEC, and the MTA-STS policy with its host (RFC 8460 §4.3.2).
//!
//! Texts only, ordered as in the file beside this one.

use super::{Cause, Enforcement, Explanation, Side};

const SHOW_TLSA: &str = "dig +dnssec TLSA _25._tcp.{mx}";
/// The digest that a `3 1 1` record must hold.
const KEY_DIGEST: &str = "openssl s_client -starttls smtp -connect {mx}:25 -servername {mx} </dev/null 2>/dev/null | \
     openssl x509 -noout -pubkey | openssl pkey -pubin -outform DER | openssl dgst -sha256";
const FETCH_POLICY: &str = "curl -v --max-time 60 https://mta-sts.{domain}/.well-known/mta-sts.txt";
const SHOW_POLICY_BYTES: &str = "curl -sS https://mta-sts.{domain}/.well-known/mta-sts.txt | cat -A";
const POLICY_HOST_CERTIFICATE: &str = "openssl s_client -connect mta-sts.{domain}:443 -servername mta-sts.{domain} \
     </dev/null 2>/dev/null | openssl x509 -noout -issuer -dates -ext subjectAltName";

pub(super) static TLSA_INVALID: Explanation = Explanation {
    title: "The certificate does not match its fingerprint in DNS",
    meaning: "Your DNS holds TLSA records for the mail server {mx}: fingerprints of its certificate or key (DANE). The \
              certificate that the server showed matches none of them, or none of them can be used. DANE has no testing \
              mode: senders that check it hold the mail back at once.",
    enforcement: Enforcement::Refused,
    causes: &[
        Cause {
            side: Side::Dns,
            what: "The certificate was renewed with a new key, and the TLSA record still holds the old one's fingerprint.",
            verify: "The digest that the second command prints must stand in a 3 1 1 record that the first one shows.",
            commands: &[SHOW_TLSA, KEY_DIGEST],
            fix: "Publish a 3 1 1 record of the present key now. From then on either renew with the same key (certbot: \
                  --reuse-key), or publish the next key's record first, wait until the old answers have left all caches, \
                  and only then change the certificate.",
        },
        Cause {
            side: Side::Dns,
            what: "The record names the issuer (it begins with 2), and the authority now signs with another certificate.",
            verify: "Records that begin with 2 hold a digest of an issuer; compare with the chain that the server sends.",
            commands: &[
                SHOW_TLSA,
                "openssl s_client -starttls smtp -connect {mx}:25 -servername {mx} -showcerts </dev/null 2>/dev/null",
            ],
            fix: "Use 3 1 1 records of the server's own key instead, or publish the digest of every issuer your authority may use.",
        },
        Cause {
            side: Side::Mx,
            what: "A backup MX or one of several addresses shows another certificate.",
            verify: "Try every address of the server.",
            commands: &[
                "dig +short A {mx}; dig +short AAAA {mx}",
                "openssl s_client -starttls smtp -connect '{mx_addr}:25' -servername {mx} </dev/null 2>/dev/null | \
                 openssl x509 -noout -pubkey | openssl pkey -pubin -outform DER | openssl dgst -sha256",
            ],
            fix: "Give all of them the same certificate, or publish a record for each key.",
        },
        Cause {
            side: Side::Dns,
            what: "The records are of a kind that mail servers do not use, or damaged.",
            verify: "The first number must be 3 or 2. A SHA-256 digest (third number 1) has 64 hexadecimal digits.",
            commands: &[SHOW_TLSA],
            fix: "Replace them by one 3 1 1 record for each key in use.",
        },
        Cause {
            side: Side::Path,
            what: "Somebody stands between and shows a certificate of their own.",
            verify: "Suspect this if your records match your server from every network, and one sender still reports it.",
            commands: &[KEY_DIGEST],
            fix: "Keep the records: they are what stopped this. Tell the sender's operator.",
        },
    ],
};

pub(super) static DNSSEC_INVALID: Explanation = Explanation {
    title: "The signatures on your DNS did not check out",
    meaning: "The sender asked DNS for your mail servers or their TLSA records and got no answer that its signatures \
              (DNSSEC) prove genuine. It cannot tell whether somebody is tampering, so it waits.",
    enforcement: Enforcement::Delayed,
    causes: &[
        Cause {
            side: Side::Dns,
            what: "The zone's signatures have run out, or the DS record at the parent does not fit the zone's keys, as \
                   after a change of key or provider.",
            verify: "The first command should say \"fully validated\". If the second fails and the third answers, the signatures are bad.",
            commands: &[
                "delv {domain} MX",
                "dig MX {domain} @9.9.9.9",
                "dig +cdflag MX {domain} @9.9.9.9",
                "dig +short DS {domain}",
            ],
            fix: "Have the zone signed anew, or correct the DS record at your registrar. As a last resort take the DS \
                  record out: unsigned is better than wrongly signed, but DANE is then off.",
        },
        Cause {
            side: Side::Dns,
            what: "The name servers of the mail server's zone answer questions for TLSA records with an error or not at all.",
            verify: "The answer must be records, or a clean \"none\" (NOERROR or NXDOMAIN), never SERVFAIL or a time-out.",
            commands: &[SHOW_TLSA],
            fix: "Update the name server or the firewall before it. If the zone is a provider's, tell the provider.",
        },
        Cause {
            side: Side::Dns,
            what: "One of your name servers has an old copy of the zone.",
            verify: "All must print the same serial number.",
            commands: &["for ns in $(dig +short NS {domain}); do dig +short SOA {domain} \"@$ns\"; done"],
            fix: "Get the zone transfer going again.",
        },
        Cause {
            side: Side::Sender,
            what: "The sender's resolver is at fault, or something near it changes DNS answers.",
            verify: "Suspect this if one sender alone reports it and all commands end well.",
            commands: &["delv {domain} MX", "delv _25._tcp.{mx} TLSA"],
            fix: "Write to the contact in the report.",
        },
    ],
};

pub(super) static DANE_REQUIRED: Explanation = Explanation {
    title: "This sender insists on DANE, and found none",
    meaning: "The sender is set to deliver to your domain only if the mail server {mx} has TLSA records in signed DNS. It \
              found none. This is the sender's own rule, often by agreement; other senders are not concerned.",
    enforcement: Enforcement::Refused,
    causes: &[
        Cause {
            side: Side::Dns,
            what: "You had TLSA records, and they or the signatures on the zone are gone, as after a move to another provider.",
            verify: "The first command should print records, the second should say \"fully validated\".",
            commands: &["dig +short TLSA _25._tcp.{mx}", "delv _25._tcp.{mx} TLSA"],
            fix: "Publish the records again, and have the zone signed and the DS record set at the registrar.",
        },
        Cause {
            side: Side::Dns,
            what: "Only some of your mail servers have TLSA records.",
            verify: "Ask for each mail server that the first command prints.",
            commands: &["dig +short MX {domain}", "dig +short TLSA _25._tcp.{mx}"],
            fix: "Publish records for all of them.",
        },
        Cause {
            side: Side::Sender,
            what: "The sender switched this on for your domain and you never had DANE.",
            verify: "Ask the contact in the report.",
            commands: &[],
            fix: "Set DANE up, or agree with the sender on MTA-STS instead.",
        },
    ],
};

pub(super) static STS_POLICY_FETCH_ERROR: Explanation = Explanation {
    title: "Your MTA-STS policy could not be fetched",
    meaning: "Your DNS announces an MTA-STS policy, the small file that tells senders to insist on encryption. The sender \
              could not get it from https://mta-sts.{domain}/.well-known/mta-sts.txt.",
    enforcement: Enforcement::Delivered,
    causes: &[
        Cause {
            side: Side::PolicyHost,
            what: "The web server was down, too slow, or cannot be reached over IPv4 or over IPv6.",
            verify: "All must end with status 200 within a minute.",
            commands: &[
                FETCH_POLICY,
                "curl -4 -sS -o /dev/null -w '%{http_code}\\n' https://mta-sts.{domain}/.well-known/mta-sts.txt",
                "curl -6 -sS -o /dev/null -w '%{http_code}\\n' https://mta-sts.{domain}/.well-known/mta-sts.txt",
            ],
            fix: "Bring the host up, at every address that DNS gives for it. A short outage does no harm to senders that \
                  know the policy already.",
        },
        Cause {
            side: Side::PolicyHost,
            what: "The web server answers with a redirect, an error or another page. Senders do not follow redirects.",
            verify: "Status 200 at once, and the policy as the body.",
            commands: &["curl -sS -i https://mta-sts.{domain}/.well-known/mta-sts.txt"],
            fix: "Serve the file at exactly this address, with no redirect to another host, path or login.",
        },
        Cause {
            side: Side::Dns,
            what: "mta-sts.{domain} has no address in DNS, or an old one.",
            verify: "The addresses must be those of the web server that serves the policy.",
            commands: &["dig +short A mta-sts.{domain}; dig +short AAAA mta-sts.{domain}"],
            fix: "Set the address records; take out an AAAA record that leads nowhere.",
        },
        Cause {
            side: Side::PolicyHost,
            what: "A bot filter, rate limit or country block turns the sender's fetch away.",
            verify: "Look in the web server's log for requests for mta-sts.txt with another status than 200.",
            commands: &[],
            fix: "Exempt the path /.well-known/mta-sts.txt from it.",
        },
        Cause {
            side: Side::Dns,
            what: "MTA-STS was given up by removing the web server, and the record in DNS was left behind.",
            verify: "If a record is printed, senders go on asking.",
            commands: &["dig +short TXT _mta-sts.{domain}"],
            fix: "To leave MTA-STS safely, serve a policy with mode: none under a new id until the longest max_age ever served \
                  has passed, then remove the record and the host.",
        },
        Cause {
            side: Side::Path,
            what: "Somebody keeps the sender from the policy, so that it delivers unprotected.",
            verify: "Suspect this if only senders from one network report it, and your web server saw nothing of them.",
            commands: &[],
            fix: "Keep the policy and a long max_age: senders that know the policy already are protected against this.",
        },
    ],
};

pub(super) static STS_POLICY_INVALID: Explanation = Explanation {
    title: "Your MTA-STS policy has a mistake in it",
    meaning: "The sender fetched your policy from https://mta-sts.{domain}/.well-known/mta-sts.txt and could not make sense of it.",
    enforcement: Enforcement::Delivered,
    causes: &[
        Cause {
            side: Side::PolicyHost,
            what: "A line is missing or misspelt.",
            verify: "There must be version: STSv1, a mode:, a max_age: and at least one mx: line, each on a line of its own, in lower case.",
            commands: &[SHOW_POLICY_BYTES],
            fix: "Correct the file, then change the id in the _mta-sts record so that senders fetch it again.",
        },
        Cause {
            side: Side::PolicyHost,
            what: "Something other than the policy is served: a web page, an error page with status 200, or invisible characters.",
            verify: "The first line should begin with \"version\", with nothing before it; M-oM-;M-? is an invisible mark, \
                     and there must be no empty lines.",
            commands: &[SHOW_POLICY_BYTES],
            fix: "Serve the plain file, saved without a byte order mark.",
        },
        Cause {
            side: Side::PolicyHost,
            what: "An mx: line holds something other than a host name: an address, a URL, a name with a dot at its end or \
                   with letters outside ASCII, or a * that is not the whole first label.",
            verify: "Compare with your MX records.",
            commands: &[SHOW_POLICY_BYTES, "dig +short MX {domain}"],
            fix: "Write host names as in the MX records, without the final dot; international names in their xn-- form.",
        },
        Cause {
            side: Side::PolicyHost,
            what: "max_age is no whole number, or more than 31557600 (a year).",
            verify: "Look at the max_age: line.",
            commands: &[SHOW_POLICY_BYTES],
            fix: "Use a number of seconds, such as 604800 for a week.",
        },
        Cause {
            side: Side::PolicyHost,
            what: "The web server declares it as something other than text/plain.",
            verify: "Look at the Content-Type line.",
            commands: &["curl -sS -I https://mta-sts.{domain}/.well-known/mta-sts.txt"],
            fix: "Have it served as text/plain.",
        },
    ],
};

pub(super) static STS_WEBPKI_INVALID: Explanation = Explanation {
    title: "The certificate of your policy host is not valid",
    meaning: "Senders fetch your MTA-STS policy over HTTPS from mta-sts.{domain}. The certificate that they were shown there \
              does not prove that it is that host, so they do not trust the policy. (This is the web server's certificate, \
              not your mail server's.)",
    enforcement: Enforcement::Delivered,
    causes: &[
        Cause {
            side: Side::PolicyHost,
            what: "The certificate does not hold the name mta-sts.{domain}; often it is the web server's default one.",
            verify: "mta-sts.{domain} (or *.{domain}) must be among the names printed.",
            commands: &[POLICY_HOST_CERTIFICATE],
            fix: "Have a certificate issued for mta-sts.{domain} and assign it to that host name.",
        },
        Cause {
            side: Side::PolicyHost,
            what: "The certificate has run out.",
            verify: "notAfter must lie ahead.",
            commands: &[POLICY_HOST_CERTIFICATE],
            fix: "Renew it, reload the web server, and see to it that both happen by themselves.",
        },
        Cause {
            side: Side::PolicyHost,
            what: "The web server sends its certificate without the intermediate one. Browsers often make up for that; senders do not.",
            verify: "This must end without a certificate error.",
            commands: &[FETCH_POLICY],
            fix: "Configure the file with the whole chain (fullchain.pem).",
        },
        Cause {
            side: Side::PolicyHost,
            what: "The policy is hosted by a provider or behind a content network that has no certificate for your name yet.",
            verify: "See where the name leads.",
            commands: &["dig +short CNAME mta-sts.{domain}", POLICY_HOST_CERTIFICATE],
            fix: "Add the name at the provider. If you have CAA records, let them allow the provider's authority.",
        },
        Cause {
            side: Side::PolicyHost,
            what: "IPv6 leads to another server than IPv4.",
            verify: "Both must end without a certificate error.",
            commands: &[
                "curl -4 -sS https://mta-sts.{domain}/.well-known/mta-sts.txt",
                "curl -6 -sS https://mta-sts.{domain}/.well-known/mta-sts.txt",
            ],
            fix: "Correct the AAAA record, or set up the host there too.",
        },
        Cause {
            side: Side::Path,
            what: "Somebody answers in your policy host's place.",
            verify: "Suspect this if the certificate is good from every network, and one sender still reports it.",
            commands: &[POLICY_HOST_CERTIFICATE],
            fix: "Nothing on your side: the sender did right not to trust it. Tell its operator.",
        },
    ],
};
