//! The statements of each load.

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};

use super::*;
use crate::options::Options;
use crate::registry::Connector;
use crate::upserts::Upserts;
use crate::warehouse::Warehouse;
use crate::warehouse::redshift::columns::load_columns;

/// The statements of a load, one a line, the transaction between BEGIN and COMMIT.
fn script(mode: WriteMode, extra: &[(&str, DataType)], given: &[(&str, &str)]) -> String {
    script_of(mode, extra, given, Counting::LastCopy)
}

fn script_of(mode: WriteMode, extra: &[(&str, DataType)], given: &[(&str, &str)], counting: Counting) -> String {
    let table = Relation::parse("s.t").unwrap();
    let mut fields = vec![Field::new("k", DataType::Int64, true), Field::new("v", DataType::Utf8, true)];
    fields.extend(extra.iter().map(|(name, data_type)| Field::new(*name, data_type.clone(), true)));
    let given: Vec<_> = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let options = TableOptions::read(&Options::parse("WAREHOUSE", Warehouse.options(), &given).unwrap()).unwrap();
    let columns = load_columns(&table, &Schema::new(fields), None, &options.upserts, mode).unwrap();
    let load = Load {
        table: &table,
        columns: &columns,
        anew: Vec::new(),
        key: &["k".to_owned()],
        mode,
        options: &options,
        manifest: Some("s3://b/m.json"),
        iam_role: "arn:aws:iam::1:role/r",
        kept: &["GRANT SELECT ON \"s\".\"t\" TO ROLE r".to_owned()],
        counting,
        lacks_required: false,
    };
    let Statements { prepare, transaction, after } = load.statements();
    let text = |statement| match statement {
        Statement::Run(text) | Statement::Copy { text, .. } => text,
    };
    let mut lines: Vec<String> = prepare.into_iter().map(text).collect();
    lines.push("BEGIN".to_owned());
    lines.extend(transaction.into_iter().map(text));
    lines.push("COMMIT".to_owned());
    lines.extend(after);
    lines.join("\n").replace("\"_engine_stage\"", "STAGE").replace("\"s\".\"t\"", "T").replace('"', "")
}

const COPY: &str = "FROM 's3://b/m.json' IAM_ROLE 'arn:aws:iam::1:role/r' FORMAT PARQUET MANIFEST STATUPDATE OFF";
const STAGED: &str = "DROP TABLE IF EXISTS STAGE\nCREATE TEMP TABLE STAGE (LIKE T)\n";

#[test]
fn append_copies_inside_the_transaction() {
    assert_eq!(script(WriteMode::Append, &[], &[]), format!("BEGIN\nCOPY T (k, v) {COPY}\nCOMMIT"));
}

#[test]
fn append_that_can_only_be_counted_in_a_table_of_its_own_is_staged() {
    assert_eq!(
        script_of(WriteMode::Append, &[], &[], Counting::OwnTable),
        format!(
            "{STAGED}COPY STAGE (k, v) {COPY}\nBEGIN\nINSERT INTO T (k, v) SELECT STAGE.k, STAGE.v FROM STAGE\nCOMMIT\n\
             DROP TABLE IF EXISTS STAGE"
        )
    );
}

#[test]
fn append_with_a_time_goes_through_text() {
    let time = [("at", DataType::Time64(TimeUnit::Microsecond))];
    assert_eq!(
        script(WriteMode::Append, &time, &[]),
        format!(
            "{STAGED}ALTER TABLE STAGE ADD COLUMN at__text VARCHAR(16)\nCOPY STAGE (k, v, at__text) {COPY}\nBEGIN\n\
             INSERT INTO T (k, v, at) SELECT STAGE.k, STAGE.v, CAST(STAGE.at__text AS TIME) FROM STAGE\nCOMMIT\n\
             DROP TABLE IF EXISTS STAGE"
        )
    );
}

#[test]
fn nested_columns_are_serialized() {
    let list = DataType::List(std::sync::Arc::new(Field::new("item", DataType::Int64, true)));
    assert!(script(WriteMode::Append, &[("tags", list)], &[]).contains("FORMAT PARQUET SERIALIZETOJSON MANIFEST"));
}

#[test]
fn overwrite_deletes_and_inserts_in_one_transaction() {
    assert_eq!(
        script(WriteMode::Overwrite, &[], &[]),
        format!(
            "{STAGED}COPY STAGE (k, v) {COPY}\nBEGIN\nDELETE FROM T\nINSERT INTO T (k, v) SELECT STAGE.k, STAGE.v FROM STAGE\n\
             COMMIT\nDROP TABLE IF EXISTS STAGE"
        )
    );
}

#[test]
fn fast_overwrite_moves_blocks_outside_of_any_transaction() {
    assert_eq!(
        script(WriteMode::Overwrite, &[], &[("overwrite", "fast")]),
        format!(
            "DROP TABLE IF EXISTS s.t__engine_new\nCREATE TABLE s.t__engine_new (LIKE T INCLUDING DEFAULTS)\n\
             COPY s.t__engine_new (k, v) {COPY}\nTRUNCATE T\nALTER TABLE T APPEND FROM s.t__engine_new\nBEGIN\nCOMMIT\n\
             DROP TABLE IF EXISTS s.t__engine_new"
        )
    );
}

#[test]
fn swap_renames_and_grants_in_one_transaction() {
    assert_eq!(
        script(WriteMode::Overwrite, &[], &[("overwrite", "swap")]),
        format!(
            "DROP TABLE IF EXISTS s.t__engine_new\nDROP TABLE IF EXISTS s.t__engine_old\n\
             CREATE TABLE s.t__engine_new (LIKE T INCLUDING DEFAULTS)\nCOPY s.t__engine_new (k, v) {COPY}\nBEGIN\n\
             ALTER TABLE T RENAME TO t__engine_old\nALTER TABLE s.t__engine_new RENAME TO t\nGRANT SELECT ON T TO ROLE r\nCOMMIT\n\
             DROP TABLE IF EXISTS s.t__engine_new\nDROP TABLE IF EXISTS s.t__engine_old"
        )
    );
}

#[test]
fn upsert_deletes_by_key_and_inserts() {
    assert_eq!(
        script(WriteMode::Upsert, &[], &[]),
        format!(
            "{STAGED}COPY STAGE (k, v) {COPY}\nBEGIN\nDELETE FROM T USING STAGE WHERE T.k = STAGE.k\n\
             INSERT INTO T (k, v) SELECT STAGE.k, STAGE.v FROM STAGE\nCOMMIT\nDROP TABLE IF EXISTS STAGE"
        )
    );
}

#[test]
fn merge_has_no_alias_and_both_branches() {
    let script = script(WriteMode::Upsert, &[], &[("upsert", "merge")]);
    let merge = "MERGE INTO T USING STAGE ON T.k = STAGE.k WHEN MATCHED THEN UPDATE SET v = STAGE.v \
                 WHEN NOT MATCHED THEN INSERT (k, v) VALUES (STAGE.k, STAGE.v)";
    assert!(script.contains(&format!("BEGIN\n{merge}\nCOMMIT")), "{script}");
}

#[test]
fn insert_only_leaves_keys_that_are_there() {
    let script = script(WriteMode::Upsert, &[], &[("upsert", "insert")]);
    let insert = "INSERT INTO T (k, v) SELECT STAGE.k, STAGE.v FROM STAGE WHERE NOT EXISTS (SELECT 1 FROM T WHERE T.k = STAGE.k)";
    assert!(script.contains(&format!("BEGIN\n{insert}\nCOMMIT")), "{script}");
}

#[test]
fn hard_deletes_are_not_inserted_again_and_their_mark_is_not_stored() {
    let marker = [("_deleted", DataType::Boolean)];
    assert_eq!(
        script(WriteMode::Upsert, &marker, &[("deleted", "_deleted")]),
        format!(
            "{STAGED}ALTER TABLE STAGE ADD COLUMN _deleted BOOLEAN\nCOPY STAGE (k, v, _deleted) {COPY}\nBEGIN\n\
             DELETE FROM T USING STAGE WHERE T.k = STAGE.k\n\
             INSERT INTO T (k, v) SELECT STAGE.k, STAGE.v FROM STAGE WHERE NOT COALESCE(STAGE._deleted, FALSE)\nCOMMIT\n\
             DROP TABLE IF EXISTS STAGE"
        )
    );
    let script = script(WriteMode::Upsert, &[("_op", DataType::Utf8)], &[("deleted", "_op"), ("upsert", "merge")]);
    let deleted = "UPPER(RTRIM(COALESCE(STAGE._op, ''))) IN ('D', 'DELETE')";
    assert!(script.contains(&format!("T.k = STAGE.k AND {deleted}\nDELETE FROM STAGE WHERE {deleted}\nMERGE")), "{script}");
}

#[test]
fn soft_deletes_mark_the_row_that_is_there() {
    let script = script(WriteMode::Upsert, &[("_op", DataType::Utf8)], &[("deleted", "_op"), ("deletes", "soft")]);
    let deleted = "UPPER(RTRIM(COALESCE(STAGE._op, ''))) IN ('D', 'DELETE')";
    assert!(
        script.contains(&format!(
            "BEGIN\nDELETE FROM T USING STAGE WHERE T.k = STAGE.k AND NOT {deleted}\n\
             INSERT INTO T (k, v, _op) SELECT STAGE.k, STAGE.v, STAGE._op FROM STAGE WHERE NOT {deleted}\n\
             UPDATE T SET _op = STAGE._op FROM STAGE WHERE T.k = STAGE.k AND {deleted}\nCOMMIT"
        )),
        "{script}"
    );
}

#[test]
fn a_table_with_other_columns_is_made_by_itself_and_takes_the_name() {
    let table = Relation::parse("s.t").unwrap();
    let given = [("columns".to_owned(), "replace".to_owned())];
    let options =
        TableOptions::read(&Options::parse("WAREHOUSE", crate::warehouse::Warehouse.options(), &given).unwrap()).unwrap();
    let columns = load_columns(
        &table,
        &Schema::new(vec![Field::new("k", DataType::Int64, true)]),
        None,
        &Upserts::default(),
        WriteMode::Append,
    )
    .unwrap();
    let load = |manifest| Load {
        table: &table,
        columns: &columns,
        anew: vec!["CREATE NEW".to_owned()],
        key: &[],
        mode: WriteMode::Overwrite,
        options: &options,
        manifest,
        iam_role: "default",
        kept: &[],
        counting: Counting::LastCopy,
        lacks_required: false,
    };
    let made = |manifest| {
        load(manifest).statements().prepare.into_iter().skip(2).map(|statement| match statement {
            Statement::Run(text) | Statement::Copy { text, .. } => text.split(" FROM").next().unwrap_or_default().to_owned(),
        })
    };
    assert_eq!(made(None).collect::<Vec<_>>(), ["CREATE NEW"]);
    assert_eq!(made(Some("s3://b/m")).collect::<Vec<_>>(), ["CREATE NEW", "COPY \"s\".\"t__engine_new\" (\"k\")"]);
    assert_eq!(load(None).statements().transaction.len(), 2);
}

#[test]
fn overwrite_by_nothing_empties_the_table() {
    let table = Relation::parse("s.t").unwrap();
    let options = TableOptions::read(&Options::default()).unwrap();
    let load = Load {
        table: &table,
        columns: &[],
        anew: Vec::new(),
        key: &[],
        mode: WriteMode::Overwrite,
        options: &options,
        manifest: None,
        iam_role: "default",
        kept: &[],
        counting: Counting::LastCopy,
        lacks_required: false,
    };
    let Statements { prepare, transaction, after } = load.statements();
    assert_eq!((prepare.len(), after.len()), (0, 0));
    assert_eq!(transaction, [Statement::Run("DELETE FROM \"s\".\"t\"".to_owned())]);
}
