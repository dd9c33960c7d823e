//! DNS over UDP and TCP, on one port.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use super::{Shared, StartError, reply};

/// How long a TCP connection may be idle.
const IDLE: Duration = Duration::from_secs(10);

/// Packets are read and answered by so many tasks.
const WORKERS: usize = 2;

pub(super) async fn start(
    shared: &Arc<Shared>,
    port: u16,
) -> Result<(SocketAddr, Vec<JoinHandle<()>>), StartError> {
    let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let failed = |source| StartError::Bind { address: nowhere, source };
    // UDP's free port may be taken over TCP.
    let mut last = None;
    for _ in 0..50 {
        let udp = UdpSocket::bind(nowhere).await.map_err(failed)?;
        let address = udp.local_addr().map_err(failed)?;
        let tcp = match TcpListener::bind(address).await {
            Ok(tcp) => tcp,
            Err(error) => {
                last = Some(error);
                continue;
            }
        };
        let udp = Arc::new(udp);
        let mut tasks: Vec<_> =
            (0..WORKERS).map(|_| tokio::spawn(over_udp(Arc::clone(shared), Arc::clone(&udp)))).collect();
        tasks.push(tokio::spawn(over_tcp(Arc::clone(shared), tcp)));
        return Ok((address, tasks));
    }
    Err(failed(last.unwrap_or_else(|| io::Error::from(io::ErrorKind::AddrInUse))))
}

async fn over_udp(shared: Arc<Shared>, socket: Arc<UdpSocket>) {
    let mut packet = [0; 4096];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut packet).await else {
            tokio::task::yield_now().await;
            continue;
        };
        if let Some(answer) = answer(&shared, &packet[..length], true) {
            let _ = socket.send_to(&answer, from).await;
        }
    }
}

async fn over_tcp(shared: Arc<Shared>, listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if let Ok((stream, _)) = listener.accept().await {
            let shared = Arc::clone(&shared);
            connections.spawn(async move {
                let _ = connection(&shared, stream).await;
            });
        } else {
            tokio::task::yield_now().await;
        }
    }
}

async fn connection(shared: &Shared, mut stream: TcpStream) -> io::Result<()> {
    loop {
        let Ok(length) = timeout(IDLE, stream.read_u16()).await else { return Ok(()) };
        let mut packet = vec![0; usize::from(length?)];
        timeout(IDLE, stream.read_exact(&mut packet)).await??;
        let Some(answer) = answer(shared, &packet, false) else { continue };
        let mut framed = u16::try_from(answer.len()).unwrap_or(u16::MAX).to_be_bytes().to_vec();
        framed.extend_from_slice(&answer);
        stream.write_all(&framed).await?;
    }
}

fn answer(shared: &Shared, packet: &[u8], udp: bool) -> Option<Vec<u8>> {
    let now = shared.now();
    shared.read(|world| reply::reply(world, &shared.signer, now, packet, udp))
}
