//! nginx in front, as an owner would set it up: it has the certificates, we have the policies.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tlsward_policy_host::Sources;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

use crate::support::{POLICY, Running, body, limits};
use crate::{run, text};

/// nginx and its folder; both end with it.
struct Nginx {
    folder: TempDir,
    _process: Child,
}

impl Nginx {
    /// Three ways to us: with `Host` handed on, with `X-Forwarded-Host`, and from clear text.
    async fn before(running: &Running) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = text(folder.path());
        let (certificate, key, _) = running.authority.issue("mta-sts.example.org");
        std::fs::write(folder.path().join("certificate.pem"), certificate).unwrap();
        std::fs::write(folder.path().join("key.pem"), key).unwrap();
        std::fs::write(folder.path().join("root.pem"), running.authority.pem()).unwrap();
        let upstream = running.http;
        let tls = format!("ssl_certificate {at}/certificate.pem; ssl_certificate_key {at}/key.pem;");
        let config = format!(
            "daemon off; master_process off; pid {at}/pid; error_log {at}/error.log;
             events {{ worker_connections 64; }}
             http {{
               access_log off; client_body_temp_path {at}/body; proxy_temp_path {at}/proxy;
               fastcgi_temp_path {at}/fastcgi; uwsgi_temp_path {at}/uwsgi; scgi_temp_path {at}/scgi;
               server {{ listen unix:{at}/host.sock ssl; {tls}
                 location /.well-known/ {{ proxy_pass http://{upstream};
                   proxy_set_header Host $host; proxy_set_header X-Forwarded-Proto https; }} }}
               server {{ listen unix:{at}/forwarded.sock ssl; {tls}
                 location /.well-known/ {{ proxy_pass http://{upstream}; proxy_set_header X-Forwarded-Host $host;
                   proxy_set_header X-Forwarded-Proto $scheme; }} }}
               server {{ listen unix:{at}/clear.sock;
                 location /.well-known/ {{ proxy_pass http://{upstream}; proxy_set_header Host $host;
                   proxy_set_header X-Forwarded-Proto $scheme; }} }}
             }}"
        );
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new("nginx");
        command.args(["-e", &format!("{at}/error.log"), "-c", text(&file)]).stdin(Stdio::null());
        let process = command.kill_on_drop(true).spawn().expect("nginx; `cargo xtask test` installs it");
        let nginx = Self { folder, _process: process };
        let up = async {
            while UnixStream::connect(nginx.path("clear.sock")).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(20), up).await.is_err() {
            panic!("nginx: {}", std::fs::read_to_string(nginx.path("error.log")).unwrap_or_default());
        }
        nginx
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What curl gets through one of the ways.
    async fn get(&self, way: &str, more: &[&str], url: &str) -> String {
        let (socket, root) = (self.path(way), self.path("root.pem"));
        let common = ["-sS", "-i", "--unix-socket", text(&socket), "--cacert", text(&root)];
        run("curl", &[&common[..], more, &[url]].concat()).await.1
    }
}

/// Proves: D18
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_comes_through_nginx_as_it_is_and_only_what_came_by_https() {
    let sources = Sources { trusted_proxies: vec!["127.0.0.1".parse().unwrap()], exempt: Vec::new() };
    let running = Running::start(limits(), sources).await;
    let nginx = Nginx::before(&running).await;
    let url = "https://mta-sts.example.org/.well-known/mta-sts.txt";
    for way in ["host.sock", "forwarded.sock"] {
        let answer = nginx.get(way, &[], url).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{way}: {answer}");
        assert_eq!(body(&answer), POLICY, "{way}");
        let nothing = nginx.get(way, &[], "https://mta-sts.example.org/.well-known/security.txt").await;
        assert!(nothing.starts_with("HTTP/1.1 404"), "{way}: {nothing}");
    }
    // What a client claims, nginx overwrites.
    let lie = ["-H", "X-Forwarded-Proto: https", "-H", "X-Forwarded-Host: mta-sts.example.org"];
    let answer = nginx.get("clear.sock", &lie, &url.replace("https", "http")).await;
    assert!(answer.starts_with("HTTP/1.1 403") && !answer.contains("STSv1"), "{answer}");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_nginx_that_nobody_named_gets_no_policy() {
    let running = Running::ordinary().await;
    let nginx = Nginx::before(&running).await;
    let answer = nginx.get("host.sock", &[], "https://mta-sts.example.org/.well-known/mta-sts.txt").await;
    assert!(answer.starts_with("HTTP/1.1 404") && !answer.contains("STSv1"), "{answer}");
    running.end().await;
}
