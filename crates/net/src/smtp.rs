//! SMTP as far as STARTTLS.
