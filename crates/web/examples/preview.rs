//! The pages with made data, to be looked at: `cargo run -p tlsward-web --example preview -- 127.0.0.1:8460 [full|empty]`.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tlsward_web::metrics::Metrics;
use tlsward_web::pages::{Limits, Outbound, Pages, Site, serve};

#[path = "../src/fake.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the tests, which use all of it")]
mod fake;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8460".to_owned());
    let (shelf, outbound) = match arguments.next().as_deref() {
        Some("empty") => (fake::Shelf::default(), Outbound::default()),
        Some(text) if text != "full" => (fake::full_shelf(text), outbound(text)),
        _ => (fake::full_shelf("Example Reporter"), outbound("250 2.0.0 ok")),
    };
    let listener = tokio::net::TcpListener::bind(&address).await.expect("an address that is free");
    let mut registry = prometheus_client::registry::Registry::default();
    let metrics = Metrics::register(&mut registry);
    let pages = Pages {
        evidence: Arc::new(shelf),
        publishing: Some(Arc::new(fake::published::published("x"))),
        outbound,
        clock: fake::Stopped,
        site: Site {
            listen: listener.local_addr().expect("a bound listener"),
            names: Vec::new(),
            post_url: Some("http://127.0.0.1:8461/v1/tlsrpt".to_owned()),
            mail_address: Some("127.0.0.1:8425".to_owned()),
            notice: None,
        },
        registry: Arc::new(registry),
        metrics,
        ready: Arc::new(AtomicBool::new(true)),
        limits: Limits::default(),
    };
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    serve(listener, pages, Default::default(), None, stopped).await;
}

fn outbound(text: &str) -> Outbound<fake::outbound::Book> {
    Outbound {
        policies: Some(Arc::new(fake::outbound::book(text))),
        reporting: Some(Arc::new(fake::outbound::settings())),
        ..Outbound::default()
    }
}
