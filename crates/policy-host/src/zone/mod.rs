//! The embedded authoritative zone: the records of managed domains whose owners point to it.
