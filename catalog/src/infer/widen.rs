//! The narrowest type that holds every value of two types.

use arrow_schema::{DataType, Field, Fields, TimeUnit};

/// The type that holds what both hold, without loss but for the rounding of integers and decimals that meet doubles. `None` when
/// nothing but text does. Commutative, and associative when `None` stays `None`.
pub fn widen(left: &DataType, right: &DataType) -> Option<DataType> {
    use DataType::{Binary, Boolean, Date32, Date64, Float32, Float64, Null, Timestamp, Utf8};
    match (left, right) {
        (DataType::Dictionary(_, left), right) | (right, DataType::Dictionary(_, left)) if left.as_ref() != right => {
            widen(left, right)
        }
        (left, right) if left == right => Some(left.clone()),
        (Null, other) | (other, Null) => Some(other.clone()),
        (Boolean, _) | (_, Boolean) => None,
        (left, right) if is_text(left) && is_text(right) => Some(Utf8),
        (left, right) if is_binary(left) && is_binary(right) => Some(Binary),
        (Date32, Date64) | (Date64, Date32) => Some(Date64),
        (Date32, Timestamp(unit, None)) | (Timestamp(unit, None), Date32) => Some(Timestamp(*unit, None)),
        (Date64, Timestamp(unit, None)) | (Timestamp(unit, None), Date64) => {
            Some(Timestamp(finer(*unit, TimeUnit::Millisecond), None))
        }
        (Timestamp(left, None), Timestamp(right, None)) => Some(Timestamp(finer(*left, *right), None)),
        (Timestamp(left, Some(zone)), Timestamp(right, Some(other))) => {
            // The instants are the same whatever zone they are shown in.
            let zone = if zone == other { zone.clone() } else { "UTC".into() };
            Some(Timestamp(finer(*left, *right), Some(zone)))
        }
        (Float32 | Float64 | DataType::Float16, Float32 | Float64 | DataType::Float16) => {
            let single = [left, right].iter().all(|kind| matches!(kind, Float32 | DataType::Float16));
            Some(if single { Float32 } else { Float64 })
        }
        (DataType::Struct(left), DataType::Struct(right)) => Some(DataType::Struct(widen_fields(left, right))),
        (left, right) if item(left).is_some() && item(right).is_some() => {
            item(left).zip(item(right)).map(|(left, right)| DataType::List(widen_field(left, right).with_name("item").into()))
        }
        (left, right) if left.is_numeric() && right.is_numeric() => widen_numbers(left, right),
        _ => None,
    }
}

/// The columns of both, matched by name, in the order of `left` and then of `right`. A column of which only text holds both types
/// becomes text.
pub fn widen_fields(left: &Fields, right: &Fields) -> Fields {
    let both = left.iter().map(|field| match right.find(field.name()) {
        Some((_, other)) => widen_field(field, other),
        None => field.as_ref().clone().with_nullable(true),
    });
    let new = right.iter().filter(|field| left.find(field.name()).is_none());
    both.chain(new.map(|field| field.as_ref().clone().with_nullable(true))).collect()
}

fn widen_field(left: &Field, right: &Field) -> Field {
    let data_type = widen(left.data_type(), right.data_type()).unwrap_or(DataType::Utf8);
    let widened = Field::new(left.name(), data_type, left.is_nullable() || right.is_nullable());
    if left.metadata() == right.metadata() { widened.with_metadata(left.metadata().clone()) } else { widened }
}

fn widen_numbers(left: &DataType, right: &DataType) -> Option<DataType> {
    if left.is_floating() || right.is_floating() {
        return Some(DataType::Float64);
    }
    match (integer_bits(left), integer_bits(right)) {
        (Some((left, left_signed)), Some((right, right_signed))) if left_signed == right_signed => {
            Some(integer(left.max(right), left_signed))
        }
        // The sign takes a bit, which makes the unsigned one twice as wide.
        (Some((left, left_signed)), Some((right, _))) => {
            let (signed, unsigned) = if left_signed { (left, right) } else { (right, left) };
            Some(if unsigned == 64 { DataType::Decimal128(20, 0) } else { integer(signed.max(unsigned * 2), true) })
        }
        _ => {
            let ((left_digits, left_scale), (right_digits, right_scale)) = (digits(left)?, digits(right)?);
            let scale = left_scale.max(right_scale);
            Some(decimal(left_digits.max(right_digits), scale))
        }
    }
}

fn integer_bits(data_type: &DataType) -> Option<(u8, bool)> {
    Some(match data_type {
        DataType::Int8 => (8, true),
        DataType::Int16 => (16, true),
        DataType::Int32 => (32, true),
        DataType::Int64 => (64, true),
        DataType::UInt8 => (8, false),
        DataType::UInt16 => (16, false),
        DataType::UInt32 => (32, false),
        DataType::UInt64 => (64, false),
        _ => return None,
    })
}

fn integer(bits: u8, signed: bool) -> DataType {
    match (bits, signed) {
        (8, true) => DataType::Int8,
        (16, true) => DataType::Int16,
        (32, true) => DataType::Int32,
        (_, true) => DataType::Int64,
        (8, false) => DataType::UInt8,
        (16, false) => DataType::UInt16,
        (32, false) => DataType::UInt32,
        (_, false) => DataType::UInt64,
    }
}

/// Digits before the point and after it. Every integer counts as one of 64 bits, so that the order of widening makes no difference.
fn digits(data_type: &DataType) -> Option<(u8, u8)> {
    match data_type {
        DataType::UInt64 => Some((20, 0)),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => {
            let after = u8::try_from(*scale).unwrap_or(0);
            Some(((i16::from(*precision) - i16::from(*scale)).try_into().ok()?, after))
        }
        other => integer_bits(other).map(|_| (19, 0)),
    }
}

/// The decimal type of so many digits before and after the point.
fn decimal(before: u8, after: u8) -> DataType {
    let precision = before.saturating_add(after).max(1);
    let scale = i8::try_from(after).unwrap_or(i8::MAX);
    if precision <= 38 { DataType::Decimal128(precision, scale) } else { DataType::Decimal256(precision.min(76), scale) }
}

fn finer(left: TimeUnit, right: TimeUnit) -> TimeUnit {
    left.max(right)
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn is_binary(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_))
}

fn item(data_type: &DataType) -> Option<&Field> {
    match data_type {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => Some(item),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_column_of_several_parquet_writers_is_one_type() {
        use DataType::{Float64, Int32, Int64, LargeUtf8, Null, Utf8};
        assert_eq!(widen(&Int32, &Int64), Some(Int64));
        assert_eq!(widen(&Int64, &Float64), Some(Float64));
        assert_eq!(widen(&Null, &Int32), Some(Int32));
        assert_eq!(widen(&LargeUtf8, &Utf8), Some(Utf8));
        assert_eq!(widen(&Int64, &DataType::UInt64), Some(DataType::Decimal128(20, 0)));
        assert_eq!(widen(&DataType::Decimal128(5, 2), &DataType::Decimal128(6, 4)), Some(DataType::Decimal128(7, 4)));
        assert_eq!(widen(&Int64, &Utf8), None);
    }

    #[test]
    fn days_become_timestamps_and_zones_do_not_vanish() {
        let local = DataType::Timestamp(TimeUnit::Microsecond, None);
        let zoned = DataType::Timestamp(TimeUnit::Nanosecond, Some("Europe/Berlin".into()));
        let utc = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
        assert_eq!(widen(&DataType::Date32, &local), Some(local.clone()));
        assert_eq!(widen(&local, &zoned), None);
        assert_eq!(widen(&zoned, &utc), Some(DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()))));
    }

    #[test]
    fn structs_have_the_keys_of_both() {
        let left = Fields::from(vec![Field::new("a", DataType::Int32, false), Field::new("b", DataType::Boolean, true)]);
        let right = Fields::from(vec![Field::new("c", DataType::Utf8, true), Field::new("a", DataType::Int64, false)]);
        let names: Vec<String> = widen_fields(&left, &right).iter().map(|f| format!("{} {}", f.name(), f.data_type())).collect();
        assert_eq!(names, ["a Int64", "b Boolean", "c Utf8"]);
    }

    fn any_type() -> impl Strategy<Value = DataType> {
        let units = prop_oneof![Just(TimeUnit::Second), Just(TimeUnit::Microsecond), Just(TimeUnit::Nanosecond)];
        let zones = prop_oneof![Just(None), Just(Some("UTC")), Just(Some("Europe/Berlin"))];
        let leaf = prop_oneof![
            proptest::sample::select(vec![
                DataType::Null,
                DataType::Boolean,
                DataType::Int8,
                DataType::Int32,
                DataType::Int64,
                DataType::UInt8,
                DataType::UInt32,
                DataType::UInt64,
                DataType::Float32,
                DataType::Float64,
                DataType::Utf8,
                DataType::LargeUtf8,
                DataType::Binary,
                DataType::Date32,
                DataType::Date64,
            ]),
            (1u8..=38, 0i8..=10).prop_map(|(precision, scale)| DataType::Decimal128(precision.max(scale.unsigned_abs()), scale)),
            (units, zones).prop_map(|(unit, zone)| DataType::Timestamp(unit, zone.map(Into::into))),
        ];
        leaf.prop_recursive(2, 8, 3, |inner| {
            prop_oneof![
                inner.clone().prop_map(|item| DataType::List(Field::new("item", item, true).into())),
                proptest::collection::btree_map("[a-c]", inner, 1..3).prop_map(|fields| {
                    DataType::Struct(fields.into_iter().map(|(name, data_type)| Field::new(name, data_type, true)).collect())
                }),
            ]
        })
    }

    /// Structs with their keys in one order, to compare what is the same but for that.
    fn sorted(data_type: DataType) -> DataType {
        match data_type {
            DataType::Struct(fields) => {
                let mut fields: Vec<Field> =
                    fields.iter().map(|field| field.as_ref().clone().with_data_type(sorted(field.data_type().clone()))).collect();
                fields.sort_by(|a, b| a.name().cmp(b.name()));
                DataType::Struct(fields.into())
            }
            DataType::List(item) => DataType::List(item.as_ref().clone().with_data_type(sorted(item.data_type().clone())).into()),
            other => other,
        }
    }

    proptest! {
        #[test]
        fn order_makes_no_difference(a in any_type(), b in any_type(), c in any_type()) {
            let ab = widen(&a, &b);
            prop_assert_eq!(ab.clone().map(sorted), widen(&b, &a).map(sorted));
            let left = ab.and_then(|ab| widen(&ab, &c)).map(sorted);
            let right = widen(&b, &c).and_then(|bc| widen(&a, &bc)).map(sorted);
            prop_assert_eq!(left, right);
        }

        #[test]
        fn nothing_changes_the_second_time(a in any_type(), b in any_type()) {
            prop_assert_eq!(widen(&a, &a), Some(a.clone()));
            if let Some(both) = widen(&a, &b) {
                prop_assert_eq!(widen(&both, &a), Some(both.clone()));
            }
        }
    }
}
