//! What systemd is told: sd_notify(3), by datagrams to the socket that `NOTIFY_SOCKET` names.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::env::Env;

/// The service manager, if it started this process.
#[derive(Debug, Default)]
pub struct ServiceManager {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// The one that the environment names.
    pub fn of(env: &Env) -> Self {
        let socket = env.get("NOTIFY_SOCKET").and_then(|name| {
            // `@` stands for the NUL of an abstract name.
            let address = match name.strip_prefix('@') {
                Some(name) => SocketAddr::from_abstract_name(name),
                None => SocketAddr::from_pathname(name),
            };
            Some((UnixDatagram::unbound().ok()?, address.ok()?))
        });
        // sd_watchdog_enabled(3): not for a child that has only inherited the variables.
        let own = env.get("WATCHDOG_PID").is_none_or(|id| id == std::process::id().to_string());
        let limit = env.get("WATCHDOG_USEC").filter(|_| own).and_then(|limit| limit.parse().ok()).map(Duration::from_micros);
        Self { watchdog: limit.filter(|limit| socket.is_some() && !limit.is_zero()), socket }
    }

    /// All streams have been given to their supervisors and the API answers.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// One line for `systemctl status`.
    pub fn status(&self, text: &str) {
        self.tell(&format!("STATUS={text}"));
    }

    /// The configuration is read again; [`ready`](Self::ready) ends that.
    pub fn reloading(&self) {
        let now = SystemClock.now().boot.as_micros();
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={now}"));
    }

    /// The streams finish their outputs; that may take as long as `limit`.
    pub fn stopping(&self, limit: Duration) {
        self.tell(&format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={}", limit.as_micros()));
    }

    /// Tells in time, for ever, that the runtime on which this is polled still moves.
    pub async fn keep_watchdog(&self) {
        let Some(limit) = self.watchdog else { return std::future::pending().await };
        loop {
            self.tell("WATCHDOG=1");
            SystemClock.sleep(limit / 2).await;
        }
    }

    fn tell(&self, message: &str) {
        if let Some((socket, address)) = &self.socket
            && let Err(error) = socket.send_to_addr(message.as_bytes(), address)
        {
            tracing::debug!("the service manager cannot be told: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_socket_hears_what_happens() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        let env = Env::from_pairs([
            ("NOTIFY_SOCKET", path.to_str().expect("text")),
            ("WATCHDOG_USEC", "20000"),
            ("WATCHDOG_PID", &std::process::id().to_string()),
        ]);
        let manager = ServiceManager::of(&env);
        let heard = || {
            let mut buffer = [0; 256];
            let length = socket.recv(&mut buffer).expect("a datagram");
            String::from_utf8_lossy(&buffer[..length]).into_owned()
        };
        manager.ready();
        assert_eq!(heard(), "READY=1");
        manager.reloading();
        assert!(heard().starts_with("RELOADING=1\nMONOTONIC_USEC="));
        manager.stopping(Duration::from_secs(2));
        assert_eq!(heard(), "STOPPING=1\nEXTEND_TIMEOUT_USEC=2000000");
        assert!(tokio::time::timeout(Duration::from_millis(50), manager.keep_watchdog()).await.is_err());
        assert_eq!((heard(), heard()), ("WATCHDOG=1".to_owned(), "WATCHDOG=1".to_owned()));
    }

    #[test]
    fn without_a_manager_nothing_is_told() {
        let manager = ServiceManager::of(&Env::from_pairs([("WATCHDOG_USEC", "1000000")]));
        manager.ready();
        assert!(manager.watchdog.is_none());
    }
}
