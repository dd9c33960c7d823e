//! A small internet to prove things in: one World described as data, two transports.
