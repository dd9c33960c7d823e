//! Where the reader is, and what it has mended so far: repairs with JSON Pointers, bounded.

use super::repair::{Repair, RepairKind};
use crate::text::Text;

/// A step from the root of the report to where the reader is.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Key(&'static str),
    Index(usize),
}

#[derive(Debug)]
pub(crate) struct Trail {
    steps: Vec<Step>,
    repairs: Vec<Repair>,
    most: usize,
    unlisted: u64,
}

/// How much of a stranger's text a repair shows.
const SHOWN_BYTES: usize = 120;

impl Trail {
    pub(crate) fn new(most: usize) -> Self {
        Self { steps: Vec::with_capacity(8), repairs: Vec::new(), most, unlisted: 0 }
    }

    #[inline]
    pub(crate) fn enter(&mut self, step: Step) {
        self.steps.push(step);
    }

    #[inline]
    pub(crate) fn leave(&mut self) {
        self.steps.pop();
    }

    #[inline]
    pub(crate) fn set_index(&mut self, index: usize) {
        if let Some(last) = self.steps.last_mut() {
            *last = Step::Index(index);
        }
    }

    pub(crate) fn depth(&self) -> usize {
        self.steps.len()
    }

    /// Back to `depth` steps, after an error was caught.
    pub(crate) fn rewind(&mut self, depth: usize) {
        self.steps.truncate(depth);
    }

    /// Notes a repair at the member `key` of where the reader is; an empty key means there itself.
    #[cold]
    pub(crate) fn note(&mut self, key: &str, kind: RepairKind, text: String) {
        if self.repairs.len() >= self.most {
            self.unlisted += 1;
            return;
        }
        let mut path = String::new();
        for step in &self.steps {
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
