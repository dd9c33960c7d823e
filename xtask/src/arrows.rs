//! Which crate may see which, and that pure crates stay pure.
//!
//! The layout is a promise: the protocol crates know nothing of each other, the engine knows only them,
//! adapters know the engine and never each other, and the binary alone knows all. This chore holds the
//! promise by `cargo metadata`, by a list of packages that no pure crate may pull in, and by a look for
//! sockets, files and clocks in the pure crates' own source. Development dependencies count as well: a
//! test that needs two adapters belongs to the binary.

mod source;

use anyhow::{Result, bail};

use crate::workspace::{Kinds, Metadata, Package};

/// RFCs and file formats in code; publishable by themselves.
const PURE: [&str; 4] = ["mta-sts", "tls-rpt", "smtp-dane", "containers"];
/// Every decision.
const ENGINE: &str = "tlsward-engine";
/// Where the engine meets the world.
const ADAPTERS: [&str; 7] = [
    "tlsward-net",
    "tlsward-mta",
    "tlsward-mail",
    "tlsward-policy-host",
    "tlsward-store",
    "tlsward-web",
    "tlsward-lab",
];
/// What several adapters stand on; knows nothing of what they are for.
const FOUNDATIONS: [&str; 1] = ["tlsward-listen"];
/// The wiring.
const BINARY: &str = "tlsward";
/// What works on the project and is no part of it.
const TOOLS: [&str; 2] = ["xtask", "bench"];
/// Arrows between adapters that are allowed.
const ALLOWED: [(&str, &str); 1] = [("tlsward-lab", "tlsward-store")];

/// Packages that are, or bring, a runtime, a socket, a clock or randomness. A name with `*` at its end
/// stands for all that begin so.
const IMPURE: [&str; 32] = [
    "actix*",
    "async-io",
    "async-net",
    "async-std",
    "chrono",
    "curl*",
    "fastrand",
    "h2",
    "hickory-*",
    "hyper*",
    "isahc",
    "mio",
    "native-tls",
    "openssl*",
    "polling",
    "postgres*",
    "quinn*",
    "rand",
    "reqwest",
    "rusqlite",
    "rustls",
    "smol",
    "socket2",
    "std-time",
    "time",
    "tokio*",
    "tower*",
    "trust-dns*",
    "tungstenite",
    "ureq",
    "uuid",
    "axum*",
];

/// Checks arrows and purity of the workspace; the error lists every wrong arrow.
pub(crate) fn run() -> Result<()> {
    let metadata = Metadata::load()?;
    let mut wrong = wrong_arrows(&metadata);
    wrong.extend(impure_closures(&metadata));
    for package in metadata.members().filter(|package| is_pure(&package.name)) {
        wrong.extend(source::impure_paths(package)?);
    }
    if !wrong.is_empty() {
        bail!("{} wrong:\n  {}", wrong.len(), wrong.join("\n  "));
    }
    println!("arrows: {} crates, every arrow runs the right way", metadata.members().count());
    Ok(())
}

fn is_pure(name: &str) -> bool {
    name == ENGINE || PURE.contains(&name)
}

/// Every arrow between crates of the workspace that ARCHITECTURE.md does not have.
fn wrong_arrows(metadata: &Metadata) -> Vec<String> {
    let members: Vec<&Package> = metadata.members().collect();
    let mut wrong = Vec::new();
    for from in &members {
        if !is_placed(&from.name) {
            wrong.push(format!(
                "{}: has no place in the layout; give it one in xtask/src/arrows.rs",
                from.name
            ));
            continue;
        }
        let dependencies = metadata.dependencies(&from.id, Kinds::All);
        for to in members.iter().filter(|to| dependencies.contains(to.name.as_str())) {
            if let Some(rule) = broken_rule(&from.name, &to.name) {
                wrong.push(format!("{} → {}: {rule}", from.name, to.name));
            }
        }
    }
    wrong
}

fn is_placed(name: &str) -> bool {
    is_pure(name)
        || ADAPTERS.contains(&name)
        || FOUNDATIONS.contains(&name)
        || name == BINARY
        || TOOLS.contains(&name)
}

/// The rule that an arrow breaks, if it breaks one.
fn broken_rule(from: &str, to: &str) -> Option<&'static str> {
    if TOOLS.contains(&from) || from == to || ALLOWED.contains(&(from, to)) {
        return None;
    }
    if TOOLS.contains(&to) {
        return Some("nothing depends on a chore");
    }
    if to == BINARY {
        return Some("nothing depends on the binary");
    }
    if PURE.contains(&from) {
        return Some("a pure crate depends on no crate of the workspace");
    }
    if from == ENGINE && !PURE.contains(&to) {
        return Some("the engine depends on pure crates alone");
    }
    if FOUNDATIONS.contains(&from) {
        return Some("what adapters stand on depends on no crate of the workspace");
    }
    if ADAPTERS.contains(&from) && ADAPTERS.contains(&to) {
        return Some("adapters never see each other");
    }
    None
}

/// Every package in the closure of a pure crate that brings what a pure crate has not.
fn impure_closures(metadata: &Metadata) -> Vec<String> {
    let mut wrong = Vec::new();
    for package in metadata.members().filter(|package| is_pure(&package.name)) {
        for (name, by) in metadata.closure(&package.id) {
            if is_impure(name) {
                wrong.push(format!(
                    "{} → {name} (through {by}): a pure crate has no runtime, socket, clock or randomness",
                    package.name
                ));
            }
        }
    }
    wrong
}

fn is_impure(name: &str) -> bool {
    IMPURE.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == *pattern,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::made_up;

    #[test]
    fn the_designed_layout_has_no_wrong_arrow() {
        let metadata = made_up(&[
            "mta-sts:",
            "tls-rpt: dev:proptest",
            "smtp-dane:",
            "containers:",
            "tlsward-engine: mta-sts tls-rpt smtp-dane containers",
            "tlsward-store: tlsward-engine",
            "tlsward-listen: tokio hyper",
            "tlsward-web: tlsward-engine tls-rpt tlsward-listen",
            "tlsward-lab: tlsward-engine tlsward-store",
            "tlsward: tlsward-engine tlsward-store tlsward-web tlsward-lab containers",
            "xtask: mta-sts tls-rpt",
            "bench: tlsward-store tlsward-web",
        ]);
        assert_eq!(wrong_arrows(&metadata), Vec::<String>::new());
        assert_eq!(impure_closures(&metadata), Vec::<String>::new());
    }

    #[test]
    fn each_rule_fails_when_it_is_broken() {
        let cases = [
            ("tls-rpt: containers", "containers:", "tls-rpt → containers: a pure crate depends on no crate"),
            ("mta-sts: dev:tls-rpt", "tls-rpt:", "mta-sts → tls-rpt: a pure crate depends on no crate"),
            ("mta-sts: tlsward-engine", "tlsward-engine:", "mta-sts → tlsward-engine: a pure crate"),
            ("tlsward-engine: tlsward-store", "tlsward-store:", "the engine depends on pure crates alone"),
            ("tlsward-web: tlsward-store", "tlsward-store:", "adapters never see each other"),
            ("tlsward-mail: dev:tlsward-store", "tlsward-store:", "adapters never see each other"),
            ("tlsward-store: tlsward-lab", "tlsward-lab:", "adapters never see each other"),
            ("tlsward-listen: mta-sts", "mta-sts:", "what adapters stand on depends on no crate"),
            ("tlsward-web: tlsward", "tlsward:", "nothing depends on the binary"),
            ("tlsward: xtask", "xtask:", "nothing depends on a chore"),
            ("tlsward-common:", "mta-sts:", "tlsward-common: has no place in the layout"),
        ];
        for (broken, other, message) in cases {
            let wrong = wrong_arrows(&made_up(&[broken, other]));
            assert_eq!(wrong.len(), 1, "{broken}: {wrong:?}");
            assert!(wrong[0].contains(message), "{broken}: {wrong:?}");
        }
    }

    #[test]
    fn a_runtime_deep_in_the_closure_of_a_pure_crate_is_named_with_its_road() {
        let metadata = made_up(&["mta-sts: a", "+a: b", "+b: tokio-util dev:reqwest", "tlsward-web: tokio"]);
        assert_eq!(
            impure_closures(&metadata),
            ["mta-sts → tokio-util (through b): a pure crate has no runtime, socket, clock or randomness"]
        );
    }

    #[test]
    fn a_test_of_a_pure_crate_may_use_what_its_code_may_not() {
        assert_eq!(impure_closures(&made_up(&["tls-rpt: dev:rand"])), Vec::<String>::new());
    }
}
