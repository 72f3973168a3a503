//! Reads a protected input packet by packet and writes it into another container.
//!
//! ```sh
//! cargo run --example remux -- studio https://media.example.com/live.m3u8 out.mkv
//! ```
//!
//! The profile stands in `~/.config/ffauth/config.toml`.
#![allow(clippy::print_stdout, reason = "it is a program")]

use ffauth::{Config, Demuxer, Env, Error, Input, Kind, Muxer, Output, Session};

fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [profile, url, file] = &arguments[..] else {
        return Err(Error::new(Kind::Usage, "three arguments are wanted: PROFILE URL FILE"));
    };
    let env = Env::of_process();
    let session = Session::new(Config::load(None, &env)?, env);

    let mut demuxer = Demuxer::open(&session, Input::new(url).auth(profile))?;
    for stream in demuxer.streams() {
        println!("stream {}: {:?} {}", stream.index, stream.media_type, stream.codec);
    }
    let mut muxer = Muxer::create(&session, Output::new(file).flag("y"), &demuxer)?;
    while let Some(packet) = demuxer.read()? {
        // Here one may look at it, drop it, move its times.
        muxer.write(packet)?;
    }
    let (read, written) = (demuxer.report(), muxer.finish()?);
    println!("{} packets read with {} changes of token, {} written", read.packets, read.io.token_swaps, written.packets);
    Ok(())
}
