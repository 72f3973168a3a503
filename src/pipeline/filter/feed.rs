//! Frames on their way into a graph and its ends: `ifilter_send_frame` and `ifilter_send_eof` of ffmpeg 5.1.

use crate::error::{Error, Kind};
use crate::libav::codec::MediaType;
use crate::libav::error::AvError;
use crate::libav::frame::Frame;
use crate::libav::log::{self, level};
use crate::libav::rational::{MICROSECONDS, rescale_limits};
use crate::pipeline::scheduler::Job;
use crate::pipeline::timestamp::UNKNOWN;

use super::graph::{Format, Graph};

impl Graph {
    /// Must the graph be made anew before `frame` can go into its input at `index`?
    fn must_change(&self, index: usize, frame: &Frame) -> bool {
        let input = &self.inputs[index];
        let format = Format::of(frame);
        let mut changed = match (&input.format, &format) {
            (Some(before), Some(now)) => before.differs(now),
            (None, Some(_)) => true,
            (_, None) => false,
        };
        if !input.reinit && self.running.is_some() {
            changed = false;
        }
        let pools = (&input.hardware_frames, frame.hardware_frames());
        changed |= match pools {
            (Some(before), Some(now)) => !before.is_same(&now),
            (None, None) => false,
            _ => true,
        };
        changed || frame.display_matrix() != input.frame_matrix
    }
}

impl Job<'_> {
    /// Sends a decoded frame to every graph that takes it.
    ///
    /// # Errors
    /// A graph cannot be made or does not take the frame.
    pub(in crate::pipeline) fn feed(&mut self, feeds: &[(usize, usize)], frame: &mut Frame) -> Result<(), Error> {
        for (position, (graph, input)) in feeds.iter().enumerate() {
            let last = position + 1 == feeds.len();
            self.feed_graph(*graph, *input, frame, !last).inspect_err(|error| {
                log::write(level::ERROR, &format!("Failed to inject frame into filter network: {error}\n"));
            })?;
        }
        Ok(())
    }

    fn feed_graph(&mut self, index: usize, input: usize, frame: &mut Frame, keep: bool) -> Result<(), Error> {
        let failed = |error: AvError| error.about("filtergraph");
        let changed = self.graphs[index].must_change(input, frame);
        if changed {
            let input = &mut self.graphs[index].inputs[input];
            input.format = Format::of(frame);
            input.frame_matrix = frame.display_matrix();
            input.hardware_frames = frame.hardware_frames();
        }
        if changed || self.graphs[index].running.is_none() {
            if !self.graphs[index].knows_its_inputs() {
                let mut waiting = frame.try_clone().map_err(failed)?;
                let mut owned = Frame::new();
                owned.take(&mut waiting);
                self.graphs[index].inputs[input].queue.push_back(owned);
                return Ok(());
            }
            self.reap(true)?;
            self.configure(index).inspect_err(|_| log::write(level::ERROR, "Error reinitializing filters!\n"))?;
        }
        let Some(running) = &mut self.graphs[index].running else { return Ok(()) };
        let source = running.sources[input];
        let sent = if keep { running.graph.send_copy(source, frame) } else { running.graph.send(source, frame) };
        match sent {
            Ok(()) | Err(AvError::EOF) => Ok(()),
            Err(error) => {
                log::write(level::ERROR, &format!("Error while filtering: {error}\n"));
                Err(failed(error))
            }
        }
    }

    /// Says that a stream's frames have ended at `pts` microseconds.
    ///
    /// # Errors
    /// A graph never learned what the frames are.
    pub(in crate::pipeline) fn end_feeds(&mut self, feeds: &[(usize, usize)], pts: i64) -> Result<(), Error> {
        for (graph, input) in feeds {
            let graph = &mut self.graphs[*graph];
            let own = &mut graph.inputs[*input];
            own.ended = true;
            if let Some(running) = &mut graph.running {
                let stream_base = self.sources[own.source.file].streams[own.source.stream].input.facts.time_base;
                let pts = Some(pts).filter(|pts| *pts != UNKNOWN).map(|pts| rescale_limits(pts, MICROSECONDS, stream_base));
                running.graph.close(running.sources[*input], pts).map_err(|error| error.about("filtergraph"))?;
                continue;
            }
            if own.format.is_none() {
                own.format = own.announced.clone();
            }
            if own.format.is_none() && matches!(own.kind, MediaType::Audio | MediaType::Video) {
                let (file, stream) = (own.source.file, own.source.stream);
                let text = format!("Cannot determine format of input stream {file}:{stream} after EOF");
                log::write(level::ERROR, &format!("{text}\n"));
                log::write(level::FATAL, "Error marking filters as finished\n");
                return Err(Error::new(Kind::Media, text));
            }
        }
        Ok(())
    }

    /// Builds a graph; subtitles that waited for it are drawn.
    ///
    /// # Errors
    /// libavfilter's.
    pub(in crate::pipeline) fn configure(&mut self, index: usize) -> Result<(), Error> {
        self.prepare_canvases(index);
        self.graphs[index].configure(self.global, &self.devices)?;
        for output in 0..self.graphs[index].outputs.len() {
            let Some((file, position)) = self.graphs[index].outputs[output].target else { continue };
            let encoding = self.outputs[file].streams[position].encoding.as_ref();
            let Some(encoding) = encoding.filter(|encoding| !encoding.codec.takes_any_frame_size()) else { continue };
            let size = encoding.facts.frame_size;
            if encoding.codec.media_type() == MediaType::Audio
                && let Some(running) = &mut self.graphs[index].running
            {
                running.graph.set_frame_size(running.sinks[output], size);
            }
        }
        self.draw_waiting(index)
    }
}
