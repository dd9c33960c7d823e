//! Which addresses a stranger's name may lead to.
