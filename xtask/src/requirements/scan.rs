//! Finds the tests that name requirements, by reading every target's source.
//!
//! The convention: a doc comment line `Proves: S2, L9` among the attributes of a test function, also of one
//! inside `proptest!`. Where such a line stands over something else, over an ignored test or in an ordinary comment, it
//! proves nothing: that is reported.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context as _, Result};
use proc_macro2::{TokenStream, TokenTree};
use serde::Deserialize;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

use super::list::is_identifier;
use crate::sources::{self, Source, Tests};
use crate::workspace::{Metadata, Package, Target, root};

/// One test that names requirements.
#[derive(Debug)]
pub(crate) struct Proof {
    pub(crate) ids: Vec<String>,
    /// The test binary, as cargo-nextest names it.
    pub(crate) binary: String,
    /// Modules and function inside that binary.
    pub(crate) path: String,
}

impl Proof {
    /// The test's name for people: crate, then the target if it is a test of its own, then the path.
    pub(crate) fn name(&self) -> String {
        let target = self.binary.split_once("::bin/").map_or(self.binary.as_str(), |(package, _)| package);
        format!("{target}::{}", self.path)
    }
}

/// What a scan found.
#[derive(Debug, Default)]
pub(crate) struct Scanned {
    pub(crate) proofs: Vec<Proof>,
    /// Comments that look like proofs and are none, with their place.
    pub(crate) wrong: Vec<String>,
}

/// Scans all members of the workspace.
pub(crate) fn workspace(metadata: &Metadata) -> Result<Scanned> {
    let mut scanned = Scanned::default();
    for package in metadata.members() {
        for target in &package.targets {
            let Some(binary) = binary_id(package, target) else { continue };
            for source in sources::of_target(&target.src_path, Tests::Walked)? {
                let text = fs::read_to_string(&source.path)
                    .with_context(|| format!("{} cannot be read", source.path.display()))?;
                scan_file(&source, &text, &binary, &mut scanned);
            }
        }
    }
    Ok(scanned)
}

/// How cargo-nextest names the binary of a target with tests.
fn binary_id(package: &Package, target: &Target) -> Option<String> {
    if target.is("lib") {
        Some(package.name.clone())
    } else if target.is("bin") {
        Some(format!("{}::bin/{}", package.name, target.name))
    } else if target.is("test") {
        Some(format!("{}::{}", package.name, target.name))
    } else {
        None
    }
}

fn scan_file(source: &Source, text: &str, binary: &str, scanned: &mut Scanned) {
    let mut tests = Found { modules: source.modules.clone(), tests: Vec::new() };
    tests.visit_file(&source.code);
    let shown = source.path.strip_prefix(root()).unwrap_or(&source.path).display();
    let mut used = BTreeSet::new();
    for test in tests.tests {
        let mut ids = Vec::new();
        for (line, list) in &test.attributes.proves {
            used.insert(*line);
            for id in list.split(',').map(str::trim) {
                if is_identifier(id) {
                    ids.push(id.to_owned());
                } else {
                    scanned.wrong.push(format!("{shown}:{line}: {id:?} is no identifier of a requirement"));
                }
            }
            if test.attributes.ignored {
                scanned.wrong.push(format!("{shown}:{line}: {} is ignored and proves nothing", test.path));
            }
        }
        if !ids.is_empty() {
            scanned.proofs.push(Proof { ids, binary: binary.to_owned(), path: test.path });
        }
    }
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_start();
        let comment = line.strip_prefix("//").map(|rest| rest.trim_start_matches(['/', '!']).trim_start());
        if comment.is_some_and(|comment| comment.starts_with("Proves:")) && !used.contains(&(index + 1)) {
            scanned.wrong.push(format!("{shown}:{}: a Proves line that stands over no test", index + 1));
        }
    }
}

/// The tests of one file.
struct Found {
    modules: Vec<String>,
    tests: Vec<Test>,
}

struct Test {
    path: String,
    attributes: Attributes,
}

/// What a function's attributes say, as far as it matters here.
#[derive(Default)]
struct Attributes {
    test: bool,
    ignored: bool,
    /// Line, and the list after the colon.
    proves: Vec<(usize, String)>,
}

impl Attributes {
    fn take(&mut self, line: usize, meta: &syn::Meta) {
        let last = meta.path().segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
        match meta {
            _ if last == "test" => self.test = true,
            _ if last == "ignore" => self.ignored = true,
            syn::Meta::NameValue(pair) if last == "doc" => {
                let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) = &pair.value else {
                    return;
                };
                if let Some(list) = text.value().trim().strip_prefix("Proves:") {
                    self.proves.push((line, list.trim().to_owned()));
                }
            }
            _ => {}
        }
    }
}

impl Found {
    fn add(&mut self, name: &str, attributes: Attributes) {
        if attributes.test {
            let mut path = self.modules.clone();
            path.push(name.to_owned());
            self.tests.push(Test { path: path.join("::"), attributes });
        }
    }

    /// `proptest! { #[test] fn name(x in …) { … } }` is no item to the parser: its tokens are read.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut attributes = Attributes::default();
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == '#' => {
                    let line = punct.span().start().line;
                    if let Some(TokenTree::Group(group)) = tokens.peek()
                        && let Ok(meta) = syn::parse2::<syn::Meta>(group.stream())
                    {
                        attributes.take(line, &meta);
                    }
                }
                TokenTree::Ident(ident) if ident == "fn" => {
                    if let Some(TokenTree::Ident(name)) = tokens.peek() {
                        self.add(&name.to_string(), std::mem::take(&mut attributes));
                    }
                }
                _ => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Found {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        self.modules.push(module.ident.to_string());
        visit::visit_item_mod(self, module);
        self.modules.pop();
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        let mut attributes = Attributes::default();
        for attribute in &function.attrs {
            attributes.take(attribute.span().start().line, &attribute.meta);
        }
        self.add(&function.sig.ident.to_string(), attributes);
    }

    fn visit_item_macro(&mut self, item: &'ast syn::ItemMacro) {
        if item.mac.path.segments.last().is_some_and(|segment| segment.ident == "proptest") {
            self.tokens(item.mac.tokens.clone());
        }
    }
}

/// What `cargo nextest list --message-format json` prints, as far as it matters here.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Listing {
    rust_suites: BTreeMap<String, Suite>,
}

#[derive(Deserialize)]
struct Suite {
    testcases: BTreeMap<String, Case>,
}

#[derive(Deserialize)]
struct Case {
    ignored: bool,
}

/// Binary and path of every test that cargo-nextest would run.
pub(crate) fn built(listing: &[u8]) -> Result<BTreeSet<(String, String)>> {
    let listing: Listing =
        serde_json::from_slice(listing).context("the list of cargo nextest has an unknown form")?;
    let mut tests = BTreeSet::new();
    for (binary, suite) in listing.rust_suites {
        for (path, case) in suite.testcases {
            if !case.ignored {
                tests.insert((binary.clone(), path));
            }
        }
    }
    Ok(tests)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn scan(text: &str) -> Scanned {
        let code = syn::parse_file(text).expect("test source parses");
        let source =
            Source { path: PathBuf::from("src/record.rs"), modules: vec!["record".to_owned()], code };
        let mut scanned = Scanned::default();
        scan_file(&source, text, "mta-sts", &mut scanned);
        scanned
    }

    fn found(text: &str) -> Vec<String> {
        let scanned = scan(text);
        assert_eq!(scanned.wrong, Vec::<String>::new(), "{text}");
        scanned.proofs.iter().map(|proof| format!("{} {}", proof.name(), proof.ids.join("+"))).collect()
    }

    #[test]
    fn tests_of_every_form_are_found() {
        let cases: [(&str, &[&str]); 6] = [
            ("/// Proves: S2, L9\n#[test]\nfn a() {}", &["mta-sts::record::a S2+L9"]),
            (
                "mod tests {\n/// Words first.\n/// Proves: S2\n#[tokio::test]\nasync fn a() {}\n}",
                &["mta-sts::record::tests::a S2"],
            ),
            ("#[test]\n/// Proves: S2\n#[should_panic]\nfn a() {}", &["mta-sts::record::a S2"]),
            ("/// Proves: S1\n/// Proves: S2\n#[test]\nfn a() {}", &["mta-sts::record::a S1+S2"]),
            (
                "mod tests { proptest! {\n#![proptest_config(x())]\n/// Proves: S3\n#[test]\nfn a(x in 0..9) { b(); }\n#[test]\nfn c(x in 0..9) {}\n} }",
                &["mta-sts::record::tests::a S3"],
            ),
            ("#[test]\nfn proves_nothing() {}", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(found(text), expected, "{text}");
        }
    }

    #[test]
    fn a_line_that_proves_nothing_is_reported_with_its_place() {
        let cases = [
            ("/// Proves: S2\nfn a() {}", "src/record.rs:1: a Proves line that stands over no test"),
            (
                "\n// Proves: S2\n#[test]\nfn a() {}",
                "src/record.rs:2: a Proves line that stands over no test",
            ),
            ("//! Proves: S2", "src/record.rs:1: a Proves line that stands over no test"),
            ("/// Proves: S2\n#[test]\n#[ignore]\nfn a() {}", "src/record.rs:1: record::a is ignored"),
            ("/// Proves: S2 and L9\n#[test]\nfn a() {}", "src/record.rs:1: \"S2 and L9\" is no identifier"),
            ("/// Proves:\n#[test]\nfn a() {}", "src/record.rs:1: \"\" is no identifier"),
        ];
        for (text, message) in cases {
            let wrong = scan(text).wrong;
            assert!(wrong.len() == 1 && wrong[0].starts_with(message), "{text}: {wrong:?}");
        }
    }

    #[test]
    fn a_listing_of_nextest_leaves_out_the_ignored() {
        let listing = r#"{"test-count": 2, "rust-suites": {"mta-sts": {"binary-id": "mta-sts", "testcases":
            {"record::a": {"kind": "test", "ignored": false}, "record::b": {"ignored": true}}}}}"#;
        let built = built(listing.as_bytes()).expect("the form is known");
        assert_eq!(built, BTreeSet::from([("mta-sts".to_owned(), "record::a".to_owned())]));
    }

    #[test]
    fn a_binary_counts_as_its_crate_in_a_name() {
        let proof =
            Proof { ids: vec![], binary: "tlsward::bin/tlsward".to_owned(), path: "read::a".to_owned() };
        assert_eq!(proof.name(), "tlsward::read::a");
    }
}
