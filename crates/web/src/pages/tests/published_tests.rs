//! The pages of one's own domains, and their API.

use std::sync::Arc;

use serde_json::json;

use super::{HOSTILE, get, pages};
use crate::fake::published::{Published, published};
use crate::fake::{Shelf, full_shelf};
use crate::pages::router;

fn site(text: &str) -> axum::Router {
    let mut pages = pages(full_shelf("x"));
    pages.publishing = Some(Arc::new(published(text)));
    router(pages)
}

#[tokio::test]
async fn where_nothing_is_published_the_page_says_how_to_begin() {
    let answer = get(&super::site(Shelf::default()), "/published").await;
    assert!(answer.body.contains("[publish]") && answer.body.contains("acme_directory"));
    let mut pages = pages(Shelf::default());
    pages.publishing = Some(Arc::new(Published::default()));
    let answer = get(&router(pages), "/published").await;
    assert!(answer.body.contains("tlsward domain add example.com"));
    let none = get(&super::site(Shelf::default()), "/api/v1/published").await;
    assert_eq!(none.json(), json!({"items": [], "next_cursor": null}));
}

#[tokio::test]
async fn a_domain_shows_what_should_be_what_is_seen_and_what_comes_next() {
    let site = site("one name server has another id");
    let list = get(&site, "/published").await.body;
    for text in
        ["href=\"/published/a.example\"", "customers", "until it is seen on every address", "nothing: all is"]
    {
        assert!(list.contains(text), "{text}\n{list}");
    }
    let page = get(&site, "/published/b.example").await.body;
    for text in [
        "for you to do",
        "Put the record there.",
        "&#34;v=STSv1; id=20261124T000000Z;&#34;",
        "something else is there",
        "one name server has another id",
        "mode: enforce",
        "https://mta-sts.b.example/.well-known/mta-sts.txt",
        "https://acme.example/directory",
        "not yet",
        "href=\"/domains/b.example\"",
    ] {
        assert!(page.contains(text), "{text}\n{page}");
    }
    assert!(get(&site, "/published/a.example").await.body.contains("Nothing is under way."));
    assert_eq!(get(&site, "/published/nobody.example").await.status, 404);
    let page = get(&site, "/api/v1/published?limit=2").await.json();
    assert_eq!(page["items"][1]["domain"], "b.example");
    assert_eq!(page["next_cursor"], "b.example");
    let detail = get(&site, "/api/v1/published/b.example").await.json();
    assert_eq!(detail["records"][1]["seen"], "wrong");
    assert_eq!(detail["versions"][0]["last_served_at"], serde_json::Value::Null);
    assert_eq!(get(&site, "/api/v1/published/nobody.example").await.status, 404);
}

#[tokio::test]
async fn the_script_that_copies_is_the_only_one_and_only_there() {
    let site = site("x");
    let page = get(&site, "/published/b.example").await;
    let policy = page.header("content-security-policy");
    assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(page.body.matches("<script").count(), 1);
    let place = page.body.split("<script src=\"").nth(1).unwrap().split('"').next().unwrap();
    let script = get(&site, place).await;
    assert_eq!(script.header("content-type"), "text/javascript; charset=utf-8");
    assert!(script.body.contains("navigator.clipboard") && !script.body.contains("innerHTML"));
    for other in ["/published", "/domains/recv.example", "/policies"] {
        let answer = get(&site, other).await;
        assert!(!answer.header("content-security-policy").contains("script"), "{other}");
    }
}

#[tokio::test]
async fn what_a_stranger_wrote_is_text_there_too() {
    let site = site(HOSTILE);
    for path in ["/published", "/published/b.example"] {
        let page = get(&site, path).await.body;
        for bad in ["<svg onload", "<img src=x", "onmouseover=\"", "\u{202e}", "\0"] {
            assert!(!page.contains(bad), "{path}: {bad}");
        }
    }
}
