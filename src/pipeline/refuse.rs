//! What this version leaves to ffmpeg: everything that needs a decoder, a filter or an encoder.

use crate::error::{Error, Kind};
use crate::libav::codec::MediaType;
use crate::libav::log::{self, level};

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
    let graph = |name: &str| ["filter_complex", "lavfi", "filter_complex_script"].contains(&name);
    match plan.global.transcoding.iter().find(|(option, _)| graph(option)) {
        Some((option, _)) => Err(copies_only(format!("-{option} needs decoders and encoders"))),
        None => Ok(()),
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
    let options: Vec<String> = plan.transcoding.iter().map(|(option, _)| format!("-{option}")).collect();
    let also = if options.is_empty() { String::new() } else { format!(" (as {} asks, too)", options.join(", ")) };
    Err(copies_only(format!("output #{file} ({url}): {stream} {why}{also}")))
}

/// Refuses filters on copied streams, as ffmpeg does; notes the other options that mean nothing to a copied stream.
///
/// # Errors
/// Names filter and stream.
pub fn filters(plan: &plan::Output, output: &Output) -> Result<(), Error> {
    for (option, value) in &plan.transcoding {
        let (name, specifier) = option.split_once(':').unwrap_or((option, ""));
        let (kind, specifier) = match name {
            "vf" => ("Filtergraph", "v"),
            "af" => ("Filtergraph", "a"),
            "filter" => ("Filtergraph", specifier),
            "filter_script" => ("Filtergraph script", specifier),
            _ => {
                log::write(level::VERBOSE, &format!("-{option} means nothing to copied streams.\n"));
                continue;
            }
        };
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
        plan.global.transcoding.push(("vsync".into(), "0".into()));
        graphs(&plan).expect("copied streams have no use for it");
        plan.global.transcoding.push(("filter_complex".into(), "null".into()));
        assert!(graphs(&plan).is_err_and(|error| error.to_string().starts_with("-filter_complex ")));
    }
}
