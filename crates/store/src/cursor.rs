//! Where the next page of a list begins, as text that callers hand back unread.
//!
//! A letter for the list, then numbers in hexadecimal. A text that was not made here reads as nothing, and a page
//! from nowhere is empty.

/// The list a cursor belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum List {
    Reports,
    Failures,
    SetAside,
}

impl List {
    fn letter(self) -> char {
        match self {
            Self::Reports => 'r',
            Self::Failures => 'f',
            Self::SetAside => 's',
        }
    }
}

/// A place in a list: after the item with this id, and (failures) after this row of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) id: i64,
    pub(crate) row: i64,
}

pub(crate) fn write(list: List, place: Place) -> String {
    format!("{}{:x}.{:x}", list.letter(), place.id, place.row)
}

/// Where a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// At the newest.
    Newest,
    /// Below this place.
    Below(Place),
    /// Nowhere: the cursor was not given out for this list.
    Nowhere,
}

pub(crate) fn read(list: List, cursor: Option<&str>) -> Start {
    let Some(text) = cursor else { return Start::Newest };
    parse(list, text).map_or(Start::Nowhere, Start::Below)
}

fn parse(list: List, text: &str) -> Option<Place> {
    let (id, row) = text.strip_prefix(list.letter())?.split_once('.')?;
    let place = Place { id: number(id)?, row: number(row)? };
    // Only what `write` makes: no signs, no leading zeros, no upper case.
    (write(list, place) == text).then_some(place)
}

fn number(text: &str) -> Option<i64> {
    i64::from_str_radix(text, 16).ok().filter(|number| *number >= 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_only_by_its_own_list() {
        let place = Place { id: 4711, row: 12 };
        let text = write(List::Failures, place);
        assert_eq!(read(List::Failures, Some(&text)), Start::Below(place));
        assert_eq!(read(List::Reports, Some(&text)), Start::Nowhere);
        assert_eq!(read(List::Failures, None), Start::Newest);
    }

    #[test]
    fn what_was_not_given_out_leads_nowhere() {
        for text in [
            "",
            "r",
            "r1",
            "r.1",
            "r1.",
            "r-1.0",
            "r+1.0",
            "r01.0",
            "rA.0",
            "r1.0 ",
            "r1.0.0",
            "réé.0",
            "rffffffffffffffffff.0",
            "' OR 1=1 --",
            "\0",
        ] {
            assert_eq!(read(List::Reports, Some(text)), Start::Nowhere, "{text}");
        }
    }
}
