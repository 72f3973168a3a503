//! Reads packets of one input: in the job's own thread, or from a thread of its own through a bounded queue, as ffmpeg 5.1
//! does when there are several inputs.

use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, TrySendError, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::error::{Error, Kind};
use crate::libav::demuxer::Demuxer;
use crate::libav::error::AvError;
use crate::libav::io::{IoCounts, Losses};
use crate::libav::log::{self, Listener, level};
use crate::libav::packet::Packet;
use crate::shutdown::Shutdown;

use super::ingest::Kept;
use super::ingest::seam::Crossing;

/// How long a thread waits for an input that has nothing yet.
pub const PAUSE: Duration = Duration::from_millis(10);

/// A packet on its way.
pub struct Arrival {
    /// The packet.
    pub packet: Packet,
    /// Its length in ticks if it names no duration.
    pub ticks: Option<i64>,
    /// How it follows what came before its input was opened again.
    pub crossing: Option<Crossing>,
}

/// What [`Reader::next`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A packet; its length in ticks if it names no duration.
    Packet {
        /// See [`Demuxer::packet_ticks`].
        ticks: Option<i64>,
        /// See [`Arrival::crossing`].
        crossing: Option<Crossing>,
    },
    /// Nothing yet.
    Later,
    /// The end, or what stands for it.
    End(Result<(), AvError>),
}

/// The packets of one input.
pub struct Reader {
    state: State,
    /// Packets of streams that turned up later are announced once and dropped.
    known: Known,
    /// Packets in the queue; 0 = no thread.
    queue: usize,
    /// Ends a read that nobody waits for any more.
    stop: Shutdown,
    losses: Losses,
}

enum State {
    Here(Demuxer),
    Thread(Threaded),
    /// It is opened again where it ends.
    Kept(Kept),
    /// The thread could not be had, or has gone down.
    Gone,
}

struct Threaded {
    packets: Receiver<Arrival>,
    /// Used packets go back, so that none is allocated while the job runs.
    used: Sender<Packet>,
    thread: JoinHandle<(Demuxer, Known, Result<(), AvError>)>,
    /// What happened on the network until the last packet.
    counts: Arc<Mutex<IoCounts>>,
    /// The input is live: nobody waits for it while another has packets.
    live: bool,
}

/// The streams of an input that the job knows.
#[derive(Clone, Copy)]
pub struct Known {
    input: usize,
    streams: usize,
    announced: usize,
}

impl Known {
    /// The first `streams` streams of the input at `input`.
    pub fn new(input: usize, streams: usize) -> Self {
        Self { input, streams, announced: streams }
    }
}

impl Reader {
    /// A reader of `demuxer`, the input at `input`. `stop` is the flag the demuxer was opened with.
    ///
    /// # Errors
    /// A thread was wanted and cannot be had.
    pub fn new(demuxer: Demuxer, input: usize, queue: usize, stop: Shutdown) -> Result<Self, Error> {
        let (known, losses) = (Known::new(input, demuxer.stream_count()), demuxer.losses());
        let mut reader = Self { state: State::Here(demuxer), known, queue, stop, losses };
        reader.start()?;
        Ok(reader)
    }

    /// A reader of an input that is kept going until `stop` is raised.
    pub fn kept(kept: Kept, stop: Shutdown) -> Self {
        Self { state: State::Kept(kept), known: Known::new(0, 0), queue: 0, stop, losses: Losses::default() }
    }

    fn start(&mut self) -> Result<(), Error> {
        if self.queue == 0 {
            return Ok(());
        }
        let State::Here(demuxer) = std::mem::replace(&mut self.state, State::Gone) else { return Ok(()) };
        let live = match demuxer.is_seekable() {
            Some(seekable) => !seekable,
            None => demuxer.format_name() != "lavfi",
        };
        let (to_job, packets) = sync_channel(self.queue);
        let (used, from_job) = channel();
        let counts = Arc::new(Mutex::new(demuxer.counts()));
        let told = Arc::clone(&counts);
        let (known, stop, listener) = (self.known, self.stop.clone(), Listener::current());
        let bounded = live.then_some(self.queue);
        let thread = std::thread::Builder::new()
            .name(format!("input-{}", known.input))
            .spawn(move || {
                let _listening = Listener::listen(listener);
                read_all(demuxer, known, (&to_job, &from_job), bounded, &stop, &told)
            })
            .map_err(|error| Error::new(Kind::Internal, format!("no thread for input #{}: {error}", known.input)))?;
        self.state = State::Thread(Threaded { packets, used, thread, counts, live });
        Ok(())
    }

    /// Reads the next packet of a known stream into `packet`.
    pub fn next(&mut self, packet: &mut Packet) -> Next {
        match &mut self.state {
            State::Gone => Next::End(Ok(())),
            State::Here(demuxer) => match read(demuxer, packet, &mut self.known) {
                Ok(Some(ticks)) => Next::Packet { ticks, crossing: None },
                Ok(None) => Next::End(Ok(())),
                Err(error) if error.is_again() => Next::Later,
                Err(error) => Next::End(Err(error)),
            },
            State::Kept(kept) => kept.next(packet),
            State::Thread(threaded) => {
                let arrival = if threaded.live {
                    threaded.packets.try_recv()
                } else {
                    threaded.packets.recv().map_err(|_| TryRecvError::Disconnected)
                };
                match arrival {
                    Ok(mut arrival) => {
                        std::mem::swap(packet, &mut arrival.packet);
                        // A thread that has ended needs no packets.
                        let _ = threaded.used.send(arrival.packet);
                        Next::Packet { ticks: arrival.ticks, crossing: None }
                    }
                    Err(TryRecvError::Empty) => Next::Later,
                    Err(TryRecvError::Disconnected) => Next::End(self.join()),
                }
            }
        }
    }

    /// Takes the demuxer back from a thread that has ended or is about to.
    fn join(&mut self) -> Result<(), AvError> {
        match std::mem::replace(&mut self.state, State::Gone) {
            State::Thread(Threaded { packets, thread, .. }) => {
                drop(packets);
                let (demuxer, known, end) = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                self.state = State::Here(demuxer);
                self.known = known;
                end
            }
            other => {
                self.state = other;
                Ok(())
            }
        }
    }

    /// Goes back to `start`, the first timestamp, for another round.
    ///
    /// # Errors
    /// The input cannot be sought; it can still be read.
    pub fn rewind(&mut self, start: Option<i64>) -> Result<(), AvError> {
        let sought = match &mut self.state {
            State::Here(demuxer) => demuxer.seek(start.unwrap_or(i64::MIN)),
            _ => Err(AvError::EOF),
        };
        match self.start() {
            Ok(()) => sought,
            Err(_) => Err(AvError::from_errno(libc::EAGAIN)),
        }
    }

    /// Stops reading.
    pub fn stop(&mut self) {
        self.stop.request();
        if let State::Kept(kept) = &mut self.state {
            kept.wait();
        }
        // How a read ended that was cut off says nothing.
        let _ = self.join();
    }

    /// Tells the demuxer by how many frames the decoder of a stream lags, which its guesses at timestamps go by.
    pub fn set_video_delay(&mut self, stream: usize, frames: i32) {
        if let State::Here(demuxer) = &mut self.state
            && let Some(mut stream) = demuxer.stream_mut(stream)
        {
            stream.set_video_delay(frames);
        }
    }

    /// See [`Demuxer::take_failure`]; `None` while a thread reads.
    pub fn take_failure(&self) -> Option<Error> {
        match &self.state {
            State::Here(demuxer) => demuxer.take_failure(),
            State::Kept(kept) => kept.tally().failure.take(),
            State::Thread(_) | State::Gone => None,
        }
    }

    /// See [`Demuxer::counts`]; until the last packet while a thread reads.
    pub fn counts(&self) -> IoCounts {
        match &self.state {
            State::Here(demuxer) => demuxer.counts(),
            State::Kept(kept) => kept.tally().counts(),
            State::Thread(threaded) => *threaded.counts.lock().unwrap_or_else(PoisonError::into_inner),
            State::Gone => IoCounts::default(),
        }
    }

    /// See [`Demuxer::losses`].
    pub fn lost(&self) -> u64 {
        if let State::Kept(kept) = &self.state { kept.tally().lost() } else { self.losses.count() }
    }

    /// Is the input kept going?
    pub fn is_kept(&self) -> bool {
        matches!(self.state, State::Kept(_))
    }

    /// See [`Tally::is_away`](super::ingest::Tally::is_away).
    pub fn is_away(&self) -> bool {
        if let State::Kept(kept) = &self.state { kept.tally().is_away } else { false }
    }

    /// Has it come back with other streams?
    pub fn has_changed(&self) -> bool {
        if let State::Kept(kept) = &self.state { kept.tally().changed } else { false }
    }

    /// How often the input was opened again, and the packets that came once more.
    pub fn restarts(&self) -> (u64, u64) {
        if let State::Kept(kept) = &self.state {
            let tally = kept.tally();
            (tally.restarts, tally.duplicates)
        } else {
            (0, 0)
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let State::Thread(_) | State::Kept(_) = self.state {
            self.stop();
        }
    }
}

/// The next packet of a known stream, and its length in ticks; `None` at the end.
pub fn read(demuxer: &mut Demuxer, packet: &mut Packet, known: &mut Known) -> Result<Option<Option<i64>>, AvError> {
    while demuxer.read(packet)? {
        let index = packet.stream();
        if index < known.streams {
            return Ok(Some(if packet.duration() == 0 { demuxer.packet_ticks(index) } else { None }));
        }
        if index >= known.announced {
            known.announced = index + 1;
            announce(demuxer, packet, known.input);
        }
    }
    Ok(None)
}

/// ffmpeg's line about a stream that was not there when the input was opened.
fn announce(demuxer: &Demuxer, packet: &Packet, input: usize) {
    let Some(stream) = demuxer.stream(packet.stream()) else { return };
    let dts = packet.dts().map_or("NOPTS".to_owned(), |dts| format!("{}", dts as f64 * stream.time_base().as_f64()));
    let text = format!(
        "{}New {} stream {input}:{} at pos:{} and DTS:{dts}s\n",
        demuxer.log_prefix(),
        stream.media_type().name(),
        stream.index(),
        packet.position().unwrap_or(-1)
    );
    log::write(level::WARNING, &text);
}

/// The thread: reads until the end, a failure, or nobody listens. `live`: that the input is, and how many packets its queue
/// holds.
fn read_all(
    mut demuxer: Demuxer,
    mut known: Known,
    (to_job, used): (&SyncSender<Arrival>, &Receiver<Packet>),
    live: Option<usize>,
    stop: &Shutdown,
    counts: &Mutex<IoCounts>,
) -> (Demuxer, Known, Result<(), AvError>) {
    let mut full = live;
    let end = loop {
        let mut packet = used.try_recv().unwrap_or_default();
        match read(&mut demuxer, &mut packet, &mut known) {
            Ok(Some(ticks)) => {
                *counts.lock().unwrap_or_else(PoisonError::into_inner) = demuxer.counts();
                let mut arrival = Arrival { packet, ticks, crossing: None };
                if let Some(queue) = full {
                    match to_job.try_send(arrival) {
                        Ok(()) => continue,
                        Err(TrySendError::Disconnected(_)) => break Ok(()),
                        Err(TrySendError::Full(back)) => arrival = back,
                    }
                    full = None;
                    let text = "Thread message queue blocking; consider raising the thread_queue_size option";
                    let prefix = demuxer.log_prefix();
                    log::write(level::WARNING, &format!("{prefix}{text} (current value: {queue})\n"));
                }
                if to_job.send(arrival).is_err() {
                    break Ok(());
                }
            }
            Ok(None) => break Ok(()),
            Err(error) if error.is_again() && !stop.is_requested() => std::thread::sleep(PAUSE),
            Err(error) => break Err(error),
        }
    };
    (demuxer, known, end)
}
