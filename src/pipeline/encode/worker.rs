//! Where an encoder works: on the job's own thread, or on one of its own behind a bounded queue.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::thread::JoinHandle;

use crate::error::{Error, Kind};
use crate::libav::codec::MediaType;
use crate::libav::encoder::{Encoder, Received};
use crate::libav::error::AvError;
use crate::libav::frame::Frame;
use crate::libav::log::Listener;
use crate::libav::packet::Packet;
use crate::libav::rational::Rational;
use crate::libav::subtitle::Subtitle;
use crate::pipeline::bench::Bench;
use crate::pipeline::queue::{Front, Taken, queue};

/// Pictures that may be on their way to an encoder and back as packets. A few are enough to keep it busy, and they are large.
const PICTURES: usize = 4;
/// The same for frames of sound. They are small, and so is the time in which one is encoded.
const SOUNDS: usize = 32;

/// What an encoder is told.
pub enum Task {
    /// Encode this, whose pixels have this shape from now on.
    Frame(Frame, Option<Rational>),
    /// There are no more frames.
    Finish,
    /// Log this much (`AVCodecContext.debug`); nothing comes of it.
    Debug(i32),
}

/// What came of a task.
pub struct Done {
    /// The packets that it brought, with their times in the encoder's time base.
    pub packets: Vec<Packet>,
    /// How it ended.
    pub result: Result<State, Failure>,
    /// Sums of squared differences so far, if the encoder tells them.
    pub errors: Option<[u64; 3]>,
}

/// What state an encoder is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It takes frames.
    Open,
    /// It has given out everything.
    Ended,
}

/// Where an encoder failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It did not take a frame.
    Submit(AvError),
    /// It took frames, but no packet came of them.
    Encode(AvError),
    /// Its thread is gone.
    Gone,
}

/// An encoder at work.
pub struct Worker(Place);

enum Place {
    Here { desk: Box<Desk>, done: VecDeque<Done> },
    Thread { queue: Option<Front<Task, Done>>, thread: Option<JoinHandle<Box<Desk>>> },
}

/// An encoder and what it writes beside packets.
pub struct Desk {
    /// The encoder.
    pub encoder: Encoder,
    /// Where the first of two passes writes its statistics.
    pub pass_log: Option<File>,
    /// `-benchmark_all`.
    pub bench: Option<Bench>,
}

impl Worker {
    /// Sets an encoder of `kind` to work. `apart`: on a thread called `name`.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn new(desk: Desk, kind: MediaType, apart: bool, name: &str) -> Result<Self, Error> {
        let mut desk = Box::new(desk);
        if !apart {
            return Ok(Self(Place::Here { desk, done: VecDeque::new() }));
        }
        let room = if kind == MediaType::Audio { SOUNDS } else { PICTURES };
        let (front, back) = queue(room);
        let listener = Listener::current();
        let work = move || {
            let _listening = Listener::listen(listener);
            while let Some(task) = back.next() {
                if let Task::Debug(flags) = task {
                    desk.encoder.set_debug(flags);
                } else {
                    back.answer(desk.work(task));
                }
            }
            desk
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(work);
        let thread = thread.map_err(|error| Error::new(Kind::Internal, format!("no thread for {name}: {error}")))?;
        Ok(Self(Place::Thread { queue: Some(front), thread: Some(thread) }))
    }

    /// Has it as many tasks as it may have?
    pub fn is_full(&self) -> bool {
        matches!(&self.0, Place::Thread { queue: Some(queue), .. } if queue.is_full())
    }

    /// Gives it a task. One that is full is to give something back first.
    pub fn give(&mut self, task: Task) {
        match &mut self.0 {
            Place::Here { desk, done } => done.push_back(desk.work(task)),
            Place::Thread { queue, .. } => {
                // A thread that is gone shows when its result is asked for.
                if let Some(queue) = queue {
                    queue.give(task);
                }
            }
        }
    }

    /// Sets what it logs (`AVCodecContext.debug`).
    pub fn set_debug(&mut self, flags: i32) {
        match &mut self.0 {
            Place::Here { desk, .. } => desk.encoder.set_debug(flags),
            // A thread that is gone logs nothing.
            Place::Thread { queue, .. } => queue.iter().for_each(|queue| queue.tell(Task::Debug(flags))),
        }
    }

    /// Encodes a subtitle, there and then.
    ///
    /// # Errors
    /// libavcodec's, or the encoder is one that works apart.
    pub fn encode_subtitle(
        &mut self,
        subtitle: &Subtitle,
        pts: i64,
        duration: u32,
        cleared: bool,
        packet: &mut Packet,
    ) -> Result<(), AvError> {
        match &mut self.0 {
            Place::Here { desk, .. } => desk.encoder.encode_subtitle(subtitle, Some(pts), duration, cleared, packet),
            Place::Thread { .. } => Err(AvError::from_errno(libc::EINVAL)),
        }
    }

    /// What came of the earliest task that has not been asked for; `None` if it is still under way and `wait` is not set.
    pub fn take(&mut self, wait: bool) -> Option<Done> {
        match &mut self.0 {
            Place::Here { done, .. } => done.pop_front(),
            Place::Thread { queue, .. } => match queue.as_mut()?.take(wait) {
                Taken::Result(done) => Some(done),
                Taken::NotYet => None,
                Taken::Gone => Some(Done { packets: Vec::new(), result: Err(Failure::Gone), errors: None }),
            },
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Place::Thread { queue, thread } = &mut self.0 {
            *queue = None;
            if let Some(Err(panic)) = thread.take().map(JoinHandle::join)
                && !std::thread::panicking()
            {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

impl Desk {
    /// `encode_frame` of ffmpeg 5.1, up to the packets.
    fn work(&mut self, task: Task) -> Done {
        let mut packets = Vec::new();
        let result = self.encode(task, &mut packets);
        let errors = self.encoder.tells_psnr().then(|| self.encoder.errors());
        Done { packets, result, errors }
    }

    fn encode(&mut self, task: Task, packets: &mut Vec<Packet>) -> Result<State, Failure> {
        let action = if matches!(task, Task::Finish) { "flush" } else { "encode" };
        self.bench.iter_mut().for_each(Bench::begin);
        match task {
            Task::Frame(frame, aspect) => {
                if let Some(aspect) = aspect {
                    self.encoder.set_sample_aspect_ratio(aspect);
                }
                self.encoder.send(&frame).map_err(Failure::Submit)?;
            }
            Task::Finish => match self.encoder.finish() {
                Ok(()) | Err(AvError::EOF) => {}
                Err(error) => return Err(Failure::Submit(error)),
            },
            Task::Debug(flags) => {
                self.encoder.set_debug(flags);
                return Ok(State::Open);
            }
        }
        loop {
            let mut packet = Packet::new();
            let received = self.encoder.receive(&mut packet);
            self.bench.iter_mut().for_each(|bench| bench.end(action));
            let received = received.map_err(Failure::Encode)?;
            if received != Received::NeedsFrame
                && let (Some(log), Some(statistics)) = (&mut self.pass_log, self.encoder.statistics())
            {
                // ffmpeg does not look at this either: the second pass will tell.
                let _ = log.write_all(statistics.to_bytes());
            }
            match received {
                Received::Packet => packets.push(packet),
                Received::NeedsFrame => return Ok(State::Open),
                Received::End => return Ok(State::Ended),
            }
        }
    }
}
