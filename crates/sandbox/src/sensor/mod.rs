//! What the sample asks of the kernel.
