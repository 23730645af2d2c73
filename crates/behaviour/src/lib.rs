//! Reads a trace and says what the sample did. No I/O, no clock: trace in, findings out.
