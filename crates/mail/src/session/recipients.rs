//! For whom mail is taken in, where that is configured. Nothing is ever forwarded: this only keeps strangers' mail
//! for other people out.

use std::collections::BTreeSet;

/// Addresses and domains for which mail is taken in; of a domain, every address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recipients {
    addresses: BTreeSet<String>,
    domains: BTreeSet<String>,
}

/// An entry that is neither an address nor a domain. Tell whoever wrote the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a mail address nor a domain")]
pub struct RecipientError(String);

impl Recipients {
    /// Reads entries such as `tlsrpt@example.com`, `example.net` or `@example.net`.
    pub fn new<T: AsRef<str>>(entries: impl IntoIterator<Item = T>) -> Result<Self, RecipientError> {
        let mut recipients = Self::default();
        for entry in entries {
            let entry = entry.as_ref().trim();
            let refused = || RecipientError(entry.to_owned());
            let (local, domain) = entry.rsplit_once('@').unwrap_or(("", entry));
            if domain.is_empty() || entry.contains(|c: char| c.is_whitespace() || c.is_control() || c == ',')
            {
                return Err(refused());
            }
            if local.is_empty() {
                recipients.domains.insert(folded(domain));
            } else {
                recipients.addresses.insert(format!("{}@{}", local.to_ascii_lowercase(), folded(domain)));
            }
        }
        Ok(recipients)
    }

    /// Whether mail for `address` is taken in.
    pub fn accept(&self, address: &str) -> bool {
        // RFC 5321 §4.5.1: `postmaster` without a domain is taken by every server.
        let Some((local, domain)) = address.rsplit_once('@') else {
            return address.eq_ignore_ascii_case("postmaster");
        };
        let domain = folded(domain);
        self.domains.contains(&domain)
            || self.addresses.contains(&format!("{}@{domain}", local.to_ascii_lowercase()))
    }
}

/// RFC 5321 §2.4: the domain has no case. The local part may have one; in the wild it does not.
fn folded(domain: &str) -> String {
    domain.strip_suffix('.').unwrap_or(domain).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_when_it_or_its_domain_is_listed() {
        let recipients = Recipients::new(["tlsrpt@Example.com", "example.net", "@example.org."]).unwrap();
        for (address, taken) in [
            ("tlsrpt@example.com", true),
            ("TLSRPT@EXAMPLE.COM", true),
            ("other@example.com", false),
            ("any.one@example.net", true),
            ("x@EXAMPLE.net.", true),
            ("x@sub.example.net", false),
            ("x@example.org", true),
            ("x@notexample.net", false),
            ("example.net", false),
            ("postmaster", true),
            ("Postmaster", true),
            ("\"a@example.net\"@elsewhere.example", false),
            ("", false),
        ] {
            assert_eq!(recipients.accept(address), taken, "{address}");
        }
    }

    #[test]
    fn an_entry_that_is_no_address_is_named() {
        for entry in ["", "a@", "a b@example.com", "a@example.com,b@example.com"] {
            let error = Recipients::new([entry]).unwrap_err();
            assert_eq!(error.to_string(), format!("`{entry}` is neither a mail address nor a domain"));
        }
    }
}
