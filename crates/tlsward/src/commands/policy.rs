//! `tlsward policy`: what a sender would apply to a next hop now, and why; and what the running server is to do about a
//! policy that it holds.

use std::io::{self, Write as _};
use std::path::Path;

use mta_sts::policy_domain::{NoPolicyDomain, PolicyDomain};
use tlsward_engine::check::Options;
use tlsward_engine::enforce::{Applied, Explanation, explain_policy};

use crate::cli::{Policy, PolicyChange, PolicyOf};
use crate::config::Settings;
use crate::control::{self, Came, Deed};
use crate::edge::{self, Exit};
use crate::present;
use crate::present::page::Page;
use crate::present::visible::{shown, visible};
use crate::world;

/// Explains what applies, or has it changed.
pub(super) fn run(options: &Policy, config: Option<&Path>) -> Exit {
    let settings = match Settings::load(config) {
        Ok(settings) => settings,
        Err(error) => {
            edge::complain(&error.to_string());
            return Exit::Configuration;
        }
    };
    match (&options.change, &options.next_hop) {
        (Some(PolicyChange::Refresh(of)), None) => change(Deed::Refresh, of, &settings),
        (Some(PolicyChange::Forget(of)), None) => change(Deed::Forget, of, &settings),
        (None, Some(next_hop)) => explained(options, next_hop, &settings),
        (Some(_), Some(_)) | (None, None) => {
            edge::complain(
                "one domain, and before it at most 'refresh' or 'forget'; see `tlsward policy --help`",
            );
            Exit::Usage
        }
    }
}

fn change(deed: Deed, of: &PolicyOf, settings: &Settings) -> Exit {
    let domain = match PolicyDomain::of_next_hop(&of.domain) {
        Ok(domain) => domain,
        Err(error) => {
            edge::complain(&format!(
                "'{}' is no domain that could have a policy: {error}",
                shown(&of.domain)
            ));
            return Exit::Usage;
        }
    };
    let socket = settings.control_socket();
    let told = match control::about(&socket, deed, &domain) {
        Ok(told) => told,
        Err(error) => {
            edge::complain(&format!(
                "the server cannot be asked: {error} ({}); is it running, with this configuration and as this user?",
                shown(&socket.to_string_lossy())
            ));
            return Exit::Untold;
        }
    };
    if of.json {
        let result = match told.result {
            Came::Fine => "done",
            Came::None => "none",
            Came::Untold => "unknown",
        };
        let line = serde_json::json!({"domain": domain.as_str(), "result": result, "text": told.text});
        edge::say(&format!("{line}\n"));
    } else {
        edge::say(&format!("{domain}: {}\n", visible(&told.text)));
    }
    match told.result {
        Came::Fine => Exit::Fine,
        Came::None => Exit::Failed,
        Came::Untold => Exit::Untold,
    }
}

fn explained(options: &Policy, next_hop: &str, settings: &Settings) -> Exit {
    // Of what is no next hop nothing can be told. An address literal is one, and has no policy (RFC 8461 §3.4).
    match PolicyDomain::of_next_hop(next_hop) {
        Ok(_) | Err(NoPolicyDomain::AddressLiteral) => {}
        Err(error) => {
            edge::complain(&format!("'{}' is no domain and no relay: {error}", shown(next_hop)));
            return Exit::Usage;
        }
    }
    let explanation = match explain(next_hop, settings) {
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

fn explain(next_hop: &str, settings: &Settings) -> anyhow::Result<Explanation> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let world = world::open(&settings.net).await?;
        if let Some(trouble) = world.dnssec_trouble() {
            edge::complain(&trouble);
        }
        let checks = Options::default();
        Ok(explain_policy(&world.net, &world.roots, next_hop, &checks, edge::now()).await)
    })
}
