//! Trust roots: the platform's, and those of the configuration.
