//! Pages and API through the router, without a socket.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::Body;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tlsward_engine::ports::StoreError;
use tower::ServiceExt;

use super::{Limits, Outbound, Pages, Site, router};
use crate::fake::outbound::{self, Book};
use crate::fake::published::Published;
use crate::fake::{Shelf, Stopped, domain, full_shelf};
use crate::metrics::Metrics;

/// What hostile reports put wherever a text may stand.
const HOSTILE: &str = "\" onmouseover=\"alert(3)\"'><svg onload=alert(2)><img src=x onerror=alert(1)>{{7*7}}\u{202e}\0</title></textarea>";

mod outbound_tests;
mod published_tests;

/// With an outbound side if the shelf has something to show of it.
fn pages(shelf: Shelf) -> Pages<Shelf, Stopped, Book, Published> {
    let outbound = if shelf.outgoing.is_empty() {
        Outbound::default()
    } else {
        Outbound {
            policies: Some(Arc::new(outbound::book(&shelf.text))),
            reporting: Some(Arc::new(outbound::settings())),
            ..Outbound::default()
        }
    };
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    Pages {
        evidence: Arc::new(shelf),
        outbound,
        publishing: None,
        clock: Stopped,
        site: Site {
            listen: "127.0.0.1:8460".parse().unwrap(),
            names: vec!["tls.example.org".to_owned()],
            post_url: Some("http://127.0.0.1:8461/v1/tlsrpt".to_owned()),
            mail_address: Some("127.0.0.1:8425".to_owned()),
            notice: None,
        },
        registry: Arc::new(registry),
        metrics,
        ready: Arc::new(AtomicBool::new(true)),
        limits: Limits::default(),
    }
}

fn site(shelf: Shelf) -> Router {
    router(pages(shelf))
}

struct Answer {
    status: StatusCode,
    headers: http::HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }
}

async fn ask(site: &Router, method: Method, host: &str, path: &str) -> Answer {
    let request =
        Request::builder().method(method).uri(path).header("host", host).body(Body::empty()).unwrap();
    let response = site.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: head.status, headers: head.headers, body: String::from_utf8_lossy(&body).into_owned() }
}

async fn get(site: &Router, path: &str) -> Answer {
    ask(site, Method::GET, "127.0.0.1:8460", path).await
}

/// Every address that a person can come to, and every kind of error.
const EVERYWHERE: [&str; 47] = [
    "/",
    "/?days=7",
    "/?days=nonsense",
    "/?after=zzz",
    "/start",
    "/start?domain=%3Cscript%3E&mail=x&url=javascript:alert(1)",
    "/domains/recv.example",
    "/domains/strange.example?days=90",
    "/domains/none.example",
    "/domains/%FF",
    "/reports",
    "/reports?domain=recv.example&cursor=50",
    "/reports?domain=%3Cscript%3Ealert(1)%3C/script%3E",
    "/reports/60",
    "/reports/0",
    "/reports/..%2F..%2Fetc",
    "/reports/60/raw",
    "/set-aside",
    "/set-aside/1/raw",
    "/checks",
    "/checks?after=zzz",
    "/checks/recv.example",
    "/checks/none.example",
    "/outgoing",
    "/outgoing?domain=%3Cscript%3E&state=waiting",
    "/outgoing?state=nonsense",
    "/outgoing?day=2026-11-23",
    "/outgoing?after=zzz",
    "/outgoing/2026-11-23.1.failing.example",
    "/outgoing/2026-11-22.1.enforcing.example",
    "/outgoing/2026-11-22.1.without-record.example",
    "/outgoing/2026-11-22.1.zz-broken-record.example",
    "/outgoing/2026-11-23.1.failing.example/json",
    "/outgoing/..%2F..%2Fetc",
    "/outgoing/2026-11-23.1.none.example",
    "/sessions",
    "/sessions?day=2026-11-23",
    "/sessions?day=nonsense",
    "/policies",
    "/policies?after=zzz",
    "/policies/failing.example",
    "/policies/%3Cscript%3E",
    "/about",
    "/nothing/here",
    "/favicon.ico",
    "/api/v1/reports?limit=x",
    "/metrics",
];

#[tokio::test]
async fn a_notice_stands_on_every_page_also_on_those_of_failures() {
    let plain = site(full_shelf("Example"));
    let mut demonstration = pages(full_shelf("Example"));
    demonstration.site.notice = Some("All <made> up");
    let demonstration = router(demonstration);
    for path in EVERYWHERE {
        let answer = get(&demonstration, path).await;
        let is_page = answer.header("content-type").starts_with("text/html");
        assert_eq!(answer.body.contains(">All &#60;made&#62; up</p>"), is_page, "{path}: {}", answer.body);
        assert!(!get(&plain, path).await.body.contains("class=\"notice\""), "{path}");
    }
    let foreign = ask(&demonstration, Method::GET, "evil.example", "/").await;
    assert!(foreign.body.contains("class=\"notice\""));
}

#[tokio::test]
async fn every_answer_forbids_scripts_framing_sniffing_and_keeping() {
    let site = site(full_shelf(HOSTILE));
    for path in EVERYWHERE {
        let answer = get(&site, path).await;
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'"), "{path}: {policy}");
        assert!(!policy.contains("script") && !policy.contains("unsafe"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        let kept = path == "/favicon.ico";
        assert_eq!(answer.header("cache-control") == "no-store", !kept, "{path}");
        if answer.header("content-type").starts_with("text/html") {
            assert!(
                policy.contains("frame-ancestors 'none'") && policy.contains("style-src 'self'"),
                "{path}"
            );
        }
        assert!(!answer.header("content-type").starts_with("text/plain"), "{path}: not an answer of ours");
    }
}

/// Proves: R6
#[tokio::test]
async fn nothing_that_a_stranger_wrote_becomes_markup_or_a_link() {
    let site = site(full_shelf(HOSTILE));
    let javascript = self::site(full_shelf("javascript:alert(1)"));
    for path in EVERYWHERE {
        let answer = get(&site, path).await;
        if !answer.header("content-type").starts_with("text/html") {
            continue;
        }
        // Of our own, pages have no script, no image but the icon, no handler and no inline style.
        for forbidden in [
            "<script",
            "<img src=x",
            "<svg onload",
            "\" onmouseover=\"",
            " style=\"",
            "\0",
            "\u{202e}",
            "javascript:alert",
        ] {
            let found = answer.body.contains(forbidden);
            let typed = forbidden == "javascript:alert" && answer.body.contains("value=\"javascript:alert");
            assert!(!found || typed, "{path} contains {forbidden:?}");
        }
        assert!(!get(&javascript, path).await.body.contains("href=\"javascript:"), "{path}");
    }
    let report = get(&site, "/reports/60").await;
    assert!(report.body.contains("&#60;svg onload=alert(2)&#62;"), "escaped, and still to be read");
    assert!(report.body.contains("⟨U+202E⟩␀"));
}

#[tokio::test]
async fn a_foreign_host_is_refused_with_an_explanation() {
    let site = site(full_shelf("x"));
    let rows = [
        ("127.0.0.1:8460", 200),
        ("localhost:8460", 200),
        ("tls.example.org", 200),
        ("rebound.example:8460", 421),
        ("127.0.0.1:8461", 421),
    ];
    for path in ["/", "/api/v1/reports", "/metrics", "/nothing"] {
        for (host, status) in rows {
            let answer = ask(&site, Method::GET, host, path).await;
            let status = if status == 200 && path == "/nothing" { 404 } else { status };
            assert_eq!(answer.status, status, "{host}{path}");
            if status == 421 {
                assert!(answer.body.contains("DNS rebinding"));
                assert!(!answer.body.contains("recv.example"));
            }
        }
    }
}

#[tokio::test]
async fn only_reading_is_possible() {
    let site = site(full_shelf("x"));
    for path in ["/", "/reports/60", "/api/v1/reports", "/start"] {
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
            let answer = ask(&site, method, "localhost:8460", path).await;
            assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "GET, HEAD"), "{path}");
        }
        let head = ask(&site, Method::HEAD, "localhost:8460", path).await;
        assert_eq!((head.status.as_u16(), head.body.as_str()), (200, ""));
    }
}

/// Proves: G1, G6
#[tokio::test]
async fn an_empty_server_says_what_to_do_next() {
    let site = site(Shelf::default());
    let answer = get(&site, "/").await;
    assert_eq!(answer.status, 200);
    for text in [
        "No report has come in yet",
        "_smtp._tls.example.org",
        "v=TLSRPTv1; rua=mailto:tls-reports@example.org",
        "v=TLSRPTv1; rua=https://tlsrpt.example.org/v1/tlsrpt",
        "Example values.",
        "curl -sS",
        "http://127.0.0.1:8461/v1/tlsrpt",
        "smtp://127.0.0.1:8425",
    ] {
        assert!(answer.body.contains(text), "{text}");
    }
    let filled = get(&site, "/start?domain=B%C3%BCcher.example&mail=r,x@buecher.example").await;
    assert!(filled.body.contains("_smtp._tls.xn--bcher-kva.example"));
    assert!(filled.body.contains("This is not a plain mail address"));
    let filled = get(&site, "/start?domain=mine.example&mail=tls@mine.example").await;
    assert!(filled.body.contains("rua=mailto:tls@mine.example"));
    assert!(!filled.body.contains("Example values."));
}

/// The first number after `mark`, and the text after it.
fn number_after<'a>(text: &'a str, mark: &str) -> Option<(&'a str, &'a str)> {
    let after = &text[text.find(mark)? + mark.len()..];
    let end =
        after.find(|character: char| !(character.is_ascii_digit() || matches!(character, ',' | '–')))?;
    Some((&after[..end], &after[end..]))
}

#[tokio::test]
async fn the_plot_and_its_table_have_the_same_numbers() {
    let site = site(full_shelf("x"));
    let body = get(&site, "/domains/recv.example?days=28").await.body;
    let (plot, table) = body.split_once("</svg>\n</figure>").unwrap();
    let mut drawn = Vec::new();
    let mut rest = plot;
    while let Some((ok, after)) = number_after(rest, "data-ok=\"") {
        let (failed, after) = number_after(after, "data-failed=\"").unwrap();
        drawn.push((ok.to_owned(), failed.to_owned()));
        rest = after;
    }
    let mut written = Vec::new();
    for row in table.split("<tr class=\"day-row\">").skip(1) {
        let cells: Vec<&str> = row
            .split("<td class=\"num")
            .skip(1)
            .map(|cell| {
                let start = cell.find('>').unwrap() + 1;
                &cell[start..start + cell[start..].find('<').unwrap()]
            })
            .collect();
        written.push((cells[0].to_owned(), cells[1].to_owned()));
    }
    written.reverse();
    assert!(drawn.len() > 20);
    assert_eq!(drawn, written);
    assert!(drawn.contains(&(drawn.last().unwrap().0.clone(), "3–6".to_owned())));
}

/// Proves: H12
#[tokio::test]
async fn a_domain_explains_each_failure_and_keeps_observation_and_conclusion_apart() {
    let site = site(full_shelf("Reporter"));
    let body = get(&site, "/domains/recv.example").await.body;
    for text in [
        "<h4>Observed</h4>",
        "<h4>What it means</h4>",
        "conclusions to be verified",
        "certificate-expired",
        "sts-policy-fetch-error",
        "<b>Verify.</b>",
        "<b>Fix.</b>",
        "-servername mx1.recv.example",
        "two rows of a report may describe the same ones",
        "role=\"img\" aria-labelledby=\"plot-title plot-desc\"",
    ] {
        assert!(body.contains(text), "{text}");
    }
    // No value of a stranger gets into a command unproven.
    let strange = self::site(full_shelf("`reboot`")).clone();
    let body = get(&strange, "/domains/strange.example").await.body;
    for command in body.split("<pre").skip(1) {
        assert!(!command.split("</pre>").next().unwrap().contains("reboot"));
    }
}

#[tokio::test]
async fn tables_have_captions_and_headers_with_scope_and_pages_have_landmarks() {
    let site = site(full_shelf("x"));
    for path in [
        "/",
        "/domains/recv.example",
        "/reports",
        "/reports/60",
        "/set-aside",
        "/about",
        "/start",
        "/checks",
        "/checks/recv.example",
        "/outgoing",
        "/outgoing/2026-11-23.1.failing.example",
        "/sessions",
        "/policies",
        "/policies/failing.example",
    ] {
        let body = get(&site, path).await.body;
        for text in [
            "<html lang=\"en\">",
            "<main id=\"content\"",
            "class=\"skip\"",
            "<nav aria-label=\"Main\">",
            "</h1>",
            "<footer>",
        ] {
            assert!(body.contains(text), "{path}: {text}");
        }
        assert_eq!(body.matches("<table").count(), body.matches("<caption").count(), "{path}");
        assert_eq!(body.matches("<th>").count() + body.matches("<th class").count(), 0, "{path}");
        assert_eq!(body.matches("<h1>").count(), 1, "{path}");
    }
}

#[tokio::test]
async fn raw_inputs_are_downloads_under_a_name_of_ours() {
    let site = site(full_shelf("x"));
    let rows = [
        ("/reports/60/raw", "attachment; filename=\"report-60.bin\""),
        ("/set-aside/2/raw", "attachment; filename=\"set-aside-2.bin\""),
    ];
    for (path, disposition) in rows {
        let answer = get(&site, path).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), "application/octet-stream");
        assert_eq!(answer.header("content-disposition"), disposition);
        assert_eq!(answer.header("content-security-policy"), "default-src 'none'; sandbox");
        assert_eq!(answer.body, "<script>x</script>");
    }
    assert_eq!(get(&site, "/reports/999/raw").await.status, 404);
    assert_eq!(get(&site, "/set-aside/x/raw").await.status, 404);
}

#[tokio::test]
async fn the_style_sheet_is_named_by_its_content_and_may_be_kept() {
    let site = site(Shelf::default());
    let body = get(&site, "/about").await.body;
    let start = body.find("/assets/tlsward-").unwrap();
    let path = &body[start..start + body[start..].find('"').unwrap()];
    let css = get(&site, path).await;
    assert_eq!((css.status.as_u16(), css.header("content-type")), (200, "text/css; charset=utf-8"));
    assert!(css.header("cache-control").contains("immutable"));
    assert_eq!(get(&site, "/assets/tlsward-0000000000000000.css").await.status, 404);
    assert!(!css.body.contains("http:") && !css.body.contains("https:") && !css.body.contains("@import"));
}

#[tokio::test]
async fn the_largest_page_of_domains_is_not_the_last_one() {
    let domains = (0..1500).map(|number| domain(&format!("d{number:04}.example"), 1, 1, |_| 0)).collect();
    let site = site(Shelf { domains, ..Shelf::default() });
    for limit in ["999", "1000", "5000"] {
        let (mut seen, mut after) = (0, String::new());
        loop {
            let page = get(&site, &format!("/api/v1/domains?limit={limit}{after}")).await.json();
            let items = page["items"].as_array().unwrap();
            seen += items.len();
            match page["next_cursor"].as_str() {
                Some(cursor) => after = format!("&cursor={cursor}"),
                None => break,
            }
        }
        assert_eq!(seen, 1500, "limit {limit}");
    }
}

#[tokio::test]
async fn the_api_answers_in_the_documented_shapes() {
    let site = site(full_shelf("R"));
    let reports = get(&site, "/api/v1/reports?limit=2").await;
    assert_eq!(reports.header("content-type"), "application/json");
    let item = |id: &str| {
        json!({
            "id": id,
            "organization_name": "R",
            "report_id": "R",
            "domain": "recv.example",
            "begin": "2026-11-23T00:00:00Z",
            "end": "2026-11-23T23:59:59Z",
            "successful": 4997,
            "failed": 14,
            "failed_low": 7,
            "trust": "https",
            "received_at": "2026-11-24T11:00:00Z",
        })
    };
    assert_eq!(reports.json(), json!({"items": [item("60"), item("59")], "next_cursor": "2"}));
    let last = get(&site, "/api/v1/reports?cursor=58&limit=1000").await.json();
    assert_eq!((last["items"].as_array().unwrap().len(), &last["next_cursor"]), (2, &Value::Null));
    assert_eq!(
        get(&site, "/api/v1/reports?limit=99999999999999999999999").await.json()["items"]
            .as_array()
            .unwrap()
            .len(),
        60
    );
    assert_eq!(get(&site, "/api/v1/reports?domain=none.example").await.json()["items"], json!([]));

    let report = get(&site, "/api/v1/reports/60").await.json();
    assert_eq!(report["id"], "60");
    assert_eq!(report["policies"][0]["policy"]["policy-type"], "sts");
    assert_eq!(report["policies"][0]["failure-details"][0]["result-type"], "certificate-expired");
    assert_eq!(report["repairs"][0]["kind"], "wrapped-in-array");
    assert_eq!(report["policy_count"], 1);

    let domains = get(&site, "/api/v1/domains?limit=2").await.json();
    assert_eq!(domains["items"][0]["domain"], "quiet.example");
    assert_eq!(domains["next_cursor"], "recv.example");
    let rest = get(&site, "/api/v1/domains?limit=2&cursor=recv.example").await.json();
    assert_eq!(
        (rest["items"][0]["domain"].as_str(), &rest["next_cursor"]),
        (Some("strange.example"), &Value::Null)
    );

    let domain = get(&site, "/api/v1/domains/recv.example?days=7").await.json();
    assert_eq!(domain["first_day"], "2026-11-18");
    assert_eq!(domain["days"].as_array().unwrap().len(), 6);
    assert_eq!(domain["by_result_type"][0]["result_type"], "certificate-expired");

    let failures = get(&site, "/api/v1/failures?limit=1").await.json();
    assert_eq!(failures["items"][0]["report"], "60");
    assert_eq!(failures["items"][0]["failed_session_count"], 14);
    let aside = get(&site, "/api/v1/set-aside").await.json();
    assert_eq!(aside["items"][0]["reason"], "unreadable");
    assert_eq!(aside["items"][0]["id"], "1");
}

#[tokio::test]
async fn errors_of_the_api_are_problem_documents() {
    let site = site(full_shelf("x"));
    let rows = [
        ("/api/v1/nothing", 404, "not-found"),
        ("/api/v1/reports/x", 404, "not-found"),
        ("/api/v1/domains/none.example", 404, "not-found"),
        ("/api/v1/reports?limit=0", 400, "bad-question"),
        ("/api/v1/reports?limit=-1", 400, "bad-question"),
        ("/api/v1/reports?limit=1&limit=2", 400, "bad-question"),
        ("/api/v1/domains/%FF", 400, "bad-question"),
    ];
    for (path, status, code) in rows {
        let answer = get(&site, path).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.header("content-type"), "application/problem+json", "{path}");
        assert_eq!(
            (&answer.json()["code"], &answer.json()["status"]),
            (&json!(code), &json!(status)),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_store_that_fails_makes_an_error_page_that_tells_nothing_of_its_inside() {
    for (error, status) in [
        (StoreError::Unavailable("/secret/path".to_owned()), 503),
        (StoreError::Damaged("/secret/path".to_owned()), 500),
    ] {
        let site = site(Shelf { broken: Some(error), ..Shelf::default() });
        for path in [
            "/",
            "/reports",
            "/reports/1/raw",
            "/api/v1/domains",
            "/metrics",
            "/outgoing",
            "/sessions",
            "/api/v1/outgoing",
        ] {
            let answer = get(&site, path).await;
            assert_eq!(answer.status, status, "{path}");
            assert!(!answer.body.contains("secret"), "{path}");
        }
        assert_eq!(get(&site, "/healthz").await.status, 200);
    }
}

#[tokio::test]
async fn readiness_follows_the_listeners_and_metrics_show_what_is_held() {
    let mut pages = pages(full_shelf("x"));
    let ready = Arc::new(AtomicBool::new(false));
    pages.ready = Arc::clone(&ready);
    let site = router(pages);
    assert_eq!(get(&site, "/healthz").await.status, 200);
    assert_eq!(get(&site, "/readyz").await.status, 503);
    ready.store(true, Ordering::Release);
    assert_eq!(get(&site, "/readyz").await.status, 200);
    let metrics = get(&site, "/metrics").await;
    assert!(metrics.header("content-type").starts_with("application/openmetrics-text"));
    for line in [
        "tlsward_reports 60",
        "tlsward_set_aside 4",
        "tlsward_http_requests_total{listener=\"pages\",code=\"200\"} 2",
        "# EOF",
    ] {
        assert!(metrics.body.contains(line), "{line}\n{}", metrics.body);
    }
}

#[tokio::test]
async fn more_requests_than_allowed_at_once_are_told_to_come_back() {
    let mut pages = pages(full_shelf("x"));
    pages.limits.at_once = 0;
    let site = router(pages);
    let answer = get(&site, "/").await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "5"));
}

#[tokio::test]
async fn pages_are_served_over_a_socket_until_a_stop() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut pages = pages(full_shelf("x"));
    pages.site.listen = address;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let server =
        tokio::spawn(super::serve(listener, pages, crate::source::Sources::default(), None, stopped));
    let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
    let ask = format!("GET / HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    client.write_all(ask.as_bytes()).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("recv.example"));
    stop.send(true).unwrap();
    tokio::time::timeout(std::time::Duration::from_secs(10), server).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_check_shows_its_findings_what_to_do_and_what_changed_since_when() {
    let site = site(full_shelf("x"));
    let list = get(&site, "/checks").await.body;
    assert!(list.contains("href=\"/checks/recv.example\"") && list.contains(">broken</span>"));
    let body = get(&site, "/checks/recv.example").await.body;
    for text in [
        "MTA-STS is published and cannot be used",
        "<code>sts-record-missing</code>",
        "_mta-sts.recv.example. IN TXT &#34;v=STSv1; id=1&#34;",
        "certificate for 61 more days",
        "Verdict broken, before delivers.",
        "The policy changed and its id did not",
        "The first check that is kept.",
        "2026-11-24 10:00",
    ] {
        assert!(body.contains(text), "{text}");
    }
    assert_eq!(get(&site, "/checks/none.example").await.status, 404);
    let empty = get(&self::site(Shelf::default()), "/checks").await.body;
    assert!(empty.contains("[check]") && empty.contains("tlsward check example.com"));
}
