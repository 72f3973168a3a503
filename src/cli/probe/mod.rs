//! `ffauth probe`: what ffprobe shows of a file that needs a token.

pub mod args;
mod writer;

use std::io::{self, Write};

use self::args::Arguments;
use self::writer::Writer;
use crate::error::Error;
use crate::job::probe::{Selection, Sink, unwritten};
use crate::libav::describe::{Label, Section};
use crate::libav::io::Access;
use crate::shutdown::Shutdown;

/// Probes the file and writes what was asked for to `out`. Blocks; the document is complete even after an error, as ffprobe's.
///
/// # Errors
/// The file cannot be opened or read, or `out` fails.
pub fn run(request: &Arguments, access: Access, stop: Shutdown, out: impl Write) -> Result<(), Error> {
    let writer = Writer::new(out, request.style).map_err(unwritten)?;
    let mut sink = Selected { writer, selection: &request.probe.selection };
    let result = request.probe.run(access, stop, &mut sink);
    sink.writer.finish().map_err(unwritten)?;
    result
}

/// Writes the selected fields.
struct Selected<'a, W: Write> {
    writer: Writer<W>,
    selection: &'a Selection,
}

impl<W: Write> Sink for Selected<'_, W> {
    fn begin(&mut self, list: Label) -> io::Result<()> {
        self.writer.begin(list)
    }

    fn section(&mut self, section: &Section) -> io::Result<()> {
        self.writer.section(section, self.selection)
    }

    fn end(&mut self) -> io::Result<()> {
        self.writer.end()
    }
}
