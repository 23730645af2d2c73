//! Seccomp notification.
