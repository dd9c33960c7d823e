//! Signals: what stops the server, and what has it read its configuration again.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use tlsward_engine::receive::CurrentRules;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::tls::Certificate;
use super::{Demo, Parts, rules, systemd};
use super::{enforce, publish};
use crate::config::{KeyPair, Overrides, Settings};

/// The signals that are listened to.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    pub(super) fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen to signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }
}

/// What can be taken anew while the server runs.
pub(super) struct Reload<'d> {
    pub(super) config: Option<PathBuf>,
    /// As the server was started.
    pub(super) settings: Settings,
    pub(super) rules: CurrentRules,
    /// The demonstration, if it is one.
    pub(super) demo: Option<&'d Demo>,
    pub(super) https: Option<Arc<Certificate>>,
    pub(super) smtp: Option<Arc<Certificate>>,
    pub(super) enforcing: Option<enforce::Handle>,
    pub(super) hosting: Option<publish::Handle>,
}

/// Waits until it is time to stop. An error means that a part ended by itself.
pub(super) async fn watch(
    mut signals: Signals,
    reload: &Reload<'_>,
    parts: &mut Parts,
) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => break,
            _ = signals.interrupt.recv() => break,
            _ = signals.hang_up.recv() => {
                systemd::reloading();
                reload.again();
                systemd::ready();
            }
            Some(ended) = parts.join_next() => match ended {
                Ok(name) => bail!("the {name} ended by itself"),
                Err(error) => bail!("a part of the server broke: {error}"),
            },
        }
    }
    tracing::info!("stopping; what is under way is finished first, and a second signal ends it at once");
    let folder = reload.demo.map(|demo| demo.folder().to_owned());
    tokio::spawn(async move {
        tokio::select! {
            _ = signals.terminate.recv() => {}
            _ = signals.interrupt.recv() => {}
        }
        // Nothing is dropped from here on, and a demonstration promises to leave nothing.
        if let Some(folder) = folder
            && let Err(error) = std::fs::remove_dir_all(&folder)
        {
            tracing::error!(%error, folder = %folder.display(), "the demonstration's folder stays");
        }
        crate::edge::leave();
    });
    Ok(())
}

impl Reload<'_> {
    /// Reads the configuration again. A file with an error changes nothing.
    fn again(&self) {
        let fresh = match Settings::load(self.config.as_deref()) {
            Ok(fresh) => match self.demo {
                Some(demo) => demo.settings(&fresh),
                None => fresh,
            },
            Err(error) => {
                return tracing::error!(%error, "the configuration is wrong; everything stays as it is");
            }
        };
        let https = fresh.https.as_ref().and_then(|https| https.tls.as_ref());
        let smtp = fresh.smtp.as_ref().and_then(|smtp| smtp.tls.as_ref());
        renew("receive.https", self.https.as_deref(), https);
        renew("receive.smtp", self.smtp.as_deref(), smtp);
        let managed = rules(&fresh);
        if managed != *self.rules.get() {
            let domains = managed.managed.len();
            self.rules.set(managed);
            // Said once it is so: somebody may wait for the line.
            tracing::info!(domains, "other domains are managed from now on");
        }
        if let (Some(handle), Some(enforce)) = (&self.enforcing, &fresh.enforce)
            && handle.set_overrides(&enforce.overrides)
        {
            tracing::info!(
                rules = enforce.overrides.len(),
                "other rules for single domains hold from now on"
            );
        }
        if let (Some(handle), Some(publish)) = (&self.hosting, &fresh.publish) {
            handle.reload(publish);
        }
        for key in waits_for_restart(&self.settings, &fresh) {
            tracing::warn!(key, "changed in the configuration, and waits for a restart of the server");
        }
        tracing::info!("configuration read again");
    }
}

fn renew(table: &str, certificate: Option<&Certificate>, files: Option<&KeyPair>) {
    let (Some(certificate), Some(files)) = (certificate, files) else { return };
    match certificate.reload(files) {
        Ok(()) => tracing::info!(table, "certificate read again"),
        Err(error) => {
            let error = format!("{error:#}");
            tracing::error!(table, error, "the certificate stays as it was");
        }
    }
}

/// What has changed and cannot be changed in a running server.
fn waits_for_restart(old: &Settings, new: &Settings) -> Vec<&'static str> {
    let without_files = |settings: &Settings| {
        let mut settings = settings.clone();
        // Other files for the same listener are taken; that there are any at all is another listener.
        let blank = KeyPair { certificate: PathBuf::new(), key: PathBuf::new() };
        if let Some(https) = &mut settings.https {
            https.tls = https.tls.as_ref().map(|_| blank.clone());
        }
        if let Some(smtp) = &mut settings.smtp {
            smtp.tls = smtp.tls.as_ref().map(|_| blank.clone());
        }
        settings.receive.domains.clear();
        if let Some(enforce) = &mut settings.enforce {
            enforce.overrides = Overrides::default();
        }
        settings
    };
    let (old, new) = (without_files(old), without_files(new));
    let parts = [
        ("data_dir", old.data_dir != new.data_dir),
        ("store", old.database != new.database),
        ("net", old.net != new.net),
        ("web", old.web != new.web),
        ("check", old.check != new.check),
        ("report", old.report != new.report),
        ("enforce", old.enforce != new.enforce),
        ("publish", old.publish != new.publish),
        ("receive", old.receive != new.receive),
        ("receive.https", old.https != new.https),
        ("receive.smtp", old.smtp != new.smtp),
    ];
    parts.into_iter().filter_map(|(name, changed)| changed.then_some(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Https, Smtp};

    #[test]
    fn other_certificate_files_and_domains_are_taken_and_everything_else_waits_for_a_restart() {
        let files = |name: &str| Some(KeyPair { certificate: name.into(), key: name.into() });
        let mut old = Settings::load(None).unwrap();
        old.https = Some(Https { tls: files("a"), ..Https::default() });
        let mut new = old.clone();
        new.https = Some(Https { tls: files("b"), ..Https::default() });
        new.receive.domains.insert("example.com".into());
        assert!(waits_for_restart(&old, &new).is_empty());
        new.https = None;
        new.smtp = Some(Smtp { hostname: "mx.example".into(), ..Smtp::default() });
        new.receive.set_aside_quota += 1;
        assert_eq!(waits_for_restart(&old, &new), ["receive", "receive.https", "receive.smtp"]);
    }
}
