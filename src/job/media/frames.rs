//! From packets to frames.

use std::borrow::BorrowMut;

use crate::error::Error;
use crate::libav::decoder::{Decoder, Received};
use crate::libav::frame;
use crate::libav::log::{self, level};
use crate::redact;

use super::{Demuxer, Frame, TimeBase};

/// The decoded frames of a [`Demuxer`], in the order in which the decoders give them. Ends after the first failure; damaged
/// packets are none, they are said in the log and left out.
pub struct Frames<D> {
    demuxer: D,
    /// By stream; `None` for those that are not decoded, or not any more.
    decoders: Vec<Option<(Decoder, TimeBase)>>,
    /// The stream whose decoder may have another frame.
    open: Option<usize>,
    at_end: bool,
}

impl<D: BorrowMut<Demuxer>> Frames<D> {
    pub(super) fn new(mut demuxer: D) -> Result<Self, Error> {
        let own = demuxer.borrow_mut();
        let mut decoders: Vec<Option<(Decoder, TimeBase)>> = own.streams().iter().map(|_| None).collect();
        let wanted: Vec<(usize, TimeBase)> = own.decodable().map(|info| (info.index, info.time_base)).collect();
        for (index, time_base) in wanted {
            decoders[index] = Some((own.input.decoder(index)?, time_base));
        }
        Ok(Self { demuxer, decoders, open: None, at_end: false })
    }

    fn step(&mut self) -> Result<Step, Error> {
        if let Some(index) = self.open {
            let Some((decoder, time_base)) = &mut self.decoders[index] else {
                self.open = None;
                return Ok(Step::Again);
            };
            let mut inner = frame::Frame::new();
            return Ok(match decoder.receive(&mut inner) {
                Ok(Received::Frame) => Step::Frame(Frame::new(index, *time_base, inner)),
                Ok(Received::NeedsPacket) => {
                    self.open = None;
                    Step::Again
                }
                Ok(Received::End) => {
                    self.decoders[index] = None;
                    Step::Again
                }
                Err(error) => {
                    self.complain(index, &error);
                    if self.at_end {
                        self.decoders[index] = None;
                    }
                    self.open = None;
                    Step::Again
                }
            });
        }
        if !self.at_end {
            match self.demuxer.borrow_mut().read()? {
                Some(packet) => {
                    let index = packet.stream();
                    if let Some((decoder, _)) = &mut self.decoders[index] {
                        match decoder.send(Some(&packet.inner)) {
                            Ok(()) => self.open = Some(index),
                            Err(error) => self.complain(index, &error),
                        }
                    }
                }
                None => self.at_end = true,
            }
            return Ok(Step::Again);
        }
        // What each decoder has kept back.
        let Some(index) = self.decoders.iter().position(Option::is_some) else { return Ok(Step::End) };
        if let Some((decoder, _)) = &mut self.decoders[index]
            && let Err(error) = decoder.send(None)
        {
            self.complain(index, &error);
            self.decoders[index] = None;
        }
        self.open = Some(index);
        Ok(Step::Again)
    }

    fn complain(&mut self, stream: usize, error: &crate::libav::error::AvError) {
        let url = redact::url(&self.demuxer.borrow_mut().input.demuxer.url()).into_owned();
        log::write(level::ERROR, &format!("{url}: a packet of stream {stream} cannot be decoded: {error}\n"));
    }
}

enum Step {
    Frame(Frame),
    Again,
    End,
}

impl<D: BorrowMut<Demuxer>> Iterator for Frames<D> {
    type Item = Result<Frame, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.step() {
                Ok(Step::Again) => {}
                Ok(Step::Frame(frame)) => return Some(Ok(frame)),
                Ok(Step::End) => return None,
                Err(error) => {
                    self.at_end = true;
                    self.open = None;
                    self.decoders.clear();
                    return Some(Err(error));
                }
            }
        }
    }
}

impl<D> std::fmt::Debug for Frames<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frames").finish_non_exhaustive()
    }
}
