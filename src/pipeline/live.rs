//! What can be changed while a job runs: ffmpeg's keys.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::plan::Global;

/// A command for filters (`avfilter_graph_send_command`).
#[derive(Clone, Debug, PartialEq)]
pub struct FilterCommand {
    /// The name of a filter or of an instance, or `all`.
    pub target: String,
    /// When, in seconds; negative = now.
    pub time: f64,
    /// The command.
    pub command: String,
    /// Its argument; may be empty.
    pub argument: String,
    /// To every filter that the target names, not only to the first that takes it.
    pub every: bool,
}

impl FilterCommand {
    /// Reads `TARGET TIME COMMAND[ ARGUMENT]`.
    ///
    /// # Errors
    /// How many of the words were understood.
    pub fn parse(text: &str, every: bool) -> Result<Self, usize> {
        let mut words = text.splitn(4, ' ');
        let target = words.next().filter(|target| !target.is_empty()).ok_or(0usize)?;
        let time = words.next().and_then(|time| time.parse().ok()).ok_or(1usize)?;
        let command = words.next().filter(|command| !command.is_empty()).ok_or(2usize)?;
        let argument = words.next().unwrap_or_default();
        Ok(Self { target: target.into(), time, command: command.into(), argument: argument.into(), every })
    }
}

/// Switches that the pipeline looks at as it goes.
#[derive(Debug, Default)]
pub struct Live {
    /// 0 nothing, 1 packets, 2 their payload too.
    dump: AtomicU8,
    qp_histogram: AtomicBool,
    debug: AtomicI32,
    commands: Mutex<Vec<FilterCommand>>,
    count: AtomicUsize,
}

impl Live {
    /// Sets what the command line says.
    pub fn begin(&self, global: &Global) {
        let dump = u8::from(global.dump_packets) + u8::from(global.dump_packets && global.dump_payload);
        self.dump.store(dump, Ordering::Relaxed);
        self.qp_histogram.store(global.qp_histogram, Ordering::Relaxed);
    }

    /// Is each packet that is read to be logged, and its payload too?
    pub fn dump(&self) -> Option<bool> {
        match self.dump.load(Ordering::Relaxed) {
            0 => None,
            level => Some(level > 1),
        }
    }

    /// `h`: nothing, packets, payloads, nothing.
    pub fn cycle_dump(&self) {
        let next = (self.dump.load(Ordering::Relaxed) + 1) % 3;
        self.dump.store(next, Ordering::Relaxed);
    }

    /// Is the histogram of quantizers shown?
    pub fn qp_histogram(&self) -> bool {
        self.qp_histogram.load(Ordering::Relaxed)
    }

    /// `s`.
    pub fn toggle_qp_histogram(&self) {
        self.qp_histogram.fetch_xor(true, Ordering::Relaxed);
    }

    /// `AVCodecContext.debug` of all decoders and encoders, where it has been changed.
    pub fn debug(&self) -> i32 {
        self.debug.load(Ordering::Relaxed)
    }

    /// `d`.
    pub fn set_debug(&self, flags: i32) {
        self.debug.store(flags, Ordering::Relaxed);
    }

    /// `c`, `C`.
    pub fn send(&self, command: FilterCommand) {
        let mut commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        commands.push(command);
        self.count.store(commands.len(), Ordering::Release);
    }

    /// The commands that have come since `seen`, which counts them: each filtergraph keeps its own count.
    pub fn commands(&self, seen: &mut usize) -> Vec<FilterCommand> {
        if self.count.load(Ordering::Acquire) == *seen {
            return Vec::new();
        }
        let commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        let new = commands.get(*seen..).unwrap_or_default().to_vec();
        *seen = commands.len();
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_has_a_target_a_time_and_a_name() {
        let command = FilterCommand::parse("Parsed_drawtext_0 -1 reinit text=a b", true).expect("a command");
        assert_eq!((command.target.as_str(), command.time), ("Parsed_drawtext_0", -1.0));
        assert_eq!((command.command.as_str(), command.argument.as_str()), ("reinit", "text=a b"));
        assert_eq!(FilterCommand::parse("all 1 ping", false).map(|command| command.argument), Ok(String::new()));
        for (text, understood) in [("", 0), ("all", 1), ("all soon x", 1), ("all 1", 2)] {
            assert_eq!(FilterCommand::parse(text, false), Err(understood), "{text}");
        }
    }

    #[test]
    fn each_graph_sees_each_command_once() {
        let live = Live::default();
        let (mut one, mut other) = (0, 0);
        assert!(live.commands(&mut one).is_empty());
        live.send(FilterCommand::parse("all -1 ping", true).expect("a command"));
        assert_eq!((live.commands(&mut one).len(), live.commands(&mut one).len(), live.commands(&mut other).len()), (1, 0, 1));
    }

    #[test]
    fn dumping_goes_round_in_three_states() {
        let live = Live::default();
        let mut seen = Vec::new();
        for _ in 0..4 {
            seen.push(live.dump());
            live.cycle_dump();
        }
        assert_eq!(seen, [None, Some(false), Some(true), None]);
    }
}
