//! Records and policies, read as plainly as the RFCs put them: what does not follow them counts for nothing.

use crate::world::{Mode, UnixTime};

/// Largest `max_age` (RFC 8461 §3.2).
const MAX_AGE_MAX: i64 = 31_557_600;

/// A policy that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its lines, as served.
    pub lines: Vec<String>,
    /// Its mode.
    pub mode: Mode,
    /// Its patterns.
    pub mx: Vec<String>,
    /// In seconds.
    pub max_age: i64,
    /// Under which id it was fetched.
    pub id: String,
    /// When.
    pub fetched_at: UnixTime,
}

impl Held {
    /// Whether a pattern matches this host (RFC 8461 §4.1).
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        let rest = host.split_once('.').map(|(_, rest)| rest);
        self.mx.iter().any(|pattern| match pattern.strip_prefix("*.") {
            Some(parent) => rest.is_some_and(|rest| rest.eq_ignore_ascii_case(parent)),
            None => pattern.eq_ignore_ascii_case(host),
        })
    }
}

/// The one record of several that begins as it must.
fn one<'a>(texts: &'a [Vec<u8>], version: &str) -> Option<&'a str> {
    let mut found = texts.iter().filter(|text| text.starts_with(version.as_bytes()));
    let one = found.next()?;
    if found.next().is_some() {
        return None;
    }
    std::str::from_utf8(one).ok()
}

/// The id of the `_mta-sts` record (RFC 8461 §3.1).
pub(super) fn record_id(texts: &[Vec<u8>]) -> Option<String> {
    let record = one(texts, "v=STSv1;")?;
    let field = record.split(';').map(str::trim).find_map(|field| field.strip_prefix("id="))?;
    let good = (1..=32).contains(&field.len()) && field.bytes().all(|byte| byte.is_ascii_alphanumeric());
    good.then(|| field.to_owned())
}

/// The first place for reports that is of a known kind (RFC 8460 §3).
pub(super) fn rua(texts: &[Vec<u8>]) -> Option<String> {
    let record = one(texts, "v=TLSRPTv1;")?;
    let field = record.split(';').map(str::trim).find_map(|field| field.strip_prefix("rua="))?;
    let mut places = field.split(',').map(str::trim);
    places.find(|place| place.starts_with("mailto:") || place.starts_with("https://")).map(str::to_owned)
}

/// A policy (RFC 8461 §3.2).
pub(super) fn read(body: &[u8], id: &str, now: UnixTime) -> Option<Held> {
    let text = std::str::from_utf8(body).ok()?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let lines: Vec<&str> = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect();
    let (mut version, mut mode, mut max_age, mut mx) = (None, None, None, Vec::new());
    for line in &lines {
        let (name, value) = line.split_once(':')?;
        let value = value.trim();
        match name {
            "version" => version = version.or(Some(value)),
            "mode" => mode = mode.or(Some(value)),
            "max_age" => max_age = max_age.or(Some(value)),
            "mx" => mx.push(value.to_owned()),
            _ => {}
        }
    }
    let mode = match mode? {
        "enforce" => Mode::Enforce,
        "testing" => Mode::Testing,
        "none" => Mode::None,
        _ => return None,
    };
    let max_age: i64 = max_age?.parse().ok().filter(|age| (0..=MAX_AGE_MAX).contains(age))?;
    if version? != "STSv1" || (mx.is_empty() && mode != Mode::None) {
        return None;
    }
    let lines = lines.into_iter().map(str::to_owned).collect();
    Some(Held { lines, mode, mx, max_age, id: id.to_owned(), fetched_at: now })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Vec<Vec<u8>> {
        vec![text.as_bytes().to_vec()]
    }

    #[test]
    fn an_id_is_read_from_one_good_record_alone() {
        assert_eq!(record_id(&text("v=STSv1; id=2026;")), Some("2026".to_owned()));
        for bad in ["v=STSv1; id=20-26;", "v=STSv1;", "v=STSv2; id=1", "id=1; v=STSv1;"] {
            assert_eq!(record_id(&text(bad)), None, "{bad}");
        }
        let two = [text("v=STSv1; id=1;"), text("v=STSv1; id=2;")].concat();
        assert_eq!(record_id(&two), None);
    }

    #[test]
    fn a_wildcard_covers_one_label() {
        let held = read(b"version: STSv1\nmode: enforce\nmx: *.a.test\nmax_age: 5\n", "1", 0).unwrap();
        assert!(held.covers("x.a.test") && !held.covers("a.test") && !held.covers("x.y.a.test"));
    }

    #[test]
    fn a_policy_with_a_blank_line_or_without_mode_is_none() {
        for bad in ["version: STSv1\n\nmode: none\nmax_age: 5", "version: STSv1\nmax_age: 5\nmx: a.test"] {
            assert_eq!(read(bad.as_bytes(), "1", 0), None);
        }
    }
}
