//! One table after the other: what is there is compared with what is wanted, and what differs is written.

use std::collections::BTreeMap;

use aws_sdk_glue::types::{BatchUpdatePartitionRequestEntry, DatabaseInput, PartitionInput};
use catalog::store::Table;

use super::client::{Glue, failed};
use super::described::{Described, Storage, incomplete};
use super::format::{Format, is_of_files};
use super::partitions::{Partitions, root};
use crate::context::{Context, TableSpec};
use crate::error::{Error, Result};
use crate::files::object::Format as FileFormat;
use crate::stores::Stores;

/// Partitions of one request: the most that Glue takes.
const BATCH: usize = 100;

/// What was, or would be, done to a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// It was not there.
    Create,
    /// It was there, and these things differed.
    Update(Vec<String>),
    /// It was there as it is to be.
    Unchanged,
    /// It is not one to export, and why.
    Skipped(String),
    /// It could not be exported, and why. What of it was written before stays.
    Failed(String),
}

/// What was, or would be, done to a table's partitions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PartitionCounts {
    /// Those that were not there.
    pub created: usize,
    /// Those whose place or format differed.
    pub updated: usize,
    /// Those that were as they are to be.
    pub unchanged: usize,
    /// Those that are in Glue and not in the lake; they stay.
    pub others: usize,
}

/// What was, or would be, done for a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The table, as Glue calls it.
    pub table: String,
    /// To the table.
    pub action: Action,
    /// To its partitions; none of a table without.
    pub partitions: Option<PartitionCounts>,
    /// What a reader of the table in Athena should know.
    pub notes: Vec<String>,
}

impl Outcome {
    /// Of a table that cannot even be looked at.
    pub fn failed(table: &Table, database: &str, error: &Error) -> Self {
        Self { action: Action::Failed(error.to_string()), ..Self::of(table, database) }
    }

    fn of(table: &Table, database: &str) -> Self {
        let table = format!("{database}.{}", super::plain_name(&table.name().table));
        Self { table, action: Action::Unchanged, partitions: None, notes: Vec::new() }
    }
}

impl Glue {
    /// Makes a database if there is none of the name; says whether there was none.
    ///
    /// # Errors
    /// When Glue refuses or does not answer.
    pub async fn make_database(&self, name: &str) -> Result<bool> {
        match self.client.get_database().name(name).send().await {
            Ok(_) => return Ok(false),
            Err(error) if error.as_service_error().is_some_and(|error| error.is_entity_not_found_exception()) => {}
            Err(error) => return Err(failed(&format!("show database {name}"), "glue:GetDatabase", &error)),
        }
        if self.writes() {
            let input = DatabaseInput::builder().name(name).build().map_err(incomplete)?;
            let made = self.client.create_database().database_input(input).send().await;
            made.map_err(|error| failed(&format!("create database {name}"), "glue:CreateDatabase", &error))?;
        }
        Ok(true)
    }

    /// Writes what of `table`, which `spec` declares with options resolved, is not in `database` as it is to be. What is wrong with
    /// this table is its outcome, and no error: it need not keep others from being exported.
    ///
    /// # Errors
    /// When Glue or the table's store does not answer: they will not for the next table either. What was written stays, and is not
    /// written again.
    pub async fn export(&self, table: &Table, spec: &TableSpec, database: &str, context: &Context) -> Result<Outcome> {
        let mut outcome = Outcome::of(table, database);
        outcome.action = match self.write(table, spec, database, &context.stores, &mut outcome).await {
            Ok(action) => action,
            Err(error) if error.retry() || matches!(error, Error::Internal { .. }) => return Err(error),
            Err(error) => Action::Failed(error.to_string()),
        };
        Ok(outcome)
    }

    async fn write(
        &self,
        table: &Table,
        spec: &TableSpec,
        database: &str,
        stores: &Stores,
        outcome: &mut Outcome,
    ) -> Result<Action> {
        if !is_of_files(&spec.connector) {
            let why = format!("tables of {} are not files, and Athena does not read them", spec.connector);
            return Ok(Action::Skipped(why));
        }
        let (location, is_part) = root(&spec.location, stores)?;
        if !location.starts_with("s3://") {
            return Ok(Action::Skipped(format!("it is at {location}, and Athena reads S3 only")));
        }
        let format = match Format::of(spec, stores).await {
            Ok(format) => format,
            Err(Error::Config { message, .. }) => return Ok(Action::Skipped(message)),
            Err(error) => return Err(error),
        };
        let wanted = Described::wanted(table, &format, &location);
        let there = self.there(database, &wanted.name).await?;
        if let Some(foreign) = there.as_ref().and_then(|there| there.foreign(&wanted)) {
            return Ok(Action::Skipped(foreign));
        }
        outcome.notes = format.notes;
        if is_part {
            outcome.notes.push(format!("Athena takes neither file nor pattern: it reads every file below {location}"));
        }
        let action = self.write_table(database, &wanted, there.as_ref()).await?;
        if !wanted.partition_keys.is_empty() {
            let found = Partitions::of(&table.registration.partitioning, spec, file_format(spec), stores).await?;
            outcome.notes.extend(found.note());
            outcome.partitions = Some(self.write_partitions(database, &wanted, found.folders).await?);
        }
        Ok(action)
    }

    async fn there(&self, database: &str, name: &str) -> Result<Option<Described>> {
        match self.client.get_table().database_name(database).name(name).send().await {
            Ok(found) => Ok(found.table().map(Described::there)),
            Err(error) if error.as_service_error().is_some_and(|error| error.is_entity_not_found_exception()) => Ok(None),
            Err(error) => Err(failed(&format!("show table {database}.{name}"), "glue:GetTable", &error)),
        }
    }

    async fn write_table(&self, database: &str, wanted: &Described, there: Option<&Described>) -> Result<Action> {
        let what = |verb: &str| format!("{verb} table {database}.{}", wanted.name);
        let Some(there) = there else {
            if self.writes() {
                let request = self.client.create_table().database_name(database).table_input(wanted.input(None)?);
                request.send().await.map_err(|error| failed(&what("create"), "glue:CreateTable", &error))?;
            }
            return Ok(Action::Create);
        };
        let differences = wanted.differences(there);
        if differences.is_empty() {
            return Ok(Action::Unchanged);
        }
        if self.writes() {
            let request = self.client.update_table().database_name(database).table_input(wanted.input(Some(there))?);
            request.send().await.map_err(|error| failed(&what("update"), "glue:UpdateTable", &error))?;
        }
        Ok(Action::Update(differences))
    }

    async fn write_partitions(
        &self,
        database: &str,
        wanted: &Described,
        folders: BTreeMap<Vec<String>, String>,
    ) -> Result<PartitionCounts> {
        let mut there = self.partitions_of(database, &wanted.name).await?;
        let mut counts = PartitionCounts::default();
        let (mut created, mut updated) = (Vec::new(), Vec::new());
        for (values, location) in folders {
            let storage = Storage { location, ..wanted.storage.clone() };
            match there.remove(&values) {
                None => created.push((values, storage)),
                Some(known) if known != storage => updated.push((values, storage)),
                Some(_) => counts.unchanged += 1,
            }
        }
        (counts.created, counts.updated, counts.others) = (created.len(), updated.len(), there.len());
        if self.writes() {
            self.create_partitions(database, wanted, &created).await?;
            self.update_partitions(database, wanted, &updated).await?;
        }
        Ok(counts)
    }

    /// Where the partitions of a table are, and how they are read, by their values. A table that is only planned has none.
    async fn partitions_of(&self, database: &str, table: &str) -> Result<BTreeMap<Vec<String>, Storage>> {
        let request = self.client.get_partitions().database_name(database).table_name(table).exclude_column_schema(true);
        let mut pages = request.into_paginator().send();
        let mut partitions = BTreeMap::new();
        while let Some(page) = pages.next().await {
            let page = match page {
                Ok(page) => page,
                Err(error) if error.as_service_error().is_some_and(|error| error.is_entity_not_found_exception()) => break,
                Err(error) => {
                    let what = format!("list partitions of {database}.{table}");
                    return Err(failed(&what, "glue:GetPartitions", &error));
                }
            };
            for partition in page.partitions() {
                partitions.insert(partition.values().to_vec(), Storage::there(partition.storage_descriptor()));
            }
        }
        Ok(partitions)
    }

    async fn create_partitions(&self, database: &str, wanted: &Described, created: &[(Vec<String>, Storage)]) -> Result<()> {
        for batch in created.chunks(BATCH) {
            let inputs = batch.iter().map(|partition| input(wanted, partition)).collect::<Result<Vec<_>>>()?;
            let request = self.client.batch_create_partition().database_name(database).table_name(&wanted.name);
            let answer = request.set_partition_input_list(Some(inputs)).send().await;
            let answer = answer.map_err(|error| failed("create partitions", "glue:BatchCreatePartition", &error))?;
            // Another export may have been faster.
            let exists = |code: Option<&str>| code == Some("AlreadyExistsException");
            let wrong = answer.errors().iter().find(|error| !exists(error.error_detail().and_then(|detail| detail.error_code())));
            if let Some(wrong) = wrong {
                let said = wrong.error_detail().and_then(|detail| detail.error_message()).unwrap_or("it does not say why");
                let (values, table) = (wrong.partition_values().join(", "), &wanted.name);
                return Err(Error::config(format!("Glue does not create partition ({values}) of {database}.{table}: {said}")));
            }
        }
        Ok(())
    }

    async fn update_partitions(&self, database: &str, wanted: &Described, updated: &[(Vec<String>, Storage)]) -> Result<()> {
        for batch in updated.chunks(BATCH) {
            let entry = |partition: &(Vec<String>, Storage)| {
                let entry = BatchUpdatePartitionRequestEntry::builder().set_partition_value_list(Some(partition.0.clone()));
                entry.partition_input(input(wanted, partition)?).build().map_err(incomplete)
            };
            let entries = batch.iter().map(entry).collect::<Result<Vec<_>>>()?;
            let request = self.client.batch_update_partition().database_name(database).table_name(&wanted.name);
            let answer = request.set_entries(Some(entries)).send().await;
            let answer = answer.map_err(|error| failed("update partitions", "glue:BatchUpdatePartition", &error))?;
            if let Some(wrong) = answer.errors().first() {
                let said = wrong.error_detail().and_then(|detail| detail.error_message()).unwrap_or("it does not say why");
                return Err(Error::config(format!("Glue does not update partitions of {database}.{}: {said}", wanted.name)));
            }
        }
        Ok(())
    }
}

fn input(wanted: &Described, (values, storage): &(Vec<String>, Storage)) -> Result<PartitionInput> {
    let storage = storage.built(&wanted.columns)?;
    Ok(PartitionInput::builder().set_values(Some(values.clone())).storage_descriptor(storage).build())
}

/// What the table's files are, for which of them count.
fn file_format(spec: &TableSpec) -> FileFormat {
    match spec.connector.as_str() {
        "CSV" => FileFormat::Csv,
        "JSON" => FileFormat::Json,
        _ => FileFormat::Parquet,
    }
}
