//! Awkward files, one by one, and what must hold for all.

use proptest::prelude::*;

use super::*;

/// What came out of a splitter.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Good { fields: Vec<Vec<u8>>, raw: Vec<u8>, offset: u64, number: u64, line: u64, malformed: bool },
    Bad { raw: Vec<u8>, length: u64, offset: u64, number: u64, line: u64, reason: BadReason },
}

impl Piece {
    fn range(&self) -> std::ops::Range<usize> {
        match self {
            Self::Good { raw, offset, .. } => *offset as usize..*offset as usize + raw.len(),
            Self::Bad { length, offset, .. } => *offset as usize..(*offset + *length) as usize,
        }
    }
}

fn take(splitter: &mut Splitter, out: &mut Vec<Piece>) {
    let mut scratch = Vec::new();
    while let Some(record) = splitter.next_record() {
        out.push(match record {
            Ok(record) => Piece::Good {
                fields: record.fields().map(|field| field.bytes(&mut scratch).to_vec()).collect(),
                raw: record.raw().to_vec(),
                offset: record.offset(),
                number: record.number(),
                line: record.line(),
                malformed: record.is_malformed(),
            },
            Err(BadRecord { reason, raw, length, offset, number, line }) => {
                Piece::Bad { raw: raw.to_vec(), length, offset, number, line, reason }
            }
        });
    }
}

fn pieces(dialect: &Dialect, limits: Limits, chunks: &[&[u8]]) -> Vec<Piece> {
    let mut splitter = Splitter::with_limits(dialect, limits);
    let mut out = Vec::new();
    for chunk in chunks {
        splitter.push(chunk);
        take(&mut splitter, &mut out);
    }
    splitter.finish();
    take(&mut splitter, &mut out);
    assert_eq!(splitter.consumed(), chunks.iter().map(|chunk| chunk.len() as u64).sum::<u64>());
    out
}

/// Splits with every chunk size up to 70 and checks that it makes no difference.
fn split_with(dialect: &Dialect, limits: Limits, text: &[u8]) -> Vec<Piece> {
    let whole = pieces(dialect, limits, &[text]);
    for size in 1..text.len().min(70) {
        let chunks: Vec<_> = text.chunks(size).collect();
        assert_eq!(pieces(dialect, limits, &chunks), whole, "in chunks of {size}");
    }
    whole
}

/// Cells of good records joined by `|`, `!` before malformed ones; bad records as `BAD line: raw`.
fn split(dialect: &Dialect, text: &str) -> Vec<String> {
    let printed = |piece: Piece| match piece {
        Piece::Good { fields, malformed, .. } => {
            let cells: Vec<_> = fields.iter().map(|field| String::from_utf8_lossy(field).into_owned()).collect();
            format!("{}{}", if malformed { "!" } else { "" }, cells.join("|"))
        }
        Piece::Bad { raw, line, .. } => format!("BAD {line}: {}", String::from_utf8_lossy(&raw)),
    };
    split_with(dialect, Limits::default(), text.as_bytes()).into_iter().map(printed).collect()
}

fn rfc(text: &str) -> Vec<String> {
    split(&Dialect::default(), text)
}

#[test]
fn rfc_4180_examples_are_read() {
    assert_eq!(rfc("aaa,bbb,ccc\r\nzzz,yyy,xxx\r\n"), ["aaa|bbb|ccc", "zzz|yyy|xxx"]);
    assert_eq!(rfc("aaa,bbb,ccc\r\nzzz,yyy,xxx"), ["aaa|bbb|ccc", "zzz|yyy|xxx"]);
    assert_eq!(rfc("\"aaa\",\"b\r\nbb\",\"ccc\"\r\nzzz,yyy,xxx"), ["aaa|b\r\nbb|ccc", "zzz|yyy|xxx"]);
    assert_eq!(rfc("\"aaa\",\"b\"\"bb\",\"ccc\""), ["aaa|b\"bb|ccc"]);
}

#[test]
fn line_ends_may_be_mixed() {
    assert_eq!(rfc("a,b\rc,d\ne,f\r\ng,h\n\ri,j"), ["a|b", "c|d", "e|f", "g|h", "i|j"]);
}

#[test]
fn blank_lines_are_skipped_and_empty_fields_are_not() {
    assert_eq!(rfc("\n\r\n\ra,b\n\n\n,\n\"\"\n \n"), ["a|b", "|", "", " "]);
    assert_eq!(rfc(""), Vec::<String>::new());
    assert_eq!(rfc("\n"), Vec::<String>::new());
}

#[test]
fn comment_lines_are_skipped_whatever_is_in_them() {
    let dialect = Dialect { comment: Some(b'#'), ..Dialect::default() };
    assert_eq!(split(&dialect, "#a \"b,c\r\nd,#e\n#\n#x"), ["d|#e"]);
    let tiny = Limits { record_bytes: 4, fields: 4 };
    assert_eq!(split_with(&dialect, tiny, b"#a long comment\na,b\n").len(), 1);
}

#[test]
fn a_quote_within_a_plain_field_is_a_character() {
    assert_eq!(rfc("1,5\" disk,x\n2,a\"b\"c,y\n"), ["1|5\" disk|x", "2|a\"b\"c|y"]);
}

#[test]
fn text_behind_a_closing_quote_is_kept_and_flagged() {
    assert_eq!(rfc("\"a\"b,c\n\"d\" ,e\n\"f\"\"g\"h\n"), ["!\"a\"b|c", "!\"d\" |e", "!\"f\"\"g\"h"]);
    assert_eq!(rfc("\"a\"b"), ["!\"a\"b"]);
}

#[test]
fn a_delimiter_at_the_end_of_a_record_is_told() {
    let mut splitter = Splitter::new(&Dialect::default());
    splitter.push(b"a,b,\na,b\na,\"\"\n");
    let mut told = Vec::new();
    while let Some(record) = splitter.next_record() {
        let record = record.unwrap();
        told.push((record.width(), record.ends_with_delimiter()));
    }
    assert_eq!(told, [(3, true), (2, false), (2, false)]);
}

#[test]
fn backslash_escapes_quotes_delimiters_and_line_ends() {
    let dialect = Dialect { escape: Some(b'\\'), ..Dialect::default() };
    assert_eq!(split(&dialect, "\"a\\\"b\",c\\,d\ne\\\nf,g\\\r\nh,\\\\\n"), ["a\"b|c,d", "e\nf|g\r\nh|\\"]);
    assert_eq!(split(&dialect, "\\\"a,b\\"), ["\"a|b\\"]);
    assert_eq!(split(&dialect, "\"a\"\"b\""), ["a\"b"]);
    assert_eq!(rfc("\"c:\\\",d\n"), ["c:\\|d"]);
    // A null of Hive and MySQL can still be told.
    let mut splitter = Splitter::new(&dialect);
    splitter.push(b"\\N,N\n");
    let record = splitter.next_record().unwrap().unwrap();
    assert_eq!(record.fields().map(|field| field.raw().to_vec()).collect::<Vec<_>>(), [b"\\N".to_vec(), b"N".to_vec()]);
}

#[test]
fn blanks_are_trimmed_when_asked_but_not_within_quotes() {
    let dialect = Dialect { trim: true, ..Dialect::default() };
    assert_eq!(split(&dialect, " a , \" b, \" ,\tc\t\n   \n \"d\"\n  "), ["a| b, |c", "d"]);
    assert_eq!(split(&dialect, "  \"a\" b ,c"), ["!\"a\" b |c"]);
    let tabs = Dialect { delimiter: b'\t', ..dialect };
    assert_eq!(split(&tabs, " a \t\t \"b\" \n\t\n"), ["a||b", "|"]);
}

#[test]
fn without_quotes_a_quote_is_a_character() {
    let dialect = Dialect { quote: None, delimiter: b'\t', ..Dialect::default() };
    assert_eq!(split(&dialect, "\"a\tb\"\n\"\n"), ["\"a|b\"", "\""]);
}

#[test]
fn one_column_has_no_delimiter() {
    let dialect = Dialect { delimiter: Dialect::ONE_COLUMN, ..Dialect::default() };
    assert_eq!(split(&dialect, "a,b;c\r\n\"d\ne\"\nf"), ["a,b;c", "d\ne", "f"]);
}

#[test]
fn a_quote_that_never_closes_costs_its_own_line_only() {
    assert_eq!(rfc("a,b\n1,\"x\n2,y\n3,z\n"), ["a|b", "BAD 2: 1,\"x", "2|y", "3|z"]);
    assert_eq!(rfc("a,b\r\n1,\"x\r\n2,y\r\n"), ["a|b", "BAD 2: 1,\"x", "2|y"]);
    assert_eq!(rfc("a,\"b"), ["BAD 1: a,\"b"]);
}

#[test]
fn a_quote_that_meets_the_next_ones_opening_costs_its_own_line_only() {
    assert_eq!(rfc("1,\"x\n2,y\n3,\"z, z\"\n4,w\n"), ["BAD 1: 1,\"x", "2|y", "3|z, z", "4|w"]);
}

#[test]
fn a_quote_that_opens_late_in_a_record_takes_that_record_to_its_line() {
    let found = split_with(&Dialect::default(), Limits::default(), b"\"a\nb\",\"c\nd,e\n");
    assert_eq!(
        found[0],
        Piece::Bad {
            raw: b"\"a\nb\",\"c".to_vec(),
            length: 8,
            offset: 0,
            number: 1,
            line: 1,
            reason: BadReason::UnclosedQuote { line: 2 },
        }
    );
    let Piece::Good { line, number, offset, .. } = &found[1] else { panic!("{found:?}") };
    assert_eq!((*line, *number, *offset), (3, 2, 9));
}

#[test]
fn a_quote_that_outgrows_the_limit_costs_its_own_line_only() {
    let mut text = String::from("h,i\n1,\"x\n");
    for row in 0..100 {
        text.push_str(&format!("{row},y\n"));
    }
    text.push_str("z,\"w\"\n");
    let found = split_with(&Dialect::default(), Limits { record_bytes: 40, fields: 100 }, text.as_bytes());
    assert_eq!(found.len(), 103);
    assert!(
        matches!(&found[1], Piece::Bad { raw, line: 2, reason: BadReason::UnclosedQuote { line: 2 }, .. } if raw == b"1,\"x")
    );
    assert_eq!(found.iter().filter(|piece| matches!(piece, Piece::Bad { .. })).count(), 1);
}

#[test]
fn a_line_that_is_too_long_is_cut_and_the_next_is_read() {
    let text = format!("a,b\n{},{}\nc,d\n", "x".repeat(200), "y".repeat(100));
    let found = split_with(&Dialect::default(), Limits { record_bytes: 50, fields: 10 }, text.as_bytes());
    let reason = BadReason::TooLong { limit: 50 };
    assert_eq!(found[1], Piece::Bad { raw: vec![b'x'; 50], length: 301, offset: 4, number: 2, line: 2, reason });
    assert!(matches!(&found[2], Piece::Good { line: 3, offset: 306, number: 3, .. }));
}

#[test]
fn memory_is_bounded_by_the_limit_and_the_chunk() {
    let mut splitter = Splitter::with_limits(&Dialect::default(), Limits { record_bytes: 1000, fields: 10 });
    let mut bad = 0;
    for chunk in std::iter::repeat_n([b'x'; 100], 10_000).chain([*b"\"".repeat(100).first_chunk().unwrap()]) {
        splitter.push(&chunk);
        while let Some(record) = splitter.next_record() {
            bad += usize::from(record.is_err());
        }
        assert!(splitter.held() <= 1100);
    }
    splitter.push(b"\n");
    assert_eq!(splitter.next_record().unwrap().unwrap_err().length, 1_000_100);
    assert_eq!(bad, 0);
}

#[test]
fn too_many_fields_are_a_bad_record() {
    let found = split_with(&Dialect::default(), Limits { record_bytes: 1000, fields: 3 }, b"a,b,c\na,b,c,d\na,b,c,d,e,f\na\n");
    let reason = BadReason::TooManyFields { limit: 3 };
    assert!(matches!(&found[0], Piece::Good { .. }));
    assert_eq!(found[1], Piece::Bad { raw: b"a,b,c,d".to_vec(), length: 7, offset: 6, number: 2, line: 2, reason });
    assert!(matches!(&found[2], Piece::Bad { length: 11, .. }));
    assert!(matches!(&found[3], Piece::Good { line: 4, .. }));
}

#[test]
fn places_count_bytes_records_and_lines() {
    let found = split_with(&Dialect::default(), Limits::default(), "é,\"x\r\ny\"\r\n\r\nz\r".as_bytes());
    let places: Vec<_> = found
        .iter()
        .map(|piece| match piece {
            Piece::Good { offset, number, line, .. } | Piece::Bad { offset, number, line, .. } => (*offset, *number, *line),
        })
        .collect();
    assert_eq!(places, [(0, 1, 1), (13, 2, 4)]);
}

#[test]
fn bytes_that_are_no_utf_8_name_their_column() {
    let mut splitter = Splitter::new(&Dialect::default());
    splitter.push(b"a,b\xff,c\n\"d\"\"\xc3\",e\n");
    let mut scratch = Vec::new();
    let record = splitter.next_record().unwrap().unwrap();
    let texts: Vec<_> = record.fields().map(|field| field.text(&mut scratch).map(str::to_owned)).collect();
    assert_eq!(texts, [Ok("a".into()), Err(InvalidText { column: 1, valid: 1 }), Ok("c".into())]);
    let record = splitter.next_record().unwrap().unwrap();
    let error = record.field(0).unwrap().text(&mut scratch).unwrap_err();
    assert_eq!(error.to_string(), "column 1: invalid UTF-8 after 2 bytes of the field");
}

#[test]
fn an_empty_text_differs_from_nothing() {
    let mut splitter = Splitter::new(&Dialect::default());
    splitter.push(b",\"\"\n");
    let record = splitter.next_record().unwrap().unwrap();
    assert_eq!(record.fields().map(|field| field.is_quoted()).collect::<Vec<_>>(), [false, true]);
}

/// A table as a writer of RFC 4180 would write it.
fn written(table: &[Vec<String>], quoted: &[bool], ends: &[usize]) -> String {
    let (mut out, mut cell) = (String::new(), 0);
    for (row, cells) in table.iter().enumerate() {
        for (column, text) in cells.iter().enumerate() {
            cell += 1;
            let needed = text.contains(['"', ',', '\r', '\n']) || (cells.len() == 1 && text.is_empty());
            let text =
                if needed || quoted[cell % quoted.len()] { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.clone() };
            out.push_str(&format!("{}{text}", if column > 0 { "," } else { "" }));
        }
        // CR before a LF would be one line end of the two; a blank line more or less is none of the table.
        out.push_str(["\n", "\r\n", "\r"][ends[row % ends.len()]]);
    }
    out
}

/// The bytes cut at `cuts`.
fn cut<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut at: Vec<_> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).chain([0, bytes.len()]).collect();
    at.sort_unstable();
    at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

/// Any of these makes a file awkward.
fn garbage() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => Just(b"x".to_vec()), 6 => Just(b",".to_vec()), 6 => Just(b"\"".to_vec()), 4 => Just(b"\n".to_vec()),
        2 => Just(b"\r".to_vec()), 2 => Just(b"\r\n".to_vec()), 2 => Just(b"\\".to_vec()), 2 => Just(b" ".to_vec()),
        1 => Just(b"#".to_vec()), 1 => any::<u8>().prop_map(|byte| vec![byte]), 1 => Just(b"some plain words, ".to_vec()),
        1 => Just(b"\",\"".to_vec()),
    ];
    proptest::collection::vec(piece, 0..150).prop_map(|pieces| pieces.concat())
}

fn dialects() -> impl Strategy<Value = Dialect> {
    let delimiter = prop_oneof![4 => Just(b','), 1 => Just(b'\t'), 1 => Just(0), 1 => Just(Dialect::ONE_COLUMN)];
    let quote = prop_oneof![4 => Just(Some(b'"')), 1 => Just(None)];
    let escape = prop_oneof![2 => Just(None), 1 => Just(Some(b'\\')), 1 => Just(Some(b'"'))];
    let comment = prop_oneof![2 => Just(None), 1 => Just(Some(b'#'))];
    (delimiter, quote, escape, comment, any::<bool>()).prop_map(|(delimiter, quote, escape, comment, trim)| Dialect {
        delimiter,
        quote,
        escape,
        comment,
        header: false,
        trim,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_table_written_is_the_table_read(
        table in (1_usize..6).prop_flat_map(|width| proptest::collection::vec(proptest::collection::vec("[a-c\",\r\n é🚕\\\\]{0,6}|.{0,70}", width), 0..12)),
        quoted in proptest::collection::vec(any::<bool>(), 1..9),
        ends in proptest::collection::vec(0_usize..3, 1..5),
        cuts in proptest::collection::vec(any::<usize>(), 0..9),
    ) {
        let text = written(&table, &quoted, &ends);
        let found = pieces(&Dialect::default(), Limits::default(), &cut(text.as_bytes(), &cuts));
        let read: Vec<Vec<String>> = found.iter().map(|piece| match piece {
            Piece::Good { fields, malformed: false, .. } => fields.iter().map(|field| String::from_utf8(field.clone()).unwrap()).collect(),
            other => panic!("{other:?}"),
        }).collect();
        prop_assert_eq!(read, table);
    }

    #[test]
    fn chunks_make_no_difference_and_no_byte_is_lost(
        bytes in garbage(), dialect in dialects(), record_bytes in prop_oneof![Just(1 << 20), 1_usize..80], fields in 1_usize..90,
        cuts in proptest::collection::vec(any::<usize>(), 0..12),
    ) {
        let limits = Limits { record_bytes, fields };
        let whole = pieces(&dialect, limits, &[&bytes]);
        prop_assert_eq!(&pieces(&dialect, limits, &cut(&bytes, &cuts)), &whole);
        let bytewise: Vec<_> = bytes.chunks(1).collect();
        prop_assert_eq!(&pieces(&dialect, limits, &bytewise), &whole);

        let mut read = 0;
        for piece in whole.iter().map(Some).chain([None]) {
            let range = piece.map_or(bytes.len()..bytes.len(), Piece::range);
            prop_assert!(range.start >= read);
            for line in bytes[read..range.start].split(|byte| matches!(byte, b'\n' | b'\r')) {
                let comment = dialect.comment.is_some() && line.first() == dialect.comment.as_ref();
                let blank = line.iter().all(|byte| dialect.trim && matches!(byte, b' ' | b'\t'));
                prop_assert!(comment || blank, "lost {:?}", String::from_utf8_lossy(line));
            }
            match piece {
                Some(Piece::Good { raw, .. }) => prop_assert_eq!(raw.as_slice(), &bytes[range.clone()]),
                Some(Piece::Bad { raw, .. }) => prop_assert!(bytes[range.clone()].starts_with(raw) && raw.len() == range.len().min(record_bytes)),
                None => {}
            }
            if let Some(Piece::Good { line, .. } | Piece::Bad { line, .. }) = piece {
                prop_assert_eq!(*line, line_of(&bytes, range.start));
            }
            read = range.end;
        }
    }
}

/// The line that the byte at `offset` is on.
fn line_of(bytes: &[u8], offset: usize) -> u64 {
    let ends = |at: &usize| bytes[*at] == b'\r' || (bytes[*at] == b'\n' && (*at == 0 || bytes[*at - 1] != b'\r'));
    1 + (0..offset).filter(ends).count() as u64
}
proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_by_the_dialect_sniffed(bytes in garbage(), head in any::<[u8; 2]>()) {
        prop_assert_eq!(fuzz::fuzz_split(&[&head[..], &bytes].concat()), Ok(()));
    }

    #[test]
    fn a_regular_file_is_sniffed_as_it_was_written(
        delimiter in prop_oneof![Just(','), Just(';'), Just('\t'), Just('|')],
        rows in proptest::collection::vec(("[a-z]{1,8}", 0..1000_u32, "[a-z ,;|\t\"]{0,12}", "20[0-9][0-9]-1[0-2]-2[0-8]"), 3..40),
    ) {
        let mut text = ["kind", "count", "note", "day"].join(&delimiter.to_string()) + "\r\n";
        for (word, number, note, day) in &rows {
            let note = format!("\"{}\"", note.replace('"', "\"\""));
            text += &(["x".to_owned() + word, number.to_string(), note, day.clone()].join(&delimiter.to_string()) + "\r\n");
        }
        let sniffed = sniff(text.as_bytes(), true, &Hints::default());
        let expected = Dialect { delimiter: delimiter as u8, ..Dialect::default() };
        prop_assert_eq!((sniffed.dialect, sniffed.columns), (expected, 4), "{}\n{}", text, sniffed.why);
    }
}
