//! Which sensors this host gives, and why not more.
