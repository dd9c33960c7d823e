//! DANE for SMTP, RFC 7672, and what a certificate chain is worth: everything that can be decided without
//! touching the world. The time is an argument.
