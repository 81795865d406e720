//! Compressed streams: exactly one, whole, and no larger than is plausible.
//!
//! | form | accepted | format |
//! |---|---|---|
//! | gzip | one member | RFC 1952 |
//! | xz | one stream with a check that is known, dictionary up to 64 MiB | xz-file-format 1.2.1 |
//! | zstd | one frame, window up to 128 MiB | RFC 8878 |
//! | layers of container images: gzip, zstd | any number of members or frames | likewise |
//!
//! A second member, stream or frame, padding, or anything else after the end is refused: dpkg reads the first
//! and leaves the rest, `gzip -d` and `xz -d` join them, so what they mean is in doubt (but of layers, which have a digest of what
//! comes out, and many members where parts of them are read alone). That is checked when
//! the reader is read to its end, and a reader says "end" only then.
//!
//! Limits: an absolute number of bytes, and a ratio that holds once more than `Limits::free` bytes came out, so
//! that a bomb stops early. The decoders' own memory is bounded as in the table.
//!
//! | what | free | ratio | why |
//! |---|---|---|---|
//! | text and modules, which come into memory | 1 MiB | 200 | an index of packages grows tenfold, a module fourfold |
//! | archives of files, which go to the store | 64 MiB | 1000 | below |
//!
//! Nothing is wrong with an archive that has the same page or the same table a thousand times: of the packages of Debian 13, fonts
//! and sources in 30 KB grow more than threehundredfold, and 1.3 MB of test data to 740 MB. What a package says of its own size
//! (`Installed-Size`) is its maker's word, and no help. Zeros grow more than all of them: 1030 times by gzip, 7000 times by xz.

use std::fmt;
use std::io::{self, BufRead, Read};

/// How a stream is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Not at all.
    Plain,
    /// gzip.
    Gzip,
    /// xz.
    Xz,
    /// Zstandard.
    Zstd,
    /// gzip, with as many members as there are.
    GzipMembers,
    /// Zstandard, with as many frames as there are.
    ZstdFrames,
}

/// How much may come out of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in all.
    pub output: u64,
    /// Bytes per byte of input, once more than `free` came out.
    pub ratio: u64,
    /// Bytes that may come out whatever the ratio is.
    pub free: u64,
}

/// Why a stream is refused. It travels inside an `io::Error` of the kind `InvalidData`.
#[derive(Debug, thiserror::Error)]
pub enum DecompressError {
    /// The decoder gave up, or the stream is cut.
    #[error("corrupt {form} data: {cause}")]
    Corrupt {
        /// What it should be.
        form: Form,
        /// What the decoder says.
        cause: String,
    },
    /// Bytes after the end.
    #[error("trailing data after the {form} stream")]
    Trailing {
        /// What ended.
        form: Form,
    },
    /// More than the ratio allows.
    #[error("{form} data expands too much: expected at most {limit} times its compressed size")]
    Ratio {
        /// What it is.
        form: Form,
        /// The limit.
        limit: u64,
    },
    /// More than the absolute limit.
    #[error("decompressed size exceeds the limit of {limit} bytes")]
    Size {
        /// The limit.
        limit: u64,
    },
}

/// A reader of what `input` decompresses to.
///
/// Errors of the stream are `InvalidData` with a `DecompressError` inside; errors of `input` pass as they are.
pub fn reader<R: BufRead>(form: Form, input: R, limits: Limits) -> io::Result<Reader<R>> {
    let mut input = Counted { inner: input, read: 0, failed: false };
    // a decoder that is given nothing may call that a stream of nothing
    if form != Form::Plain && input.fill_buf()?.is_empty() {
        return Err(corrupt(form, "it is empty"));
    }
    let decoder = match form {
        Form::Plain => Decoder::Plain(input),
        Form::Gzip => Decoder::Gzip(Box::new(flate2::bufread::GzDecoder::new(input))),
        Form::Xz => {
            use liblzma::stream::{Stream, TELL_NO_CHECK, TELL_UNSUPPORTED_CHECK};
            let stream = Stream::new_stream_decoder(XZ_MEMORY, TELL_NO_CHECK | TELL_UNSUPPORTED_CHECK)?;
            Decoder::Xz(Box::new(liblzma::bufread::XzDecoder::new_stream(input, stream)))
        }
        Form::GzipMembers => Decoder::GzipMembers(Box::new(flate2::bufread::MultiGzDecoder::new(input))),
        Form::Zstd | Form::ZstdFrames => {
            let decoder = zstd::stream::read::Decoder::with_buffer(input)?;
            let mut decoder = if form == Form::Zstd { decoder.single_frame() } else { decoder };
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            Decoder::Zstd(Box::new(decoder))
        }
    };
    Ok(Reader { form, decoder, limits, written: 0, ended: false })
}

/// Decompresses one stream; see `reader`.
pub struct Reader<R: BufRead> {
    form: Form,
    decoder: Decoder<R>,
    limits: Limits,
    written: u64,
    ended: bool,
}

/// What `xz -9` needs is 65 MiB; Debian's packages are made with `-6` and need 9.
const XZ_MEMORY: u64 = 72 << 20;

/// `zstd --ultra -22` makes windows of 128 MiB; Debian-style packages are made with 8.
const ZSTD_WINDOW_LOG: u32 = 27;

enum Decoder<R: BufRead> {
    Plain(Counted<R>),
    Gzip(Box<flate2::bufread::GzDecoder<Counted<R>>>),
    GzipMembers(Box<flate2::bufread::MultiGzDecoder<Counted<R>>>),
    Xz(Box<liblzma::bufread::XzDecoder<Counted<R>>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, Counted<R>>>),
}

/// Counts what a decoder consumes, and remembers that it was the input that failed, not the stream.
struct Counted<R> {
    inner: R,
    read: u64,
    failed: bool,
}

impl Form {
    /// The form of a layer that begins with `bytes`: what it is called is not always what it is.
    #[must_use]
    pub fn of_layer(bytes: &[u8]) -> Self {
        match bytes {
            [0x1f, 0x8b, ..] => Self::GzipMembers,
            // a frame, or one that is passed over
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::ZstdFrames,
            _ => Self::Plain,
        }
    }

    /// The form of a member of a `.deb`, by the end of its name (deb(5)); none for bzip2 and lzma, which Debian 13's
    /// archive no longer has.
    #[must_use]
    pub fn of_extension(extension: &str) -> Option<Self> {
        match extension {
            "" => Some(Self::Plain),
            ".gz" => Some(Self::Gzip),
            ".xz" => Some(Self::Xz),
            ".zst" => Some(Self::Zstd),
            _ => None,
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Gzip | Self::GzipMembers => "gzip",
            Self::Xz => "xz",
            Self::Zstd | Self::ZstdFrames => "zstd",
        })
    }
}

impl Limits {
    /// For what is read into memory: at most `output` bytes; 200 times the input once more than 1 MiB came out.
    #[must_use]
    pub fn up_to(output: u64) -> Self {
        Self { output, ratio: 200, free: 1 << 20 }
    }

    /// For an archive of files: at most `output` bytes; 1000 times the input once more than 64 MiB came out.
    #[must_use]
    pub fn of_files(output: u64) -> Self {
        Self { output, ratio: 1000, free: 64 << 20 }
    }
}

impl<R: BufRead> Read for Reader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() || self.ended {
            return Ok(0);
        }
        let got = self.decoder.read(buf).map_err(|error| {
            if self.decoder.input().failed { error } else { corrupt(self.form, &error.to_string()) }
        })?;
        if got == 0 {
            if !self.decoder.input().fill_buf()?.is_empty() {
                return Err(refused(DecompressError::Trailing { form: self.form }));
            }
            self.ended = true;
            return Ok(0);
        }
        self.written += got as u64;
        self.check_growth()?;
        Ok(got)
    }
}

impl<R: BufRead> Reader<R> {
    fn check_growth(&mut self) -> io::Result<()> {
        let limits = self.limits;
        if self.written > limits.output {
            return Err(refused(DecompressError::Size { limit: limits.output }));
        }
        let allowed = self.decoder.input().read.saturating_mul(limits.ratio);
        if self.form != Form::Plain && self.written > limits.free && self.written > allowed {
            return Err(refused(DecompressError::Ratio { form: self.form, limit: limits.ratio }));
        }
        Ok(())
    }
}

impl<R: BufRead> Decoder<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(input) => input.read(buf),
            Self::Gzip(decoder) => decoder.read(buf),
            Self::GzipMembers(decoder) => decoder.read(buf),
            Self::Xz(decoder) => decoder.read(buf),
            Self::Zstd(decoder) => decoder.read(buf),
        }
    }

    fn input(&mut self) -> &mut Counted<R> {
        match self {
            Self::Plain(input) => input,
            Self::Gzip(decoder) => decoder.get_mut(),
            Self::GzipMembers(decoder) => decoder.get_mut(),
            Self::Xz(decoder) => decoder.get_mut(),
            Self::Zstd(decoder) => decoder.get_mut(),
        }
    }
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let got = self.fill_buf()?.read(buf)?;
        self.consume(got);
        Ok(got)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let failed = &mut self.failed;
        self.inner.fill_buf().inspect_err(|_| *failed = true)
    }

    fn consume(&mut self, amount: usize) {
        self.read += amount as u64;
        self.inner.consume(amount);
    }
}

fn refused(error: DecompressError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn corrupt(form: Form, cause: &str) -> io::Error {
    refused(DecompressError::Corrupt { form, cause: cause.to_owned() })
}

#[cfg(test)]
mod tests;
