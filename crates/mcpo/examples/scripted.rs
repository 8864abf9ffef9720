//! The scripted stdio upstream; an example so that building the tests of this crate builds it.

fn main() {
    mcpo_testkit::scripted_main();
}
