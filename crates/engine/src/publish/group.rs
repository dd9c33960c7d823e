//! Domains that share one definition, and how a change of it reaches them: in waves.
//!
//! Hosting is one set of MX hosts for very many domains. A change of the definition goes to one domain first, then to ten, a
//! hundred, a thousand, then five thousand at a time; the next wave begins when every domain of the ones before is quiet.
//! A domain that fails stops the roll-out and is named. **Nothing of a roll-out is kept**: which domain is how far is read
//! from the domains themselves, so a process that is killed goes on where it was. Pure.

mod waves;

pub use waves::{Blocked, FollowState, Follower, Rollout, WAVES, Wave, rollout};

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{KeptWish, Wish, WishError};
use crate::ports::StoreError;
use crate::ports::publish::KeptGroup;

/// Most characters of a group's name.
pub const MAX_NAME_BYTES: usize = 63;

/// The name of a group: 1 to 63 lower-case letters, digits and `-`, beginning and ending in a letter or digit. Safe in a file
/// name, a URL and a command line, and never mistaken for a domain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName(Box<str>);

/// The text is no [`GroupName`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a group's name is 1 to 63 lower-case letters, digits and '-', and begins and ends in a letter or digit: `hosting`, for \
     instance"
)]
pub struct GroupNameError;

impl GroupName {
    /// Reads a name.
    ///
    /// # Errors
    /// [`GroupNameError`].
    pub fn parse(text: &str) -> Result<Self, GroupNameError> {
        let is_end =
            |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let bytes = text.as_bytes();
        let fits = (1..=MAX_NAME_BYTES).contains(&bytes.len())
            && is_end(bytes.first())
            && is_end(bytes.last())
            && bytes.iter().all(|byte| is_end(Some(byte)) || *byte == b'-');
        if fits { Ok(Self(text.into())) } else { Err(GroupNameError) }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What all domains of a group publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDefinition {
    /// Which group.
    pub name: GroupName,
    /// One more with each change; from 1.
    pub revision: u64,
    /// What is wanted.
    pub wish: Wish,
}

/// Of the JSON. One that is higher was written by a later program.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct State {
    v: u32,
    wish: KeptWish,
}

impl GroupDefinition {
    /// The first definition of a group.
    ///
    /// # Errors
    /// [`WishError`]: it could not be published.
    pub fn new(name: GroupName, wish: Wish) -> Result<Self, WishError> {
        Self { name, revision: 0, wish: wish.clone() }.changed(wish)
    }

    /// The next revision, with this wish.
    ///
    /// # Errors
    /// [`WishError`]: it could not be published.
    pub fn changed(&self, wish: Wish) -> Result<Self, WishError> {
        wish.policy()?;
        wish.reporting_record()?;
        Ok(Self { name: self.name.clone(), revision: self.revision.saturating_add(1), wish })
    }

    /// The row to keep.
    #[must_use]
    pub fn to_row(&self) -> KeptGroup {
        let state = State { v: FORMAT, wish: KeptWish::from(&self.wish) };
        KeptGroup {
            name: self.name.to_string(),
            revision: self.revision,
            // Plain values with text keys: writing them cannot fail.
            state: Bytes::from(serde_json::to_vec(&state).unwrap_or_default()),
        }
    }

    /// Reads a row.
    ///
    /// # Errors
    /// [`StoreError::Damaged`]: it names the group and the fault.
    pub fn from_row(row: &KeptGroup) -> Result<Self, StoreError> {
        let damaged = |what: &str| StoreError::Damaged(format!("the state of group {}: {what}", row.name));
        let name = GroupName::parse(&row.name).map_err(|error| damaged(&error.to_string()))?;
        let state: State = serde_json::from_slice(&row.state).map_err(|error| damaged(&error.to_string()))?;
        if state.v > FORMAT {
            return Err(damaged("it was written by a later version of this program"));
        }
        let wish = state.wish.into_wish().ok_or_else(|| damaged("its wish is none"))?;
        Ok(Self { name, revision: row.revision, wish })
    }
}

#[cfg(test)]
mod tests;
