//! Where the reader is, and what it has mended so far: repairs with JSON Pointers, bounded.

use super::repair::{Repair, RepairKind};
use crate::text::Text;

/// A step from the root of the report to where the reader is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    Key(&'static str),
    Index(usize),
}

#[derive(Debug)]
pub(crate) struct Trail {
    /// The first `depth` of them count. An array, because every report needs it and few need anything else here.
    steps: [Step; DEEPEST],
    depth: usize,
    repairs: Vec<Repair>,
    most: usize,
    unlisted: u64,
}

/// Steps of the longest way: element of an array of reports, `policies`, its index, `failure-details`, its index.
const DEEPEST: usize = 8;

/// How much of a stranger's text a repair shows.
const SHOWN_BYTES: usize = 120;

impl Trail {
    pub(crate) fn new(most: usize) -> Self {
        Self { steps: [Step::Index(0); DEEPEST], depth: 0, repairs: Vec::new(), most, unlisted: 0 }
    }

    #[inline]
    pub(crate) fn enter(&mut self, step: Step) {
        if let Some(slot) = self.steps.get_mut(self.depth) {
            *slot = step;
        }
        self.depth += 1;
    }

    #[inline]
    pub(crate) fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    #[inline]
    pub(crate) fn set_index(&mut self, index: usize) {
        if let Some(slot) = self.depth.checked_sub(1).and_then(|last| self.steps.get_mut(last)) {
            *slot = Step::Index(index);
        }
    }

    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// Back to `depth` steps, after an error was caught.
    pub(crate) fn rewind(&mut self, depth: usize) {
        self.depth = depth;
    }

    /// Notes a repair at the member `key` of where the reader is; an empty key means there itself.
    #[cold]
    pub(crate) fn note(&mut self, key: &str, kind: RepairKind, text: String) {
        if self.repairs.len() >= self.most {
            self.unlisted += 1;
            return;
        }
        let mut path = String::new();
        for step in self.steps.iter().take(self.depth) {
            match step {
                Step::Key(key) => push_token(&mut path, key),
                Step::Index(index) => {
                    path.push('/');
                    path.push_str(itoa::Buffer::new().format(*index));
                }
            }
        }
        if !key.is_empty() {
            push_token(&mut path, shown(key).as_str());
        }
        self.repairs.push(Repair { path, kind, text });
    }

    /// What was noted since the last call.
    pub(crate) fn take(&mut self) -> Vec<Repair> {
        if self.unlisted > 0 {
            self.repairs.push(Repair {
                path: String::new(),
                kind: RepairKind::Unlisted,
                text: format!("{} more repairs are not listed", self.unlisted),
            });
            self.unlisted = 0;
        }
        std::mem::take(&mut self.repairs)
    }
}

/// RFC 6901 §3: `~` and `/` are written `~0` and `~1`.
fn push_token(path: &mut String, key: &str) {
    path.push('/');
    for character in key.chars() {
        match character {
            '~' => path.push_str("~0"),
            '/' => path.push_str("~1"),
            other => path.push(other),
        }
    }
}

/// The start of a stranger's text, for a repair.
pub(crate) fn shown(text: &str) -> Text {
    if text.len() <= SHOWN_BYTES {
        return Text::new(text);
    }
    let mut end = SHOWN_BYTES;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut start = Text::new(&text[..end]);
    start.push('…');
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repair_is_named_by_a_json_pointer() {
        let mut trail = Trail::new(2);
        trail.enter(Step::Key("policies"));
        trail.enter(Step::Index(3));
        trail.note("a/b~c", RepairKind::WrongType, "x".into());
        trail.note("", RepairKind::Cut, "y".into());
        trail.note("", RepairKind::Cut, "z".into());
        let repairs = trail.take();
        assert_eq!(repairs[0].path, "/policies/3/a~1b~0c");
        assert_eq!(repairs[1].path, "/policies/3");
        assert_eq!((repairs[2].kind, repairs.len()), (RepairKind::Unlisted, 3));
    }
}
