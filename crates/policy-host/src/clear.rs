//! The listener without TLS: answers to http-01 challenges for everyone, and policies for the owner's own proxies.
//!
//! **Policies are never served in clear**: a sender that took one from there would have it from whoever stands in
//! between (RFC 8461 §3.3). Only a proxy whose address the owner named, and which says that it was itself asked by
//! HTTPS, gets them; for everyone else there is nothing at that path. No redirect to HTTPS either: senders would not
//! follow it (§3.3), and certificate authorities would be led away.
//!
//! The domain is the one in `Host` if that is hosted here, else the one in `X-Forwarded-Host`. This order keeps a
//! client that sends the second field itself from having another domain's policy put into a cache under this one's
//! name.

use std::net::IpAddr;
use std::sync::Arc;

use http::{Request, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use tlsward_listen::{Serve, Watch};

use crate::answer::{self, Answer, CHALLENGE_PATH, POLICY_PATH};
use crate::certificates::CertificateSource;
use crate::names;
use crate::server::PolicyHost;

/// The listener.
pub(crate) struct Clear<S>(pub(crate) Arc<PolicyHost<S>>);

impl<S: CertificateSource> Serve for Clear<S> {
    type Body = Full<bytes::Bytes>;

    async fn serve(self: Arc<Self>, request: Request<Incoming>, peer: IpAddr, _watch: Arc<Watch>) -> Answer {
        self.answer(&request, peer)
    }
}

impl<S> Clear<S> {
    fn answer<T>(&self, request: &Request<T>, peer: IpAddr) -> Answer {
        let answer = match answer::host(request) {
            Ok(host) => {
                let host = host.unwrap_or_default();
                match request.uri().path() {
                    POLICY_PATH => self.policy(request, peer, &host),
                    path => self.challenge(request, path, &host),
                }
            }
            Err(()) => answer::no_host(request.method()),
        };
        if !answer.status().is_success() {
            self.0.counters.not_found.count();
        }
        answer
    }

    fn challenge<T>(&self, request: &Request<T>, path: &str, host: &str) -> Answer {
        let method = request.method();
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let token = path.strip_prefix(CHALLENGE_PATH);
        let answer = token.and_then(|token| self.0.hosted.challenges().http(&host, token));
        let Some(body) = answer else { return answer::not_found(method) };
        if !answer::is_read(method) {
            return answer::not_allowed(method);
        }
        self.0.counters.http_challenges.count();
        answer::challenge(method, body)
    }

    fn policy<T>(&self, request: &Request<T>, peer: IpAddr, host: &str) -> Answer {
        let method = request.method();
        if !self.0.sources.is_proxy(peer) {
            return answer::not_found(method);
        }
        if !answer::was_https(request.headers()) {
            return answer::refusal(
                method,
                StatusCode::FORBIDDEN,
                "Policies are served by HTTPS only: the proxy must set X-Forwarded-Proto to https.\r\n",
            );
        }
        let body = |host: &str| names::policy_domain(host).and_then(|domain| self.0.hosted.body(&domain));
        let body = body(host).or_else(|| body(&answer::forwarded_host(request.headers())?));
        let Some(body) = body else { return answer::not_found(method) };
        if !answer::is_read(method) {
            return answer::not_allowed(method);
        }
        self.0.counters.policies.count();
        answer::policy(method, body)
    }
}
