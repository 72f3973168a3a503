//! Where requests come in: a TCP address, or a unix socket that only its owner can open.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use tokio::net::{TcpListener, UnixListener, UnixStream};

use crate::config::Listen;
use crate::error::{Error, Kind};

use super::gate::Door;

/// The open door, to be given to [`Daemon::run`](super::Daemon::run).
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// A unix socket that only its owner can open.
    Unix(UnixListener),
}

/// Opens the door; its address as others write it.
pub(super) async fn open(listen: &Listen) -> Result<(Listener, String), Error> {
    let failed = |error: std::io::Error| {
        Error::new(Kind::Config, format!("cannot listen at {listen}: {error}")).with_hint("give another address with --listen")
    };
    match listen {
        Listen::Tcp(address) => {
            let listener = TcpListener::bind(address).await.map_err(failed)?;
            let address = format!("http://{}", listener.local_addr().map_err(failed)?);
            Ok((Listener::Tcp(listener), address))
        }
        Listen::Unix(path) => {
            remove_dead_socket(path).await.map_err(failed)?;
            let listener = bind_private(path).map_err(failed)?;
            Ok((Listener::Unix(listener), format!("unix:{}", path.display())))
        }
    }
}

/// A socket that a daemon before this one left behind, and nobody listens at.
async fn remove_dead_socket(path: &Path) -> std::io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.file_type().is_socket() => {
            Err(std::io::Error::new(ErrorKind::AlreadyExists, "it is not a socket"))
        }
        Ok(_) => match UnixStream::connect(path).await {
            Ok(_) => Err(std::io::Error::new(ErrorKind::AddrInUse, "another process listens there")),
            Err(_) => fs::remove_file(path),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Binds it in a folder that nobody else can enter, and moves it to its place with its mode set: at no time can others open it.
fn bind_private(path: &Path) -> std::io::Result<UnixListener> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let private = tempfile::Builder::new().prefix(".ffauth-").tempdir_in(folder)?;
    let first = private.path().join("s");
    let listener = UnixListener::bind(&first)?;
    fs::set_permissions(&first, fs::Permissions::from_mode(0o600))?;
    fs::rename(&first, path)?;
    Ok(listener)
}

impl Connected<IncomingStream<'_, TcpListener>> for Door {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        // A connection that is over already has no address; what it asked for reaches nobody.
        stream.io().local_addr().map_or(Self::Tcp(([0, 0, 0, 0], 0).into()), Self::Tcp)
    }
}

impl Connected<IncomingStream<'_, UnixListener>> for Door {
    fn connect_info(_: IncomingStream<'_, UnixListener>) -> Self {
        Self::Unix
    }
}
