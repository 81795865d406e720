//! The program: process 1 of the initrd; everything is the library's.

fn main() {
    init::boot::run();
}
