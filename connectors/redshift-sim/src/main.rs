//! The stand-in as a program: `redshift-sim --port 5439`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use redshift_sim::{Isolation, RedshiftSim, S3Options, SimOptions, run};

/// A strict stand-in for Amazon Redshift. S3 is found as AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY say.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The port on the loopback address.
    #[arg(long, default_value_t = 5439)]
    port: u16,
    /// The first user.
    #[arg(long, default_value = "awsuser")]
    user: String,
    /// The password of the first user.
    #[arg(long, env = "REDSHIFT_SIM_PASSWORD", hide_env_values = true, default_value = "redshift-sim")]
    password: String,
    /// The database.
    #[arg(long, default_value = "dev")]
    database: String,
    /// How transactions see each other.
    #[arg(long, value_enum, default_value_t)]
    isolation: Level,
    /// A folder that keeps the data; without it the data goes when the program ends.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// The port of the Redshift Data API on the loopback address; there is none without it.
    #[arg(long)]
    data_api_port: Option<u16>,
    /// A role that COPY and UNLOAD may name; every role if none is given.
    #[arg(long = "role")]
    roles: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Level {
    #[default]
    Snapshot,
    Serializable,
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let arguments = Arguments::parse();
    let isolation = match arguments.isolation {
        Level::Snapshot => Isolation::Snapshot,
        Level::Serializable => Isolation::Serializable,
    };
    let options = SimOptions {
        port: arguments.port,
        user: arguments.user,
        password: arguments.password,
        database: arguments.database,
        isolation,
        folder: arguments.folder,
        data_api_port: arguments.data_api_port,
        s3: S3Options { roles: arguments.roles, ..S3Options::from_environment() },
        ..SimOptions::default()
    };
    match run(options, announce).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Says where it listens. The password is not said: it may be a person's own.
fn announce(sim: &RedshiftSim) {
    let (user, address, database) = (sim.user(), sim.address(), sim.database());
    // Nobody is there to read it if this fails.
    drop(writeln!(std::io::stdout(), "postgres://{user}@{address}/{database}"));
}
