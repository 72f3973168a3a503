//! Where a secret comes from: read when it is needed, never kept in argv.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use zeroize::Zeroizing;

use super::Secret;
use super::keyring::{self, Item};
use super::permission;
use crate::env::Env;
use crate::error::{BoxError, contained};

/// How long a `command` may run.
pub const COMMAND_LIMIT: Duration = Duration::from_secs(10);

/// The most that is read from any source, in bytes.
const LONGEST: u64 = 64 * 1024;

/// A place that holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretSource {
    /// Written in the configuration itself.
    Plain(Secret),
    /// An environment variable.
    Env(String),
    /// A file; trailing line breaks are cut off.
    File(PathBuf),
    /// The standard output of a program, started without a shell.
    Command(Vec<String>),
    /// A systemd credential: a file of this name in `$CREDENTIALS_DIRECTORY`.
    Credential(String),
    /// An item of the desktop's keyring.
    #[doc(hidden)]
    Keyring(Item),
    /// An open file descriptor, read to its end once.
    Fd(u32),
    /// Standard input, read to its end once.
    Stdin,
    /// Code of the crate's user; see [`SecretSource::custom`].
    #[doc(hidden)]
    Custom(Custom),
}

/// Code that gives a secret. Two are equal if they are the same.
#[derive(Clone)]
pub struct Custom {
    name: String,
    read: Arc<dyn ReadSecret>,
}

/// Where a service keeps a secret that has no [`SecretSource`] of its own. A closure is one.
pub trait ReadSecret: Send + Sync {
    /// The secret as it is now. May block: it is called on a thread for that, each time when the secret is needed.
    ///
    /// # Errors
    /// Why there is none; must not hold the secret.
    fn read(&self) -> Result<Secret, BoxError>;
}

impl<F: Fn() -> Result<Secret, BoxError> + Send + Sync> ReadSecret for F {
    fn read(&self) -> Result<Secret, BoxError> {
        self()
    }
}

impl PartialEq for Custom {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.read, &other.read)
    }
}

impl Eq for Custom {}

impl std::fmt::Debug for Custom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Custom").field(&self.name).finish()
    }
}

impl std::fmt::Display for Custom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

/// Why a secret could not be read. Names the source, never the value.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SecretError(String);

impl SecretSource {
    /// A source that is code of the crate's user; `name` is what messages call it.
    pub fn custom(name: impl Into<String>, read: impl ReadSecret + 'static) -> Self {
        Self::Custom(Custom { name: name.into(), read: Arc::new(read) })
    }

    /// Reads the secret now. Blocks: a command is given up after 10 s.
    ///
    /// # Errors
    /// [`SecretError`] names the source and what is wrong with it.
    pub fn read(&self, env: &Env) -> Result<Secret, SecretError> {
        match self {
            Self::Plain(secret) => Ok(secret.clone()),
            Self::Env(name) => {
                let value = env.get(name).ok_or_else(|| SecretError(format!("the environment variable {name} is not set")))?;
                Ok(Secret::new(value))
            }
            Self::File(path) => read_file(path, true),
            Self::Command(words) => run(words),
            Self::Credential(name) => {
                let folder = env.get("CREDENTIALS_DIRECTORY").ok_or_else(|| {
                    SecretError(format!(
                        "credential {name}: CREDENTIALS_DIRECTORY is not set; systemd sets it for LoadCredential="
                    ))
                })?;
                if name.contains('/') || name == ".." {
                    return Err(SecretError(format!("credential {name}: a name, not a path")));
                }
                // systemd gives its folder to the service's user alone.
                read_file(&Path::new(folder).join(name), false)
            }
            Self::Keyring(item) => {
                let refuse = |reason: String| SecretError(format!("keyring {item}: {reason}"));
                let text = keyring::get(item).map_err(|error| refuse(error.to_string()))?;
                let Some(text) = text else {
                    let Item { service, user } = item;
                    let store = format!("secret-tool store --label={user} service {service} username {user}");
                    return Err(refuse(format!("there is no such item; `{store}` makes one")));
                };
                secret_of(text.as_slice()).map_err(refuse)
            }
            Self::Fd(number) => read_once(*number),
            Self::Stdin => read_once(0),
            Self::Custom(custom) => {
                let secret = contained(|| custom.read.read());
                secret.map_err(|error| SecretError(format!("{custom}: {error}")))
            }
        }
    }
}

fn read_file(path: &Path, check: bool) -> Result<Secret, SecretError> {
    let refuse = |reason: String| SecretError(format!("file {}: {reason}", path.display()));
    let file = File::open(path).map_err(|error| refuse(error.to_string()))?;
    let metadata = file.metadata().map_err(|error| refuse(error.to_string()))?;
    // A pipe (`<(command)`) belongs to whoever can open it.
    if check && metadata.is_file() {
        let advice = |error| refuse(format!("{error}; it holds a secret: chmod 600 {}", path.display()));
        permission::check_private(&metadata).map_err(advice)?;
    }
    secret_of(file).map_err(refuse)
}

/// A descriptor gives its content once; whoever asks again, for a refresh or from another profile, gets the same.
fn read_once(number: u32) -> Result<Secret, SecretError> {
    static READ: Mutex<BTreeMap<u32, Secret>> = Mutex::new(BTreeMap::new());
    let refuse = |reason: String| match number {
        0 => SecretError(format!("stdin: {reason}")),
        _ => SecretError(format!("fd {number}: {reason}")),
    };
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(secret) = read.get(&number) {
        return Ok(secret.clone());
    }
    let secret = match number {
        0 => {
            let input = std::io::stdin();
            if input.is_terminal() {
                return Err(refuse("it is a terminal; give the secret by a pipe or a file".to_owned()));
            }
            secret_of(input.lock())
        }
        // Opening it anew instead of taking it over leaves the descriptor, which is not ours to close, as it is.
        _ => File::open(format!("/dev/fd/{number}")).map_err(|error| error.to_string()).and_then(secret_of),
    };
    let secret = secret.map_err(refuse)?;
    read.insert(number, secret.clone());
    Ok(secret)
}

fn run(words: &[String]) -> Result<Secret, SecretError> {
    let Some((program, arguments)) = words.split_first() else { return Err(SecretError("command: it is empty".to_owned())) };
    let refuse = |reason: String| SecretError(format!("command {program}: {reason}"));
    let child = Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| refuse(error.to_string()))?;
    let (sender, read) = mpsc::channel();
    if let Some(output) = child.stdout.take() {
        // The reader ends with the pipe; nobody may be listening any more.
        std::thread::spawn(move || drop(sender.send(secret_of(output))));
    }
    let secret = match read.recv_timeout(COMMAND_LIMIT) {
        Ok(secret) => secret.map_err(&refuse),
        Err(_) => Err(refuse(format!("no answer within {} s", COMMAND_LIMIT.as_secs()))),
    };
    if secret.is_err() {
        end(&mut child);
        return secret;
    }
    let status = child.wait().map_err(|error| refuse(error.to_string()))?;
    if status.success() { secret } else { Err(refuse(format!("it ended with {status}"))) }
}

/// Ends a program whose output is of no use any more. One that is gone already is no trouble.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

fn secret_of(from: impl Read) -> Result<Secret, String> {
    let mut bytes = Zeroizing::new(Vec::new());
    from.take(LONGEST + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > LONGEST {
        return Err(format!("it gives more than {LONGEST} bytes"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| "it is not UTF-8 text".to_owned())?;
    // Editors of Windows begin a file with a byte order mark.
    let text = text.trim_start_matches('\u{feff}').trim_end_matches(['\r', '\n']);
    if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(Secret::new(text)) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn words(words: &[&str]) -> SecretSource {
        SecretSource::Command(words.iter().map(|word| (*word).to_owned()).collect())
    }

    #[test]
    fn each_source_gives_its_value_without_line_breaks() {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(b"in the file\r\n\n").expect("room");
        let folder = file.path().parent().expect("a folder").display().to_string();
        let name = file.path().file_name().expect("a name").to_string_lossy().into_owned();
        let env = Env::from_pairs([("S", "in the variable"), ("CREDENTIALS_DIRECTORY", &folder)]);
        for (source, value) in [
            (SecretSource::Plain("plain".into()), "plain"),
            (SecretSource::Env("S".to_owned()), "in the variable"),
            (SecretSource::File(file.path().to_owned()), "in the file"),
            (SecretSource::Credential(name), "in the file"),
            (words(&["printf", "%s\\n", "printed"]), "printed"),
            (words(&["printf", "\\357\\273\\277%s\\r\\n", "marked"]), "marked"),
            (SecretSource::custom("vault", || Ok("of our own".into())), "of our own"),
        ] {
            assert_eq!(source.read(&env).expect("a value").expose(), value);
        }
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(b"CANARY").expect("room");
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o644)).expect("its mode");
        let error = SecretSource::File(file.path().to_owned()).read(&Env::default()).expect_err("refused").to_string();
        assert!(error.contains("chmod 600") && !error.contains("CANARY"), "{error}");
    }

    #[test]
    fn failures_name_the_source() {
        let env = Env::default();
        for (source, part) in [
            (SecretSource::Env("NOT_THERE".to_owned()), "NOT_THERE is not set"),
            (SecretSource::File("/nowhere/secret".into()), "/nowhere/secret"),
            (SecretSource::Credential("x".to_owned()), "CREDENTIALS_DIRECTORY"),
            (words(&["false"]), "it is empty"),
            (words(&["sh", "-c", "echo x; exit 3"]), "exit status: 3"),
            (words(&["/no/such/program"]), "/no/such/program"),
            (words(&["head", "-c", "70000", "/dev/zero"]), "more than 65536 bytes"),
            (words(&["printf", "\\377"]), "not UTF-8"),
            (SecretSource::custom("vault", || Err("it is sealed".into())), "vault: it is sealed"),
            (SecretSource::custom("vault", || panic!("no door")), "vault: it has panicked: no door"),
        ] {
            let error = source.read(&env).expect_err(part).to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
