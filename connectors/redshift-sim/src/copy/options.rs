//! The clauses of COPY after the source, in any order.

use super::{Credentials, Format};
use crate::sql::{Cursor, Kind};
use crate::sql_error::{SqlError, SqlResult};

/// How JSON is mapped to columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum JsonKeys {
    /// Keys are the names of columns.
    #[default]
    Auto,
    /// The same, without regard to case.
    IgnoreCase,
}

/// All that may be said.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a word of the grammar")]
pub(crate) struct Options {
    pub(crate) credentials: Option<Credentials>,
    pub(crate) format: Format,
    pub(crate) manifest: bool,
    pub(crate) serialize_to_json: bool,
    pub(crate) fill_record: bool,
    pub(crate) explicit_ids: bool,
    pub(crate) empty_as_null: bool,
    pub(crate) blanks_as_null: bool,
    pub(crate) truncate_columns: bool,
    pub(crate) trim_blanks: bool,
    pub(crate) escape: bool,
    pub(crate) no_load: bool,
    pub(crate) gzip: bool,
    pub(crate) has_region: bool,
    pub(crate) max_errors: i64,
    pub(crate) ignore_header: i64,
    pub(crate) delimiter: Option<char>,
    pub(crate) quote: Option<char>,
    pub(crate) null: Option<String>,
    pub(crate) json_keys: JsonKeys,
    /// The names of the clauses that were said, but for format and authorization.
    pub(crate) named: Vec<&'static str>,
}

/// Clauses that are a word and nothing more.
const FLAGS: &[&str] = &[
    "ACCEPTANYDATE",
    "BLANKSASNULL",
    "EMPTYASNULL",
    "ENCRYPTED",
    "ESCAPE",
    "EXPLICIT_IDS",
    "FILLRECORD",
    "IGNOREBLANKLINES",
    "IGNOREALLERRORS",
    "MANIFEST",
    "NOLOAD",
    "REMOVEQUOTES",
    "ROUNDEC",
    "SERIALIZETOJSON",
    "TRIMBLANKS",
    "TRUNCATECOLUMNS",
    "ACCEPTINVCHARS",
    "GZIP",
    "BZIP2",
    "LZOP",
    "ZSTD",
];
/// Clauses that a value follows.
const VALUES: &[&str] = &[
    "REGION",
    "DATEFORMAT",
    "TIMEFORMAT",
    "ENCODING",
    "MAXERROR",
    "IGNOREHEADER",
    "COMPROWS",
    "DELIMITER",
    "NULL",
    "READRATIO",
    "STATUPDATE",
    "COMPUPDATE",
];
/// Those that the stand-in reads but cannot do.
const MISSING: &[&str] =
    &["ENCRYPTED", "REMOVEQUOTES", "BZIP2", "LZOP", "ZSTD", "IGNOREALLERRORS", "READRATIO", "FIXEDWIDTH", "ACCEPTANYDATE"];

/// Reads one clause.
pub(super) fn clause(cursor: &mut Cursor<'_>, options: &mut Options) -> SqlResult<()> {
    if authorization(cursor, &mut options.credentials)? || format(cursor, options)? {
        return Ok(());
    }
    if let Some(name) = FLAGS.iter().find(|name| cursor.sees(&[name])) {
        cursor.next();
        options.named.push(name);
        flag(name, cursor, options)?;
    } else if let Some(name) = VALUES.iter().find(|name| cursor.sees(&[name])) {
        cursor.next();
        cursor.take(&["as"]);
        options.named.push(name);
        value(name, cursor, options)?;
    } else {
        return Err(cursor.unexpected());
    }
    match options.named.last() {
        // Beside PARQUET another rule refuses it, once the format is known.
        Some(name) if MISSING.contains(name) && options.format != Format::Parquet => {
            Err(SqlError::unknown(format!("COPY .. {name}")))
        }
        _ => Ok(()),
    }
}

/// Reads `IAM_ROLE`, `CREDENTIALS` or keys if they come.
pub(super) fn authorization(cursor: &mut Cursor<'_>, credentials: &mut Option<Credentials>) -> SqlResult<bool> {
    cursor.take(&["with", "credentials"]);
    let read = if cursor.take(&["iam_role"]) {
        if cursor.take(&["default"]) { Credentials::DefaultRole } else { roles(&cursor.string()?) }
    } else if cursor.take(&["credentials"]) {
        cursor.take(&["as"]);
        from_pairs(&cursor.string()?)?
    } else if cursor.take(&["access_key_id"]) {
        let access = cursor.string()?;
        cursor.expect("secret_access_key")?;
        let secret = cursor.string()?;
        let token = if cursor.take(&["session_token"]) { Some(cursor.string()?) } else { None };
        Credentials::Keys { access, secret, token }
    } else {
        return Ok(false);
    };
    *credentials = Some(read);
    Ok(true)
}

fn roles(text: &str) -> Credentials {
    if text == "default" {
        Credentials::DefaultRole
    } else {
        Credentials::Roles(text.split(',').map(|role| role.trim().to_owned()).collect())
    }
}

/// `aws_iam_role=..` or `aws_access_key_id=..;aws_secret_access_key=..;token=..`.
fn from_pairs(text: &str) -> SqlResult<Credentials> {
    let of = |name: &str| text.split(';').find_map(|pair| Some(pair.trim().strip_prefix(name)?.strip_prefix('=')?.to_owned()));
    if let Some(role) = of("aws_iam_role") {
        return Ok(roles(&role));
    }
    match (of("aws_access_key_id"), of("aws_secret_access_key")) {
        (Some(access), Some(secret)) => Ok(Credentials::Keys { access, secret, token: of("token") }),
        _ => Err(SqlError::new(
            "42601",
            "Invalid credentials. Must be of the format: credentials 'aws_iam_role=...' or 'aws_access_key_id=...;aws_secret_access_key=...[;token=...]'",
        )),
    }
}

/// Reads the format if it comes.
fn format(cursor: &mut Cursor<'_>, options: &mut Options) -> SqlResult<bool> {
    let said = cursor.take(&["format"]);
    if said {
        cursor.take(&["as"]);
    }
    if cursor.take(&["parquet"]) {
        options.format = Format::Parquet;
    } else if cursor.take(&["csv"]) {
        options.format = Format::Csv;
        if cursor.take(&["quote"]) {
            cursor.take(&["as"]);
            options.quote = cursor.string()?.chars().next();
        }
    } else if cursor.take(&["json"]) {
        options.format = Format::Json;
        cursor.take(&["as"]);
        let keys = if cursor.peek().is_some_and(|token| token.kind == Kind::Text) { cursor.string()? } else { "auto".to_owned() };
        options.json_keys = match keys.as_str() {
            "auto" => JsonKeys::Auto,
            "auto ignorecase" => JsonKeys::IgnoreCase,
            other => return Err(SqlError::unknown(format!("JSON '{other}'"))),
        };
    } else if said || ["orc", "avro", "fixedwidth", "shapefile"].iter().any(|name| cursor.sees(&[name])) {
        return Err(SqlError::unknown(format!("FORMAT {}", cursor.peek().map_or("", |token| token.text))));
    } else {
        return Ok(false);
    }
    Ok(true)
}

fn flag(name: &str, cursor: &mut Cursor<'_>, options: &mut Options) -> SqlResult<()> {
    match name {
        "MANIFEST" => options.manifest = true,
        "SERIALIZETOJSON" => options.serialize_to_json = true,
        "FILLRECORD" => options.fill_record = true,
        "EXPLICIT_IDS" => options.explicit_ids = true,
        "EMPTYASNULL" => options.empty_as_null = true,
        "BLANKSASNULL" => options.blanks_as_null = true,
        "TRUNCATECOLUMNS" => options.truncate_columns = true,
        "TRIMBLANKS" => options.trim_blanks = true,
        "ESCAPE" => options.escape = true,
        "NOLOAD" => options.no_load = true,
        "GZIP" => options.gzip = true,
        "ACCEPTINVCHARS" => {
            cursor.take(&["as"]);
            if cursor.peek().is_some_and(|token| token.kind == Kind::Text) {
                cursor.string()?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn value(name: &str, cursor: &mut Cursor<'_>, options: &mut Options) -> SqlResult<()> {
    match name {
        "MAXERROR" => options.max_errors = cursor.integer()?,
        "IGNOREHEADER" => options.ignore_header = cursor.integer()?,
        "COMPROWS" | "READRATIO" => drop(cursor.integer()?),
        "DELIMITER" => options.delimiter = cursor.string()?.chars().next(),
        "NULL" => options.null = Some(cursor.string()?),
        "ENCODING" => {
            let encoding = cursor.string().or_else(|_| cursor.name())?;
            if !encoding.eq_ignore_ascii_case("utf8") {
                return Err(SqlError::unknown(format!("ENCODING {encoding}")));
            }
        }
        "DATEFORMAT" | "TIMEFORMAT" => {
            let format = cursor.string()?;
            if !format.eq_ignore_ascii_case("auto") {
                return Err(SqlError::unknown(format!("{name} '{format}'")));
            }
        }
        "REGION" => {
            cursor.string()?;
            options.has_region = true;
        }
        // ON and OFF may be left out.
        _ => {
            let _optional = ["on", "off", "true", "false", "preset"].iter().any(|word| cursor.take(&[word]));
        }
    }
    Ok(())
}
