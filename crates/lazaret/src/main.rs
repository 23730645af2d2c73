//! lazaret
fn main() {}
