//! A disk that is full: sessions wait or are counted as lost, nothing that was acknowledged goes, and with room all goes on.
//!
//! The server's folders lie on a small file system in memory, in a mount namespace of its own, which a file fills up.

use std::fs::{self, File};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::program::fixtures;
use crate::scene::{Scene, TOKEN, line, post};
use crate::server::Server;

const RECORDS: &str = "tlsward_session_records_total";
const LOST: &str = "tlsward_session_records_dropped_total";
const COUNTED: &str = "tlsward_sessions_total{result=\"counted\"}";

/// A mount namespace with a small file system, which outlives the server in it.
struct Confined {
    namespace: File,
    folder: PathBuf,
}

impl Confined {
    /// A server, and `folder` as a file system with that room.
    fn start(scene: &Scene, folder: &Path, room: &str) -> (Self, Server) {
        fs::create_dir_all(folder).unwrap();
        let mut command = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            command.arg("--map-root-user");
        }
        let script = "mount -t tmpfs -o mode=700,size=\"$1\" tmpfs \"$2\" && shift 2 && exec \"$@\"";
        command.args(["--mount", "sh", "-c", script, "sh", room]).arg(folder);
        let server = served(command, scene);
        let namespace = File::open(format!("/proc/{}/ns/mnt", server.pid())).unwrap();
        (Self { namespace, folder: folder.to_owned() }, server)
    }

    /// A server in it once more.
    fn serve(&self, scene: &Scene) -> Server {
        served(self.enter(), scene)
    }

    /// Runs something in it.
    fn enter(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--mount=/proc/{}/fd/{}", std::process::id(), self.namespace.as_raw_fd()));
        command
    }

    /// Takes all room that is left, to the last byte.
    fn fill(&self) {
        let mut command = self.enter();
        command.args(["sh", "-c", "cat /dev/zero > \"$1/filler\"", "sh"]).arg(&self.folder);
        let ran = command.output().unwrap();
        assert!(String::from_utf8_lossy(&ran.stderr).contains("No space left"), "{ran:?}");
    }

    fn give(&self, room: &str) {
        let mut command = self.enter();
        command.args(["mount", "-o", &format!("remount,size={room}")]).arg(&self.folder);
        assert!(command.status().unwrap().success());
    }
}

fn served(mut command: Command, scene: &Scene) -> Server {
    command.arg(env!("CARGO_BIN_EXE_tlsward")).stdin(Stdio::null()).env("LC_ALL", "C");
    Server::start_by(command, &scene.config())
}

/// A datagram of about that size.
fn datagram(bytes: usize) -> Vec<u8> {
    let head = "{\"d\":\"mail.test\",\"pr\":\"v=TLSRPTv1; rua=mailto:tlsrpt@mail.test\",\"policies\":[{\"policy-type\":9,\"t\":0,\"f\":0}],\"x\":\"";
    format!("{head}{}\"}}", "x".repeat(bytes)).into_bytes()
}

/// Proves: H9
#[tokio::test(flavor = "multi_thread")]
async fn while_the_journal_has_no_room_sessions_wait_or_are_told_lost_and_the_socket_is_read_on() {
    let scene = Scene::start().await;
    let folder = scene.path("data/report");
    let (confined, server) = Confined::start(&scene, &folder, "4m");
    // Who sends waits until there is room in the queue: the test ends only if somebody reads.
    let client = UnixDatagram::unbound().unwrap();
    client.connect(scene.path("tlsrpt.sock")).unwrap();
    let mut sent = 0;
    let mut send = |times: u64, bytes: usize| {
        let datagram = datagram(bytes);
        (0..times).for_each(|_| assert_eq!(client.send(&datagram).unwrap(), datagram.len()));
        sent += times;
    };
    send(3, 100);
    server.until(RECORDS, 3);

    confined.fill();
    send(50, 8_000);
    server.until("tlsward_journal_failed_writes_total", 1);
    server.wait_for("cannot write sessions to the journal");
    // More than waits in memory: twice 64 MiB, one of which is being written.
    send(800, 200_000);
    server.until(LOST, 1);
    server.wait_for("sessions are lost");
    assert_eq!(server.http("Pages", "GET /sessions HTTP/1.1", b"").0, 200);

    confined.give("400m");
    let told = server.wait_for("sessions are written to the journal again");
    send(5, 100);
    let lost = server.metric(LOST);
    assert!(lost > 0 && told.contains(&format!("lost={lost}")), "{told}");
    server.until(RECORDS, sent - lost);
    server.until(COUNTED, sent - lost);
    assert_eq!(
        (server.metric(RECORDS), server.metric(LOST)),
        (sent - lost, lost),
        "written, or said to be lost"
    );
    server.stop();
}

/// Proves: J2, H9
#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_was_acknowledged_goes_when_the_whole_disk_is_full_and_the_server_is_killed() {
    let scene = Scene::start().await;
    let folder = scene.path("data");
    let (confined, server) = Confined::start(&scene, &folder, "8m");
    let report = fs::read_to_string(fixtures().join("clean.json")).unwrap();
    let file = |server: &Server, number: u32| {
        let head = "POST /v1/tlsrpt HTTP/1.1\r\ncontent-type: application/tlsrpt+json";
        let report = report.replace("calm-1", &format!("calm-{number}"));
        server.http("Reports by POST", head, report.as_bytes()).0
    };
    let session = line("mail.test", "success", "");
    assert_eq!((file(&server, 1), post(&server, TOKEN, &session)), (201, 200));
    server.until(COUNTED, 1);

    confined.fill();
    let mut filed = vec!["calm-1".to_owned()];
    let refused = (2..5_000).find(|number| match file(&server, *number) {
        201 => {
            filed.push(format!("calm-{number}"));
            false
        }
        status => {
            assert_eq!(status, 503);
            true
        }
    });
    assert!(refused.is_some(), "a full disk takes reports for ever");
    // Sessions of a mail server, which is told nothing: they wait. Who posts is told to come again.
    let client = UnixDatagram::unbound().unwrap();
    client.send_to(&datagram(8_000), scene.path("tlsrpt.sock")).unwrap();
    server.until("tlsward_journal_failed_writes_total", 1);
    assert_eq!(post(&server, TOKEN, &session), 503);
    server.wait_for("cannot write sessions to the journal");
    assert!(server.metric("tlsward_http_requests_total{listener=\"reports\",code=\"503\"}") >= 2);
    server.kill();

    confined.give("64m");
    let server = confined.serve(&scene);
    let listed = server.asked("reports?limit=1000");
    let ids: Vec<_> =
        listed["items"].as_array().unwrap().iter().map(|item| item["report_id"].as_str().unwrap()).collect();
    assert!(filed.iter().all(|id| ids.contains(&id.as_str())), "{filed:?} {ids:?}");
    server.until("tlsward_sessions_counted_until_timestamp_seconds", 1);
    server.stop();
    let server = confined.serve(&scene);
    let outgoing = server.asked("outgoing?domain=mail.test");
    let counted: u64 =
        outgoing["items"].as_array().unwrap().iter().map(|item| item["successful"].as_u64().unwrap()).sum();
    // What was refused is not there, and can be sent again.
    assert_eq!(counted, 1);
    assert_eq!(post(&server, TOKEN, &session), 200);
    server.stop();
}
