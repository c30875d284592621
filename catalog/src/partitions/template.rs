//! The levels of folders as an option says them: `raw/{year}/{month}/country={country}`.

use arrow_schema::{DataType, Field};

use super::level::{Level, PartitionType, Segment};
use super::{Partitioning, segments};
use crate::error::{Error, Result};
use crate::infer::Form;
use crate::values::DateForm;

impl Partitioning {
    /// Reads what [`template`](Self::template) writes. `fields` are the partition columns, whose types say what the folders' names are
    /// read as, and whose forms, how the dates among them are written.
    ///
    /// # Errors
    /// [`Error::Config`] for a level that is none, and when levels and columns are not the same.
    pub fn parse(template: &str, fields: &[Field]) -> Result<Self> {
        let levels: Vec<Level> = segments(template).map(|segment| level(segment, fields)).collect::<Result<_>>()?;
        let names: Vec<&str> = levels.iter().filter_map(|level| level.name.as_deref()).collect();
        for (index, name) in names.iter().enumerate() {
            if names[..index].contains(name) {
                return Err(Error::config(format!("'partitions' names `{name}` twice; call one of them otherwise")));
            }
        }
        if let Some(field) = fields.iter().find(|field| !names.contains(&field.name().as_str())) {
            return Err(Error::config(format!(
                "'partitions' '{template}' does not say which folder `{}` is; expected a template such as '{}'",
                field.name(),
                fields.iter().map(|field| format!("{{{}}}", field.name())).collect::<Vec<_>>().join("/")
            )));
        }
        Ok(Self { levels })
    }
}

fn level(segment: &str, fields: &[Field]) -> Result<Level> {
    let (key, value) = match segment.split_once('=') {
        Some((key, value)) if !key.is_empty() => (Some(key), value),
        _ => (None, segment),
    };
    let kind = |key: Option<&str>| key.map_or(Segment::Plain, |key| Segment::Hive(key.to_owned()));
    if value == "*" {
        return Ok(Level { segment: kind(key), name: None, partition_type: PartitionType::Text });
    }
    if let Some(name) = value.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).filter(|name| is_name(name)) {
        let field = column(name, fields)?;
        return Ok(Level { segment: kind(key), name: Some(field.name().clone()), partition_type: partition_type(field)? });
    }
    if !is_name(segment) {
        return Err(Error::config(format!(
            "'partitions': '{segment}' is no level of folders; expected '{{column}}', 'key={{column}}', '*' for any name, or a name"
        )));
    }
    Ok(Level { segment: Segment::Fixed(segment.to_owned()), name: None, partition_type: PartitionType::Text })
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.contains(['{', '}', '*'])
}

fn column<'a>(name: &str, fields: &'a [Field]) -> Result<&'a Field> {
    let exact = fields.iter().find(|field| field.name() == name);
    if let Some(field) = exact.or_else(|| fields.iter().find(|field| field.name().eq_ignore_ascii_case(name))) {
        return Ok(field);
    }
    let names: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
    let likeness = |other: &&&str| strsim::normalized_damerau_levenshtein(&other.to_lowercase(), &name.to_lowercase());
    let near = names.iter().filter(|other| likeness(other) >= 0.5).max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    let hint = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    Err(Error::config(format!("'partitions' names `{name}`, which is not in PARTITIONED BY ({}){hint}", names.join(", "))))
}

fn partition_type(field: &Field) -> Result<PartitionType> {
    Ok(match field.data_type() {
        data_type if data_type.is_integer() => PartitionType::Int,
        DataType::Date32 | DataType::Date64 => match Form::of(field).map_err(|error| Error::config(error.to_string()))? {
            Some(Form::Date(form)) => PartitionType::Date(form),
            _ => PartitionType::Date(DateForm::YearDash),
        },
        // What else it is read as, the column's own type says.
        _ => PartitionType::Text,
    })
}
