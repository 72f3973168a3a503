//! Records a protected live stream and looks at its pictures, with tokens that it gets on standard input, one a line; ends with
//! the line `stop`.

use std::io::BufRead;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ffauth::{
    Bearer, BoxError, Config, Demuxer, Env, Error, Event, Exit, Frame, HeldToken, Input, Job, Kind, Profile, Session,
};
use tokio::sync::mpsc;

/// The newest token.
#[derive(Clone, Default)]
struct Newest(Arc<Mutex<Option<String>>>);

impl Bearer for Newest {
    fn token(&self) -> Result<HeldToken, BoxError> {
        let token = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(HeldToken::new(token.ok_or("there is no token yet")?))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, file] = &arguments[..] else { return Err(Error::new(Kind::Usage, "URL FILE")) };
    let newest = Newest::default();
    let profile = Profile::builder("held").bearer(newest.clone()).build()?;
    let session = Session::new(Config::new([profile]), Env::default());
    let authenticator = session.authenticator("held")?;
    let mut lines = lines_of_stdin();
    *newest.0.lock().unwrap_or_else(PoisonError::into_inner) = lines.recv().await;

    let record = format!("-live_start_index 0 -auth held -i {url} -c copy -y {file}");
    let running = Job::parse(&record)?.named("record").start(&session)?;
    let mut events = running.events();
    let input = Input::new(url).auth("held").option("live_start_index", 0).option("threads", 1);
    let mut frames = Demuxer::open_async(&session, input).await?.into_frames()?;
    let (mut pictures, mut swaps) = (0_u64, 0_u64);
    loop {
        tokio::select! {
            line = lines.recv() => match line.as_deref() {
                None | Some("stop") => break,
                Some(token) => {
                    *newest.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(token.to_owned());
                    authenticator.renew().await?;
                    println!("renewed");
                }
            },
            Some(frame) = frames.next() => if let Frame::Video(picture) = frame? {
                pictures += 1;
                if pictures == 1 {
                    println!("picture {}x{}", picture.width(), picture.height());
                }
            },
            Some(event) = events.next() => swaps += u64::from(matches!(event, Event::TokenSwapped(_))),
        }
    }
    let began = Instant::now();
    drop(frames);
    running.stop();
    let report = running.wait().await;
    let took = began.elapsed();
    while let Some(event) = events.next().await {
        swaps += u64::from(matches!(event, Event::TokenSwapped(_)));
    }
    drop((running, authenticator, session));
    // What is left is this thread and the one that reads standard input.
    let is_alone = || std::fs::read_dir("/proc/self/task").is_ok_and(|tasks| tasks.count() <= 2);
    while !is_alone() && began.elapsed() < Duration::from_secs(30) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    println!("pictures {pictures}");
    println!("swaps {swaps}");
    println!("packets {}", report.inputs[0].packets);
    println!("stopped {}", report.exit == Exit::Signal && report.error.is_none());
    println!("alone {}", is_alone());
    println!("milliseconds {}", took.as_millis());
    Ok(())
}

fn lines_of_stdin() -> mpsc::UnboundedReceiver<String> {
    let (sender, lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let lines = std::io::stdin().lock().lines().map_while(Result::ok);
        lines.for_each(|line| drop(sender.send(line)));
        // Held until the program ends, so that what it counts at the end is the same each time.
        std::thread::park();
    });
    lines
}
