//! The pages in a real browser: headless Chromium, driven through ChromeDriver, with real clicks.
//!
//! Reports with markup in every field must stay text. Screenshots go to the folder of temporary test files
//! (`target/tmp`), to be looked at.

mod support;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;
use support::{Server, connect, post, report};

/// ChromeDriver on a port that it chose.
struct Driver {
    child: Child,
    address: String,
}

impl Driver {
    fn start() -> Self {
        let mut child = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .spawn()
            .expect("chromedriver is installed (Debian: chromium-driver)");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let port = lines
            .map_while(Result::ok)
            .find_map(|line| {
                line.split_once("successfully on port ")
                    .map(|(_, port)| port.trim_end_matches('.').to_owned())
            })
            .expect("it says its port");
        Self { child, address: format!("http://127.0.0.1:{port}") }
    }

    async fn browser(&self, profile: &Path, dark: bool) -> Client {
        let mut arguments = vec![
            "--headless".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            "--window-size=1200,1700".to_owned(),
            format!("--user-data-dir={}", profile.display()),
        ];
        if dark {
            arguments.push("--blink-settings=preferredColorScheme=0".to_owned());
        }
        let mut capabilities = Capabilities::new();
        capabilities.insert("goog:chromeOptions".to_owned(), json!({ "args": arguments }));
        capabilities.insert("goog:loggingPrefs".to_owned(), json!({ "browser": "ALL" }));
        ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&self.address)
            .await
            .expect("a browser session")
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the page's console has said since the last call.
#[derive(Debug)]
struct ConsoleLog;

impl WebDriverCompatibleCommand for ConsoleLog {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/se/log", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _url: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(json!({ "type": "browser" }).to_string()))
    }
}

async fn no_complaints(browser: &Client, place: &str) {
    let said = browser.issue_cmd(ConsoleLog).await.expect("a log");
    assert_eq!(said, json!([]), "the console complains on {place}");
    assert!(browser.get_alert_text().await.is_err(), "a script of a report ran on {place}");
    let active = "return document.querySelectorAll('script, iframe, object, embed, img:not([src^=\"/assets/\"]), [onload], \
                  [onerror], [onclick], a[href^=\"javascript:\" i]').length";
    let found = browser.execute(active, vec![]).await.expect("a number");
    assert_eq!(found, json!(0), "active content on {place}");
}

async fn screenshot(browser: &Client, name: &str) {
    let picture = browser.screenshot().await.expect("a screenshot");
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name), picture).expect("written");
}

/// A report with markup wherever a text can stand.
fn hostile() -> String {
    let markup = |place: &str| format!("\"><img src=x onerror=alert('{place}')><script>alert(1)</script>");
    json!({
        "organization-name": markup("organisation"),
        "date-range": {"start-datetime": "2026-10-02T00:00:00Z", "end-datetime": "2026-10-02T23:59:59Z"},
        "contact-info": markup("contact"),
        "report-id": "../../etc/passwd\u{0}<svg onload=alert(2)>",
        "policies": [{
            "policy": {"policy-type": markup("type"), "policy-string": [markup("string")], "policy-domain": "recv.example",
                       "mx-host": [markup("pattern")]},
            "summary": {"total-successful-session-count": 3, "total-failure-session-count": 2},
            "failure-details": [{
                "result-type": markup("result"), "sending-mta-ip": markup("sender"),
                "receiving-mx-hostname": markup("mx"), "receiving-mx-helo": markup("helo"), "receiving-ip": markup("ip"),
                "failed-session-count": 2, "additional-information": "javascript:alert(3)",
                "failure-reason-code": "=cmd|' /C calc'!A0<svg onload=alert(4)>",
            }],
        }],
        "x\u{202e}<b>": "<b>extra</b>",
    })
    .to_string()
}

#[tokio::test]
async fn the_pages_work_by_click_show_what_failed_and_keep_hostile_reports_inert() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let driver = Driver::start();
    let browser = driver.browser(&folder.path().join("light"), false).await;
    let root = format!("http://{}", server.web);

    browser.goto(&root).await.expect("the empty server");
    assert!(
        browser.source().await.expect("a page").contains("v=TLSRPTv1"),
        "an empty server shows the record to publish"
    );
    no_complaints(&browser, "the empty server").await;
    screenshot(&browser, "empty.png").await;

    let mut stream = connect(&server.post);
    for day in 1..=20 {
        let json = report(&format!("day-{day}")).replace("2026-10-01", &recent_day(day));
        assert_eq!(post(&mut stream, json.as_bytes()), Some(201));
    }
    assert_eq!(post(&mut stream, hostile().as_bytes()), Some(201));
    assert_eq!(post(&mut stream, b"{\"<script>alert(5)</script>\":1}"), Some(202));

    browser.goto(&root).await.expect("domains at a glance");
    no_complaints(&browser, "the front page").await;
    screenshot(&browser, "front.png").await;
    browser
        .find(Locator::LinkText("recv.example"))
        .await
        .expect("the domain's link")
        .click()
        .await
        .expect("a click");
    assert!(browser.current_url().await.expect("a place").path().starts_with("/domains/recv.example"));
    assert!(browser.find(Locator::Css("svg[role=img]")).await.is_ok(), "a plot");
    assert!(browser.find(Locator::Css("table")).await.is_ok(), "its numbers as a table");
    no_complaints(&browser, "the domain's page").await;
    screenshot(&browser, "domain.png").await;

    browser.goto(&format!("{root}/reports")).await.expect("the reports");
    no_complaints(&browser, "the reports").await;
    let links = browser.find_all(Locator::Css("main a[href^='/reports/']")).await.expect("links to reports");
    assert!(!links.is_empty());
    links[0].clone().click().await.expect("a click");
    no_complaints(&browser, "a report").await;
    screenshot(&browser, "report.png").await;
    for line in browser.find_all(Locator::Css("main a[href^='/reports/']")).await.expect("links") {
        let href = line.attr("href").await.expect("an attribute").unwrap_or_default();
        assert!(!href.contains("passwd"), "a report's id became part of a path: {href}");
    }

    browser.goto(&format!("{root}/set-aside")).await.expect("what was set aside");
    no_complaints(&browser, "what was set aside").await;
    screenshot(&browser, "set-aside.png").await;

    for (link, heading) in
        [("Policies", "Policies"), ("Sessions", "Sessions"), ("Outgoing", "Outgoing reports")]
    {
        browser.find(Locator::LinkText(link)).await.expect(link).click().await.expect("a click");
        let shown = browser.find(Locator::Css("h1")).await.expect("a heading").text().await.expect("text");
        assert_eq!(shown, heading);
        let lines = browser.find(Locator::Css("pre.copy")).await.expect("lines to copy").text().await;
        assert!(lines.expect("text").starts_with('['), "what to configure comes first");
        no_complaints(&browser, link).await;
        screenshot(&browser, &format!("{}.png", link.to_lowercase())).await;
    }
    browser.close().await.expect("closed");

    let dark = driver.browser(&folder.path().join("dark"), true).await;
    dark.goto(&format!("{root}/domains/recv.example")).await.expect("the domain in the dark");
    no_complaints(&dark, "the domain's page in the dark").await;
    screenshot(&dark, "dark.png").await;
    dark.close().await.expect("closed");
}

/// A day within the weeks that the pages show, counted back from today.
fn recent_day(back: u64) -> String {
    let output = Command::new("date")
        .args(["-u", "+%Y-%m-%d", "-d", &format!("{back} days ago")])
        .output()
        .expect("date runs");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}
