//! Makes cargo notice connector files that come and go: `include_dir!` alone sees only changes to those it knows.

fn main() {
    println!("cargo::rerun-if-changed=../../connectors");
}
