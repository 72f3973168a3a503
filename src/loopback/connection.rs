//! One connection of libavformat: its requests, one after another, and the answers as they come from above.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::net::Download;
use crate::net::retry::Purpose;

use super::Shared;
use super::head::{self, Answer, Head};
use super::upstream::Trial;

/// Who asks for nothing for so long is left.
const IDLE: Duration = Duration::from_secs(60);

/// Answers what comes on `stream` until either side ends it.
pub(super) async fn serve(shared: Arc<Shared>, stream: TcpStream) {
    // What is written goes out at once; that it does not is no reason to refuse.
    let _ = stream.set_nodelay(true);
    let (mut reader, mut writer) = stream.into_split();
    let mut buffer = Vec::new();
    loop {
        let Ok(Some(head)) = tokio::time::timeout(IDLE, next(&mut reader, &mut buffer)).await else { return };
        let answered = tokio::select! {
            answered = answer(&shared, &head, &mut writer) => answered,
            () = gone(&mut reader, &mut buffer) => return,
        };
        if !matches!(answered, Ok(true)) {
            return;
        }
    }
}

/// The next request; `None` if there is none, or what came is none.
async fn next(reader: &mut OwnedReadHalf, buffer: &mut Vec<u8>) -> Option<Head> {
    loop {
        if let Some((head, length)) = head::parse(buffer).ok()? {
            buffer.drain(..length);
            return Some(head);
        }
        if reader.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

/// Completes when the other side has ended the connection: nobody waits for an answer any more.
async fn gone(reader: &mut OwnedReadHalf, buffer: &mut Vec<u8>) {
    while buffer.len() < head::LONGEST {
        if !matches!(reader.read_buf(buffer).await, Ok(1..)) {
            return;
        }
    }
    std::future::pending().await
}

/// Writes the answer to one request; true if the connection can take another.
async fn answer(shared: &Shared, head: &Head, writer: &mut OwnedWriteHalf) -> io::Result<bool> {
    let url = Some(&head.target).filter(|_| head.host == shared.address.host()).and_then(|target| shared.address.target(target));
    let Some(url) = url else { return refuse(404, writer).await };
    if url == shared.entry { send_manifest(shared, head, writer).await } else { send_segment(shared, &url, head, writer).await }
}

async fn send_manifest(shared: &Shared, head: &Head, writer: &mut OwnedWriteHalf) -> io::Result<bool> {
    match shared.manifest().await {
        Ok(text) => {
            let answer = Answer::new(200).field("Content-Type", "application/dash+xml").field("Content-Length", text.len());
            writer.write_all(answer.end(head.keeps).as_bytes()).await?;
            if !head.bodiless {
                writer.write_all(text.as_bytes()).await?;
            }
            Ok(head.keeps)
        }
        Err(error) => {
            let status = error.http_status().filter(|status| *status >= 400).unwrap_or(502);
            shared.verdict.fail(error);
            refuse(status, writer).await
        }
    }
}

async fn send_segment(shared: &Shared, url: &str, head: &Head, writer: &mut OwnedWriteHalf) -> io::Result<bool> {
    let Some((mut asked, patience)) = shared.look_up(url).await else { return refuse(404, writer).await };
    let (start, end) = head.range.unwrap_or((0, None));
    let mut download = shared.download(&asked, start, end);
    let mut trial = Trial::new(shared, Purpose::Segment, patience);
    while let Err(failure) = download.connect().await {
        if trial.renew(&failure, url, &mut asked, &mut download).await {
            continue;
        }
        if shared.comes_no_more(&failure).await || !trial.again(&failure).await {
            let status = shared.fail(&asked, failure).await;
            return refuse(status, writer).await;
        }
    }
    shared.deliver(&asked);
    let size = download.size();
    let keeps = head.keeps;
    writer.write_all(describe(&download, start, head).end(keeps).as_bytes()).await?;
    if head.bodiless {
        return Ok(keeps);
    }
    loop {
        match download.next().await {
            Ok(Some(bytes)) => {
                trial.succeed();
                if size.is_none() {
                    writer.write_all(format!("{:x}\r\n", bytes.len()).as_bytes()).await?;
                }
                writer.write_all(&bytes).await?;
                if size.is_none() {
                    writer.write_all(b"\r\n").await?;
                }
            }
            Ok(None) => break,
            Err(failure) => {
                if !trial.renew(&failure, url, &mut asked, &mut download).await && !trial.again(&failure).await {
                    shared.fail(&asked, failure).await;
                    // The connection ends in mid-body, as the one above did.
                    return Ok(false);
                }
            }
        }
    }
    if size.is_none() {
        writer.write_all(b"0\r\n\r\n").await?;
    }
    Ok(keeps)
}

/// The head of the answer that `download` has got. A server without ranges is none here either, but what is asked for from
/// some byte on comes from there.
fn describe(download: &Download, start: u64, head: &Head) -> Answer {
    let partial = head.range.is_some() && (download.has_ranges() || start > 0);
    let mut answer = Answer::new(if partial { 206 } else { 200 });
    if let Some(size) = download.size() {
        if partial {
            // http.c takes `*` for 0.
            let length = download.length().map_or_else(String::new, |length| format!("/{length}"));
            answer = answer.field("Content-Range", format!("bytes {start}-{}{length}", (start + size).saturating_sub(1)));
        }
        answer = answer.field("Content-Length", size);
    } else {
        if partial {
            answer = answer.field("Content-Range", format!("bytes {start}-"));
        }
        answer = answer.field("Transfer-Encoding", "chunked");
    }
    if download.has_ranges() {
        answer = answer.field("Accept-Ranges", "bytes");
    }
    match download.content_type() {
        Some(content_type) => answer.field("Content-Type", content_type),
        None => answer,
    }
}

async fn refuse(status: u16, writer: &mut OwnedWriteHalf) -> io::Result<bool> {
    let answer = Answer::new(status).field("Content-Length", 0).end(false);
    writer.write_all(answer.as_bytes()).await?;
    Ok(false)
}
