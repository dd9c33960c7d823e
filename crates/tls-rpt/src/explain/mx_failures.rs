//! Failures between the sender and the MX: no STARTTLS, certificates, and what has no name (RFC 8460 §4.3.1, §4.3.3).
//!
//! Texts only. In each list the cause that most often proves true stands first; an attack stands last, since it is rare,
//! and its fix never is to relax the policy.

use super::{Cause, Enforcement, Explanation, Side};

/// Shows the certificate of the MX: names, issuer and dates.
const SHOW_CERTIFICATE: &str = "openssl s_client -starttls smtp -connect {mx}:25 -servername {mx} </dev/null \
     2>/dev/null | openssl x509 -noout -subject -issuer -dates -ext subjectAltName";
/// The same at one address of the MX.
const SHOW_CERTIFICATE_AT_ADDRESS: &str = "openssl s_client -starttls smtp -connect '{mx_addr}:25' -servername {mx} \
     </dev/null 2>/dev/null | openssl x509 -noout -subject -issuer -dates -ext subjectAltName";
/// Does what a strict sender does.
const VERIFY: &str = "openssl s_client -starttls smtp -connect {mx}:25 -servername {mx} -verify_hostname {mx} \
     -verify_return_error -brief </dev/null";
const LIST_MX: &str = "dig +short MX {domain}";
const SHOW_POLICY: &str = "curl -sS https://mta-sts.{domain}/.well-known/mta-sts.txt";

pub(super) static STARTTLS_NOT_SUPPORTED: Explanation = Explanation {
    title: "The mail server offered no encryption",
    meaning: "The sender reached your mail server {mx}, and the server did not offer STARTTLS, the command that turns \
              a plain connection between mail servers into an encrypted one. The mail then went unencrypted or not at all.",
    enforcement: Enforcement::Refused,
    causes: &[
        Cause {
            side: Side::Mx,
            what: "STARTTLS is switched off, or the server cannot load its certificate or key and so does not offer it.",
            verify: "Connect as a sender does. \"Didn't find STARTTLS in server response\" means that it is not offered.",
            commands: &[
                "openssl s_client -starttls smtp -connect {mx}:25 -servername {mx} -brief </dev/null",
            ],
            fix: "Switch STARTTLS on and give the server a certificate and its key (Postfix: smtpd_tls_security_level = may \
                  and smtpd_tls_chain_files). Reload it, then read its log: a file it cannot read is named there.",
        },
        Cause {
            side: Side::Mx,
            what: "Only one of your servers or addresses is affected: a backup MX, or an IPv6 address that leads elsewhere.",
            verify: "Try every address of every mail server of the domain.",
            commands: &[
                LIST_MX,
                "dig +short A {mx}; dig +short AAAA {mx}",
                "openssl s_client -starttls smtp -connect '{mx_addr}:25' -servername {mx} -brief </dev/null",
            ],
            fix: "Set it up like the others, or take it out of DNS.",
        },
        Cause {
            side: Side::Mx,
            what: "A firewall, load balancer or mail filter in front of the server removes the offer.",
            verify: "Run the first command on the server itself and from outside. If only the inside shows STARTTLS, \
                     something between removes it. A row of X in the greeting (XXXXXXXA) is the mark of SMTP inspection.",
            commands: &[
                "openssl s_client -starttls smtp -connect localhost:25 -servername {mx} -brief </dev/null",
            ],
            fix: "Switch off SMTP inspection (\"fixup\", \"protocol inspection\") on that device.",
        },
        Cause {
            side: Side::Path,
            what: "Somebody on the way removes the offer to be able to read the mail.",
            verify: "Connect from several networks. Suspect this if only senders from one network or country see it, and \
                     your server's log shows that it did offer STARTTLS in those sessions.",
            commands: &[],
            fix: "Keep the policy: an enforced MTA-STS policy or DANE is what stops this. Tell the sender's operator.",
        },
    ],
};

pub(super) static CERTIFICATE_HOST_MISMATCH: Explanation = Explanation {
    title: "The certificate is for another name",
    meaning: "Your mail server showed a certificate that does not hold the name under which the sender looked for it. \
              What counts is the host name in your MX record, {mx}, not your mail domain. It must be among the \
              certificate's subject alternative names.",
    enforcement: Enforcement::Refused,
    causes: &[
        Cause {
            side: Side::Mx,
            what: "The certificate was issued for other names, such as your web site's or your mail domain's.",
            verify: "List the names in the certificate. {mx} must be one of them; a * stands for exactly one label.",
            commands: &[SHOW_CERTIFICATE],
            fix: "Have a certificate issued that holds {mx}, install it and reload the mail server. Keep the name \
                  in the renewal's settings.",
        },
        Cause {
            side: Side::Mx,
            what: "The server has several certificates and shows this sender the default one, which is the wrong one.",
            verify: "Ask without naming a host. If the names differ from those of the first command, this is it.",
            commands: &[
                "openssl s_client -starttls smtp -connect {mx}:25 -noservername </dev/null 2>/dev/null | openssl x509 \
                 -noout -ext subjectAltName",
            ],
            fix: "Make the certificate for {mx} the default of the SMTP service on port 25.",
        },
        Cause {
            side: Side::PolicyHost,
            what: "The mail server is not in your MTA-STS policy. Some senders file that under this heading.",
            verify: "Each name that the first command prints must match an mx: line of the policy.",
            commands: &[LIST_MX, SHOW_POLICY],
            fix: "If the server is yours, add an mx: line for it, then change the id in the _mta-sts record. If it is not, \
                  remove it from your MX records.",
        },
        Cause {
            side: Side::Dns,
            what: "An old MX record is still served somewhere and leads to a former provider.",
            verify: "Ask each of your name servers; all must give the same list.",
            commands: &[
                "for ns in $(dig +short NS {domain}); do echo \"$ns\"; dig +short MX {domain} \"@$ns\"; done",
            ],
            fix: "Bring the name servers in step and remove what is out of date.",
        },
        Cause {
            side: Side::Path,
            what: "Somebody led the sender to another server, by forged DNS or by the route.",
            verify: "Suspect this if {mx_addr} is not an address of yours.",
            commands: &["dig +short A {mx}; dig +short AAAA {mx}"],
            fix: "Keep the policy: it is what stopped this. Keep the report, and tell the sender's operator.",
        },
    ],
};

pub(super) static CERTIFICATE_EXPIRED: Explanation = Explanation {
    title: "The certificate has run out",
    meaning: "Your mail server {mx} showed a certificate whose last day has passed. Senders that check certificates do \
              not accept it.",
    enforcement: Enforcement::Refused,
    causes: &[
        Cause {
            side: Side::Mx,
            what: "The certificate was renewed on disk, and the mail server was not reloaded and still shows the old one.",
            verify: "Compare notAfter of what the server shows with the file it is configured to use.",
            commands: &[SHOW_CERTIFICATE, "openssl x509 -noout -dates -in /path/to/the/certificate.pem"],
            fix: "Reload the mail server now, and have the renewal do it each time (certbot: --deploy-hook \
                  'systemctl reload postfix').",
        },
        Cause {
            side: Side::Mx,
            what: "The renewal fails.",
            verify: "Read the log of the program that renews, or let it try.",
            commands: &["certbot renew --dry-run"],
            fix: "Mend what it complains about: usually port 80 is closed, or the DNS record for the challenge cannot be set.",
        },
        Cause {
            side: Side::Mx,
            what: "Only a backup MX or one of several addresses still has the old certificate.",
            verify: "Look at every address of every mail server.",
            commands: &[LIST_MX, "dig +short A {mx}; dig +short AAAA {mx}", SHOW_CERTIFICATE_AT_ADDRESS],
            fix: "Bring the renewed certificate to all of them.",
        },
        Cause {
            side: Side::Mx,
            what: "The server's own certificate is good, and one that it sends along to link it to its issuer has run out.",
            verify: "Show the whole chain with its dates.",
            commands: &[
                "openssl s_client -starttls smtp -connect {mx}:25 -servername {mx} -showcerts </dev/null 2>/dev/null | \
                 grep -E ' [siv]:'",
            ],
            fix: "Install the chain that your certificate authority gives out today (fullchain.pem).",
        },
        Cause {
            side: Side::Sender,
            what: "The sender's clock is wrong.",
            verify: "Suspect this if one sender alone reports it and your dates are good.",
            commands: &[SHOW_CERTIFICATE],
            fix: "Write to the contact in the report.",
        },
    ],
};

pub(super) static CERTIFICATE_NOT_TRUSTED: Explanation = Explanation {
    title: "The sender does not trust the certificate's issuer",
    meaning: "Your mail server {mx} showed a certificate that the sender could not link to a certificate authority that \
              it trusts.",
    enforcement: Enforcement::Refused,
    causes: &[
        Cause {
            side: Side::Mx,
            what: "The server sends its own certificate without the intermediate one that links it to the authority.",
            verify: "\"unable to get local issuer certificate\" or \"unable to verify the first certificate\" means this.",
            commands: &[VERIFY],
            fix: "Configure the file with the whole chain (often fullchain.pem instead of cert.pem) and reload.",
        },
        Cause {
            side: Side::Mx,
            what: "The certificate is self-signed, or from an authority of your own.",
            verify: "If issuer and subject are the same, or the issuer is none that the public knows, this is it.",
            commands: &[SHOW_CERTIFICATE],
            fix: "Use a certificate from a public authority, for instance by ACME. (For DANE alone a self-signed one would \
                  do; MTA-STS needs a public one.)",
        },
        Cause {
            side: Side::Mx,
            what: "The server shows a built-in default certificate when a sender names no host, or at one of its addresses.",
            verify: "Compare the issuers of the two commands.",
            commands: &[
                SHOW_CERTIFICATE_AT_ADDRESS,
                "openssl s_client -starttls smtp -connect {mx}:25 -noservername </dev/null 2>/dev/null | openssl x509 \
                 -noout -issuer",
            ],
            fix: "Make the public certificate the default everywhere.",
        },
        Cause {
            side: Side::Sender,
            what: "The sender's list of authorities is old, or it no longer trusts yours.",
            verify: "Suspect this if one sender alone reports it and the command ends well.",
            commands: &[VERIFY],
            fix: "Ask the contact in the report. If your authority has lost its standing, change to another.",
        },
        Cause {
            side: Side::Path,
            what: "Something on the way opens the encryption with a certificate of its own: an inspecting firewall, or an attacker.",
            verify: "Suspect this if the issuer that the sender saw is not the one your server shows.",
            commands: &[SHOW_CERTIFICATE],
            fix: "Exempt port 25 from inspection if the device is yours. If not, keep the policy and tell the sender's operator.",
        },
    ],
};

pub(super) static VALIDATION_FAILURE: Explanation = Explanation {
    title: "The check failed for a reason without a heading of its own",
    meaning: "The sender held your mail server against your policy, and something did not fit. This is the heading for all \
              that fits no other; the failure reason says more where one is given. Google uses it most of all for a mail \
              server that is not in your MTA-STS policy.",
    enforcement: Enforcement::Refused,
    causes: &[
        Cause {
            side: Side::PolicyHost,
            what: "The mail server {mx} is not covered by your MTA-STS policy.",
            verify: "Each name that the first command prints must match an mx: line. A * stands for exactly one label: \
                     *.mx.example covers a.mx.example, and neither a.b.mx.example nor mx.example.",
            commands: &[LIST_MX, SHOW_POLICY],
            fix: "If the server is yours, add an mx: line with its full name, then change the id in the _mta-sts record.",
        },
        Cause {
            side: Side::PolicyHost,
            what: "You changed mail servers, and the sender still holds the policy from before.",
            verify: "Compare the policy in the report with the one that you serve now.",
            commands: &[SHOW_POLICY],
            fix: "Check that the id in the _mta-sts record changed with the policy. Keep the old mail server running for \
                  max_age. Next time put the new server into the policy first, and into DNS only later.",
        },
        Cause {
            side: Side::Mx,
            what: "Sender and server have no TLS version or cipher in common.",
            verify: "Both commands should connect; the first one must.",
            commands: &[
                "openssl s_client -starttls smtp -connect {mx}:25 -servername {mx} -tls1_2 -brief </dev/null",
                "openssl s_client -starttls smtp -connect {mx}:25 -servername {mx} -tls1_3 -brief </dev/null",
            ],
            fix: "Offer TLS 1.2 and 1.3 with the defaults of a current TLS library.",
        },
        Cause {
            side: Side::Mx,
            what: "The certificate has a fault that the sender did not name.",
            verify: "Do what a strict sender does; the error is printed.",
            commands: &[VERIFY, SHOW_CERTIFICATE],
            fix: "Mend what is printed; see the headings for certificates.",
        },
        Cause {
            side: Side::Mx,
            what: "The connection broke while encryption was being set up: an overloaded server, a time limit, a load balancer.",
            verify: "Look for the sender's address {sender_ip} in the mail server's log of that day.",
            commands: &[],
            fix: "A few such sessions among thousands are harmless. If there are many, find out what closes them.",
        },
    ],
};

pub(super) static UNKNOWN: Explanation = Explanation {
    title: "A failure that this program does not know",
    meaning: "The sender used a word for the failure that is not among the registered ones. What it means is for the sender to say.",
    enforcement: Enforcement::Unknown,
    causes: &[Cause {
        side: Side::Unclear,
        what: "The sender uses a newer heading, or one of its own.",
        verify: "Read the failure reason and the additional information in the report, and check the mail server as a \
                 strict sender would.",
        commands: &[VERIFY],
        fix: "If that shows nothing, ask the contact in the report.",
    }],
};
