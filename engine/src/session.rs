//! The settings made real: stores, memory, clock, and DataFusion sessions over them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use connectors::clock::{Clock, SystemClock};
use connectors::context::{Context, TableSpec};
use connectors::options::parse_duration;
use connectors::reddit::RedditConfig;
use connectors::source::SliceLimits;
use connectors::staging::StagingSizes;
use connectors::stores::{Location, Stores};
use connectors::warehouse::WarehouseConfig;
use datafusion::config::ConfigOptions;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::config::{RUN_TIME, Settings, StateUrl, folder, interpolate, state_url, without_run_date};
use crate::sql::settings::PipelineOptions;

/// The folder of temporary files where state is in none.
const LOCAL_FOLDER: &str = "./.engine";

/// Rows of a batch: small, so that wide rows of text stay few megabytes.
const BATCH_ROWS: usize = 2_048;

/// Bytes of Parquet footers, and of statistics, that are kept. Most files are read once: those of a slice, of a stage.
const METADATA_CACHE: usize = 2 << 20;

/// How many consumers an out-of-memory error names.
const NAMED_CONSUMERS: std::num::NonZeroUsize = std::num::NonZeroUsize::MIN.saturating_add(2);

/// What a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Reads and plans; writes nothing.
    Look,
    /// Runs pipelines.
    Run,
}

/// What all pipelines of a process share.
#[derive(Debug, Clone)]
pub struct Session {
    /// What is set.
    pub settings: Settings,
    /// What connectors are given.
    pub context: Context,
    /// The folder of this machine for what is beside the state: that of the state itself where it is a folder, of temporary files
    /// otherwise.
    pub state_folder: PathBuf,
    /// The folder of temporary files.
    temporary: PathBuf,
    environment: Arc<BTreeMap<String, String>>,
    date: Option<DateTime<Utc>>,
    /// Last, so that what spills is gone when its folder goes.
    _spill: Option<Arc<SpillFolder>>,
}

impl Session {
    /// From settings in force. Opens nothing; a session that [`Purpose::Run`]s makes a folder for what it spills.
    ///
    /// # Errors
    /// A setting that makes no sense.
    pub fn new(settings: Settings, environment: BTreeMap<String, String>, purpose: Purpose) -> Result<Self> {
        let (state_folder, temporary) = folders(&settings)?;
        let memory = usize::try_from(settings.bytes("run.memory")?)?;
        let spill = match purpose {
            Purpose::Look => None,
            Purpose::Run => Some(Arc::new(SpillFolder::make(&temporary.join("tmp"))?)),
        };
        let mode = match &spill {
            None => DiskManagerMode::OsTmpDirectory,
            Some(folder) => DiskManagerMode::Directories(vec![folder.0.clone()]),
        };
        let disk = DiskManagerBuilder::default().with_mode(mode);
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(TrackConsumersPool::new(FairSpillPool::new(memory), NAMED_CONSUMERS)))
            .with_disk_manager_builder(disk)
            .with_metadata_cache_limit(METADATA_CACHE)
            .with_file_statistics_cache_limit(METADATA_CACHE)
            // What was listed before is no answer to what is there now.
            .with_object_list_cache_limit(0)
            .build_arc()?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let context = Context {
            stores: Arc::new(Stores::new(settings.required("lake.url")?, settings.s3()).context("setting lake.url")?),
            reddit: reddit(&settings)?,
            warehouse: warehouse(&settings),
            sizes: sizes(&settings)?,
            runtime,
            clock,
        };
        Ok(Self { settings, context, state_folder, temporary, environment: Arc::new(environment), date: None, _spill: spill })
    }

    /// The same, of a run with a logical date: what `${run.date}` stands for.
    #[must_use]
    pub fn dated(&self, date: DateTime<Utc>, zone: Tz) -> Self {
        let mut environment = self.environment.as_ref().clone();
        environment.insert(RUN_TIME.to_owned(), date.with_timezone(&zone).to_rfc3339());
        Self { environment: Arc::new(environment), date: Some(date), ..self.clone() }
    }

    /// The same, with the secrets of the warehouse and of Reddit as they are now.
    ///
    /// # Errors
    /// When one cannot be read any more.
    pub fn renewed(&self) -> Result<Self> {
        let Some(settings) = self.settings.renewed(&self.environment)? else { return Ok(self.clone()) };
        let context = Context { warehouse: warehouse(&settings), reddit: reddit(&settings)?, ..self.context.clone() };
        Ok(Self { settings, context, ..self.clone() })
    }

    /// The logical date of the run, if it has one.
    pub fn date(&self) -> Option<DateTime<Utc>> {
        self.date
    }

    /// Threads of a query.
    pub fn parallelism(&self) -> usize {
        let set = self.settings.number("run.parallelism").ok().and_then(|number| usize::try_from(number).ok());
        set.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
    }

    /// Where an epoch ends unless the pipeline says otherwise.
    ///
    /// # Errors
    /// A setting that makes no sense.
    pub fn limits(&self) -> Result<SliceLimits> {
        Ok(SliceLimits { rows: self.settings.number("run.epoch_rows")?, bytes: self.settings.bytes("run.epoch_bytes")? })
    }

    /// Where a pipeline's slices wait; what is in it goes when a run begins.
    pub fn temporary_folder(&self, pipeline: &str) -> PathBuf {
        self.temporary.join("tmp").join(pipeline)
    }

    /// Where a source keeps what its offsets refer to. Hidden from readers of the lake, as staged files are.
    ///
    /// # Errors
    /// When the lake's location makes no sense.
    pub fn source_folder(&self, pipeline: &str, table: &str) -> connectors::Result<Location> {
        Ok(self.context.stores.lake()?.join(&format!(".engine/sources/{pipeline}/{table}")))
    }

    /// The table with `${...}` in its location and options resolved.
    ///
    /// # Errors
    /// [`connectors::Error::Config`] that names the option.
    pub fn resolve(&self, table: &TableSpec) -> connectors::Result<TableSpec> {
        let resolve = |subject: &str, text: &str| {
            self.interpolated(text)
                .map_err(|error| connectors::Error::config_at(subject, format!("table '{}': {error:#}", table.name)))
        };
        let mut resolved = table.clone();
        resolved.location = resolve(&table.location, &table.location)?;
        let series = without_run_date(&table.location);
        resolved.series = series.map(|series| resolve(&table.location, &series)).transpose()?;
        for (name, value) in &mut resolved.options {
            *value = resolve(name, value)?;
        }
        Ok(resolved)
    }

    /// `text` with its `${...}` resolved.
    ///
    /// # Errors
    /// When one cannot be resolved.
    pub fn interpolated(&self, text: &str) -> Result<String> {
        interpolate(text, &self.environment, self.settings.secrets())
    }

    /// A DataFusion session with the pipeline's settings and nothing else in it.
    pub fn datafusion(&self) -> SessionContext {
        let mut options = ConfigOptions::new();
        options.extensions.insert(PipelineOptions::default());
        let mut config = SessionConfig::from(options)
            .with_information_schema(true)
            .with_batch_size(BATCH_ROWS)
            .with_target_partitions(self.parallelism());
        config.options_mut().sql_parser.collect_spans = true;
        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(Arc::clone(&self.context.runtime) as Arc<RuntimeEnv>)
            .with_default_features()
            .build();
        SessionContext::new_with_state(state)
    }
}

/// A folder of this session for what DataFusion spills. It goes with the session.
#[derive(Debug)]
struct SpillFolder(PathBuf);

impl SpillFolder {
    /// Makes it; those of processes that are gone are removed on the way.
    fn make(temporary: &Path) -> Result<Self> {
        const PREFIX: &str = "spill-";
        static MADE: AtomicU32 = AtomicU32::new(0);
        for entry in std::fs::read_dir(temporary).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let owner = name.strip_prefix(PREFIX).map(|owner| owner.split('-').next().unwrap_or(owner));
            let process = owner.and_then(|process| process.parse::<u32>().ok());
            if process.is_some_and(|process| !Path::new(&format!("/proc/{process}")).exists())
                && let Err(error) = std::fs::remove_dir_all(entry.path())
            {
                tracing::warn!(folder = name, %error, "spill files of an earlier run were not removed");
            }
        }
        // A process may have several sessions: each folder goes with its own.
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let folder = temporary.join(format!("{PREFIX}{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).with_context(|| {
            format!(
                "cannot create {}; check that [state] url, or [run] temporary, names a folder that can be written",
                folder.display()
            )
        })?;
        Ok(Self(folder))
    }
}

impl Drop for SpillFolder {
    fn drop(&mut self) {
        // What cannot be removed now is removed by a later run.
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::debug!(folder = %self.0.display(), %error, "spill files were not removed");
        }
    }
}

/// The folder beside the state, and that of temporary files.
fn folders(settings: &Settings) -> Result<(PathBuf, PathBuf)> {
    let url = settings.required("state.url")?;
    let beside = match state_url(url) {
        Some(StateUrl::Folder) => Some(std::path::absolute(folder(url))?),
        _ => None,
    };
    let temporary = match (settings.text("run.temporary"), &beside) {
        (Some(set), _) => std::path::absolute(folder(set))?,
        (None, Some(beside)) => beside.clone(),
        (None, None) => std::path::absolute(LOCAL_FOLDER)?,
    };
    Ok((beside.unwrap_or_else(|| temporary.clone()), temporary))
}

fn warehouse(settings: &Settings) -> WarehouseConfig {
    let text = |name: &str| settings.text(&format!("warehouse.{name}")).map(str::to_owned);
    WarehouseConfig {
        url: text("url"),
        password: text("password"),
        staging: text("staging"),
        iam_role: text("iam_role"),
        endpoint: text("endpoint"),
        statement_timeout: settings.text("warehouse.statement_timeout").and_then(parse_duration),
    }
}

fn sizes(settings: &Settings) -> Result<StagingSizes> {
    Ok(StagingSizes {
        file_bytes: settings.bytes("run.file_bytes")?,
        row_group_bytes: usize::try_from(settings.bytes("run.row_group_bytes")?)?,
        open_partitions: usize::try_from(settings.number("run.open_partitions")?)?,
        ..StagingSizes::default()
    })
}

fn reddit(settings: &Settings) -> Result<RedditConfig> {
    let text = |name: &str| settings.text(&format!("reddit.{name}")).map(str::to_owned);
    Ok(RedditConfig {
        client_id: text("client_id"),
        client_secret: text("client_secret"),
        username: text("username"),
        password: text("password"),
        refresh_token: text("refresh_token"),
        device_id: text("device_id"),
        user_agent: text("user_agent"),
        api_url: settings.required("reddit.api_url")?.to_owned(),
        token_url: settings.required("reddit.token_url")?.to_owned(),
        replay_posts: Some(settings.number("reddit.replay_posts")?),
        ..RedditConfig::default()
    })
}
