//! Inference as a whole: what columns of real files become, and that evidence merges in any order.

use arrow_schema::{DataType, TimeUnit};
use proptest::prelude::*;

use super::*;

const OPTIONS: ResolveOptions = ResolveOptions { decimals: false, null_types: false, majority: false };

fn cells(texts: &[&str]) -> Evidence {
    let mut evidence = Evidence::default();
    for (row, text) in (1..).zip(texts) {
        evidence.observe_cell(text, &Place::row("a.csv", row));
    }
    evidence
}

fn type_of(texts: &[&str]) -> String {
    cells(texts).resolve(&OPTIONS).type_name()
}

#[test]
fn a_type_is_chosen_only_if_all_values_fit() {
    for (texts, expected) in [
        (&["1", "-2", ""][..], "BIGINT"),
        (&["1", "x"], "VARCHAR"),
        (&["1", "2.5"], "DOUBLE"),
        (&["1", "1e5", "NaN"], "DOUBLE"),
        (&["00123", "4"], "VARCHAR"),
        (&["true", "f", "No"], "BOOLEAN"),
        (&["true", "1"], "VARCHAR"),
        (&["9223372036854775808", "1"], "DECIMAL(20, 0)"),
        (&["123456789012345678901234567890"], "DECIMAL(30, 0)"),
        (&["1234567890123456789012345678901234567890"], "VARCHAR"),
        (&["2026-11-21", ""], "DATE"),
        (&["2023/08/13"], "DATE Y/M/D"),
        (&["2026-11-21", "2026-11-21 10:11"], "TIMESTAMP(6)"),
        (&["2026-11-21T10:11:12Z"], "TIMESTAMP(6) WITH TIME ZONE"),
        (&["2026-11-21T10:11:12Z", "2026-11-21T10:11:12"], "VARCHAR"),
        (&["2026-11-21", "21.11.2026"], "VARCHAR"),
        (&["01/02/2026", "21/02/2026"], "DATE D/M/Y"),
        (&["01/02/2026", "02/21/2026 10:11"], "TIMESTAMP(6) M/D/Y h:m:s"),
        (&["01/02/2026", "03/04/2026"], "VARCHAR"),
        (&["21/02/2026", "02/21/2026"], "VARCHAR"),
        (&["Sat, 21 Nov 2026 10:11:12 GMT"], "TIMESTAMP(6) WITH TIME ZONE RFC 2822"),
        (&["20261121"], "BIGINT"),
        (&["123e4567-e89b-12d3-a456-426614174000"], "VARCHAR"),
        (&["10:11:12"], "VARCHAR"),
        (&["", " "], "VARCHAR"),
        (&[], "VARCHAR"),
    ] {
        assert_eq!(type_of(texts), expected, "{texts:?}");
    }
}

#[test]
fn numbers_that_a_double_would_round_stay_exact() {
    assert_eq!(type_of(&["0.1234567890123456789", "1"]), "DECIMAL(20, 19)");
    assert_eq!(type_of(&["9007199254740993", "0.5"]), "DECIMAL(17, 1)");
    assert_eq!(type_of(&["1234567890123456789", "NaN"]), "VARCHAR");
    assert_eq!(type_of(&["9007199254740993"]), "BIGINT");
    let money = cells(&["12.50", "-1234.5", "7"]).resolve(&ResolveOptions { decimals: true, ..OPTIONS });
    assert_eq!(money.data_type, DataType::Decimal128(6, 2));
}

#[test]
fn of_values_that_differ_most_tell_the_type_when_that_is_asked() {
    let most = ResolveOptions { majority: true, ..OPTIONS };
    for (texts, expected, conflict) in [
        (&["1", "2.5", "x"][..], "DOUBLE", Some("c")),
        (&["1", "x", "y"], "VARCHAR", None),
        (&["x", "1", "2"], "BIGINT", Some("c")),
        (&["true", "no", "5"], "BOOLEAN", Some("c")),
        (&["1", "2", "00123"], "VARCHAR", None),
        (&["2026-11-21", "2026-11-22", "soon"], "DATE", Some("c")),
        (&["1", "2"], "BIGINT", None),
        (&["", "x"], "VARCHAR", None),
    ] {
        let seen = cells(texts);
        assert_eq!(seen.resolve(&most).type_name(), expected, "{texts:?}");
        assert_eq!(seen.conflict("c").map(|(path, _)| path).as_deref(), conflict, "{texts:?}");
    }
    let mut declared = Evidence::default();
    for (data_type, rows) in [(DataType::Utf8, 1), (DataType::Int64, 7), (DataType::Int32, 2)] {
        declared.observe_declared(&data_type, rows, 0, &Place::row("a.parquet", 1));
    }
    assert_eq!((declared.resolve(&OPTIONS).data_type, declared.resolve(&most).data_type), (DataType::Utf8, DataType::Int64));
    assert_eq!(declared.conflict("c").map(|(_, seen)| seen.contains("7 declared BIGINT")), Some(true));
    let mut root = json();
    root.child("odd").observe_object(&Place::row("a.json", 3));
    let (path, seen) = root.conflict("r").unwrap();
    assert_eq!((path.as_str(), seen.as_str()), ("r.odd", "2 objects, 1 text (first 'x' in a.json, row 2)"));
}

#[test]
fn adopted_keys_change_no_type() {
    let place = Place::row("b.json", 1);
    let mut other = Evidence::default();
    other.child("id").observe_string("x", &place);
    other.child("user").observe_object(&place);
    other.child("user").child("Name").observe_number("1", &place);
    other.child("user").child("age").observe_number("36", &place);
    other.child("new").observe_bool(true, &place);
    let mut adopted = json();
    adopted.adopt(&other);
    let DataType::Struct(fields) = adopted.resolve(&OPTIONS).data_type else { panic!("no struct") };
    let type_of = |name: &str| crate::sql_type(fields.find(name).unwrap().1.data_type());
    assert_eq!([type_of("id"), type_of("new")], ["DOUBLE", "BOOLEAN"]);
    assert_eq!(type_of("user"), "STRUCT<name VARCHAR, born DATE, age BIGINT>");
}

#[test]
fn reasons_name_the_value_that_decided() {
    let why = |texts: &[&str]| cells(texts).resolve(&OPTIONS).why;
    assert_eq!(why(&["1", "2", "n/a"]), "2 integers, 1 text (first 'n/a' in a.csv, row 3)");
    assert_eq!(why(&["-5", "12000"]), "2 integers, from -5 to 12,000");
    assert_eq!(
        why(&["01/02/2026"]),
        "1 date D/M/Y or M/D/Y: no value tells whether they are D/M/Y or M/D/Y; declare the column's type and form to read them"
    );
}

/// `{"id": 1, "user": {"name": "x", "born": "2001-02-03"}, "tags": ["a"], "odd": ..}`, the second time with other keys and kinds.
fn json() -> Evidence {
    let mut root = Evidence::default();
    let (first, second) = (Place::row("a.json", 1), Place::row("a.json", 2));
    root.observe_object(&first);
    root.child("id").observe_number("1", &first);
    root.child("user").observe_object(&first);
    root.child("user").child("name").observe_string("true", &first);
    root.child("user").child("born").observe_string("2001-02-03", &first);
    root.child("tags").observe_list(&first);
    root.child("tags").item().observe_string("5", &first);
    root.child("odd").observe_object(&first);
    root.child("odd").child("a").observe_bool(true, &first);
    root.child("none").observe_object(&first);
    root.observe_object(&second);
    root.child("id").observe_number("2.5", &second);
    root.child("user").observe_null(&second);
    root.child("odd").observe_string("x", &second);
    root
}

#[test]
fn json_becomes_structs_and_lists_and_conflicts_json_text() {
    let resolved = json().resolve(&OPTIONS);
    let DataType::Struct(fields) = &resolved.data_type else { panic!("{resolved:?}") };
    let types: Vec<String> =
        fields.iter().map(|field| format!("{} {}", field.name(), crate::sql_type(field.data_type()))).collect();
    assert_eq!(
        types,
        ["id DOUBLE", "user STRUCT<name VARCHAR, born DATE>", "tags ARRAY<VARCHAR>", "odd VARCHAR", "none VARCHAR"]
    );
    let form = |name: &str| Form::of(fields.find(name).unwrap().1).unwrap();
    assert_eq!(form("odd"), Some(Form::Json));
    assert_eq!(form("none"), Some(Form::Json));
    assert_eq!(form("id"), None);
}

#[test]
fn forms_travel_with_nested_fields() {
    let mut list = Evidence::default();
    let place = Place::row("a.json", 1);
    list.observe_list(&place);
    list.item().observe_string("2023/08/13", &place);
    let field = list.resolve(&OPTIONS).field("days");
    let DataType::List(item) = field.data_type() else { panic!("{field:?}") };
    assert_eq!(item.metadata()[FORM_KEY], "Y/M/D");
    assert_eq!(Form::of(item), Ok(Some(Form::Date(crate::values::DateForm::YearSlash))));
}

#[test]
fn empty_json_strings_are_text_and_empty_cells_are_nulls() {
    let place = Place::row("a", 1);
    let mut evidence = Evidence::default();
    evidence.observe_string("2026-11-21", &place);
    evidence.observe_string("", &place);
    assert_eq!(evidence.resolve(&OPTIONS).data_type, DataType::Utf8);
    assert!(cells(&["2026-11-21", ""]).resolve(&OPTIONS).nullable);
}

#[test]
fn objects_with_keys_without_end_stay_json_text() {
    let mut map = Evidence::default();
    let place = Place::row("a.json", 1);
    map.observe_object(&place);
    for key in 0..MOST_KEYS + 10 {
        map.child(&key.to_string()).observe_bool(true, &place);
    }
    assert_eq!(map.children().len(), MOST_KEYS);
    assert_eq!(map.resolve(&OPTIONS).form, Some(Form::Json));
}

fn file(name: &str, header: &[&str], rows: &[&[&str]]) -> ObservedSchema {
    let mut file = FileObservation::new(name);
    file.header(header.iter().copied());
    for row in rows {
        file.begin_row();
        for (column, text) in row.iter().enumerate() {
            file.cell(column, text);
        }
    }
    file.finish(&OPTIONS)
}

#[test]
fn disagreeing_files_are_counted_and_the_first_is_named() {
    let mut table = ObservedSchema::default();
    for index in 0..1200 {
        let name = format!("s3://b/{index:04}.csv");
        let age = if index % 600 == 7 { "unknown" } else { "36" };
        table.merge(&file(&name, &["name", "age"], &[&["Ada", "1"], &["Alan", age]]));
    }
    table.merge(&file("s3://b/z.csv", &["age", "name", "city"], &[&["", "Grace", "Rome"]]));
    assert_eq!(
        table.evidence_lines(&OPTIONS),
        [
            "1 column is the same in 1,201 files",
            "1,198 of 1,200 files agree on `age` as BIGINT; 2 have `age` as VARCHAR, first in s3://b/0007.csv, row 2; \
             it becomes VARCHAR",
            "`city` is in 1 of 1,201 files",
        ]
    );
    let lines = table.explain("age", &OPTIONS).unwrap();
    assert_eq!(lines[0], "age is VARCHAR: 2,398 integers, 2 texts (first 'unknown' in s3://b/0007.csv, row 2)");
    assert!(lines.contains(&"1 empty cell, first in s3://b/z.csv, row 1".to_owned()), "{lines:#?}");
    assert_eq!(table.explain("agee", &OPTIONS), None);
}

#[test]
fn a_column_whose_values_differ_within_one_file_is_named_with_the_first_place() {
    let table =
        file("s3://b/1.csv", &["age", "name", "code"], &[&["7", "Ada", "007"], &["8", "Alan", "8"], &["n/a", "Grace", "9"]]);
    assert_eq!(
        table.evidence_lines(&OPTIONS),
        [
            "2 columns are the same in 1 file",
            "`age` has 2 integers, 1 text (first 'n/a' in s3://b/1.csv, row 3); it becomes VARCHAR",
        ]
    );
}

#[test]
fn nested_paths_are_explained() {
    let mut file = FileObservation::new("a.json");
    file.begin_row();
    let (root, place) = file.object();
    let place = place.clone();
    root.child("user").observe_object(&place);
    root.child("user").child("tags").observe_list(&place);
    root.child("user").child("tags").item().observe_number("5", &place);
    let schema = file.finish(&OPTIONS);
    assert_eq!(schema.explain("user.tags[]", &OPTIONS).unwrap()[0], "user.tags[] is BIGINT: 1 integer, from 5 to 5");
}

#[test]
fn files_that_declare_their_types_are_widened() {
    let declared = |data_type: DataType, rows| {
        let mut file = FileObservation::new("a.parquet");
        file.declare(&arrow_schema::Schema::new(vec![arrow_schema::Field::new("n", data_type, true)]), rows);
        file.finish(&OPTIONS)
    };
    let mut table = ObservedSchema::default();
    for data_type in [DataType::Int32, DataType::Null, DataType::Int64, DataType::Float64] {
        table.merge(&declared(data_type, 10));
    }
    assert_eq!(table.schema(&OPTIONS).field(0).data_type(), &DataType::Float64);
    table.merge(&file("b.csv", &["n"], &[&["7"]]));
    assert_eq!(table.schema(&OPTIONS).field(0).data_type(), &DataType::Float64);
    table.merge(&declared(DataType::Timestamp(TimeUnit::Microsecond, None), 0));
    assert_eq!(table.schema(&OPTIONS).field(0).data_type(), &DataType::Utf8);
}

#[test]
fn headers_are_made_unique() {
    let schema = file("a.csv", &["a", "", "a", "a"], &[]);
    let names: Vec<&str> = schema.columns.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a", "column_2", "a_2", "a_3"]);
}

fn any_cell() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "",
        "1",
        "-7",
        "00123",
        "2.5",
        "1e5",
        "true",
        "no",
        "x",
        "n/a",
        "9223372036854775808",
        "2026-11-21",
        "01/02/2026",
        "21/02/2026",
        "02/21/2026",
        "2026-11-21 10:11",
        "2026-11-21T10:11:12Z",
        "123e4567-e89b-12d3-a456-426614174000",
    ])
}

#[derive(Debug, Clone)]
enum Json {
    Null,
    Number(&'static str),
    Text(&'static str),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

fn any_json() -> impl Strategy<Value = Json> {
    let number = proptest::sample::select(vec!["1", "2.5", "1e9", "18446744073709551615"]);
    let leaf = prop_oneof![Just(Json::Null), number.prop_map(Json::Number), any_cell().prop_map(Json::Text)];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Json::List),
            proptest::collection::btree_map("[a-c]", inner, 0..3).prop_map(|keys| Json::Object(keys.into_iter().collect())),
        ]
    })
}

fn observe(evidence: &mut Evidence, json: &Json, place: &Place) {
    match json {
        Json::Null => evidence.observe_null(place),
        Json::Number(raw) => evidence.observe_number(raw, place),
        Json::Text(text) => evidence.observe_string(text, place),
        Json::List(items) => {
            evidence.observe_list(place);
            items.iter().for_each(|item| observe(evidence.item(), item, place));
        }
        Json::Object(keys) => {
            evidence.observe_object(place);
            keys.iter().for_each(|(key, value)| observe(evidence.child(key), value, place));
        }
    }
}

/// A file of JSON values and cells, as evidence.
fn any_evidence() -> impl Strategy<Value = Evidence> {
    let values = proptest::collection::vec(any_json(), 0..4);
    let texts = proptest::collection::vec(any_cell(), 0..4);
    ("[a-d]", values, texts).prop_map(|(file, values, texts)| {
        let mut evidence = Evidence::default();
        for (row, value) in (1..).zip(&values) {
            observe(&mut evidence, value, &Place::row(file.as_str(), row));
        }
        for (row, text) in (1..).zip(texts) {
            evidence.observe_cell(text, &Place::row(file.as_str(), row));
        }
        evidence
    })
}

/// Everything there is to know, with keys and kinds in one order.
fn facts(evidence: &Evidence) -> String {
    let mut children: Vec<String> = evidence.children().iter().map(|(name, child)| format!("{name}: {}", facts(child))).collect();
    children.sort();
    let tallies = evidence.tallies();
    let (range, digits, longest) = (evidence.range(), evidence.digits(), evidence.longest_bytes());
    format!("{tallies:?} {range:?} {digits:?} {longest} {children:?} {:?}", evidence.items().map(facts))
}

fn merged(left: &Evidence, right: &Evidence) -> Evidence {
    let mut both = left.clone();
    both.merge(right);
    both
}

proptest! {
    #[test]
    fn evidence_merges_in_any_order(a in any_evidence(), b in any_evidence(), c in any_evidence()) {
        prop_assert_eq!(facts(&merged(&a, &b)), facts(&merged(&b, &a)));
        let (left, right) = (merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
        prop_assert_eq!(&left, &right);
        prop_assert_eq!(left.resolve(&OPTIONS), right.resolve(&OPTIONS));
        prop_assert_eq!(facts(&merged(&a, &Evidence::default())), facts(&a));
    }

    #[test]
    fn what_is_inferred_can_be_read(texts in proptest::collection::vec(any_cell(), 1..6)) {
        use crate::values::{boolean, decimal, float, integer};
        let resolved = cells(&texts).resolve(&OPTIONS);
        for text in texts.iter().filter(|text| !text.is_empty()) {
            let readable = match (&resolved.data_type, resolved.form) {
                (DataType::Boolean, _) => boolean(text).is_some(),
                (DataType::Int64, _) => integer(text).is_some(),
                (DataType::Float64, _) => float(text).is_some(),
                (DataType::Decimal128(precision, scale), _) => decimal(text, *precision, scale.unsigned_abs()).is_some(),
                (_, Some(Form::Date(form))) => form.parse(text).is_some(),
                (_, Some(Form::Timestamp(form))) => form.parse(text).is_some(),
                (data_type, _) => *data_type == DataType::Utf8,
            };
            prop_assert!(readable, "{text} as {}", resolved.type_name());
        }
    }

    #[test]
    fn evidence_is_kept_as_json(evidence in any_evidence()) {
        let text = serde_json::to_string(&evidence).unwrap();
        prop_assert_eq!(facts(&serde_json::from_str(&text).unwrap()), facts(&evidence));
    }
}
