//! What the resolver is to do: which servers, what DNSSEC statuses rest on, from where the trust comes.
//! What can fail: a file that is not there or not what it should be, a list without a server, a probe name that
//! is no name.

use std::fs::File;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hickory_proto::dnssec::TrustAnchors;

use crate::limits::dns as limits;

/// Where DNS is.
const PORT: u16 = 53;

/// What the resolver is to do.
#[derive(Debug, Clone)]
pub struct Config {
    /// Recursive resolvers, tried in this order; [`system_servers`] reads those of the system.
    pub servers: Vec<SocketAddr>,
    /// What DNSSEC statuses rest on.
    pub trust: Trust,
    /// A name in a signed zone, for the probe. By default the root, and `org` where a resolver has its own copy of
    /// the root zone and so does not validate it; where we validate from another zone's keys, that zone.
    pub probe_name: Option<String>,
    /// Whether answers are kept for the time of their TTL (bounded), and one question for many askers is asked once.
    pub cache: bool,
}

impl Config {
    /// These servers, with a cache.
    #[must_use]
    pub fn new(servers: Vec<SocketAddr>, trust: Trust) -> Self {
        Self { servers, trust, probe_name: None, cache: true }
    }
}

/// What DNSSEC statuses rest on.
#[derive(Debug, Clone)]
pub enum Trust {
    /// The AD bit of resolvers on a loopback address. Where the list has such a one, only those are asked.
    AuthenticData,
    /// Validation here, down from these keys.
    Validate(TrustAnchor),
    /// Nothing.
    Off,
}

/// Keys that validation begins with.
#[derive(Clone)]
pub struct TrustAnchor {
    pub(super) anchors: Arc<TrustAnchors>,
    /// The zone whose keys these are, where it is not the root.
    pub(super) zone: Option<String>,
}

impl TrustAnchor {
    /// The keys of the root zone, as IANA publishes them (20326 of 2017 and 38696 of 2024).
    #[must_use]
    pub fn iana() -> Self {
        Self { anchors: Arc::new(TrustAnchors::default()), zone: None }
    }

    /// Reads DNSKEY records in the form of a zone file, as in `root.key` of Unbound. For a zone other than the root
    /// all of its keys must be there.
    ///
    /// # Errors
    /// The file cannot be read, or holds no DNSKEY record.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let unusable = |text: String| ConfigError::Anchor { path: path.to_owned(), text };
        let text = read_bounded(path)?;
        let anchors: TrustAnchors = text.parse().map_err(|error| unusable(format!("{error}")))?;
        let keys = text.lines().filter(|line| !line.trim_start().starts_with(';') && line.contains("DNSKEY"));
        let owners: Vec<&str> = keys.filter_map(|line| line.split_ascii_whitespace().next()).collect();
        let Some(first) = owners.first() else { return Err(unusable("there is none".to_owned())) };
        let zone = (!owners.contains(&".")).then(|| (*first).to_owned());
        Ok(Self { anchors: Arc::new(anchors), zone })
    }
}

impl std::fmt::Debug for TrustAnchor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "TrustAnchor({} keys of {})",
            self.anchors.len(),
            self.zone.as_deref().unwrap_or("the root")
        )
    }
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Name a file that can be read.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What happened.
        source: std::io::Error,
    },
    /// Put DNSKEY records into it.
    #[error("{path}: no trust anchor in the form of DNSKEY records: {text}")]
    Anchor {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        text: String,
    },
    /// Name a server.
    #[error("no DNS server to ask")]
    NoServer,
    /// Name one.
    #[error("{0} is not a name that DNS could hold")]
    ProbeName(String),
}

/// The servers of a resolv.conf(5). Without a `nameserver` line, or without the file, that is 127.0.0.1.
///
/// # Errors
/// The file is there and cannot be read.
pub fn system_servers(path: &Path) -> Result<Vec<SocketAddr>, ConfigError> {
    let text = match read_bounded(path) {
        Err(ConfigError::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            String::new()
        }
        other => other?,
    };
    let mut servers: Vec<SocketAddr> = Vec::new();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        if words.next() == Some("nameserver") {
            match words.next().and_then(server_address) {
                Some(server) if servers.contains(&server) => {}
                Some(server) => servers.push(server),
                None => tracing::warn!(path = %path.display(), line, "not an address of a name server"),
            }
        }
    }
    servers.truncate(limits::SERVERS);
    if servers.is_empty() {
        servers.push(SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
    }
    Ok(servers)
}

/// An address, also a link-local one with a numeric scope (`fe80::1%2`).
fn server_address(word: &str) -> Option<SocketAddr> {
    if let Ok(address) = word.parse::<IpAddr>() {
        return Some(SocketAddr::new(address, PORT));
    }
    word.contains('%').then(|| format!("[{word}]:{PORT}").parse().ok()).flatten()
}

fn read_bounded(path: &Path) -> Result<String, ConfigError> {
    let error = |source| ConfigError::File { path: path.to_owned(), source };
    let mut text = String::new();
    let file = File::open(path).map_err(error)?;
    let bytes = file.take(limits::FILE_BYTES + 1).read_to_string(&mut text).map_err(error)?;
    if bytes as u64 > limits::FILE_BYTES {
        return Err(error(std::io::Error::new(
            std::io::ErrorKind::FileTooLarge,
            "larger than such a file can be",
        )));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::{ConfigError, TrustAnchor, system_servers};

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn the_systems_servers_are_its_nameserver_lines() {
        let table = [
            ("nameserver 192.0.2.1\nnameserver  2001:db8::1 \n", "192.0.2.1:53 [2001:db8::1]:53"),
            ("# nameserver 192.0.2.1\nsearch example\noptions edns0\n", "127.0.0.1:53"),
            ("nameserver nonsense\nnameserver 127.0.0.53\nnameserver 127.0.0.53", "127.0.0.53:53"),
            ("nameserver fe80::1%2", "[fe80::1%2]:53"),
            ("", "127.0.0.1:53"),
        ];
        for (text, expected) in table {
            let servers = system_servers(file(text).path()).unwrap();
            let servers: Vec<_> = servers.iter().map(ToString::to_string).collect();
            assert_eq!(servers.join(" "), expected, "{text:?}");
        }
        let none = system_servers(std::path::Path::new("/nonexistent/resolv.conf")).unwrap();
        assert_eq!(none[0].to_string(), "127.0.0.1:53");
        assert_eq!(system_servers(file(&"nameserver ::1\n".repeat(9_000)).path()).unwrap().len(), 1);
        assert!(matches!(system_servers(file(&" ".repeat(1 << 21)).path()), Err(ConfigError::File { .. })));
    }

    #[test]
    fn a_trust_anchor_is_a_file_of_dnskey_records() {
        let key = ". 172800 IN DNSKEY 257 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ==\n";
        let anchor = TrustAnchor::read(file(key).path()).unwrap();
        assert_eq!(format!("{anchor:?}"), "TrustAnchor(1 keys of the root)");
        let commented = format!("; DNSKEY of the root\n{key}");
        TrustAnchor::read(file(&commented).path()).unwrap();
        // As Unbound writes it.
        let autotrust =
            format!("; autotrust\n;;id: . 1\n{} ;;state=2 [  VALID  ] ;;count=0\n", key.trim_end());
        TrustAnchor::read(file(&autotrust).path()).unwrap();
        for bad in ["", "; DNSKEY\n", "nonsense", ". IN DS 1 2 3 00"] {
            assert!(
                matches!(TrustAnchor::read(file(bad).path()), Err(ConfigError::Anchor { .. })),
                "{bad:?}"
            );
        }
        assert!(matches!(TrustAnchor::read("/nonexistent/root.key".as_ref()), Err(ConfigError::File { .. })));
    }
}
