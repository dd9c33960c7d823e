//! Records that a person makes: nothing is done here. What is to be made, and whether it is live, is said by the engine
//! (`publish::live`).

use tlsward_engine::ports::publish::{Applied, RecordSet, Records, RecordsFailure};

/// Leaves it to a person.
#[derive(Debug, Clone, Copy, Default)]
pub struct ByHand;

impl Records for ByHand {
    async fn apply(&self, _domain: &str, _sets: Vec<RecordSet>) -> Result<Applied, RecordsFailure> {
        Ok(Applied::ByHand)
    }
}
