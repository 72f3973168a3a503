//! Recent pictures of the streams' video, made when somebody looks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::clock::{Clock, Now, SystemClock};
use crate::libav::log::{Listener, level};

use super::stream::Stream;

const WIDTH: u32 = 320;
/// A picture that is no older is recent enough.
const FRESH: Duration = Duration::from_secs(8);
/// How long to wait for a key frame where there is no picture at all.
const PATIENCE: Duration = Duration::from_secs(4);
const PERIOD: Duration = Duration::from_millis(100);

/// The newest picture of each stream that somebody looked at.
pub struct Thumbnails {
    newest: Mutex<BTreeMap<String, (Now, Bytes)>>,
    /// Decoding is work: one at a time.
    turn: Semaphore,
}

impl Default for Thumbnails {
    fn default() -> Self {
        Self { newest: Mutex::default(), turn: Semaphore::new(1) }
    }
}

impl Thumbnails {
    /// A recent picture of the stream's video, if it runs and has one.
    pub async fn of(&self, stream: &Arc<Stream>) -> Option<Bytes> {
        let known = self.newest(&stream.id);
        let Some(job) = stream.job() else {
            self.newest.lock().unwrap_or_else(PoisonError::into_inner).remove(&stream.id);
            return None;
        };
        let now = SystemClock.now();
        if let Some((at, picture)) = &known
            && now.since(at) < FRESH
        {
            return Some(picture.clone());
        }
        let key_frame = match job.key_frame() {
            None if known.is_some() => return known.map(|(_, picture)| picture),
            None => {
                let mut waited = Duration::ZERO;
                loop {
                    SystemClock.sleep(PERIOD).await;
                    waited += PERIOD;
                    match job.key_frame() {
                        Some(key_frame) => break key_frame,
                        None if waited > PATIENCE || job.is_finished() => return None,
                        None => {}
                    }
                }
            }
            Some(key_frame) => key_frame,
        };
        let _turn = self.turn.acquire().await.ok()?;
        let decode = move || {
            // What the decoder says about one picture is of no use to anybody.
            let _quiet = Listener::listen(Some(Listener::new(level::QUIET, |_, _| ())));
            key_frame.to_jpeg(WIDTH)
        };
        let picture = spawn_blocking(decode).await.ok()?;
        match picture {
            Ok(picture) => {
                let picture = Bytes::from(picture);
                self.newest.lock().unwrap_or_else(PoisonError::into_inner).insert(stream.id.clone(), (now, picture.clone()));
                Some(picture)
            }
            Err(error) => {
                tracing::debug!(target: "ffauth::serve", stream = stream.id, "{error}");
                None
            }
        }
    }

    fn newest(&self, id: &str) -> Option<(Now, Bytes)> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }
}
