//! Who reports, to whom not, and within which bounds: values of the configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Who a report says it is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    organization_name: String,
    contact: String,
    from: String,
    from_name: Option<String>,
    bounces_to: Option<String>,
}

/// Why an identity cannot be used. The owner corrects the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Not `local@domain` with a domain in A-labels.
    #[error("'{0}' is not a plain mail address")]
    Address(String),
    /// RFC 8460 §5.3 wants the contact's domain as submitter, and its signature.
    #[error("'{from}' must be of the domain of the contact, {domain}: that one signs the reports")]
    Domain {
        /// The address.
        from: String,
        /// The contact's domain.
        domain: String,
    },
    /// Nothing to call the reporter by, or with a control character.
    #[error("'{0}' is no name for an organization")]
    Name(String),
}

impl Identity {
    /// Reports from `contact`, whose domain is the submitter and signs.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn new(organization_name: &str, contact: &str) -> Result<Self, IdentityError> {
        let name = organization_name.trim();
        if name.is_empty() || name.len() > 200 || name.chars().any(char::is_control) {
            return Err(IdentityError::Name(organization_name.to_owned()));
        }
        let contact = plain_address(contact)?;
        Ok(Self {
            organization_name: name.to_owned(),
            from: contact.clone(),
            contact,
            from_name: Some(name.to_owned()),
            bounces_to: None,
        })
    }

    /// With another author of the mails; of the contact's domain.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn from_address(mut self, from: &str, name: Option<&str>) -> Result<Self, IdentityError> {
        self.from = self.aligned(from)?;
        if let Some(name) = name {
            self.from_name = Some(name.to_owned()).filter(|name| !name.chars().any(char::is_control));
        }
        Ok(self)
    }

    /// With an address that bounces come to: each report gets its own (`local+token@domain`). Any domain of the owner.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn bounces_to(mut self, address: &str) -> Result<Self, IdentityError> {
        self.bounces_to = Some(plain_address(address)?);
        Ok(self)
    }

    /// `organization-name`.
    #[must_use]
    pub fn organization_name(&self) -> &str {
        &self.organization_name
    }

    /// `contact-info`.
    #[must_use]
    pub fn contact(&self) -> &str {
        &self.contact
    }

    /// The mail's author.
    #[must_use]
    pub fn from(&self) -> &str {
        &self.from
    }

    /// The author's name to show.
    #[must_use]
    pub fn from_name(&self) -> Option<&str> {
        self.from_name.as_deref()
    }

    /// Where bounces go; `None`: to the author.
    #[must_use]
    pub fn bounces(&self) -> Option<&str> {
        self.bounces_to.as_deref()
    }

    /// The submitter, which signs: the contact's domain.
    #[must_use]
    pub fn submitter(&self) -> &str {
        self.contact.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    fn aligned(&self, address: &str) -> Result<String, IdentityError> {
        let address = plain_address(address)?;
        match address.rsplit_once('@') {
            Some((_, domain)) if domain == self.submitter() => Ok(address),
            _ => Err(IdentityError::Domain { from: address, domain: self.submitter().to_owned() }),
        }
    }
}

/// A plain address, its domain in lower case.
fn plain_address(text: &str) -> Result<String, IdentityError> {
    let refused = || IdentityError::Address(text.to_owned());
    let (local, domain) = text.trim().rsplit_once('@').ok_or_else(refused)?;
    let atom = |atom: &str| {
        !atom.is_empty()
            && atom.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte))
    };
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let fits = local.len() <= 64
        && local.split('.').all(atom)
        && domain.len() <= 253
        && domain.split('.').all(label);
    if fits { Ok(format!("{local}@{}", domain.to_ascii_lowercase())) } else { Err(refused()) }
}

/// A secret of this installation, kept. Whoever has it can say of any of its mails that it bounced.
#[derive(Clone, PartialEq, Eq)]
pub struct BounceSecret([u8; 32]);

impl BounceSecret {
    /// Of random bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for BounceSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BounceSecret(..)")
    }
}

/// All that the room is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who reports, unless a rule of `identities` says otherwise.
    pub identity: Identity,
    /// Who reports to certain policy domains: `example.com`, or `.example.com` for all below it.
    pub identities: BTreeMap<String, Identity>,
    /// Domains that get no report and whose sessions are not counted: written as in `identities`. Domains to which
    /// nothing but our own reports goes belong here (RFC 8460 §5.3: no reports about reports).
    pub opt_outs: BTreeSet<String>,
    /// Spreads reports over the night; of this installation, kept.
    pub spread_seed: u64,
    /// Without it nobody makes an address that bounces are believed from.
    pub bounce_secret: BounceSecret,
    /// This node, for leases.
    pub node: String,
    /// Reports a day that one destination (a mail domain, or the host of a URI) gets.
    pub daily_quota: u64,
    /// Reports that are sent at the same time.
    pub concurrency: usize,
}

impl Settings {
    /// With the defaults.
    #[must_use]
    pub fn new(identity: Identity, spread_seed: u64, bounce_secret: BounceSecret) -> Self {
        Self {
            identity,
            identities: BTreeMap::new(),
            opt_outs: BTreeSet::new(),
            spread_seed,
            bounce_secret,
            node: "local".to_owned(),
            daily_quota: 2_000,
            concurrency: 16,
        }
    }

    /// Who reports to that domain: the longest rule that fits.
    #[must_use]
    pub fn identity_for(&self, domain: &str) -> &Identity {
        rules(domain).find_map(|rule| self.identities.get(rule)).unwrap_or(&self.identity)
    }

    /// Whether that domain is left alone.
    #[must_use]
    pub fn is_opted_out(&self, domain: &str) -> bool {
        !self.opt_outs.is_empty() && rules(domain).any(|rule| self.opt_outs.contains(rule))
    }
}

/// The rules that fit a domain: its name, then `.parent` for each domain above it.
fn rules(domain: &str) -> impl Iterator<Item = &str> {
    let dots = domain.char_indices().filter(|(_, letter)| *letter == '.').map(|(at, _)| &domain[at..]);
    std::iter::once(domain).chain(dots)
}
