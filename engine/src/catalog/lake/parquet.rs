//! Parquet files by path as DataFusion reads them: in parallel, row groups and pages left out by what footers say of them. Our own reader,
//! which makes one table of files that differ, is one stream.
//!
//! Which of the two reads is no difference to who asks: columns have the names and types that our reader gives them, and what
//! DataFusion would read otherwise is left to ours.

use std::collections::HashSet;
use std::sync::Arc;

use connectors::files::ParquetFiles;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::TableProvider;
use datafusion::common::Column;
use datafusion::datasource::ViewTable;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::datasource::provider_as_source;
use datafusion::error::Result;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, cast};

/// Files that are read by their names; each is a request.
const NAMED: usize = 2_000;

/// The files as a table with the columns of `ours`, of which the last are the `folders`; none when our own reader is to read them.
///
/// # Errors
/// When a store cannot be reached.
pub(super) async fn read(
    state: &SessionState,
    files: &ParquetFiles,
    folders: &[String],
    ours: &Schema,
) -> Result<Option<Arc<dyn TableProvider>>> {
    let Some(urls) = urls(files, folders)? else { return Ok(None) };
    let store = &files.root.store;
    let mut root = files.root.url.clone();
    root.set_path("");
    state.runtime_env().register_object_store(&root, Arc::clone(store));
    let format = ParquetFormat::new().with_options(state.table_options().parquet.clone());
    // Types that differ, a damaged file: ours reads them as one, or says what is wrong.
    let Ok(theirs) = format.infer_schema(state, store, &files.files).await else { return Ok(None) };
    let Some(columns) = columns(&theirs, folders, ours) else { return Ok(None) };
    let partitions = folders.iter().map(|name| (name.clone(), DataType::Utf8)).collect();
    let options = ListingOptions::new(Arc::new(format)).with_file_extension("").with_table_partition_cols(partitions);
    let config = ListingTableConfig::new_with_multi_paths(urls).with_listing_options(options).with_schema(theirs);
    let table = provider_as_source(Arc::new(ListingTable::try_new(config)?));
    let plan = LogicalPlanBuilder::scan("files", table, None)?.project(columns)?.build()?;
    Ok(Some(Arc::new(ViewTable::new(plan, None))))
}

/// Where DataFusion finds just these files: in their folder, or each by itself.
fn urls(files: &ParquetFiles, folders: &[String]) -> Result<Option<Vec<ListingTableUrl>>> {
    let mut url = files.root.url.clone();
    if files.is_folder && files.files.iter().any(|file| file.location != files.root.path) {
        url.set_path(&format!("{}/", url.path().trim_end_matches('/')));
        return Ok(Some(vec![ListingTableUrl::try_new(url, None)?]));
    }
    if !folders.is_empty() || files.files.len() > NAMED {
        return Ok(None);
    }
    let one = |path: &str| {
        let mut url = url.clone();
        url.set_path(&format!("/{path}"));
        ListingTableUrl::try_new(url, None)
    };
    files.files.iter().map(|file| one(file.location.as_ref())).collect::<Result<Vec<_>>>().map(Some)
}

/// `ours`, made of the columns of the files and the folders; none when that cannot be without a change of values.
fn columns(theirs: &Schema, folders: &[String], ours: &Schema) -> Option<Vec<Expr>> {
    let mut names = HashSet::new();
    let mut columns = Vec::new();
    for field in theirs.fields() {
        let name = field.name().to_lowercase();
        if folders.contains(&name) || !names.insert(name.clone()) {
            return None;
        }
        let column = Expr::Column(Column::new_unqualified(field.name()));
        columns.push(fitted(column, field, ours.field_with_name(&name).ok()?)?.alias(name));
    }
    columns.extend(folders.iter().map(|name| Expr::Column(Column::new_unqualified(name))));
    (columns.len() == ours.fields().len()).then_some(columns)
}

/// The column as our reader gives it.
fn fitted(column: Expr, theirs: &Field, ours: &Field) -> Option<Expr> {
    let (from, to) = (theirs.data_type(), ours.data_type());
    let is_text = |data_type: &DataType| matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let is_same = match (from, to) {
        (DataType::Timestamp(_, from), DataType::Timestamp(_, to)) => from == to,
        _ => is_text(from) && is_text(to) || from.is_integer() && to.is_integer(),
    };
    match from == to {
        true => Some(column),
        false => is_same.then(|| cast(column, to.clone())),
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::TimeUnit;

    use super::*;

    #[test]
    fn columns_are_renamed_and_widened_and_what_differs_is_left_to_our_reader() {
        let schema = |fields: &[(&str, DataType)]| {
            Schema::new(fields.iter().map(|(name, kind)| Field::new(*name, kind.clone(), true)).collect::<Vec<_>>())
        };
        let made = |theirs: &[(&str, DataType)], ours: &[(&str, DataType)]| {
            let made = columns(&schema(theirs), &["day".to_owned()], &schema(&[ours, &[("day", DataType::Utf8)]].concat()));
            made.map(|columns| columns.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
        };
        use DataType::{Float64, Int32, Int64, Utf8, Utf8View};
        let zone = |unit| DataType::Timestamp(unit, Some("UTC".into()));
        assert_eq!(made(&[("ID", Int64)], &[("id", Int64)]).as_deref(), Some("ID AS id, day"));
        assert_eq!(made(&[("id", Int32)], &[("id", Int64)]).as_deref(), Some("CAST(id AS Int64) AS id, day"));
        assert!(made(&[("at", zone(TimeUnit::Nanosecond))], &[("at", zone(TimeUnit::Microsecond))]).is_some());
        assert!(made(&[("s", Utf8View)], &[("s", Utf8)]).is_some());
        for (theirs, ours) in [
            (vec![("ID", Int64), ("id", Int64)], vec![("id", Int64)]),
            (vec![("id", Int64), ("day", Utf8)], vec![("id", Int64)]),
            (vec![("id", Float64)], vec![("id", Int64)]),
            (vec![("id", Int64)], vec![("id", Int64), ("more", Int64)]),
        ] {
            assert_eq!(made(&theirs, &ours), None, "{theirs:?}");
        }
    }
}
