//! A recording, written and read back.
