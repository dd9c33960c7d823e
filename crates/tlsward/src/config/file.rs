//! The file as it is written, before anything is judged: every value optional, with its place.

use std::num::NonZeroU16;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use super::size::Size;
use super::{DnssecMode, MailProtocol};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) data_dir: Option<PathBuf>,
    pub(super) store: Option<Store>,
    pub(super) net: Option<Net>,
    pub(super) web: Option<Web>,
    pub(super) receive: Option<Receive>,
    pub(super) check: Option<Check>,
    pub(super) enforce: Option<super::enforce::Written>,
    pub(super) report: Option<Spanned<super::report::Written>>,
    pub(super) publish: Option<Spanned<super::publish::Written>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Store {
    pub(super) url: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Net {
    #[serde(default)]
    pub(super) dns_servers: Vec<Spanned<String>>,
    pub(super) dnssec: Option<DnssecMode>,
    pub(super) trust_anchor: Option<PathBuf>,
    pub(super) trust_roots: Option<PathBuf>,
    pub(super) https_port: Option<NonZeroU16>,
    pub(super) smtp_port: Option<NonZeroU16>,
    pub(super) allow_private_addresses: Option<bool>,
    #[serde(default)]
    pub(super) allowed: Vec<Spanned<String>>,
    pub(super) hostname: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Check {
    #[serde(default)]
    pub(super) domains: Vec<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Web {
    pub(super) listen: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) names: Vec<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Receive {
    #[serde(default)]
    pub(super) domains: Vec<Spanned<String>>,
    pub(super) set_aside_quota: Option<Size>,
    pub(super) unauthenticated_quota: Option<Size>,
    pub(super) https: Option<Spanned<Https>>,
    pub(super) smtp: Option<Spanned<Smtp>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Https {
    pub(super) listen: Option<Spanned<String>>,
    pub(super) certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    #[serde(default)]
    pub(super) trusted_proxies: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) exempt: Vec<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Smtp {
    pub(super) listen: Option<Spanned<String>>,
    pub(super) protocol: Option<MailProtocol>,
    pub(super) hostname: Option<Spanned<String>>,
    pub(super) certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    #[serde(default)]
    pub(super) recipients: Vec<Spanned<String>>,
}
