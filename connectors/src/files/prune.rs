//! Folders and files that a query wants nothing of, told by the values of their partition columns: neither listed nor read.
//!
//! Folders are asked for level by level for as long as their names decide something, and what is below one that is wanted is then
//! listed as a whole. So a query of a day of a table of years lists the names of the days, and the files of that day. A folder that
//! cannot be told is wanted: what is wrong with it is said when its files are read.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, BooleanArray, RecordBatch, new_null_array};
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;

use super::config::FileTable;
use super::file_values::known_values;
use super::object::Object;
use crate::error::{Error, Result};

/// So many folders are asked for one by one, whatever share of all they are.
const FEW: usize = 8;

/// What a query wants of the partition columns.
#[derive(Debug)]
pub(super) struct Pruning {
    schema: SchemaRef,
    conditions: Vec<Condition>,
}

/// One that all rows have to meet.
#[derive(Debug)]
struct Condition {
    columns: BTreeSet<usize>,
    holds: Arc<dyn PhysicalExpr>,
}

impl Pruning {
    /// Of `filters` over the partition columns of `table`; `None` when they say nothing of them.
    pub(super) fn new(table: &FileTable, filters: &[Expr]) -> Option<Self> {
        let layout = &table.layout;
        let fields = &layout.schema.fields()[layout.in_files..layout.in_files + layout.partitions.len()];
        // A file that lies higher than others has NULL for the levels below it.
        let fields: Vec<_> = fields.iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
        let schema = Arc::new(Schema::new(fields));
        let typed = DFSchema::try_from(Arc::clone(&schema)).ok()?;
        let condition = |filter: &Expr| {
            let columns = filter.column_refs().iter().map(|column| schema.index_of(column.name()).ok()).collect::<Option<_>>()?;
            let holds = create_physical_expr(filter, &typed, &ExecutionProps::new(), &PhysicalPlanningContext::default()).ok()?;
            Some(Condition { columns, holds })
        };
        let conditions: Vec<Condition> = filters.iter().flat_map(split_conjunction).filter_map(condition).collect();
        (!conditions.is_empty()).then_some(Self { schema, conditions })
    }

    /// Whether rows with these values, of which some may not be known yet, may be wanted.
    fn wants(&self, values: &[Option<ScalarValue>]) -> Result<bool> {
        let columns = self.schema.fields().iter().zip(values).map(|(field, value)| match value {
            Some(value) => value.to_array_of_size(1),
            None => Ok(new_null_array(field.data_type(), 1)),
        });
        let row = RecordBatch::try_new(Arc::clone(&self.schema), columns.collect::<datafusion::error::Result<_>>()?)?;
        for condition in &self.conditions {
            if condition.columns.iter().any(|index| values.get(*index).is_none_or(Option::is_none)) {
                continue;
            }
            let holds = condition.holds.evaluate(&row)?.into_array(1)?;
            let holds = holds.as_any().downcast_ref::<BooleanArray>();
            if holds.is_some_and(|holds| holds.is_null(0) || !holds.value(0)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether what is below a folder with these values may still be told apart.
    fn may_tell_more(&self, values: &[Option<ScalarValue>]) -> bool {
        self.conditions.iter().flat_map(|condition| &condition.columns).any(|index| values[*index].is_none())
    }

    /// Whether a file may have rows that are wanted.
    pub(super) fn wants_file(&self, table: &FileTable, object: &Object) -> bool {
        let values = super::file_values::file_values(&table.layout, &table.place, object);
        let Ok(values) = values else { return true };
        let values: Vec<_> = values.iter().take(table.layout.partitions.len()).cloned().map(Some).collect();
        self.wants(&values).unwrap_or(true)
    }

    /// Whether a folder may have files that are wanted, and whether its own folders may be told apart.
    fn look(&self, table: &FileTable, folder: &Path, known: usize) -> (bool, Option<usize>) {
        let Ok(values) = known_values(&table.layout, &table.place, folder) else { return (true, None) };
        let now = values.iter().flatten().count();
        // A folder that says nothing of a column of its own is not one of the partitions' levels, as far as can be told.
        let is_level = now > known || table.layout.folders.is_some();
        let deeper = (is_level && self.may_tell_more(&values)).then_some(now);
        (self.wants(&values).unwrap_or(true), deeper)
    }
}

/// What is still to be listed.
enum Left {
    /// A folder level by level, and how many values are known of it.
    Level(Path, usize),
    /// All that is below a folder.
    All(Path),
    /// A file.
    File(Object),
}

/// The files at the table's place, in the order of their paths, without those of folders that are not wanted. Local folders and patterns
/// are listed as a whole.
///
/// # Errors
/// In the stream: when the store cannot be listed.
pub(super) async fn list(table: &Arc<FileTable>, pruning: &Arc<Pruning>) -> Result<BoxStream<'static, Result<Object>>> {
    let place = &table.place;
    let is_local = place.root.url.scheme() == "file";
    if is_local || place.is_web() || place.is_pattern() || place.file().await?.is_some() {
        return place.list().await;
    }
    let root = place.root.path.clone();
    let state = (vec![Left::Level(root, 0)], Arc::clone(table), Arc::clone(pruning));
    let parts = stream::try_unfold(state, |(mut left, table, pruning)| async move {
        while let Some(next) = left.pop() {
            let store = &table.place.root.store;
            let found: BoxStream<'static, Result<Object>> = match next {
                Left::Level(folder, known) => {
                    left.extend(level(&table, &pruning, &folder, known).await?);
                    continue;
                }
                Left::All(folder) => {
                    let all = store.list(Some(&folder)).map_err(Error::from);
                    all.map_ok(|meta| Object::new(meta, false)).boxed()
                }
                Left::File(object) => stream::once(async move { Ok(object) }).boxed(),
            };
            return Ok(Some((found, (left, table, pruning))));
        }
        Ok::<_, Error>(None)
    });
    Ok(parts.try_flatten().boxed())
}

/// What a folder holds and is wanted, the last first.
async fn level(table: &FileTable, pruning: &Pruning, folder: &Path, known: usize) -> Result<Vec<Left>> {
    let listed = table.place.root.store.list_with_delimiter(Some(folder)).await?;
    let mut found: Vec<(String, Left)> = Vec::new();
    for meta in listed.objects {
        found.push((meta.location.to_string(), Left::File(Object::new(meta, false))));
    }
    let folders = listed.common_prefixes.len();
    let mut wanted = 0;
    for folder in listed.common_prefixes {
        let key = format!("{folder}/");
        let (is_wanted, deeper) = pruning.look(table, &folder, known);
        wanted += usize::from(is_wanted);
        match deeper {
            _ if !is_wanted => {}
            Some(known) => found.push((key, Left::Level(folder, known))),
            None => found.push((key, Left::All(folder))),
        }
    }
    // To ask for most folders one by one is more than to list all of them, and to leave out files of a few.
    if wanted > FEW && wanted * 2 > folders {
        return Ok(vec![Left::All(folder.clone())]);
    }
    found.sort_by(|(a, _), (b, _)| b.cmp(a));
    Ok(found.into_iter().map(|(_, left)| left).collect())
}
