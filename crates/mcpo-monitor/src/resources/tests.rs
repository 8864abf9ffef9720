//! Tests of what is read of processes and the machine.
