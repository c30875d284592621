//! The SQL that makes a PostgreSQL look like Redshift from inside: functions, operators and the views of the catalog.

mod loads;

pub(crate) use loads::{load_error_sql, load_history_sql};

/// Run once in the template of all databases.
pub(crate) const BOOTSTRAP: &[&str] = &[
    include_str!("schema.sql"),
    include_str!("comparison.sql"),
    include_str!("functions.sql"),
    include_str!("views.sql"),
    include_str!("refused.sql"),
];

/// Run at the start of each session. Sequences keep their values when a transaction is rolled back.
pub(crate) const SESSION: &str = "CREATE TEMPORARY SEQUENCE redshift_sim_copy_count MINVALUE 0 START WITH 0;
CREATE TEMPORARY SEQUENCE redshift_sim_copy_id MINVALUE -1 START WITH -1;";
