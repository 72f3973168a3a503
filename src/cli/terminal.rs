//! Keys and signals: `q` ends a job well, so does SIGINT; whoever insists is obeyed at once.

use std::io::{IsTerminal, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios};
use signal_hook::consts::{SIGINT, SIGQUIT, SIGTERM, SIGXCPU};

use crate::libav::log::{self, level};
use crate::pipeline::Control;
use crate::shutdown::Shutdown;

/// The signals that have come in.
#[derive(Clone, Default)]
pub struct Signals(Arc<AtomicU32>);

/// ffmpeg's exit code after more than three signals.
const HARD_EXIT: i32 = 123;

impl Signals {
    /// Listens from now on: the first signal ends the job well, the second breaks off what the outputs are waiting for, the
    /// fourth ends the process.
    ///
    /// # Errors
    /// The operating system's.
    pub fn watch(control: &Control) -> std::io::Result<Self> {
        let seen = Self::default();
        let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGQUIT, SIGXCPU])?;
        let (counted, stop, abort) = (seen.clone(), control.stop.clone(), control.abort.clone());
        std::thread::spawn(move || {
            for _ in signals.forever() {
                match counted.0.fetch_add(1, Ordering::SeqCst) {
                    0 => stop.request(),
                    1 | 2 => abort.request(),
                    _ => {
                        log::write(level::FATAL, "Received > 3 system signals, hard exiting\n");
                        std::process::exit(HARD_EXIT);
                    }
                }
            }
        });
        Ok(seen)
    }

    /// Has any come?
    pub fn any(&self) -> bool {
        self.0.load(Ordering::SeqCst) > 0
    }
}

/// Reads keys from standard input while it lives; a terminal gives them one by one and without echo meanwhile.
pub struct Keys {
    over: Shutdown,
    thread: Option<std::thread::JoinHandle<()>>,
    saved: Option<Termios>,
}

const HELP: &str = "key    function\n?      show this help\n+      increase verbosity\n-      decrease verbosity\nq      quit\n";

impl Keys {
    /// Starts to listen; `q` ends the job of `control`.
    pub fn watch(control: &Control) -> Self {
        let saved = if std::io::stdin().is_terminal() { single_keys() } else { None };
        let over = Shutdown::new();
        let (ended, stop) = (over.clone(), control.stop.clone());
        let thread = std::thread::spawn(move || {
            let mut input = std::io::stdin();
            while !ended.is_requested() {
                let mut ready = [PollFd::new(&input, PollFlags::IN)];
                let limit = Timespec::try_from(Duration::from_millis(100)).ok();
                if !rustix::event::poll(&mut ready, limit.as_ref()).is_ok_and(|ready| ready > 0) {
                    continue;
                }
                let mut key = [0];
                match input.read(&mut key) {
                    Ok(1) => press(key[0], &stop),
                    // The end of standard input is not a wish to stop.
                    _ => return,
                }
            }
        });
        Self { over, thread: Some(thread), saved }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.over.request();
        if let Some(thread) = self.thread.take() {
            // A reader that panicked has nothing more to say.
            let _ = thread.join();
        }
        if let Some(saved) = &self.saved {
            // Nothing can be done about a terminal that is gone.
            let _ = rustix::termios::tcsetattr(std::io::stdin(), OptionalActions::Now, saved);
        }
    }
}

fn press(key: u8, stop: &Shutdown) {
    match key {
        b'q' => stop.request(),
        b'+' => log::set_level(log::level() + 10),
        b'-' => log::set_level(log::level() - 10),
        b'?' => log::write(level::INFO, HELP),
        _ => {}
    }
}

/// ffmpeg's term_init: no lines, no echo; signals stay.
fn single_keys() -> Option<Termios> {
    let input = std::io::stdin();
    let saved = rustix::termios::tcgetattr(&input).ok()?;
    let mut keys = saved.clone();
    keys.local_modes.remove(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::IEXTEN);
    keys.special_codes[SpecialCodeIndex::VMIN] = 1;
    keys.special_codes[SpecialCodeIndex::VTIME] = 0;
    rustix::termios::tcsetattr(&input, OptionalActions::Now, &keys).ok()?;
    Some(saved)
}

/// Raises `stop` with the first SIGINT or SIGTERM; the second ends the process.
///
/// # Errors
/// The operating system's.
pub fn stop_on_signals(stop: &Shutdown) -> std::io::Result<()> {
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    let stop = stop.clone();
    std::thread::spawn(move || {
        for _ in signals.forever() {
            if stop.is_requested() {
                std::process::exit(super::exit::INTERRUPTED);
            }
            stop.request();
        }
    });
    Ok(())
}
