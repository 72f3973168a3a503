//! How far a job is: the numbers of ffmpeg's statistics line and of its `-progress` blocks, and both texts.

use std::fmt::Write;
use std::time::Duration;

use super::plan::Micros;

/// A moment of a running job.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// Since the first packet was asked for.
    pub elapsed: Duration,
    /// The video streams of all outputs, in order.
    pub video: Vec<VideoProgress>,
    /// Bytes of the first output; `None` where its format opens its files itself.
    pub size: Option<u64>,
    /// The latest end of all output streams; `None` before the first packet.
    pub out_time: Option<Micros>,
    /// Pictures that were repeated for a constant frame rate.
    pub duplicated: u64,
    /// Pictures that were left out.
    pub dropped: u64,
}

/// One video stream of an output.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct VideoProgress {
    /// Output.
    pub file: usize,
    /// Stream of that output.
    pub stream: usize,
    /// Pictures so far.
    pub frames: i64,
    /// The quantizer of the last one; -1 = nobody tells.
    pub quality: f32,
    /// How far the pictures are from their source, with `-psnr`.
    pub psnr: Option<Psnr>,
    /// `-qphist`: a digit for each quantizer.
    pub histogram: Option<String>,
}

/// See [`VideoProgress::psnr`]; in decibels.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Psnr {
    /// Of luma and the two of chroma.
    pub components: [f64; 3],
    /// Of all.
    pub all: f64,
}

impl VideoProgress {
    /// Of a stream that nobody tells anything of.
    pub fn new(file: usize, stream: usize, frames: i64) -> Self {
        Self { file, stream, frames, quality: -1.0, psnr: None, histogram: None }
    }
}

impl Progress {
    /// Frames of the first video stream per second.
    pub fn fps(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        match self.video.first() {
            Some(video) if seconds > 1.0 => video.frames as f64 / seconds,
            _ => 0.0,
        }
    }

    /// In kbit/s.
    pub fn bit_rate(&self) -> Option<f64> {
        let time = self.out_time.filter(|time| *time != 0)?;
        Some(self.size? as f64 * 8.0 / (time as f64 / 1000.0)).filter(|rate| *rate >= 0.0)
    }

    /// Media time per time.
    pub fn speed(&self) -> Option<f64> {
        let seconds = self.elapsed.as_secs_f64();
        let time = self.out_time? as f64 / 1e6;
        (seconds > 0.0).then(|| time / seconds).filter(|speed| *speed >= 0.0)
    }

    /// The line that ffmpeg writes to standard error, with `\r` at its end, or `\n` if it is the `last`.
    pub fn line(&self, last: bool) -> String {
        let mut line = String::new();
        // Writing to a String cannot fail.
        for (index, video) in self.video.iter().enumerate() {
            if index == 0 {
                let fps = self.fps();
                let decimals = usize::from(fps < 9.95);
                let _ = write!(line, "frame={:5} fps={fps:3.decimals$} q={:3.1} ", video.frames, video.quality);
                line.push_str(if last { "L" } else { "" });
                line.push_str(video.histogram.as_deref().unwrap_or_default());
                if let Some(psnr) = &video.psnr {
                    let [y, u, v] = psnr.components;
                    let _ = write!(line, "PSNR=Y:{y:2.2} U:{u:2.2} V:{v:2.2} *:{:2.2} ", psnr.all);
                }
            } else {
                let _ = write!(line, "q={:2.1} ", video.quality);
            }
        }
        let _ = match self.size {
            Some(size) => write!(line, "size={:8.0}kB time=", size as f64 / 1024.0),
            None => write!(line, "size=N/A time="),
        };
        let _ = match self.out_time {
            Some(time) => write!(line, "{} ", clock(time, 2)),
            None => write!(line, "N/A "),
        };
        let _ = match self.bit_rate() {
            Some(rate) => write!(line, "bitrate={rate:6.1}kbits/s"),
            None => write!(line, "bitrate=N/A"),
        };
        if self.duplicated != 0 || self.dropped != 0 {
            let _ = write!(line, " dup={} drop={}", self.duplicated, self.dropped);
        }
        let _ = match self.speed() {
            Some(speed) => write!(line, " speed={:>4}x", three_digits(speed)),
            None => write!(line, " speed=N/A"),
        };
        line.push_str("    ");
        line.push(if last { '\n' } else { '\r' });
        line
    }

    /// The block that `-progress` writes.
    pub fn block(&self, last: bool) -> String {
        let mut block = String::new();
        // Writing to a String cannot fail.
        for (index, video) in self.video.iter().enumerate() {
            if index == 0 {
                let _ = writeln!(block, "frame={}\nfps={:.2}", video.frames, self.fps());
            }
            let place = format!("stream_{}_{}", video.file, video.stream);
            let _ = writeln!(block, "{place}_q={:.1}", video.quality);
            if let Some(psnr) = video.psnr.filter(|_| index == 0) {
                let [y, u, v] = psnr.components;
                let _ = write!(block, "{place}_psnr_y={y:2.2}\n{place}_psnr_u={u:2.2}\n{place}_psnr_v={v:2.2}\n");
                let _ = writeln!(block, "{place}_psnr_all={:2.2}", psnr.all);
            }
        }
        let _ = match self.bit_rate() {
            Some(rate) => writeln!(block, "bitrate={rate:6.1}kbits/s"),
            None => writeln!(block, "bitrate=N/A"),
        };
        let _ = match self.size {
            Some(size) => writeln!(block, "total_size={size}"),
            None => writeln!(block, "total_size=N/A"),
        };
        // Microseconds under both names: ffmpeg's out_time_ms has always been that.
        let _ = match self.out_time {
            Some(time) => writeln!(block, "out_time_us={time}\nout_time_ms={time}\nout_time={}", clock(time, 6)),
            None => writeln!(block, "out_time_us=N/A\nout_time_ms=N/A\nout_time=N/A"),
        };
        let _ = write!(block, "dup_frames={}\ndrop_frames={}\n", self.duplicated, self.dropped);
        let _ = match self.speed() {
            Some(speed) => writeln!(block, "speed={:>4}x", three_digits(speed)),
            None => writeln!(block, "speed=N/A"),
        };
        let _ = writeln!(block, "progress={}", if last { "end" } else { "continue" });
        block
    }
}

/// `HH:MM:SS.` and `decimals` decimals, cut off.
fn clock(time: Micros, decimals: u32) -> String {
    let (sign, time) = (if time < 0 { "-" } else { "" }, time.unsigned_abs());
    let (seconds, fraction) = (time / 1_000_000, time % 1_000_000 / 10_u64.pow(6 - decimals));
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{sign}{hours:02}:{minutes:02}:{seconds:02}.{fraction:0width$}", width = decimals as usize)
}

/// C's `%.3g`.
fn three_digits(value: f64) -> String {
    let scientific = format!("{value:.2e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trim = |number: &str| match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => number.to_owned(),
    };
    if (-4..3).contains(&exponent) {
        trim(&format!("{value:.*}", usize::try_from(2 - exponent).unwrap_or(0)))
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{}e{sign}{:02}", trim(mantissa), exponent.abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Progress {
        Progress {
            elapsed: Duration::from_secs(2),
            video: vec![VideoProgress::new(0, 0, 250)],
            size: Some(137_625),
            out_time: Some(9_960_000),
            ..Progress::default()
        }
    }

    #[test]
    fn the_line_is_ffmpegs() {
        assert_eq!(
            sample().line(true),
            "frame=  250 fps=125 q=-1.0 Lsize=     134kB time=00:00:09.96 bitrate= 110.5kbits/s speed=4.98x    \n"
        );
        let nothing = Progress { elapsed: Duration::ZERO, ..Progress::default() };
        assert_eq!(nothing.line(false), "size=N/A time=N/A bitrate=N/A speed=N/A    \r");
    }

    #[test]
    fn encoders_tell_more() {
        let psnr = Psnr { components: [40.0, 41.5, 42.25], all: 40.5 };
        let video = VideoProgress { quality: 23.04, psnr: Some(psnr), ..VideoProgress::new(0, 0, 250) };
        let second = VideoProgress { quality: 5.0, ..VideoProgress::new(0, 1, 250) };
        let progress = Progress { video: vec![video, second], duplicated: 2, dropped: 1, ..sample() };
        assert_eq!(
            progress.line(false),
            "frame=  250 fps=125 q=23.0 PSNR=Y:40.00 U:41.50 V:42.25 *:40.50 q=5.0 size=     134kB time=00:00:09.96 \
             bitrate= 110.5kbits/s dup=2 drop=1 speed=4.98x    \r"
        );
        let block = progress.block(true);
        assert!(block.contains("stream_0_0_psnr_all=40.50\nstream_0_1_q=5.0\n"), "{block}");
        assert!(block.contains("dup_frames=2\ndrop_frames=1\n"), "{block}");
    }

    #[test]
    fn the_block_is_ffmpegs() {
        assert_eq!(
            sample().block(false),
            "frame=250\nfps=125.00\nstream_0_0_q=-1.0\nbitrate= 110.5kbits/s\ntotal_size=137625\nout_time_us=9960000\n\
             out_time_ms=9960000\nout_time=00:00:09.960000\ndup_frames=0\ndrop_frames=0\nspeed=4.98x\nprogress=continue\n"
        );
    }

    #[test]
    fn speeds_have_three_digits() {
        for (value, text) in [(1.0, "1"), (0.5, "0.5"), (12.34, "12.3"), (1234.0, "1.23e+03"), (0.999_96, "1"), (0.0, "0")] {
            assert_eq!(three_digits(value), text);
        }
    }
}
