//! An authenticated input outside of a job.

use std::thread;
use std::time::Duration;

use crate::error::{Error, Kind};
use crate::libav::codec;
use crate::libav::packet;
use crate::libav::stream::Discard;
use crate::pipeline::LoneInput;
use crate::shutdown::Shutdown;

use super::{Flow, Frame, Frames, Packet, StreamInfo, flow};
use crate::job::Session;
use crate::job::build::Input;
use crate::job::report::FileReport;

/// How long a source that has nothing yet is left alone.
const PAUSE: Duration = Duration::from_millis(10);

/// An open input: its packets or decoded frames, while the session swaps tokens under it. Times are those of the container.
///
/// Reading blocks. [`into_packets`](Self::into_packets) and [`into_frames`](Self::into_frames) read on a thread of their own
/// instead, for async code. Dropping it closes the input.
///
/// ```no_run
/// # fn main() -> Result<(), ffauth::Error> {
/// # let session = ffauth::Session::default();
/// let input = ffauth::Input::new("https://media.example.com/live.m3u8").auth("studio");
/// let mut demuxer = ffauth::Demuxer::open(&session, input)?;
/// while let Some(packet) = demuxer.read()? {
///     println!("stream {} at {:?}: {} bytes", packet.stream(), packet.pts(), packet.data().len());
/// }
/// # Ok(()) }
/// ```
pub struct Demuxer {
    pub(super) input: LoneInput,
    streams: Vec<StreamInfo>,
    wanted: Vec<bool>,
    url: String,
    auth: Option<String>,
    packets: u64,
    bytes: u64,
    stop: Shutdown,
    /// What does its input and output lives as long as it does.
    _session: Session,
}

/// Ends what a [`Demuxer`] or a [`Muxer`](super::Muxer) waits for, from wherever.
#[derive(Clone, Debug)]
pub struct StopHandle(Shutdown);

impl StopHandle {
    pub(super) fn new(stop: Shutdown) -> Self {
        Self(stop)
    }

    /// The call that waits, and each one after it, fails with [`Kind::Stopped`] within a fraction of a second.
    pub fn stop(&self) {
        self.0.request();
    }
}

impl Demuxer {
    /// Opens and probes an input. Blocks, at most as long as `-auth_wait` and the protocol's own limits allow.
    ///
    /// # Errors
    /// An option is wrong, or one that only a job honours; no token can be had; the server refuses or cannot be reached; what
    /// it sends is no media.
    pub fn open(session: &Session, input: Input) -> Result<Self, Error> {
        Self::open_until(session, input, Shutdown::new())
    }

    /// The same for async code, on a thread of its own. Cancelling it breaks the opening off.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_async(session: &Session, input: Input) -> Result<Self, Error> {
        let (session, stop) = (session.clone(), Shutdown::new());
        flow::on_a_thread("ffauth-open", stop.clone(), move || Self::open_until(&session, input, stop)).await
    }

    fn open_until(session: &Session, input: Input, stop: Shutdown) -> Result<Self, Error> {
        let job = input.alone()?;
        let input = LoneInput::open(job.plan(), &session.files(job.plan(), &stop), &stop)
            .map_err(|error| if stop.is_requested() { stopped() } else { error })?;
        let streams: Vec<StreamInfo> = input.demuxer.streams().map(StreamInfo::of).collect();
        let (wanted, auth) = (vec![true; streams.len()], job.profiles().collect::<Vec<_>>().join(","));
        let auth = (!auth.is_empty()).then_some(auth);
        let url = input.demuxer.url();
        Ok(Self { input, streams, wanted, url, auth, packets: 0, bytes: 0, stop, _session: session.clone() })
    }

    /// The streams that it has.
    pub fn streams(&self) -> &[StreamInfo] {
        &self.streams
    }

    /// Reads only the streams for which this says so: what comes apart, as renditions and tracks of HLS and DASH do, is not even
    /// asked for.
    pub fn select(&mut self, wanted: impl Fn(&StreamInfo) -> bool) {
        for (info, is_wanted) in self.streams.iter().zip(&mut self.wanted) {
            *is_wanted = wanted(info);
            if let Some(mut stream) = self.input.demuxer.stream_mut(info.index) {
                stream.set_discard(if *is_wanted { Discard::DEFAULT } else { Discard::ALL });
            }
        }
    }

    /// The next packet of a stream that is read; `None` at the end. Blocks.
    ///
    /// # Errors
    /// The input broke off for good; it was stopped.
    pub fn read(&mut self) -> Result<Option<Packet>, Error> {
        let mut inner = packet::Packet::new();
        loop {
            if self.stop.is_requested() {
                return Err(stopped());
            }
            match self.input.demuxer.read(&mut inner) {
                Ok(true) => {}
                Ok(false) => return self.input.demuxer.take_failure().map_or(Ok(None), Err),
                Err(error) if error.is_again() => {
                    thread::sleep(PAUSE);
                    continue;
                }
                Err(_) if self.stop.is_requested() => return Err(stopped()),
                Err(error) => return Err(self.input.demuxer.take_failure().unwrap_or_else(|| error.about(&self.url))),
            }
            // Streams that turn up later are left out, as jobs do.
            let Some(info) = self.streams.get(inner.stream()).filter(|info| self.wanted[info.index]) else { continue };
            self.packets += 1;
            self.bytes += inner.size() as u64;
            return Ok(Some(Packet { inner, time_base: info.time_base }));
        }
    }

    /// The packets one by one. Blocks.
    pub fn packets(&mut self) -> Packets<'_> {
        Packets { demuxer: self, is_over: false }
    }

    /// Decoded pictures and sound one by one. Blocks.
    ///
    /// # Errors
    /// There is no decoder for a stream that is read; [`select`](Self::select) leaves such streams out.
    pub fn frames(&mut self) -> Result<Frames<&mut Self>, Error> {
        Frames::new(self)
    }

    /// The packets as an async stream, read on a thread of its own, a few ahead. Dropping it stops the reading.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn into_packets(mut self) -> Result<Flow<Packet>, Error> {
        Flow::start("ffauth-packets", self.stop.clone(), move || self.read().transpose())
    }

    /// Decoded frames as an async stream, read and decoded on a thread of its own, a few ahead. Dropping it stops the reading.
    ///
    /// # Errors
    /// As [`frames`](Self::frames); there is no thread to be had.
    pub fn into_frames(self) -> Result<Flow<Frame>, Error> {
        let stop = self.stop.clone();
        let mut frames = Frames::new(self)?;
        Flow::start("ffauth-frames", stop, move || frames.next())
    }

    /// What ends a read from elsewhere.
    pub fn stop_handle(&self) -> StopHandle {
        StopHandle::new(self.stop.clone())
    }

    /// What it did so far.
    pub fn report(&self) -> FileReport {
        FileReport {
            url: self.url.clone(),
            auth: self.auth.clone(),
            packets: self.packets,
            bytes: self.bytes,
            io: self.input.demuxer.counts(),
            lost: self.input.demuxer.losses().count(),
            ..FileReport::default()
        }
    }

    /// The streams that are read and can be decoded into frames.
    pub(super) fn decodable(&self) -> impl Iterator<Item = &StreamInfo> {
        let decodable = [codec::MediaType::Video, codec::MediaType::Audio].map(super::MediaType::from);
        self.streams.iter().filter(move |info| self.wanted[info.index] && decodable.contains(&info.media_type))
    }

    /// The streams that are read.
    pub(super) fn wanted(&self) -> impl Iterator<Item = &StreamInfo> {
        self.streams.iter().filter(|info| self.wanted[info.index])
    }
}

pub(super) fn stopped() -> Error {
    Error::new(Kind::Stopped, "stopped")
}

impl std::fmt::Debug for Demuxer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let url = crate::redact::url(&self.url);
        f.debug_struct("Demuxer").field("url", &url).field("streams", &self.streams.len()).finish_non_exhaustive()
    }
}

/// The packets of a [`Demuxer`]. Ends after the first failure.
#[derive(Debug)]
pub struct Packets<'a> {
    demuxer: &'a mut Demuxer,
    is_over: bool,
}

impl Iterator for Packets<'_> {
    type Item = Result<Packet, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let next = self.demuxer.read().transpose();
        self.is_over = !matches!(next, Some(Ok(_)));
        next
    }
}
