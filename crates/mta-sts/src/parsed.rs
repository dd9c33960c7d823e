//! The result of reading a stranger's record or policy: two verdicts in one value.
//!
//! The value is usable or it is not; the deviations that were noticed stand beside it. The strict verdict
//! follows from both, so that *strict implies usable* holds by construction.

/// Implemented by the deviations of one kind of input.
pub trait Deviates {
    /// Whether this makes the input invalid by the RFC. Some are only worth a warning: legal, and yet
    /// refused by other senders.
    fn is_invalid_strictly(&self) -> bool;
}

/// What reading an input gave: `T` when its meaning is beyond doubt, and every kind of deviation noticed on
/// the way, each kind once, in order of first appearance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed<T, D, E> {
    usable: Result<T, E>,
    deviations: Vec<D>,
}

/// Why an input is not valid by the RFC's own rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotStrict<'a, D, E> {
    /// Usable, but outside the grammar. A checker shows it to the domain's owner as an error.
    Deviates(&'a D),
    /// Not usable at all. Senders behave as if it were not there.
    Invalid(&'a E),
}

impl<T, D: Deviates, E> Parsed<T, D, E> {
    pub(crate) fn new(usable: Result<T, E>, deviations: Vec<D>) -> Self {
        Self { usable, deviations }
    }

    /// The verdict that a sender acts on.
    ///
    /// # Errors
    /// The reason why the input cannot be used.
    pub fn usable(&self) -> Result<&T, &E> {
        self.usable.as_ref()
    }

    /// The verdict that a sender acts on, by value.
    ///
    /// # Errors
    /// The reason why the input cannot be used.
    pub fn into_usable(self) -> Result<T, E> {
        self.usable
    }

    /// The verdict by the RFC's own rules.
    ///
    /// # Errors
    /// The first thing that breaks them.
    pub fn strict(&self) -> Result<&T, NotStrict<'_, D, E>> {
        let value = self.usable.as_ref().map_err(NotStrict::Invalid)?;
        match self.deviations.iter().find(|deviation| deviation.is_invalid_strictly()) {
            Some(deviation) => Err(NotStrict::Deviates(deviation)),
            None => Ok(value),
        }
    }

    /// Every kind of deviation noticed, also those that only deserve a warning.
    #[must_use]
    pub fn deviations(&self) -> &[D] {
        &self.deviations
    }

    pub(crate) fn into_parts(self) -> (Result<T, E>, Vec<D>) {
        (self.usable, self.deviations)
    }
}
