//! Runs a table of vectors through the protocol crates: an input, and the verdict of the RFC's own rules.
//!
//! One row a line, tab-separated: kind, input as JSON, expected verdict, then columns for people. The first line may
//! be a header. What is not UTF-8 stands as `{"hex": "…"}`. A row that cannot be read disagrees.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

/// How the rows of a file came out.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    agree: usize,
    ambiguous: usize,
    /// One line of text for each row that disagrees.
    disagree: Vec<String>,
}

/// Runs a file, prints each row that disagrees and closes with the count. True when none disagrees.
pub(crate) fn run(file: &Path) -> Result<bool> {
    let text = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let outcome = judge(&text);
    for row in &outcome.disagree {
        println!("{row}");
    }
    println!(
        "vectors: {} agree, {} disagree, {} ambiguous",
        outcome.agree,
        outcome.disagree.len(),
        outcome.ambiguous
    );
    Ok(outcome.disagree.is_empty())
}

fn judge(text: &str) -> Outcome {
    let mut outcome = Outcome::default();
    for (index, line) in text.lines().enumerate() {
        if line.is_empty() || (index == 0 && line.starts_with("kind\t")) {
            continue;
        }
        match row(line) {
            Ok(Row { expected: "ambiguous", .. }) => outcome.ambiguous += 1,
            Ok(Row { expected, found, .. }) if expected == found => outcome.agree += 1,
            Ok(Row { kind, input, expected, found }) => outcome
                .disagree
                .push(format!("line {}: {kind} {input}: expected {expected}, found {found}", index + 1)),
            Err(error) => outcome.disagree.push(format!("line {}: {error:#}", index + 1)),
        }
    }
    outcome
}

struct Row<'a> {
    kind: &'a str,
    input: &'a str,
    expected: &'a str,
    found: &'static str,
}

fn row(line: &str) -> Result<Row<'_>> {
    let mut columns = line.split('\t');
    let (Some(kind), Some(input), Some(expected)) = (columns.next(), columns.next(), columns.next()) else {
        bail!("a row has at least three columns");
    };
    let value =
        serde_json::from_str(input).with_context(|| format!("{kind} {input}: the input is not JSON"))?;
    let found = verdict(kind, &value).with_context(|| format!("{kind} {input}"))?;
    Ok(Row { kind, input, expected, found })
}

/// The strict verdict of our crates on one input.
fn verdict(kind: &str, input: &Value) -> Result<&'static str> {
    Ok(match kind {
        "sts-txt" => mta_sts::verdict::sts_txt(&bytes(input)?),
        "sts-txt-rrset" => mta_sts::verdict::sts_txt_rrset(&rrset(input)?),
        "sts-policy" => mta_sts::verdict::sts_policy(&bytes(input)?),
        "content-type" => mta_sts::verdict::content_type(&bytes(input)?),
        "mx-match" => {
            let host = input["mx"].as_str().context("mx is not a string")?;
            let patterns = input["patterns"].as_array().context("patterns is not an array")?;
            let patterns: Option<Vec<&str>> = patterns.iter().map(Value::as_str).collect();
            mta_sts::verdict::mx_match(host, &patterns.context("a pattern is not a string")?)
        }
        "tlsrpt-txt" => tls_rpt::record::parse(&bytes(input)?).strict_word(),
        "tlsrpt-txt-rrset" => tls_rpt::record::strict_word(&rrset(input)?),
        _ => bail!("unknown kind"),
    })
}

fn rrset(input: &Value) -> Result<Vec<Vec<u8>>> {
    input.as_array().context("an RRset is an array")?.iter().map(bytes).collect()
}

/// A string's bytes, or those that hexadecimal digits stand for.
fn bytes(input: &Value) -> Result<Vec<u8>> {
    if let Some(text) = input.as_str() {
        return Ok(text.as_bytes().to_vec());
    }
    let digits = input["hex"].as_str().context("neither a string nor an object with hex")?;
    ensure!(digits.len() % 2 == 0, "an odd number of hexadecimal digits");
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    digits
        .as_bytes()
        .chunks_exact(2)
        .map(|pair| {
            let (high, low) = digit(&pair[0]).zip(digit(&pair[1])).context("not hexadecimal")?;
            Ok((high * 16 + low) as u8)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_judged() {
        let rows = [
            r#"sts-txt	"v=STSv1; id=1;"	valid"#,
            r#"sts-txt	{"hex": "763d5354537631ff"}	invalid	own	-	note"#,
            r#"sts-txt-rrset	["v=STSv1; id=1", "other"]	valid"#,
            r#"sts-txt-rrset	[]	none"#,
            r#"sts-policy	"version: STSv1\nmode: none\nmax_age: 0\n"	valid"#,
            r#"sts-policy	"version: STSv1\nmode: none\nmax_age: 31557601\n"	over-max"#,
            r#"sts-policy	""	invalid"#,
            r#"mx-match	{"mx": "a.example.com", "patterns": ["*.example.com"]}	match"#,
            r#"mx-match	{"mx": "example.com", "patterns": ["*.example.com"]}	no-match"#,
            r#"content-type	"text/plain; charset=utf-8"	ok"#,
            r#"content-type	"text/html"	bad"#,
            r#"tlsrpt-txt	"v=TLSRPTv1; rua=mailto:a@example.com"	valid"#,
            r#"tlsrpt-txt	"v=TLSRPTv1; rua=ftp://example.com/"	no-usable-rua"#,
            r#"tlsrpt-txt	"v=TLSRPTv1"	invalid"#,
            r#"tlsrpt-txt-rrset	["v=TLSRPTv1; rua=mailto:a@example.com"]	valid"#,
            r#"tlsrpt-txt-rrset	["a", "b"]	none"#,
        ];
        let text = format!("kind\tinput (JSON)\texpected\n{}\n", rows.join("\n"));
        assert_eq!(judge(&text), Outcome { agree: rows.len(), ..Outcome::default() });
    }

    #[test]
    fn a_row_that_disagrees_or_cannot_be_read_is_shown_with_its_line() {
        let rows = [
            (
                r#"sts-txt	"v=STSv1; id=1;"	invalid"#,
                "line 1: sts-txt \"v=STSv1; id=1;\": expected invalid, found valid",
            ),
            ("sts-txt\tv=STSv1\tvalid", "line 1: sts-txt v=STSv1: the input is not JSON"),
            ("sts-txt\t\"a\"", "line 1: a row has at least three columns"),
            ("sts-cert\t\"a\"\tvalid", "line 1: sts-cert \"a\": unknown kind"),
            ("sts-txt\t{\"hex\": \"4\"}\tvalid", "an odd number of hexadecimal digits"),
            ("sts-txt\t{\"hex\": \"zz\"}\tvalid", "not hexadecimal"),
            ("mx-match\t{\"mx\": \"a\"}\tmatch", "patterns is not an array"),
        ];
        for (row, message) in rows {
            let outcome = judge(row);
            assert!(outcome.disagree.len() == 1 && outcome.disagree[0].contains(message), "{outcome:?}");
        }
    }

    #[test]
    fn ambiguous_rows_are_counted_apart() {
        let outcome = judge("sts-txt\t\"v=STSv1\"\tambiguous\n");
        assert_eq!(outcome, Outcome { ambiguous: 1, ..Outcome::default() });
    }
}
