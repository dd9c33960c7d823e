//! What holds with real servers. In a module of this name, by which a quick test run leaves it out.

mod authority;
mod update;
