//! Bytes to UTF-8, in chunks of any size. What the text says is not known here.
//!
//! Bytes that are no character of the encoding become a byte that is no UTF-8, not a replacement character: whoever reads the
//! field then meets an error with a place, and the damage is not stored as if it were data.

use std::fmt;

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// Stands for bytes that could not be decoded. It occurs nowhere in UTF-8.
const UNDECODABLE: u8 = 0xff;
/// Room that is made for decoded text at once.
const STEP: usize = 64 << 10;

/// The `encoding` option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Choice {
    /// By the byte order mark; else UTF-16 by its zero bytes; else UTF-8 if the sample is; else windows-1252.
    #[default]
    Auto,
    /// UTF-16 in the order that the byte order mark or the zero bytes tell.
    Utf16,
    /// This one. A byte order mark of another Unicode encoding goes before it, as in browsers.
    Named(&'static Encoding),
}

impl Choice {
    /// Reads the option: `auto`, `utf-8`, `utf-16`, `utf-16le`, `utf-16be`, `latin1`, `iso-8859-1` and `windows-1252` (one and
    /// the same), or any label of the [WHATWG's list](https://encoding.spec.whatwg.org/#names-and-labels).
    ///
    /// # Errors
    /// Nobody calls an encoding so.
    pub fn parse(label: &str) -> Result<Self, UnknownEncoding> {
        match label.trim().to_ascii_lowercase().as_str() {
            "auto" => Ok(Self::Auto),
            "utf-16" | "utf16" => Ok(Self::Utf16),
            "utf16le" => Ok(Self::Named(UTF_16LE)),
            "utf16be" => Ok(Self::Named(UTF_16BE)),
            // The list's `replacement` stands for encodings that nobody should read.
            known => Encoding::for_label_no_replacement(known.as_bytes())
                .map(Self::Named)
                .ok_or_else(|| UnknownEncoding(label.trim().to_owned())),
        }
    }
}

/// A label that names no encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownEncoding(String);

impl fmt::Display for UnknownEncoding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "unknown encoding '{}': use auto, utf-8, utf-16, latin1 or another WHATWG label", self.0)
    }
}

impl std::error::Error for UnknownEncoding {}

/// What a file is encoded in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detected {
    /// The encoding.
    pub encoding: &'static Encoding,
    /// Bytes of the byte order mark at the file's start, which are no text: skip them.
    pub mark: usize,
    /// What the user should be told: the encoding was guessed, or is not what was asked for.
    pub note: Option<String>,
}

impl Detected {
    /// What decodes the bytes behind the mark. None for UTF-8: the bytes are the text already.
    #[must_use]
    pub fn transcoder(&self) -> Option<Transcoder> {
        (self.encoding != UTF_8).then(|| Transcoder::new(self.encoding))
    }

    /// Decodes a sample that begins with the file's first byte.
    #[must_use]
    pub fn decode<'a>(&self, sample: &'a [u8]) -> std::borrow::Cow<'a, [u8]> {
        let text = sample.get(self.mark..).unwrap_or_default();
        match self.transcoder() {
            None => text.into(),
            Some(mut transcoder) => {
                let mut out = Vec::new();
                transcoder.push(text, &mut out);
                out.into()
            }
        }
    }
}

/// Finds the encoding of the file that `sample` is the beginning of, or all of if `complete`.
#[must_use]
pub fn detect(sample: &[u8], complete: bool, choice: Choice) -> Detected {
    let plain = |encoding, note| Detected { encoding, mark: 0, note };
    if let Some((encoding, mark)) = Encoding::for_bom(sample) {
        let wanted = match choice {
            Choice::Named(named) => named == encoding,
            Choice::Utf16 => encoding != UTF_8,
            Choice::Auto => true,
        };
        let note = (!wanted).then(|| format!("read as {}, which its byte order mark names", encoding.name()));
        return Detected { encoding, mark, note };
    }
    match choice {
        Choice::Named(encoding) => plain(encoding, None),
        Choice::Utf16 => plain(order_of_zeros(sample).unwrap_or(UTF_16LE), None),
        Choice::Auto => match order_of_zeros(sample) {
            Some(encoding) => plain(encoding, Some(format!("read as {}, by its zero bytes", encoding.name()))),
            None => guess_bytes(sample, complete),
        },
    }
}

/// UTF-16 without a mark: of text that is mostly Latin, one byte of each pair is zero. No other encoding of text has zeros.
fn order_of_zeros(sample: &[u8]) -> Option<&'static Encoding> {
    let (pairs, _) = sample.as_chunks::<2>();
    let first = pairs.iter().filter(|pair| pair[0] == 0).count();
    let second = pairs.iter().filter(|pair| pair[1] == 0).count();
    let mostly = |zeros: usize, others: usize| zeros > 0 && zeros * 4 >= pairs.len() && others * 20 <= zeros;
    if mostly(second, first) {
        Some(UTF_16LE)
    } else if mostly(first, second) {
        Some(UTF_16BE)
    } else {
        None
    }
}

/// UTF-8, unless the sample has more bytes that cannot be than characters that show it is.
fn guess_bytes(sample: &[u8], complete: bool) -> Detected {
    let (mut wrong, mut characters) = (0, 0);
    let chunks = sample.utf8_chunks();
    let mut rest = sample.len();
    for chunk in chunks {
        characters += chunk.valid().chars().filter(|character| !character.is_ascii()).count();
        rest -= chunk.valid().len() + chunk.invalid().len();
        let cut_off = rest == 0 && !complete && std::str::from_utf8(chunk.invalid()).is_err_and(|e| e.error_len().is_none());
        if !chunk.invalid().is_empty() && !cut_off {
            wrong += 1;
        }
    }
    let (encoding, note) = if wrong == 0 {
        (UTF_8, None)
    } else if characters >= 10 * wrong {
        (UTF_8, Some(format!("read as UTF-8, with {wrong} places in the first {} bytes that are not", sample.len())))
    } else {
        (
            WINDOWS_1252,
            Some("read as windows-1252 (Latin-1), because it is not UTF-8; set 'encoding' if it is another".to_owned()),
        )
    };
    Detected { encoding, mark: 0, note }
}

/// Decodes a stream.
pub struct Transcoder {
    decoder: Decoder,
    undecodable: u64,
}

impl fmt::Debug for Transcoder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Transcoder")
            .field("encoding", &self.decoder.encoding().name())
            .field("undecodable", &self.undecodable)
            .finish()
    }
}

impl Transcoder {
    /// Decodes from `encoding`. The byte order mark, if there is one, must not be pushed.
    #[must_use]
    pub fn new(encoding: &'static Encoding) -> Self {
        Self { decoder: encoding.new_decoder_without_bom_handling(), undecodable: 0 }
    }

    /// Appends the text of `chunk` to `out`. A character that is cut off is kept for the next chunk.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        self.decode(chunk, false, out);
    }

    /// No more bytes follow: a character that was cut off is undecodable.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.decode(&[], true, out);
    }

    /// Places so far whose bytes were no character.
    #[must_use]
    pub fn undecodable(&self) -> u64 {
        self.undecodable
    }

    fn decode(&mut self, mut chunk: &[u8], last: bool, out: &mut Vec<u8>) {
        loop {
            let written = out.len();
            let room = self.decoder.max_utf8_buffer_length_without_replacement(chunk.len()).unwrap_or(STEP).min(STEP);
            out.resize(written + room, 0);
            let (result, read, added) = self.decoder.decode_to_utf8_without_replacement(chunk, &mut out[written..], last);
            out.truncate(written + added);
            chunk = &chunk[read..];
            match result {
                DecoderResult::InputEmpty => return,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => {
                    out.push(UNDECODABLE);
                    self.undecodable += 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "id,città\r\n1,Zürich – 東京 🚕\r\n";

    fn utf16(text: &str, order: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(order).collect()
    }

    fn decoded(bytes: &[u8], choice: Choice, chunk: usize) -> (Vec<u8>, Detected) {
        let detected = detect(bytes, true, choice);
        let mut out = Vec::new();
        match detected.transcoder() {
            None => out.extend(&bytes[detected.mark..]),
            Some(mut transcoder) => {
                bytes[detected.mark..].chunks(chunk).for_each(|chunk| transcoder.push(chunk, &mut out));
                transcoder.finish(&mut out);
            }
        }
        (out, detected)
    }

    #[test]
    fn byte_order_marks_tell_the_encoding_and_are_no_text() {
        let mut marked: Vec<Vec<u8>> = vec![[&b"\xef\xbb\xbf"[..], TEXT.as_bytes()].concat()];
        marked.push([&b"\xff\xfe"[..], &utf16(TEXT, u16::to_le_bytes)].concat());
        marked.push([&b"\xfe\xff"[..], &utf16(TEXT, u16::to_be_bytes)].concat());
        for bytes in &marked {
            for choice in [Choice::Auto, Choice::Utf16, Choice::Named(WINDOWS_1252)] {
                for chunk in [1, 2, 3, 7, 1000] {
                    assert_eq!(decoded(bytes, choice, chunk).0, TEXT.as_bytes());
                }
            }
        }
        assert!(detect(&marked[0], true, Choice::Auto).note.is_none());
        assert!(detect(&marked[1], true, Choice::Named(UTF_8)).note.is_some_and(|note| note.contains("UTF-16LE")));
    }

    #[test]
    fn utf_16_without_a_mark_is_known_by_its_zeros() {
        for (order, encoding) in [(u16::to_le_bytes as fn(u16) -> [u8; 2], UTF_16LE), (u16::to_be_bytes, UTF_16BE)] {
            for choice in [Choice::Auto, Choice::Utf16] {
                let (out, detected) = decoded(&utf16(TEXT, order), choice, 5);
                assert_eq!((out.as_slice(), detected.encoding, detected.mark), (TEXT.as_bytes(), encoding, 0));
            }
        }
        assert_eq!(detect(b"a,b\n\0,c\n1,2\n", true, Choice::Auto).encoding, UTF_8);
    }

    #[test]
    fn latin_1_is_the_last_guess_and_noted() {
        let (out, detected) = decoded(b"name\nJos\xe9\nZ\xfcrich\n", Choice::Auto, 1);
        assert_eq!(out, "name\nJosé\nZürich\n".as_bytes());
        assert_eq!(detected.encoding, WINDOWS_1252);
        assert!(detected.note.is_some());
    }

    #[test]
    fn a_sample_that_ends_within_a_character_is_utf_8() {
        let sample = &"name\nJosé".as_bytes()[..9];
        assert_eq!(detect(sample, false, Choice::Auto), Detected { encoding: UTF_8, mark: 0, note: None });
        assert_eq!(detect(sample, true, Choice::Auto).encoding, WINDOWS_1252);
    }

    #[test]
    fn one_damaged_byte_does_not_make_a_file_latin_1() {
        let bytes = ["é".repeat(20).as_bytes(), b"\xe9,", "é".repeat(20).as_bytes()].concat();
        let detected = detect(&bytes, true, Choice::Auto);
        assert_eq!(detected.encoding, UTF_8);
        assert!(detected.note.is_some());
    }

    #[test]
    fn what_cannot_be_decoded_is_counted_and_is_no_utf_8() {
        let mut bytes = utf16("a,", u16::to_le_bytes);
        bytes.extend(0xd800_u16.to_le_bytes());
        bytes.extend(utf16(",b", u16::to_le_bytes));
        bytes.push(b'x');
        for chunk in [1, 2, 100] {
            let mut transcoder = Transcoder::new(UTF_16LE);
            let mut out = Vec::new();
            bytes.chunks(chunk).for_each(|chunk| transcoder.push(chunk, &mut out));
            transcoder.finish(&mut out);
            assert_eq!(out, b"a,\xff,b\xff");
            assert_eq!(transcoder.undecodable(), 2);
        }
    }

    #[test]
    fn labels_are_those_people_write() {
        for label in ["latin1", "ISO-8859-1", "windows-1252", "l1"] {
            assert_eq!(Choice::parse(label), Ok(Choice::Named(WINDOWS_1252)), "{label}");
        }
        assert_eq!(Choice::parse(" UTF8 "), Ok(Choice::Named(UTF_8)));
        assert_eq!(Choice::parse("utf-16"), Ok(Choice::Utf16));
        assert_eq!(Choice::parse("UTF-16BE"), Ok(Choice::Named(UTF_16BE)));
        assert!(Choice::parse("shift_jis").is_ok());
        assert!(Choice::parse("klingon").unwrap_err().to_string().starts_with("unknown encoding 'klingon'"));
    }

    #[test]
    fn nothing_is_utf_8() {
        assert_eq!(detect(b"", true, Choice::Auto), Detected { encoding: UTF_8, mark: 0, note: None });
    }
}
