//! The objects that a crawl has found, to be looked at: those of a list, each with its table.

use catalog::crawl::Format;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

use super::matching::Tables;
use crate::error::{Error, Result};
use crate::files::ledger::Ledger;
use crate::stores::Location;

/// An object that a crawl has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    /// Its address: `s3://bucket/a.json`, `/data/a.json`.
    pub address: String,
    /// Bytes, as stored, when it was found.
    pub bytes: u64,
    /// Its table, by its place among those that were given; none when it is of none of them.
    pub table: Option<usize>,
}

/// The objects of `list`, which is kept below `folder`, in the order of their addresses. `tables`: the registered locations of the tables
/// of that list, with their formats. Read while it is taken; nothing when the list is gone.
///
/// # Errors
/// When the list cannot be read; also in the stream.
pub async fn listed(
    folder: Location,
    list: &str,
    tables: &[(String, Option<Format>)],
) -> Result<BoxStream<'static, Result<ListedObject>>> {
    let entries = match Ledger::new(folder).read(list).await {
        Ok(entries) => entries,
        Err(Error::NotFound { .. }) => return Ok(futures::stream::empty().boxed()),
        Err(error) => return Err(error),
    };
    // All are of one store: what a list has is paths in it.
    let (root, _) = split(tables.first().map_or("", |(location, _)| location));
    let root = root.to_owned();
    let owners = Tables::new(tables.iter().map(|(location, format)| (split(location).1, *format)));
    let object = move |entry: crate::files::ledger::Entry| ListedObject {
        table: owners.owner(&entry.path),
        address: format!("{root}{}", entry.path),
        bytes: entry.size,
    };
    Ok(entries.map_ok(object).boxed())
}

/// What addresses of a store begin with, and the rest of `address`, which is a path in the store.
fn split(address: &str) -> (&str, &str) {
    let begin = address.find("://").map_or(0, |scheme| scheme + 3);
    let slash = address[begin..].find('/').map_or(address.len(), |slash| begin + slash + 1);
    address.split_at(slash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_a_store_and_a_path_in_it() {
        for (address, root, path) in [
            ("s3://bucket/raw/orders/", "s3://bucket/", "raw/orders/"),
            ("s3://bucket/", "s3://bucket/", ""),
            ("/data/raw/a.json", "/", "data/raw/a.json"),
        ] {
            assert_eq!(split(address), (root, path));
        }
    }
}
