//! Ends: of a round, of an input, of the job. The last parts of `process_input` and `transcode` of ffmpeg 5.1.

use crate::error::{Error, Kind};
use crate::libav::log::{self, level};

use super::scheduler::Job;
use super::transcode::DecodeCounts;

impl Job<'_> {
    /// A round of `-stream_loop` is over: decoders give out what they hold, a frame at a time, and the input goes back to its
    /// start. `false` = graphs may have something first.
    pub(super) fn begin_round(&mut self, file: usize) -> Result<bool, Error> {
        for stream in 0..self.sources[file].streams.len() {
            if self.drain(file, stream, false)? {
                return Ok(false);
            }
            if let Some(decoding) = &mut self.sources[file].streams[stream].decoding {
                decoding.flush();
            }
        }
        if !self.sources[file].rewind() {
            log::write(level::WARNING, "Seek to start failed.\n");
            self.sources[file].give_up_rounds();
        }
        Ok(true)
    }

    /// An input has no more. Decoders give out what they hold, a frame at a time: `true` = graphs may have something now. Then
    /// the streams that do without graphs are finished.
    pub(super) fn end(&mut self, file: usize) -> Result<bool, Error> {
        for stream in 0..self.sources[file].streams.len() {
            if self.drain(file, stream, true)? {
                return Ok(true);
            }
            self.flush_copies(file, stream)?;
            for target in 0..self.sources[file].streams[stream].targets.len() {
                let (output, position) = self.sources[file].streams[stream].targets[target];
                self.outputs[output].finish(position, true);
            }
        }
        self.sources[file].ended = true;
        if let Some(error) = self.sources[file].reader.take_failure()
            && !self.control.stop.is_requested()
        {
            if self.goes_on_in_new_files && self.sources[file].reader.has_changed() {
                log::write(level::WARNING, &format!("{error}; going on in new files\n"));
                self.changed = true;
            } else {
                self.fail(error);
            }
        }
        Ok(false)
    }

    /// Stops reading, encodes and writes what is left and the trailers, reports, closes.
    pub(super) fn finish(&mut self) {
        if let Err(error) = self.finish_streams() {
            self.fail(error);
            // What comes behind a failure is not written.
            self.order.clear();
        }
        for file in 0..self.sources.len() {
            if let Err(error) = self.sources[file].account() {
                self.fail(error);
            }
        }
        for index in 0..self.outputs.len() {
            if let Err(error) = self.outputs[index].write_trailer() {
                self.fail(error);
            }
        }
        self.report(!self.changed);
        for index in 0..self.outputs.len() {
            let muxer = &mut self.outputs[index].muxer;
            // What the network did not take may show only now.
            let closed = muxer.close().and_then(|()| muxer.take_failure().map_or(Ok(()), Err));
            if let Err(error) = closed {
                log::write(level::ERROR, &format!("Error closing file {error}\n"));
                self.fail(error);
            }
        }
        let mut streams = self.outputs.iter().flat_map(|output| &output.streams);
        if let Some(position) = streams.position(|stream| stream.packets == 0)
            && self.global.abort_on_empty_output_stream
        {
            self.fail(Error::new(Kind::Media, format!("Empty output on stream {position}.")));
        }
        if self.global.abort_on_empty_output && self.outputs.iter().all(|output| output.written().0 == 0) {
            self.fail(Error::new(Kind::Media, "Empty output"));
        }
        let DecodeCounts { good, bad } = self.decoded;
        log::write(level::DEBUG, &format!("{good} frames successfully decoded, {bad} decoding errors\n"));
    }

    pub(super) fn finish_streams(&mut self) -> Result<(), Error> {
        for file in 0..self.sources.len() {
            self.sources[file].reader.stop();
            if self.sources[file].ended || self.error.is_some() {
                continue;
            }
            for stream in 0..self.sources[file].streams.len() {
                self.drain(file, stream, true)?;
                self.flush_copies(file, stream)?;
            }
        }
        self.write_ready(true)?;
        if self.error.is_none() { self.flush_encoders() } else { Ok(()) }
    }
}
