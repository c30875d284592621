//! `engine redshift-sim`: the stand-in for Redshift, for whoever develops without AWS.

use std::path::PathBuf;

use anyhow::Result;
use redshift_sim::{Isolation, RedshiftSim, S3Options, SimOptions};

use super::Status;
use super::printer::Printer;
use crate::config::Settings;

/// The password that anybody may know: the stand-in listens on this machine only.
const PASSWORD: &str = "redshift-sim";

/// Arguments of `engine redshift-sim`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  engine redshift-sim                      and paste what it prints into engine.toml
  engine redshift-sim --s3-endpoint http://127.0.0.1:5500 --folder warehouse
  engine redshift-sim --data-api-port 5440 answers the Data API as well

The stand-in is a proxy in front of a PostgreSQL (15 or later) of its own, which it finds in $PG_BIN, in PATH or where \
distributions put it, and which goes with it. It refuses what Redshift refuses. It is no Redshift: what passes here is \
not thereby tested on Redshift.
What it prints on standard output are the lines for engine.toml; it serves until Ctrl-C.

COPY reads from S3, which is reached as [s3] of engine.toml and the AWS_... variables say. Without AWS, any server \
that speaks S3 does:
  pip install 'moto[server,s3]' && moto_server -p 5500
  export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_REGION=us-east-1
  curl -X PUT http://127.0.0.1:5500/staging                the bucket")]
pub(super) struct RedshiftSimArguments {
    /// The port on the loopback address; 0 takes a free one
    #[arg(long, default_value_t = 5439)]
    port: u16,

    /// The user, who may do everything and make others
    #[arg(long, default_value = "awsuser")]
    user: String,

    /// The password of the user
    #[arg(long, env = "REDSHIFT_SIM_PASSWORD", hide_env_values = true, default_value = PASSWORD)]
    password: String,

    /// The database
    #[arg(long, default_value = "dev")]
    database: String,

    /// How transactions see each other
    #[arg(long, value_enum, default_value_t)]
    isolation: Level,

    /// A folder that keeps the data; without it the data goes when the stand-in ends
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,

    /// The port of the Redshift Data API on the loopback address, 0 for a free one; without it there is none
    #[arg(long, value_name = "PORT")]
    data_api_port: Option<u16>,

    /// Where S3 is, if not where [s3] endpoint says
    #[arg(long, value_name = "URL")]
    s3_endpoint: Option<String>,

    /// A role that COPY and UNLOAD may name; every role if none is given
    #[arg(long = "role", value_name = "ARN")]
    roles: Vec<String>,
}

/// The isolation levels of Redshift.
#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum Level {
    /// Only write-write conflicts fail: the default of new clusters
    #[default]
    Snapshot,
    /// Whatever cannot be put in an order fails
    Serializable,
}

pub(super) async fn redshift_sim(arguments: RedshiftSimArguments, settings: &Settings, printer: &mut Printer) -> Result<Status> {
    let s3 = s3(&arguments, settings);
    let lines = Lines {
        has_own_password: arguments.password != PASSWORD,
        staging: settings.text("warehouse.staging").map(str::to_owned),
        role: arguments.roles.first().cloned(),
        // engine.toml has one [s3] only.
        s3_endpoint: s3.endpoint.clone().filter(|endpoint| settings.text("s3.endpoint") != Some(endpoint)),
    };
    let options = SimOptions {
        port: arguments.port,
        user: arguments.user,
        password: arguments.password,
        database: arguments.database,
        isolation: match arguments.isolation {
            Level::Snapshot => Isolation::Snapshot,
            Level::Serializable => Isolation::Serializable,
        },
        folder: arguments.folder,
        data_api_port: arguments.data_api_port,
        s3,
        ..SimOptions::default()
    };
    redshift_sim::run(options, |sim| {
        printer.data(&lines.text(sim));
        printer.note(&format!("listening on {}; Ctrl-C ends it", sim.address()));
    })
    .await?;
    Ok(Status::Done)
}

/// S3 as the engine itself reaches it, so that one `[s3]` is enough.
fn s3(arguments: &RedshiftSimArguments, settings: &Settings) -> S3Options {
    let of_environment = S3Options::from_environment();
    let text = |name: &str| settings.text(&format!("s3.{name}")).map(str::to_owned);
    S3Options {
        endpoint: arguments.s3_endpoint.clone().or_else(|| text("endpoint")).or(of_environment.endpoint),
        region: text("region").or(of_environment.region),
        access_key: text("access_key_id").or(of_environment.access_key),
        secret_key: text("secret_access_key").or(of_environment.secret_key),
        session_token: text("session_token").or(of_environment.session_token),
        roles: arguments.roles.clone(),
        ..of_environment
    }
}

/// What engine.toml says of the stand-in, but for where it is.
struct Lines {
    has_own_password: bool,
    staging: Option<String>,
    role: Option<String>,
    s3_endpoint: Option<String>,
}

impl Lines {
    /// The lines of engine.toml, and how `psql` reaches it. A password of one's own is not shown.
    fn text(&self, sim: &RedshiftSim) -> String {
        let (user, address, database) = (sim.user(), sim.address(), sim.database());
        let (for_psql, password) = match self.has_own_password {
            true => (String::new(), "\"${REDSHIFT_SIM_PASSWORD}\"   # set that to the password that was given".to_owned()),
            false => (format!(":{PASSWORD}"), format!("\"{PASSWORD}\"")),
        };
        let staging = self.staging.as_deref().unwrap_or("s3://staging/engine");
        let role = self.role.as_deref().unwrap_or("default");
        let mut text = format!(
            "# The stand-in for Redshift: psql 'postgres://{user}{for_psql}@{address}/{database}?sslmode=disable'\n\
             [warehouse]\n\
             url      = \"redshift://{user}@{address}/{database}\"\n\
             password = {password}\n\
             staging  = \"{staging}\"\n\
             iam_role = \"{role}\"\n"
        );
        if let Some(endpoint) = sim.data_api_endpoint() {
            text.push_str(&format!(
                "# By the Data API, in place of url and password:\n\
                 # url      = \"redshift-data://redshift-sim/{database}\"\n\
                 # endpoint = \"{endpoint}\"\n"
            ));
        }
        if let Some(endpoint) = &self.s3_endpoint {
            text.push_str(&format!("\n[s3]\nendpoint = \"{endpoint}\"\n"));
        }
        text
    }
}
