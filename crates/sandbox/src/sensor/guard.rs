//! The second guard of the network.
