//! `tlsward policy`: what a sender would apply to a next hop now, and why.

use std::io::{self, Write as _};
use std::path::Path;

use mta_sts::policy_domain::{NoPolicyDomain, PolicyDomain};
use tlsward_engine::check::Options;
use tlsward_engine::enforce::{Applied, Explanation, explain_policy};

use crate::cli::Policy;
use crate::config::Settings;
use crate::edge::{self, Exit};
use crate::present;
use crate::present::page::Page;
use crate::present::visible::shown;
use crate::world;

/// Words that are no domains here: what they are to do comes with enforcement.
const LATER: [&str; 2] = ["refresh", "forget"];

/// Explains what applies.
pub(super) fn run(options: &Policy, config: Option<&Path>) -> Exit {
    let settings = match Settings::load(config) {
        Ok(settings) => settings,
        Err(error) => {
            edge::complain(&error.to_string());
            return Exit::Configuration;
        }
    };
    // Of what is no next hop nothing can be told. An address literal is one, and has no policy (RFC 8461 §3.4).
    match PolicyDomain::of_next_hop(&options.next_hop) {
        Ok(domain) if !LATER.contains(&domain.as_str()) => {}
        Err(NoPolicyDomain::AddressLiteral) => {}
        Ok(domain) => {
            edge::complain(&format!("`policy {}` is not in this version", domain.as_str()));
            return Exit::Usage;
        }
        Err(error) => {
            edge::complain(&format!("'{}' is no domain and no relay: {error}", shown(&options.next_hop)));
            return Exit::Usage;
        }
    }
    let explanation = match explain(options, &settings) {
        Ok(explanation) => explanation,
        Err(error) => {
            edge::complain_of(&error);
            return Exit::Untold;
        }
    };
    let mut text = Vec::new();
    if options.json {
        text.extend_from_slice(explanation.to_json().as_bytes());
        text.push(b'\n');
    } else if let Err(error) =
        present::policy::write(&mut Page::new(&mut text, edge::look(options.color)), &explanation)
    {
        edge::complain(&format!("cannot write: {error}"));
    }
    let mut out = io::stdout().lock();
    // Whoever stops reading has seen enough; the exit status still says what applies.
    let _ = out.write_all(&text).and_then(|()| out.flush());
    match explanation.result {
        Applied::Policy => Exit::Fine,
        Applied::None => Exit::Failed,
        Applied::CouldNotTell => Exit::Untold,
    }
}

fn explain(options: &Policy, settings: &Settings) -> anyhow::Result<Explanation> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let world = world::open(&settings.net).await?;
        if let Some(trouble) = world.dnssec_trouble() {
            edge::complain(&trouble);
        }
        let checks = Options::default();
        Ok(explain_policy(&world.net, &world.roots, &options.next_hop, &checks, edge::now()).await)
    })
}
