//! Boot code for machines that start the disk as a BIOS does: a loader of our own, or one line that says what the disk needs.
//!
//! A BIOS loads the first sector to 0000:7C00 and jumps there if it ends in 55 AA, which that of a GUID partition table
//! does. There the loader's first part is, which reads the second one from behind the table. That knows where on the disk kernel and
//! initrd are, and starts the kernel by its 16-bit entry: no file system is read, as nothing in an image moves them. It is ours, and
//! small, as the usual ones are made for more: they bring packages, modules and a configuration, and a program that links them.
//!
//! ```text
//! LBA 0   first.s, and what is shown where it cannot go on     440 bytes
//!    34   second.s                                             1024 bytes
//!    36   sectors of kernel and initrd, the command line       3072 bytes
//! ```
//!
//! Without a loader the machine would stop with an empty screen. The line is written by INT 10h, which firmware
//! copies to a serial console where it has one; then the firmware is asked for its next boot device (INT 18h), and the machine halts
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

/// The first part of the loader: `bios/first.s`. What it shows where it cannot go on follows it.
const FIRST: &[u8] = include_bytes!("bios/first.bin");
/// Its second part: `bios/second.s`.
const SECOND: &[u8] = include_bytes!("bios/second.bin");
/// What is shown where the second part cannot be read.
const UNREADABLE: &str = "This disk cannot be read, or not by the numbers of its sectors.";
/// Where the second part is on the disk, in bytes: behind the partition table, in room that is no partition's.
const SECOND_AT: usize = 34 * 512;
/// Where it is told what to load, from its beginning on.
const TOLD: usize = 0x400;
/// How much of the disk it has, with that: eight sectors, which the first part reads.
const SECOND_LEN: usize = 8 * 512;
/// The longest command line that the kernel takes.
const MOST_CMDLINE: usize = 2047;

/// Bytes of the disk, which follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    /// Where they begin, in bytes: at a sector.
    pub(crate) offset: u64,
    /// How many there are.
    pub(crate) len: u64,
}

/// What the loader starts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Loaded<'a> {
    /// The kernel, with its header.
    pub(crate) kernel: Run,
    /// The initrd.
    pub(crate) initrd: Run,
    /// The kernel's command line.
    pub(crate) cmdline: &'a str,
}

/// Puts a loader into the first sectors of a disk, `first`, which is the table of partitions and is lengthened.
pub(crate) fn put_loader(first: &mut Vec<u8>, loaded: &Loaded<'_>) {
    show(first, FIRST, UNREADABLE);
    let mut second = SECOND.to_vec();
    second.resize(TOLD, 0);
    let Loaded { kernel, initrd, cmdline } = loaded;
    let number = |bytes: u64| u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes();
    second.extend((kernel.offset / 512).to_le_bytes());
    second.extend(number(kernel.len.div_ceil(512)));
    second.extend(number(initrd.len));
    second.extend((initrd.offset / 512).to_le_bytes());
    second.extend(number(initrd.len.div_ceil(512)));
    second.extend(cmdline.bytes().take(MOST_CMDLINE));
    second.resize(SECOND_LEN, 0);
    first.resize(SECOND_AT, 0);
    first.extend(second);
}

/// Puts code that says what the disk needs into the first sector of a disk.
pub(crate) fn put_line(first: &mut [u8]) {
    show(first, &CODE, LINE);
}

fn show(sector: &mut [u8], code: &[u8], line: &str) {
    let text = ["\r\n", line, "\r\n\0"].concat();
    let bytes = code.iter().copied().chain(text.bytes()).take(ROOM);
    sector.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_text_fit_before_the_table_and_the_jumps_lead_where_they_say() {
        let mut sector = [0xee; 512];
        put_line(&mut sector);
        let end = sector.iter().position(|&byte| byte == 0xee).unwrap();
        assert!(end < ROOM && sector[end..].iter().all(|&byte| byte == 0xee), "{end}");
        assert_eq!(sector[end - 1], 0);
        let text = usize::from(u16::from_le_bytes([CODE[13], CODE[14]])) - 0x7c00;
        assert!(sector[text..].starts_with(format!("\r\n{LINE}\r\n").as_bytes()));
        let jump = |at: usize| at + 2 + usize::from(CODE[at + 1]) - if CODE[at + 1] > 127 { 256 } else { 0 };
        assert_eq!((jump(0x12), jump(0x1b), jump(0x20)), (0x1d, 0x0f, 0x1f));
        assert!(LINE.len() < 80 && UNREADABLE.len() < 80);
        assert!(FIRST.len() + UNREADABLE.len() + 5 <= ROOM && SECOND.len() <= TOLD);
    }

    #[test]
    fn the_loader_is_told_where_kernel_and_initrd_are() {
        let mut first = vec![0xee; 34 * 512];
        let kernel = Run { offset: 1 << 40, len: 1025 };
        let loaded = Loaded { kernel, initrd: Run { offset: 4096, len: 512 }, cmdline: "root=a b" };
        put_loader(&mut first, &loaded);
        assert_eq!(first.len(), SECOND_AT + SECOND_LEN);
        assert!(first[440..SECOND_AT].iter().all(|&byte| byte == 0xee) && first.starts_with(FIRST));
        let told = &first[SECOND_AT + TOLD..];
        let mut expected = (1_u64 << 31).to_le_bytes().to_vec();
        expected.extend([3_u32, 512].map(u32::to_le_bytes).concat());
        expected.extend(8_u64.to_le_bytes());
        expected.extend(1_u32.to_le_bytes());
        expected.extend(b"root=a b\0\0");
        assert!(told.starts_with(&expected), "{told:02x?}");
        let long = "x".repeat(5000);
        put_loader(&mut first, &Loaded { cmdline: &long, ..loaded });
        assert_eq!((first.len(), first[SECOND_AT + TOLD + 28 + MOST_CMDLINE]), (SECOND_AT + SECOND_LEN, 0));
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the assembler that the code is written for")]
    fn the_code_is_what_its_source_says() {
        let folder = tempfile::tempdir().unwrap();
        for (name, at, expected) in [("first", "0", FIRST), ("second", "0x8000", SECOND)] {
            let source = format!("{}/src/bios/{name}.s", env!("CARGO_MANIFEST_DIR"));
            let (object, code) = (folder.path().join("object"), folder.path().join(name));
            let run = |program: &str, words: &[&std::ffi::OsStr]| {
                let output = std::process::Command::new(program).args(words).output().unwrap();
                assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
            };
            run("as", &["--32".as_ref(), "-o".as_ref(), object.as_ref(), source.as_ref()]);
            let words = ["-m", "elf_i386", "-Ttext", at, "--entry", "0", "--oformat", "binary", "-o"];
            let words = words.iter().map(std::ffi::OsStr::new).chain([code.as_os_str(), object.as_os_str()]);
            run("ld", &words.collect::<Vec<_>>());
            assert_eq!(std::fs::read(&code).unwrap(), expected, "{name}");
        }
    }
}
