//! The doors that stand in an image's way, against hostile registries and real clients.
//!
//! | file | what it is about |
//! |---|---|
//! | `proxy` | every way past the proxy that somebody found, against a scripted registry |
//! | `plugin` | the same for Docker's authorization plugin, with requests as Docker sends them |
//! | `lab` | a network and a file tree of our own, in which real clients run and end |
//! | `clients` | docker with dockerd, podman, skopeo, containerd with ctr |
//! | `probing` | the probe, on hosts that can and cannot be walked around |
//! | `gates`, `http` | feeds for tests, and the little HTTP they need |

mod gates;
mod http;
mod plugin;
mod proxy;
