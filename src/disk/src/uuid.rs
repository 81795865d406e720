//! Identifiers of disks, partitions and file systems: RFC 9562, and the two ways in which they are written.

use sha2::Digest as _;
use std::fmt;
use tree::digest::Sha256;

/// An identifier, its bytes in the order of its digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uuid(pub(crate) [u8; 16]);

impl Uuid {
    /// That of a constant such as `0xc12a7328_f81f_11d2_ba4b_00a0c93ec93b`.
    pub(crate) const fn of(digits: u128) -> Self {
        Self(digits.to_be_bytes())
    }

    /// The identifier for `purpose` in the image that `plan` names: the same for each bake of a plan, another for each
    /// purpose and each plan. Version 8, which RFC 9562 leaves to whoever makes it.
    pub(crate) fn derived(purpose: &str, plan: &Sha256) -> Self {
        let mut hasher = sha2::Sha256::new();
        hasher.update(format!("vmbake {purpose}\n"));
        hasher.update(plan.0);
        let digest: [u8; 32] = hasher.finalize().into();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        bytes[6] = 0x80 | (bytes[6] & 0x0f);
        bytes[8] = 0x80 | (bytes[8] & 0x3f);
        Self(bytes)
    }

    /// Its bytes as firmware has them: the first three groups are little endian (UEFI 2.10, appendix A).
    pub(crate) fn mixed_endian(self) -> [u8; 16] {
        let [a, b, c, d, e, f, g, h, rest @ ..] = self.0;
        let mut bytes = [d, c, b, a, f, e, h, g, 0, 0, 0, 0, 0, 0, 0, 0];
        bytes[8..].copy_from_slice(&rest);
        bytes
    }

    /// The identifier whose bytes firmware has as `bytes`.
    pub(crate) fn from_mixed_endian(bytes: [u8; 16]) -> Self {
        // the same exchange leads there and back
        Self(Self(bytes).mixed_endian())
    }

    /// Its first 32 bits, for what has room for no more.
    pub(crate) fn short(self) -> u32 {
        u32::from_be_bytes([self.0[0], self.0[1], self.0[2], self.0[3]])
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, byte) in self.0.iter().enumerate() {
            if matches!(nth, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl serde::Serialize for Uuid {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn firmware_has_the_first_groups_the_other_way_round() {
        let esp = Uuid::of(0xc12a7328_f81f_11d2_ba4b_00a0c93ec93b);
        assert_eq!(esp.to_string(), "c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
        assert_eq!(esp.mixed_endian()[..8], [0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11]);
        assert_eq!(Uuid::from_mixed_endian(esp.mixed_endian()), esp);
    }

    #[test]
    fn derived_ones_are_of_version_8_and_differ_by_purpose_and_plan() {
        let (one, other) = (Sha256([1; 32]), Sha256([2; 32]));
        let disk = Uuid::derived("disk", &one);
        assert_eq!(disk, Uuid::derived("disk", &one));
        assert_ne!(disk, Uuid::derived("disk", &other));
        assert_ne!(disk, Uuid::derived("root", &one));
        let text = disk.to_string();
        assert_eq!(&text[14..15], "8", "{text}");
        assert!(matches!(&text[19..20], "8" | "9" | "a" | "b"), "{text}");
    }
}
