//! Where cargo's target directory is: what tests create and want to keep between runs lives there, and `cargo clean` removes it.

use std::path::PathBuf;

use crate::{Error, Result};

/// The cargo target directory of the running test: the parent of the profile folder (`debug`, `release`) that holds `deps`.
///
/// # Errors
/// [`Error::NoTargetDirectory`] when the running executable was not built there.
pub fn target_directory() -> Result<PathBuf> {
    let executable = std::env::current_exe().map_err(Error::io("locating the running executable"))?;
    let profile = executable.ancestors().skip(1).find(|folder| folder.join("deps").is_dir());
    match profile.and_then(|folder| folder.parent()) {
        Some(target) => Ok(target.to_path_buf()),
        None => Err(Error::NoTargetDirectory { executable }),
    }
}
