//! Names of files in the spool folder: `TIME-RANDOM.eml`, and `.tmp` while one is being written. The time comes first
//! and has a fixed width, so that the order of names is the order of arrival. Anything else is not ours.

use tlsward_engine::facts::UnixTime;

/// Digits of the time: until the year 33658.
const TIME_DIGITS: usize = 12;
const LATEST: UnixTime = 999_999_999_999;
const RANDOM_DIGITS: usize = 32;

/// The name of one mail, without its ending.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SpoolName {
    stem: String,
}

/// How far a file with one of our names has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Being written, or left behind by a writer that died.
    Partial,
    /// Complete.
    Whole,
}

impl SpoolName {
    pub(super) fn new(now: UnixTime, random: u128) -> Self {
        Self { stem: format!("{:0TIME_DIGITS$}-{random:0RANDOM_DIGITS$x}", now.clamp(0, LATEST)) }
    }

    pub(super) fn partial(&self) -> String {
        format!("{}.tmp", self.stem)
    }

    pub(super) fn whole(&self) -> String {
        format!("{}.eml", self.stem)
    }

    /// When it was handed over, as its name says.
    pub(super) fn time(&self) -> UnixTime {
        self.stem.get(..TIME_DIGITS).and_then(|time| time.parse().ok()).unwrap_or(0)
    }

    /// Reads a file name; `None` if it is not one of ours.
    pub(super) fn parse(file_name: &str) -> Option<(Self, Stage)> {
        let (stem, ending) = file_name.rsplit_once('.')?;
        let stage = match ending {
            "tmp" => Stage::Partial,
            "eml" => Stage::Whole,
            _ => return None,
        };
        let (time, random) = stem.split_once('-')?;
        let ours = time.len() == TIME_DIGITS
            && time.bytes().all(|byte| byte.is_ascii_digit())
            && random.len() == RANDOM_DIGITS
            && random.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        ours.then(|| (Self { stem: stem.to_owned() }, stage))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_back_as_it_was_written() {
        for (now, random, time) in
            [(1_700_000_000, 7, 1_700_000_000), (-5, 0, 0), (i64::MAX, u128::MAX, LATEST), (0, 1, 0)]
        {
            let name = SpoolName::new(now, random);
            assert_eq!(name.time(), time);
            assert_eq!(SpoolName::parse(&name.whole()), Some((name.clone(), Stage::Whole)));
            assert_eq!(SpoolName::parse(&name.partial()), Some((name.clone(), Stage::Partial)));
        }
    }

    #[test]
    fn names_that_are_not_ours_are_left_alone() {
        let ours = SpoolName::new(1_700_000_000, 7).whole();
        for name in [
            "".to_owned(),
            "mail.eml".to_owned(),
            ours.replace(".eml", ".EML"),
            ours.replace(".eml", ""),
            format!("x{ours}"),
            format!("../{ours}"),
            ours.replace('-', "_"),
            ours.replace("1700", "+700"),
            ours.replacen('0', "é", 1),
            ours.to_uppercase(),
        ] {
            assert_eq!(SpoolName::parse(&name), None, "{name}");
        }
    }
}
