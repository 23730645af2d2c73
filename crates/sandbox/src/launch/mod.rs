//! Layers to an overlay, namespaces, cgroup, seccomp; start, limits, end, sweep.
