//! `[enforce]`: where the mail server asks, what holds where a policy leaves a choice, and the owner's own rules for
//! single domains, which go before whatever those publish.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use mta_sts::mx::MxPattern;
use mta_sts::policy_domain::PolicyDomain;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use tlsward_engine::ports::Level;
use toml::Spanned;

use super::load::Complaints;
use super::{ENFORCE_PORT, LOOPBACK};

/// What unix sockets are listened on by.
const UNIX: &str = "unix:";
/// As open as a port on loopback is: whoever asks learns what the domain publishes.
const SOCKET_MODE: u32 = 0o666;

/// `[enforce]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Enforce {
    pub(crate) listen: Vec<Listen>,
    /// Of unix sockets.
    pub(crate) socket_mode: u32,
    pub(crate) default: DefaultAnswer,
    pub(crate) under_enforce: UnderEnforce,
    /// Whether the mail server looks up TLSA records itself.
    pub(crate) mta_does_dane: bool,
    pub(crate) overrides: Overrides,
}

/// A place to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Listen {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

/// What is said of a domain of which nothing is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DefaultAnswer {
    /// Nothing: the mail server's own setting holds.
    #[default]
    NotFound,
    /// TLS where it is offered.
    May,
    /// TLS or no mail.
    Encrypt,
    /// DANE where there are records, else TLS where it is offered.
    Dane,
}

impl DefaultAnswer {
    /// The level, if one is said.
    pub(crate) fn level(self) -> Option<Level> {
        match self {
            Self::NotFound => None,
            Self::May => Some(Level::May),
            Self::Encrypt => Some(Level::Encrypt),
            Self::Dane => Some(Level::Dane),
        }
    }
}

/// What is said where a domain has both a policy in mode enforce and usable TLSA records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum UnderEnforce {
    /// DANE decides (RFC 8461 §2).
    #[default]
    DaneOnly,
    /// The policy decides.
    Secure,
}

/// The owner's rules for single domains.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Overrides(BTreeMap<String, Rule>);

/// What holds for a domain whatever it publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Nothing is looked up or said: the mail server's own setting holds.
    Exempt,
    /// This, and nothing is looked up.
    Apply(Level),
}

impl Overrides {
    /// The rule for a domain: its own, else that for everything below the nearest of its parents.
    pub(crate) fn of(&self, domain: &PolicyDomain) -> Option<&Rule> {
        let name = domain.as_str();
        if self.0.is_empty() {
            return None;
        }
        let parents = name.match_indices('.').map(|(dot, _)| &name[dot..]);
        std::iter::once(name).chain(parents).find_map(|key| self.0.get(key))
    }

    /// How many rules there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Default for Enforce {
    fn default() -> Self {
        Self {
            listen: vec![Listen::Tcp(SocketAddr::new(LOOPBACK, ENFORCE_PORT))],
            socket_mode: SOCKET_MODE,
            default: DefaultAnswer::default(),
            under_enforce: UnderEnforce::default(),
            mta_does_dane: true,
            overrides: Overrides::default(),
        }
    }
}

/// The table as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    listen: Option<Vec<Spanned<String>>>,
    socket_mode: Option<Spanned<String>>,
    default: Option<Spanned<DefaultAnswer>>,
    under_enforce: Option<UnderEnforce>,
    mta_does_dane: Option<bool>,
    #[serde(default)]
    overrides: BTreeMap<Spanned<String>, Spanned<WrittenRule>>,
}

/// A rule as it is written: a level alone, or a table with one.
#[derive(Debug)]
struct WrittenRule {
    level: WrittenLevel,
    patterns: Vec<Spanned<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WrittenLevel {
    Exempt,
    None,
    May,
    Encrypt,
    Dane,
    DaneOnly,
    Secure,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenTable {
    level: WrittenLevel,
    #[serde(default, rename = "match")]
    patterns: Vec<Spanned<String>>,
}

impl<'de> Deserialize<'de> for WrittenRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = WrittenRule;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a level, or a table with 'level' and, for secure, 'match'")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<WrittenRule, E> {
                let level = WrittenLevel::deserialize(de::value::StrDeserializer::new(text))?;
                Ok(WrittenRule { level, patterns: Vec::new() })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<WrittenRule, A::Error> {
                let WrittenTable { level, patterns } =
                    WrittenTable::deserialize(MapAccessDeserializer::new(map))?;
                Ok(WrittenRule { level, patterns })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// Judges the table.
pub(super) fn enforce(
    written: Written,
    folder: &Path,
    complaints: &mut Complaints<'_>,
) -> (Enforce, Vec<At>) {
    let defaults = Enforce::default();
    let mut places = Vec::new();
    let listen = match written.listen {
        None => {
            places.extend(defaults.listen.iter().cloned().map(|listen| (listen, 0..0)));
            defaults.listen
        }
        Some(listed) => {
            for text in &listed {
                places.extend(place(text, folder, complaints).map(|listen| (listen, text.span())));
            }
            places.iter().map(|(listen, _)| listen.clone()).collect()
        }
    };
    let mode = written.socket_mode.and_then(|mode| octal(&mode, complaints));
    let mut overrides = BTreeMap::new();
    for (domain, rule) in &written.overrides {
        if let (Some(key), Some(rule)) = (key(domain, complaints), judged(rule, complaints))
            && overrides.insert(key, rule).is_some()
        {
            let text = format!("'{}' has a rule already, under another spelling", domain.get_ref());
            complaints.add(domain.span(), text);
        }
    }
    let mta_does_dane = written.mta_does_dane.unwrap_or(defaults.mta_does_dane);
    let default = written.default.map_or_else(DefaultAnswer::default, |default| {
        if *default.get_ref() == DefaultAnswer::Dane && !mta_does_dane {
            let text = "with 'mta_does_dane = false' the mail server cannot be told to use DANE".to_owned();
            complaints.add(default.span(), text);
        }
        default.into_inner()
    });
    let enforce = Enforce {
        listen,
        socket_mode: mode.unwrap_or(defaults.socket_mode),
        default,
        under_enforce: written.under_enforce.unwrap_or_default(),
        mta_does_dane,
        overrides: Overrides(overrides),
    };
    (enforce, places)
}

/// A place, and where it is written.
type At = (Listen, std::ops::Range<usize>);

fn place(written: &Spanned<String>, folder: &Path, complaints: &mut Complaints<'_>) -> Option<Listen> {
    let text = written.get_ref();
    let found = match text.strip_prefix(UNIX) {
        Some("") => None,
        Some(path) => Some(Listen::Unix(folder.join(path))),
        None => text.parse().ok().map(Listen::Tcp),
    };
    if found.is_none() {
        let text = format!(
            "'{text}' is no place to listen on; write it like \"127.0.0.1:{ENFORCE_PORT}\" or \
             \"unix:/run/tlsward/enforce.sock\""
        );
        complaints.add(written.span(), text);
    }
    found
}

/// The mode of a socket.
pub(super) fn octal(written: &Spanned<String>, complaints: &mut Complaints<'_>) -> Option<u32> {
    let text = written.get_ref();
    let is_octal = (3..=4).contains(&text.len()) && text.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
    let found = u32::from_str_radix(text, 8).ok().filter(|mode| is_octal && *mode <= 0o777);
    if found.is_none() {
        let text = format!("'{text}' is no mode of a socket; write it like \"0660\"");
        complaints.add(written.span(), text);
    }
    found
}

/// `example.org`, or `.example.org` for all that is below it.
fn key(written: &Spanned<String>, complaints: &mut Complaints<'_>) -> Option<String> {
    let text = written.get_ref();
    let (dot, name) = match text.strip_prefix('.') {
        Some(name) => (".", name),
        None => ("", text.as_str()),
    };
    match PolicyDomain::parse(name) {
        Ok(domain) => Some(format!("{dot}{domain}")),
        Err(error) => {
            let text = format!(
                "'{text}' is no domain ({error}); write it like \"example.org\", or \".example.org\" for all \
                 that is below it"
            );
            complaints.add(written.span(), text);
            None
        }
    }
}

fn judged(written: &Spanned<WrittenRule>, complaints: &mut Complaints<'_>) -> Option<Rule> {
    let WrittenRule { level, patterns } = written.get_ref();
    if *level != WrittenLevel::Secure && !patterns.is_empty() {
        complaints.add(written.span(), "'match' goes with the level \"secure\" alone".to_owned());
        return None;
    }
    Some(match level {
        WrittenLevel::Exempt => Rule::Exempt,
        WrittenLevel::None => Rule::Apply(Level::None),
        WrittenLevel::May => Rule::Apply(Level::May),
        WrittenLevel::Encrypt => Rule::Apply(Level::Encrypt),
        WrittenLevel::Dane => Rule::Apply(Level::Dane),
        WrittenLevel::DaneOnly => Rule::Apply(Level::DaneOnly),
        WrittenLevel::Secure => {
            let read = |pattern: &Spanned<String>| match MxPattern::parse(pattern.get_ref()) {
                Ok(pattern) => Some(pattern),
                Err(error) => {
                    let text = format!(
                        "'{}': {error}; write it like \"mx.example.org\" or \"*.example.org\"",
                        pattern.get_ref()
                    );
                    complaints.add(pattern.span(), text);
                    None
                }
            };
            Rule::Apply(Level::Secure(patterns.iter().filter_map(read).collect()))
        }
    })
}

#[cfg(test)]
#[path = "enforce_tests.rs"]
mod tests;
