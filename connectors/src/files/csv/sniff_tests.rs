//! Files as they are found, and the dialect that a person would see in them.

use super::*;

fn found(sample: &str) -> Sniffed {
    sniff(sample.as_bytes(), true, &Hints::default())
}

/// Delimiter, quote, columns and header, in short.
fn brief(sample: &str) -> (char, Option<char>, usize, bool) {
    let Sniffed { dialect, columns, .. } = found(sample);
    (dialect.delimiter.into(), dialect.quote.map(char::from), columns, dialect.header)
}

#[test]
fn delimiters_are_found() {
    for delimiter in [',', ';', '\t', '|', '\u{1}'] {
        let sample = "id,name,score\n1,Anna,2.5\n2,Bob,3.5\n".replace(',', &delimiter.to_string());
        assert_eq!(brief(&sample), (delimiter, Some('"'), 3, true));
    }
}

#[test]
fn decimal_commas_do_not_make_a_comma_file() {
    assert_eq!(brief("name;breite;höhe\nA;1,5;2,25\nB;2,5;3,75\nC;1,0;2,5\n"), (';', Some('"'), 3, true));
    assert_eq!(brief("1,5;2,25\n2,5;3,75\n1,0;2,5\n"), (';', Some('"'), 2, false));
}

#[test]
fn delimiters_within_quotes_and_line_ends_do_not_count() {
    let sample = "id;note\n1;\"a, b, c\nd, e\"\n2;\"f, \"\"g\"\"; h\"\n3;i\n";
    assert_eq!(brief(sample), (';', Some('"'), 2, true));
    assert_eq!(brief("a\tb\nx, y, z\t1\nx, y, w\t2\n"), ('\t', Some('"'), 2, true));
}

#[test]
fn single_quotes_are_found_and_apostrophes_are_none() {
    assert_eq!(brief("id,note\n1,'a, b'\n2,'it''s, c'\n"), (',', Some('\''), 2, true));
    assert_eq!(brief("id,note\n1,it's\n2,don't\n"), (',', Some('"'), 2, true));
    assert_eq!(brief("id,note\n1,'tis so\n2,b\n3,\"c, d\"\n"), (',', Some('"'), 2, true));
}

#[test]
fn a_file_that_does_not_quote_has_no_quote() {
    let sample = "id\tnote\n1\t\"so he said\n2\t5\" disk\n3\t\"\"\"x\n4\ty\n";
    assert_eq!(brief(sample), ('\t', None, 2, true));
}

#[test]
fn backslashes_escape_only_where_it_helps() {
    let escaped = found("id,note\n1,\"say \\\"hi\\\", ok\"\n2,\"b\"\n3,\"c \\\"d\\\"\"\n");
    assert_eq!((escaped.dialect.escape, escaped.columns), (Some(b'\\'), 2));
    let hive = found("id,note,x\n1,a\\,b,1\n2,c\\,d,2\n3,e,3\n");
    assert_eq!((hive.dialect.escape, hive.columns), (Some(b'\\'), 3));
    let paths = found("id,path\n1,\"C:\\dir\\\"\n2,\"D:\\x\"\n3,\"E:\\\"\n");
    assert_eq!((paths.dialect.escape, paths.columns), (None, 2));
}

#[test]
fn blanks_behind_delimiters_belong_to_them() {
    let padded = found("id, name, city\n1, Anna, Berlin\n2, Bob, Paris\n");
    assert!(padded.dialect.trim && padded.dialect.header);
    let quoted = found("id, name\n1, \"Smith, Anna\"\n2, \"Jones, Bob\"\n");
    assert!(quoted.dialect.trim);
    assert_eq!(quoted.columns, 2);
    assert!(!found("id,name\n1,Anna\n2, Bob\n").dialect.trim);
}

#[test]
fn comments_are_told_from_headers() {
    let comments = found("# made by x, at 10:00\n# second, line, here\nid,name\n1,a\n2,b\n");
    assert_eq!((comments.dialect.comment, comments.dialect.header, comments.columns), (Some(b'#'), true, 2));
    let header = found("#id,name\n1,a\n2,b\n");
    assert_eq!((header.dialect.comment, header.dialect.header, header.columns), (None, true, 2));
}

#[test]
fn excel_says_the_separator() {
    let excel = found("sep=;\r\na;b\r\n1,5;2\r\n");
    assert_eq!((excel.dialect.delimiter, excel.skip, excel.columns, excel.dialect.header), (b';', 7, 2, true));
}

#[test]
fn one_column_is_found() {
    for sample in ["name\nAnna\nBob\n", "email\na@b.c\nd@e.f\n", "word\nthis, that\nother\nmore\nyet more\n"] {
        let Sniffed { dialect, columns, .. } = found(sample);
        assert_eq!((dialect.delimiter, columns, dialect.header), (Dialect::ONE_COLUMN, 1, true), "{sample}");
    }
}

#[test]
fn ragged_files_keep_their_delimiter() {
    assert_eq!(brief("a,b,c,d\n1,2,3,4\n1,2,3\n1,2,3,4\n1,2,3,4,5\n1,2,3,4\n").2, 4);
    assert_eq!(brief("a,b,c\n1,2,3,\n4,5,6,\n"), (',', Some('"'), 3, true));
}

#[test]
fn records_that_leave_out_their_last_columns_do_not_hide_the_rest() {
    let sniffed = found("version,name,created,eol,eol_lts\n1,Buzz,1993-08-16\n2,Rex,1996-06-17,1998-06-05\n3,Bo,1997-06-05\n");
    assert_eq!((sniffed.dialect.delimiter, sniffed.columns, sniffed.dialect.header), (b',', 5, true));
    assert!(sniffed.why.contains("the first record has 5, and none has more"), "{}", sniffed.why);
}

#[test]
fn headers_of_text_files_are_found() {
    for sample in [
        "values,patterns,flags\nabc,^(a),i\nABC,^(A).*,i\naBc,(b|d),i\n",
        "name,city\nAnna,Berlin\nBob,Paris\nCarla,Rome\n",
        "First name,Last name\nAnna,Smith\nBob,Jones\nCarla,Rossi\n",
        "title,author_fullname\nHow do I?,t2_abc\nWhat is it,t2_def\nShow,t2_xyz\n",
        "code,country\nDE,Germany\nFR,France\nIT,Italy\n",
        "tpep_pickup,store_and_fwd_flag\nx,N\ny,N\nz,Y\n",
        "Genre,Artist\nJazz,Davis\nJazz,Monk\nRock,Queen\nRock,Cream\nJazz,Evans\nRock,Yes\nJazz,Rich\nJazz,Mingus\nRock,Who\nJazz,Hancock\n",
        "country,1990,1991,1992\nDE,79,80,81\nFR,58,58,59\n",
        ",name\n0,Anna\n1,Bob\n",
        "id,name,id\n1,a,2\n3,b,4\n",
    ] {
        let sniffed = found(sample);
        assert!(sniffed.dialect.header, "{sample}{}", sniffed.why);
    }
}

#[test]
fn values_are_no_header() {
    for sample in [
        "Anna,Berlin\nBob,Paris\nCarla,Rome\n",
        "1,Anna\n2,Bob\n",
        "2026-11-21,a\n2026-11-22,b\n",
        "a@b.c,x\nd@e.f,y\ng@h.i,z\n",
        "red,x1\nred,x2\nblue,x3\nred,x4\n",
        "DE,Germany\nFR,France\nIT,Italy\n",
        "00123,Anna Smith\n00456,Bob Jones\n",
        "1,2,3\n",
    ] {
        let sniffed = found(sample);
        assert!(!sniffed.dialect.header, "{sample}{}", sniffed.why);
    }
}

#[test]
fn a_file_of_one_record_is_a_header_if_it_reads_like_one() {
    assert!(found("id,name,created_at\n").dialect.header);
    assert!(found("id,name,created_at").dialect.header);
    assert!(!found("Anna,Berlin,Tuesday\n").dialect.header);
}

#[test]
fn nothing_is_no_trouble() {
    for sample in ["", "\n", "\r\n\r\n", " ", "\"", "\"\n\"", ",", "sep=;", "#", "\u{feff}", "x"] {
        for complete in [true, false] {
            let sniffed = sniff(sample.as_bytes(), complete, &Hints::default());
            assert_eq!(sniffed.dialect.validate(), Ok(()), "{sample:?}");
        }
    }
    assert_eq!(found("").columns, 0);
}

#[test]
fn the_cut_off_end_of_a_sample_does_not_count() {
    let sample = "id,name\n1,\"Anna\"\n2,\"Bob\"\n3,\"Ca";
    let sniffed = sniff(sample.as_bytes(), false, &Hints::default());
    assert!(
        sniffed.why.starts_with("delimiter `,`: 3 of 3 records have 2 columns; quote `\"` around 2 fields"),
        "{}",
        sniffed.why
    );
    assert_eq!(sniff(b"id;na", false, &Hints::default()).columns, 2);
}

#[test]
fn hints_go_before_what_is_found() {
    let hints = Hints { delimiter: Some(b'|'), header: Some(false), quote: Some(None), trim: Some(true), ..Hints::default() };
    let sniffed = sniff(b"a,b|c\n1,2|3\n", true, &hints);
    let expected = Dialect { delimiter: b'|', quote: None, escape: None, comment: None, header: false, trim: true };
    assert_eq!((sniffed.dialect, sniffed.columns), (expected, 2));
    let declared = Hints { columns: vec!["anna".into(), "berlin".into()], ..Hints::default() };
    assert!(sniff(b"Anna,Berlin\nBob,Paris\nCarla,Rome\n", true, &declared).dialect.header);
    let numbered = Hints { columns: vec!["column_1".into(), "column_2".into()], ..Hints::default() };
    assert!(!sniff(b"column_1,7\ncolumn_2,8\n", true, &numbered).dialect.header);
}

#[test]
fn the_reasons_are_said() {
    let why = found("id,name\n1,Anna\n2,Bob\n").why;
    assert_eq!(why, "delimiter `,`: 3 of 3 records have 2 columns; header: `id` stands above values that are not text");
}
