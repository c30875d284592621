//! Columns of types that have no binary form here (`inet`, ranges, composites ..): sent as texts into a temporary table, from where the
//! server casts them, as it does with what a person types.

use super::ddl::{Column, list, quoted};

/// The temporary table: gone with its transaction.
pub(super) const PLACE: &str = "pg_temp.\"_engine_texts\"";

/// The columns of a table some of which are sent as texts.
#[derive(Debug)]
pub(super) struct Texts<'a>(&'a [Column]);

impl<'a> Texts<'a> {
    /// `None` where all are sent as they are.
    pub(super) fn of(columns: &'a [Column]) -> Option<Self> {
        columns.iter().any(|column| column.data_type.sent_as().is_some()).then_some(Self(columns))
    }

    /// Makes [`PLACE`] for rows that are to be in `into`.
    pub(super) fn create(&self, into: &str) -> String {
        let column = |column: &Column| {
            let name = quoted(&column.name);
            column.data_type.sent_as().map_or_else(|| name.clone(), |sent| format!("{name}::{sent} AS {name}"))
        };
        let columns = self.0.iter().map(column).collect::<Vec<_>>().join(", ");
        format!("CREATE TEMPORARY TABLE \"_engine_texts\" ON COMMIT DROP AS SELECT {columns} FROM {into} WITH NO DATA")
    }

    /// Takes the rows of [`PLACE`] into `into`. Numbers that the database gives otherwise are taken as they are, as COPY does.
    pub(super) fn take(&self, into: &str) -> String {
        let column = |column: &Column| {
            let name = quoted(&column.name);
            if column.data_type.sent_as().is_some() { format!("{name}::{}", column.data_type.name) } else { name }
        };
        let values = self.0.iter().map(column).collect::<Vec<_>>().join(", ");
        let names = list(self.0.iter().map(|column| &column.name));
        format!("INSERT INTO {into} ({names}) OVERRIDING SYSTEM VALUE SELECT {values} FROM {PLACE}")
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::DataType;

    use super::super::types::{Kind, PgType};
    use super::*;

    #[test]
    fn only_columns_without_a_form_take_the_way_by_texts() {
        let column = |name: &str, data_type: PgType| Column::new(name, data_type, DataType::Utf8);
        let plain = column("id", PgType::new(Kind::BigInt));
        assert!(Texts::of(std::slice::from_ref(&plain)).is_none());
        let columns = [plain, column("ip", PgType { kind: Kind::Other, name: "inet".into() })];
        let texts = Texts::of(&columns).unwrap();
        assert_eq!(
            texts.create("t"),
            "CREATE TEMPORARY TABLE \"_engine_texts\" ON COMMIT DROP AS SELECT \"id\", \"ip\"::text AS \"ip\" FROM t WITH NO DATA"
        );
        assert_eq!(
            texts.take("t"),
            "INSERT INTO t (\"id\", \"ip\") OVERRIDING SYSTEM VALUE SELECT \"id\", \"ip\"::inet FROM pg_temp.\"_engine_texts\""
        );
    }
}
