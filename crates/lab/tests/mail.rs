//! The world's SMTP servers take mail, and show what came.

use std::time::Duration;

use tlsward_lab::loopback;
use tlsward_lab::world::World;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[tokio::test]
async fn a_mail_is_kept_as_it_came_with_its_envelope() {
    let mut world = World::loopback(1_800_000_000);
    world.domain("alpha.test").add().unwrap();
    let running = loopback::start(&world).await.unwrap();
    let address = world.domains["alpha.test"].mx[0].addresses[0];
    let mut stream = TcpStream::connect((address, running.smtp_port)).await.unwrap();
    let session = "EHLO client.test\r\nDATA\r\nRCPT TO:<early@alpha.test>\r\nMAIL FROM:<>\r\nRSET\r\n\
                   MAIL FROM:<a@client.test> SIZE=9\r\nRCPT TO:<b@alpha.test>\r\nRCPT TO:<C@alpha.test>\r\nDATA\r\n\
                   Subject: x\r\n\r\n..dotted\r\n...\r\n.\r\nDATA\r\nQUIT\r\n";
    stream.write_all(session.as_bytes()).await.unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).await.unwrap();
    let codes: Vec<&str> =
        answers.lines().filter(|line| line.as_bytes()[3] == b' ').map(|line| &line[..3]).collect();
    assert_eq!(
        codes,
        ["220", "250", "503", "503", "250", "250", "250", "250", "250", "354", "250", "503", "221"]
    );
    let mails = running.next_mails().await;
    assert_eq!(mails.len(), 1);
    let mail = &mails[0];
    assert_eq!((mail.mx.as_str(), mail.address, mail.tls), ("mx1.alpha.test", address, false));
    assert_eq!(
        (mail.from.as_str(), &mail.to[..]),
        ("a@client.test", &["b@alpha.test", "C@alpha.test"].map(String::from)[..])
    );
    assert_eq!(mail.message, &b"Subject: x\r\n\r\n.dotted\r\n..\r\n"[..]);
    assert!(tokio::time::timeout(Duration::ZERO, running.next_mails()).await.is_err(), "it was taken");
}
