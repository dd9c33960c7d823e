//! The command line: help, exit codes, configuration errors.

#[expect(dead_code, reason = "each test program uses its own part")]
mod program;

use program::{run, tlsward};

const COMMANDS: [&str; 5] = ["serve", "read", "receive", "completions", "man"];

#[test]
fn alone_it_prints_help_and_that_is_no_error() {
    let ran = run::<&str>(&[]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    for command in COMMANDS {
        assert!(ran.out.contains(&format!("\n  {command} ")), "{command}: {}", ran.out);
    }
    let version = run(&["--version"]);
    assert_eq!(version.out, format!("tlsward {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(version.code, Some(0));
}

#[test]
fn every_command_has_help_with_an_example_and_takes_a_configuration() {
    for command in COMMANDS {
        let ran = run(&[command, "--help"]);
        assert_eq!(ran.code, Some(0), "{command}");
        assert!(ran.out.contains("Example"), "{command}: {}", ran.out);
        assert!(ran.out.contains("--config <FILE>"), "{command}: {}", ran.out);
    }
}

#[test]
fn usage_errors_exit_with_64() {
    let rows: [&[&str]; 5] =
        [&["raed"], &["read"], &["read", "--nonsense", "x"], &["completions", "dos"], &["serve", "x"]];
    for arguments in rows {
        let ran = run(arguments);
        assert_eq!(ran.code, Some(64), "{arguments:?}: {}", ran.err);
        assert!(ran.out.is_empty() && !ran.err.is_empty(), "{arguments:?}");
    }
    assert!(run(&["raed"]).err.contains("read"), "the nearest command is named");
    assert_eq!(run(&["serve", "--log", "a=b=c"]).code, Some(64));
}

#[test]
fn an_unknown_key_is_named_with_file_line_column_and_its_neighbour() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tlsward.toml");
    std::fs::write(&file, "[web]\n[receive.smtp]\n  recipient = []\n[receive.maildir]\n").unwrap();
    let ran = tlsward().arg("serve").arg("--config").arg(&file).output().unwrap();
    assert_eq!(ran.status.code(), Some(78));
    let shown = file.display();
    assert_eq!(
        String::from_utf8(ran.stderr).unwrap(),
        format!(
            "tlsward: {shown}:3:3: unknown key 'recipient' in [receive.smtp]; did you mean 'recipients'?\n\
             tlsward: {shown}:4:10: table [receive.maildir] belongs to a later version and is not supported yet; remove it\n"
        )
    );
    assert!(ran.stdout.is_empty());
}

#[test]
fn the_configuration_may_be_named_in_the_environment() {
    let ran = tlsward().arg("serve").env("TLSWARD_CONFIG", "/nonexistent/tlsward.toml").output().unwrap();
    assert_eq!(ran.status.code(), Some(78));
    assert!(String::from_utf8(ran.stderr).unwrap().contains("/nonexistent/tlsward.toml"));
}

#[test]
fn a_configuration_without_a_role_starts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tlsward.toml");
    std::fs::write(&file, "data_dir = 'data'\n").unwrap();
    let ran = tlsward().arg("serve").arg("--config").arg(&file).output().unwrap();
    assert_eq!(ran.status.code(), Some(78));
    assert!(String::from_utf8(ran.stderr).unwrap().contains("[web], [receive.https], [receive.smtp]"));
    assert!(!folder.path().join("data").exists());
}

#[test]
fn completions_and_manual_pages_are_written() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = run(&["completions", shell]);
        assert_eq!(ran.code, Some(0), "{shell}");
        assert!(ran.out.contains("tlsward"), "{shell}");
    }
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("share/man1");
    let ran = tlsward().arg("man").arg(&pages).output().unwrap();
    assert_eq!(ran.status.code(), Some(0));
    let mut names: Vec<_> = std::fs::read_dir(&pages)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected = [
        "tlsward-check.1",
        "tlsward-completions.1",
        "tlsward-domain-add.1",
        "tlsward-domain-adopt.1",
        "tlsward-domain-advance.1",
        "tlsward-domain-group.1",
        "tlsward-domain-list.1",
        "tlsward-domain-mx-add.1",
        "tlsward-domain-mx-remove.1",
        "tlsward-domain-mx.1",
        "tlsward-domain-plan.1",
        "tlsward-domain-reannounce.1",
        "tlsward-domain-remove.1",
        "tlsward-domain-show.1",
        "tlsward-domain.1",
        "tlsward-export.1",
        "tlsward-man.1",
        "tlsward-policy-forget.1",
        "tlsward-policy-refresh.1",
        "tlsward-policy.1",
        "tlsward-read.1",
        "tlsward-receive.1",
        "tlsward-report-dkim.1",
        "tlsward-report.1",
        "tlsward-serve.1",
        "tlsward.1",
    ];
    assert_eq!(names, expected);
    let page = std::fs::read_to_string(pages.join("tlsward-read.1")).unwrap();
    assert!(page.contains("Exit status"), "{page}");
}
