//! Programs: for the machine that the image is for, and static where that was promised.
//!
//! Only the ELF header, the program headers and the dynamic section are read; a program's size does not matter.

use object::elf;
use object::read::elf::{Dyn as _, FileHeader as _, ProgramHeader as _};
use object::{LittleEndian, ReadCache, ReadCacheOps};
use tree::name::Arch;

/// Why a file is not the program that was promised.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ElfError {
    /// No ELF, or a broken one.
    #[error("not an ELF program: {0}")]
    Form(String),
    /// Another machine.
    #[error("expected machine {expected}, found {got}")]
    Machine {
        /// The machine's name, or its number.
        got: String,
        /// The machine's name.
        expected: &'static str,
    },
    /// An object file, a core dump, a library.
    #[error("expected an ELF executable, found type {0}")]
    Type(String),
    /// It needs a loader or libraries.
    #[error("expected a static executable, found a dynamic one ({0})")]
    Dynamic(String),
}

/// Checks that `input` is a program for `arch`, and that it is static where `must_be_static`.
pub fn check<R: ReadCacheOps>(input: R, arch: Arch, must_be_static: bool) -> Result<(), ElfError> {
    let cache = ReadCache::new(input);
    let form = |error: object::Error| ElfError::Form(error.to_string());
    let header = elf::FileHeader64::<LittleEndian>::parse(&cache).map_err(form)?;
    let endian = header.endian().map_err(form)?;
    let (machine, expected) = match arch {
        Arch::Amd64 => (elf::EM_X86_64, "x86-64"),
        Arch::Arm64 => (elf::EM_AARCH64, "aarch64"),
    };
    let got = header.e_machine(endian);
    if got != machine {
        return Err(ElfError::Machine { got: machine_name(got), expected });
    }
    let kind = header.e_type(endian);
    if kind != elf::ET_EXEC && kind != elf::ET_DYN {
        return Err(ElfError::Type(format!("{kind:?}")));
    }
    let segments = header.program_headers(endian, &cache).map_err(form)?;
    if !segments.iter().any(|segment| segment.p_type(endian) == elf::PT_LOAD) {
        return Err(ElfError::Form("no loadable segment".to_owned()));
    }
    if !must_be_static {
        return Ok(());
    }
    for segment in segments {
        if let Some(path) = segment.interpreter(endian, &cache).map_err(form)? {
            return Err(ElfError::Dynamic(format!("loader `{}`", String::from_utf8_lossy(path))));
        }
        let entries = segment.dynamic(endian, &cache).map_err(form)?.unwrap_or_default();
        if entries
            .iter()
            .take_while(|e| e.d_tag(endian) != elf::DT_NULL)
            .any(|e| e.d_tag(endian) == elf::DT_NEEDED)
        {
            return Err(ElfError::Dynamic("needs libraries".to_owned()));
        }
    }
    Ok(())
}

fn machine_name(machine: elf::Machine) -> String {
    match machine {
        elf::EM_X86_64 => "x86-64".to_owned(),
        elf::EM_AARCH64 => "aarch64".to_owned(),
        elf::EM_386 => "i386".to_owned(),
        elf::EM_ARM => "arm".to_owned(),
        elf::EM_RISCV => "riscv".to_owned(),
        elf::EM_PPC64 => "ppc64".to_owned(),
        elf::EM_S390 => "s390".to_owned(),
        other => format!("{other:?}"),
    }
}
