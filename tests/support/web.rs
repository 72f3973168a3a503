//! What the real media servers have in common: a folder of media, certificates, and a log in which every request stands.

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::media::Kind;
use super::process::{self, Process};
use super::tls::Authority;

/// A running media server. Its folder holds `media/KIND/…`, `upload/`, `cert.pem`, `key.pem`, `ca.pem`, and the log `access`.
pub struct MediaServer {
    // Ends before its folder goes.
    process: Mutex<Option<Process>>,
    folder: tempfile::TempDir,
    program: &'static str,
    arguments: Vec<String>,
    port: u16,
}

/// One request: the log has method, path, status, `Authorization`.
pub struct Access {
    pub method: String,
    pub path: String,
    pub status: u16,
    /// The header field's value; `-` where there was none.
    pub authorization: String,
}

impl MediaServer {
    /// Starts `program` with `arguments` and a file with `config`, in both of which FOLDER and PORT are replaced.
    pub fn start(program: &'static str, arguments: &[&str], config: &str, authority: &Authority, kinds: &[Kind]) -> Self {
        process::on_free_port(program, |port| {
            let folder = prepare(authority, kinds);
            let root = folder.path().display().to_string();
            let fill = |text: &str| text.replace("FOLDER", &root).replace("PORT", &port.to_string());
            std::fs::write(folder.path().join("config"), fill(config)).expect("a file");
            let arguments = arguments.iter().map(|argument| fill(argument)).collect();
            let server = Self { process: Mutex::new(None), folder, program, arguments, port };
            server.run().map(|()| server)
        })
    }

    fn run(&self) -> Result<(), String> {
        let mut command = Command::new(self.program);
        command.args(&self.arguments);
        let mut process = Process::start(self.program, &command, self.folder.path());
        if process.wait_for(|_| TcpStream::connect(("127.0.0.1", self.port)).ok()).is_none() {
            let errors = std::fs::read_to_string(self.path("error")).unwrap_or_default();
            return Err(format!("{}\n{errors}", process.forget()));
        }
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(process);
        Ok(())
    }

    /// Ends it, whatever it is at, and starts it again after `pause`.
    pub fn restart(&self, pause: Duration) {
        drop(self.process.lock().unwrap_or_else(PoisonError::into_inner).take());
        std::thread::sleep(pause);
        self.run().expect("it starts again");
    }

    /// Its name.
    pub fn program(&self) -> &'static str {
        self.program
    }

    pub fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}/{path}", self.port)
    }

    /// Where `kind` begins.
    pub fn entry(&self, kind: &Kind) -> String {
        self.url(&format!("media/{}/{}", kind.name(), kind.entry))
    }

    /// A file in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Every request so far.
    pub fn log(&self) -> Vec<Access> {
        let text = std::fs::read_to_string(self.path("access")).unwrap_or_default();
        let lines = text.lines().map(|line| {
            let mut words = line.splitn(4, ' ');
            let mut word = || words.next().unwrap_or_default().to_owned();
            Access {
                method: word(),
                path: word(),
                status: word().parse().expect("a status"),
                authorization: word().trim_matches('"').to_owned(),
            }
        });
        lines.collect()
    }

    /// The different tokens with which something was delivered or taken.
    pub fn accepted(&self) -> BTreeSet<String> {
        self.log().into_iter().filter(|access| access.status < 400).map(|access| access.authorization).collect()
    }

    /// How many requests got this status.
    pub fn count(&self, status: u16) -> usize {
        self.log().iter().filter(|access| access.status == status).count()
    }

    /// The log in short, for messages: tokens by the order in which they came; and what the server has to complain.
    pub fn story(&self) -> String {
        let mut seen: Vec<String> = Vec::new();
        let lines = self.log().into_iter().map(|Access { method, path, status, authorization }| {
            let number = seen.iter().position(|known| *known == authorization).unwrap_or_else(|| {
                seen.push(authorization);
                seen.len() - 1
            });
            format!("  {method} {path} token #{number} -> {status}\n")
        });
        let errors = std::fs::read_to_string(self.path("error")).unwrap_or_default();
        let errors: Vec<&str> = errors.lines().collect();
        format!("{}{}", lines.collect::<String>(), errors[errors.len().saturating_sub(10)..].join("\n"))
    }
}

/// A folder that everybody may go into: servers that are started as root do not stay root.
fn prepare(authority: &Authority, kinds: &[Kind]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    set_mode(folder.path(), 0o755);
    for (name, mode) in [("media", 0o755), ("upload", 0o777), ("scratch", 0o777)] {
        std::fs::create_dir(folder.path().join(name)).expect("a folder");
        set_mode(&folder.path().join(name), mode);
    }
    for kind in kinds {
        copy(kind.file().parent().expect("a folder"), &folder.path().join("media").join(kind.name()));
    }
    authority.certify_into(folder.path(), "127.0.0.1");
    folder
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("a folder");
    for file in std::fs::read_dir(from).expect("a folder") {
        let file = file.expect("a file");
        std::fs::copy(file.path(), to.join(file.file_name())).expect("a copy");
        set_mode(&to.join(file.file_name()), 0o644);
    }
    set_mode(to, 0o755);
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("permissions");
}
