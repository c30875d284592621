//! What has to be known of a table before another takes its name: who may do what with it, what is said of it, and which views follow
//! it.
//!
//! A view is bound to a table, not to its name: after a swap it shows the old rows for ever, and keeps the old table from being
//! dropped ("CREATE VIEW", `r_CREATE_VIEW`). Privileges, comments and the owner belong to the table as well.

use crate::warehouse::redshift::fault::Fault;
use crate::warehouse::redshift::names::{Relation, literal, quoted};
use crate::warehouse::redshift::session::{Session, TextRow};

/// The views that are bound to `table`, as `schema.view`.
///
/// # Errors
/// What the database says.
pub(crate) async fn bound_views(session: &Session, table: &Relation) -> Result<Vec<String>, Fault> {
    let query = format!(
        "SELECT DISTINCT views_of.nspname || '.' || views.relname FROM pg_depend AS bound \
         JOIN pg_rewrite AS rules ON rules.oid = bound.objid \
         JOIN pg_class AS views ON views.oid = rules.ev_class \
         JOIN pg_namespace AS views_of ON views_of.oid = views.relnamespace \
         JOIN pg_class AS tables ON tables.oid = bound.refobjid \
         JOIN pg_namespace AS tables_of ON tables_of.oid = tables.relnamespace \
         WHERE tables_of.nspname = {} AND tables.relname = {} AND views.oid <> tables.oid ORDER BY 1",
        literal(&table.schema),
        literal(&table.table)
    );
    Ok(session.rows(&query).await?.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect())
}

/// The statements that give others the same rights to a table of the same name ("SVV_RELATION_PRIVILEGES",
/// `r_SVV_RELATION_PRIVILEGES`).
///
/// # Errors
/// What the database says.
pub(crate) async fn grants(session: &Session, table: &Relation) -> Result<Vec<String>, Fault> {
    let query = format!(
        "SELECT privilege_type, identity_type, identity_name, admin_option FROM svv_relation_privileges WHERE namespace_name = {} AND \
         relation_name = {} AND identity_name <> current_user ORDER BY identity_type, identity_name, privilege_type",
        literal(&table.schema),
        literal(&table.table)
    );
    Ok(session.rows(&query).await?.iter().map(|row| grant(table, row)).collect())
}

fn grant(table: &Relation, row: &TextRow) -> String {
    let text = |index: usize| row.get(index).and_then(Option::as_deref).unwrap_or_default();
    let (privilege, kind, name) = (text(0).to_uppercase(), text(1).to_ascii_lowercase(), text(2));
    let grantee = match kind.as_str() {
        "role" => format!("ROLE {}", quoted(name)),
        "group" => format!("GROUP {}", quoted(name)),
        "public" => "PUBLIC".to_owned(),
        _ => quoted(name),
    };
    let is_admin = ["t", "true"].iter().any(|word| text(3).eq_ignore_ascii_case(word));
    format!("GRANT {privilege} ON {} TO {grantee}{}", table.quoted(), if is_admin { " WITH GRANT OPTION" } else { "" })
}

/// The statements that say the same of a table of the same name and of its columns ("COMMENT", `r_COMMENT`), and give it the same owner.
/// Only a superuser loads a table of somebody else.
///
/// # Errors
/// What the database says.
pub(crate) async fn comments_and_owner(session: &Session, table: &Relation) -> Result<Vec<String>, Fault> {
    let of_the_table = format!(
        "FROM pg_class AS tables JOIN pg_namespace AS tables_of ON tables_of.oid = tables.relnamespace {{}} \
         WHERE tables_of.nspname = {} AND tables.relname = {}",
        literal(&table.schema),
        literal(&table.table)
    );
    let notes = "JOIN pg_description AS notes ON notes.objoid = tables.oid \
                 AND notes.classoid = (SELECT classes.oid FROM pg_class AS classes JOIN pg_namespace AS classes_of \
                 ON classes_of.oid = classes.relnamespace WHERE classes.relname = 'pg_class' AND classes_of.nspname = 'pg_catalog') \
                 LEFT JOIN pg_attribute AS columns ON columns.attrelid = tables.oid AND columns.attnum = notes.objsubid AND columns.attnum > 0";
    let query =
        format!("SELECT columns.attname, notes.description {} ORDER BY notes.objsubid", of_the_table.replace("{}", notes));
    let mut statements: Vec<String> = session.rows(&query).await?.iter().filter_map(|row| comment(table, row)).collect();
    let query = format!(
        "SELECT pg_get_userbyid(tables.relowner) {} AND pg_get_userbyid(tables.relowner) <> current_user",
        of_the_table.replace("{}", "")
    );
    for row in session.rows(&query).await? {
        let owner = row.first().and_then(Option::as_deref).unwrap_or_default();
        statements.push(format!("ALTER TABLE {} OWNER TO {}", table.quoted(), quoted(owner)));
    }
    Ok(statements)
}

/// COMMENT takes one literal, and whether a backslash in it stands for itself is a setting: such a comment is left out.
fn comment(table: &Relation, row: &TextRow) -> Option<String> {
    let text = |index: usize| row.get(index).and_then(Option::as_deref);
    let said = text(1).unwrap_or_default();
    if said.contains('\\') {
        tracing::warn!(%table, column = text(0), "a comment with a backslash is not carried over");
        return None;
    }
    let said = literal(said);
    Some(match text(0) {
        Some(column) => format!("COMMENT ON COLUMN {}.{} IS {said}", table.quoted(), quoted(column)),
        None => format!("COMMENT ON TABLE {} IS {said}", table.quoted()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_are_written_as_they_were_given() {
        let table = Relation::parse("s.t").unwrap();
        let grants = |values: [&str; 4]| grant(&table, &values.map(|value| Some(value.to_owned())).to_vec());
        assert_eq!(grants(["SELECT", "role", "analysts", "f"]), "GRANT SELECT ON \"s\".\"t\" TO ROLE \"analysts\"");
        assert_eq!(grants(["INSERT", "user", "eve", "true"]), "GRANT INSERT ON \"s\".\"t\" TO \"eve\" WITH GRANT OPTION");
        assert_eq!(grants(["select", "public", "public", "f"]), "GRANT SELECT ON \"s\".\"t\" TO PUBLIC");
    }
}
