//! Opens the encoder of an output stream once it is known what will come: `init_output_stream` of ffmpeg 5.1.

use crate::error::{Error, Kind};
use crate::libav::codec::MediaType;
use crate::libav::encoder::{Configuration, Encoder, FieldOrder};
use crate::libav::error::AvError;
use crate::libav::frame::{Frame, PixelFormat, SampleFormat};
use crate::libav::log::{self, level};
use crate::libav::option::Lookup;
use crate::libav::rational::{MICROSECONDS, Rational, rescale};
use crate::pipeline::bench::Bench;
use crate::pipeline::hardware;
use crate::pipeline::scheduler::Job;
use crate::pipeline::sync::Method;

use super::{Desk, Encoding, Facts, Worker};

impl Job<'_> {
    /// Opens the encoder of a stream, unless it is open; `frame` is the first one.
    ///
    /// # Errors
    /// It does not open, or the header that was waiting for it cannot be written.
    pub(in crate::pipeline) fn open_encoder(&mut self, file: usize, position: usize, frame: Option<&Frame>) -> Result<(), Error> {
        if self.outputs[file].streams[position].initialized {
            return Ok(());
        }
        // Which time base packets get depends on what has been written before.
        self.write_ready(true)?;
        let stream = &mut self.outputs[file].streams[position];
        let Some(mut encoding) = stream.encoding.take() else { return Ok(()) };
        let opened = self.open(file, position, &mut encoding, frame);
        self.outputs[file].streams[position].encoding = Some(encoding);
        opened.map_err(|error| error.context(format!("Error initializing output stream {file}:{position}")))?;
        self.outputs[file].initialized(position)
    }

    fn open(&mut self, file: usize, position: usize, encoding: &mut Encoding, frame: Option<&Frame>) -> Result<(), Error> {
        let Some(mut configuration) = encoding.configuration.take() else { return Ok(()) };
        let codec = encoding.codec;
        let failed = |error: AvError| error.about(&format!("output stream #{file}:{position}"));
        self.name_encoder(file, position, encoding, &configuration).map_err(failed)?;
        let time_base = match codec.media_type() {
            MediaType::Video => self.configure_video(file, position, encoding, &mut configuration, frame)?,
            MediaType::Audio => self.configure_audio(file, position, encoding, &mut configuration).map_err(failed)?,
            _ => {
                self.configure_subtitle(file, position, encoding, &mut configuration)?;
                MICROSECONDS
            }
        };
        configuration.set_time_base(time_base);
        self.outputs[file].streams[position].mux_base = time_base;
        encoding.options.set_default("threads", "auto").map_err(failed)?;
        let encoder = configuration.open(&mut encoding.options).map_err(|error| {
            let text = format!(
                "Error while opening encoder for output stream #{file}:{position} - maybe incorrect parameters such as \
                 bit_rate, rate, width or height"
            );
            let error = Error::new(Kind::Usage, text).with_source(error);
            if codec.is_experimental() { error.with_hint("this encoder is experimental: add -strict -2") } else { error }
        })?;
        if let Some((graph, output)) = encoding.graph
            && codec.media_type() == MediaType::Audio
            && !codec.takes_any_frame_size()
            && let Some(running) = &mut self.graphs[graph].running
        {
            running.graph.set_frame_size(running.sinks[output], encoder.frame_size());
        }
        if let Some((left, _)) = encoding.options.pairs().first() {
            return Err(Error::new(Kind::Usage, format!("Option {left} not found.")).with_source(AvError::OPTION_NOT_FOUND));
        }
        if (1..1000).contains(&encoder.bit_rate()) && codec.id().name() != "codec2" {
            let text = "The bitrate parameter is set too low. It takes bits/s as argument, not kbits/s\n";
            log::write(level::WARNING, text);
        }
        self.describe(file, position, &encoder).map_err(failed)?;
        encoding.facts = Facts {
            time_base: encoder.time_base(),
            frame_size: encoder.frame_size(),
            global_quality: encoder.global_quality(),
            size: encoder.dimensions(),
            layout: encoder.channel_layout(),
            tells_psnr: encoder.tells_psnr(),
            is_first_pass: encoder.is_first_pass(),
        };
        self.outputs[file].streams[position].extradata = encoder.extradata_size() as u64;
        let name = codec.id().name();
        let trivial = name.starts_with("pcm_") || matches!(name, "rawvideo" | "wrapped_avframe");
        let kind = codec.media_type();
        let apart = self.concurrent && !trivial && kind != MediaType::Subtitle;
        let bench = self.global.benchmark_all.then(|| Bench::new(&self.control.clock, kind.name(), file, position));
        let desk = Desk { encoder, pass_log: encoding.pass_log.take(), bench };
        let worker = Worker::new(desk, kind, apart, &format!("encoder-{file}-{position}"))?;
        encoding.worker = Some(worker);
        Ok(())
    }

    /// The `encoder` tag of the stream (`set_encoder_id`).
    fn name_encoder(
        &mut self,
        file: usize,
        position: usize,
        encoding: &Encoding,
        configuration: &Configuration,
    ) -> Result<(), AvError> {
        let output = &mut self.outputs[file];
        let fflags = output.format_option("fflags").and_then(|text| Lookup.format_value("fflags", 0, &text)).unwrap_or(0);
        let bitexact = Lookup.format_value("fflags", 0, "bitexact").unwrap_or(0);
        let anonymous = fflags & bitexact != 0 || configuration.is_bitexact_with(&encoding.options);
        let library = if anonymous { "Lavc".to_owned() } else { crate::libav::version::codec_ident() };
        let Some(mut stream) = output.muxer.stream_mut(position) else { return Ok(()) };
        let mut metadata = stream.metadata();
        metadata.set_default("encoder", &format!("{library} {}", encoding.codec.name()))?;
        stream.set_metadata(metadata);
        Ok(())
    }

    fn configure_video(
        &mut self,
        file: usize,
        position: usize,
        encoding: &mut Encoding,
        configuration: &mut Configuration,
        frame: Option<&Frame>,
    ) -> Result<Rational, Error> {
        let unfed = || Error::new(Kind::Internal, "an encoder without a running filtergraph");
        let (Some(video), Some((graph, output))) = (&mut encoding.video, encoding.graph) else { return Err(unfed()) };
        let graph = &mut self.graphs[graph];
        let running = graph.running.as_ref().ok_or_else(unfed)?;
        let (graph_now, sink) = (&running.graph, running.sinks[output]);
        let source = self.outputs[file].streams[position].source;
        let input = source.map(|source| &self.sources[source.file].streams[source.stream]);

        if video.frame_rate.num == 0 {
            video.frame_rate = graph_now.frame_rate(sink);
        }
        if input.is_some() && video.frame_rate.num == 0 && video.max_rate.is_none() {
            video.frame_rate = Rational::new(25, 1);
            let text = format!(
                "No information about the input framerate is available. Falling back to a default value of 25fps for output \
                 stream #{file}:{position}. Use the -r option if you want a different framerate.\n"
            );
            log::write(level::WARNING, &text);
        }
        if let Some(most) = video.max_rate
            && (video.frame_rate.as_f64() > most.as_f64() || video.frame_rate.den == 0)
        {
            video.frame_rate = most;
        }
        if let Some(offered) = encoding.codec.frame_rates()
            && !video.force_rate
        {
            video.frame_rate = video.frame_rate.nearest(&offered).unwrap_or(video.frame_rate);
        }
        if encoding.codec.id().name() == "mpeg4" {
            video.frame_rate = video.frame_rate.limited(65_535);
        }

        let own_base = input.map(|input| input.input.facts.time_base);
        let mut time_base = encoder_time_base(encoding.time_base, own_base, video.frame_rate.inverse());
        if time_base.num == 0 || time_base.den == 0 {
            time_base = graph_now.time_base(sink);
        }
        let method = video.pacer.method;
        if time_base.as_f64() < 0.001 && matches!(method, Method::Constant | Method::ConstantFromFirst) {
            let text = "Frame rate very high for a muxer not efficiently supporting it.\nPlease consider specifying a lower \
                        framerate, a different muxer or setting vsync/fps_mode to vfr\n";
            log::write(level::WARNING, text);
        }
        let (width, height) = graph_now.dimensions(sink);
        let format = graph_now.pixel_format(sink);
        configuration.set_picture(width, height, format);
        let aspect = match (video.aspect, frame) {
            (Some(aspect), _) => aspect.times(Rational::new(height, width)),
            (None, _) => graph_now.sample_aspect_ratio(sink),
        };
        configuration.set_sample_aspect_ratio(aspect);
        if encoding.bits_per_raw_sample != 0 {
            configuration.set_bits_per_raw_sample(encoding.bits_per_raw_sample);
        } else if let Some(input) = input
            && graph.is_metadata_only
        {
            configuration.set_bits_per_raw_sample(input.decoded_bits.min(format.map_or(0, PixelFormat::depth)));
        }
        configuration.set_frame_rate(video.frame_rate);
        if let Some(frame) = frame {
            configuration.set_color(frame.color());
            configuration.set_field_order(match (frame.is_interlaced(), frame.is_top_field_first()) {
                (false, _) => FieldOrder::Progressive,
                (true, true) if encoding.codec.id().name() == "mjpeg" => FieldOrder::Top,
                (true, false) if encoding.codec.id().name() == "mjpeg" => FieldOrder::Bottom,
                (true, true) => FieldOrder::TopCodedFirst,
                (true, false) => FieldOrder::BottomCodedFirst,
            });
        }
        match video.top_field_first {
            0 => configuration.set_field_order(FieldOrder::Bottom),
            1 => configuration.set_field_order(FieldOrder::Top),
            _ => {}
        }
        hardware::set_up_encoder(configuration, encoding.codec, format, graph_now.hardware_frames(sink).as_ref(), &self.devices);
        if let super::super::filter::Wanted::Video(wanted) = &mut graph.outputs[output].wanted {
            wanted.format = format;
        }
        let rate = video.frame_rate;
        if let Some(mut stream) = self.outputs[file].muxer.stream_mut(position) {
            stream.set_sample_aspect_ratio(aspect);
            stream.set_average_frame_rate(rate);
        }
        video.key_frames.prepare(time_base, &self.outputs[file].muxer.chapters())?;
        Ok(time_base)
    }

    fn configure_audio(
        &mut self,
        file: usize,
        position: usize,
        encoding: &mut Encoding,
        configuration: &mut Configuration,
    ) -> Result<Rational, AvError> {
        let invalid = AvError::from_errno(libc::EINVAL);
        let (graph, output) = encoding.graph.ok_or(invalid)?;
        let graph = &self.graphs[graph];
        let running = graph.running.as_ref().ok_or(invalid)?;
        let (graph_now, sink) = (&running.graph, running.sinks[output]);
        let source = self.outputs[file].streams[position].source;
        let input = source.map(|source| &self.sources[source.file].streams[source.stream]);
        let format = graph_now.sample_format(sink).ok_or(invalid)?;
        let rate = graph_now.sample_rate(sink);
        configuration.set_sound(format, rate, &graph_now.channel_layout(sink))?;
        if encoding.bits_per_raw_sample != 0 {
            configuration.set_bits_per_raw_sample(encoding.bits_per_raw_sample);
        } else if let Some(input) = input
            && graph.is_metadata_only
        {
            configuration.set_bits_per_raw_sample(input.decoded_bits.min(SampleFormat::bytes(format) * 8));
        }
        let own_base = input.map(|input| input.input.facts.time_base);
        Ok(encoder_time_base(encoding.time_base, own_base, Rational::new(1, rate)))
    }

    fn configure_subtitle(
        &mut self,
        file: usize,
        position: usize,
        encoding: &Encoding,
        configuration: &mut Configuration,
    ) -> Result<(), Error> {
        let Some(source) = self.outputs[file].streams[position].source else { return Ok(()) };
        let stream = &self.sources[source.file].streams[source.stream];
        let (width, height) = encoding.subtitle_size.unwrap_or_else(|| stream.input.parameters.dimensions());
        configuration.set_picture(width, height, None);
        if let Some(header) = stream.decoding.as_ref().and_then(|decoding| decoding.decoder.subtitle_header()) {
            configuration.set_subtitle_header(header).map_err(|error| error.about("subtitle header"))?;
        }
        let kind =
            |codec: crate::libav::codec::CodecId| codec.subtitle_kind().map_or((false, false), |kind| (kind.text, kind.bitmap));
        let from = stream.decoding.as_ref().map_or((false, false), |decoding| kind(decoding.decoder.codec().id()));
        let to = kind(encoding.codec.id());
        if from != (false, false) && to != (false, false) && from != to {
            let text = "Subtitle encoding currently only possible from text to text or bitmap to bitmap";
            return Err(Error::new(Kind::Usage, text));
        }
        Ok(())
    }

    /// Tells the muxer what will come: parameters, side data of encoder and source, hints.
    fn describe(&mut self, file: usize, position: usize, encoder: &Encoder) -> Result<(), AvError> {
        let source = self.outputs[file].streams[position].source;
        let input = source.map(|source| &self.sources[source.file].streams[source.stream].input);
        let Some(mut stream) = self.outputs[file].muxer.stream_mut(position) else { return Ok(()) };
        stream.set_parameters(&encoder.parameters()?)?;
        for side_data in encoder.side_data() {
            stream.add_side_data(&side_data)?;
        }
        for side_data in input.iter().flat_map(|input| &input.side_data) {
            let turned = side_data.is_display_matrix() && input.is_some_and(|input| input.decoding.autorotate);
            if turned {
                stream.add_side_data(&side_data.upright())?;
            } else if !side_data.is_buffer_properties() {
                stream.add_side_data(side_data)?;
            }
        }
        if !stream.time_base().is_positive() {
            stream.set_time_base(encoder.time_base().reduced());
        }
        if let Some(input) = input
            && stream.duration().is_none_or(|duration| duration <= 0)
            && let Some(duration) = input.duration.filter(|duration| *duration > 0)
        {
            let base = stream.time_base();
            stream.set_duration(rescale(duration, input.facts.time_base, base));
        }
        Ok(())
    }
}

/// `-enc_time_base`, or what suits the stream (`init_encoder_time_base`).
fn encoder_time_base(wanted: Option<Rational>, source: Option<Rational>, usual: Rational) -> Rational {
    match (wanted, source) {
        (Some(base), _) if base.num > 0 => base,
        (Some(base), Some(source)) if base.num < 0 => source,
        (Some(base), None) if base.num < 0 => {
            log::write(level::WARNING, "Input stream data not available, using default time base\n");
            usual
        }
        _ => usual,
    }
}
