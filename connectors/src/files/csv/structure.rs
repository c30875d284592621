//! Where the bytes are that could end a field, 64 at a time. What they mean there is [`super::records`]'s.

/// Bytes that one mask stands for.
pub(super) const BLOCK: usize = 64;

/// The bytes that mean something: delimiter, line ends, quote, escape.
#[derive(Debug, Clone, Copy)]
pub(super) struct Marks([u8; 5]);

impl Marks {
    /// A character that the dialect has not stands for the delimiter once more.
    pub(super) fn new(delimiter: u8, quote: Option<u8>, escape: Option<u8>) -> Self {
        Self([delimiter, b'\n', b'\r', quote.unwrap_or(delimiter), escape.unwrap_or(delimiter)])
    }

    /// Which of the first 64 bytes are marks, the first at the lowest bit; of fewer bytes, which of those.
    pub(super) fn find(&self, bytes: &[u8]) -> u64 {
        if let Some(block) = bytes.first_chunk::<BLOCK>() {
            return self.find_in_block(block);
        }
        let mut block = [0; BLOCK];
        block[..bytes.len()].copy_from_slice(bytes);
        self.find_in_block(&block) & ((1 << bytes.len()) - 1)
    }

    /// Written so that the compiler compares 16 bytes or more at once.
    #[inline]
    fn find_in_block(&self, block: &[u8; BLOCK]) -> u64 {
        let [a, b, c, d, e] = self.0;
        let mut hits = [0_u8; BLOCK];
        for (hit, &byte) in hits.iter_mut().zip(block) {
            *hit = u8::from(byte == a) | u8::from(byte == b) | u8::from(byte == c) | u8::from(byte == d) | u8::from(byte == e);
        }
        let mut mask = 0;
        for (index, eight) in hits.as_chunks::<8>().0.iter().enumerate() {
            // Byte i times 2^(56 - 7i) has its bit at 56 + i: the product gathers eight bits in its highest byte.
            let gathered = u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
            mask |= gathered << (8 * index);
        }
        mask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mark_is_found_at_every_place() {
        let marks = Marks::new(b';', Some(b'\''), Some(b'\\'));
        for length in 0..=BLOCK + 3 {
            for at in 0..length {
                for &mark in b";\n\r'\\" {
                    let mut bytes = vec![b'x'; length];
                    bytes[at] = mark;
                    assert_eq!(marks.find(&bytes), if at < BLOCK { 1 << at } else { 0 });
                }
            }
        }
    }

    #[test]
    fn what_is_beyond_the_bytes_is_no_mark_even_of_delimiter_zero() {
        assert_eq!(Marks::new(0, None, None).find(b"a\0b"), 0b010);
    }
}
