//! HTTPS by RFC 8461 §3.3.
