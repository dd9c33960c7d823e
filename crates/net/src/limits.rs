//! Every bound on size, time and number.
