//! Somebody between us and a name server, on TCP.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What he does with the answer to an update.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer {
    /// Ends the connection in its place.
    Drop,
    /// Never gives it.
    Hold,
    /// Another byte at this place of the message.
    Change(usize),
    /// Says NOERROR without a signature.
    Forge,
}

/// Stands between until the test's runtime ends. Other messages pass.
pub(crate) async fn between(server: SocketAddr, answer: Answer) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut onward = TcpStream::connect(server).await.unwrap();
            tokio::spawn(async move {
                while let Some(question) = message(&mut client).await {
                    send(&mut onward, &question).await;
                    let mut reply = message(&mut onward).await.unwrap();
                    let is_update = question[2] & 0x78 == 0x28;
                    match answer {
                        _ if !is_update => {}
                        Answer::Drop => return,
                        Answer::Hold => std::future::pending().await,
                        Answer::Change(at) => reply[at] ^= 0x04,
                        Answer::Forge => {
                            reply = question[..12].to_vec();
                            reply[2..12].copy_from_slice(&[0xa8, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
                        }
                    }
                    send(&mut client, &reply).await;
                }
            });
        }
    });
    address
}

async fn message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let length = stream.read_u16().await.ok()?;
    let mut message = vec![0; usize::from(length)];
    stream.read_exact(&mut message).await.ok()?;
    Some(message)
}

async fn send(stream: &mut TcpStream, message: &[u8]) {
    let length = u16::try_from(message.len()).unwrap();
    stream.write_all(&[&length.to_be_bytes(), message].concat()).await.unwrap();
}
