//! The outbound pages and their API.

use serde_json::{Value, json};
use tlsward_engine::ports::OutgoingState;

use super::{HOSTILE, get, site};
use crate::fake::{Shelf, full_shelf, outbound};

#[tokio::test]
async fn empty_pages_say_what_to_configure_in_lines_to_copy() {
    let site = site(Shelf::default());
    let rows: [(&str, &[&str]); 3] = [
        (
            "/policies",
            &[
                "[enforce]",
                "smtp_tls_policy_maps = socketmap:inet:127.0.0.1:8462:tlsward-tlsrpt",
                "smtp_tlsrpt_enable = yes",
                "smtp_tlsrpt_socket_name = /run/tlsward/tlsrpt.sock",
                "tlsward policy example.com",
            ],
        ),
        ("/sessions", &["[report]", "smtp_tlsrpt_enable = yes", "organization_name = "]),
        ("/outgoing", &["[report]", "smtp_tlsrpt_socket_name = /run/tlsward/tlsrpt.sock"]),
    ];
    for (path, texts) in rows {
        let answer = get(&site, path).await;
        assert_eq!(answer.status, 200, "{path}");
        for text in texts {
            assert!(answer.body.contains(&text.replace('"', "&#34;")), "{path}: {text}");
        }
    }
    for path in ["/api/v1/policies", "/api/v1/sessions", "/api/v1/outgoing"] {
        assert_eq!(get(&site, path).await.json(), json!({"items": [], "next_cursor": null}), "{path}");
    }
    assert_eq!(get(&site, "/policies/a.example").await.status, 404);
}

#[tokio::test]
async fn what_waits_is_shown_also_where_nothing_is_sent_yet() {
    let mut pages = super::pages(full_shelf("x"));
    pages.outbound.reporting = None;
    let site = super::router(pages);
    let list = get(&site, "/outgoing").await.body;
    assert!(list.contains("<b>Nothing is sent.</b>") && list.contains("organization_name"));
    let report = get(&site, "/outgoing/2026-11-23.1.failing.example").await;
    assert!(report.body.contains("no [report] in its configuration"));
    assert_eq!(get(&site, "/outgoing/2026-11-23.1.failing.example/json").await.status, 404);
    let detail = get(&site, "/api/v1/outgoing/2026-11-23.1.failing.example").await.json();
    assert_eq!((&detail["report"], &detail["report_id"]), (&Value::Null, &Value::Null));
}

/// Proves: H1, H8
#[tokio::test]
async fn a_report_is_seen_before_it_is_sent_as_it_will_be_sent() {
    let site = site(full_shelf("mx.failing.example"));
    let today = "2026-11-24.1.failing.example";
    let page = get(&site, &format!("/outgoing/{today}")).await.body;
    for text in [
        "The day is not over.",
        "would be sent",
        "Sending &#60;b&#62;Co&#60;/b&#62;",
        "tls@sender.example",
        "Sessions that met the policy: 40",
        "&#34;result-type&#34;: &#34;certificate-expired&#34;",
        "mailto:first@a.example",
        "is offered it first",
        "is offered it as number 2",
        "has failed on 3 days",
        "cannot be used",
        "v=TLSRPTv1; rua=",
    ] {
        assert!(page.contains(text), "{text}\n{page}");
    }
    let json = get(&site, &format!("/outgoing/{today}/json")).await;
    assert_eq!(json.header("content-type"), "application/octet-stream");
    assert_eq!(json.header("content-disposition"), "attachment; filename=\"tls-report-2026-11-24-1.json\"");
    let read =
        tls_rpt::report::read_slice(json.body.as_bytes(), &tls_rpt::report::Limits::default()).unwrap();
    assert!(read[0].repairs.is_empty(), "what would be sent reads without a repair");
    let detail = get(&site, &format!("/api/v1/outgoing/{today}")).await.json();
    assert_eq!(detail["report"], serde_json::from_str::<Value>(&json.body).unwrap());
    assert_eq!(detail["report"]["date-range"]["start-datetime"], "2026-11-24T00:00:00Z");
    assert_eq!(
        detail["recipients"][0],
        json!({"uri": "mailto:first@a.example", "standing": "to-be-tried", "failed_days": 0, "last_failure": null})
    );
    assert_eq!(detail["recipients"][2]["standing"], "unusable");
}

#[tokio::test]
async fn a_report_that_is_over_says_what_became_of_it_and_why() {
    let site = site(full_shelf("450 later, perhaps"));
    let rows: [(&str, &[&str]); 5] = [
        ("2026-11-23.1.enforcing.example", &["was sent", "accepted it", "rounds begun: 2"]),
        (
            "2026-11-23.1.failing.example",
            &[
                "Given up",
                "450 later, perhaps",
                "2026-11-24 10:00",
                "has not taken it",
                "has failed on 3 days",
            ],
        ),
        ("2026-11-23.1.opted-out.example", &["opts this domain out"]),
        ("2026-11-23.1.testing.example", &["No session of this day is in a count"]),
        ("2026-11-15.1.retired.example", &["its counts have been dropped"]),
    ];
    for (id, texts) in rows {
        let page = get(&site, &format!("/outgoing/{id}")).await.body;
        for text in texts {
            assert!(page.contains(text), "{id}: {text}\n{page}");
        }
    }
    let page = get(&site, "/outgoing/2026-11-23.1.failing.example").await.body;
    assert!(page.contains("href=\"/policies/failing.example\""));
    let page = get(&site, "/outgoing/2026-11-15.1.retired.example").await.body;
    assert!(!page.contains("href=\"/policies/retired.example\""), "nothing says that it has a policy");
    let page = get(&site, "/outgoing/2026-11-22.1.without-record.example").await.body;
    assert!(page.contains("It is looked up when the report is sent"));
    let page = get(&site, "/outgoing/2026-11-22.1.zz-broken-record.example").await.body;
    assert!(page.contains("cannot be used: the record does not begin with v=TLSRPTv1"));
}

#[tokio::test]
async fn outgoing_reports_are_found_by_domain_day_and_state_a_page_at_a_time() {
    let site = site(full_shelf("x"));
    let all = get(&site, "/outgoing").await.body;
    assert!(all.contains("href=\"/outgoing/2026-11-23.1.failing.example\""));
    assert!(all.contains("<a href=\"/outgoing?state=given-up\">3<"), "three were given up");
    let one = get(&site, "/outgoing?domain=+Failing.example&state=given-up&day=2026-11-22").await.body;
    assert!(one.contains("/outgoing/2026-11-22.1.failing.example") && !one.contains("/outgoing/2026-11-23"));
    assert!(one.contains("<option value=\"given-up\" selected>"));
    assert!(get(&site, "/outgoing?domain=nobody.example").await.body.contains("No report fits that."));
    for path in [
        "/outgoing?day=2026-02-30",
        "/outgoing?state=x",
        "/outgoing?after=x",
        "/sessions?day=x",
        "/sessions?after=x",
    ] {
        assert_eq!(get(&site, path).await.status, 400, "{path}");
    }

    let mut many = full_shelf("x");
    let day = many.outgoing[0].line.key.day;
    many.outgoing = (0..1500)
        .map(|number| {
            outbound::report(day, &format!("d{number:04}.example"), OutgoingState::Waiting, (1, 0, 0), "x")
        })
        .collect();
    let site = self::site(many);
    let first = get(&site, "/outgoing").await.body;
    assert!(first.contains("?after=2026-11-24.1.d0049.example\" rel=\"next\""));
    let last = get(&site, "/outgoing?after=2026-11-24.1.d1480.example").await.body;
    assert!(last.contains("d1499.example") && !last.contains("rel=\"next\""));
    for (path, limit) in [
        ("outgoing", "7"),
        ("outgoing", "1000"),
        ("outgoing", "99999"),
        ("sessions", "300"),
        ("sessions", "1000"),
    ] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = get(&site, &format!("/api/v1/{path}?limit={limit}{cursor}")).await.json();
            let items = page["items"].as_array().unwrap();
            seen.extend(items.iter().map(|item| item["domain"].as_str().unwrap().to_owned()));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert!(seen.is_sorted() && seen.len() == 1500, "{path} {limit}: {}", seen.len());
    }
}

#[tokio::test]
async fn sessions_of_a_day_are_shown_by_domain_and_result_with_those_that_nobody_can_judge() {
    let site = site(full_shelf("odd-result"));
    let page = get(&site, "/sessions?day=2026-11-23").await.body;
    for text in [
        "Sessions on <time datetime=\"2026-11-23\">",
        "href=\"/outgoing/2026-11-23.1.testing.example\"",
        "certificate expired: 7",
        "1 more kind",
        "<a href=\"#not-judged\">12</a>",
        "testing mode",
        "smtp_tls_loglevel = 2",
        "href=\"/sessions?day=2026-11-22\" rel=\"prev\"",
        "href=\"/sessions?day=2026-11-24\" rel=\"next\"",
    ] {
        assert!(page.contains(text), "{text}\n{page}");
    }
    let newest = get(&site, "/sessions").await.body;
    assert!(
        newest.contains("Sessions on <time datetime=\"2026-11-24\">")
            && newest.contains("The day is not over.")
    );
    assert!(get(&site, "/sessions?day=2026-11-15").await.body.contains("details are no longer kept"));
    assert!(get(&site, "/sessions?day=2020-01-01").await.body.contains("There is nothing of this day."));

    let list = get(&site, "/api/v1/sessions?day=2026-11-23").await.json();
    assert_eq!(
        list["items"][1],
        json!({
            "day": "2026-11-23", "domain": "failing.example", "part": 1, "successful": 40, "failed": 7, "unjudged": 0,
            "by_policy_type": [{"policy_type": "sts", "successful": 40, "failed": 7}],
            "by_result_type": [
                {"result_type": "certificate-expired", "failures": 7},
                {"result_type": "validation-failure", "failures": 1},
                {"result_type": "sts-policy-fetch-error", "failures": 1},
                {"result_type": "odd-result", "failures": 1},
            ],
            "failures_not_listed": 0, "sessions_not_listed": 0,
        })
    );
    assert_eq!(list["items"][3]["unjudged"], 12);
    let one = get(&site, "/api/v1/sessions?day=2026-11-23&domain=testing.example").await.json();
    assert_eq!(one["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_policy_shows_why_the_answer_is_what_it_is_how_fresh_it_is_and_what_fails() {
    let site = site(full_shelf("20261124"));
    let list = get(&site, "/policies").await.body;
    for text in [
        "href=\"/policies/enforcing.example\"",
        "The domain&#39;s MTA-STS policy is enforced. DANE does not apply.",
        "<code>secure</code>",
        "To be looked at",
        "4 times in a row",
        "due now",
        "failed 4 in a row",
        "no policy",
        "DANE <span class=\"quiet\">3 of 3 MX hosts</span>",
        "DANE <span class=\"quiet\">no usable record</span>",
        "not asked now",
        "nothing: its own default holds",
        "to try later",
    ] {
        assert!(list.contains(text), "{text}\n{list}");
    }
    let page = get(&site, "/policies/failing.example").await.body;
    for text in [
        "4 in a row",
        "policy host cannot be reached",
        "mode: enforce",
        "2026-11-30 12:00",
        "<code>20261124</code>",
    ] {
        assert!(page.contains(text), "{text}\n{page}");
    }
    for (domain, texts) in [
        (
            "both.example",
            &["MTA-STS <span class=\"state good\">enforce", "2 of 3 MX hosts have TLSA records"][..],
        ),
        ("dane.example", &["no MTA-STS policy", "3 of 3 MX hosts have TLSA records", "<code>dane</code>"]),
        ("dane-unusable.example", &["of which none can be used"]),
    ] {
        let page = get(&site, &format!("/policies/{domain}")).await.body;
        texts.iter().for_each(|text| assert!(page.contains(text), "{text}\n{page}"));
    }
    let dane = get(&site, "/api/v1/policies?limit=2").await.json();
    assert_eq!(dane["next_cursor"], "dane-unusable.example");
    let kinds = |item: &Value| (item["policy_types"].clone(), item["dane"].clone());
    assert_eq!(kinds(&dane["items"][0]), (json!(["sts", "tlsa"]), json!({"usable": 2, "hosts": 3})));
    assert_eq!(kinds(&dane["items"][1]), (json!(["tlsa"]), json!({"usable": 0, "hosts": 3})));
    let first = get(&site, "/api/v1/policies?limit=1&cursor=dane.example").await.json();
    assert_eq!(first["next_cursor"], "enforcing.example");
    assert_eq!(
        first["items"][0],
        json!({
            "domain": "enforcing.example", "policy_types": ["sts"], "dane": null, "mode": "enforce", "id": "20261124",
            "fetched_at": "2026-11-23T11:00:00Z", "expires_at": "2026-11-30T12:00:00Z", "refresh_at": "2026-11-24T13:06:40Z",
            "failures": 0, "last_failure": null, "last_failure_at": null,
            "level": "secure", "why": "The domain's MTA-STS policy is enforced. DANE does not apply. 20261124",
            "good_until": "2026-11-24T12:05:00Z",
        })
    );
    let rest = get(&site, "/api/v1/policies?limit=1000&cursor=enforcing.example").await.json();
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next_cursor"]), (4, &Value::Null));
    let detail = get(&site, "/api/v1/policies/failing.example").await.json();
    assert_eq!(detail["lines"][1], "mode: enforce");
    assert_eq!(detail["alerts"][0]["since"], "2026-11-23T12:00:00Z");
}

/// Proves: R6
#[tokio::test]
async fn what_strangers_wrote_into_records_and_answers_stays_text_and_out_of_commands() {
    let site = site(full_shelf(HOSTILE));
    let page = get(&site, "/outgoing/2026-11-23.1.failing.example").await.body;
    assert!(page.contains("&#60;svg onload=alert(2)&#62;"), "escaped, and still to be read");
    let strange = self::site(full_shelf("`reboot`"));
    for path in ["/policies", "/policies/failing.example", "/outgoing", "/sessions"] {
        let body = get(&strange, path).await.body;
        for command in body.split("<pre class=\"copy\"").skip(1) {
            assert!(!command.split("</pre>").next().unwrap().contains("reboot"), "{path}");
        }
    }
}

#[tokio::test]
async fn errors_of_the_outbound_api_are_problem_documents() {
    let site = site(full_shelf("x"));
    let rows = [
        ("/api/v1/outgoing/x", 404, "not-found"),
        ("/api/v1/outgoing/2026-11-23.1.none.example", 404, "not-found"),
        ("/api/v1/outgoing?limit=0", 400, "bad-question"),
        ("/api/v1/outgoing?day=yesterday", 400, "bad-question"),
        ("/api/v1/outgoing?state=lost", 400, "bad-question"),
        ("/api/v1/outgoing?cursor=zzz", 400, "bad-question"),
        ("/api/v1/sessions?cursor=zzz", 400, "bad-question"),
        ("/api/v1/policies/nobody.example", 404, "not-found"),
        ("/api/v1/policies?limit=x", 400, "bad-question"),
    ];
    for (path, status, code) in rows {
        let answer = get(&site, path).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.header("content-type"), "application/problem+json", "{path}");
        assert_eq!(answer.json()["code"], code, "{path}");
    }
}
