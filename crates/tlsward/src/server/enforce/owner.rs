//! The owner's commands about single policies, from the control socket, in words.

use futures_util::future::BoxFuture;
use mta_sts::policy_domain::PolicyDomain;
use tlsward_engine::enforce::{Forgotten, Refreshed};

use super::Handle;
use crate::control::{Came, Policies, Told};

impl Policies for Handle {
    fn refresh(&self, domain: PolicyDomain) -> BoxFuture<'static, Told> {
        let handle = self.clone();
        Box::pin(async move {
            let came = handle.resolver.refresh(&domain).await;
            let told = refreshed(&came, handle.in_force(&domain).as_deref());
            tracing::info!(
                domain = domain.as_str(),
                came = told.text,
                "a policy was to be fetched by command"
            );
            told
        })
    }

    fn forget(&self, domain: PolicyDomain) -> BoxFuture<'static, Told> {
        let handle = self.clone();
        Box::pin(async move {
            let told = forgotten(&handle.resolver.forget(&domain).await);
            tracing::warn!(
                domain = domain.as_str(),
                came = told.text,
                "a policy was to be forgotten by command"
            );
            told
        })
    }
}

impl Handle {
    /// Mode and id of the policy in force.
    fn in_force(&self, domain: &PolicyDomain) -> Option<String> {
        let held = self.resolver.status(domain)?.policy?;
        Some(format!("policy {} in mode {}", held.id.as_wire(), held.policy.mode().as_wire()))
    }
}

fn refreshed(came: &Refreshed, in_force: Option<&str>) -> Told {
    let stays = |what: String| match in_force {
        Some(held) => format!("{what}; {held} stays in force"),
        None => format!("{what}, and no policy is in force"),
    };
    let held_or = |without: Came| if in_force.is_some() { Came::Fine } else { without };
    match came {
        Refreshed::Fetched { is_changed } => {
            let what = if *is_changed {
                "the policy was fetched and is new"
            } else {
                "the policy was fetched and is as before"
            };
            let text = in_force
                .as_ref()
                .map_or_else(|| what.to_owned(), |held| format!("{what}: {held} is in force"));
            Told { result: Came::Fine, text }
        }
        Refreshed::NoRecord => {
            let text = stays("the domain announces no policy that can be used".to_owned());
            Told { result: held_or(Came::None), text }
        }
        Refreshed::RecordUnknown(reason) => {
            let text = stays(format!("the domain's record could not be looked up: {reason}"));
            Told { result: Came::Untold, text }
        }
        Refreshed::Failed(failure) => {
            let text = stays(format!("the policy could not be fetched: {failure}"));
            Told { result: Came::Untold, text }
        }
        Refreshed::TooSoon => {
            let text = "a fetch of this policy failed less than five minutes ago: try again later".to_owned();
            Told { result: Came::Untold, text: stays(text) }
        }
        Refreshed::Stopping => Told { result: Came::Untold, text: "the server is stopping".to_owned() },
    }
}

fn forgotten(came: &Forgotten) -> Told {
    match came {
        Forgotten::Gone => Told {
            result: Came::Fine,
            text: "the policy is forgotten; until the next one is fetched, nothing protects mail to it"
                .to_owned(),
        },
        Forgotten::Nothing => Told { result: Came::None, text: "no policy was held".to_owned() },
        Forgotten::Failed(error) => {
            Told { result: Came::Untold, text: format!("the policy stays in force: {error}") }
        }
    }
}
