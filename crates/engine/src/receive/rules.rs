//! What intake goes by, and how it changes while the server runs.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

/// What intake goes by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// The domains managed here; empty: none are, and reports for every domain are filed.
    pub managed: BTreeSet<String>,
}

impl Rules {
    pub(super) fn manages(&self, domain: Option<&str>) -> bool {
        self.managed.is_empty() || domain.is_some_and(|domain| self.managed.contains(domain))
    }
}

/// The rules of the moment. Clones share them: what one sets, the others go by from the next input on.
#[derive(Debug, Clone, Default)]
pub struct CurrentRules(Arc<RwLock<Arc<Rules>>>);

impl CurrentRules {
    /// Begins with these.
    pub fn new(rules: Rules) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(rules))))
    }

    /// The rules as they are now.
    pub fn get(&self) -> Arc<Rules> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on these.
    pub fn set(&self, rules: Rules) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
    }
}
