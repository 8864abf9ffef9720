//! The scripted stdio upstream as a program; for crates whose tests do not build mcpo's examples.

fn main() {
    mcpo_testkit::scripted_main();
}
