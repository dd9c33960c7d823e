//! The SMTP client against real Postfix as an MX.
//!
//! Needs root, `postfix` (Debian's package of that name) and `unshare` (util-linux). Postfix runs from folders of the
//! test's own on free ports of the loopback address, and ends with the test.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod peer;

mod peers {
    use std::fmt::Write as _;
    use std::fs;
    use std::io::{BufRead as _, BufReader};
    use std::net::TcpListener;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;
    use std::process::{Child, Command, Stdio};
    use std::thread::JoinHandle;

    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    use tempfile::TempDir;
    use tlsward_engine::ports::{Smtp, SmtpOutcome, SmtpTarget, TlsFailure};
    use tlsward_net::guard::Guard;
    use tlsward_net::smtp::{SmtpClient, SmtpConfig};

    use crate::peer::LOOPBACK;

    const HOST: &str = "mx.example.com";

    /// Ways in which one Postfix serves, each on a port of its own.
    const SERVICES: [(&str, &str); 6] = [
        ("modern", ""),
        ("tls 1.2", "-o smtpd_tls_protocols=TLSv1.2"),
        ("no tls", "-o smtpd_tls_security_level=none"),
        // Debian's OpenSSL takes old signatures at no other level.
        (
            "old",
            "-o smtpd_tls_protocols=<=TLSv1.1 -o smtpd_tls_ciphers=medium -o tls_medium_cipherlist=ALL:@SECLEVEL=0",
        ),
        ("refusing", "-o smtpd_client_restrictions=reject"),
        ("no certificate", "-o smtpd_tls_chain_files=/nowhere.pem"),
    ];

    struct Postfix {
        process: Child,
        log: Option<JoinHandle<()>>,
        ports: Vec<u16>,
        _folder: TempDir,
    }

    impl Drop for Postfix {
        fn drop(&mut self) {
            // All of it goes with its first process, in a process namespace of its own. That is a shell, because Postfix
            // changes its ids, and with them forgets the signal that a process gets when its parent dies.
            let _ = self.process.kill();
            let _ = self.process.wait();
            // The log ends once nobody is left to write to it.
            if let Some(log) = self.log.take() {
                let _ = log.join();
            }
        }
    }

    impl Postfix {
        fn start(pem: &str, pem_by_name: &str) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path();
            fs::set_permissions(root, fs::Permissions::from_mode(0o755)).unwrap();
            for name in ["conf", "queue", "data"] {
                fs::create_dir(root.join(name)).unwrap();
            }
            run(Command::new("chown").arg("postfix").arg(root.join("data")));
            private(&root.join("default.pem"), pem);
            private(&root.join("by_name.pem"), pem_by_name);
            fs::write(root.join("names"), format!("{HOST} {}/by_name.pem\n", root.display())).unwrap();
            fs::write(root.join("conf/main.cf"), main_cf(root)).unwrap();
            // Held together so that they differ.
            let held: Vec<TcpListener> =
                SERVICES.iter().map(|_| TcpListener::bind((LOOPBACK, 0)).unwrap()).collect();
            let ports: Vec<u16> = held.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
            drop(held);
            fs::write(root.join("conf/master.cf"), master_cf(&ports)).unwrap();
            let mut process = Command::new("unshare")
                .args(["--pid", "--fork", "--kill-child", "sh", "-c", "postfix -c \"$0\" start-fg & wait"])
                .arg(root.join("conf"))
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::inherit())
                .spawn()
                .expect("unshare (Debian's package util-linux) is needed, and root");
            let mut log = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
            let mut said = String::new();
            let started = log.by_ref().any(|line| {
                writeln!(said, "{line}").unwrap();
                line.contains("daemon started")
            });
            assert!(started, "postfix (Debian's package of that name) is needed, and root:\n{said}");
            // Somebody must read on, or Postfix waits.
            let log = Some(std::thread::spawn(move || log.for_each(drop)));
            Self { process, log, ports, _folder: folder }
        }

        async fn probe(&self, service: &str, sni: bool) -> SmtpOutcome {
            let at = SERVICES.iter().position(|(name, _)| *name == service).unwrap();
            let guard = Guard { allow_private: true, allowed: Vec::new() };
            let config = SmtpConfig {
                port: self.ports[at],
                ehlo_name: "probe.example.net".to_owned(),
                guard,
                ..SmtpConfig::default()
            };
            let client = SmtpClient::new(config).unwrap();
            client.probe(SmtpTarget { host: HOST, address: LOOPBACK, sni }).await
        }
    }

    fn main_cf(root: &Path) -> String {
        let root = root.display();
        format!(
            "compatibility_level = 3.6\nqueue_directory = {root}/queue\ndata_directory = {root}/data\n\
             maillog_file = /dev/stdout\nmyhostname = {HOST}\nmydestination =\ninet_interfaces = 127.0.0.1\n\
             inet_protocols = ipv4\nalias_maps =\nlocal_recipient_maps =\nsmtpd_delay_reject = no\n\
             smtpd_relay_restrictions = reject\nsmtpd_tls_security_level = may\n\
             smtpd_tls_chain_files = {root}/default.pem\ntls_server_sni_maps = texthash:{root}/names\n"
        )
    }

    fn master_cf(ports: &[u16]) -> String {
        let mut text = String::new();
        for (port, (_, options)) in ports.iter().zip(SERVICES) {
            writeln!(text, "127.0.0.1:{port} inet n - n - - smtpd {options}").unwrap();
        }
        for service in ["tlsmgr unix - - n 1000? 1 tlsmgr", "anvil unix - - n - 1 anvil"] {
            writeln!(text, "{service}").unwrap();
        }
        for service in ["rewrite unix - - n - - trivial-rewrite", "proxymap unix - - n - - proxymap"] {
            writeln!(text, "{service}").unwrap();
        }
        text.push_str("postlog unix-dgram n - n - 1 postlogd\n");
        text
    }

    fn private(path: &Path, text: &str) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn run(command: &mut Command) {
        assert!(command.status().unwrap().success(), "{command:?}");
    }

    /// An authority, and a leaf with its key for Postfix. The chain that it is to present.
    fn chain(name: &str) -> (String, Vec<Vec<u8>>) {
        let ca_key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::new(vec![]).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_certificate = ca.self_signed(&ca_key).unwrap();
        let issuer = Issuer::new(ca, ca_key);
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        let pem = [key.serialize_pem(), leaf.pem(), ca_certificate.pem()].concat();
        (pem, vec![leaf.der().to_vec(), ca_certificate.der().to_vec()])
    }

    /// Proves: E5, E6
    #[tokio::test]
    async fn postfix_is_seen_as_it_is() {
        let (by_default, default_chain) = chain("fallback.example.com");
        let (by_name, name_chain) = chain(HOST);
        let postfix = Postfix::start(&by_default, &by_name);

        for (service, version) in [("modern", 0x0304), ("tls 1.2", 0x0303)] {
            for (sni, expected) in [(true, &name_chain), (false, &default_chain)] {
                let outcome = postfix.probe(service, sni).await;
                let SmtpOutcome::Tls(session) = outcome else { panic!("{service}: {outcome:?}") };
                assert_eq!(session.version, version);
                assert_eq!(session.chain, *expected, "{service}, SNI: {sni}");
            }
        }
        assert_eq!(postfix.probe("no tls", true).await, SmtpOutcome::NoStartTls);

        let old = postfix.probe("old", true).await;
        let SmtpOutcome::TlsFailed(TlsFailure::NothingInCommon { offered: Some((version, suite)) }) = old
        else {
            panic!("{old:?}")
        };
        // TLS 1.1 with ECDHE, ECDSA and CBC.
        assert_eq!(version, 0x0302);
        assert!([0xc009, 0xc00a].contains(&suite), "{suite:#x}");

        let refused = postfix.probe("refusing", true).await;
        let SmtpOutcome::Refused { code: 554, text } = refused else { panic!("{refused:?}") };
        assert!(text.contains("Client host rejected: Access denied"), "{text}");

        // It offers STARTTLS and then has nothing to present, to nobody.
        let expected = SmtpOutcome::TlsFailed(TlsFailure::Alert("handshake_failure".to_owned()));
        assert_eq!(postfix.probe("no certificate", false).await, expected);
    }
}
