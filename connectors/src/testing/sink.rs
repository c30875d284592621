//! The contract of [`Sink`], checked against any connector and any store.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::prelude::SessionContext;

use crate::context::{Context, TableSpec};
use crate::error::{Error, Result};
use crate::registry::Connector;
use crate::sink::{Batch, BatchId, Change, Sink, SinkPlan, WriteMode};
use crate::staging::{StagedFile, StagingWriter};

/// A connector and where its tables may be made.
#[derive(Debug)]
pub struct SinkCase<'a> {
    /// The connector.
    pub connector: &'a dyn Connector,
    /// Stores, memory, clock.
    pub context: &'a Context,
    /// A folder or schema for new tables; a table's name follows it, behind `separator`.
    pub location: String,
    /// What is between the two: `/` of folders, `.` of schemas.
    pub separator: &'a str,
    /// What it can do.
    pub modes: &'a [WriteMode],
    /// Whether its tables are laid out in folders where PARTITIONED BY says so; otherwise that is refused.
    pub partitions: bool,
}

/// A row of the contract's tables: `id`, `day` (which partitions), `v`.
type TestRow = (i64, Option<&'static str>, &'static str);

/// And what it says of its deletion.
type MarkedRow = (i64, Option<&'static str>, &'static str, Option<&'static str>);

/// Writes `batches` as the engine does, into a staging folder of the lake called `folder`.
///
/// # Errors
/// When they cannot be written.
pub async fn stage(
    context: &Context,
    folder: &str,
    schema: &SchemaRef,
    partition_by: &[String],
    batches: Vec<RecordBatch>,
) -> Result<Vec<StagedFile>> {
    let folder = context.stores.lake()?.join("_staging").join(folder);
    let mut writer = StagingWriter::new(folder, Arc::clone(schema), partition_by, context.sizes, &context.runtime)?;
    for batch in batches {
        writer.write(batch).await?;
    }
    writer.finish().await
}

/// The rows of a table as a query sees them: the named columns joined by `|`, NULL as `-`, sorted. `None`: no such table.
///
/// # Errors
/// When it cannot be read.
pub async fn read_rows(
    connector: &dyn Connector,
    table: &TableSpec,
    context: &Context,
    columns: &[&str],
) -> Result<Option<Vec<String>>> {
    let Some(table) = connector.table(table, context).await? else { return Ok(None) };
    let session = SessionContext::new();
    let batches = session.read_table(table.provider)?.select_columns(columns)?.collect().await?;
    let mut rows = Vec::new();
    let options = FormatOptions::default().with_null("-");
    for batch in &batches {
        let columns = batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        rows.extend(
            (0..batch.num_rows())
                .map(|row| columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join("|")),
        );
    }
    rows.sort();
    Ok(Some(rows))
}

/// Checks all that [`Sink`] promises.
///
/// # Errors
/// The first promise that is not kept, or what kept the check from being made.
pub async fn sink_contract(case: &SinkCase<'_>) -> Result<()> {
    if !case.partitions {
        partitions_are_refused(&Fixture::new(case, "folders", true)).await?;
    }
    let layouts: &[bool] = if case.partitions { &[false, true] } else { &[false] };
    for &partitioned in layouts {
        let name = |test: &str| format!("{test}_{}", if partitioned { "partitioned" } else { "plain" });
        plan_writes_nothing(&Fixture::new(case, &name("planned"), partitioned)).await?;
        commit_is_idempotent(&Fixture::new(case, &name("repeated"), partitioned)).await?;
        handles_at_once_write_once(&Fixture::new(case, &name("raced"), partitioned)).await?;
        writers_at_once_both_win(&Fixture::new(case, &name("shared"), partitioned)).await?;
        columns_are_added_and_others_refused(&Fixture::new(case, &name("evolved"), partitioned)).await?;
        let fixture = Fixture::new(case, &name("replaced"), partitioned);
        if case.modes.contains(&WriteMode::Overwrite) {
            overwrite_replaces_all(&fixture).await?;
        } else {
            fixture.refuses(WriteMode::Overwrite).await?;
        }
        let fixture = Fixture::new(case, &name("upserted"), partitioned);
        if case.modes.contains(&WriteMode::Upsert) {
            upsert_replaces_by_key(&fixture).await?;
            a_column_of_the_table_is_no_mark(&Fixture::new(case, &name("owned"), partitioned)).await?;
            for appended in [false, true] {
                let name = |test: &str| name(&format!("{test}_{}", if appended { "appended" } else { "upserted" }));
                deleted_rows_go(&Fixture::new(case, &name("hard"), partitioned), appended).await?;
                deleted_rows_are_marked(&Fixture::new(case, &name("soft"), partitioned), appended).await?;
                rows_that_are_there_stay(&Fixture::new(case, &name("inserted"), partitioned), appended).await?;
            }
        } else {
            fixture.refuses(WriteMode::Upsert).await?;
        }
    }
    Ok(())
}

async fn partitions_are_refused(fixture: &Fixture<'_>) -> Result<()> {
    match fixture.sink().await {
        Err(error) => same("what is at fault when PARTITIONED BY is refused", &error.subject(), &Some("PARTITIONED")),
        Ok(_) => Err(broken("PARTITIONED BY is refused", "it was opened")),
    }
}

async fn plan_writes_nothing(fixture: &Fixture<'_>) -> Result<()> {
    let sink = fixture.sink().await?;
    for _ in 0..2 {
        let plan = sink.plan(&columns(), WriteMode::Append).await?;
        same("changes of a table that does not exist", &plan.changes, &vec![Change::Create])?;
        same("partition columns", &plan.partition_by, &fixture.table.partition_by)?;
    }
    same("rows after plan", &fixture.rows(&["id"]).await?, &None)
}

async fn commit_is_idempotent(fixture: &Fixture<'_>) -> Result<()> {
    let sink = fixture.sink().await?;
    let first = fixture.batch(1, WriteMode::Append, &[(1, Some("a"), "x"), (2, None, "y")]).await?;
    same("committed before", &sink.committed(&first.id).await?, &false)?;
    let receipt = sink.commit(&first).await?;
    same("rows of the receipt", &receipt.rows, &2)?;
    same("committed after", &sink.committed(&first.id).await?, &true)?;
    same("receipt of the second try", &sink.commit(&first).await?, &receipt)?;
    same("receipt from a new handle", &fixture.sink().await?.commit(&first).await?, &receipt)?;
    fixture.holds(&["1|a|x", "2|-|y"]).await?;

    let second = fixture.batch(2, WriteMode::Append, &[(1, Some("a"), "again")]).await?;
    same("next epoch before", &sink.committed(&second.id).await?, &false)?;
    sink.commit(&second).await?;
    sink.commit(&first).await?;
    fixture.holds(&["1|a|again", "1|a|x", "2|-|y"]).await?;
    fixture.are_staged(&first).await?;
    fixture.are_staged(&second).await
}

async fn handles_at_once_write_once(fixture: &Fixture<'_>) -> Result<()> {
    let (one, other) = (fixture.sink().await?, fixture.sink().await?);
    let batch = fixture.batch(1, WriteMode::Append, &[(1, Some("a"), "x"), (2, Some("b"), "y")]).await?;
    let (a, b) = tokio::join!(one.commit(&batch), other.commit(&batch));
    same("receipts of two handles", &a?, &b?)?;
    fixture.holds(&["1|a|x", "2|b|y"]).await
}

async fn writers_at_once_both_win(fixture: &Fixture<'_>) -> Result<()> {
    let (one, other) = (fixture.sink().await?, fixture.sink().await?);
    let mine = fixture.batch(1, WriteMode::Append, &[(1, Some("a"), "mine")]).await?;
    let mut theirs = fixture.batch(2, WriteMode::Append, &[(1, Some("a"), "theirs")]).await?;
    theirs.id.flow = "other".to_owned();
    let (a, b) = tokio::join!(one.commit(&mine), other.commit(&theirs));
    a?;
    b?;
    fixture.holds(&["1|a|mine", "1|a|theirs"]).await
}

async fn columns_are_added_and_others_refused(fixture: &Fixture<'_>) -> Result<()> {
    let sink = fixture.sink().await?;
    sink.commit(&fixture.batch(1, WriteMode::Append, &[(1, Some("a"), "x")]).await?).await?;

    let mut fields = columns().fields().to_vec();
    fields.push(Arc::new(Field::new("added", DataType::Int64, true)));
    let wider: SchemaRef = Arc::new(Schema::new(fields));
    let plan = sink.plan(&wider, WriteMode::Append).await?;
    let added = Change::AddColumn { name: "added".to_owned(), data_type: DataType::Int64 };
    same("changes for a new column", &plan.changes, &vec![added])?;
    let mut values = columns_of(&[(2, Some("a"), "y")]);
    values.push(Arc::new(Int64Array::from(vec![7])));
    let rows = RecordBatch::try_new(wider, values)?;
    sink.commit(&fixture.batch_of(2, WriteMode::Append, &plan, rows).await?).await?;
    sink.commit(&fixture.batch(3, WriteMode::Append, &[(3, Some("b"), "z")]).await?).await?;
    let rows = fixture.rows(&["id", "v", "added"]).await?;
    same("rows with a new column", &rows, &Some(vec!["1|x|-".to_owned(), "2|y|7".to_owned(), "3|z|-".to_owned()]))?;

    let other = Schema::new(vec![Field::new("id", DataType::Utf8, true), Field::new("day", DataType::Utf8, true)]);
    match sink.plan(&Arc::new(other), WriteMode::Append).await {
        Err(error) => same("column at fault", &error.subject(), &Some("id")),
        Ok(_) => Err(broken("a column of another type is refused", "it was planned")),
    }
}

async fn overwrite_replaces_all(fixture: &Fixture<'_>) -> Result<()> {
    let sink = fixture.sink().await?;
    sink.commit(&fixture.batch(1, WriteMode::Append, &[(1, Some("a"), "x"), (2, Some("b"), "y")]).await?).await?;
    let second = fixture.batch(2, WriteMode::Overwrite, &[(3, Some("a"), "z")]).await?;
    sink.commit(&second).await?;
    fixture.holds(&["3|a|z"]).await?;
    sink.commit(&second).await?;
    fixture.holds(&["3|a|z"]).await?;
    sink.commit(&fixture.batch(3, WriteMode::Overwrite, &[]).await?).await?;
    fixture.holds(&[]).await?;
    fixture.are_staged(&second).await
}

async fn upsert_replaces_by_key(fixture: &Fixture<'_>) -> Result<()> {
    let sink = fixture.sink().await?;
    let first = [(1, Some("a"), "x"), (2, Some("a"), "y"), (3, Some("b"), "z")];
    sink.commit(&fixture.batch(1, WriteMode::Upsert, &first).await?).await?;
    fixture.holds(&["1|a|x", "2|a|y", "3|b|z"]).await?;
    // 1 stays in its partition, 3 moves, 4 is new, 2 is not touched.
    let second = fixture.batch(2, WriteMode::Upsert, &[(1, Some("a"), "X"), (3, Some("a"), "Z"), (4, None, "new")]).await?;
    sink.commit(&second).await?;
    sink.commit(&second).await?;
    fixture.holds(&["1|a|X", "2|a|y", "3|a|Z", "4|-|new"]).await?;
    let (one, other) = (fixture.sink().await?, fixture.sink().await?);
    let third = fixture.batch(3, WriteMode::Upsert, &[(2, Some("b"), "Y")]).await?;
    let mut fourth = fixture.batch(4, WriteMode::Upsert, &[(1, Some("c"), "last")]).await?;
    fourth.id.flow = "other".to_owned();
    let (a, b, c) = tokio::join!(one.commit(&third), other.commit(&third), other.commit(&fourth));
    same("receipts of two handles", &a?, &b?)?;
    c?;
    fixture.holds(&["1|c|last", "2|b|Y", "3|a|Z", "4|-|new"]).await
}

/// Rows 1 to 3, in a table that has no key yet where they were `appended`.
async fn first_three(fixture: &Fixture<'_>, appended: bool) -> Result<()> {
    let mode = if appended { WriteMode::Append } else { WriteMode::Upsert };
    let first = [(1, Some("a"), "x"), (2, Some("a"), "y"), (3, Some("b"), "z")];
    if appended || fixture.marker.is_none() {
        return fixture.sink().await?.commit(&fixture.batch(1, mode, &first).await?).await.map(drop);
    }
    let live = first.map(|(id, day, v)| (id, day, v, None));
    let is_flag = fixture.marker.as_ref().is_some_and(|(_, data_type)| *data_type == DataType::Boolean);
    let never = (9, Some("c"), "never", Some(if is_flag { "true" } else { "delete" }));
    fixture.upsert(1, &[&live[..], &[never]].concat()).await
}

async fn deleted_rows_go(fixture: &Fixture<'_>, appended: bool) -> Result<()> {
    let fixture = &fixture.with(&[("deleted", "Gone")], Some(("gone", DataType::Boolean)));
    first_three(fixture, appended).await?;
    fixture.holds(&["1|a|x", "2|a|y", "3|b|z"]).await?;
    let plan = fixture.sink().await?.plan(&fixture.columns(), WriteMode::Upsert).await?;
    same("changes for the column that says what is deleted", &plan.changes, &Vec::new())?;
    let (gone, live) = (Some("true"), Some("false"));
    // A deletion need not say where the row is.
    fixture.upsert(2, &[(1, None, "", gone), (3, Some("a"), "Z", live), (4, None, "new", None), (8, None, "", gone)]).await?;
    fixture.holds(&["2|a|y", "3|a|Z", "4|-|new"]).await?;
    fixture.upsert(3, &[(2, None, "", gone), (8, Some("b"), "", gone)]).await?;
    fixture.holds(&["3|a|Z", "4|-|new"]).await?;
    fixture.upsert(4, &[(1, Some("b"), "back", live), (4, Some("a"), "changed", None)]).await?;
    fixture.holds(&["1|b|back", "3|a|Z", "4|a|changed"]).await
}

/// The table has a column that is called as the one that says what is deleted, and is of another type.
async fn a_column_of_the_table_is_no_mark(fixture: &Fixture<'_>) -> Result<()> {
    let rows = [(1, Some("a"), "x", Some("mine")), (2, Some("a"), "y", Some("mine")), (3, Some("b"), "z", Some("mine"))];
    fixture.with(&[], Some(("gone", DataType::Utf8))).write(1, WriteMode::Append, &rows).await?;
    let fixture = &fixture.with(&[("deleted", "gone")], Some(("gone", DataType::Boolean)));
    fixture.upsert(2, &[(1, None, "", Some("true")), (2, Some("b"), "Y", Some("false")), (4, None, "new", None)]).await?;
    let expected = ["2|Y|-", "3|z|mine", "4|new|-"].map(str::to_owned).to_vec();
    same("rows of a table with a column of that name", &fixture.rows(&["id", "v", "gone"]).await?, &Some(expected))
}

async fn deleted_rows_are_marked(fixture: &Fixture<'_>, appended: bool) -> Result<()> {
    let fixture = &fixture.with(&[("deleted", "Op"), ("deletes", "soft")], Some(("op", DataType::Utf8)));
    first_three(fixture, appended).await?;
    let second =
        [(1, None, "", Some("D")), (3, Some("a"), "Z", Some("u")), (4, None, "new", Some("Do")), (8, None, "", Some("d"))];
    fixture.upsert(2, &second).await?;
    let marked = async |rows: &[&str]| {
        let expected = rows.iter().map(|row| (*row).to_owned()).collect();
        same("rows with their marks", &fixture.rows(&["id", "day", "v", "op"]).await?, &Some(expected))
    };
    marked(&["1|a|x|D", "2|a|y|-", "3|a|Z|u", "4|-|new|Do"]).await?;
    fixture.upsert(3, &[(1, Some("b"), "back", None), (2, None, "", Some("Delete")), (3, None, "", Some("d"))]).await?;
    marked(&["1|b|back|-", "2|a|y|Delete", "3|a|Z|d", "4|-|new|Do"]).await
}

async fn rows_that_are_there_stay(fixture: &Fixture<'_>, appended: bool) -> Result<()> {
    let fixture = &fixture.with(&[("upsert", "insert")], None);
    first_three(fixture, appended).await?;
    fixture.upsert(2, &[(1, Some("b"), "X", None), (4, None, "new", None)]).await?;
    fixture.holds(&["1|a|x", "2|a|y", "3|b|z", "4|-|new"]).await?;
    fixture.upsert(3, &[(1, Some("b"), "X", None), (4, None, "NEW", None)]).await?;
    fixture.upsert(4, &[(5, Some("a"), "v", None), (6, Some("b"), "w", None)]).await?;
    fixture.holds(&["1|a|x", "2|a|y", "3|b|z", "4|-|new", "5|a|v", "6|b|w"]).await
}

/// One table of the contract.
struct Fixture<'a> {
    case: &'a SinkCase<'a>,
    table: TableSpec,
    /// A column of upserts beside the others.
    marker: Option<(&'static str, DataType)>,
}

impl<'a> Fixture<'a> {
    fn new(case: &'a SinkCase<'a>, name: &str, partitioned: bool) -> Self {
        let location = format!("{}{}{name}", case.location, case.separator);
        let table = TableSpec {
            partition_by: if partitioned { vec!["day".to_owned()] } else { Vec::new() },
            primary_key: vec!["id".to_owned()],
            ..TableSpec::new(name, case.connector.name(), location)
        };
        Self { case, table, marker: None }
    }

    /// The same table with options, and a column of upserts.
    fn with(&self, options: &[(&str, &str)], marker: Option<(&'static str, DataType)>) -> Self {
        let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { case: self.case, table: TableSpec { options, ..self.table.clone() }, marker }
    }

    fn columns(&self) -> SchemaRef {
        let marker = self.marker.iter().map(|(name, data_type)| Arc::new(Field::new(*name, data_type.clone(), true)));
        Arc::new(Schema::new(columns().fields().iter().cloned().chain(marker).collect::<Vec<_>>()))
    }

    /// Commits an upsert, twice.
    async fn upsert(&self, epoch: u64, rows: &[MarkedRow]) -> Result<()> {
        self.write(epoch, WriteMode::Upsert, rows).await
    }

    /// Commits rows, twice.
    async fn write(&self, epoch: u64, mode: WriteMode, rows: &[MarkedRow]) -> Result<()> {
        let sink = self.sink().await?;
        let plan = sink.plan(&self.columns(), mode).await?;
        let mut columns = columns_of(&rows.iter().map(|(id, day, v, _)| (*id, *day, *v)).collect::<Vec<_>>());
        if let Some((_, data_type)) = &self.marker {
            let marks: ArrayRef = Arc::new(rows.iter().map(|row| row.3).collect::<StringArray>());
            columns.push(arrow::compute::cast(&marks, data_type)?);
        }
        let rows = RecordBatch::try_new(self.columns(), columns)?;
        let batch = self.batch_of(epoch, mode, &plan, rows).await?;
        sink.commit(&batch).await?;
        sink.commit(&batch).await.map(drop)
    }

    async fn sink(&self) -> Result<Arc<dyn Sink>> {
        self.case.connector.sink(&self.table, self.case.context).await
    }

    async fn batch(&self, epoch: u64, mode: WriteMode, rows: &[TestRow]) -> Result<Batch> {
        let plan = self.sink().await?.plan(&columns(), mode).await?;
        let rows = RecordBatch::try_new(columns(), columns_of(rows))?;
        self.batch_of(epoch, mode, &plan, rows).await
    }

    async fn batch_of(&self, epoch: u64, mode: WriteMode, plan: &SinkPlan, rows: RecordBatch) -> Result<Batch> {
        let id = BatchId { pipeline: "contract".to_owned(), incarnation: "1".to_owned(), flow: "flow".to_owned(), epoch };
        let mut columns = Vec::with_capacity(plan.schema.fields().len());
        for field in plan.schema.fields() {
            let column = rows.column_by_name(field.name());
            let column = column.ok_or_else(|| broken("only columns of the query are staged", field.name()))?;
            columns.push(arrow::compute::cast(column, field.data_type())?);
        }
        let rows = RecordBatch::try_new(Arc::clone(&plan.schema), columns)?;
        let batches = if rows.num_rows() == 0 { Vec::new() } else { vec![rows] };
        let folder = format!("{}/{epoch}", self.table.name);
        let files = stage(self.case.context, &folder, &plan.schema, &plan.partition_by, batches).await?;
        Ok(Batch {
            id,
            mode,
            schema: Arc::clone(&plan.schema),
            partition_by: plan.partition_by.clone(),
            key: plan.key.clone(),
            files,
        })
    }

    async fn rows(&self, columns: &[&str]) -> Result<Option<Vec<String>>> {
        read_rows(self.case.connector, &self.table, self.case.context, columns).await
    }

    async fn holds(&self, rows: &[&str]) -> Result<()> {
        let expected = rows.iter().map(|row| (*row).to_owned()).collect();
        same(&format!("rows of '{}'", self.table.name), &self.rows(&["id", "day", "v"]).await?, &Some(expected))
    }

    async fn refuses(&self, mode: WriteMode) -> Result<()> {
        match self.sink().await?.plan(&columns(), mode).await {
            Err(Error::Config { .. }) => Ok(()),
            Err(other) => Err(broken(&format!("{mode} is refused as the user's mistake"), &other.to_string())),
            Ok(_) => Err(broken(&format!("{mode} is refused"), "it was planned")),
        }
    }

    async fn are_staged(&self, batch: &Batch) -> Result<()> {
        use object_store::ObjectStoreExt;
        let lake = self.case.context.stores.lake()?;
        for file in &batch.files {
            let path = object_store::path::Path::parse(&file.path).map_err(|error| Error::internal(error.to_string()))?;
            same("size of a staged file after the commit", &lake.store.head(&path).await?.size, &file.bytes)?;
        }
        Ok(())
    }
}

fn columns() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, true),
        Field::new("day", DataType::Utf8, true),
        Field::new("v", DataType::Utf8, true),
    ]))
}

fn columns_of(rows: &[TestRow]) -> Vec<ArrayRef> {
    vec![
        Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| row.1).collect::<StringArray>()),
        Arc::new(rows.iter().map(|row| Some(row.2)).collect::<StringArray>()),
    ]
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, is: &T, expected: &T) -> Result<()> {
    if is == expected { Ok(()) } else { Err(broken(what, &format!("{is:?}, expected {expected:?}"))) }
}

fn broken(promise: &str, found: &str) -> Error {
    Error::internal(format!("sink contract: {promise}: {found}"))
}
