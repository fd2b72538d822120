//! How the program is linked.

fn main() {
    // Relative relocations are packed (RELR, glibc 2.36): a megabyte less to
    // read at the start and to keep in memory.
    println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    println!("cargo:rerun-if-changed=build.rs");
}
