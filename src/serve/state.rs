//! What must survive the daemon: the streams that the API made, and which streams are to run. One JSON file, replaced as a whole.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::config::{Restart, Serve, Stream};
use crate::env::Env;
use crate::error::{Error, Kind};
use crate::secret::{Secret, permission};

/// The state folder of one daemon, which it alone uses.
#[derive(Debug)]
pub struct StateDir {
    folder: PathBuf,
    /// Locked for as long as it is open.
    _lock: File,
}

/// The content of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    version: u32,
    /// Streams that the API made.
    pub streams: BTreeMap<String, SavedStream>,
    /// Streams of the configuration file that somebody has stopped.
    pub stopped: Vec<String>,
}

/// A stream that the API made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedStream {
    run: String,
    restart: String,
    /// Is it to run?
    pub running: bool,
}

impl SavedStream {
    /// As it is kept.
    pub fn new(stream: &Stream, running: bool) -> Self {
        Self { run: stream.run.clone(), restart: stream.restart.name().to_owned(), running }
    }

    /// As it is run.
    pub fn stream(&self) -> Stream {
        Stream { run: self.run.clone(), restart: Restart::of_name(&self.restart).unwrap_or_default() }
    }
}

impl Saved {
    /// A content.
    pub fn new(streams: BTreeMap<String, SavedStream>, stopped: Vec<String>) -> Self {
        Self { version: VERSION, streams, stopped }
    }
}

const VERSION: u32 = 1;
const STREAMS: &str = "streams.json";
const TOKEN: &str = "api_token";
const ADDRESS: &str = "address";
const LOCK: &str = "lock";
/// Of a random bearer.
const TOKEN_BYTES: usize = 32;

impl StateDir {
    /// Where the state folder is.
    ///
    /// # Errors
    /// Of [`Kind::Config`]: there is no place for it.
    pub fn path(serve: &Serve, env: &Env) -> Result<PathBuf, Error> {
        let place = serve.state_dir.clone().or_else(|| Some(env.state_dir()?.join("serve")));
        place.ok_or_else(|| {
            Error::new(
                Kind::Config,
                "there is no place for the daemon's state: neither HOME, XDG_STATE_HOME nor FFAUTH_STATE is set",
            )
            .with_hint("set `state_dir` of [serve]")
        })
    }

    /// Makes the folder if there is none, and takes it for this process.
    ///
    /// # Errors
    /// It cannot be made, others can write to it, or another daemon has it.
    pub fn open(folder: PathBuf) -> Result<Self, Error> {
        let failed = |error: std::io::Error| unusable(&folder, error);
        DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed)?;
        permission::check_unchangeable(&fs::metadata(&folder).map_err(failed)?).map_err(|error| {
            Error::new(Kind::Config, format!("{}: {error}", folder.display()))
                .with_hint(format!("chmod go-w {}", folder.display()))
        })?;
        let lock = OpenOptions::new().create(true).append(true).mode(0o600).open(folder.join(LOCK)).map_err(failed)?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(Error::new(Kind::Config, format!("{}: another `ffauth serve` uses this state folder", folder.display()))
                .with_hint("end it first, or give this one another `state_dir` in [serve]"));
        }
        Ok(Self { folder, _lock: lock })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the bearer is if the daemon made it itself.
    pub fn token_path(&self) -> PathBuf {
        self.folder.join(TOKEN)
    }

    /// The bearer of the API: what `[serve].token` says, else a random one that is made the first time.
    ///
    /// # Errors
    /// It cannot be read or made.
    pub fn token(&self, serve: &Serve, env: &Env) -> Result<Secret, Error> {
        if let Some(token) = token_of(&self.folder, serve, env)? {
            return Ok(token);
        }
        let mut bytes = [0; TOKEN_BYTES];
        getrandom::fill(&mut bytes).map_err(|error| Error::new(Kind::Internal, format!("no random numbers: {error}")))?;
        let token = Secret::new(URL_SAFE_NO_PAD.encode(bytes));
        self.write(TOKEN, format!("{}\n", token.expose()).as_bytes())?;
        Ok(token)
    }

    /// The streams as they were saved last; none the first time.
    ///
    /// # Errors
    /// The file cannot be read, or is not one of ours: what it says is not guessed at.
    pub fn load(&self) -> Result<Saved, Error> {
        let path = self.folder.join(STREAMS);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Saved::default()),
            Err(error) => return Err(unusable(&path, error)),
        };
        let broken = |reason: String| {
            Error::new(Kind::File, format!("{}: {reason}", path.display()))
                .with_hint("mend it, or move it away: the streams that the API made are then forgotten")
        };
        let saved: Saved = serde_json::from_str(&text).map_err(|error| broken(error.to_string()))?;
        if saved.version > VERSION {
            return Err(broken(format!("it is of version {}, from a later ffauth", saved.version)));
        }
        Ok(saved)
    }

    /// Saves the streams.
    ///
    /// # Errors
    /// The file cannot be written; the older one is still there then.
    pub fn save(&self, saved: &Saved) -> Result<(), Error> {
        let text = serde_json::to_vec_pretty(saved).map_err(|error| Error::new(Kind::Internal, error.to_string()))?;
        self.write(STREAMS, &text)
    }

    /// Notes where the daemon listens, for those who make sign-in links.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn note_address(&self, address: &str) -> Result<(), Error> {
        self.write(ADDRESS, address.as_bytes())
    }

    /// Replaces a file, so that after a power cut it is the old or the new one, and nobody else can read it.
    fn write(&self, name: &str, content: &[u8]) -> Result<(), Error> {
        let failed = |error: std::io::Error| unusable(&self.folder.join(name), error);
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(&self.folder).map_err(failed)?;
        file.write_all(content).map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist(self.folder.join(name)).map_err(|error| failed(error.error))?;
        File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(failed)
    }
}

/// The bearer of a daemon whose state is in `folder`, if there is one already.
///
/// # Errors
/// It cannot be read.
pub fn token_of(folder: &Path, serve: &Serve, env: &Env) -> Result<Option<Secret>, Error> {
    if let Some(source) = &serve.token {
        let token = source.read(env).map_err(|error| Error::new(Kind::Config, format!("token of [serve]: {error}")))?;
        if token.expose().len() < 16 || token.expose().contains(|c: char| !c.is_ascii_graphic()) {
            return Err(Error::new(Kind::Config, "token of [serve]: must be 16 or more visible ASCII characters")
                .with_hint("`openssl rand -base64 32` makes one; without the key, the daemon makes one itself"));
        }
        return Ok(Some(token));
    }
    let path = folder.join(TOKEN);
    let mut text = zeroize::Zeroizing::new(String::new());
    match File::open(&path) {
        Ok(file) => {
            permission::check_private(&file.metadata().map_err(|error| unusable(&path, error))?).map_err(|error| {
                Error::new(Kind::Config, format!("{}: {error}", path.display()))
                    .with_hint(format!("chmod 600 {}", path.display()))
            })?;
            file.take(1024).read_to_string(&mut text).map_err(|error| unusable(&path, error))?;
        }
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(&path, error)),
    }
    Ok(Some(text.trim_end()).filter(|text| !text.is_empty()).map(Secret::from))
}

/// The files in the state folder, those included that are not there yet.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    [STREAMS, TOKEN, ADDRESS, LOCK].iter().map(|name| folder.join(name)).collect()
}

/// Where the daemon whose state is in `folder` listens, or did last.
pub fn address_of(folder: &Path) -> Option<String> {
    fs::read_to_string(folder.join(ADDRESS)).ok().filter(|address| !address.is_empty())
}

fn unusable(path: &Path, error: std::io::Error) -> Error {
    Error::new(Kind::File, format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::secret::SecretSource;

    #[test]
    fn what_is_saved_is_loaded() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = StateDir::open(folder.path().join("serve")).expect("a state");
        assert_eq!(state.load().expect("nothing yet"), Saved::default());
        let stream = Stream { run: "-i a b".to_owned(), restart: Restart::Always };
        let saved = Saved::new([("a".to_owned(), SavedStream::new(&stream, true))].into(), vec!["lobby".to_owned()]);
        state.save(&saved).expect("room");
        let loaded = state.load().expect("the file");
        assert_eq!(loaded, saved);
        assert_eq!(loaded.streams["a"].stream(), stream);
        let mode = fs::metadata(state.folder().join(STREAMS)).expect("the file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_is_broken_is_not_guessed_at() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = StateDir::open(folder.path().to_owned()).expect("a state");
        for text in ["", "{", "[]", "{\"version\":2,\"streams\":{},\"stopped\":[]}"] {
            fs::write(folder.path().join(STREAMS), text).expect("a file");
            assert!(state.load().expect_err(text).to_string().contains(STREAMS), "{text}");
        }
    }

    #[test]
    fn one_daemon_for_each_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = StateDir::open(folder.path().to_owned()).expect("a state");
        assert!(StateDir::open(folder.path().to_owned()).expect_err("taken").to_string().contains("another"));
        drop(first);
        StateDir::open(folder.path().to_owned()).expect("free again");
    }

    #[test]
    fn the_bearer_is_made_once_and_kept_from_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = StateDir::open(folder.path().to_owned()).expect("a state");
        let (serve, env) = (Serve::default(), Env::default());
        assert!(token_of(state.folder(), &serve, &env).expect("none").is_none());
        let token = state.token(&serve, &env).expect("a token");
        assert_eq!(token.expose().len(), 43);
        assert!(state.token(&serve, &env).expect("the same") == token);
        fs::set_permissions(state.token_path(), fs::Permissions::from_mode(0o644)).expect("its mode");
        assert!(state.token(&serve, &env).expect_err("open to others").hint().is_some_and(|hint| hint.contains("chmod 600")));
        let given = Serve { token: Some(SecretSource::Plain("short".into())), ..Serve::default() };
        assert!(state.token(&given, &env).expect_err("too short").to_string().contains("16"));
    }
}
