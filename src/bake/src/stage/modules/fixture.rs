//! Kernel modules made up for tests.

/// What a module says.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::stage) struct Said<'a> {
    /// Lines of `.modinfo`: `alias=…`.
    pub(in crate::stage) info: &'a [&'a str],
    /// Exported symbols.
    pub(in crate::stage) exports: &'a [&'a str],
    /// Undefined symbols.
    pub(in crate::stage) needs: &'a [&'a str],
    /// Names in `__versions`.
    pub(in crate::stage) versions: &'a [&'a str],
}

/// A relocatable ELF64 file that says it.
pub(in crate::stage) fn module(said: Said<'_>) -> Vec<u8> {
    let (mut names, mut strings, mut symbols) = (vec![0u8], vec![0u8], vec![0u8; 24]);
    let mut add = |name: &str, section: u16| {
        let at = u32::try_from(strings.len()).unwrap();
        strings.extend(name.as_bytes());
        strings.push(0);
        symbols.extend(at.to_le_bytes());
        symbols.extend([0x10, 0]);
        symbols.extend(section.to_le_bytes());
        symbols.extend([0; 16]);
    };
    said.exports.iter().for_each(|name| add(&format!("__crc_{name}"), 0xFFF1));
    said.needs.iter().for_each(|name| add(name, 0));
    let info: Vec<u8> = said.info.iter().flat_map(|line| [line.as_bytes(), b"\0"].concat()).collect();
    let version = |name: &&str| {
        let mut entry = vec![0; 64];
        entry[8..8 + name.len()].copy_from_slice(name.as_bytes());
        entry
    };
    let versions: Vec<u8> = said.versions.iter().flat_map(version).collect();
    // name, type, link, size of an entry, bytes
    let mut sections = vec![
        ("", 0u32, 0u32, 0u64, Vec::new()),
        (".modinfo", 1, 0, 0, info),
        ("__versions", 1, 0, 0, versions),
        (".symtab", 2, 4, 24, symbols),
        (".strtab", 3, 0, 0, strings),
        (".shstrtab", 3, 0, 0, Vec::new()),
    ];
    let offsets: Vec<u32> = sections
        .iter()
        .map(|(name, ..)| {
            let at = u32::try_from(names.len()).unwrap();
            names.extend(name.as_bytes());
            names.push(0);
            at
        })
        .collect();
    sections[5].4 = names;
    let mut file = vec![0u8; 64];
    file[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    (file[16], file[18], file[20], file[52], file[58], file[60], file[62]) = (1, 62, 1, 64, 64, 6, 5);
    let mut headers = Vec::new();
    for (name, (_, kind, link, entry, bytes)) in offsets.into_iter().zip(&sections) {
        file.resize(file.len().next_multiple_of(8), 0);
        headers.extend(name.to_le_bytes());
        headers.extend(kind.to_le_bytes());
        headers.extend([0; 16]);
        headers.extend((file.len() as u64).to_le_bytes());
        headers.extend((bytes.len() as u64).to_le_bytes());
        headers.extend(link.to_le_bytes());
        headers.extend([1, 0, 0, 0]);
        headers.extend([8, 0, 0, 0, 0, 0, 0, 0]);
        headers.extend(entry.to_le_bytes());
        file.extend(bytes);
    }
    file.resize(file.len().next_multiple_of(8), 0);
    let at = (file.len() as u64).to_le_bytes();
    file[40..48].copy_from_slice(&at);
    file.extend(headers);
    file
}
