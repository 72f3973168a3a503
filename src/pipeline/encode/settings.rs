//! What the options say of a stream that is to be encoded: `new_output_stream`, `new_video_stream`, `new_audio_stream` and
//! `new_subtitle_stream` of ffmpeg 5.1.

use std::fs::{self, File};

use crate::env::Env;
use crate::error::{Error, Kind};
use crate::libav::codec::{Codec, MediaType};
use crate::libav::encoder::{Configuration, QP_TO_LAMBDA, RateOverride};
use crate::libav::frame::{ChannelLayout, Frame, PixelFormat, SampleFormat, parse_size};
use crate::libav::log::{self, level};
use crate::libav::muxer::Muxer;
use crate::libav::option::{Dictionary, Lookup};
use crate::libav::rational::Rational;
use crate::libav::stream::Stream;
use crate::pipeline::demux::Input;
use crate::pipeline::filter::{Wanted, WantedAudio, WantedVideo};
use crate::pipeline::plan::{self, Global, PerStream};
use crate::pipeline::select::Source;
use crate::pipeline::specifier;
use crate::pipeline::sync::{Method, Pacer};

use super::graph::{filters, fps_method, pan, scaler_options};
use super::{Encoding, Facts, KeyFrames, Video, VideoStats};

/// Where a stream that is to be encoded stands.
pub struct Context<'a> {
    /// The options of its output.
    pub plan: &'a plan::Output,
    /// The options of the job.
    pub global: &'a Global,
    /// Its output.
    pub muxer: &'a Muxer,
    /// The stream in that output.
    pub stream: Stream<'a>,
    /// The position of that output.
    pub file: usize,
    /// How many streams stand before it in all outputs.
    pub number: usize,
    /// The input stream that it comes from, where there is just one.
    pub source: Option<Source>,
    /// The inputs.
    pub inputs: &'a [Input],
}

/// An error in what the user typed.
pub fn usage(text: String) -> Error {
    Error::new(Kind::Usage, text)
}

impl<'a> Context<'a> {
    /// The value of an option for the stream; `names` are the option's, for the warning that others lose.
    ///
    /// # Errors
    /// Something is no stream specifier.
    pub fn value<T: std::fmt::Display>(&self, names: &[&str], values: &'a PerStream<T>) -> Result<Option<&'a T>, Error> {
        specifier::value(names, values, self.muxer, self.stream)
    }

    /// As `#0:1`.
    pub fn name(&self) -> String {
        format!("#{}:{}", self.file, self.stream.index())
    }
}

impl Encoding {
    /// The encoding of a stream with `codec`, whose AVOptions are `options`. Returns what its filtergraph has to give, and the
    /// description of that graph if it is to be a simple one.
    ///
    /// # Errors
    /// A value cannot be read, or a file that it names.
    pub fn new(context: &Context<'_>, codec: Codec, mut options: Dictionary) -> Result<(Self, Wanted, String), Error> {
        let Context { plan, muxer, .. } = *context;
        let mut configuration = Configuration::new(codec);
        if let Some(preset) = context.value(&["pre"], &plan.preset)? {
            read_preset(preset, codec, &mut options, context)?;
        }
        if plan.bitexact {
            configuration.set_bitexact();
        }
        // Without -enc_time_base the encoder takes what -time_base names for the muxer: so does ffmpeg 5.1 (new_output_stream).
        let own_base = context.value(&["enc_time_base"], &plan.encoder_time_base)?;
        let time_base = match own_base.map_or_else(|| context.value(&["time_base"], &plan.time_base), |base| Ok(Some(base)))? {
            Some(text) => {
                let base = Rational::parse_ratio(text, i32::MAX).ok().filter(|base| base.den > 0);
                Some(base.ok_or_else(|| usage(format!("Invalid time base: {text}")))?)
            }
            None => None,
        };
        if let Some(tag) = context.value(&["tag", "atag", "vtag", "stag"], &plan.tag)? {
            configuration.set_codec_tag(crate::pipeline::mux::codec_tag(tag));
        }
        let quality = context.value(&["q", "qscale"], &plan.quality)?.copied().unwrap_or(-1.0);
        if quality >= 0.0 {
            configuration.set_global_quality((QP_TO_LAMBDA * quality) as i32);
        }
        let bits = context.value(&["bits_per_raw_sample"], &plan.bits_per_raw_sample)?.copied();
        if muxer.format().wants_global_header() {
            configuration.set_global_header();
        }
        let mut encoding = Self {
            codec,
            graph: None,
            options,
            configuration: None,
            worker: None,
            facts: Facts::default(),
            next: 0,
            frames: 0,
            samples: 0,
            packets: 0,
            video: None,
            bits_per_raw_sample: bits.unwrap_or(0),
            time_base,
            pass_log: None,
            subtitle_size: None,
        };
        let (wanted, description) = match context.stream.media_type() {
            MediaType::Video => encoding.video(context, &mut configuration)?,
            MediaType::Audio => encoding.audio(context)?,
            _ => {
                encoding.subtitle_size = size(context)?;
                (Wanted::Nothing, String::new())
            }
        };
        encoding.configuration = Some(configuration);
        Ok((encoding, wanted, description))
    }

    fn video<'a>(&mut self, context: &Context<'a>, configuration: &mut Configuration) -> Result<(Wanted, String), Error> {
        let Context { plan, global, .. } = *context;
        let rate = |names: &[&str], values: &'a PerStream<String>, what: &str| -> Result<Option<Rational>, Error> {
            let Some(text) = context.value(names, values)? else { return Ok(None) };
            Rational::parse_rate(text).map(Some).map_err(|_| usage(format!("Invalid {what} value: {text}")))
        };
        let frame_rate = rate(&["r"], &plan.frame_rate, "framerate")?;
        let max_rate = rate(&["fpsmax"], &plan.frame_rate_max, "maximum framerate")?;
        if frame_rate.is_some() && max_rate.is_some() {
            return Err(usage("Only one of -fpsmax and -r can be set for a stream.".to_owned()));
        }
        let vsync = match &global.fps_mode {
            Some(text) => Method::parse_number(text).ok_or_else(|| usage(format!("Invalid value {text} specified for vsync")))?,
            None => None,
        };
        if (frame_rate.is_some() || max_rate.is_some()) && vsync == Some(Method::Passthrough) {
            let text = "Using -vsync passthrough and -r/-fpsmax can produce invalid output files\n";
            log::write(level::ERROR, text);
        }
        let aspect = match context.value(&["aspect"], &plan.aspect)? {
            Some(text) => {
                let aspect = Rational::parse_ratio(text, 255).ok().filter(|aspect| aspect.is_positive());
                Some(aspect.ok_or_else(|| usage(format!("Invalid aspect ratio: {text}")))?)
            }
            None => None,
        };
        let size = size(context)?;
        let mut text = context.value(&["pix_fmt"], &plan.pixel_format)?.map(String::as_str);
        let keep_format = text.is_some_and(|text| text.starts_with('+'));
        text = text.map(|text| text.strip_prefix('+').unwrap_or(text)).filter(|text| !(keep_format && text.is_empty()));
        let format = match text {
            Some(name) => {
                let format = PixelFormat::by_name(name);
                Some(format.ok_or_else(|| usage(format!("Unknown pixel format requested: {name}.")))?)
            }
            None => None,
        };
        let failed = |error: crate::libav::error::AvError| error.about("encoder settings");
        if let Some(matrix) = matrix(context, "intra_matrix", &plan.intra_matrix)? {
            configuration.set_intra_matrix(&matrix).map_err(failed)?;
        }
        if let Some(matrix) = matrix(context, "chroma_intra_matrix", &plan.chroma_intra_matrix)? {
            configuration.set_chroma_intra_matrix(&matrix).map_err(failed)?;
        }
        if let Some(matrix) = matrix(context, "inter_matrix", &plan.inter_matrix)? {
            configuration.set_inter_matrix(&matrix).map_err(failed)?;
        }
        if let Some(text) = context.value(&["rc_override"], &plan.rc_override)? {
            configuration.set_rate_overrides(&overrides(text)?).map_err(failed)?;
        }
        if global.psnr {
            configuration.set_psnr();
        }
        self.two_passes(context, configuration)?;
        let force_rate = context.value(&["force_fps"], &plan.force_frame_rate)?.copied().unwrap_or(false);
        let top_field_first = context.value(&["top"], &plan.top_field_first)?.copied().unwrap_or(-1);
        let method = fps_method(context, vsync)?;
        let (description, has_filters) = filters(context, "null")?;
        let compliant = self.options.get("strict").and_then(|text| Lookup.codec_value("strict", 0, &text)).unwrap_or(0) > -1;
        let autoscale = context.value(&["autoscale"], &plan.autoscale)?.copied().unwrap_or(true);
        self.video = Some(Box::new(Video {
            frame_rate: frame_rate.unwrap_or_default(),
            max_rate,
            force_rate,
            pacer: Pacer::new(method, global.frame_drop_threshold),
            last: Frame::new(),
            key_frames: KeyFrames::new(context.value(&["force_key_frames"], &plan.force_key_frames)?.cloned()),
            top_field_first,
            aspect,
            has_filters,
            stats: VideoStats::default(),
        }));
        let wanted = WantedVideo {
            size: size.unwrap_or_default(),
            autoscale,
            scaler: scaler_options(plan).pairs().iter().map(|(key, value)| format!(":{key}={value}")).collect(),
            format,
            keep_format,
            codec: self.codec,
            compliant,
        };
        Ok((Wanted::Video(Box::new(wanted)), description))
    }

    /// `-pass` and `-passlogfile`.
    fn two_passes(&mut self, context: &Context<'_>, configuration: &mut Configuration) -> Result<(), Error> {
        let pass = context.value(&["pass"], &context.plan.pass)?.copied().unwrap_or(0);
        let prefix = context.value(&["passlogfile"], &context.plan.pass_log)?;
        let failed = |error: crate::libav::error::AvError| error.about("-pass");
        for (bit, flag) in [(1, "+pass1"), (2, "+pass2")] {
            if pass & bit != 0 {
                let flags = self.options.get("flags").unwrap_or_default() + flag;
                self.options.set("flags", &flags).map_err(failed)?;
            }
        }
        if pass == 0 {
            return Ok(());
        }
        let path = format!("{}-{}.log", prefix.map_or("ffmpeg2pass", String::as_str), context.number);
        // Flags and options of the encoder are the same thing to libavcodec; both are set, as ffmpeg sets both.
        if pass & 1 != 0 {
            configuration.set_first_pass();
        }
        if self.codec.name() == "libx264" {
            if pass & 2 != 0 {
                configuration.set_second_pass_flag();
            }
            return self.options.set_default("stats", &path).map_err(failed);
        }
        if pass & 2 != 0 {
            let statistics = fs::read_to_string(&path).map_err(|error| {
                let text = format!("Error reading log file '{path}' for pass-2 encoding");
                Error::new(Kind::File, text).with_hint("run the same line with -pass 1 first").with_source(error)
            })?;
            configuration.set_second_pass(&statistics).map_err(failed)?;
        }
        if pass & 1 != 0 {
            let file = File::create(&path).map_err(|error| {
                Error::new(Kind::File, format!("Cannot write log file '{path}' for pass-1 encoding: {error}"))
            })?;
            self.pass_log = Some(file);
        }
        Ok(())
    }

    fn audio(&mut self, context: &Context<'_>) -> Result<(Wanted, String), Error> {
        let Context { plan, .. } = *context;
        let mut layout = match context.value(&["ac"], &plan.channels)?.copied().unwrap_or(0) {
            0 => None,
            channels => ChannelLayout::parse(&format!("{channels}c")).ok(),
        };
        if let Some(text) = context.value(&["channel_layout", "ch_layout"], &plan.channel_layout)? {
            layout = Some(ChannelLayout::parse(text).map_err(|_| usage(format!("Unknown channel layout: {text}")))?);
        }
        let format = match context.value(&["sample_fmt"], &plan.sample_format)? {
            Some(name) => Some(SampleFormat::by_name(name).ok_or_else(|| usage(format!("Invalid sample format '{name}'")))?),
            None => None,
        };
        let rate = context.value(&["ar"], &plan.sample_rate)?.copied().filter(|rate| *rate != 0);
        let pad = context.value(&["apad"], &plan.audio_pad)?.cloned();
        let (description, _) = filters(context, "anull")?;
        let layouts = match layout {
            Some(layout) if layout.is_unordered() => {
                let offered = self.codec.channel_layouts().unwrap_or_default();
                let fitting = offered.into_iter().find(|offered| offered.channels() == layout.channels());
                Some(vec![fitting.unwrap_or_else(|| ChannelLayout::default_for(layout.channels()))])
            }
            Some(layout) => Some(vec![layout]),
            None => self.codec.channel_layouts(),
        };
        let wanted = WantedAudio {
            formats: format.map(|format| vec![format]).or_else(|| self.codec.sample_formats()),
            rates: rate.map(|rate| vec![rate]).or_else(|| self.codec.sample_rates()),
            layouts,
            pan: pan(context)?,
            pad,
        };
        Ok((Wanted::Audio(Box::new(wanted)), description))
    }
}

fn size(context: &Context<'_>) -> Result<Option<(i32, i32)>, Error> {
    let text = context.value(&["s"], &context.plan.size)?;
    text.map(|text| parse_size(text).map_err(|_| usage(format!("Invalid frame size: {text}.")))).transpose()
}

/// 64 numbers with commas between them.
fn matrix(context: &Context<'_>, name: &str, values: &PerStream<String>) -> Result<Option<[u16; 64]>, Error> {
    let Some(text) = specifier::value(&[name], values, context.muxer, context.stream)? else { return Ok(None) };
    let mut matrix = [0; 64];
    let mut numbers = text.split(',');
    for (index, to) in matrix.iter_mut().enumerate() {
        let number = numbers.next().ok_or_else(|| usage(format!("Syntax error in matrix \"{text}\" at coeff {}", index - 1)))?;
        let digits: String = number.trim_start().chars().take_while(char::is_ascii_digit).collect();
        *to = digits.parse().unwrap_or(0);
    }
    Ok(Some(matrix))
}

/// `first,last,quantizer/…`; a quantizer that is not positive is a percentage of the quality.
fn overrides(text: &str) -> Result<Vec<RateOverride>, Error> {
    let rule = |rule: &str| {
        let mut numbers = rule.split(',').map(|number| number.trim().parse::<i32>());
        match (numbers.next(), numbers.next(), numbers.next()) {
            (Some(Ok(first)), Some(Ok(last)), Some(Ok(quantizer))) => Ok(match quantizer {
                1.. => RateOverride { first, last, quantizer, factor: 1.0 },
                _ => RateOverride { first, last, quantizer: 0, factor: -quantizer as f32 / 100.0 },
            }),
            _ => Err(usage("error parsing rc_override".to_owned())),
        }
    };
    text.split('/').map(rule).collect()
}

/// `-pre`: options from a file of that name in the usual folders (`get_preset_file_2`).
fn read_preset(preset: &str, codec: Codec, options: &mut Dictionary, context: &Context<'_>) -> Result<(), Error> {
    let env = Env::of_process();
    let folders = [
        env.get("AVCONV_DATADIR").map(str::to_owned),
        env.get("HOME").map(|home| format!("{home}/.avconv")),
        Some("/usr/share/ffmpeg".to_owned()),
    ];
    let names = [format!("{}-{preset}.avpreset", codec.name()), format!("{preset}.avpreset")];
    let paths = folders.iter().flatten().flat_map(|folder| names.iter().map(move |name| format!("{folder}/{name}")));
    let Some(text) = paths.into_iter().find_map(|path| fs::read_to_string(path).ok()) else {
        let (file, stream) = (context.file, context.stream.index());
        return Err(Error::new(
            Kind::File,
            format!("Preset {preset} specified for stream {file}:{stream}, but could not be opened."),
        ));
    };
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (key, value) = line.split_once('=').ok_or_else(|| usage("Invalid line found in the preset file.".to_owned()))?;
        options.set_default(key, value).map_err(|error| error.about(key))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_rules_are_read_as_ffmpeg_reads_them() {
        let rules = overrides("0,10,5/11,20,-50").expect("two rules");
        assert_eq!((rules[0].quantizer, rules[0].factor, rules[1].quantizer, rules[1].factor), (5, 1.0, 0, 0.5));
        assert!(overrides("0,10").is_err() && overrides("a,b,c").is_err());
    }
}
