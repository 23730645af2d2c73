//! The BPF programs (C) and the record layout that kernel and analyser share.
