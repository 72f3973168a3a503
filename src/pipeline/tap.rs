//! A look at the video of a running job: its next key frame, for whoever asks, as a small picture.
//!
//! Nobody asks mostly, so it costs the job one atomic read for each key frame, and nothing else: what is decoded is decoded by whoever
//! asked, on their thread.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Kind};
use crate::libav::codec::{Codec, MediaType, Parameters};
use crate::libav::decoder;
use crate::libav::encoder;
use crate::libav::filter::{Graph, Received, SourceParameters};
use crate::libav::frame::Frame;
use crate::libav::option::Dictionary;
use crate::libav::packet::Packet;
use crate::libav::rational::Rational;

/// Where key frames can be had.
#[derive(Default)]
pub struct Tap {
    wanted: AtomicBool,
    taken: Mutex<Option<KeyFrame>>,
}

/// A packet of video that can be decoded by itself.
pub struct KeyFrame {
    packet: Packet,
    parameters: Parameters,
}

impl Tap {
    /// The next key frame of any video is kept, in place of one that was kept before.
    pub fn want(&self) {
        self.wanted.store(true, Ordering::Relaxed);
    }

    /// The one that was kept.
    pub fn take(&self) -> Option<KeyFrame> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// A packet comes by.
    pub(super) fn pass(&self, packet: &Packet, parameters: &Parameters) {
        let is_wanted = packet.is_key() && self.wanted.load(Ordering::Relaxed);
        if !is_wanted || parameters.media_type() != MediaType::Video {
            return;
        }
        let mut own = Packet::new();
        if let (Ok(()), Ok(parameters)) = (own.reference(packet), parameters.try_clone()) {
            self.wanted.store(false, Ordering::Relaxed);
            *self.taken.lock().unwrap_or_else(PoisonError::into_inner) = Some(KeyFrame { packet: own, parameters });
        }
    }
}

impl KeyFrame {
    /// As JPEG, `width` pixels wide.
    ///
    /// # Errors
    /// [`Kind::Media`]: it cannot be decoded.
    pub fn to_jpeg(&self, width: u32) -> Result<Vec<u8>, Error> {
        let failed = |error: crate::libav::error::AvError| error.about("picture");
        let missing = |what: &str| Error::new(Kind::Media, format!("no picture: {what}"));
        let codec = Codec::decoder(self.parameters.codec()).ok_or_else(|| missing("there is no decoder for this video"))?;
        let configuration = decoder::Configuration::new(codec, &self.parameters).map_err(failed)?;
        let mut decoder = configuration.open(&mut [("threads", "1")].into_iter().collect()).map_err(failed)?;
        let mut frame = Frame::new();
        decoder.send(Some(&self.packet)).map_err(failed)?;
        decoder.send(None).map_err(failed)?;
        if decoder.receive(&mut frame).map_err(failed)? != decoder::Received::Frame {
            return Err(missing("the key frame gives none"));
        }
        let time_base = Rational::new(1, 25);
        let mut graph = Graph::new()?;
        let (inputs, outputs) = graph.parse(&format!("scale={width}:-2:flags=fast_bilinear,format=yuvj420p")).map_err(failed)?;
        let ([input], [output]) = (&inputs[..], &outputs[..]) else { return Err(missing("the scaler has other ends")) };
        let (columns, rows) = frame.dimensions();
        let source = graph
            .add_source(
                "in",
                &SourceParameters::Video {
                    width: columns,
                    height: rows,
                    format: frame.pixel_format().ok_or_else(|| missing("it has no pixel format"))?,
                    time_base,
                    sample_aspect_ratio: frame.sample_aspect_ratio(),
                    frame_rate: time_base.inverse(),
                    hardware_frames: None,
                },
            )
            .map_err(failed)?;
        graph.link((source.filter(), 0), (input.filter, input.pad)).map_err(failed)?;
        let sink = graph.add_sink("out", MediaType::Video).map_err(failed)?;
        graph.link((output.filter, output.pad), (sink.filter(), 0)).map_err(failed)?;
        graph.configure().map_err(failed)?;
        frame.set_pts(Some(0));
        graph.send(source, &mut frame).map_err(failed)?;
        if graph.receive(sink, &mut frame, true).map_err(failed)? != Received::Frame {
            return Err(missing("the scaler gives none"));
        }
        let codec = Codec::encoder_by_name("mjpeg").ok_or_else(|| missing("there is no JPEG encoder"))?;
        let mut configuration = encoder::Configuration::new(codec);
        let (columns, rows) = graph.dimensions(sink);
        configuration.set_picture(columns, rows, graph.pixel_format(sink));
        configuration.set_time_base(time_base);
        let mut options: Dictionary = [("threads", "1"), ("q:v", "6"), ("qmax", "8")].into_iter().collect();
        let mut encoder = configuration.open(&mut options).map_err(failed)?;
        encoder.send(&frame).map_err(failed)?;
        encoder.finish().map_err(failed)?;
        let mut packet = Packet::new();
        match encoder.receive(&mut packet).map_err(failed)? {
            encoder::Received::Packet => Ok(packet.data().to_vec()),
            _ => Err(missing("the JPEG encoder gives none")),
        }
    }
}
