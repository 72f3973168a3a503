//! Bitstream filters.

use std::ptr::{self, NonNull};

use super::call::{c_string, string};
use super::error::AvError;
use super::packet::Packet;
use super::stream::StreamMut;
use super::{ffi, panic};

/// A chain of bitstream filters.
pub struct BitstreamFilter(NonNull<ffi::AVBSFContext>);

// SAFETY: bitstream filters have no thread affinity; one thread at a time has this one (invariant 10).
unsafe impl Send for BitstreamFilter {}

impl BitstreamFilter {
    /// Reads a chain as it stands after `-bsf`: `h264_metadata=level=4.1,h264_mp4toannexb` (`av_bsf_list_parse_str`).
    ///
    /// # Errors
    /// An unknown filter or option.
    pub fn parse(chain: &str) -> Result<Self, AvError> {
        let chain = c_string(chain)?;
        let mut filter = ptr::null_mut();
        // SAFETY: the text lives through the call; on success the filter is ours (invariant 11).
        AvError::check(unsafe { ffi::av_bsf_list_parse_str(chain.as_ptr(), &mut filter) })?;
        NonNull::new(filter).map(Self).ok_or(AvError::from_errno(libc::ENOMEM))
    }

    /// The filter's name.
    pub fn name(&self) -> String {
        // SAFETY: a filter context has a filter whose name is a constant (invariant 12).
        unsafe { string((*(*self.0.as_ptr()).filter).name) }.unwrap_or_default().into_owned()
    }

    /// Gets ready for the packets of `stream`, and gives the stream the parameters and time base that come out.
    ///
    /// # Errors
    /// The filter does not take this codec.
    pub fn prepare(&mut self, stream: &mut StreamMut<'_>) -> Result<(), AvError> {
        // SAFETY: filter and stream are valid; par_in is allocated with the filter, par_out by av_bsf_init (invariant 10).
        unsafe {
            let (filter, stream) = (&mut *self.0.as_ptr(), &mut *stream.as_ptr());
            AvError::check(ffi::avcodec_parameters_copy(filter.par_in, stream.codecpar))?;
            filter.time_base_in = stream.time_base;
            AvError::check(ffi::av_bsf_init(filter))?;
            AvError::check(ffi::avcodec_parameters_copy(stream.codecpar, filter.par_out))?;
            stream.time_base = filter.time_base_out;
        }
        Ok(())
    }

    /// Hands a packet in, which is empty afterwards; `None` says that there are no more.
    ///
    /// # Errors
    /// The filter's.
    pub fn send(&mut self, packet: Option<&mut Packet>) -> Result<(), AvError> {
        let packet = packet.map_or(ptr::null_mut(), Packet::as_mut_ptr);
        // SAFETY: a prepared filter; the packet is valid, or null for the end (invariant 10).
        AvError::check(unsafe { ffi::av_bsf_send_packet(self.0.as_ptr(), packet) }).map(drop)
    }

    /// Takes the next packet out; `false` when there is none for now, or no more.
    ///
    /// # Errors
    /// The filter's.
    pub fn receive(&mut self, packet: &mut Packet) -> Result<bool, AvError> {
        packet.clear();
        // SAFETY: a prepared filter and a valid, empty packet (invariant 10).
        let code = unsafe { ffi::av_bsf_receive_packet(self.0.as_ptr(), packet.as_mut_ptr()) };
        panic::resume();
        match AvError::check(code) {
            Ok(_) => Ok(true),
            Err(error) if error == AvError::EOF || error.is_again() => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Drop for BitstreamFilter {
    fn drop(&mut self) {
        let mut filter = self.0.as_ptr();
        // SAFETY: ours, freed once (invariant 10).
        unsafe { ffi::av_bsf_free(&mut filter) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_read_and_unknown_filters_refused() {
        assert!(BitstreamFilter::parse("h264_metadata=level=4.1,h264_mp4toannexb").is_ok());
        assert!(BitstreamFilter::parse("no_such_filter").is_err());
        assert_eq!(BitstreamFilter::parse("null").expect("a filter").name(), "null");
    }
}
