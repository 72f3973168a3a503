//! Frames on their way from a graph to an encoder: `reap_filters`, `do_video_out`, `do_audio_out` and the first part of
//! `encode_frame` of ffmpeg 5.1.

use crate::error::Error;
use crate::libav::codec::MediaType;
use crate::libav::filter::Received;
use crate::libav::frame::{Frame, PictureType};
use crate::libav::log::{self, level};
use crate::libav::rational::{MICROSECONDS, Rational, compare, rescale};
use crate::pipeline::dump;
use crate::pipeline::scheduler::Job;
use crate::pipeline::sync::Arrival;

use super::key_frames::Picture;
use super::order::Waiting;
use super::worker::Task;

impl Job<'_> {
    /// Takes what the graphs have ready, stream by stream. `flush`: a stream whose graph has ended repeats its last picture as
    /// often as it used to.
    ///
    /// # Errors
    /// An encoder cannot be opened or fails.
    pub(in crate::pipeline) fn reap(&mut self, flush: bool) -> Result<(), Error> {
        if self.graphs.is_empty() {
            return Ok(());
        }
        for file in 0..self.outputs.len() {
            for position in 0..self.outputs[file].streams.len() {
                self.reap_stream(file, position, flush)?;
            }
        }
        Ok(())
    }

    fn reap_stream(&mut self, file: usize, position: usize, flush: bool) -> Result<(), Error> {
        let Some(encoding) = &self.outputs[file].streams[position].encoding else { return Ok(()) };
        let Some((graph, output)) = encoding.graph.filter(|(graph, _)| self.graphs[*graph].running.is_some()) else {
            return Ok(());
        };
        let kind = encoding.codec.media_type();
        // How long frames of sound are to be is known only then.
        if kind == MediaType::Audio {
            self.open_encoder(file, position, None)?;
        }
        loop {
            let mut frame = Frame::new();
            let Some(running) = &mut self.graphs[graph].running else { return Ok(()) };
            match running.graph.receive(running.sinks[output], &mut frame, false) {
                Ok(Received::Frame) => {}
                Ok(Received::Again) => return Ok(()),
                Ok(Received::End) => {
                    return if flush && kind == MediaType::Video { self.video(file, position, None) } else { Ok(()) };
                }
                Err(error) => {
                    log::write(level::WARNING, &format!("Error in av_buffersink_get_frame_flags(): {error}\n"));
                    return Ok(());
                }
            }
            let stream = &self.outputs[file].streams[position];
            if stream.finished || stream.closed {
                continue;
            }
            let Some(encoding) = &stream.encoding else { return Ok(()) };
            if kind == MediaType::Video {
                self.video(file, position, Some(frame))?;
            } else if !encoding.codec.takes_changes() && encoding.facts.layout.channels() != frame.channel_layout().channels() {
                let text = "Audio filter graph output is not normalized and encoder does not support parameter changes\n";
                log::write(level::ERROR, text);
            } else {
                self.audio(file, position, frame)?;
            }
        }
    }

    /// Puts a frame's time into the encoder's time base; returns it with fractions (`adjust_frame_pts_to_encoder_tb`).
    fn adjust(&self, file: usize, position: usize, mut frame: Option<&mut Frame>) -> Option<f64> {
        let exact = frame.as_mut().and_then(|frame| self.adjust_frame(file, position, frame));
        if self.global.debug_timestamps {
            let encoding = self.outputs[file].streams[position].encoding.as_ref();
            let base = encoding.map_or(Rational::new(-1, -1), |encoding| encoding.facts.time_base);
            let times = match &frame {
                Some(frame) => dump::stamp("pts", frame.pts(), base),
                None => "pts:NULL pts_time:NULL".to_owned(),
            };
            let exact = exact.unwrap_or(i64::MIN as f64);
            log::write(level::INFO, &format!("filter -> {times} exact:{exact:.6} time_base:{base}\n"));
        }
        exact
    }

    fn adjust_frame(&self, file: usize, position: usize, frame: &mut Frame) -> Option<f64> {
        let output = &self.outputs[file];
        let encoding = output.streams[position].encoding.as_ref()?;
        let (graph, sink) = encoding.graph?;
        let running = self.graphs[graph].running.as_ref()?;
        let filter_base = running.graph.time_base(running.sinks[sink]);
        let (pts, start) = (frame.pts()?, output.start.unwrap_or(0));
        let base = encoding.facts.time_base;
        let log2 = base.den.max(1).ilog2() as i32;
        let extra = (29 - log2).clamp(0, 16);
        let fine = Rational::new(base.num, base.den << extra);
        let exact = (rescale(pts, filter_base, fine) - rescale(start, MICROSECONDS, fine)) as f64 / f64::from(1 << extra);
        // Away from exact midpoints, where rounding would be a matter of luck.
        let nudge = if exact > 0.0 { 1.0 } else { -1.0 } / f64::from(1 << 17);
        frame.set_pts(Some(rescale(pts, filter_base, base) - rescale(start, MICROSECONDS, base)));
        Some(exact + nudge)
    }

    /// Is the next frame still before the output's end? If not, the stream is finished (`check_recording_time`).
    pub(in crate::pipeline) fn is_within(&mut self, file: usize, position: usize) -> bool {
        let output = &mut self.outputs[file];
        let Some(encoding) = &output.streams[position].encoding else { return false };
        let within =
            output.duration.is_none_or(|end| compare(encoding.next, encoding.facts.time_base, end, MICROSECONDS).is_lt());
        if !within {
            output.finish(position, false);
        }
        within
    }

    fn audio(&mut self, file: usize, position: usize, mut frame: Frame) -> Result<(), Error> {
        self.adjust(file, position, Some(&mut frame));
        if !self.is_within(file, position) {
            return Ok(());
        }
        let Some(encoding) = &mut self.outputs[file].streams[position].encoding else { return Ok(()) };
        let pts = frame.pts().filter(|_| self.global.audio_sync >= 0).unwrap_or(encoding.next);
        frame.set_pts(Some(pts));
        let samples = frame.samples();
        encoding.next = pts + samples as i64;
        encoding.samples += samples as u64;
        self.encode(file, position, Task::Frame(frame, None))
    }

    fn video(&mut self, file: usize, position: usize, mut frame: Option<Frame>) -> Result<(), Error> {
        let was_open = self.outputs[file].streams[position].initialized;
        self.open_encoder(file, position, frame.as_ref())?;
        let time = self.adjust(file, position, frame.as_mut());
        let duration = self.duration(file, position, frame.as_ref());
        let stream = &mut self.outputs[file].streams[position];
        let Some(encoding) = &mut stream.encoding else { return Ok(()) };
        let Some(video) = &mut encoding.video else { return Ok(()) };
        let arrival = frame.as_ref().map(|frame| Arrival {
            time: time.unwrap_or(i64::MIN as f64),
            duration,
            is_key: frame.is_key(),
            last_pts: video.last.pts(),
        });
        let left = stream.max_frames.saturating_sub(stream.frames);
        let pace = video.pacer.pace(arrival, &mut encoding.next, stream.frames, left, position, &mut self.counts);
        let Some(pace) = pace else { return Ok(()) };
        // Pictures may come with another shape of their pixels: encoders are told before each.
        let shape = frame.as_ref().filter(|_| was_open && video.aspect.is_none()).map(Frame::sample_aspect_ratio);

        for index in 0..pace.total {
            let stream = &mut self.outputs[file].streams[position];
            let Some(encoding) = &mut stream.encoding else { return Ok(()) };
            let Some(video) = &mut encoding.video else { return Ok(()) };
            let picture = if index < pace.repeats && video.last.has_data() {
                &mut video.last
            } else {
                match &mut frame {
                    Some(frame) => frame,
                    None => return Ok(()),
                }
            };
            picture.set_pts(Some(encoding.next));
            let pts = encoding.next;
            if !self.is_within(file, position) {
                return Ok(());
            }
            let stream = &mut self.outputs[file].streams[position];
            let Some(encoding) = &mut stream.encoding else { return Ok(()) };
            let Some(video) = &mut encoding.video else { return Ok(()) };
            let picture = match &mut frame {
                Some(frame) if !(index < pace.repeats && video.last.has_data()) => frame,
                _ => &mut video.last,
            };
            picture.set_quality(encoding.facts.global_quality);
            let judged = Picture { pts, is_key: picture.is_key(), is_first: index == 0 };
            let forced = video.key_frames.force(judged, encoding.facts.time_base, &mut video.pacer.dropped_key);
            picture.set_picture_type(if forced { PictureType::I } else { PictureType::NONE });
            if video.top_field_first >= 0 {
                picture.set_top_field_first(video.top_field_first != 0);
            }
            let copy = picture.try_clone().map_err(|error| error.about("frame"))?;
            self.encode(file, position, Task::Frame(copy, shape))?;
            let stream = &mut self.outputs[file].streams[position];
            stream.frames += 1;
            if let Some(encoding) = &mut stream.encoding {
                encoding.next += 1;
            }
        }
        if let Some(video) = self.outputs[file].streams[position].encoding.as_mut().and_then(|encoding| encoding.video.as_mut()) {
            video.last.clear();
            if let Some(mut frame) = frame {
                video.last.take(&mut frame);
            }
        }
        Ok(())
    }

    /// How long a picture is to be seen, in the encoder's time base: by the graph's rate, the output's, or the packet's own
    /// duration where nothing filters.
    fn duration(&self, file: usize, position: usize, frame: Option<&Frame>) -> f64 {
        let stream = &self.outputs[file].streams[position];
        let Some(encoding) = &stream.encoding else { return 0.0 };
        let (Some(video), Some((graph, output))) = (&encoding.video, encoding.graph) else { return 0.0 };
        let tick = encoding.facts.time_base.as_f64();
        let running = self.graphs[graph].running.as_ref();
        let rate = running.map(|running| running.graph.frame_rate(running.sinks[output])).unwrap_or_default();
        let mut duration = if rate.is_positive() { 1.0 / (rate.as_f64() * tick) } else { 0.0 };
        let source = stream.source.map(|source| &self.sources[source.file].streams[source.stream]);
        let Some(source) = source else { return duration };
        if source.input.has_start && source.clock.first_dts.is_some() && video.frame_rate.num != 0 {
            duration = duration.min(1.0 / (video.frame_rate.as_f64() * tick));
        }
        if let Some(frame) = frame
            && !video.has_filters
            && self.graphs.first().is_none_or(|graph| graph.is_simple)
        {
            let own = frame.duration() as f64 * source.input.facts.time_base.as_f64() / tick;
            let own = (own as f32).round_ties_even();
            if own > 0.0 {
                duration = f64::from(own);
            }
        }
        duration
    }

    /// Gives an encoder a task, and writes what has come of this one and earlier ones as far as it is ready.
    ///
    /// # Errors
    /// An encoder failed.
    pub(in crate::pipeline) fn encode(&mut self, file: usize, position: usize, task: Task) -> Result<(), Error> {
        loop {
            let worker = self.outputs[file].streams[position].encoding.as_mut().and_then(|encoding| encoding.worker.as_mut());
            let Some(worker) = worker else { return Ok(()) };
            if !worker.is_full() {
                break;
            }
            self.write_next(true)?;
        }
        if let Some(encoding) = &mut self.outputs[file].streams[position].encoding
            && let Some(worker) = &mut encoding.worker
        {
            if let Task::Frame(frame, _) = &task {
                encoding.frames += 1;
                if self.global.debug_timestamps {
                    let (kind, base) = (encoding.codec.media_type().name(), encoding.facts.time_base);
                    let times = dump::stamp("frame_pts", frame.pts(), base);
                    log::write(level::INFO, &format!("encoder <- type:{kind} {times} time_base:{base}\n"));
                }
            }
            worker.give(task);
        }
        self.order.push(Waiting::Encoded(file, position));
        self.write_ready(false)
    }
}
