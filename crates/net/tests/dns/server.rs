//! A DNS server that says what a test tells it to, by UDP and TCP on a free port of 127.0.0.1.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::str::FromStr as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME, MX, SOA, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinHandle;

/// A question as it came.
pub(crate) struct Asked {
    /// Read.
    pub(crate) message: Message,
    /// By TCP.
    pub(crate) tcp: bool,
    /// How many came before it.
    pub(crate) number: usize,
}

impl Asked {
    /// The name, lower-case, without the dot at the end.
    pub(crate) fn name(&self) -> String {
        let text = self.message.queries[0].name().to_ascii().to_ascii_lowercase();
        text.trim_end_matches('.').to_owned()
    }

    pub(crate) fn kind(&self) -> RecordType {
        self.message.queries[0].query_type()
    }

    pub(crate) fn wants_data_all_the_same(&self) -> bool {
        self.message.metadata.checking_disabled
    }

    pub(crate) fn dnssec_ok(&self) -> bool {
        self.message.edns.as_ref().is_some_and(|edns| edns.flags().dnssec_ok)
    }

    /// An answer without records.
    pub(crate) fn answer(&self) -> Message {
        let mut message = Message::response(self.message.metadata.id, self.message.metadata.op_code);
        message.metadata.recursion_available = true;
        message.add_query(self.message.queries[0].clone());
        message
    }

    /// An answer with records.
    pub(crate) fn records(&self, records: Vec<Record>) -> Vec<Vec<u8>> {
        let mut message = self.answer();
        message.add_answers(records);
        vec![packet(&message)]
    }

    /// An answer with a response code.
    pub(crate) fn code(&self, code: ResponseCode) -> Vec<Vec<u8>> {
        let mut message = self.answer();
        message.metadata.response_code = code;
        vec![packet(&message)]
    }

    /// The records, with the AD bit.
    pub(crate) fn authentic(&self, records: Vec<Record>) -> Vec<Vec<u8>> {
        let mut message = self.answer();
        message.metadata.authentic_data = true;
        message.add_answers(records);
        vec![packet(&message)]
    }
}

pub(crate) fn packet(message: &Message) -> Vec<u8> {
    message.to_vec().unwrap()
}

pub(crate) fn name(text: &str) -> Name {
    let mut name = Name::from_str(text).unwrap();
    name.set_fqdn(true);
    name
}

pub(crate) fn record(owner: &str, ttl: u32, data: RData) -> Record {
    Record::from_rdata(name(owner), ttl, data)
}

pub(crate) fn a(owner: &str, ttl: u32) -> Record {
    record(owner, ttl, RData::A(A::new(192, 0, 2, 7)))
}

pub(crate) fn mx(owner: &str, ttl: u32, preference: u16, exchange: &str) -> Record {
    record(owner, ttl, RData::MX(MX::new(preference, name(exchange))))
}

pub(crate) fn txt(owner: &str, ttl: u32, strings: &[&[u8]]) -> Record {
    record(owner, ttl, RData::TXT(TXT::from_bytes(strings.to_vec())))
}

pub(crate) fn alias(owner: &str, ttl: u32, target: &str) -> Record {
    record(owner, ttl, RData::CNAME(CNAME(name(target))))
}

pub(crate) fn soa(owner: &str, ttl: u32, minimum: u32) -> Record {
    let soa = SOA::new(name("ns.invalid"), name("post.invalid"), 1, 2, 3, 4, minimum);
    record(owner, ttl, RData::SOA(soa))
}

/// Runs until it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    asked: Arc<AtomicUsize>,
    seen: Arc<Mutex<Seen>>,
    tasks: Vec<JoinHandle<()>>,
}

/// Ids and source ports.
type Seen = (BTreeSet<u16>, BTreeSet<u16>);

type Script = Arc<dyn Fn(&Asked) -> Vec<Vec<u8>> + Send + Sync>;

impl Server {
    /// Each packet of the script's answer is sent, in order; none is silence.
    pub(crate) async fn start(script: impl Fn(&Asked) -> Vec<Vec<u8>> + Send + Sync + 'static) -> Self {
        let script: Script = Arc::new(script);
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
                break (udp, tcp);
            }
        };
        let address = udp.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let seen = Arc::<Mutex<Seen>>::default();
        let read = {
            let (asked, seen) = (Arc::clone(&asked), Arc::clone(&seen));
            move |packet: &[u8], from: SocketAddr, tcp: bool| {
                let message = Message::from_vec(packet).unwrap();
                let mut seen = seen.lock().unwrap();
                seen.0.insert(message.metadata.id);
                seen.1.insert(from.port());
                let number = asked.fetch_add(1, Ordering::SeqCst);
                Asked { message, tcp, number }
            }
        };
        let by_udp = {
            let (script, read) = (Arc::clone(&script), read.clone());
            async move {
                let mut buffer = vec![0; 65_535];
                loop {
                    let (bytes, from) = udp.recv_from(&mut buffer).await.unwrap();
                    for packet in script(&read(&buffer[..bytes], from, false)) {
                        // Nobody may be there any more.
                        let _ = udp.send_to(&packet, from).await;
                    }
                }
            }
        };
        let by_tcp = async move {
            loop {
                let (mut stream, from) = tcp.accept().await.unwrap();
                let bytes = stream.read_u16().await.unwrap();
                let mut packet = vec![0; usize::from(bytes)];
                stream.read_exact(&mut packet).await.unwrap();
                for packet in script(&read(&packet, from, true)) {
                    let bytes = u16::try_from(packet.len()).unwrap();
                    let _ = stream.write_all(&[&bytes.to_be_bytes(), packet.as_slice()].concat()).await;
                }
            }
        };
        let tasks = vec![tokio::spawn(by_udp), tokio::spawn(by_tcp)];
        Self { address, asked, seen, tasks }
    }

    /// How many questions came.
    pub(crate) fn questions(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// The ids of all questions.
    pub(crate) fn ids(&self) -> BTreeSet<u16> {
        self.seen.lock().unwrap().0.clone()
    }

    /// The ports that they came from.
    pub(crate) fn ports(&self) -> BTreeSet<u16> {
        self.seen.lock().unwrap().1.clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}
