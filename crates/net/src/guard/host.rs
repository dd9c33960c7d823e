//! What may stand where the name of a host belongs: in front of a stranger's policy, or in a stranger's `rua`.

/// Why that is not the name of a public host. A person can act on the text; a program asks whether it is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadHost {
    /// Nothing, or more than DNS can hold.
    #[error("a host name has 1 to 253 characters, and 1 to 63 between two dots")]
    Length,
    /// Something else than letters, digits, `-`, `_` and single dots, or a hyphen at the edge of a label. Brackets,
    /// colons, `@` and `%` are among it.
    #[error("a host name has letters, digits, hyphens and single dots only")]
    Characters,
    /// An IP address in some spelling: `127.0.0.1`, `127.1`, `2130706433`, `0x7f.1`, `0177.0.0.1`.
    #[error("an address is not a host name")]
    Address,
    /// A name of this machine.
    #[error("that is this machine")]
    ThisMachine,
    /// Only one label: names of the public DNS have two and more, and a single one could be completed by whatever the
    /// system searches in.
    #[error("a public host name has a dot in it")]
    SingleLabel,
}

/// Accepts the name of a host as the ports have it (lower-case A-labels, no dot at the end), and nothing that a
/// resolver or a connector could take for an address.
///
/// # Errors
/// [`BadHost`].
pub fn host_name(host: &str) -> Result<(), BadHost> {
    if host.is_empty() || host.len() > 253 {
        return Err(BadHost::Length);
    }
    let mut labels = 0;
    let mut last = "";
    for label in host.split('.') {
        let allowed = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_';
        if label.is_empty() || !label.bytes().all(allowed) || label.starts_with('-') || label.ends_with('-') {
            return Err(BadHost::Characters);
        }
        if label.len() > 63 {
            return Err(BadHost::Length);
        }
        labels += 1;
        last = label;
    }
    // The rule of the URL standard ("ends in a number"): a last label that reads as a number makes the whole an IPv4
    // address to inet_aton and all that is built on it. No top-level domain is a number.
    if reads_as_number(last) {
        return Err(BadHost::Address);
    }
    if last.eq_ignore_ascii_case("localhost") || last.eq_ignore_ascii_case("localdomain") {
        return Err(BadHost::ThisMachine);
    }
    if labels == 1 { Err(BadHost::SingleLabel) } else { Ok(()) }
}

fn reads_as_number(label: &str) -> bool {
    let hex = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    match hex {
        Some(digits) => digits.bytes().all(|octet| octet.is_ascii_hexdigit()),
        None => label.bytes().all(|octet| octet.is_ascii_digit()),
    }
}
