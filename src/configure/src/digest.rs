//! What deliveries are remembered by.

use sha2::{Digest as _, Sha512};

/// The first half of the SHA-512 of `parts`, one behind the other, in hexadecimal: enough to tell deliveries apart, short
/// enough for a line.
#[must_use]
pub fn name(parts: &[&[u8]]) -> String {
    let digest = parts.iter().fold(Sha512::new(), Sha512::chain_update).finalize();
    digest.iter().take(32).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn a_name_is_of_all_parts_and_as_the_standard_says() {
        const ABC: &str = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a";
        assert_eq!(name(&[b"abc"]), ABC);
        assert_eq!(name(&[b"a", b"", b"bc"]), ABC);
        assert!(name(&[]).starts_with("cf83e1357eefb8bdf1542850d66d8007"));
    }
}
