//! Subtitles: from text to text and from bitmaps to bitmaps through decoder and encoder, and drawn as pictures for graphs.
//! `transcode_subtitles`, `do_subtitle_out` and `sub2video_*` of ffmpeg 5.1.

use crate::error::{Error, Kind};
use crate::libav::codec::MediaType;
use crate::libav::error::AvError;
use crate::libav::frame::{Frame, PixelFormat};
use crate::libav::log::{self, level};
use crate::libav::packet::Packet;
use crate::libav::rational::{MICROSECONDS, Rational, rescale};
use crate::libav::subtitle::Subtitle;

use super::decode::Decoding;
use super::filter::Format;
use super::plan::Micros;
use super::scheduler::Job;

/// What a subtitle decoder's stream keeps between packets.
#[derive(Default)]
pub struct Subtitles {
    /// With `-fix_sub_duration`: the one that is not given out before the next.
    previous: Option<Subtitle>,
    /// Subtitles that wait for the graph that shows them.
    waiting: Vec<Subtitle>,
    /// What they are drawn on.
    canvas: Option<Canvas>,
}

/// A picture that shows the subtitle of the moment.
struct Canvas {
    size: (i32, i32),
    frame: Frame,
    /// When it was last sent to the graphs.
    last_pts: i64,
    /// When what it shows ends.
    end_pts: i64,
    /// Nothing has been drawn yet.
    is_new: bool,
}

const MILLISECONDS: Rational = Rational::new(1, 1000);

impl Job<'_> {
    /// Decodes a packet of subtitles, an empty one at the end, and gives what comes of it to encoders and graphs. `true` if
    /// there was one.
    ///
    /// # Errors
    /// libavcodec's in the inner result; an encoder's failure in the outer one.
    pub(super) fn subtitles(
        &mut self,
        (file, stream): (usize, usize),
        decoding: &mut Decoding,
        packet: &Packet,
    ) -> Result<Result<bool, AvError>, Error> {
        let mut subtitle = Subtitle::new();
        let decoded = decoding.decoder.decode_subtitle(packet, &mut subtitle);
        if matches!(decoded, Ok(true) | Err(_)) {
            self.note_decoded(decoded.as_ref().map(drop).map_err(|error| *error))?;
        }
        if decoded != Ok(true) {
            if packet.size() == 0 {
                self.end_canvas(file, stream, decoding)?;
            }
            return Ok(decoded);
        }
        if self.sources[file].streams[stream].input.decoding.fix_sub_duration {
            let mut keep = true;
            if let Some(previous) = &mut decoding.subtitles.previous {
                let gap =
                    subtitle.pts().zip(previous.pts()).map_or(0, |(now, then)| rescale(now - then, MICROSECONDS, MILLISECONDS));
                if gap < i64::from(previous.end()) {
                    let drops = if gap <= 0 { ", dropping it" } else { "" };
                    let text = format!("Subtitle duration reduced from {} to {gap}{drops}\n", previous.end());
                    log::write(level::DEBUG, &text);
                    previous.set_end(u32::try_from(gap).unwrap_or(0));
                }
                keep = gap > 0;
            }
            match decoding.subtitles.previous.replace(subtitle) {
                Some(previous) if keep => subtitle = previous,
                _ => return Ok(Ok(false)),
            }
        }
        let is_drawn = !decoding.feeds.is_empty();
        if is_drawn && decoding.subtitles.canvas.is_some() {
            self.draw(file, stream, decoding, Some(&subtitle), 0)?;
        }
        if subtitle.parts().len() > 0 {
            decoding.frames += 1;
            let mut shown = Shown { pts: subtitle.pts(), start: subtitle.start(), end: subtitle.end() };
            for output in 0..self.outputs.len() {
                for position in 0..self.outputs[output].streams.len() {
                    self.write_subtitle((file, stream), (output, position), decoding, &subtitle, &mut shown)?;
                }
            }
        }
        if is_drawn && decoding.subtitles.canvas.is_none() {
            decoding.subtitles.waiting.push(subtitle);
        }
        Ok(Ok(true))
    }

    fn write_subtitle(
        &mut self,
        (file, stream): (usize, usize),
        (output, position): (usize, usize),
        decoding: &Decoding,
        subtitle: &Subtitle,
        shown: &mut Shown,
    ) -> Result<(), Error> {
        let _ = decoding;
        let target = &self.outputs[output].streams[position];
        let from_here = target.source.is_some_and(|source| (source.file, source.stream) == (file, stream));
        let is_subtitle = target.encoding.as_ref().is_some_and(|encoding| encoding.codec.media_type() == MediaType::Subtitle);
        let start = self.outputs[output].start;
        let before = start.is_some_and(|start| self.sources[file].streams[stream].clock.pts < start);
        if !from_here || !is_subtitle || target.closed || before {
            return Ok(());
        }
        let Some(mut pts) = shown.pts else {
            log::write(level::ERROR, "Subtitle packets must have a pts\n");
            return if self.global.exit_on_error {
                Err(Error::new(Kind::Media, "Subtitle packets must have a pts"))
            } else {
                Ok(())
            };
        };
        pts -= start.unwrap_or(0);
        let is_dvb = target.encoding.as_ref().is_some_and(|encoding| encoding.codec.id().name() == "dvb_subtitle");
        // DVB clears the screen with a packet of its own.
        for clears in [false, true].into_iter().take(1 + usize::from(is_dvb)) {
            let Some(encoding) = &mut self.outputs[output].streams[position].encoding else { return Ok(()) };
            encoding.next = rescale(pts, MICROSECONDS, encoding.facts.time_base);
            if !self.is_within(output, position) {
                return Ok(());
            }
            let begin = pts + i64::from(shown.start) * 1000;
            (shown.pts, shown.end, shown.start) = (Some(begin), shown.end.wrapping_sub(shown.start), 0);
            let stream = &mut self.outputs[output].streams[position];
            let Some(encoding) = &mut stream.encoding else { return Ok(()) };
            encoding.frames += 1;
            let mut packet = Packet::new();
            let Some(worker) = &mut encoding.worker else { return Ok(()) };
            worker.encode_subtitle(subtitle, begin, shown.end, clears, &mut packet).map_err(|error| {
                log::write(level::FATAL, "Subtitle encoding failed\n");
                Error::new(Kind::Media, format!("output stream #{output}:{position}: Subtitle encoding failed"))
                    .with_source(error)
            })?;
            let base = stream.mux_base;
            let length = rescale(i64::from(shown.end), MILLISECONDS, base);
            let at = rescale(begin, MICROSECONDS, base) + if clears { length } else { 0 };
            packet.set_pts(Some(at));
            packet.set_dts(Some(at));
            packet.set_duration(length);
            self.put_in_order(output, position, packet)?;
        }
        Ok(())
    }

    /// Says how large the canvases of a graph's subtitles are, before the graph is built (`sub2video_prepare`).
    pub(super) fn prepare_canvases(&mut self, graph: usize) {
        for index in 0..self.graphs[graph].inputs.len() {
            let input = &self.graphs[graph].inputs[index];
            if input.kind != MediaType::Subtitle {
                continue;
            }
            let (source, before) = (input.source, input.format.clone());
            let streams = &self.sources[source.file].streams;
            let mut size = match before {
                Some(Format::Video { size, .. }) => size,
                _ => (0, 0),
            };
            if size.0 == 0 || size.1 == 0 {
                let videos = streams.iter().filter(|stream| stream.input.facts.media_type == MediaType::Video);
                for stream in videos {
                    let (width, height) = stream.input.parameters.dimensions();
                    size = (size.0.max(width), size.1.max(height));
                }
                if size.0 == 0 || size.1 == 0 {
                    size = (size.0.max(720), size.1.max(576));
                }
                log::write(level::INFO, &format!("sub2video: using {}x{} canvas\n", size.0, size.1));
            }
            let stream = &mut self.sources[source.file].streams[source.stream];
            let mut shown = size;
            let own = match &mut stream.decoding {
                Some(decoding) => {
                    let frame = Frame::new();
                    let canvas = Canvas { size, frame, last_pts: i64::MIN, end_pts: i64::MIN, is_new: true };
                    decoding.subtitles.canvas = Some(canvas);
                    decoding.decoder.dimensions()
                }
                None => (0, 0),
            };
            shown.0 = if own.0 != 0 { own.0 } else { shown.0 };
            shown.1 = if own.1 != 0 { own.1 } else { shown.1 };
            let format = PixelFormat::RGB32;
            self.graphs[graph].inputs[index].format = Some(Format::Video { size: shown, format, aspect: Rational::new(0, 1) });
        }
    }

    /// Draws the subtitles that waited for a graph.
    ///
    /// # Errors
    /// The canvas cannot be made.
    pub(super) fn draw_waiting(&mut self, graph: usize) -> Result<(), Error> {
        for index in 0..self.graphs[graph].inputs.len() {
            let source = self.graphs[graph].inputs[index].source;
            if self.graphs[graph].inputs[index].kind != MediaType::Subtitle {
                continue;
            }
            let Some(mut decoding) = self.sources[source.file].streams[source.stream].decoding.take() else { continue };
            let mut drawn = Ok(());
            for subtitle in std::mem::take(&mut decoding.subtitles.waiting) {
                drawn = drawn.and_then(|()| self.draw(source.file, source.stream, &mut decoding, Some(&subtitle), 0));
            }
            self.sources[source.file].streams[source.stream].decoding = Some(decoding);
            drawn?;
        }
        Ok(())
    }

    /// Draws a subtitle, or nothing from `heartbeat` on, and sends it to the graphs (`sub2video_update`).
    fn draw(
        &mut self,
        file: usize,
        stream: usize,
        decoding: &mut Decoding,
        subtitle: Option<&Subtitle>,
        heartbeat: i64,
    ) -> Result<(), Error> {
        let base = self.sources[file].streams[stream].input.facts.time_base;
        let own = decoding.decoder.dimensions();
        let Some(canvas) = &mut decoding.subtitles.canvas else { return Ok(()) };
        let (pts, end) = match subtitle {
            Some(subtitle) => {
                let at = |offset: u32| rescale(subtitle.pts().unwrap_or(0) + i64::from(offset) * 1000, MICROSECONDS, base);
                (at(subtitle.start()), at(subtitle.end()))
            }
            None => (if canvas.is_new { heartbeat } else { canvas.end_pts }, i64::MAX),
        };
        let width = if own.0 != 0 { own.0 } else { canvas.size.0 };
        let height = if own.1 != 0 { own.1 } else { canvas.size.1 };
        let failed = |error: AvError| error.about("subtitle canvas");
        let mut frame = Frame::video(PixelFormat::RGB32, width, height).map_err(failed)?;
        paint(&mut frame, (width, height), subtitle).map_err(failed)?;
        canvas.frame = frame;
        canvas.end_pts = end;
        canvas.is_new = false;
        self.send_canvas(decoding, pts);
        Ok(())
    }

    /// Sends the canvas to the graphs once more (`sub2video_push_ref`).
    fn send_canvas(&mut self, decoding: &mut Decoding, pts: i64) {
        let Some(canvas) = &mut decoding.subtitles.canvas else { return };
        canvas.last_pts = pts;
        canvas.frame.set_pts(Some(pts));
        for (graph, input) in &decoding.feeds {
            let Some(running) = &mut self.graphs[*graph].running else { continue };
            match running.graph.send_copy(running.sources[*input], &canvas.frame) {
                Ok(()) | Err(AvError::EOF) => {}
                Err(error) => {
                    log::write(level::WARNING, &format!("Error while add the frame to buffer source({error}).\n"));
                }
            }
        }
    }

    /// A packet of the same input has come: graphs that wait for a subtitle learn that there is none yet
    /// (`sub2video_heartbeat`).
    ///
    /// # Errors
    /// The canvas cannot be made.
    pub(super) fn heartbeat(&mut self, file: usize, pts: i64, base: Rational) -> Result<(), Error> {
        for stream in 0..self.sources[file].streams.len() {
            let own = &self.sources[file].streams[stream];
            let Some(canvas) = own.decoding.as_ref().and_then(|decoding| decoding.subtitles.canvas.as_ref()) else { continue };
            let at = rescale(pts, base, own.input.facts.time_base).wrapping_sub(1);
            if at <= canvas.last_pts {
                continue;
            }
            let over = at >= canvas.end_pts || canvas.is_new;
            let Some(mut decoding) = self.sources[file].streams[stream].decoding.take() else { continue };
            let drawn = if over { self.draw(file, stream, &mut decoding, None, at + 1) } else { Ok(()) };
            let wanted = decoding.feeds.iter().any(|(graph, input)| {
                self.graphs[*graph]
                    .running
                    .as_ref()
                    .is_some_and(|running| running.graph.failed_requests(running.sources[*input]) > 0)
            });
            if wanted {
                self.send_canvas(&mut decoding, at);
            }
            self.sources[file].streams[stream].decoding = Some(decoding);
            drawn?;
        }
        Ok(())
    }

    /// There are no more subtitles: graphs go on without (`sub2video_flush`).
    fn end_canvas(&mut self, file: usize, stream: usize, decoding: &mut Decoding) -> Result<(), Error> {
        if decoding.subtitles.canvas.as_ref().is_some_and(|canvas| canvas.end_pts < Micros::MAX) {
            self.draw(file, stream, decoding, None, Micros::MAX)?;
        }
        for (graph, input) in &decoding.feeds {
            if let Some(running) = &mut self.graphs[*graph].running
                && let Err(error) = running.graph.close(running.sources[*input], None)
                && error != AvError::EOF
            {
                log::write(level::WARNING, "Flush the frame error.\n");
            }
        }
        Ok(())
    }
}

/// When a subtitle is shown: microseconds, then milliseconds after that. ffmpeg changes it with each output.
struct Shown {
    pts: Option<Micros>,
    start: u32,
    end: u32,
}

/// Fills a picture with nothing, and with the bitmaps of a subtitle over it.
fn paint(frame: &mut Frame, (width, height): (i32, i32), subtitle: Option<&Subtitle>) -> Result<(), AvError> {
    let mut rows: Vec<&mut [u8]> = frame.rows_mut(0)?.collect();
    rows.iter_mut().for_each(|row| row.fill(0));
    for part in subtitle.iter().flat_map(|subtitle| subtitle.parts()) {
        let Some(bitmap) = part.bitmap() else {
            log::write(level::WARNING, "sub2video: non-bitmap subtitle\n");
            continue;
        };
        let (x, y, w, h) = (bitmap.x, bitmap.y, bitmap.width, bitmap.height);
        if x < 0 || x + w > width || y < 0 || y + h > height {
            let text = format!("sub2video: rectangle ({x} {y} {w} {h}) overflowing {width} {height}\n");
            log::write(level::WARNING, &text);
            continue;
        }
        let (left, top) = (usize::try_from(x).unwrap_or_default() * 4, usize::try_from(y).unwrap_or_default());
        for (row, pixels) in rows[top..].iter_mut().zip(bitmap.rows()) {
            for (to, pixel) in row[left..].chunks_exact_mut(4).zip(pixels) {
                to.copy_from_slice(&bitmap.palette[usize::from(*pixel)].to_ne_bytes());
            }
        }
    }
    Ok(())
}
