//! The shared corpus, where it is at hand: how many reports each container holds. Its third-party files are not ours
//! to copy, so this reads them in place; without them it checks nothing.

mod fixtures;

use std::path::PathBuf;

use containers::Note;
use fixtures::look;

/// File, members, notes on the first.
const TABLE: &[(&str, usize, &[Note])] = &[
    ("real/domainaware_parsedmarc__google.com_smtp_tls_report.eml", 1, &[]),
    ("real/isseis_tlsrpt-digest__tlsrpt_failure.eml", 1, &[]),
    ("real/isseis_tlsrpt-digest__tlsrpt_failure.hist-d145f8d.eml", 1, &[]),
    ("real/isseis_tlsrpt-digest__tlsrpt_success.hist-4426555.eml", 1, &[]),
    ("real/isseis_tlsrpt-digest__tlsrpt_success_google_1.eml", 1, &[]),
    ("real/isseis_tlsrpt-digest__tlsrpt_success_microsoft.eml", 1, &[]),
    ("real/kravietz_tlsrpt-rs__mail.ru.eml", 1, &[]),
    ("real/marcbradshaw_mail-tls-rpt__email.eml", 1, &[]),
    ("real/marcbradshaw_mail-tls-rpt__report.json.hist-2f1d570.gz", 1, &[]),
    ("real/mjl-_mox__example.eml", 1, &[]),
    ("real/stalwartlabs_mail-auth__rpt01.eml", 1, &[]),
    ("real/stalwartlabs_mail-auth__rpt02.eml", 1, &[]),
    ("synthetic/q52_utf8_bom.json", 1, &[]),
    ("synthetic/q53_utf16le.json", 1, &[]),
    ("synthetic/q55_leading_ws.json", 1, &[]),
    ("synthetic/q65_empty.json", 0, &[]),
    ("synthetic/q67_ok.json.gz", 1, &[]),
    ("synthetic/q68_gz_no_ext.json", 1, &[Note::Mislabelled]),
    ("synthetic/q70_gz_multimember.json.gz", 1, &[Note::SeveralGzipMembers]),
    ("synthetic/q71_gz_truncated.json.gz", 1, &[Note::TrailerCut]),
    ("synthetic/q72_gz_bad_crc.json.gz", 1, &[Note::ChecksumWrong]),
    ("synthetic/q74_zlib_as_gz.json.gz", 1, &[Note::ZlibInsteadOfGzip]),
    ("synthetic/q76_zip_two.json.zip", 2, &[]),
    ("synthetic/q77_ok.eml", 1, &[]),
    ("synthetic/q78_json_7bit.eml", 1, &[]),
    ("synthetic/q79_json_b64_bom.eml", 1, &[]),
    ("synthetic/q80_gzip_as_json_type.eml", 1, &[]),
    ("synthetic/q82_octet_stream_gz.eml", 1, &[]),
    ("synthetic/q83_app_gzip_noname.eml", 1, &[]),
    ("synthetic/q85_rfc2231_name.eml", 1, &[]),
    ("synthetic/q86_forwarded_rfc822.eml", 1, &[]),
    ("synthetic/q87_two_reports.eml", 2, &[]),
    ("synthetic/q88_single_part.eml", 1, &[]),
];

#[expect(clippy::disallowed_methods, reason = "the chore that runs the tests says where the corpus lies")]
fn corpus() -> Option<PathBuf> {
    std::env::var_os("TLSWARD_CORPUS").map(PathBuf::from)
}

/// Proves: R3
#[test]
fn each_container_of_the_corpus_gives_its_reports() {
    let Some(corpus) = corpus() else { return };
    let mut wrong = Vec::new();
    for (file, members, notes) in TABLE {
        let bytes = std::fs::read(corpus.join(file)).unwrap();
        let found = look(file, &bytes);
        let first = found.members.first();
        let sound = found.members.iter().all(|member| member.failure.is_none() && member.in_memory)
            && first.is_none_or(|member| member.notes == *notes);
        if found.members.len() != *members || !sound {
            wrong.push(format!(
                "{file}: {:?} {:?} {:?}",
                found.paths(),
                found.refused,
                first.map(|m| &m.notes)
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_container_of_the_corpus_is_left_out_of_the_table() {
    let Some(corpus) = corpus() else { return };
    for folder in ["real", "issues", "synthetic"] {
        for entry in std::fs::read_dir(corpus.join(folder)).unwrap() {
            let name = format!("{folder}/{}", entry.unwrap().file_name().into_string().unwrap());
            let listed = name.ends_with(".json") || TABLE.iter().any(|(file, ..)| *file == name);
            assert!(listed, "{name} has no row");
            if name.ends_with(".json") && !name.contains("empty") {
                let found = look(&name, &std::fs::read(corpus.join(&name)).unwrap());
                assert_eq!(found.members.len(), 1, "{name}");
            }
        }
    }
}
