//! `--explain TABLE.COLUMN`: why a column has its type.

use anyhow::{Result, anyhow, bail};
use catalog::infer::ResolveOptions;
use catalog::sql_type;
use catalog::store::CatalogStore;
use connectors::options::unknown;

use super::outcome::{Outcome, TableOutcome};

/// What is known of a column: `orders.total`, `raw.orders.user.id`, `orders.tags[]`.
///
/// # Errors
/// For a table or column that is not there, with the nearest that is.
pub async fn explain(store: Option<&dyn CatalogStore>, outcome: &Outcome, path: &str) -> Result<Vec<String>> {
    let tables = || outcome.tables.iter().map(|table| table.name().table.as_str());
    let Some((first, rest)) = path.split_once('.') else {
        bail!("--explain takes TABLE.COLUMN, as in orders.total, not '{path}'");
    };
    let find = |name: &str| outcome.tables.iter().find(|table| table.name().table == name);
    let (table, column) = match (find(first), rest.split_once('.')) {
        (Some(table), _) => (table, rest),
        (None, Some((second, column))) if outcome.tables.iter().any(|table| table.name().database == first) => {
            (find(second).ok_or_else(|| anyhow!(unknown("table", second, "the location", tables())))?, column)
        }
        (None, _) => bail!(unknown("table", first, "the location", tables())),
    };
    if let Some(lines) = of_partition(table, column) {
        return Ok(lines);
    }
    let kept = match (&table.observed, store) {
        (None, Some(store)) => store.crawl_state(table.name()).await?.map(|state| state.observed),
        _ => None,
    };
    let observed = table.observed.as_ref().or(kept.as_ref());
    let Some(observed) = observed else {
        bail!("table {} was never crawled: {} keeps it", table.name(), table.registration.registered_by)
    };
    observed.explain(column, &ResolveOptions::default()).ok_or_else(|| {
        let schema = &table.registration.schema;
        let partitions = table.registration.partitioning.fields();
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let known = names.into_iter().chain(partitions.iter().map(|field| field.name().as_str()));
        anyhow!(unknown("column", column, &format!("table {}", table.name()), known))
    })
}

fn of_partition(table: &TableOutcome, column: &str) -> Option<Vec<String>> {
    let partitioning = &table.registration.partitioning;
    let fields = partitioning.fields();
    let field = fields.iter().find(|field| field.name() == column)?;
    Some(vec![
        format!("{column} is {}: it comes from the folders {}", sql_type(field.data_type()), partitioning.template()),
        format!("below {}", table.registration.location),
    ])
}
