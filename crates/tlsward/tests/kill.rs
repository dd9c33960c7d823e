//! The server is killed at random moments with requests in flight on both intakes: what was acknowledged is there
//! afterwards, once.

mod support;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};

use support::{Mailer, Server, connect, post, report};

const ROUNDS: u64 = 50;

/// What the senders of one round were told is kept.
type Acknowledged<'a> = &'a Mutex<Vec<String>>;

/// Proves: J2, J4
#[test]
fn what_was_acknowledged_survives_fifty_kills_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let kept = Mutex::new(Vec::new());
    for round in 0..ROUNDS {
        let mut server = Server::start(folder.path());
        check(&server, &kept.lock().expect("unpoisoned"));
        // xorshift: a fixed sequence of moments, counted in acknowledgements.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let moment = 1 + random % 120;
        let (post_to, mail_to) = (server.post.clone(), server.mail.clone());
        std::thread::scope(|scope| {
            let (told, heard) = channel();
            for sender in 0..4 {
                let (told, kept, post_to, mail_to) = (told.clone(), &kept, &post_to, &mail_to);
                scope.spawn(move || {
                    let name = format!("{round}-{sender}");
                    if sender % 2 == 0 {
                        posts(post_to, &name, kept, &told);
                    } else {
                        mails(mail_to, &name, kept, &told);
                    }
                });
            }
            drop(told);
            for _ in 0..moment {
                heard.recv().expect("a sender is heard of");
            }
            server.kill();
        });
    }
    let server = Server::start(folder.path());
    let kept = kept.into_inner().expect("unpoisoned");
    assert!(kept.len() as u64 > ROUNDS, "hardly anything was acknowledged: {}", kept.len());
    check(&server, &kept);
}

fn check(server: &Server, kept: &[String]) {
    server.settled();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for id in server.report_ids() {
        *counts.entry(id).or_default() += 1;
    }
    let missing: Vec<&String> = kept.iter().filter(|id| !counts.contains_key(*id)).collect();
    assert!(missing.is_empty(), "acknowledged and gone: {missing:?}");
    let doubled: Vec<&String> = counts.iter().filter(|(_, count)| **count > 1).map(|(id, _)| id).collect();
    assert!(doubled.is_empty(), "there twice: {doubled:?}");
}

fn posts(address: &str, name: &str, kept: Acknowledged<'_>, told: &Sender<()>) {
    let mut stream = connect(address);
    for number in 0.. {
        let id = format!("post-{name}-{number}");
        match post(&mut stream, report(&id).as_bytes()) {
            Some(status) => {
                assert_eq!(status, 201);
                kept.lock().expect("unpoisoned").push(id);
                if told.send(()).is_err() {
                    return;
                }
            }
            None => return,
        }
    }
}

fn mails(address: &str, name: &str, kept: Acknowledged<'_>, told: &Sender<()>) {
    let mut number = 0;
    while let Some(mut mailer) = Mailer::connect(address) {
        // A connection takes a hundred mails at most.
        for _ in 0..90 {
            let id = format!("mail-{name}-{number}");
            number += 1;
            match mailer.send(&report(&id)) {
                Some(code) => {
                    assert_eq!(code, 250);
                    kept.lock().expect("unpoisoned").push(id);
                    if told.send(()).is_err() {
                        return;
                    }
                }
                None => return,
            }
        }
    }
}
