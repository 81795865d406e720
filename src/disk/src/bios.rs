//! Boot code for machines that start the disk as a BIOS does: one line that says what the disk needs.
//!
//! A BIOS loads the first sector to 0000:7C00 and jumps there if it ends in 55 AA, which that of a GUID partition table
//! does. Without code the machine would stop with an empty screen. The code writes the line by INT 10h, which firmware
//! copies to a serial console where it has one, then asks the firmware for its next boot device (INT 18h), and halts
//! where there is none.

/// How much of the first sector is boot code: the signature of an MBR and its table follow.
const ROOM: usize = 440;
/// What is shown; one line of a screen of 80 columns.
pub(crate) const LINE: &str = "This disk needs UEFI firmware: switch this machine from BIOS to UEFI.";

/// 8086 machine code, for address 0x7C00, followed by the text that it shows.
const CODE: [u8; 34] = [
    0xfa, //             00        cli
    0x31, 0xc0, //       01        xor  ax, ax
    0x8e, 0xd8, //       03        mov  ds, ax
    0x8e, 0xd0, //       05        mov  ss, ax
    0xbc, 0x00, 0x7c, // 07        mov  sp, 0x7c00
    0xfb, //             0a        sti
    0xfc, //             0b        cld
    0xbe, 0x22, 0x7c, // 0c        mov  si, text
    0xac, //             0f  next: lodsb
    0x84, 0xc0, //       10        test al, al
    0x74, 0x09, //       12        jz   end
    0xb4, 0x0e, //       14        mov  ah, 0x0e       teletype output
    0xbb, 0x07, 0x00, // 16        mov  bx, 7          page 0, light gray
    0xcd, 0x10, //       19        int  0x10
    0xeb, 0xf2, //       1b        jmp  next
    0xcd, 0x18, //       1d  end:  int  0x18           the next boot device
    0xf4, //             1f  halt: hlt
    0xeb, 0xfd, //       20        jmp  halt
]; //                    22  text:

/// Puts the code into the first sector of a disk.
pub(super) fn put(sector: &mut [u8]) {
    let text = ["\r\n", LINE, "\r\n\0"].concat();
    let bytes = CODE.iter().copied().chain(text.bytes()).take(ROOM);
    sector.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_text_fit_before_the_table_and_the_jumps_lead_where_they_say() {
        let mut sector = [0xee; 512];
        put(&mut sector);
        let end = sector.iter().position(|&byte| byte == 0xee).unwrap();
        assert!(end < ROOM && sector[end..].iter().all(|&byte| byte == 0xee), "{end}");
        assert_eq!(sector[end - 1], 0);
        let text = usize::from(u16::from_le_bytes([CODE[13], CODE[14]])) - 0x7c00;
        assert!(sector[text..].starts_with(format!("\r\n{LINE}\r\n").as_bytes()));
        let jump = |at: usize| at + 2 + usize::from(CODE[at + 1]) - if CODE[at + 1] > 127 { 256 } else { 0 };
        assert_eq!((jump(0x12), jump(0x1b), jump(0x20)), (0x1d, 0x0f, 0x1f));
        assert!(LINE.len() < 80);
    }
}
