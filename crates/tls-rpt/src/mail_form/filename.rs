//! The file name of a report (RFC 8460 §5.1): built, read strictly, and read with slack.

use super::{FormError, Packing, is_domain};
use crate::text::Text;

/// Names longer than this are not read: twice two domains and their numbers.
const MAX_NAME_BYTES: usize = 1_200;
/// The longest unique id that is written.
const MAX_UNIQUE_ID_BYTES: usize = 64;

/// A file name that follows the grammar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filename {
    sender: Text,
    policy_domain: Text,
    begin: i64,
    end: i64,
    unique_id: Option<Text>,
    packing: Packing,
}

/// What a file name seems to say; each part absent where it could not be found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundFilename {
    /// The reporting domain, as it stands.
    pub sender: Option<Text>,
    /// The domain that the report is about, as it stands.
    pub policy_domain: Option<Text>,
    /// The range's begin, Unix seconds.
    pub begin: Option<i64>,
    /// The range's end, Unix seconds.
    pub end: Option<i64>,
    /// The unique id.
    pub unique_id: Option<Text>,
    /// What the extension says of the content, which need not be true.
    pub packing: Option<Packing>,
}

impl Filename {
    /// A name of these parts; times in Unix seconds.
    ///
    /// # Errors
    /// [`FormError::Domain`], [`FormError::UniqueId`], [`FormError::Range`].
    pub fn new(
        sender: &str,
        policy_domain: &str,
        (begin, end): (i64, i64),
        unique_id: Option<&str>,
        packing: Packing,
    ) -> Result<Self, FormError> {
        for name in [sender, policy_domain] {
            if !is_domain(name) {
                return Err(FormError::Domain(name.to_owned()));
            }
        }
        if begin < 0 || end < begin {
            return Err(FormError::Range { begin, end });
        }
        if let Some(id) = unique_id
            && !((1..=MAX_UNIQUE_ID_BYTES).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        {
            return Err(FormError::UniqueId(id.to_owned()));
        }
        Ok(Self {
            sender: sender.into(),
            policy_domain: policy_domain.into(),
            begin,
            end,
            unique_id: unique_id.map(Text::new),
            packing,
        })
    }

    /// The reporting domain: that of the report's `contact-info`.
    #[must_use]
    pub fn sender(&self) -> &str {
        &self.sender
    }

    /// The domain that the report is about.
    #[must_use]
    pub fn policy_domain(&self) -> &str {
        &self.policy_domain
    }

    /// Begin and end of the report's range, Unix seconds.
    #[must_use]
    pub fn range(&self) -> (i64, i64) {
        (self.begin, self.end)
    }

    /// What tells apart reports of one range.
    #[must_use]
    pub fn unique_id(&self) -> Option<&str> {
        self.unique_id.as_deref()
    }

    /// What the extension says of the content.
    #[must_use]
    pub fn packing(&self) -> Packing {
        self.packing
    }

    /// The name.
    #[must_use]
    pub fn build(&self) -> String {
        let Self { sender, policy_domain, begin, end, unique_id, packing } = self;
        let mark = if unique_id.is_some() { "!" } else { "" };
        let id = unique_id.as_deref().unwrap_or_default();
        format!("{sender}!{policy_domain}!{begin}!{end}{mark}{id}.{}", packing.extension())
    }

    /// Reads a name as the grammar has it. `None` for every other, and for times past what 63 bits hold.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let (stem, packing) = match name.strip_suffix(".json.gz") {
            Some(stem) => (stem, Packing::Gzip),
            None => (name.strip_suffix(".json")?, Packing::Json),
        };
        if name.len() > MAX_NAME_BYTES {
            return None;
        }
        let mut parts = stem.split('!');
        let (sender, policy_domain) = (parts.next()?, parts.next()?);
        let range = (seconds(parts.next()?)?, seconds(parts.next()?)?);
        let unique_id = parts.next();
        if parts.next().is_some() {
            return None;
        }
        Self::new(sender, policy_domain, range, unique_id, packing).ok()
    }

    /// Finds what it can: folders in front, extensions in any case or missing, further parts ignored.
    #[must_use]
    pub fn recognise(name: &str) -> FoundFilename {
        let mut found = FoundFilename::default();
        if name.len() > MAX_NAME_BYTES {
            return found;
        }
        let base = name.rsplit(['/', '\\']).next().unwrap_or(name).trim();
        let lower = base.to_ascii_lowercase();
        let (cut, packing) = if lower.ends_with(".json.gz") {
            (8, Some(Packing::Gzip))
        } else if lower.ends_with(".gz") {
            (3, Some(Packing::Gzip))
        } else if lower.ends_with(".json") {
            (5, Some(Packing::Json))
        } else {
            (0, None)
        };
        found.packing = packing;
        let stem = &base[..base.len() - cut];
        let parts: Vec<&str> = stem.split('!').map(str::trim).take(5).collect();
        if parts.len() < 4 {
            return found;
        }
        let text =
            |index: usize| parts.get(index).filter(|part| !part.is_empty()).map(|part| Text::new(part));
        found.sender = text(0);
        found.policy_domain = text(1);
        found.begin = seconds(parts[2]);
        found.end = seconds(parts[3]);
        found.unique_id = text(4);
        found
    }
}

/// `1*DIGIT`.
fn seconds(digits: &str) -> Option<i64> {
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if all_digits { digits.parse().ok() } else { None }
}
