//! What encoders tell of the pictures they coded: quality and PSNR for the statistics line, and the file of `-vstats`.

use std::fs::File;
use std::io::Write;

use crate::error::{Error, Kind};
use crate::libav::encoder::QP_TO_LAMBDA;
use crate::libav::frame::PictureType;
use crate::libav::packet::Packet;
use crate::libav::rational::Rational;

/// What the last packet of a video stream told.
#[derive(Clone, Debug)]
pub struct VideoStats {
    /// In units of lambda; -1 = nothing.
    pub quality: i32,
    /// How the picture was coded.
    pub picture_type: PictureType,
    /// Squared differences of the picture, for the three components; negative = unknown.
    pub errors: [i64; 3],
    /// Their sums over all pictures.
    pub total_errors: [u64; 3],
}

impl Default for VideoStats {
    fn default() -> Self {
        Self { quality: 0, picture_type: PictureType::NONE, errors: [0; 3], total_errors: [0; 3] }
    }
}

impl VideoStats {
    /// Notes what a packet tells (`update_video_stats`).
    pub fn note(&mut self, packet: &Packet) {
        let stats = packet.encoding_stats();
        self.quality = stats.as_ref().map_or(-1, |stats| stats.quality);
        self.picture_type = stats.as_ref().map_or(PictureType::NONE, |stats| stats.picture_type);
        let errors = stats.map(|stats| stats.errors).unwrap_or_default();
        for (to, from) in self.errors.iter_mut().zip(errors.into_iter().map(Some).chain([None; 3])) {
            *to = from.unwrap_or(-1);
        }
    }

    /// The quantizer.
    pub fn quantizer(&self) -> f32 {
        self.quality as f32 / QP_TO_LAMBDA as f32
    }
}

/// The ratio of noise in decibels.
pub fn psnr(ratio: f64) -> f64 {
    -10.0 * ratio.log10()
}

/// The file of `-vstats`.
pub struct StatsFile {
    path: String,
    version: i32,
    file: Option<File>,
}

/// A packet as `-vstats` writes it down.
pub struct Entry<'a> {
    /// Output and its stream.
    pub place: (usize, usize),
    /// Packets of the stream before this one.
    pub number: u64,
    /// What it told.
    pub stats: &'a VideoStats,
    /// Pixels of a picture, if the encoder tells its PSNR.
    pub psnr_pixels: Option<i64>,
    /// Bytes of the packet.
    pub size: usize,
    /// Bytes of the stream before this packet.
    pub total: u64,
    /// Decoding time in seconds.
    pub time: f64,
    /// The encoder's time base.
    pub time_base: Rational,
}

impl StatsFile {
    /// A file that is made with the first entry.
    pub fn new(path: String, version: i32) -> Self {
        Self { path, version, file: None }
    }

    /// Writes a line.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&mut self, entry: &Entry<'_>) -> Result<(), Error> {
        let failed = |error: std::io::Error| Error::new(Kind::File, format!("{}: {error}", self.path));
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(File::create(&self.path).map_err(failed)?),
        };
        let mut line = String::new();
        if self.version > 1 {
            line += &format!("out= {:2} st= {:2} ", entry.place.0, entry.place.1);
        }
        line += &format!("frame= {:5} q= {:2.1} ", entry.number, entry.stats.quantizer());
        if let Some(pixels) = entry.psnr_pixels
            && entry.stats.errors[0] >= 0
        {
            let ratio = entry.stats.errors[0] as f64 / (pixels as f64 * 255.0 * 255.0);
            line += &format!("PSNR= {:6.2} ", psnr(ratio));
        }
        let time = entry.time.max(0.01);
        let rate = (entry.size * 8) as f64 / entry.time_base.as_f64() / 1000.0;
        let average = (entry.total * 8) as f64 / time / 1000.0;
        line += &format!(
            "f_size= {:6} s_size= {:8.0}kB time= {time:.3} br= {rate:7.1}kbits/s avg_br= {average:7.1}kbits/s type= {}\n",
            entry.size,
            entry.total as f64 / 1024.0,
            entry.stats.picture_type.letter()
        );
        file.write_all(line.as_bytes()).map_err(failed)
    }
}
