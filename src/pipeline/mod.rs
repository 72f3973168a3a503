//! ffmpeg's processing graph in safe Rust.
//!
//! ```text
//! Plan ─▶ demux (open, probe, seek) ─ filter::graph ─ select ─▶ mux (streams, encode::settings, metadata, header)
//!
//!         read ─▶ timestamp ─▶ scheduler ┬─▶ decode ─▶ filter ─▶ encode ─┬─▶ write (bitstream filters, order) ─▶ libavformat
//!                                        └───────────── copy ────────────┘
//! ```
//!
//! One thread makes all decisions, in the order of ffmpeg 5.1: the output that is furthest behind decides which graph works and
//! which input is read next. Around it others work ahead: each input has a thread that reads, if there are several; decoders
//! have libavcodec's; each encoder has one behind a bounded queue, and what it gives is taken in the order in which it was
//! given its frames, so that files come out as ffmpeg's do. A pure stream copy has one thread. The rules are those of the
//! `ffmpeg` program of FFmpeg 5.1, function by function as the modules name them.

pub mod plan;

mod alone;
mod bench;
mod copy;
mod decode;
mod demux;
mod dump;
mod encode;
mod filter;
mod finish;
mod gap;
mod hardware;
mod ingest;
mod keys;
mod live;
mod metadata;
mod mux;
mod norm;
mod numbering;
mod option;
mod overwrite;
mod progress;
mod queue;
mod read;
mod report;
mod scheduler;
mod select;
mod source;
mod specifier;
mod start;
mod subtitle;
mod summary;
mod sync;
mod tap;
mod timestamp;
mod transcode;
mod write;

use std::sync::Arc;
use std::thread;

use crate::clock::{Clock, Now, SystemClock};
use crate::error::{Error, Kind};
use crate::libav::hw::Devices;
use crate::libav::io::{Access, IoCounts};
use crate::libav::process::give_memory_back;
use crate::shutdown::Shutdown;

pub use alone::{LoneInput, LoneOutput};
pub use live::{FilterCommand, Live};
pub use numbering::can_go_on;
pub use progress::{Progress, Psnr, VideoProgress};
pub use tap::{KeyFrame, Tap};

use demux::Input;
use filter::Graph;
use mux::Output;
use plan::{ComplexFilter, Micros, Plan};

/// Where a job gets what it needs to open its files with tokens.
pub trait Files: Sync {
    /// For the input at `index`, which is read from `url`: its own or one of its alternatives.
    ///
    /// # Errors
    /// No token can be had.
    fn input(&self, index: usize, url: &str) -> Result<Access, Error>;

    /// For the output at `index`.
    ///
    /// # Errors
    /// As for an input.
    fn output(&self, index: usize) -> Result<Access, Error>;
}

/// How a running job is told to end, and its clock.
#[derive(Clone)]
pub struct Control {
    /// Finish the outputs and end.
    pub stop: Shutdown,
    /// Break off even what the outputs are waiting for.
    pub abort: Shutdown,
    /// For `-re`, the statistics' period and the speed.
    pub clock: Arc<dyn Clock>,
    /// What keys change while it runs.
    pub live: Arc<Live>,
    /// For a look at its video.
    pub tap: Arc<Tap>,
}

impl Default for Control {
    fn default() -> Self {
        Self {
            stop: Shutdown::new(),
            abort: Shutdown::new(),
            clock: Arc::new(SystemClock),
            live: Arc::default(),
            tap: Arc::default(),
        }
    }
}

/// Who watches a job.
pub trait Observer: Send + Sync {
    /// May the existing file `path` be overwritten?
    fn confirm_overwrite(&self, path: &str) -> bool;

    /// Called when the headers are written, every `-stats_period` after that, and once at the end (`last`).
    fn progress(&self, progress: &Progress, last: bool);

    /// Called with each [`progress`](Self::progress) for whoever wants to know what the files did so far.
    fn standing(&self, so_far: &dyn Standing) {
        let _ = so_far;
    }

    /// The description (SDP) of a job whose outputs are all RTP: what a receiver needs to know.
    fn session_description(&self, text: &str) {
        let _ = text;
    }
}

/// What the files of a running job did so far.
pub trait Standing {
    /// One for each input, in order.
    fn inputs(&self) -> Vec<InputOutcome>;

    /// One for each output, in order.
    fn outputs(&self) -> Vec<OutputOutcome>;
}

/// Media that is missing from an input.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Gap {
    /// The stream where it showed.
    pub stream: usize,
    /// Where the next packet was expected, in microseconds of the job's time line.
    pub from: Micros,
    /// Where it was.
    pub to: Micros,
    /// What is known of the reason.
    pub cause: &'static str,
}

impl Gap {
    /// For the summary: times in seconds.
    #[doc(hidden)]
    pub fn to_json(&self) -> serde_json::Value {
        let seconds = |time: Micros| time as f64 / 1e6;
        serde_json::json!({"stream": self.stream, "from": seconds(self.from), "to": seconds(self.to), "cause": self.cause})
    }
}

impl Outcome {
    /// This, and what happened in the files after it.
    fn followed_by(mut self, next: Self) -> Self {
        for (input, next) in self.inputs.iter_mut().zip(next.inputs) {
            input.packets += next.packets;
            input.bytes += next.bytes;
            input.io += next.io;
            input.gaps.extend(next.gaps);
            input.lost += next.lost;
            input.restarts += next.restarts;
            input.duplicates += next.duplicates;
        }
        for (output, next) in self.outputs.iter_mut().zip(next.outputs) {
            output.packets += next.packets;
            output.bytes += next.bytes;
            output.io += next.io;
            output.uploads += next.uploads;
            output.unconfirmed.extend(next.unconfirmed);
        }
        Self {
            error_rate_exceeded: self.error_rate_exceeded || next.error_rate_exceeded,
            inputs: self.inputs,
            outputs: self.outputs,
            ended: next.ended,
            error: self.error.or(next.error),
            changed: next.changed,
        }
    }
}

/// What one input gave.
#[derive(Clone, Debug, Default)]
pub struct InputOutcome {
    /// Demuxed packets of selected streams.
    pub packets: u64,
    /// Their payload, in bytes.
    pub bytes: u64,
    /// What happened on the network.
    pub io: IoCounts,
    /// Holes that losses left, and jumps forward that were closed up.
    pub gaps: Vec<Gap>,
    /// Segments that were lost, whole or in part.
    pub lost: u64,
    /// How often it was opened again.
    pub restarts: u64,
    /// Packets that came once more after that, and were dropped.
    pub duplicates: u64,
}

/// What one output took.
#[derive(Clone, Debug, Default)]
pub struct OutputOutcome {
    /// Packets handed to the muxer.
    pub packets: u64,
    /// Their payload, in bytes.
    pub bytes: u64,
    /// What happened on the network.
    pub io: IoCounts,
    /// Objects that the server confirmed.
    pub uploads: u64,
    /// Objects that it did not, masked.
    pub unconfirmed: Vec<String>,
}

/// How a job ended, failures apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ended {
    /// All is done.
    #[default]
    Eof,
    /// [`Control::stop`] was raised.
    Stopped,
}

/// What happened.
#[derive(Debug, Default)]
pub struct Outcome {
    /// One for each input that was opened, in order.
    pub inputs: Vec<InputOutcome>,
    /// One for each output that was prepared, in order.
    pub outputs: Vec<OutputOutcome>,
    /// How it ended.
    pub ended: Ended,
    /// The first thing that went wrong for good.
    pub error: Option<Error>,
    /// More packets could not be decoded than `-max_error_rate` allows.
    pub error_rate_exceeded: bool,
    /// An input came back with other streams, and the outputs are to go on in other files.
    changed: bool,
}

/// Does what `plan` says, and comes back when it is done, has failed, or was told to stop.
///
/// Blocks: to be called on a thread of its own, never on a worker of an async runtime.
pub fn run(plan: &Plan, files: &dyn Files, control: &Control, observer: &dyn Observer) -> Outcome {
    control.live.begin(&plan.global);
    let began = control.clock.now();
    let mut so_far: Option<Outcome> = None;
    loop {
        let outcome = match numbering::go_on(plan) {
            Ok(plan) => run_once(&plan, files, control, observer, began),
            Err(error) => Outcome { error: Some(error), ..Outcome::default() },
        };
        let again = outcome.changed && outcome.error.is_none() && !control.stop.is_requested();
        let outcome = match so_far.take() {
            Some(before) => before.followed_by(outcome),
            None => outcome,
        };
        if !again {
            return outcome;
        }
        so_far = Some(outcome);
    }
}

/// Does it as far as these files go.
fn run_once(plan: &Plan, files: &dyn Files, control: &Control, observer: &dyn Observer, began: Now) -> Outcome {
    // Raised too when nobody wants packets any more, while a thread may still wait for one.
    let inputs_stop = control.stop.child();
    let (mut inputs, mut outputs, mut graphs) = (Vec::new(), Vec::new(), Vec::new());
    match prepare(plan, files, control, observer, (began, &inputs_stop), &mut inputs, &mut outputs, &mut graphs) {
        Ok(devices) => thread::scope(|scope| {
            let clock = Arc::clone(&control.clock);
            let opener = ingest::Opener { scope, plan, files, clock, began, stop: &inputs_stop };
            let prepared = start::Prepared { inputs, outputs, graphs, devices };
            start::run(plan, control, observer, &opener, prepared)
        }),
        Err(error) => Outcome {
            inputs: inputs.iter().map(|input| InputOutcome { io: input.demuxer.counts(), ..InputOutcome::default() }).collect(),
            outputs: outputs.iter().map(Output::outcome).collect(),
            ended: if control.stop.is_requested() { Ended::Stopped } else { Ended::Eof },
            error: Some(error),
            ..Outcome::default()
        },
    }
}

/// Opens everything, up to the headers. What was opened is there also after a failure.
#[expect(clippy::too_many_arguments, reason = "the last three are what was opened, also after a failure")]
fn prepare(
    plan: &Plan,
    files: &dyn Files,
    control: &Control,
    observer: &dyn Observer,
    (began, inputs_stop): (Now, &Shutdown),
    inputs: &mut Vec<Input>,
    outputs: &mut Vec<Output>,
    graphs: &mut Vec<Graph>,
) -> Result<Devices, Error> {
    let devices = hardware::devices(&plan.global)?;
    for index in 0..plan.inputs.len() {
        inputs.push(ingest::open(index, plan, files, &*control.clock, began, inputs_stop)?);
    }
    if plan.global.among_many {
        give_memory_back();
    }
    demux::synchronize(inputs, &plan.inputs, &plan.global)?;
    let plan = &*norm::settle(plan, inputs)?;
    for (index, filter) in plan.global.complex_filters.iter().enumerate() {
        let description = match filter {
            ComplexFilter::Graph(description) => description.clone(),
            ComplexFilter::Script(path) => std::fs::read_to_string(path)
                .map_err(|error| Error::new(Kind::File, format!("Error opening file {path}: {error}.")).with_source(error))?,
        };
        graphs.push(Graph::complex(index, description, inputs, &plan.global)?);
    }
    for index in 0..plan.outputs.len() {
        let number = outputs.iter().map(|output| output.streams.len()).sum();
        outputs.push(Output::new(index, plan, files, inputs, graphs, number, control)?);
    }
    for graph in graphs.iter() {
        if let Some(free) = graph.outputs.iter().find(|output| output.target.is_none()) {
            return Err(Error::new(Kind::Usage, format!("Filter {} has an unconnected output", free.name)));
        }
    }
    // From here on there is writing.
    let may_write = overwrite::Guard::new(&plan.global, observer, inputs);
    for (index, (input, plan)) in inputs.iter().zip(&plan.inputs).enumerate() {
        input.dump_attachments(index, plan, &may_write)?;
    }
    if outputs.is_empty() {
        return Err(Error::new(Kind::Usage, "At least one output file must be specified"));
    }
    for (output, own) in outputs.iter_mut().zip(&plan.outputs) {
        output.check_name(&may_write)?;
        output.open(own, &plan.global, inputs)?;
    }
    Ok(devices)
}
