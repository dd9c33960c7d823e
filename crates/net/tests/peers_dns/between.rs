//! Somebody between us and a DNS server.

use std::net::SocketAddr;

use tokio::net::UdpSocket;

/// What he does with a question.
pub(crate) enum Between {
    /// Asks the server this.
    Ask(Vec<u8>),
    /// Answers himself.
    Say(Vec<u8>),
}

impl Between {
    /// Stands between until the test's runtime ends.
    pub(crate) async fn start(
        server: SocketAddr,
        question: impl Fn(Vec<u8>) -> Self + Send + 'static,
        mut change: impl FnMut(&mut Vec<u8>) + Send + 'static,
    ) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let onward = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        onward.connect(server).await.unwrap();
        let address = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            loop {
                let (bytes, from) = socket.recv_from(&mut buffer).await.unwrap();
                let mut answer = match question(buffer[..bytes].to_vec()) {
                    Self::Say(answer) => answer,
                    Self::Ask(question) => {
                        onward.send(&question).await.unwrap();
                        let bytes = onward.recv(&mut buffer).await.unwrap();
                        buffer[..bytes].to_vec()
                    }
                };
                change(&mut answer);
                socket.send_to(&answer, from).await.unwrap();
            }
        });
        address
    }

    /// With other flags in the header.
    pub(crate) fn with_flags(self, first: u8, second: u8) -> Self {
        match self {
            Self::Say(mut packet) => {
                packet[2..4].copy_from_slice(&[first, second]);
                Self::Say(packet)
            }
            ask @ Self::Ask(_) => ask,
        }
    }
}

/// Replaces wherever it stands.
pub(crate) fn replace(packet: &mut [u8], from: &[u8], to: &[u8]) {
    assert_eq!(from.len(), to.len());
    for at in 0..packet.len().saturating_sub(from.len()) {
        if packet[at..].starts_with(from) {
            packet[at..at + to.len()].copy_from_slice(to);
        }
    }
}

/// Replaces where it stands first.
pub(crate) fn replace_first(packet: &mut [u8], from: &[u8], to: &[u8]) {
    assert_eq!(from.len(), to.len());
    if let Some(at) = packet.windows(from.len()).position(|window| window == from) {
        packet[at..at + to.len()].copy_from_slice(to);
    }
}
