//! The built binary from end to end: against `harbour`, Debian's `docker-registry`, `skopeo` and `podman`.
//!
//! Every image is made here and small; whatever is found in it is an inert imitation.

mod bombs;
mod detonations;
mod feed;
mod gate_check;
mod gate_serve;
mod hostile_names;
mod hunts;
mod intelligence;
mod inventories;
mod known;
mod listed_feed;
mod memo;
mod mistakes;
mod network;
mod places;
mod published;
mod support;
