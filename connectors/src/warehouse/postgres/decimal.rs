//! Decimals as `numeric` takes them.

/// Digits of `numeric` are sent in groups of four.
const GROUP: u128 = 10_000;
/// Groups of the widest decimal: 38 digits, cut at the point.
const MOST_GROUPS: usize = 11;

/// The form of `numeric`: how many groups of four decimal digits, the power of 10,000 of the first, the sign, digits behind the
/// point that are shown, the groups. Zeros at both ends are left out.
pub(super) fn write(out: &mut Vec<u8>, value: i128, scale: u8) {
    let mut groups = [0_u16; 2 * MOST_GROUPS];
    let absolute = value.unsigned_abs();
    let point = 10_u128.pow(scale.into());
    let (mut whole, mut rest) = (absolute / point, absolute % point);
    // Behind the point, from the last group, which may be short, to the first.
    let behind = usize::from(scale).div_ceil(4);
    let mut end = MOST_GROUPS + behind;
    let short = u32::from(scale % 4);
    for index in (MOST_GROUPS..end).rev() {
        let is_short = short > 0 && index + 1 == end;
        let (size, pad) = if is_short { (10_u128.pow(short), 10_u128.pow(4 - short)) } else { (GROUP, 1) };
        groups[index] = group(rest % size * pad);
        rest /= size;
    }
    let mut start = MOST_GROUPS;
    while whole > 0 {
        start -= 1;
        groups[start] = group(whole % GROUP);
        whole /= GROUP;
    }
    while start < end && groups[start] == 0 {
        start += 1;
    }
    while end > start && groups[end - 1] == 0 {
        end -= 1;
    }
    let sent = &groups[start..end];
    // MOST_GROUPS is where the point is; the positions are below 22.
    let weight = if sent.is_empty() { 0 } else { small(MOST_GROUPS) - small(start) - 1 };
    let sign: u16 = if value < 0 { 0x4000 } else { 0 };
    let length = 8 + 2 * sent.len();
    out.extend_from_slice(&i32::from(small(length)).to_be_bytes());
    out.extend_from_slice(&small(sent.len()).to_be_bytes());
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&u16::from(scale).to_be_bytes());
    for group in sent {
        out.extend_from_slice(&group.to_be_bytes());
    }
}

/// The rest of a division by 10,000.
fn group(digits: u128) -> u16 {
    u16::try_from(digits).unwrap_or_default()
}

/// A number of some dozens.
fn small(number: usize) -> i16 {
    i16::try_from(number).unwrap_or(i16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(value: i128, scale: u8) -> Vec<i32> {
        let mut out = Vec::new();
        write(&mut out, value, scale);
        assert_eq!(i32::from_be_bytes(out[..4].try_into().unwrap()), i32::try_from(out.len() - 4).unwrap());
        out[4..].chunks(2).map(|pair| i16::from_be_bytes([pair[0], pair[1]]).into()).collect()
    }

    #[test]
    fn numeric_is_cut_into_groups_at_the_point() {
        // Groups, power of the first group, sign, digits behind the point; then the groups. By hand, from numeric_send.
        assert_eq!(sent(0, 2), [0, 0, 0, 2]);
        assert_eq!(sent(12_345_678, 2), [3, 1, 0, 2, 12, 3456, 7800]);
        assert_eq!(sent(-5, 3), [1, -1, 0x4000, 3, 50]);
        assert_eq!(sent(10_000, 0), [1, 1, 0, 0, 1]);
        assert_eq!(sent(1, 9), [1, -3, 0, 9, 1000]);
        let widest = sent(10_i128.pow(38) - 1, 38);
        assert_eq!(widest[..5], [10, -1, 0, 38, 9999]);
        assert_eq!(widest.last(), Some(&9900));
    }
}
