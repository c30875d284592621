//! What a fuzzer calls: any bytes, read in every way, and what must hold of the result. Not part of reading.

use super::encoding::{Choice, Transcoder, detect};
use super::{BadRecord, Dialect, Header, Hints, Limits, Record, Renames, Splitter, sniff};

/// A record or bad record: what is compared.
type Piece = (u64, u64, u64, u64, Vec<Vec<u8>>);

/// Splits `data` whole and in pieces, by a dialect and limits that its first bytes choose and by the one that is sniffed.
///
/// # Errors
/// The pieces it came in made a difference, or bytes were lost: a bug, said in words.
pub fn fuzz_split(data: &[u8]) -> Result<(), String> {
    let &[choice, limit, ref text @ ..] = data else { return Ok(()) };
    let pick = |bit: u8, byte: u8| (choice >> bit & 1 == 1).then_some(byte);
    let dialect = Dialect {
        delimiter: [b',', b'\t', Dialect::ONE_COLUMN, 0][usize::from(choice & 3)],
        quote: pick(2, b'"'),
        escape: pick(3, b'\\'),
        comment: pick(4, b'#'),
        header: false,
        trim: choice >> 5 & 1 == 1,
    };
    let limits = Limits { record_bytes: usize::from(limit) * 4 + 1, fields: usize::from(limit) + 1 };
    compare(&dialect, limits, text)?;

    let detected = detect(text, true, Choice::Auto);
    let decoded = detected.decode(text);
    if let Some(transcoder) = detected.transcoder() {
        same_text(transcoder, text.get(detected.mark..).unwrap_or_default(), &decoded)?;
    }
    let sniffed = sniff(&decoded, choice >> 6 & 1 == 1, &Hints::default());
    sniffed.dialect.validate().map_err(|error| error.to_string())?;
    compare(&sniffed.dialect, Limits::default(), decoded.get(sniffed.skip..).ok_or("skips more than there is")?)
}

fn same_text(mut transcoder: Transcoder, bytes: &[u8], whole: &[u8]) -> Result<(), String> {
    let mut out = Vec::new();
    bytes.chunks(1).for_each(|chunk| transcoder.push(chunk, &mut out));
    if out == whole { Ok(()) } else { Err("decoding depends on chunks".into()) }
}

fn compare(dialect: &Dialect, limits: Limits, text: &[u8]) -> Result<(), String> {
    let whole = pieces(dialect, limits, text.chunks(text.len().max(1)))?;
    for size in [1, 2, 3, 61, 67] {
        if pieces(dialect, limits, text.chunks(size))? != whole {
            return Err(format!("splitting depends on chunks of {size}: {dialect}"));
        }
    }
    let mut read = 0;
    for &(offset, length, ..) in &whole {
        skipped(dialect, text, read, offset)?;
        read = offset + length;
    }
    skipped(dialect, text, read, text.len() as u64)
}

/// Between records there is nothing but line ends, blank lines and comments.
fn skipped(dialect: &Dialect, text: &[u8], from: u64, to: u64) -> Result<(), String> {
    let between = text.get(from as usize..to as usize).ok_or("records overlap")?;
    let read = between.split(|byte| matches!(byte, b'\n' | b'\r')).any(|line| {
        let comment = dialect.comment.is_some() && line.first().copied() == dialect.comment;
        !comment && !line.iter().all(|byte| dialect.trim && matches!(byte, b' ' | b'\t'))
    });
    if read { Err(format!("bytes {from} to {to} are lost")) } else { Ok(()) }
}

fn pieces<'a>(dialect: &Dialect, limits: Limits, chunks: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Piece>, String> {
    let mut splitter = Splitter::with_limits(dialect, limits);
    let (mut out, mut total) = (Vec::new(), 0);
    for chunk in chunks {
        total += chunk.len() as u64;
        splitter.push(chunk);
        take(&mut splitter, &mut out)?;
        if splitter.held() > 2 * (limits.record_bytes + chunk.len() + 1) {
            return Err(format!("{} bytes are held", splitter.held()));
        }
    }
    splitter.finish();
    take(&mut splitter, &mut out)?;
    if splitter.consumed() == total { Ok(out) } else { Err(format!("{} of {total} bytes were read", splitter.consumed())) }
}

fn take(splitter: &mut Splitter, out: &mut Vec<Piece>) -> Result<(), String> {
    let mut scratch = Vec::new();
    while let Some(record) = splitter.next_record() {
        out.push(match record {
            Ok(record) => {
                if record.number() == 1 {
                    own_names(&record)?;
                }
                let fields = record.fields().map(|field| field.bytes(&mut scratch).to_vec()).collect();
                (record.offset(), record.raw().len() as u64, record.number(), record.line(), fields)
            }
            Err(BadRecord { raw, length, offset, number, line, .. }) => (offset, length, number, line, vec![raw.to_vec()]),
        });
    }
    Ok(())
}

/// A table made of a file's names finds every column where it is.
fn own_names(record: &Record<'_>) -> Result<(), String> {
    let Ok(header) = Header::read(record) else { return Ok(()) };
    let matching = header.matched(header.names(), &Renames::default());
    let own = matching.columns.iter().enumerate().all(|(index, &column)| column == Some(index));
    if own { Ok(()) } else { Err(format!("{:?} do not match themselves", header.names())) }
}
