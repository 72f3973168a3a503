//! `-target`: format, codecs, size and rates of a VCD, SVCD, DVD or DV in one word.

use super::lower::{Context, set_option_default};
use super::split::Given;
use super::value::usage;
use crate::error::Error;
use crate::pipeline::plan::Output;

/// A television norm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Norm {
    /// 25 pictures per second.
    #[default]
    Pal,
    /// 30000/1001.
    Ntsc,
    /// 24000/1001, for players of NTSC.
    Film,
}

/// What a target stands for. Pairs of values are PAL's and NTSC's.
struct Target {
    name: &'static str,
    codecs: Option<(&'static str, &'static str)>,
    size: (&'static str, &'static str),
    pixel_format: Option<(&'static str, &'static str)>,
    sample_rate: i32,
    channels: Option<i32>,
    options: &'static [(&'static str, &'static str)],
    preload: f64,
}

const TARGETS: &[Target] = &[
    Target {
        name: "vcd",
        codecs: Some(("mpeg1video", "mp2")),
        size: ("352x288", "352x240"),
        pixel_format: None,
        sample_rate: 44100,
        channels: Some(2),
        options: &[
            ("b:v", "1150000"),
            ("maxrate:v", "1150000"),
            ("minrate:v", "1150000"),
            ("bufsize:v", "327680"),
            ("b:a", "224000"),
            ("packetsize", "2324"),
            ("muxrate", "1411200"),
        ],
        // The system clock reference begins at 36000; three packs of 1200 ticks come before the first picture.
        preload: (36_000.0 + 3.0 * 1200.0) / 90_000.0,
    },
    Target {
        name: "svcd",
        codecs: Some(("mpeg2video", "mp2")),
        size: ("480x576", "480x480"),
        pixel_format: Some(("yuv420p", "yuv420p")),
        sample_rate: 44100,
        channels: None,
        options: &[
            ("b:v", "2040000"),
            ("maxrate:v", "2516000"),
            ("minrate:v", "0"),
            ("bufsize:v", "1835008"),
            ("scan_offset", "1"),
            ("b:a", "224000"),
            ("packetsize", "2324"),
        ],
        preload: 0.0,
    },
    Target {
        name: "dvd",
        codecs: Some(("mpeg2video", "ac3")),
        size: ("720x576", "720x480"),
        pixel_format: Some(("yuv420p", "yuv420p")),
        sample_rate: 48000,
        channels: None,
        options: &[
            ("b:v", "6000000"),
            ("maxrate:v", "9000000"),
            ("minrate:v", "0"),
            ("bufsize:v", "1835008"),
            ("packetsize", "2048"),
            ("muxrate", "10080000"),
            ("b:a", "448000"),
        ],
        preload: 0.0,
    },
    Target {
        name: "dv",
        codecs: None,
        size: ("720x576", "720x480"),
        pixel_format: Some(("yuv420p", "yuv411p")),
        sample_rate: 48000,
        channels: Some(2),
        options: &[],
        preload: 0.0,
    },
];

/// Lowers `-target [pal-|ntsc-|film-]TYPE`. AVOptions that the user set stay. Without a norm it is the context's, which then
/// learns that the inputs are to decide it.
///
/// # Errors
/// An unknown type.
pub fn target(output: &mut Output, given: &Given, context: &mut Context) -> Result<(), Error> {
    let text = given.value.as_str();
    let norms = [("pal-", Norm::Pal), ("ntsc-", Norm::Ntsc), ("film-", Norm::Film)];
    let named = norms.iter().find_map(|(prefix, norm)| Some((*norm, text.strip_prefix(prefix)?)));
    context.norm_is_open |= named.is_none();
    let (norm, name) = named.unwrap_or((context.norm, text));
    let dv = name.starts_with("dv") && name != "dvd";
    let target = TARGETS
        .iter()
        .find(|target| target.name == name || (dv && target.name == "dv"))
        .ok_or_else(|| usage(format!("Unknown target: {name}")).with_hint("vcd, svcd, dvd, dv or dv50"))?;

    let of_norm = |(pal, ntsc): (&str, &str)| if norm == Norm::Pal { pal.to_owned() } else { ntsc.to_owned() };
    output.format = Some(target.name.to_owned());
    let rate = match norm {
        Norm::Pal => "25",
        Norm::Ntsc => "30000/1001",
        Norm::Film => "24000/1001",
    };
    output.frame_rate.push((String::new(), rate.to_owned()));
    let all = String::new;
    output.size.push((all(), of_norm(target.size)));
    match target.pixel_format {
        Some(_) if name.starts_with("dv50") => output.pixel_format.push((all(), "yuv422p".to_owned())),
        Some(format) => output.pixel_format.push((all(), of_norm(format))),
        None => {}
    }
    output.sample_rate.push((all(), target.sample_rate));
    output.channels.extend(target.channels.map(|channels| (all(), channels)));
    if let Some((video, audio)) = target.codecs {
        output.codec.extend([("v".to_owned(), video.to_owned()), ("a".to_owned(), audio.to_owned())]);
        set_option_default(&mut output.options, "g", &of_norm(("15", "18")));
    }
    for (option, value) in target.options {
        set_option_default(&mut output.options, option, value);
    }
    if target.preload > 0.0 {
        output.mux_preload = target.preload;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::table;
    use super::*;

    fn lowered(text: &str) -> Result<Output, Error> {
        let mut output = Output { options: vec![("b:v".into(), "5M".into())], ..Output::default() };
        let given = Given { row: table::find("target").expect("a row"), option: "target".into(), value: text.into() };
        target(&mut output, &given, &mut Context::default())?;
        Ok(output)
    }

    #[test]
    fn a_target_sets_what_the_user_has_not() {
        let output = lowered("pal-vcd").expect("a target");
        assert_eq!(output.format.as_deref(), Some("vcd"));
        assert_eq!(output.codec, [("v".into(), "mpeg1video".into()), ("a".into(), "mp2".into())]);
        let option = |name: &str| output.options.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        assert_eq!((option("b:v"), option("g"), option("muxrate")), (Some("5M"), Some("15"), Some("1411200")));
        assert!((output.mux_preload - 0.44).abs() < 1e-9);
    }

    #[test]
    fn dv50_has_its_own_pixel_format() {
        let format = |text: &str| {
            let output = lowered(text).expect(text);
            output.pixel_format.into_iter().next_back().map(|(_, format)| format)
        };
        assert_eq!(format("ntsc-dv").as_deref(), Some("yuv411p"));
        assert_eq!(format("pal-dv50").as_deref(), Some("yuv422p"));
    }

    #[test]
    fn a_target_of_no_kind_is_refused() {
        assert_eq!(lowered("pal-x").expect_err("no kind").to_string(), "Unknown target: x");
    }
}
