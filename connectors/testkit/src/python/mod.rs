//! Python programs as independent witnesses: virtual environments made once beside the build, and what is run in them.

mod delta;
mod warehouse;

pub use delta::{DELTA_PACKAGES, delta_counts};
pub use warehouse::{WAREHOUSE_PACKAGES, same_rows};

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::tail;
use crate::{Error, Result, target_directory};

/// A virtual environment with `packages` (as pip names them, for example `moto[server,s3]==5.2.5`) in the cargo target directory;
/// returns its Python. The first call needs pip's index and minutes, later ones nothing. It blocks: see [`venv_in`].
///
/// # Errors
/// As [`venv_in`], and if the test does not run from a cargo target directory.
pub fn venv_with(packages: &[&str]) -> Result<PathBuf> {
    venv_in(&target_directory()?.join("venv"), packages)
}

/// The same in a folder of the caller's choice, where each set of packages has its own environment. Processes that ask at the
/// same time wait for the one that makes it. The Python it is made with is `$TESTKIT_PYTHON`, else `python3`.
///
/// # Errors
/// If there is no such Python, or pip fails: the error has the end of its output.
pub fn venv_in(folder: &Path, packages: &[&str]) -> Result<PathBuf> {
    let name = name_of(packages);
    let venv = folder.join(&name);
    let (python, stamp) = (venv.join("bin/python"), venv.join("complete"));
    fs::create_dir_all(folder).map_err(Error::io(format!("creating {}", folder.display())))?;
    let path = folder.join(format!("{name}.lock"));
    let lock = File::create(&path).map_err(Error::io(format!("creating {}", path.display())))?;
    lock.lock().map_err(Error::io(format!("locking {}", path.display())))?;
    if stamp.exists() {
        return Ok(python);
    }
    let base = std::env::var_os("TESTKIT_PYTHON").unwrap_or_else(|| "python3".into());
    run("making a Python environment", Command::new(base).args(["-m", "venv", "--clear"]).arg(&venv))?;
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    run(&format!("pip install {}", packages.join(" ")), Command::new(&python).args(install).args(packages))?;
    fs::write(&stamp, packages.join("\n")).map_err(Error::io(format!("writing {}", stamp.display())))?;
    Ok(python)
}

/// A folder name for a set of packages, whatever their order.
fn name_of(packages: &[&str]) -> String {
    let mut packages = packages.to_vec();
    packages.sort_unstable();
    let mut hasher = DefaultHasher::new();
    packages.hash(&mut hasher);
    let first: String =
        packages.iter().flat_map(|package| package.chars().take_while(char::is_ascii_alphanumeric).chain(['-'])).collect();
    format!("{first}{:08x}", hasher.finish() >> 32)
}

/// Runs a program to its end, and returns what it wrote to its standard output. `what` says in errors what it was for.
pub(crate) fn run(what: &str, command: &mut Command) -> Result<Vec<u8>> {
    let output = command.output().map_err(Error::io(format!("{what} with {}", command.get_program().display())))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let status = output.status.to_string();
    Err(Error::Program { what: what.to_owned(), status, stderr: tail(&[output.stdout, output.stderr].concat()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_of_a_set_of_packages_does_not_depend_on_their_order() {
        assert_eq!(name_of(&["a==1", "b"]), name_of(&["b", "a==1"]));
        assert_ne!(name_of(&["a==1", "b"]), name_of(&["a==2", "b"]));
        assert!(name_of(&["moto[server]==5"]).starts_with("moto-"));
    }

    #[test]
    fn a_program_that_fails_is_quoted() {
        let error =
            run("complaining", Command::new("sh").args(["-c", "echo no such thing >&2; exit 3"])).unwrap_err().to_string();
        assert!(error.starts_with("complaining") && error.contains("no such thing") && error.contains('3'), "{error}");
    }
}
