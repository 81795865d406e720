//! CRC-32C, and what its sums begin with in each place of the file system.
//!
//! `metadata_csum` sums are the plain remainder, neither inverted at the end nor the start: every sum begins with
//! that of the file system's UUID, those of what belongs to an inode go on with its number and generation.
//! Source: the kernel's `Documentation/filesystems/ext4/checksums.rst`.

/// Remainders of a byte that is followed by 0 to 7 zero bytes, so that eight bytes are taken at once.
static TABLES: [[u32; 256]; 8] = tables();

/// Castagnoli's polynomial, bits turned round.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// What sums begin with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seeds {
    /// The sum of the UUID.
    pub(super) volume: u32,
    /// The sum of the hash seed, from which generations derive.
    salt: u32,
}

impl Seeds {
    pub(super) fn new(uuid: &[u8; 16], hash_seed: &[u8; 16]) -> Self {
        Self { volume: crc32c(!0, uuid), salt: crc32c(!0, hash_seed) }
    }

    /// The generation of an inode: not to be guessed from its number alone, as file handles of NFS want it.
    pub(super) fn generation(&self, number: u32) -> u32 {
        // those of the file system itself have none, as after `mke2fs`
        if number < super::inodes::LOST_FOUND { 0 } else { crc32c(self.salt, &number.to_le_bytes()) }
    }

    /// What the sums of an inode, its directory blocks and its extents begin with.
    pub(super) fn inode(&self, number: u32) -> u32 {
        let sum = crc32c(self.volume, &number.to_le_bytes());
        crc32c(sum, &self.generation(number).to_le_bytes())
    }
}

/// The remainder of `bytes` behind what gave `sum`.
pub(super) fn crc32c(mut sum: u32, bytes: &[u8]) -> u32 {
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        let [a, b, c, d, e, f, g, h] = *word;
        let [i, j, k, l] = sum.to_le_bytes();
        sum = TABLES[7][usize::from(a ^ i)]
            ^ TABLES[6][usize::from(b ^ j)]
            ^ TABLES[5][usize::from(c ^ k)]
            ^ TABLES[4][usize::from(d ^ l)]
            ^ TABLES[3][usize::from(e)]
            ^ TABLES[2][usize::from(f)]
            ^ TABLES[1][usize::from(g)]
            ^ TABLES[0][usize::from(h)];
    }
    for byte in rest {
        sum = TABLES[0][usize::from(sum.to_le_bytes()[0] ^ byte)] ^ (sum >> 8);
    }
    sum
}

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    let mut value = 0;
    while byte < 256 {
        let mut sum = value;
        let mut bit = 0;
        while bit < 8 {
            sum = (sum >> 1) ^ if sum & 1 == 1 { POLYNOMIAL } else { 0 };
            bit += 1;
        }
        tables[0][byte] = sum;
        byte += 1;
        value += 1;
    }
    let mut table = 1;
    while table < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[table - 1][byte];
            tables[table][byte] = tables[0][(before & 0xff) as usize] ^ (before >> 8);
            byte += 1;
        }
        table += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::crc32c;

    #[test]
    fn the_sums_are_those_of_rfc_3720() {
        let counting: Vec<u8> = (0..32).collect();
        for (bytes, expected) in [
            (b"123456789".as_slice(), 0xe306_9283),
            (&[0; 32], 0x8a91_36aa),
            (&[0xff; 32], 0x62a8_ab43),
            (&counting, 0x46dd_794e),
        ] {
            assert_eq!(!crc32c(!0, bytes), expected);
            let (left, right) = bytes.split_at(5);
            assert_eq!(!crc32c(crc32c(!0, left), right), expected);
        }
    }
}
