//! Certificates for TLS: an authority of our own, a server's certificate of it, and an authority that has nothing to do with either.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::python::run;
use crate::{Error, Result};

/// What a server and its clients need, as PEM files in one folder.
#[derive(Debug, Clone)]
pub struct Certificates {
    /// The authority, for clients that are to trust the server.
    pub authority: PathBuf,
    /// Another authority, for clients that are not to.
    pub stranger: PathBuf,
    /// The server's certificate, for the name `localhost`.
    pub(super) certificate: PathBuf,
    /// The server's key.
    pub(super) key: PathBuf,
}

/// The name that the server's certificate is for; its address is not in it.
const SERVER: &str = "localhost";

impl Certificates {
    /// Makes them in `folder` with the program `openssl`.
    ///
    /// # Errors
    /// [`Error::Missing`] where there is no such program; when it fails.
    pub fn make(folder: &Path) -> Result<Self> {
        let path = |name: &str| folder.join(name);
        for name in ["authority", "stranger"] {
            openssl(
                folder,
                &format!(
                    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN={name} \
                 -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign -keyout {name}.key -out {name}.crt"
                ),
            )?;
        }
        openssl(
            folder,
            &format!(
                "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN={SERVER} -keyout server.key -out server.csr"
            ),
        )?;
        let names = path("names");
        std::fs::write(&names, format!("subjectAltName=DNS:{SERVER}\nbasicConstraints=CA:FALSE\n"))
            .map_err(Error::io(format!("writing {}", names.display())))?;
        openssl(
            folder,
            "x509 -req -in server.csr -CA authority.crt -CAkey authority.key -CAcreateserial -days 2 -extfile names -out server.crt",
        )?;
        Ok(Self {
            authority: path("authority.crt"),
            stranger: path("stranger.crt"),
            certificate: path("server.crt"),
            key: path("server.key"),
        })
    }
}

fn openssl(folder: &Path, arguments: &str) -> Result<()> {
    let mut command = Command::new("openssl");
    command.args(arguments.split_whitespace()).current_dir(folder);
    match run("openssl", &mut command) {
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Err(Error::Missing {
            what: "openssl".to_owned(),
            looked_at: "PATH".to_owned(),
            hint: "install the package 'openssl'".to_owned(),
        }),
        other => other.map(drop),
    }
}
