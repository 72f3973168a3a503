//! What this version leaves to ffmpeg: everything that needs a decoder, a filter or an encoder.

use crate::error::{Error, Kind};
use crate::libav::codec::MediaType;

use super::mux::Output;
use super::plan::{self, Plan};
use super::select::Source;
use super::specifier::Streams;

const INSTEAD: &str = "-c copy copies every stream; to encode, let ffmpeg read what ffauth writes: \
                       ffauth … -c copy -f nut - | ffmpeg -i - …";

/// Refuses a job that has filtergraphs of its own, before anything is opened.
///
/// # Errors
/// Names the option.
pub fn graphs(plan: &Plan) -> Result<(), Error> {
    match plan.global.complex_filters.is_empty() {
        true => Ok(()),
        false => Err(copies_only("-filter_complex needs decoders and encoders".to_owned())),
    }
}

/// Refuses a coded stream whose codec is not `copy`.
///
/// # Errors
/// Names output, stream and codec.
pub fn codec(name: Option<&str>, file: usize, plan: &plan::Output, source: Source, kind: MediaType) -> Result<(), Error> {
    let why = match name {
        Some("copy") => return Ok(()),
        Some(name) => format!("would have to be encoded with {name}"),
        None => "would have to be encoded, since no -c copy is given for it".to_owned(),
    };
    let url = crate::redact::url(&plan.url);
    let stream = format!("{} stream #{}:{}", kind.name(), source.file, source.stream);
    // Whoever filters wants to encode: the option is what they will look for.
    let also = if plan.filters.is_empty() { "" } else { " (as -vf, -af or -filter asks, too)" };
    Err(copies_only(format!("output #{file} ({url}): {stream} {why}{also}")))
}

/// Refuses filters on copied streams, as ffmpeg does.
///
/// # Errors
/// Names filter and stream.
pub fn filters(plan: &plan::Output, output: &Output) -> Result<(), Error> {
    let graphs = plan.filters.iter().map(|filter| ("Filtergraph", filter));
    let scripts = plan.filter_scripts.iter().map(|filter| ("Filtergraph script", filter));
    for (kind, (specifier, value)) in graphs.chain(scripts) {
        for (position, stream) in output.streams.iter().enumerate() {
            let Some(raw) = output.muxer.stream(position) else { continue };
            let filtered = matches!(stream.media_type, MediaType::Video | MediaType::Audio);
            if filtered && output.muxer.names(raw, specifier)? {
                let text = format!(
                    "{kind} '{value}' was defined for {} output stream {}:{position} but codec copy was selected.",
                    stream.media_type.name(),
                    output.index
                );
                return Err(Error::new(Kind::Usage, text).with_hint("Filtering and streamcopy cannot be used together."));
            }
        }
    }
    Ok(())
}

fn copies_only(what: String) -> Error {
    Error::new(Kind::Usage, format!("{what}; this version of ffauth copies streams only")).with_hint(INSTEAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_copy_is_taken() {
        let (output, source) = (plan::Output { url: "x.mp4".into(), ..plan::Output::default() }, Source { file: 0, stream: 1 });
        let refused = |name| codec(name, 0, &output, source, MediaType::Audio);
        refused(Some("copy")).expect("copied");
        for (name, part) in [(Some("aac"), "audio stream #0:1 would have to be encoded with aac"), (None, "no -c copy is given")]
        {
            let error = refused(name).expect_err("needs an encoder");
            assert!(error.to_string().contains(part) && error.to_string().contains("copies streams only"), "{error}");
            assert_eq!(error.kind(), Kind::Usage);
        }
    }

    #[test]
    fn a_filtergraph_is_refused_by_name() {
        let mut plan = Plan::default();
        graphs(&plan).expect("nothing to filter");
        plan.global.complex_filters.push(plan::ComplexFilter::Graph("null".into()));
        assert!(graphs(&plan).is_err_and(|error| error.to_string().starts_with("-filter_complex ")));
    }
}
