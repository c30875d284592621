//! The data directory that servers are copied from, and the user that they run as.

use std::fs::{self, File};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::binaries::Binaries;
use super::server::{PASSWORD, USER};
use crate::python::run;
use crate::{Error, Result};

/// PostgreSQL does not run as root: then it runs as this one.
const UNPRIVILEGED: &str = "nobody";
/// Its number where the list of users does not say.
const UNPRIVILEGED_ID: u32 = 65_534;
/// A change of how templates are made changes this, so that no old one is used.
const FORM: u32 = 1;

/// Where the data directories of this user are.
#[derive(Debug, Clone)]
pub(super) struct Home {
    /// The folder of the template and of the servers.
    pub(super) folder: PathBuf,
    /// User and group to run as, when that is not who we are.
    runs_as: Option<(u32, u32)>,
}

impl Home {
    /// The folder of this user for one version of PostgreSQL, below the temporary folder: the paths of sockets have to be short, and the
    /// user that a server runs as has to get there.
    pub(super) fn open(version: &str) -> Result<Self> {
        let base = temporary_folder();
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o711);
        let me = who_made(&builder, &base)?;
        let folder = base.join(format!("testkit-postgres-{me}")).join(format!("{version}-{FORM}"));
        builder.create(&folder).map_err(Error::io(format!("creating {}", folder.display())))?;
        let owner = fs::metadata(&folder).map_err(Error::io(format!("looking at {}", folder.display())))?.uid();
        if owner != me {
            let answer = format!("it belongs to user {owner}, not to {me}");
            return Err(Error::Answer { what: folder.display().to_string(), answer });
        }
        Ok(Self { folder, runs_as: (me == 0).then(unprivileged) })
    }

    /// The folder of this user, whatever the version.
    pub(super) fn of_this_user() -> Result<Self> {
        Self::open("pools")
    }

    /// `command`, run as the user that servers run as, from a folder where that user may be.
    pub(super) fn run_as(&self, command: &mut Command) {
        command.current_dir("/");
        if let Some((user, group)) = self.runs_as {
            command.uid(user).gid(group);
        }
    }

    /// Gives a path to the user that servers run as.
    pub(super) fn give(&self, path: &Path) -> Result<()> {
        match self.runs_as {
            Some((user, group)) => {
                chown(path, Some(user), Some(group)).map_err(Error::io(format!("giving {} away", path.display())))
            }
            None => Ok(()),
        }
    }

    /// A new data directory: the template's copy.
    pub(super) fn copy_template(&self, binaries: &Binaries, to: &Path) -> Result<()> {
        let template = self.template(binaries)?;
        run("copying the template of a PostgreSQL server", Command::new("cp").arg("-a").arg(&template).arg(to)).map(drop)
    }

    /// The template, made by whoever needs it first.
    fn template(&self, binaries: &Binaries) -> Result<PathBuf> {
        let template = self.folder.join("template");
        if template.is_dir() {
            return Ok(template);
        }
        let path = self.folder.join("template.lock");
        let lock = File::create(&path).map_err(Error::io(format!("creating {}", path.display())))?;
        lock.lock().map_err(Error::io(format!("locking {}", path.display())))?;
        if template.is_dir() {
            return Ok(template);
        }
        let partial = self.folder.join("template.partial");
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(Error::io(format!("removing {}", partial.display())))?;
        }
        fs::DirBuilder::new().mode(0o700).create(&partial).map_err(Error::io(format!("creating {}", partial.display())))?;
        self.give(&partial)?;
        self.initialize(binaries, &partial)?;
        fs::rename(&partial, &template).map_err(Error::io(format!("renaming {}", partial.display())))?;
        Ok(template)
    }

    fn initialize(&self, binaries: &Binaries, folder: &Path) -> Result<()> {
        let secret = self.folder.join("password");
        fs::write(&secret, PASSWORD).map_err(Error::io(format!("writing {}", secret.display())))?;
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o644))
            .map_err(Error::io("opening a file to a server's user"))?;
        let mut command = Command::new(binaries.program("initdb"));
        command
            .args(["--no-sync", "--no-instructions", "--encoding=UTF8", "--locale=C", "--wal-segsize=4"])
            .args(["--auth-local=trust", "--auth-host=scram-sha-256"])
            .arg(format!("--username={USER}"))
            .arg(format!("--pwfile={}", secret.display()))
            .arg(format!("--pgdata={}", folder.display()));
        self.run_as(&mut command);
        run("initdb", &mut command).map(drop)
    }
}

/// The number of the user that we are: who owns what we make.
fn who_made(builder: &fs::DirBuilder, base: &Path) -> Result<u32> {
    let probe = base.join(format!("testkit-postgres-probe-{}", std::process::id()));
    let what = || format!("creating {}", probe.display());
    builder.create(&probe).map_err(Error::io(what()))?;
    let owner = fs::metadata(&probe).map_err(Error::io(what()))?.uid();
    // Tests of one process may ask at the same time.
    fs::remove_dir(&probe).unwrap_or_default();
    Ok(owner)
}

/// The temporary folder, if everybody may pass through to it.
fn temporary_folder() -> PathBuf {
    let folder = std::env::temp_dir();
    let passable = |path: &Path| fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o001 != 0);
    if folder.ancestors().all(passable) { folder } else { PathBuf::from("/tmp") }
}

fn unprivileged() -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let line = users.lines().find(|line| line.split(':').next() == Some(UNPRIVILEGED));
    let number = |field: usize| line.and_then(|line| line.split(':').nth(field)).and_then(|text| text.parse().ok());
    (number(2).unwrap_or(UNPRIVILEGED_ID), number(3).unwrap_or(UNPRIVILEGED_ID))
}
