//! The world's view of us: policies by HTTPS, the challenges of certificate authorities, and an authoritative DNS zone
//! for the records of managed domains.
//!
//! Nothing here decides what is published: the engine does, and calls its ports. Everything that comes in is a
//! stranger's: bounded in size, time and count.

pub mod zone;
