//! DNS: the resolver behind the engine's port.
