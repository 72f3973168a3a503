//! What a user says to a running job: commands for filters, debug flags for codecs (`check_keyboard_interaction`).

use crate::libav::log::{self, level};

use super::FilterCommand;
use super::scheduler::Job;

impl Job<'_> {
    /// Passes commands on to the filters that they name; `obeyed` counts them (`check_keyboard_interaction`).
    pub(super) fn obey(&mut self, obeyed: &mut usize) {
        for FilterCommand { target, time, command, argument, every } in self.control.live.commands(obeyed) {
            for (index, graph) in self.graphs.iter_mut().enumerate() {
                let Some(running) = &mut graph.running else { continue };
                let text = if time < 0.0 {
                    match running.graph.send_command(&target, &command, &argument, !every) {
                        Ok(answer) => format!("Command reply for stream {index}: ret:0 res:\n{answer}"),
                        Err(error) => format!("Command reply for stream {index}: ret:{error} res:\n"),
                    }
                } else if every {
                    match running.graph.queue_command(&target, &command, &argument, false, time) {
                        Ok(()) => continue,
                        Err(error) => format!("Queuing command failed with error {error}\n"),
                    }
                } else {
                    "Queuing commands only on filters supporting the specific command is unsupported\n".to_owned()
                };
                log::write(level::INFO, &text);
            }
        }
        let debug = self.control.live.debug();
        if debug != self.debug {
            self.debug = debug;
            let streams = self.sources.iter_mut().flat_map(|source| &mut source.streams);
            streams.filter_map(|stream| stream.decoding.as_mut()).for_each(|decoding| decoding.decoder.set_debug(debug));
            let streams = self.outputs.iter_mut().flat_map(|output| &mut output.streams);
            let workers = streams.filter_map(|stream| stream.encoding.as_mut()?.worker.as_mut());
            workers.for_each(|worker| worker.set_debug(debug));
        }
    }
}
