//! Images on this machine, read through [`registry::open`] as everybody else does: hand-made ones for every shape
//! and defect, and what `skopeo`, `umoci` and `podman` really write.

#[path = "local/support.rs"]
mod support;

#[path = "local/oci_folder.rs"]
mod oci_folder;

#[path = "local/archives.rs"]
mod archives;

#[path = "local/daemon.rs"]
mod daemon;
