//! What the fuzzers check, over texts made of what is awkward, and over what the fuzzers found.

use proptest::prelude::*;

use super::{csv, json};

/// Texts of `tokens`, and some other characters and bytes.
fn text(tokens: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        20 => proptest::sample::select(tokens).prop_map(|token| token.as_bytes().to_vec()),
        1 => ".{1,3}".prop_map(String::into_bytes),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    proptest::collection::vec(token, 0..60).prop_map(|tokens| tokens.concat())
}

const CSV: &[&str] = &[
    ",",
    ",",
    ",",
    "\n",
    "\n",
    "\r\n",
    "\r",
    "\"",
    "\"",
    "\"\"",
    "'",
    ";",
    "\t",
    "|",
    "\\",
    "#",
    " ",
    "a",
    "b",
    "a,b,c\n",
    "1",
    "-2.5",
    "00123",
    "1e9",
    "9223372036854775808",
    "true",
    "2026-11-21",
    "21/11/2026",
    "2026-11-21 10:30:00",
    "2026-11-21T10:30:00Z",
    "NA",
    "\\N",
    "x y",
    "\u{feff}",
    "sep=;\n",
    "\0",
    "\u{e9}",
];

const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\n",
    " ",
    "\"a\":",
    "\"b\":",
    "\"A\":",
    "{\"a\":1}",
    "{\"a\":1}\n",
    "{\"a\":\"x\"}\n",
    "{\"b\":[",
    "]}",
    "null",
    "true",
    "1",
    "-0",
    "1.5",
    "1e400",
    "01",
    "9223372036854775808",
    "0.1234567890123456789",
    "\"\"",
    "\"2026-11-21\"",
    "\"2026-11-21T10:30:00+01:00\"",
    "\"",
    "'",
    "\\",
    "\\u00e9",
    "\\ud800",
    "None",
    "True",
    "NaN",
    "-inf",
    "\u{feff}",
    "\t",
    "\r",
    "#",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_as_csv(choices in any::<[u8; 8]>(), text in text(CSV)) {
        prop_assert_eq!(csv::fuzz::fuzz_decode(&[&choices[..], &text].concat()), Ok(()));
    }

    #[test]
    fn any_bytes_are_read_as_json(choices in any::<[u8; 8]>(), text in text(JSON)) {
        prop_assert_eq!(json::fuzz::fuzz_decode(&[&choices[..], &text].concat()), Ok(()));
    }
}

#[test]
fn what_was_found_stays_fixed() {
    for (choices, text) in [
        // A cell without letters was taken for a column's name wherever there was nothing between two delimiters.
        ([0, 0, 0, 0, 15, 0, 0, 166], &b";,\n,"[..]),
        // Of two names that differ by punctuation, the one that a table calls so too has to keep its name.
        ([122, 116, 99, 102, 205, 252, 182, 14], b"a,b,c\x0b1,?\x0ea,b,c\x0b1,?,3,\n4,5,6,\n"),
        // A header that two delimiters split into the table's names said nothing of the records.
        (
            [0, 9, 0, 0, 0, 123, 0, 101],
            b"played:\x00\x00\x00\x00\x09\x00\x00\x00{\x12\x00\x00\x00\x00\x00\x00\x00:?}\x00,c\x0a.1,2\x0a",
        ),
        // Where the header goes on behind a line end, its first line had names by another delimiter.
        (
            [0, 59, 0, 128, 0, 0, 0, 0],
            b"a,b,\\\ra\0\0;\0\0\0\0\0\0\0a;b\n1;2%\0\n4;5;6\n\"open;7\n\n\x11b;\n0;2\n3\n",
        ),
        // A name that one delimiter finds twice said more than two names that another finds.
        (
            [0; 8],
            b"a;b\xfe\xff\xdf0\0\xfe\xff\xff\xd0\0\0\0\0\x01\0\x10\0\0\0\x01\0a\0\x01a\t\0\0\0\0\x01\0a\0\0\0\0\0\x01\0\0\0\0\0\x01;\0b\n1;2\n3\na\t\0\x00\x34;5;\"\xff\xff\0\0\x01\0",
        ),
        // Names that a table was given for want of a header said which delimiter a file has.
        (
            [0; 8],
            b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0r\0\0\0\0\0\0\0\0\0\0\0UU\x05\0\x10\0a9,f,f,af\0=,\0\x10,f,s\0\0\x10a9,f,f,\0\x10UU\x05\0\x10\0a9,f,f,af\0=,\0\x10,f,s\0\0\x10a9,f,f,\0\x10\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff\t\xfd\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\x02column9\t\t\t\t\t\t\t\t\t\tcolumn_6\t\t\t;\t\t\t\xff",
        ),
    ] {
        assert_eq!(csv::fuzz::fuzz_decode(&[&choices[..], text].concat()), Ok(()));
    }
    for (choices, text) in [
        // Where a record is too long depended on how much of it had come.
        ([99, 122, 205, 116, 102, 252, 182, 14], &b"{\n \"id\":\n Infinity:2\n}"[..]),
        // What is here taken for the value of a column without a type.
        (
            [239, 4, 0, 0, 0, 40, 107, 125],
            b"}}}}}} \"2}}}\xdda}7\x80\xdda}\n{}}}u}}}}}}}a\" \" :!{C\"200:\"x\"30:00Z\"},\n  {\"a\": null}}}",
        ),
    ] {
        assert_eq!(json::fuzz::fuzz_decode(&[&choices[..], text].concat()), Ok(()));
    }
}
