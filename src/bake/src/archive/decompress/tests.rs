use super::*;
use std::io::Write as _;

const FORMS: [Form; 3] = [Form::Gzip, Form::Xz, Form::Zstd];

fn pack(form: Form, bytes: &[u8]) -> Vec<u8> {
    match form {
        Form::Plain => bytes.to_vec(),
        Form::Gzip | Form::GzipMembers => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Form::Xz => {
            let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 6);
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Form::Zstd | Form::ZstdFrames => {
            let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
            encoder.include_checksum(true).unwrap();
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
    }
}

fn unpack(form: Form, packed: &[u8], limits: Limits) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    reader(form, packed, limits)?.read_to_end(&mut out)?;
    Ok(out)
}

fn refusal(form: Form, packed: &[u8]) -> String {
    let error = unpack(form, packed, Limits::up_to(1 << 30)).unwrap_err();
    assert!(crate::archive::is_content_fault(&error), "{error:?}");
    error.to_string()
}

#[test]
fn what_was_packed_comes_out_again() {
    let text: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    for form in [Form::Plain, Form::Gzip, Form::Xz, Form::Zstd] {
        assert!(unpack(form, &pack(form, &text), Limits::up_to(1 << 30)).unwrap() == text, "{form}");
    }
}

#[test]
fn a_stream_cut_anywhere_is_refused() {
    for form in FORMS {
        let packed = pack(form, b"some text that is text, some text that is text");
        for cut in 0..packed.len() {
            assert!(
                refusal(form, &packed[..cut]).starts_with(&format!("corrupt {form} data")),
                "{form} {cut}"
            );
        }
    }
}

#[test]
fn a_changed_byte_of_the_content_is_refused() {
    for form in FORMS {
        let text: Vec<u8> =
            (0..5000_u32).flat_map(|n| (n.wrapping_mul(2_654_435_761)).to_le_bytes()).collect();
        let mut packed = pack(form, &text);
        let middle = packed.len() / 2;
        packed[middle] ^= 0x10;
        assert!(refusal(form, &packed).starts_with(&format!("corrupt {form} data")), "{form}");
    }
}

#[test]
fn a_layer_is_as_many_members_or_frames_as_there_are_and_nothing_else() {
    let (first, second) = (b"some text ".repeat(100), b"and more".to_vec());
    let both = [first.as_slice(), &second].concat();
    for (one, many) in [(Form::Gzip, Form::GzipMembers), (Form::Zstd, Form::ZstdFrames)] {
        let packed = [pack(one, &first), pack(one, &second)].concat();
        assert_eq!(Form::of_layer(&packed), many);
        assert_eq!(unpack(many, &packed, Limits::up_to(1 << 30)).unwrap(), both, "{one}");
        assert!(unpack(one, &packed, Limits::up_to(1 << 30)).is_err(), "{one}");
        for cut in [packed.len() - 1, pack(one, &first).len() + 5] {
            assert!(unpack(many, &packed[..cut], Limits::up_to(1 << 30)).is_err(), "{one} {cut}");
        }
        let garbage = [&packed[..], b"garbage that is long enough"].concat();
        assert!(unpack(many, &garbage, Limits::up_to(1 << 30)).is_err(), "{one}");
    }
    assert_eq!(Form::of_layer(b"./\0\0"), Form::Plain);
    assert_eq!(Form::of_layer(b""), Form::Plain);
}

#[test]
fn data_after_the_stream_is_refused() {
    for form in FORMS {
        let packed = pack(form, b"first");
        for tail in [&b"\0"[..], b"\0\0\0\0", b"x", &packed] {
            let joined = [&packed[..], tail].concat();
            assert_eq!(refusal(form, &joined), format!("trailing data after the {form} stream"), "{tail:?}");
        }
    }
}

#[test]
fn a_bomb_stops_at_the_ratio() {
    for form in FORMS {
        let packed = pack(form, &vec![0; 16 << 20]);
        let mut reader = reader(form, &packed[..], Limits::up_to(1 << 30)).unwrap();
        let mut buffer = vec![0; 64 << 10];
        let mut seen = 0;
        let error = loop {
            match reader.read(&mut buffer) {
                Ok(got) => seen += got,
                Err(error) => break error.to_string(),
            }
        };
        assert!(error.contains("expands too much") && error.contains("200"), "{form}: {error}");
        // the decoders take their input in blocks, so a little more than the ratio is seen
        assert!(seen < 8 << 20, "{form}: {seen}");
    }
}

/// Blocks that are each like the one before but for a few bytes, as tables and pages that a program has made.
fn much_alike(blocks: u32) -> Vec<u8> {
    let noise = |n: u32| n.wrapping_mul(2_654_435_761).rotate_left(n % 29).to_le_bytes();
    let block: Vec<u8> = (0..1024).flat_map(noise).collect();
    (0..blocks).flat_map(|n| [&noise(n)[..], &block].concat()).collect()
}

#[test]
fn an_archive_may_have_the_same_file_many_times() {
    let text = much_alike(2 << 10);
    for form in [Form::Xz, Form::Zstd] {
        let packed = pack(form, &text);
        let ratio = text.len() / packed.len();
        assert!(ratio > 200, "{form}: {ratio}");
        assert!(unpack(form, &packed, Limits::of_files(1 << 30)).unwrap() == text, "{form}");
        assert!(refusal(form, &packed).contains("expands too much"), "{form}");
    }
}

#[test]
fn an_archive_of_zeros_stops_soon_after_what_is_free() {
    for form in FORMS {
        let packed = pack(form, &vec![0; 80 << 20]);
        let mut reader = reader(form, &packed[..], Limits::of_files(8 << 30)).unwrap();
        let mut buffer = vec![0; 64 << 10];
        let mut seen = 0;
        let error = loop {
            match reader.read(&mut buffer) {
                Ok(got @ 1..) => seen += got,
                Ok(_) => panic!("{form}: {seen} bytes came out"),
                Err(error) => break error.to_string(),
            }
        };
        assert!(error.contains("expands too much") && error.contains("1000"), "{form}: {error}");
        assert!(seen >= 64 << 20, "{form}: {seen}");
        // what the decoder has taken already counts, and gzip's own ratio is just above the limit
        assert!(seen < 66 << 20 || form == Form::Gzip, "{form}: {seen}");
    }
}

#[test]
fn a_hundred_members_are_not_a_way_around_the_limits() {
    for form in FORMS {
        let member = pack(form, &vec![0; 1 << 20]);
        assert!(refusal(form, &member.repeat(100)).starts_with("trailing data after"));
    }
}

#[test]
fn the_declared_size_is_a_limit_too() {
    for form in [Form::Plain, Form::Gzip, Form::Xz, Form::Zstd] {
        let packed = pack(form, &[7; 1001]);
        assert!(unpack(form, &packed, Limits::up_to(1001)).is_ok());
        let error = unpack(form, &packed, Limits::up_to(1000)).unwrap_err().to_string();
        assert_eq!(error, "decompressed size exceeds the limit of 1000 bytes");
    }
}

#[test]
fn a_dictionary_or_window_beyond_the_limit_is_refused() {
    let mut options = liblzma::stream::LzmaOptions::new_preset(0).unwrap();
    options.dict_size(256 << 20);
    let mut filters = liblzma::stream::Filters::new();
    filters.lzma2(&options);
    // the encoder would take gigabytes: write a small one and change what its header says of the dictionary
    let mut small = pack(Form::Xz, b"text");
    assert_eq!(small[16], 22, "the dictionary's size is at its place in the block header");
    small[16] = 40;
    let crc = crc32(&small[12..20]);
    small[20..24].copy_from_slice(&crc.to_le_bytes());
    assert!(refusal(Form::Xz, &small).contains("emory"), "{}", refusal(Form::Xz, &small));
    // a zstd frame header with a window of 2^31 bytes (RFC 8878 3.1.1.1.2)
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, (31 - 10) << 3, 0x01, 0x00, 0x00];
    assert!(refusal(Form::Zstd, &frame).starts_with("corrupt zstd data"));
}

#[test]
fn xz_without_a_check_is_refused() {
    let mut options = liblzma::stream::Filters::new();
    options.lzma2(&liblzma::stream::LzmaOptions::new_preset(1).unwrap());
    let stream = liblzma::stream::Stream::new_stream_encoder(&options, liblzma::stream::Check::None).unwrap();
    let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
    encoder.write_all(b"text").unwrap();
    assert!(refusal(Form::Xz, &encoder.finish().unwrap()).starts_with("corrupt xz data"));
}

#[test]
fn an_input_that_fails_is_not_called_corrupt() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("disk on fire"))
        }
    }
    for form in FORMS {
        let half = pack(form, &[1; 10_000]);
        let input = io::BufReader::new(half[..half.len() / 2].chain(Broken));
        let error =
            io::copy(&mut reader(form, input, Limits::up_to(1 << 20)).unwrap(), &mut io::sink()).unwrap_err();
        assert_eq!(error.to_string(), "disk on fire", "{form}");
    }
}

/// CRC-32 as in the header of an xz block.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}
