//! A PARQUET table as it stands, for queries: exactly the files of its records, partition columns typed, columns that a file does
//! not have NULL.

use std::sync::Arc;

use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use chrono::DateTime;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::scalar::ScalarValue;
use object_store::ObjectMeta;

use crate::context::{Context, TableSpec};
use crate::error::{Error, Result};
use crate::lake::files::path_in;
use crate::lake::parquet::log::{self, State, TableFile};
use crate::registry::{BoundedTable, TableFacts};
use crate::stores::Location;

/// The table after its last record, whose number is the version.
pub(crate) async fn open(table: &TableSpec, context: &Context) -> Result<Option<BoundedTable>> {
    let location = context.locate(&table.location)?;
    let Some(state) = log::read(&location).await? else { return Ok(None) };
    let version = state.version.to_string();
    Ok(Some(BoundedTable { provider: Arc::new(ParquetTable::new(location, &state)?), version }))
}

/// What the records say of the table.
pub(crate) async fn facts(table: &TableSpec, context: &Context) -> Result<Option<TableFacts>> {
    let Some(state) = log::read(&context.locate(&table.location)?).await? else { return Ok(None) };
    Ok(Some(TableFacts {
        schema: state.columns()?,
        rows: Some(state.files.iter().map(|file| file.rows).sum()),
        bytes: Some(state.files.iter().map(|file| file.bytes).sum()),
        files: Some(state.files.len() as u64),
        partition_by: state.partition_by,
    }))
}

#[derive(Debug)]
struct ParquetTable {
    location: Location,
    schema: SchemaRef,
    file_fields: Vec<FieldRef>,
    partition_fields: Vec<FieldRef>,
    files: Vec<PartitionedFile>,
}

impl ParquetTable {
    fn new(location: Location, state: &State) -> Result<Self> {
        let schema = state.columns()?;
        let mut partition_fields = Vec::with_capacity(state.partition_by.len());
        for name in &state.partition_by {
            partition_fields.push(Arc::new(schema.field_with_name(name)?.clone()));
        }
        let is_partition = |field: &&FieldRef| state.partition_by.contains(field.name());
        let file_fields = schema.fields().iter().filter(|field| !is_partition(field)).cloned().collect();
        let files = state.files.iter().map(|file| partitioned_file(&location, file, &partition_fields)).collect::<Result<_>>()?;
        Ok(Self { location, schema, file_fields, partition_fields, files })
    }

    /// Positions in (columns of the files, partition columns) of the columns asked for.
    fn positions(&self, projection: Option<&Vec<usize>>) -> Option<Vec<usize>> {
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let position = |index: &usize| {
            let name = self.schema.fields().get(*index)?.name();
            self.file_fields.iter().chain(&self.partition_fields).position(|field| field.name() == name)
        };
        projection.unwrap_or(&all).iter().map(position).collect()
    }
}

#[async_trait]
impl TableProvider for ParquetTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let (scheme, authority) = (self.location.url.scheme(), self.location.url.authority());
        let store = ObjectStoreUrl::parse(format!("{scheme}://{authority}"))?;
        session.runtime_env().register_object_store(store.as_ref(), Arc::clone(&self.location.store));
        let file_schema = Arc::new(Schema::new(self.file_fields.clone()));
        let source = Arc::new(ParquetSource::new(
            TableSchema::builder(file_schema).with_table_partition_cols(self.partition_fields.clone()).build(),
        ));
        let groups = FileGroup::new(self.files.clone()).split_files(session.config().target_partitions());
        let config = FileScanConfigBuilder::new(store, source)
            .with_file_groups(groups)
            .with_projection_indices(self.positions(projection))?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

fn partitioned_file(location: &Location, file: &TableFile, partition_fields: &[FieldRef]) -> Result<PartitionedFile> {
    let value = |field: &FieldRef| -> Result<ScalarValue> {
        let value = file.partition.iter().find(|(name, _)| name == field.name());
        let (_, value) = value.ok_or_else(|| Error::data(format!("file '{}' has no value of '{}'", file.path, field.name())))?;
        Ok(ScalarValue::Utf8(value.clone()).cast_to(field.data_type())?)
    };
    let mut partitioned = PartitionedFile::new_from_meta(ObjectMeta {
        location: path_in(location, &file.path)?,
        // Files never change under their names.
        last_modified: DateTime::UNIX_EPOCH,
        size: file.bytes,
        e_tag: None,
        version: None,
    });
    partitioned.partition_values = partition_fields.iter().map(value).collect::<Result<_>>()?;
    Ok(partitioned)
}
