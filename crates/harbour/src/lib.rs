//! harbour
