//! Looks for the world in the source of a pure crate: files, sockets, processes, the environment, clocks.
//!
//! The crates' list of dependencies cannot show what the standard library offers to all. Code under
//! `#[cfg(test)]` is left out: a test may read its fixtures.

use anyhow::Result;
use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

use crate::sources::{self, Tests, only_for_tests};
use crate::workspace::{Package, root};

/// What a pure crate never names. Each stands for everything under it.
const FORBIDDEN: [&str; 16] = [
    "std::env",
    "std::fs",
    "std::io::stderr",
    "std::io::stdin",
    "std::io::stdout",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::ToSocketAddrs",
    "std::net::UdpSocket",
    "std::os",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "jiff::Timestamp::now",
    "jiff::Zoned::now",
];

/// The same by the names they have after a `use` of their module.
const FORBIDDEN_SHORT: [&str; 10] = [
    "env::var",
    "env::var_os",
    "fs::read",
    "process::exit",
    "time::Instant",
    "time::SystemTime",
    "Instant::now",
    "SystemTime::now",
    "Timestamp::now",
    "Zoned::now",
];

/// Every forbidden path in a package's own code, as `file:line: path`.
pub(crate) fn impure_paths(package: &Package) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for target in package.targets.iter().filter(|target| target.is("lib") || target.is("bin")) {
        for source in sources::of_target(&target.src_path, Tests::Skipped)? {
            let shown = source.path.strip_prefix(root()).unwrap_or(&source.path).display();
            found.extend(hits(&source.code).into_iter().map(|(line, path)| {
                format!("{shown}:{line}: {path}: a pure crate takes what it needs as an argument")
            }));
        }
    }
    Ok(found)
}

/// Line and path of everything forbidden that one file names.
fn hits(code: &syn::File) -> Vec<(usize, String)> {
    let mut scan = Scan { hits: Vec::new() };
    scan.visit_file(code);
    scan.hits
}

struct Scan {
    hits: Vec<(usize, String)>,
}

impl Scan {
    fn judge(&mut self, line: usize, path: &str) {
        let path = path.trim_start_matches("::").replace("core::time::", "std::time::");
        let under = |forbidden: &&str| {
            path.strip_prefix(*forbidden).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        };
        if FORBIDDEN.iter().any(under) || FORBIDDEN_SHORT.iter().any(under) {
            self.hits.push((line, path));
        }
    }

    fn judge_use(&mut self, line: usize, before: &str, tree: &syn::UseTree) {
        match tree {
            syn::UseTree::Path(path) => {
                self.judge_use(line, &format!("{before}{}::", path.ident), &path.tree);
            }
            syn::UseTree::Name(name) if name.ident == "self" => {
                self.judge(line, before.trim_end_matches("::"));
            }
            syn::UseTree::Name(name) => self.judge(line, &format!("{before}{}", name.ident)),
            syn::UseTree::Rename(rename) => self.judge(line, &format!("{before}{}", rename.ident)),
            syn::UseTree::Glob(_) => self.judge(line, before.trim_end_matches("::")),
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.judge_use(line, before, tree);
                }
            }
        }
    }

    /// Macros are not parsed: their tokens are read for paths.
    fn judge_tokens(&mut self, tokens: TokenStream) {
        let mut path = String::new();
        let mut line = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if !path.ends_with("::") {
                        self.judge(line, &std::mem::take(&mut path));
                        line = ident.span().start().line;
                    }
                    path.push_str(&ident.to_string());
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => path.push(':'),
                other => {
                    self.judge(line, &std::mem::take(&mut path));
                    if let TokenTree::Group(group) = other {
                        self.judge_tokens(group.stream());
                    }
                }
            }
        }
        self.judge(line, &path);
    }
}

impl<'ast> Visit<'ast> for Scan {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if !only_for_tests(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        if !only_for_tests(&function.attrs) {
            visit::visit_item_fn(self, function);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !only_for_tests(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !only_for_tests(&item.attrs) {
            self.judge_use(item.span().start().line, "", &item.tree);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let joined: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.judge(path.span().start().line, &joined.join("::"));
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.judge_tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(source: &str) -> Vec<String> {
        let code = syn::parse_file(source).expect("test source parses");
        hits(&code).into_iter().map(|(line, path)| format!("{line} {path}")).collect()
    }

    #[test]
    fn every_way_to_name_the_world_is_found() {
        let cases: [(&str, &[&str]); 9] = [
            ("use std::net::{IpAddr, TcpStream};", &["1 std::net::TcpStream"]),
            ("use std::fs::{self, File};", &["1 std::fs", "1 std::fs::File"]),
            ("use std::net::UdpSocket as Quiet;", &["1 std::net::UdpSocket"]),
            ("fn f() { std::process::exit(1) }", &["1 std::process::exit"]),
            ("use std::time; fn f() { time::Instant::now(); }", &["1 time::Instant::now"]),
            ("use std::time::*;\nfn f() -> u8 { SystemTime::now(); 1 }", &["2 SystemTime::now"]),
            ("fn f() { println!(\"{}\", std::env::var(\"A\").is_ok()) }", &["1 std::env::var"]),
            ("struct A(std::time::Instant);", &["1 std::time::Instant"]),
            ("fn f() { ::std::thread::sleep(d) }", &["1 std::thread::sleep"]),
        ];
        for (source, expected) in cases {
            assert_eq!(found(source), expected, "{source}");
        }
    }

    #[test]
    fn addresses_durations_readers_and_tests_are_allowed() {
        let source = "use std::net::IpAddr; use std::time::Duration; use std::io::Read;
            mod process { pub fn x() {} }
            fn f() -> &'static str { process::x(); env!(\"CARGO_PKG_VERSION\") }
            #[cfg(test)] mod tests { use std::fs; fn f() { fs::read(\"a\"); } }";
        assert_eq!(found(source), Vec::<String>::new());
    }
}
