//! What columns a table has now.
//!
//! `svv_columns` shows every user the columns of what they may read, late-binding views included; `pg_table_def` only those in the
//! search path, `svv_table_info` only to superusers ("SVV_COLUMNS", `r_SVV_COLUMNS`, and the pages of the others).

use crate::warehouse::redshift::fault::Fault;
use crate::warehouse::redshift::names::{Relation, literal};
use crate::warehouse::redshift::session::{Session, TextRow};
use crate::warehouse::redshift::types::ColumnType;

/// A column as the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableColumn {
    pub(crate) name: String,
    pub(crate) column_type: ColumnType,
    pub(crate) nullable: bool,
    /// Whether it fills itself when it is left out: a DEFAULT or an IDENTITY.
    pub(crate) has_default: bool,
}

/// The columns of `table` in their order; `None` when there is no such table.
///
/// # Errors
/// What the database says.
pub(crate) async fn columns(session: &Session, table: &Relation) -> Result<Option<Vec<TableColumn>>, Fault> {
    let rows = session.rows(&query(table)).await?;
    Ok((!rows.is_empty()).then(|| rows.iter().map(column).collect()))
}

fn query(table: &Relation) -> String {
    format!(
        "SELECT column_name, data_type, character_maximum_length, numeric_precision, numeric_scale, is_nullable, column_default \
         FROM svv_columns WHERE table_schema = {} AND table_name = {} ORDER BY ordinal_position",
        literal(&table.schema),
        literal(&table.table)
    )
}

fn column(row: &TextRow) -> TableColumn {
    let text = |index: usize| row.get(index).and_then(Option::as_deref);
    let data_type = text(1).unwrap_or_default();
    let width = text(2).and_then(|width| width.parse().ok());
    let digits = text(3).and_then(|digits| digits.parse().ok());
    let scale = text(4).and_then(|scale| scale.parse().ok());
    TableColumn {
        name: text(0).unwrap_or_default().to_owned(),
        column_type: ColumnType::from_catalog(data_type, width, digits, scale),
        nullable: !text(5).is_some_and(|answer| answer.eq_ignore_ascii_case("no")),
        has_default: text(6).is_some_and(|default| !default.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_of_the_catalog_becomes_a_column() {
        let row =
            |values: [&str; 7]| -> TextRow { values.into_iter().map(|value| (value != "-").then(|| value.to_owned())).collect() };
        assert_eq!(
            column(&row(["n", "numeric", "-", "18", "9", "NO", "\"identity\"(102, 0, '1,1'::text)"])),
            TableColumn { name: "n".into(), column_type: ColumnType::Decimal(18, 9), nullable: false, has_default: true }
        );
        assert_eq!(
            column(&row(["t", "character varying", "300", "-", "-", "YES", "-"])),
            TableColumn { name: "t".into(), column_type: ColumnType::Varchar(300), nullable: true, has_default: false }
        );
    }
}
