//! Keys and signals: `q` ends a job well, so does SIGINT; whoever insists is obeyed at once.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios};
use signal_hook::consts::{SIGINT, SIGQUIT, SIGTERM, SIGXCPU};

use crate::libav::log::{self, level};
use crate::pipeline::{Control, FilterCommand};
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

const HELP: &str = "\
key    function
?      show this help
+      increase verbosity
-      decrease verbosity
c      Send command to first matching filter supporting it
C      Send/Queue command to all matching filters
D      cycle through available debug modes
h      dump packets/hex press to cycle through the 3 states
q      quit
s      Show QP histogram
";

/// `FF_DEBUG_DCT_COEFF`, which no codec supports any more and some fall over.
const DEBUG_DCT_COEFF: i32 = 0x40;

impl Keys {
    /// Starts to listen; `q` ends the job of `control`.
    pub fn watch(control: &Control) -> Self {
        let saved = if std::io::stdin().is_terminal() { single_keys() } else { None };
        let over = Shutdown::new();
        let mut keyboard =
            Keyboard { input: std::io::stdin(), over: over.clone(), control: control.clone(), terminal: saved.clone() };
        let thread = std::thread::spawn(move || while keyboard.listen() {});
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

/// Standard input and what its keys do (`check_keyboard_interaction` of ffmpeg).
struct Keyboard {
    input: std::io::Stdin,
    over: Shutdown,
    control: Control,
    /// The settings of its terminal, if it is one.
    terminal: Option<Termios>,
}

impl Keyboard {
    /// Waits for a key and does what it says; false = there will be no more.
    fn listen(&mut self) -> bool {
        let Some(key) = self.key() else { return false };
        let live = &self.control.live;
        match key {
            b'q' => {
                log::write(level::INFO, "\n\n[q] command received. Exiting.\n\n");
                self.control.stop.request();
            }
            b'+' => log::set_level(log::level() + 10),
            b'-' => log::set_level(log::level() - 10),
            b's' => live.toggle_qp_histogram(),
            b'h' => {
                live.cycle_dump();
                log::set_level(level::DEBUG);
            }
            b'c' | b'C' => self.command(key == b'C'),
            b'd' | b'D' => self.debug(key == b'D'),
            b'?' => show(HELP),
            _ => {}
        }
        true
    }

    /// `c`, `C`: a line with a command for filters.
    fn command(&mut self, every: bool) {
        show("\nEnter command: <target>|all <time>|-1 <command>[ <argument>]\n");
        let Some(line) = self.line() else { return };
        match FilterCommand::parse(&line, every) {
            Ok(command) if command.time >= 0.0 && !every => {
                show("Queuing commands only on filters supporting the specific command is unsupported\n");
            }
            Ok(command) => self.control.live.send(command),
            Err(understood) => {
                let text =
                    format!("Parse error, at least 3 arguments were expected, only {understood} given in string '{line}'\n");
                log::write(level::ERROR, &text);
            }
        }
    }

    /// `d`: a line with debug flags of codecs; `D`: the next flag.
    fn debug(&mut self, next: bool) {
        let live = &self.control.live;
        let flags = if next {
            let mut flags = live.debug().wrapping_shl(1).max(1);
            while flags & DEBUG_DCT_COEFF != 0 {
                flags += flags;
            }
            flags
        } else {
            let Some(line) = self.line() else { return };
            line.trim().parse().unwrap_or_else(|_| {
                show("error parsing debug value\n");
                0
            })
        };
        self.control.live.set_debug(flags);
        if flags != 0 {
            log::set_level(level::DEBUG);
        }
        show(&format!("debug={flags}\n"));
    }

    /// A line, which a terminal shows as it is typed.
    fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        self.echo(true);
        let ended = loop {
            match self.key() {
                Some(b'\n' | b'\r') => break true,
                Some(byte) => line.push(byte),
                None => break false,
            }
        };
        self.echo(false);
        show("\n");
        ended.then(|| String::from_utf8_lossy(&line).into_owned())
    }

    fn echo(&mut self, on: bool) {
        if let Some(settings) = &self.terminal {
            // A terminal that is gone needs no echo.
            let _ = rustix::termios::tcsetattr(&self.input, OptionalActions::Now, &single(settings.clone(), on));
        }
    }

    /// The next key; `None` when nobody listens any more, or at the end of standard input, which is no wish to stop.
    fn key(&mut self) -> Option<u8> {
        while !self.over.is_requested() {
            let mut ready = [PollFd::new(&self.input, PollFlags::IN)];
            let limit = Timespec::try_from(Duration::from_millis(100)).ok();
            if rustix::event::poll(&mut ready, limit.as_ref()).is_ok_and(|ready| ready > 0) {
                let mut key = [0];
                // Not through std's buffer: poll does not know what is in there.
                return match rustix::io::read(&self.input, &mut key) {
                    Ok(1) => Some(key[0]),
                    _ => None,
                };
            }
        }
        None
    }
}

/// Writes to the terminal whatever the log level.
fn show(text: &str) {
    log::flush();
    // Nobody is left to tell when standard error is gone.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// ffmpeg's term_init: no lines, no echo; signals stay.
fn single_keys() -> Option<Termios> {
    let input = std::io::stdin();
    let saved = rustix::termios::tcgetattr(&input).ok()?;
    rustix::termios::tcsetattr(&input, OptionalActions::Now, &single(saved.clone(), false)).ok()?;
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

/// Terminal settings under which each key comes by itself, shown or not.
fn single(mut settings: Termios, echo: bool) -> Termios {
    settings.local_modes.remove(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::IEXTEN);
    settings.local_modes.set(LocalModes::ECHO, echo);
    settings.special_codes[SpecialCodeIndex::VMIN] = 1;
    settings.special_codes[SpecialCodeIndex::VTIME] = 0;
    settings
}
