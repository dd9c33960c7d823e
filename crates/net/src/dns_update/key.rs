//! The key that is shared with a name server (TSIG, RFC 8945), as it stands in a file.
//!
//! Three forms, told apart by what is in the file:
//! - BIND's: `key "tlsward" { algorithm hmac-sha256; secret "…"; };`, as `tsig-keygen` writes it;
//! - one line `hmac-sha256:tlsward:…`, as `nsupdate -y` and `kdig -y` take it and Knot's `keymgr -t` writes it on top,
//!   after a `#`;
//! - the secret alone, in base64; name and algorithm come from the configuration.
//!
//! What can fail: see [`KeyError`]. The secret is in no message.

use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hickory_proto::rr::rdata::tsig::TsigAlgorithm;
use hickory_proto::rr::{Name, TSigner};

use super::read_bounded;
use crate::dns::name;
use crate::limits::dns_update as limits;

/// How messages are signed. Older ones (MD5, SHA-1) are not spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// What everybody speaks.
    HmacSha256,
    /// Longer.
    HmacSha384,
    /// Longer still.
    HmacSha512,
}

impl Algorithm {
    /// As written in configurations.
    #[must_use]
    pub fn as_wire(self) -> &'static str {
        match self {
            Self::HmacSha256 => "hmac-sha256",
            Self::HmacSha384 => "hmac-sha384",
            Self::HmacSha512 => "hmac-sha512",
        }
    }

    /// The algorithm of this name, in any case.
    #[must_use]
    pub fn from_wire(text: &str) -> Option<Self> {
        let all = [Self::HmacSha256, Self::HmacSha384, Self::HmacSha512];
        let text = text.strip_suffix('.').unwrap_or(text);
        all.into_iter().find(|algorithm| algorithm.as_wire().eq_ignore_ascii_case(text))
    }

    fn of_hickory(self) -> TsigAlgorithm {
        match self {
            Self::HmacSha256 => TsigAlgorithm::HmacSha256,
            Self::HmacSha384 => TsigAlgorithm::HmacSha384,
            Self::HmacSha512 => TsigAlgorithm::HmacSha512,
        }
    }
}

/// What the configuration says of the key, for a file that holds the secret alone. In a file that says it too, it must
/// be the same.
#[derive(Debug, Clone, Default)]
pub struct KeyHints {
    /// The key's name, as on the server.
    pub name: Option<String>,
    /// Its algorithm.
    pub algorithm: Option<Algorithm>,
}

/// A key that signs.
#[derive(Clone)]
pub struct TsigKey {
    signer: TSigner,
    name: String,
    algorithm: Algorithm,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Name a file that can be read.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What happened.
        source: std::io::Error,
    },
    /// Put a key into it.
    #[error("{path}: {text}")]
    Unusable {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        text: String,
    },
}

impl TsigKey {
    /// Reads the file.
    ///
    /// # Errors
    /// It cannot be read, or holds no key.
    pub fn read(path: &Path, hints: &KeyHints) -> Result<Self, KeyError> {
        let text = read_bounded(path).map_err(|source| KeyError::File { path: path.to_owned(), source })?;
        Self::parse(&text, hints).map_err(|text| KeyError::Unusable { path: path.to_owned(), text })
    }

    /// Reads the text of such a file. The error says what is wrong with it.
    ///
    /// # Errors
    /// It holds no key.
    pub fn parse(text: &str, hints: &KeyHints) -> Result<Self, String> {
        let found = match in_bind_form(text)? {
            Some(found) => found,
            None => in_one_line(text),
        };
        let name = agreed("name", found.name, hints.name.clone())?.ok_or(
            "no name of the key in it: write the name that the server knows it by into the configuration",
        )?;
        let algorithm = match found.algorithm {
            None => None,
            Some(text) => Some(Algorithm::from_wire(&text).ok_or_else(|| {
                format!("the algorithm {text} is not supported: use hmac-sha256, hmac-sha384 or hmac-sha512")
            })?),
        };
        let wire = |algorithm: Algorithm| algorithm.as_wire().to_owned();
        let algorithm = agreed("algorithm", algorithm.map(wire), hints.algorithm.map(wire))?;
        let algorithm =
            algorithm.and_then(|text| Algorithm::from_wire(&text)).unwrap_or(Algorithm::HmacSha256);
        let secret = found.secret.ok_or(FORMS)?;
        let secret = BASE64.decode(&secret).map_err(|_| format!("the secret is not base64. {FORMS}"))?;
        if secret.is_empty() {
            return Err("the secret is empty".to_owned());
        }
        let parsed =
            name::parse(&name).ok_or_else(|| format!("{name} is not a name that a key could have"))?;
        Self::new(parsed, algorithm, secret)
    }

    fn new(parsed: Name, algorithm: Algorithm, secret: Vec<u8>) -> Result<Self, String> {
        let name = name::write(&parsed);
        let signer = TSigner::new(secret, algorithm.of_hickory(), parsed, limits::FUDGE_SECONDS)
            .map_err(|error| format!("the key cannot be used: {error}"))?;
        Ok(Self { signer, name, algorithm })
    }

    /// As the server knows it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it signs.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(super) fn signer(&self) -> &TSigner {
        &self.signer
    }
}

impl fmt::Debug for TsigKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TsigKey({} {})", self.algorithm.as_wire(), self.name)
    }
}

const FORMS: &str = "Such a file holds `key \"NAME\" { algorithm hmac-sha256; secret \"BASE64\"; };` (as tsig-keygen \
                     writes it), or `hmac-sha256:NAME:BASE64`, or the secret alone in base64";

#[derive(Default)]
struct Found {
    name: Option<String>,
    algorithm: Option<String>,
    secret: Option<String>,
}

fn agreed(what: &str, found: Option<String>, given: Option<String>) -> Result<Option<String>, String> {
    let plain = |text: &str| text.trim_end_matches('.').to_ascii_lowercase();
    match (found, given) {
        (Some(found), Some(given)) if plain(&found) != plain(&given) => Err(format!(
            "the {what} of the key in it is {found}, and in the configuration {given}: leave it out of the configuration"
        )),
        (found, given) => Ok(found.or(given)),
    }
}

/// One line: `algorithm:name:secret`, or the secret alone.
fn in_one_line(text: &str) -> Found {
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    for line in lines() {
        let line = line.trim_start_matches('#').trim_start();
        let mut parts = line.splitn(3, ':').map(str::trim);
        if let (Some(algorithm), Some(name), Some(secret)) = (parts.next(), parts.next(), parts.next())
            && algorithm.len() > 5
            && algorithm.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("hmac-"))
        {
            let own = |text: &str| Some(text.to_owned());
            return Found { name: own(name), algorithm: own(algorithm), secret: own(secret) };
        }
    }
    let mut alone = lines().filter(|line| !line.starts_with('#'));
    match (alone.next(), alone.next()) {
        (Some(secret), None) => Found { secret: Some(secret.to_owned()), ..Found::default() },
        _ => Found::default(),
    }
}

/// BIND's form. `None`: it is none.
fn in_bind_form(text: &str) -> Result<Option<Found>, String> {
    let words = words(text);
    let mut words = words.iter().map(String::as_str);
    if words.next() != Some("key") {
        return Ok(None);
    }
    let mut found = Found { name: words.next().map(str::to_owned), ..Found::default() };
    if words.next() != Some("{") {
        return Ok(None);
    }
    while let Some(word) = words.next() {
        match word {
            "algorithm" => found.algorithm = words.next().map(str::to_owned),
            "secret" => found.secret = words.next().map(str::to_owned),
            "}" => break,
            _ => {}
        }
    }
    if words.any(|word| word == "key") {
        return Err("there are several keys in it: keep one".to_owned());
    }
    Ok(Some(found))
}

/// The words of BIND's grammar: comments left out, quotes taken off, braces and semicolons apart.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        let comment_to_the_end_of_the_line =
            character == '#' || (character == '/' && word.is_empty() && rest.peek() == Some(&'/'));
        match character {
            _ if comment_to_the_end_of_the_line => drop(rest.by_ref().find(|&next| next == '\n')),
            '/' if word.is_empty() && rest.peek() == Some(&'*') => {
                let mut before = ' ';
                rest.next();
                for next in rest.by_ref() {
                    if before == '*' && next == '/' {
                        break;
                    }
                    before = next;
                }
            }
            '"' => {
                word.extend(rest.by_ref().take_while(|&next| next != '"'));
                words.push(std::mem::take(&mut word));
            }
            '{' | '}' | ';' => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                words.push(character.to_string());
            }
            space if space.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            other => word.push(other),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "c2VjcmV0IG9mIHRoaXJ0eS10d28gYnl0ZXMgaGVyZSE=";

    fn hints(name: Option<&str>, algorithm: Option<Algorithm>) -> KeyHints {
        KeyHints { name: name.map(str::to_owned), algorithm }
    }

    #[test]
    fn a_key_is_read_in_the_forms_that_servers_write() {
        let forms = [
            format!("key \"tlsward\" {{\n\talgorithm hmac-sha256;\n\tsecret \"{SECRET}\";\n}};\n"),
            format!(
                "// of the server\nkey TLSward. {{ secret {SECRET}; /* the\nold */ algorithm HMAC-SHA256; }};"
            ),
            format!("hmac-sha256:tlsward:{SECRET}\n"),
            format!("# hmac-sha256:tlsward:{SECRET}\nkey:\n  - id: tlsward\n    algorithm: hmac-sha256\n"),
        ];
        for text in &forms {
            let key =
                TsigKey::parse(text, &KeyHints::default()).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(format!("{key:?}"), "TsigKey(hmac-sha256 tlsward)", "{text}");
            assert_eq!(key.signer().key(), BASE64.decode(SECRET).unwrap(), "{text}");
        }
        let alone = TsigKey::parse(&format!("{SECRET}\n"), &hints(Some("k"), Some(Algorithm::HmacSha512)));
        assert_eq!(format!("{:?}", alone.unwrap()), "TsigKey(hmac-sha512 k)");
        let unnamed = TsigKey::parse(SECRET, &hints(Some("k"), None)).unwrap();
        assert_eq!(unnamed.algorithm(), Algorithm::HmacSha256);
    }

    #[test]
    fn a_file_without_a_usable_key_is_refused_with_the_remedy_and_without_the_secret() {
        let bind = |algorithm: &str| format!("key k {{ algorithm {algorithm}; secret \"{SECRET}\"; }};");
        let table = [
            (String::new(), hints(Some("k"), None), "Such a file holds"),
            (SECRET.to_owned(), KeyHints::default(), "no name of the key"),
            (bind("hmac-md5"), KeyHints::default(), "use hmac-sha256"),
            (bind("hmac-sha256"), hints(Some("other"), None), "in the configuration other"),
            (
                bind("hmac-sha256"),
                hints(None, Some(Algorithm::HmacSha512)),
                "in the configuration hmac-sha512",
            ),
            (format!("{0}\n{0}", bind("hmac-sha256")), KeyHints::default(), "several keys"),
            ("hmac-sha256:k:not base64!".to_owned(), KeyHints::default(), "not base64"),
            ("key k { algorithm hmac-sha256; secret \"\"; };".to_owned(), KeyHints::default(), "empty"),
            ("key k { algorithm hmac-sha256; ".to_owned(), KeyHints::default(), "Such a file holds"),
            (format!("hmac-sha256:a..b:{SECRET}"), KeyHints::default(), "not a name"),
        ];
        for (text, hints, expected) in table {
            let error = TsigKey::parse(&text, &hints).err().unwrap_or_else(|| panic!("{text}"));
            assert!(error.contains(expected) && !error.contains(SECRET), "{text}: {error}");
        }
    }
}
