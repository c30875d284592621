//! Where tuples and their fields begin and end in what COPY sends.
//!
//! The format is that of <https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.4>: a signature, then tuples of fields with
//! their lengths, then -1. What the server sends in one message is a tuple as a rule; nothing here depends on it.

use std::ops::Range;

pub(super) const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";
/// Signature, flags and the length of what else there is before the first tuple.
pub(super) const HEADER: usize = SIGNATURE.len() + 8;
/// The number of fields that ends the data.
pub(super) const END: i16 = -1;
/// The fields of a tuple, as ranges of its bytes; `None` is NULL.
pub(in crate::postgres) type Fields = Vec<Option<Range<usize>>>;

/// What the beginning of some bytes is.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::postgres) enum Tuple {
    /// A tuple of this many bytes.
    Whole(usize),
    /// The beginning of one.
    Partial,
    /// The end of all.
    End,
}

/// Bytes that are not what COPY sends.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::postgres) struct Malformed(pub(in crate::postgres) &'static str);

/// How many bytes stand before the first tuple; `None` when there are too few to tell.
pub(in crate::postgres) fn header(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    let Some(head) = bytes.get(..HEADER) else { return Ok(None) };
    if !head.starts_with(SIGNATURE) {
        return Err(Malformed("no signature"));
    }
    let more = u32::from_be_bytes([head[15], head[16], head[17], head[18]]);
    let length = HEADER + usize::try_from(more).map_err(|_| Malformed("a header too long"))?;
    Ok((bytes.len() >= length).then_some(length))
}

/// Finds the fields of the tuple that `bytes` begin with.
pub(in crate::postgres) fn tuple(bytes: &[u8], expected: usize, fields: &mut Fields) -> Result<Tuple, Malformed> {
    fields.clear();
    let Some((count, _)) = bytes.split_first_chunk::<2>() else { return Ok(Tuple::Partial) };
    match i16::from_be_bytes(*count) {
        END => return Ok(Tuple::End),
        count if usize::try_from(count) != Ok(expected) => return Err(Malformed("another number of fields than asked for")),
        _ => {}
    }
    let mut at = 2;
    for _ in 0..expected {
        let Some((length, _)) = bytes.get(at..).and_then(<[u8]>::split_first_chunk::<4>) else { return Ok(Tuple::Partial) };
        at += 4;
        match i32::from_be_bytes(*length) {
            -1 => fields.push(None),
            length => {
                let length = usize::try_from(length).map_err(|_| Malformed("a negative length"))?;
                if bytes.len() - at < length {
                    return Ok(Tuple::Partial);
                }
                fields.push(Some(at..at + length));
                at += length;
            }
        }
    }
    Ok(Tuple::Whole(at))
}
