//! What the store asks of a database: transactions, statements, rows. SQL is written in what SQLite and PostgreSQL have in common,
//! with `$1` for values.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::state::{Result, StateError};

/// What a transaction is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::state) enum Access {
    /// All of its statements see the same rows.
    Read,
    /// It may wait for others that write.
    Write,
}

/// A database with the store's tables.
#[async_trait]
pub(in crate::state) trait Database: Debug + Send + Sync {
    /// Begins a transaction. Dropped before it is committed, it has done nothing.
    async fn begin(&self, access: Access) -> Result<Box<dyn Transaction>>;

    /// A query of the tables' `version` and `bytes`.
    fn size(&self) -> &'static str;
}

/// A transaction.
#[async_trait]
pub(in crate::state) trait Transaction: Send {
    /// Runs a statement; says how many rows it changed.
    async fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64>;

    /// The rows of a statement.
    async fn rows(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>>;

    /// Keeps others that lock `pipeline` out until the end, if it has a lease, free or not. What is read from here on is what the one
    /// before has left.
    async fn lock(&mut self, pipeline: &str) -> Result<()>;

    /// Ends the transaction: when it returns, what it did is durable.
    async fn commit(self: Box<Self>) -> Result<()>;
}

/// A transaction that somebody else ends.
pub(in crate::state) type Within<'a> = &'a mut (dyn Transaction + 'static);

/// A value of a statement or of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::state) enum Value {
    Int(Option<i64>),
    Text(Option<String>),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<Option<i64>> for Value {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Int(Some(value.into()))
    }
}

impl From<DateTime<Utc>> for Value {
    fn from(value: DateTime<Utc>) -> Self {
        Self::Int(Some(value.timestamp_millis()))
    }
}

impl From<Option<DateTime<Utc>>> for Value {
    fn from(value: Option<DateTime<Utc>>) -> Self {
        Self::Int(value.map(|time| time.timestamp_millis()))
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}

impl From<&String> for Value {
    fn from(value: &String) -> Self {
        Self::Text(Some(value.clone()))
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(Some(value))
    }
}

impl From<Option<&str>> for Value {
    fn from(value: Option<&str>) -> Self {
        Self::Text(value.map(str::to_owned))
    }
}

/// A number as the database keeps it.
///
/// # Errors
/// [`StateError::Corrupt`] when it is too great.
pub(in crate::state) fn signed(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|_| StateError::Corrupt { message: format!("number {number} is out of range") })
}

/// A row: values by the names of their columns.
#[derive(Debug)]
pub(in crate::state) struct Row {
    pub(in crate::state) names: Arc<[String]>,
    pub(in crate::state) values: Vec<Value>,
}

impl Row {
    fn value(&self, name: &str) -> Result<&Value> {
        let value = self.names.iter().position(|candidate| candidate == name).and_then(|index| self.values.get(index));
        value.ok_or_else(|| StateError::Corrupt { message: format!("no column {name}") })
    }

    fn missing<T>(name: &str, value: Option<T>) -> Result<T> {
        value.ok_or_else(|| StateError::Corrupt { message: format!("column {name} has no value, or one of another type") })
    }

    /// A number, if there is one.
    pub(in crate::state) fn optional_int(&self, name: &str) -> Result<Option<i64>> {
        match self.value(name)? {
            Value::Int(value) => Ok(*value),
            Value::Text(None) => Ok(None),
            Value::Text(Some(_)) => Self::missing(name, None),
        }
    }

    /// A number.
    pub(in crate::state) fn int(&self, name: &str) -> Result<i64> {
        Self::missing(name, self.optional_int(name)?)
    }

    /// A number that is not negative, if there is one.
    pub(in crate::state) fn optional_count(&self, name: &str) -> Result<Option<u64>> {
        Ok(self.optional_int(name)?.and_then(|number| u64::try_from(number).ok()))
    }

    /// A number that is not negative.
    pub(in crate::state) fn count(&self, name: &str) -> Result<u64> {
        Self::missing(name, self.optional_count(name)?)
    }

    /// A text, if there is one.
    pub(in crate::state) fn optional_text(&self, name: &str) -> Result<Option<&str>> {
        match self.value(name)? {
            Value::Text(value) => Ok(value.as_deref()),
            Value::Int(None) => Ok(None),
            Value::Int(Some(_)) => Self::missing(name, None),
        }
    }

    /// A text.
    pub(in crate::state) fn text(&self, name: &str) -> Result<&str> {
        Self::missing(name, self.optional_text(name)?)
    }

    /// A time, if there is one.
    pub(in crate::state) fn optional_time(&self, name: &str) -> Result<Option<DateTime<Utc>>> {
        let Some(millis) = self.optional_int(name)? else { return Ok(None) };
        let corrupt = || StateError::Corrupt { message: format!("time {millis} is out of range") };
        DateTime::from_timestamp_millis(millis).ok_or_else(corrupt).map(Some)
    }

    /// A time.
    pub(in crate::state) fn time(&self, name: &str) -> Result<DateTime<Utc>> {
        Self::missing(name, self.optional_time(name)?)
    }

    /// What was written as JSON.
    pub(in crate::state) fn json<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T> {
        Ok(serde_json::from_str(self.text(name)?)?)
    }
}

/// What rows have to be like, and the values that say so.
#[derive(Debug, Default)]
pub(in crate::state) struct Conditions {
    all: Vec<String>,
    values: Vec<Value>,
}

impl Conditions {
    /// Adds `condition`, in which `?` stands for `value`.
    pub(in crate::state) fn and(&mut self, condition: &str, value: impl Into<Value>) {
        self.values.push(value.into());
        self.all.push(condition.replace('?', &format!("${}", self.values.len())));
    }

    /// Adds `condition`, if there is a value for it.
    pub(in crate::state) fn and_if(&mut self, condition: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.and(condition, value);
        }
    }

    /// Adds a condition without values.
    pub(in crate::state) fn and_plain(&mut self, condition: &str) {
        self.all.push(condition.to_owned());
    }

    /// Adds that `column` has one of these values.
    pub(in crate::state) fn and_one_of(&mut self, column: &str, values: impl IntoIterator<Item = impl Into<Value>>) {
        let first = self.values.len() + 1;
        self.values.extend(values.into_iter().map(Into::into));
        let places: Vec<String> = (first..=self.values.len()).map(|place| format!("${place}")).collect();
        self.all.push(if places.is_empty() { "1 = 0".to_owned() } else { format!("{column} IN ({})", places.join(", ")) });
    }

    /// `sql` with `{where}` as the conditions, and `{limit}` as at most so many; and the values.
    pub(in crate::state) fn apply(mut self, sql: &str, limit: Option<u32>) -> (String, Vec<Value>) {
        let conditions = if self.all.is_empty() { String::new() } else { format!("WHERE {}", self.all.join(" AND ")) };
        let mut sql = sql.replace("{where}", &conditions);
        if let Some(limit) = limit {
            self.values.push(Value::from(i64::from(limit)));
            sql = sql.replace("{limit}", &format!("LIMIT ${}", self.values.len()));
        }
        (sql, self.values)
    }
}

/// The values of a statement.
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        &[$($crate::state::sql::database::Value::from($value)),*]
    };
}
pub(in crate::state) use values;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_number_their_values() {
        let mut conditions = Conditions::default();
        conditions.and("pipeline = ?", "a");
        conditions.and_if("rowid < ?", None::<i64>);
        conditions.and_one_of("id", [7_i64, 8]);
        conditions.and_plain("run IS NULL");
        let (sql, values) = conditions.apply("SELECT id FROM t {where} ORDER BY id {limit}", Some(3));
        assert_eq!(sql, "SELECT id FROM t WHERE pipeline = $1 AND id IN ($2, $3) AND run IS NULL ORDER BY id LIMIT $4");
        assert_eq!(values, [Value::from("a"), Value::from(7), Value::from(8), Value::from(3)]);
    }

    #[test]
    fn one_of_nothing_is_never() {
        let mut conditions = Conditions::default();
        conditions.and_one_of("id", [0_i64; 0]);
        assert_eq!(conditions.apply("SELECT 1 {where}", None).0, "SELECT 1 WHERE 1 = 0");
    }
}
