//! What the main loop does between two packets because somebody asked for it: keys, and the description of RTP outputs.

use crate::error::{Error, Kind};
use crate::libav::log::{self, level};
use crate::libav::muxer;

use super::FilterCommand;
use super::scheduler::Job;

/// What has been done so far of what may be asked for while a job runs.
#[derive(Debug, Default)]
pub struct Asked {
    /// Commands for filters that have been passed on.
    commands: usize,
    /// The debug flags in force.
    debug: i32,
    /// The outputs have been described.
    described: bool,
}

impl Job<'_> {
    /// Passes on what keys ask of filters, decoders and encoders (`check_keyboard_interaction`).
    pub(super) fn obey(&mut self) {
        let live = &self.control.live;
        let debug = live.debug();
        if debug != self.asked.debug {
            self.asked.debug = debug;
            let decoders = self.sources.iter_mut().flat_map(|source| &mut source.streams);
            decoders.filter_map(|stream| stream.decoding.as_mut()).for_each(|decoding| decoding.decoder.set_debug(debug));
            let streams = self.outputs.iter_mut().flat_map(|output| &mut output.streams);
            let workers = streams.filter_map(|stream| stream.encoding.as_mut()?.worker.as_mut());
            workers.for_each(|worker| worker.set_debug(debug));
        }
        for command in live.commands(&mut self.asked.commands) {
            self.command(&command);
        }
    }

    fn command(&mut self, command: &FilterCommand) {
        let FilterCommand { target, time, command, argument, every } = command;
        log::write(
            level::DEBUG,
            &format!("Processing command target:{target} time:{time:.6} command:{command} arg:{argument}\n"),
        );
        for graph in &mut self.graphs {
            let Some(running) = &mut graph.running else { continue };
            if *time < 0.0 {
                let (code, reply) = match running.graph.send_command(target, command, argument, !every) {
                    Ok(reply) => (0, reply),
                    Err(error) => (error.0, String::new()),
                };
                let text = format!("Command reply for stream {}: ret:{code} res:\n{reply}", graph.index);
                log::write(level::INFO, &format!("{}\n", text.trim_end()));
            } else if let Err(error) = running.graph.queue_command(target, command, argument, false, *time) {
                log::write(level::ERROR, &format!("Queuing command failed with error {error}\n"));
            }
        }
    }

    /// Once all RTP outputs have begun: their description goes to `-sdp_file`, or to whoever watches if there are only such
    /// outputs (`print_sdp`).
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn describe_rtp(&mut self) -> Result<(), Error> {
        if self.asked.described || !self.outputs.iter().all(|output| output.started) {
            return Ok(());
        }
        self.asked.described = true;
        let file = self.global.sdp_file.as_ref();
        let is_rtp = |name: &str| name == "rtp";
        if file.is_none() && !self.outputs.iter().all(|output| is_rtp(&output.muxer.format().name())) {
            return Ok(());
        }
        let muxers = self.outputs.iter_mut().map(|output| &mut output.muxer).filter(|muxer| is_rtp(&muxer.format().name()));
        let description = muxer::session_description(muxers).map_err(|error| error.about("SDP"))?;
        match (description, file) {
            (None, _) => log::write(level::ERROR, "No output streams in the SDP.\n"),
            (Some(text), None) => self.observer.session_description(&text),
            (Some(text), Some(path)) => std::fs::write(path, text).map_err(|error| {
                Error::new(Kind::File, format!("Failed to open sdp file '{path}': {error}")).with_source(error)
            })?,
        }
        Ok(())
    }
}
