//! Drift as a whole: what is said of changed files, and what each policy makes of it.

use arrow_schema::{DataType, Field, Fields, Schema, TimeUnit};

use proptest::prelude::*;

use super::*;
use crate::infer::{FileObservation, Form, ObservedSchema, ResolveOptions};
use crate::values::{DateForm, TimestampForm};

fn schema(columns: &[(&str, DataType)]) -> Schema {
    Schema::new(columns.iter().map(|(name, data_type)| Field::new(*name, data_type.clone(), true)).collect::<Fields>())
}

fn said(drift: &Drift) -> Vec<String> {
    drift.changes.iter().map(ToString::to_string).collect()
}

#[test]
fn each_difference_is_said() {
    let stored =
        schema(&[("id", DataType::Int64), ("age", DataType::Int64), ("note", DataType::Utf8), ("gone", DataType::Date32)]);
    let observed =
        schema(&[("id", DataType::Float64), ("age", DataType::Utf8), ("note", DataType::Int64), ("new", DataType::Boolean)]);
    let drift = compare(&stored, &observed);
    assert_eq!(
        said(&drift),
        [
            "`id` was BIGINT and becomes DOUBLE",
            "`age` is BIGINT, and VARCHAR in the files",
            "`gone` is missing; it reads as null",
            "`new` is new, BOOLEAN",
        ]
    );
    let expected = schema(&[
        ("id", DataType::Float64),
        ("age", DataType::Int64),
        ("note", DataType::Utf8),
        ("gone", DataType::Date32),
        ("new", DataType::Boolean),
    ]);
    assert_eq!(drift.schema, expected);
}

#[test]
fn a_column_that_is_gone_for_good_goes_if_the_policy_lets_it() {
    let stored = schema(&[("id", DataType::Int64), ("born", DataType::Date32)]);
    let observed = schema(&[("id", DataType::Int64), ("day", DataType::Date32)]);
    let drift = compare(&stored, &observed).removing_missing();
    let renamed = "`born` may have been renamed to `day`: it has the same position and type";
    assert_eq!(said(&drift), ["`born` is gone", "`day` is new, DATE", renamed]);
    assert_eq!(drift.schema, observed);
    assert_eq!(Policy::Evolve.decide("raw.t", &drift).unwrap().unwrap().schema, observed);
    for policy in [Policy::Widen, Policy::Freeze] {
        let refused = policy.decide("raw.t", &drift).unwrap_err();
        assert!(refused.column == "born" && refused.message.contains("lets go of no column"), "{refused:?}");
    }
}

#[test]
fn columns_without_values_change_nothing() {
    let nested = |data_type| DataType::Struct(vec![Field::new("x", data_type, true)].into());
    let stored = schema(&[("a", DataType::Int64), ("b", nested(DataType::Int64))]);
    let observed = schema(&[("a", DataType::Null), ("b", nested(DataType::Null)), ("c", DataType::Null)]);
    let drift = compare(&stored, &observed);
    assert!(drift.is_none());
    assert_eq!(drift.schema, stored);
}

#[test]
fn keys_of_objects_and_items_of_lists_drift_too() {
    let nested = |fields: Vec<Field>| {
        let item = Field::new("item", DataType::Struct(fields.into()), true);
        schema(&[("users", DataType::List(item.into()))])
    };
    let stored = nested(vec![Field::new("id", DataType::Int32, true)]);
    let observed = nested(vec![Field::new("id", DataType::Int64, true), Field::new("mail", DataType::Utf8, true)]);
    assert_eq!(said(&compare(&stored, &observed)), ["`users[].id` was INT and becomes BIGINT", "`users[].mail` is new, VARCHAR"]);
}

#[test]
fn forms_are_part_of_the_type() {
    let dated = |data_type, form| Schema::new(vec![Field::new("d", data_type, true).with_metadata(Form::metadata(Some(form)))]);
    let day = |form| dated(DataType::Date32, Form::Date(form));
    let time = |form| dated(DataType::Timestamp(TimeUnit::Microsecond, None), Form::Timestamp(TimestampForm::Local(form)));
    let drift = compare(&day(DateForm::DaySlash), &day(DateForm::YearDash));
    assert_eq!(said(&drift), ["`d` is DATE D/M/Y, and DATE in the files"]);
    let drift = compare(&day(DateForm::DaySlash), &time(DateForm::DaySlash));
    assert_eq!(said(&drift), ["`d` was DATE D/M/Y and becomes TIMESTAMP(6) D/M/Y h:m:s"]);
    assert_eq!(drift.schema, time(DateForm::DaySlash));
    assert!(compare(&time(DateForm::DaySlash), &day(DateForm::DaySlash)).is_none());
}

#[test]
fn renames_are_guessed_and_only_that() {
    let stored = schema(&[("vendor_id", DataType::Int64), ("pickup_datetime", DataType::Date32), ("x", DataType::Utf8)]);
    let observed = schema(&[("VendorID", DataType::Int64), ("tpep_pickup_datetime", DataType::Date32), ("y", DataType::Utf8)]);
    let drift = compare(&stored, &observed);
    assert_eq!(
        said(&drift)[6..],
        [
            "`vendor_id` may have been renamed to `VendorID`: the names are alike and the types agree",
            "`pickup_datetime` may have been renamed to `tpep_pickup_datetime`: the names are alike and the types agree",
            "`x` may have been renamed to `y`: it has the same position and type",
        ]
    );
    assert_eq!(drift.schema.fields().len(), 6);
}

#[test]
fn a_name_that_only_new_files_have_in_place_of_another_is_a_rename_perhaps() {
    let file = |columns: &[&str]| {
        let mut file = FileObservation::new("f.csv");
        file.header(columns.iter().copied());
        file.begin_row();
        columns.iter().enumerate().for_each(|(index, _)| file.cell(index, "1"));
        file.finish(&ResolveOptions::default())
    };
    let stored = schema(&[("id", DataType::Int64), ("price", DataType::Int64)]);
    let said = |files: &[&[&str]]| {
        let mut observed = ObservedSchema::default();
        files.iter().for_each(|columns| observed.merge(&file(columns)));
        let changes = exchanged(&stored, &observed.schema(&ResolveOptions::default()), &observed);
        changes.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let renamed =
        ["`price` may have been renamed to `cost`: every file has one of the two and none has both, and the types agree"];
    assert_eq!(said(&[&["id", "price"], &["id", "price"], &["id", "cost"]]), renamed);
    assert_eq!(said(&[&["id", "price"], &["id", "price", "cost"]]), [""; 0]);
    assert_eq!(said(&[&["id", "price"], &["id"], &["id", "cost"]]), [""; 0]);
    assert_eq!(said(&[&["id", "price"], &["id", "price"]]), [""; 0]);
}

#[test]
fn policies_allow_or_name_column_and_fix() {
    let stored = schema(&[("id", DataType::Int32)]);
    let added = compare(&stored, &schema(&[("id", DataType::Int32), ("x", DataType::Utf8)]));
    let widened = compare(&stored, &schema(&[("id", DataType::Int64)]));
    let broken = compare(&stored, &schema(&[("id", DataType::Boolean)]));
    let same = compare(&stored, &stored);
    for (policy, drift, expected) in [
        (Policy::Evolve, &added, Ok(true)),
        (Policy::Evolve, &widened, Ok(true)),
        (Policy::Widen, &widened, Ok(true)),
        (Policy::Freeze, &same, Ok(false)),
        (
            Policy::Widen,
            &added,
            Err("table raw.t: `x` is new, VARCHAR; the policy 'widen' takes no new columns: add x VARCHAR yourself, or set the \
                 policy to 'evolve'"),
        ),
        (
            Policy::Freeze,
            &widened,
            Err(
                "table raw.t: `id` was INT and becomes BIGINT; the policy 'freeze' changes no type: declare id as BIGINT yourself, \
                 or set the policy to 'widen'",
            ),
        ),
        (
            Policy::Evolve,
            &broken,
            Err(
                "table raw.t: `id` is INT, and BOOLEAN in the files; no type but text holds both: declare id as VARCHAR, or set \
                 on_error to 'quarantine' to keep such rows apart",
            ),
        ),
    ] {
        let decided = policy.decide("raw.t", drift).map(|version| version.is_some()).map_err(|refusal| refusal.message);
        assert_eq!(decided.as_ref().map_err(String::as_str).copied(), expected);
    }
    assert_eq!("Freeze".parse::<Policy>().unwrap(), Policy::Freeze);
    assert!("loose".parse::<Policy>().is_err());
}

#[test]
fn a_second_look_at_the_same_files_finds_no_drift() {
    let mut file = FileObservation::new("a.csv");
    file.header(["id", "day", "empty"]);
    file.begin_row();
    ["1", "21/11/2026", ""].iter().enumerate().for_each(|(column, cell)| file.cell(column, cell));
    let observed = file.finish(&ResolveOptions::default());
    let stored = observed.schema(&ResolveOptions::default());
    let drift = compare(&stored, &observed.schema(&ResolveOptions { null_types: true, ..ResolveOptions::default() }));
    assert_eq!(drift.changes, []);
    assert_eq!(drift.schema, stored);
}

fn any_schema() -> impl Strategy<Value = Schema> {
    let leaf = proptest::sample::select(vec![
        DataType::Null,
        DataType::Boolean,
        DataType::Int32,
        DataType::Int64,
        DataType::Float64,
        DataType::Utf8,
        DataType::Date32,
        DataType::Timestamp(TimeUnit::Microsecond, None),
    ]);
    let data_type = leaf.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|item| DataType::List(Field::new("item", item, true).into())),
            proptest::collection::btree_map("[a-c]", inner, 1..3).prop_map(|fields| {
                DataType::Struct(fields.into_iter().map(|(name, data_type)| Field::new(name, data_type, true)).collect())
            }),
        ]
    });
    proptest::collection::btree_map("[a-d]", data_type, 0..4).prop_map(|columns| {
        Schema::new(columns.into_iter().map(|(name, data_type)| Field::new(name, data_type, true)).collect::<Fields>())
    })
}

proptest! {
    #[test]
    fn what_was_taken_in_does_not_drift_again(stored in any_schema(), observed in any_schema()) {
        let first = compare(&stored, &observed);
        let second = compare(&first.schema, &observed);
        let settled = |change: &Change| !matches!(change, Change::Added { .. } | Change::Widened { .. });
        prop_assert!(second.changes.iter().all(settled), "{:?}", second.changes);
        prop_assert_eq!(&second.schema, &first.schema);
        for field in stored.fields() {
            prop_assert!(first.schema.fields().find(field.name()).is_some(), "no column is taken away");
        }
    }
}
