//! `tlsward read`, from the outside: what is printed, what is complained about, how it ends.

mod program;

use std::fs;
use std::io::{Read as _, Write as _};
use std::process::Stdio;

use program::{fixtures, run, run_with, tlsward};

/// The lines of JSON that were printed.
fn lines(out: &str) -> Vec<serde_json::Value> {
    out.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

#[test]
fn a_report_is_explained_in_plain_words() {
    let ran = run(&["read", "failing.json", "clean.json"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    insta::assert_snapshot!("explained", ran.out);
}

#[test]
fn verbose_lists_what_was_mended() {
    let ran = run(&["read", "--verbose", "failing.json"]);
    for part in
        ["/policies/0/policy/policy-domain", "(name-normalised)", "(count-converted)", "(time-converted)"]
    {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    assert!(!run(&["read", "failing.json"]).out.contains("(count-converted)"));
}

#[test]
fn an_explanation_is_printed_once_in_full_and_then_referred_to() {
    let ran = run(&["read", "failing.json", "failing.json"]);
    assert_eq!(ran.out.matches("Possible causes").count(), 2, "one for each of the two result types");
    assert_eq!(ran.out.matches("explained above").count(), 4);
    assert!(
        ran.out.contains("1 report was there more than once among them and counted once."),
        "{}",
        ran.out
    );
}

/// Proves: H13
#[test]
fn json_is_one_line_a_report_in_normal_form() {
    let ran = run(&["read", "--json", "failing.json", "clean.json"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    let lines = lines(&ran.out);
    assert_eq!(lines.len(), 2);
    insta::assert_json_snapshot!("normal_form", lines[0]);
    assert_eq!(
        lines[1]["tlsward"],
        serde_json::json!({"source": "clean.json", "trust": "unchecked", "repairs": []})
    );
}

#[test]
fn unreadable_input_is_named_with_place_and_reason_and_the_rest_goes_on() {
    let ran = run(&["read", "--json", "trailing-comma.json", "no-report.json", "missing.json", "clean.json"]);
    assert_eq!(ran.code, Some(1));
    assert_eq!(lines(&ran.out).len(), 1);
    let complaints: Vec<&str> = ran.err.lines().collect();
    assert_eq!(complaints.len(), 3, "{}", ran.err);
    assert!(complaints[0].starts_with("tlsward: trailing-comma.json: "), "{}", ran.err);
    assert!(complaints[0].contains("line 4, column 1"), "{}", ran.err);
    assert!(
        complaints[1].starts_with("tlsward: no-report.json: ") && complaints[1].contains("no report"),
        "{}",
        ran.err
    );
    assert!(complaints[2].starts_with("tlsward: missing.json: No such file"), "{}", ran.err);
}

#[test]
fn a_mailbox_gives_the_reports_of_its_mails_and_names_those_that_are_broken() {
    let ran = run(&["read", "--json", "two.mbox"]);
    assert_eq!(ran.code, Some(0), "one report was readable");
    let lines = lines(&ran.out);
    assert_eq!(lines.len(), 1);
    let source = lines[0]["tlsward"]["source"].as_str().unwrap();
    assert_eq!(source, "two.mbox!mail 1!calm.example!example.com!1790812800!1790899199.json");
    assert!(ran.err.starts_with("tlsward: two.mbox!mail 3!part 1: not JSON"), "{}", ran.err);
    assert_eq!(ran.err.lines().count(), 1, "a mail without a report is no fault of the mailbox: {}", ran.err);
}

#[test]
fn folders_are_read_whole_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("cur/deep")).unwrap();
    for (from, to) in [("clean.json", "cur/deep/2"), ("failing.json", "cur/1.json"), ("clean.json", "z.json")]
    {
        fs::copy(fixtures().join(from), folder.path().join(to)).unwrap();
    }
    std::os::unix::fs::symlink(folder.path(), folder.path().join("cur/again")).unwrap();
    let ran = tlsward().args(["read", "--json", "."]).current_dir(folder.path()).output().unwrap();
    let sources: Vec<String> = lines(&String::from_utf8(ran.stdout).unwrap())
        .iter()
        .map(|line| line["tlsward"]["source"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(sources, ["./cur/1.json", "./cur/deep/2", "./z.json"]);
}

#[test]
fn standard_input_is_read_when_asked_for() {
    let report = fs::read(fixtures().join("clean.json")).unwrap();
    let ran = run_with(&["read", "--json", "-"], &report);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(lines(&ran.out)[0]["tlsward"]["source"], "-");
    let nothing = run_with(&["read", "-"], b"");
    assert_eq!((nothing.code, nothing.err.as_str()), (Some(1), "tlsward: -: empty\n"));
}

/// Proves: R6
#[test]
fn nothing_in_a_report_steers_the_terminal() {
    for arguments in [&["read", "-v", "hostile.json"][..], &["read", "--json", "hostile.json"]] {
        let ran = run(arguments);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        let steering = |c: char| {
            (c.is_control() && c != '\n')
                || ('\u{202a}'..='\u{202e}').contains(&c)
                || ('\u{2066}'..='\u{2069}').contains(&c)
        };
        let json = arguments.contains(&"--json");
        for character in ran.out.chars().chain(ran.err.chars()) {
            // JSON is for programs: direction marks are data there, controls are escaped.
            let allowed = json && !character.is_control();
            assert!(!steering(character) || allowed, "{character:?} in {:?}", ran.out);
        }
        assert!(ran.out.contains(if json { "\\u001b" } else { "\\u{1b}" }), "{}", ran.out);
    }
    let ran = run(&["read", "hostile.json"]);
    for command in ran.out.lines().filter(|line| line.trim_start().starts_with("openssl")) {
        assert!(!command.contains('`') && !command.contains("$(id)"), "{command}");
    }
}

#[test]
fn complaints_about_hostile_names_do_not_steer_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a\u{1b}[31m\nb.json"), "[").unwrap();
    let ran = tlsward().arg("read").arg(folder.path()).output().unwrap();
    let err = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(1));
    assert!(!err.trim_end().contains(|c: char| c.is_control()), "{err:?}");
}

#[test]
fn colour_comes_only_when_asked_for() {
    let escape = '\u{1b}';
    assert!(!run(&["read", "failing.json"]).out.contains(escape), "a pipe is no terminal");
    assert!(run(&["read", "--color", "always", "failing.json"]).out.contains(escape));
    assert!(!run(&["read", "--color", "never", "failing.json"]).out.contains(escape));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = tlsward()
        .args(["read", "--json"])
        .args(std::iter::repeat_n("failing.json", 400))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut [0; 10]).unwrap();
    drop(out);
    let ran = child.wait_with_output().unwrap();
    assert_eq!((ran.status.code(), String::from_utf8(ran.stderr).unwrap().as_str()), (Some(0), ""));
}

/// A report of `rows` policies, with its members in an order that needs the whole to be read.
fn large(rows: usize) -> String {
    let mut json = String::from(r#"{"policies":["#);
    for row in 0..rows {
        let comma = if row == 0 { "" } else { "," };
        json.push_str(&format!(
            r#"{comma}{{"failure-details":[{{"result-type":"certificate-expired","receiving-mx-hostname":"mx{}.example.com","failed-session-count":1}}],"policy":{{"policy-type":"sts","policy-domain":"d{}.example"}},"summary":{{"total-successful-session-count":9,"total-failure-session-count":1}}}}"#,
            row % 3,
            row % 5_000
        ));
    }
    json.push_str(r#"],"organization-name":"Large","report-id":"l","date-range":{"start-datetime":"2026-10-01T00:00:00Z","end-datetime":"2026-10-01T23:59:59Z"}}"#);
    json
}

/// Proves: R7
#[test]
fn a_report_too_large_to_be_held_reads_as_a_small_one_does() {
    const ROWS: usize = 20_000;
    let json = large(ROWS);
    let ran = run_with(&["read", "--json", "-"], json.as_bytes());
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    let mut line = lines(&ran.out).remove(0);
    let added = line.as_object_mut().unwrap().remove("tlsward").unwrap();
    assert_eq!(added["repairs"], serde_json::json!([]));
    let expected: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(line == expected, "the rows of a large report are all there, and no others");
    let told = run_with(&["read", "-"], json.as_bytes()).out;
    assert!(told.contains("more than 2,000 domains"), "{told}");
    for mx in 0..3 {
        let sessions = (ROWS + 2 - mx) / 3;
        let digits = sessions.to_string();
        let expected = format!("certificate-expired at mx{mx}.example.com");
        assert!(told.contains(&expected), "{expected} ({digits}): {told}");
    }
}

/// A member longer than what is taken into memory goes through a file, read twice.
#[test]
fn plain_json_beyond_the_memory_limit_is_streamed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("padded.json");
    let mut out = fs::File::create(&file).unwrap();
    out.write_all(br#"{"organization-name":"Padded","date-range":{},"policies":[]"#).unwrap();
    out.write_all(&vec![b' '; 33 << 20]).unwrap();
    out.write_all(br#","report-id":"p"}"#).unwrap();
    drop(out);
    let named = tlsward().args(["read", "--json"]).arg(&file).output().unwrap();
    let piped =
        tlsward().args(["read", "--json", "-"]).stdin(fs::File::open(&file).unwrap()).output().unwrap();
    for ran in [named, piped] {
        let line = lines(&String::from_utf8(ran.stdout).unwrap()).remove(0);
        assert_eq!((line["report-id"].as_str(), ran.status.code()), (Some("p"), Some(0)));
    }
}

#[test]
fn a_mailbox_beyond_the_memory_limit_is_streamed_a_mail_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("huge.mbox");
    let mailbox = fs::read(fixtures().join("two.mbox")).unwrap();
    let mut out = fs::File::create(&file).unwrap();
    out.write_all(&mailbox).unwrap();
    let filler = format!(
        "\nFrom x@example.net Sat Oct  3 04:05:06 2026\nFrom: x@example.net\nSubject: filler\n\n{}\n",
        "words and words\n".repeat(1 << 16)
    );
    for _ in 0..33 {
        out.write_all(filler.as_bytes()).unwrap();
    }
    out.write_all(b"\n").unwrap();
    out.write_all(&mailbox).unwrap();
    drop(out);
    let ran = tlsward().args(["read", "--json"]).arg(&file).output().unwrap();
    assert_eq!(ran.status.code(), Some(0));
    let found = lines(&String::from_utf8(ran.stdout).unwrap());
    let sources: Vec<&str> = found
        .iter()
        .map(|line| line["tlsward"]["source"].as_str().unwrap().split('!').nth(1).unwrap())
        .collect();
    assert_eq!(sources, ["mail 1", "mail 37"]);
}

#[test]
fn what_is_clearly_no_report_is_skipped_in_a_folder_and_an_error_where_it_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::copy(fixtures().join("clean.json"), at("clean.json")).expect("copied");
    fs::write(at("README.md"), "# Reports\n\nThey lie here.\n").expect("written");
    fs::write(at("picture"), b"\x89PNG\r\n\x1a\n").expect("written");
    let ran = run(&["read".as_ref(), "--json".as_ref(), folder.path().as_os_str()]);
    assert_eq!((ran.code, lines(&ran.out).len()), (Some(0), 1), "{}", ran.err);
    let said: Vec<&str> = ran.err.lines().collect();
    assert_eq!(said.len(), 2, "{}", ran.err);
    assert!(said[0].ends_with("README.md: skipped: neither a report nor anything that reports come in"));
    assert!(said[1].contains("picture: skipped: "));

    let named = run(&["read".as_ref(), "--json".as_ref(), at("README.md").as_os_str()]);
    assert_eq!(named.code, Some(1));
    assert!(named.err.contains("README.md: ") && !named.err.contains("skipped"), "{}", named.err);

    // A name that promises a report is taken at its word.
    fs::write(at("report.json"), "oops").expect("written");
    let ran = run(&["read".as_ref(), "--json".as_ref(), folder.path().as_os_str()]);
    assert_eq!((ran.code, lines(&ran.out).len()), (Some(1), 1), "{}", ran.err);
    assert!(ran.err.contains("report.json: ") && ran.err.lines().count() == 3, "{}", ran.err);

    // A folder that held nothing else held no report.
    for name in ["clean.json", "report.json"] {
        fs::remove_file(at(name)).expect("removed");
    }
    assert_eq!(run(&["read".as_ref(), folder.path().as_os_str()]).code, Some(1));
}
