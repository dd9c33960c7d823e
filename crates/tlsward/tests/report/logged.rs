//! A sender whose Postfix logs what its datagrams leave out.

use std::net::IpAddr;
use std::os::unix::net::UnixDatagram;

use tlsward_engine::ports::RecordData;

use crate::scene::Scene;
use crate::server::Server;

/// Sessions that were counted.
pub(crate) const COUNTED: &str = "tlsward_sessions_total{result=\"counted\"}";
/// Sessions that the log told of.
pub(crate) const TOLD: &str = "tlsward_log_sessions_total";

/// A server with a log of Postfix, and sessions in that log.
pub(crate) struct Logged {
    pub(crate) scene: Scene,
    address: IpAddr,
    fingerprint: Vec<u8>,
}

impl Logged {
    /// `keys` go into `[report]`.
    pub(crate) async fn start(keys: &str) -> Self {
        let scene = Scene::start().await;
        scene.add_keys(keys);
        let (address, fingerprint) = scene.world.world(|world| {
            let address = world.domains["mail.test"].mx[0].addresses[0];
            let shown = world.machines[&address].smtp.as_ref().unwrap().tls.otherwise.clone().unwrap();
            // The digest of the whole certificate.
            let RecordData::Tlsa { data, .. } = world.pki.tlsa(&shown, 3, 0, 1).unwrap() else { panic!() };
            (address, data)
        });
        Self { scene, address, fingerprint }
    }

    /// What Postfix logs of one session at `smtp_tls_loglevel = 2`.
    pub(crate) fn said(&self, host: &str) -> [String; 3] {
        let address = self.address;
        let print = self.fingerprint.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":");
        [
            format!(
                "{host}[{address}]:25: subject_CN=x, issuer=y, cert fingerprint={print}, pkey fingerprint=00"
            ),
            format!("Trusted TLS connection established to {host}[{address}]:25: TLSv1.3 with cipher X"),
            format!("TLSRPT: status=success, domain=mail.test, receiving_mx={host}[{address}]"),
        ]
    }

    /// The session's datagram: a success, says Postfix under a policy in testing mode.
    pub(crate) fn tell(&self) {
        let datagram = "{\"d\":\"mail.test\",\"pr\":\"v=TLSRPTv1; rua=mailto:tlsrpt@mail.test\",\"policies\":[{\"policy-type\":2,\
             \"policy-domain\":\"mail.test\",\"policy-string\":[\"version: STSv1\",\"mode: testing\",\"mx: mx1.mail.test\",\
             \"max_age: 86400\"],\"mx-host\":[\"mx1.mail.test\"],\"t\":0,\"f\":0}]}";
        let socket = self.scene.path("tlsrpt.sock");
        UnixDatagram::unbound().unwrap().send_to(datagram.as_bytes(), socket).unwrap();
    }

    /// Waits until it is kept how far the log was read: from its end as it is at the first look.
    pub(crate) fn wait_for_place(&self, server: &Server, file: &str) {
        let place = self.scene.path("data/report").join(file);
        assert!((0..200_000).any(|_| place.exists() || server.metric(TOLD) > 0));
    }

    /// Successes, failures and unjudged sessions of a server that is stopped.
    pub(crate) async fn sum(&self) -> (u64, u64, u64) {
        let reports = self.scene.outgoing().await;
        reports.iter().fold((0, 0, 0), |sum, line| {
            (sum.0 + line.successful, sum.1 + line.failed, sum.2 + line.unjudged)
        })
    }
}
