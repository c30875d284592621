//! `--policy`: what tables may do when their files change, all of a location or one of them.

use std::collections::BTreeMap;
use std::str::FromStr;

use anyhow::{Result, bail};
use catalog::drift::Policy;
use connectors::options::unknown;

/// One `--policy [TABLE=]POLICY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyChoice {
    /// The table; all of the location when there is none.
    pub table: Option<String>,
    /// Its policy.
    pub policy: Policy,
}

impl FromStr for PolicyChoice {
    type Err = catalog::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((table, policy)) => Ok(Self { table: Some(table.to_owned()), policy: policy.parse()? }),
            None => Ok(Self { table: None, policy: text.parse()? }),
        }
    }
}

/// What the user chose.
#[derive(Debug, Clone, Default)]
pub struct Policies {
    all: Option<Policy>,
    by_table: BTreeMap<String, Policy>,
}

impl Policies {
    /// The last choice for a table counts.
    pub fn new(choices: &[PolicyChoice]) -> Self {
        let mut policies = Self::default();
        for choice in choices {
            match &choice.table {
                Some(table) => {
                    policies.by_table.insert(table.clone(), choice.policy);
                }
                None => policies.all = Some(choice.policy),
            }
        }
        policies
    }

    /// That of a table, if the user chose one.
    pub fn of(&self, table: &str) -> Option<Policy> {
        self.by_table.get(table).copied().or(self.all)
    }

    /// The tables that are named.
    pub fn tables(&self) -> impl Iterator<Item = &str> {
        self.by_table.keys().map(String::as_str)
    }

    /// Whether every table that is named is there.
    ///
    /// # Errors
    /// For one that is not, with the nearest that is.
    pub fn check<'a>(&self, tables: impl Iterator<Item = &'a str> + Clone) -> Result<()> {
        for name in self.by_table.keys() {
            if !tables.clone().any(|table| table == name) {
                bail!("--policy: {}", unknown("table", name, "the location", tables));
            }
        }
        Ok(())
    }
}
