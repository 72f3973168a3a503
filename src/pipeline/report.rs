//! Gathers what a moment of a running job looks like: `print_report` of ffmpeg 5.1, up to the numbers.

use std::time::Duration;

use crate::libav::codec::MediaType;
use crate::libav::frame::PictureType;
use crate::libav::rational::{MICROSECONDS, rescale};

use super::encode::psnr;
use super::plan::Micros;
use super::progress::{Progress, Psnr, VideoProgress};
use super::scheduler::Job;

/// The moment, `elapsed` after the first packet was asked for.
pub fn progress(job: &mut Job<'_>, elapsed: Duration, last: bool) -> Progress {
    let mut out_time = None;
    let mut video = Vec::new();
    let mut dropped = job.counts.dropped;
    for (file, output) in job.outputs.iter().enumerate() {
        for (position, stream) in output.streams.iter().enumerate() {
            let own = stream.encoding.as_ref().and_then(|encoding| Some((encoding, encoding.video.as_ref()?)));
            if stream.media_type == MediaType::Video {
                let mut progress = VideoProgress::new(file, position, stream.frames);
                if let Some((encoding, own)) = own {
                    progress.quality = own.stats.quantizer();
                    let (width, height) = encoding.facts.size;
                    let told = last || own.stats.picture_type != PictureType::NONE;
                    if encoding.facts.tells_psnr && told {
                        let pixels = f64::from(width) * f64::from(height) * 255.0 * 255.0;
                        progress.psnr = Some(match last {
                            true => quality(own.stats.total_errors.map(|error| error as f64), pixels * stream.frames as f64),
                            false => quality(own.stats.errors.map(|error| error as f64), pixels),
                        });
                    }
                }
                if job.control.live.qp_histogram() && video.is_empty() {
                    let quantizer = progress.quality.round_ties_even();
                    if (0.0..52.0).contains(&quantizer) {
                        job.quantizers[quantizer as usize] += 1;
                    }
                    let digits = job.quantizers[..32].iter().map(|count| format!("{:X}", (count + 1).ilog2()));
                    progress.histogram = Some(digits.collect());
                }
                video.push(progress);
            }
            if last && own.is_some_and(|(_, video)| video.pacer.last_dropped) {
                dropped += 1;
            }
            let Some(end) = output.muxer.end_pts(position) else { continue };
            let end = rescale(end, stream.time_base, MICROSECONDS);
            let mut latest = out_time.map_or(end, |time: Micros| time.max(end));
            if job.global.copy_ts {
                latest -= *job.copy_ts_origin.get_or_insert(latest);
            }
            out_time = Some(latest);
        }
    }
    let size = job.outputs.first().and_then(|output| output.muxer.size());
    Progress { elapsed, video, size, out_time, duplicated: job.counts.duplicated, dropped }
}

/// The PSNR of the three components, the second and third of which have a quarter of the first one's pixels, and of all.
fn quality(errors: [f64; 3], pixels: f64) -> Psnr {
    let scales = [pixels, pixels / 4.0, pixels / 4.0];
    let component = |index: usize| psnr(errors[index] / scales[index]);
    let all = psnr(errors.iter().sum::<f64>() / scales.iter().sum::<f64>());
    Psnr { components: [component(0), component(1), component(2)], all }
}
