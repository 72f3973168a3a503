//! One input or output without a job around it: for whoever wants the packets or frames themselves, or brings them.

use crate::error::{Error, Kind};
use crate::libav::avio;
use crate::libav::decoder::Decoder;
use crate::libav::demuxer::Demuxer;
use crate::libav::hw::Devices;
use crate::libav::muxer::Muxer;
use crate::libav::option::Dictionary;
use crate::shutdown::Shutdown;

use super::decode::Decoding;
use super::demux::{Input, InputStream};
use super::option::Options;
use super::plan::{Overwrite, Plan};
use super::{Files, hardware};

/// The only input of a plan, open.
pub struct LoneInput {
    /// The open file.
    pub demuxer: Demuxer,
    streams: Vec<InputStream>,
    devices: Devices,
}

impl LoneInput {
    /// Opens, probes and seeks the first input of `plan`.
    ///
    /// # Errors
    /// What stood in the way.
    pub fn open(plan: &Plan, files: &dyn Files, stop: &Shutdown) -> Result<Self, Error> {
        let own = plan.inputs.first().ok_or_else(|| Error::new(Kind::Internal, "there is no input"))?;
        let devices = hardware::devices(&plan.global)?;
        let Input { demuxer, streams, .. } = Input::open(0, own, &plan.global, files, stop)?;
        Ok(Self { demuxer, streams, devices })
    }

    /// A decoder for the stream at `index`, as the options of the input want it.
    ///
    /// # Errors
    /// There is none, or it does not open.
    pub fn decoder(&mut self, index: usize) -> Result<Decoder, Error> {
        let stream = self.streams.get_mut(index).ok_or_else(|| Error::new(Kind::Usage, format!("there is no stream {index}")))?;
        Ok(Decoding::open(stream, &format!("#0:{index}"), &mut self.devices)?.decoder)
    }
}

/// The only output of a plan, to which streams may be added.
pub struct LoneOutput {
    /// The muxer.
    pub muxer: Muxer,
    options: Dictionary,
}

impl LoneOutput {
    /// Prepares the first output of `plan`; nothing is opened yet. `abort` breaks off whatever it waits for.
    ///
    /// # Errors
    /// There is no such format, or an option cannot stand there.
    pub fn new(plan: &Plan, files: &dyn Files, abort: &Shutdown) -> Result<Self, Error> {
        let own = plan.outputs.first().ok_or_else(|| Error::new(Kind::Internal, "there is no output"))?;
        let mut options = Options::sort(&own.options)?;
        let access = files.output(0)?;
        let mut muxer = Muxer::new(&own.url, own.format.as_deref(), &mut options.format, access, abort.clone())?;
        if plan.global.overwrite != Overwrite::Always && !muxer.format().opens_its_files() && avio::is_existing_file(&own.url) {
            let error = Error::new(Kind::File, format!("File '{}' already exists. Exiting.", own.url));
            return Err(error.with_hint("-y overwrites it"));
        }
        if own.bitexact {
            muxer.set_bitexact();
        }
        Ok(Self { muxer, options: options.format })
    }

    /// Opens the file and writes the header for the streams that were added.
    ///
    /// # Errors
    /// What stood in the way; an option that nobody knows.
    pub fn open(&mut self) -> Result<(), Error> {
        self.muxer.open(&mut self.options)?;
        self.muxer.write_header(&mut self.options)?;
        let left = self.options.pairs().into_iter().next();
        left.map_or(Ok(()), |(name, _)| Err(Error::new(Kind::Usage, format!("Option {name} not found."))))
    }
}
