//! The server process and its folder.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::installation;
use crate::error::{Error, Result};

/// The superuser of the private PostgreSQL; clients are never it.
pub(crate) const SUPERUSER: &str = "redshift_sim";
/// How long the server may take to open its socket.
const START: Duration = Duration::from_secs(60);

/// Rows are lost when the machine goes down: this is a stand-in. Strings have backslash escapes, as in PostgreSQL 8.
pub(crate) const SETTINGS: &str = "
listen_addresses = ''
max_connections = 200
fsync = off
synchronous_commit = off
full_page_writes = off
standard_conforming_strings = off
escape_string_warning = off
timezone = 'UTC'
log_timezone = 'UTC'
datestyle = 'ISO, MDY'
extra_float_digits = 1
max_locks_per_transaction = 256
max_pred_locks_per_transaction = 256
";

/// Runs the server until standard input ends, so that it never outlives the process that started it, not even one that was killed.
const KEEPER: &str = r#"trap '' INT TERM
"$1" -D "$2" -k "$2" >"$2/server.log" 2>&1 </dev/null &
server=$!
cat >/dev/null
kill -INT $server 2>/dev/null
wait $server
if [ "$3" = remove ]; then rm -rf "$2"; fi"#;

/// A running server. Dropping it stops the server, and removes its folder unless the folder was named by the user.
#[derive(Debug)]
pub(crate) struct Postgres {
    folder: PathBuf,
    keeper: Child,
    input: Option<ChildStdin>,
    temporary: Option<TempDir>,
    /// Whether the folder was new, so that databases must be made.
    pub(crate) is_new: bool,
}

impl Postgres {
    /// Starts one in `folder`, or in a temporary folder, which may be a copy of `template`. It blocks for about a second.
    pub(crate) fn start(folder: Option<&Path>, template: Option<&Path>) -> Result<Self> {
        let programs = installation::find()?;
        let user = unprivileged_user();
        let temporary = if folder.is_none() { Some(temporary_folder()?) } else { None };
        let folder = folder.or(temporary.as_ref().map(TempDir::path)).unwrap_or(Path::new(".")).to_owned();
        if let Some(template) = template {
            copy_folder(template, &folder)?;
        }
        let is_new = prepare(&folder, user)?;
        if is_new {
            initialize(&programs, &folder, user)?;
        }
        // A socket that a killed server left behind would be taken for the new one's.
        drop(fs::remove_file(folder.join(".s.PGSQL.5432")));
        let fate = if temporary.is_some() { "remove" } else { "keep" };
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER, "redshift-sim-keeper"]).arg(programs.join("postgres")).arg(&folder).arg(fate);
        command.current_dir(&folder).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut keeper = as_user(&mut command, user).spawn().map_err(Error::io("starting sh"))?;
        let input = keeper.stdin.take();
        let server = Self { folder, keeper, input, temporary, is_new };
        server.wait()?;
        Ok(server)
    }

    /// The socket it listens on.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join(".s.PGSQL.5432")
    }

    /// Waits until it accepts connections: the lock file says so in its last line.
    fn wait(&self) -> Result<()> {
        let started = Instant::now();
        while started.elapsed() < START {
            let status = fs::read_to_string(self.folder.join("postmaster.pid")).unwrap_or_default();
            if self.socket().exists() && status.lines().last().is_some_and(|line| line.trim() == "ready") {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let log = fs::read(self.folder.join("server.log")).unwrap_or_default();
        Err(Error::Postgres { what: format!("starting PostgreSQL in {}", self.folder.display()), output: tail(&log) })
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.input.take());
        // There is nobody to tell: what matters is that the keeper has ended, and with it the server.
        if self.keeper.wait().is_ok() {
            // The keeper has removed it already.
            self.temporary.take().map(TempDir::close);
        }
    }
}

/// Makes the folder, for the user who runs the server; true if there is no database in it yet.
fn prepare(folder: &Path, user: Option<(u32, u32)>) -> Result<bool> {
    if folder.join("PG_VERSION").exists() {
        return Ok(false);
    }
    fs::create_dir_all(folder).map_err(Error::io(format!("creating {}", folder.display())))?;
    let mut entries = folder.read_dir().map_err(Error::io(format!("listing {}", folder.display())))?;
    if entries.next().is_some() {
        return Err(Error::ForeignFolder(folder.to_owned()));
    }
    if let Some((uid, gid)) = user {
        chown(folder, Some(uid), Some(gid)).map_err(Error::io(format!("giving {} away", folder.display())))?;
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).map_err(Error::io(format!("closing {}", folder.display())))?;
    Ok(true)
}

fn initialize(programs: &Path, folder: &Path, user: Option<(u32, u32)>) -> Result<()> {
    let mut command = Command::new(programs.join("initdb"));
    // In this encoding varchar(n) counts bytes, as in Redshift.
    command.args(["--encoding=SQL_ASCII", "--locale=C", "--auth=trust", "--no-sync", "--username", SUPERUSER, "--pgdata"]);
    command.arg(folder).current_dir(folder).env("LC_ALL", "C");
    let output = as_user(&mut command, user).output().map_err(Error::io("running initdb"))?;
    if !output.status.success() {
        let output = tail(&[output.stdout, output.stderr].concat());
        return Err(Error::Postgres { what: format!("initdb in {}", folder.display()), output });
    }
    let path = folder.join("postgresql.auto.conf");
    fs::write(&path, SETTINGS).map_err(Error::io(format!("writing {}", path.display())))
}

/// PostgreSQL does not run as root: then its user is `nobody`.
fn unprivileged_user() -> Option<(u32, u32)> {
    let ours = fs::metadata("/proc/self").ok()?.uid();
    if ours != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let mut nobody = users.lines().find(|line| line.starts_with("nobody:"))?.split(':').skip(2);
    Some((nobody.next()?.parse().ok()?, nobody.next()?.parse().ok()?))
}

fn as_user(command: &mut Command, user: Option<(u32, u32)>) -> &mut Command {
    match user {
        Some((uid, gid)) => command.uid(uid).gid(gid).env("HOME", "/nonexistent"),
        None => command,
    }
}

/// A short path, because the path of a socket may have about a hundred characters, and one that `nobody` can reach.
pub(crate) fn temporary_folder() -> Result<TempDir> {
    let parent = Path::new("/tmp");
    let parent = if parent.is_dir() { parent.to_owned() } else { std::env::temp_dir() };
    tempfile::Builder::new().prefix("redshift-sim-").tempdir_in(parent).map_err(Error::io("creating a temporary folder"))
}

/// Copies a folder with all that is in it, and whose it is.
pub(crate) fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    let mut command = Command::new("cp");
    command.arg("-a").arg(from.join(".")).arg(to);
    let output = command.output().map_err(Error::io("running cp"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Postgres { what: format!("copying {} to {}", from.display(), to.display()), output: tail(&output.stderr) })
}

/// The end of what a program printed.
fn tail(output: &[u8]) -> String {
    const BYTES: usize = 2_000;
    let skipped = output.len().saturating_sub(BYTES);
    String::from_utf8_lossy(output.get(skipped..).unwrap_or_default()).trim().to_owned()
}
