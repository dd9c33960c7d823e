//! TLS sessions that record what was presented and judge nothing.
