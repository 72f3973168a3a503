//! Decodes a protected live stream into the hands of async code: here, how bright the picture is, once a second.
//!
//! ```sh
//! cargo run --example frames -- studio https://media.example.com/live.m3u8
//! ```
#![allow(clippy::print_stdout, reason = "it is a program")]

use ffauth::{Config, Demuxer, Env, Error, Frame, Input, Kind, MediaType, Session, VideoFrame};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [profile, url] = &arguments[..] else {
        return Err(Error::new(Kind::Usage, "two arguments are wanted: PROFILE URL"));
    };
    let env = Env::of_process();
    let session = Session::new(Config::load(None, &env)?, env);

    // One decoder thread is enough for one picture at a time.
    let input = Input::new(url).auth(profile).option("threads", 1);
    let mut demuxer = Demuxer::open_async(&session, input).await?;
    demuxer.select(|stream| stream.media_type == MediaType::Video);

    let mut frames = demuxer.into_frames()?;
    let mut next_line = f64::MIN;
    let mut pictures = 0_u64;
    while let Some(frame) = frames.next().await {
        let frame = frame?;
        let (Frame::Video(picture), Some(now)) = (&frame, frame.seconds()) else { continue };
        pictures += 1;
        if now >= next_line {
            next_line = now + 1.0;
            println!(
                "{now:8.2} s: {}x{} {}, brightness {:.0}",
                picture.width(),
                picture.height(),
                picture.pixel_format(),
                brightness(picture)
            );
        }
    }
    println!("{pictures} pictures");
    Ok(())
}

/// The mean of the first plane: luma, in the formats of video.
fn brightness(picture: &VideoFrame) -> f64 {
    let (sum, count) = picture.rows(0).flatten().fold((0_u64, 0_u64), |(sum, count), pixel| (sum + u64::from(*pixel), count + 1));
    sum as f64 / count.max(1) as f64
}
