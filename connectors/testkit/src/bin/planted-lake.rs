//! Plants a lake that nobody described: `planted-lake FOLDER OBJECTS`. Prints the tables that are in it as one line of JSON.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use testkit::planted::plant;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => writeln!(io::stderr(), "planted-lake: {error}").map_or(ExitCode::FAILURE, |()| ExitCode::FAILURE),
    }
}

fn run() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(objects)) = (arguments.next(), arguments.next()) else {
        return Err(io::Error::other("expected FOLDER OBJECTS"));
    };
    let objects = objects.parse().map_err(|_| io::Error::other(format!("'{objects}' is no number")))?;
    let tables = plant(objects, &mut |path, bytes| {
        let path = Path::new(&folder).join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, bytes)
    })?;
    let tables: Vec<_> = tables
        .iter()
        .map(|table| {
            serde_json::json!({
                "name": table.name, "format": table.format, "objects": table.objects, "rows": table.rows,
                "columns": table.columns, "partitions": table.partitions,
            })
        })
        .collect();
    writeln!(io::stdout(), "{}", serde_json::Value::from(tables))
}
