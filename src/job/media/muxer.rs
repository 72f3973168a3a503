//! An authenticated output outside of a job.

use crate::error::{Error, Kind};
use crate::libav::copy::StreamCopy;
use crate::libav::error::AvError;
use crate::pipeline::LoneOutput;
use crate::shutdown::Shutdown;

use super::demuxer::{StopHandle, stopped};
use super::{Demuxer, Packet, TimeBase};
use crate::job::Session;
use crate::job::build::Output;
use crate::job::report::FileReport;

/// An output that takes the packets of a [`Demuxer`], while the session swaps tokens under it. All calls block.
///
/// Only [`finish`](Self::finish) makes it complete: one that is dropped before that is closed as it is.
pub struct Muxer {
    output: LoneOutput,
    /// By stream of the input: where it goes, and the unit of times there.
    streams: Vec<Option<(usize, TimeBase)>>,
    url: String,
    auth: Option<String>,
    packets: u64,
    bytes: u64,
    abort: Shutdown,
    /// What does its input and output lives as long as it does.
    _session: Session,
}

impl Muxer {
    /// Opens an output for the streams that `source` reads, as they are coded there, and writes its header. Existing files are
    /// not overwritten without the option `y`.
    ///
    /// # Errors
    /// An option is wrong, or one that only a job honours; no token can be had; the file or server cannot be opened; the container
    /// cannot hold such streams.
    pub fn create(session: &Session, output: Output, source: &Demuxer) -> Result<Self, Error> {
        let job = output.alone()?;
        let abort = Shutdown::new();
        let mut output = LoneOutput::new(job.plan(), &session.files(job.plan(), &abort), &abort)?;
        let url = output.muxer.url();
        let failed = |error: AvError| error.about(&url);
        let mut streams: Vec<Option<usize>> = vec![None; source.streams().len()];
        for (position, info) in source.wanted().enumerate() {
            let Some(from) = source.input.demuxer.stream(info.index) else { continue };
            output.muxer.add_stream().map_err(failed)?;
            let mut wanted = StreamCopy { time_base: -1, ..StreamCopy::default() };
            output.muxer.copy_stream(position, from, &mut wanted).map_err(failed)?;
            if let Some(mut stream) = output.muxer.stream_mut(position) {
                stream.set_disposition(from.disposition());
                stream.set_metadata(from.metadata());
            }
            streams[info.index] = Some(position);
        }
        output.open().map_err(|error| if abort.is_requested() { stopped() } else { error })?;
        // The header may have changed the units.
        let unit = |position: usize| Some((position, output.muxer.stream(position)?.time_base().into()));
        let streams = streams.into_iter().map(|position| unit(position?)).collect();
        let auth = job.profiles().collect::<Vec<_>>().join(",");
        let auth = (!auth.is_empty()).then_some(auth);
        Ok(Self { output, streams, url, auth, packets: 0, bytes: 0, abort, _session: session.clone() })
    }

    /// Writes a packet of the source when its turn comes. Its times go along; those of a stream must not go back.
    ///
    /// # Errors
    /// The output takes no more; the packet is of a stream that the source did not read when this was created.
    pub fn write(&mut self, packet: Packet) -> Result<(), Error> {
        let Packet { mut inner, time_base } = packet;
        let Some((position, unit)) = self.streams.get(inner.stream()).copied().flatten() else {
            let message = format!("the output has no place for packets of stream {}", inner.stream());
            return Err(Error::new(Kind::Usage, message));
        };
        inner.rescale(time_base.into(), unit.into());
        inner.set_stream(position);
        self.packets += 1;
        self.bytes += inner.size() as u64;
        self.output.muxer.write(&mut inner).map_err(|error| self.failure(error))
    }

    /// Writes what is left, and closes the output; a server that does not confirm what it was sent is an error here.
    ///
    /// # Errors
    /// The first failure of that.
    pub fn finish(mut self) -> Result<FileReport, Error> {
        let trailer = self.output.muxer.write_trailer().map_err(|error| self.failure(error));
        let closed = self.output.muxer.close();
        trailer?;
        closed?;
        Ok(self.report())
    }

    /// What breaks off a call from elsewhere.
    pub fn stop_handle(&self) -> StopHandle {
        StopHandle::new(self.abort.clone())
    }

    /// What it did so far.
    pub fn report(&self) -> FileReport {
        FileReport {
            url: self.url.clone(),
            auth: self.auth.clone(),
            packets: self.packets,
            bytes: self.bytes,
            io: self.output.muxer.counts(),
            uploads: self.output.muxer.uploads(),
            unconfirmed: self.output.muxer.unconfirmed(),
            ..FileReport::default()
        }
    }

    fn failure(&self, error: AvError) -> Error {
        if self.abort.is_requested() {
            return stopped();
        }
        self.output.muxer.take_failure().unwrap_or_else(|| error.about(&self.url))
    }
}

impl std::fmt::Debug for Muxer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let url = crate::redact::url(&self.url);
        f.debug_struct("Muxer").field("url", &url).field("packets", &self.packets).finish_non_exhaustive()
    }
}
