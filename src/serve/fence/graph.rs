//! Filtergraphs that streams of the API may use.
//!
//! Not a parser: libavfilter has one, and two parsers that differ are a hole. Whatever makes parsing hard, quotes and backslashes,
//! is refused; without them a description falls apart at `,` and `;`.

use crate::error::Error;

use super::refusal;

/// Filters that turn frames into frames, and touch neither files, devices nor the network with any of their options.
#[rustfmt::skip]
const FILTERS: &[&str] = &[
    "acompressor", "acopy", "acrossfade", "adelay", "aecho", "aeval", "afade", "aformat", "agate", "alimiter", "aloop", "amerge", "amix",
    "anull", "apad", "aphaser", "aresample", "areverse", "arealtime", "aselect", "asetnsamples", "asetpts", "asetrate", "asettb",
    "asplit", "astats", "atempo", "atrim", "avgblur", "bandpass", "bandreject", "bass", "bbox", "blackdetect", "blackframe", "blend",
    "boxblur", "bwdif", "channelmap", "channelsplit", "colorbalance", "colorchannelmixer", "colorlevels", "compand", "concat",
    "convolution", "copy", "crop", "cropdetect", "deband", "deblock", "decimate", "dejudder", "delogo", "despill", "drawbox",
    "drawgrid", "dynaudnorm", "edgedetect", "eq", "equalizer", "estdif", "extrastereo", "fade", "fieldmatch", "fieldorder", "fifo",
    "fillborders", "format", "fps", "framerate", "framestep", "freezedetect", "gblur", "hflip", "highpass", "highshelf", "histogram",
    "hqdn3d", "hstack", "hue", "idet", "il", "interlace", "join", "kerndeint", "limiter", "loop", "lowpass", "lowshelf", "lut",
    "lutrgb", "lutyuv", "mestimate", "minterpolate", "monochrome", "mpdecimate", "negate", "nlmeans", "noformat", "noise", "null",
    "overlay", "pad", "pan", "pixscope", "pullup", "random", "realtime", "reverse", "rotate", "scale", "select", "separatefields",
    "setdar", "setfield", "setparams", "setpts", "setrange", "setsar", "settb", "showinfo", "shuffleframes", "sidechaincompress",
    "signalstats", "silencedetect", "silenceremove", "split", "stereo3d", "stereotools", "swapuv", "telecine", "thumbnail", "tile",
    "tinterlace", "tmix", "tpad", "transpose", "treble", "trim", "unsharp", "untile", "vflip", "vignette", "volume",
    "volumedetect", "vstack", "w3fdif", "weave", "xfade", "xstack", "yadif", "zoompan", "zscale",
];

/// Sources that make their frames out of nothing; for `-f lavfi`.
#[rustfmt::skip]
const SOURCES: &[&str] = &[
    "allrgb", "allyuv", "anoisesrc", "anullsrc", "aevalsrc", "color", "colorchart", "gradients", "haldclutsrc", "mandelbrot", "nullsrc",
    "pal75bars", "pal100bars", "rgbtestsrc", "sine", "smptebars", "smptehdbars", "testsrc", "testsrc2", "yuvtestsrc",
];

/// Refuses a description with a filter that is in no list. `sources`: it may begin with sources.
pub fn admit(description: &str, sources: bool) -> Result<(), Error> {
    if description.contains(['\'', '\\']) {
        return Err(refusal("a filtergraph with quotes or backslashes"));
    }
    for filter in description.split([',', ';']) {
        let name = without_labels(filter).split(['=', '@', '[']).next().unwrap_or_default().trim();
        let arguments = filter.split_once('=').map(|(_, arguments)| arguments).unwrap_or_default();
        let known = FILTERS.contains(&name) || sources && SOURCES.contains(&name) || name == "sws_flags";
        if !known {
            return Err(refusal(format!("the filter `{}`", name.escape_debug())));
        }
        // Later versions of FFmpeg read the value of `/option` from a file, and may give a filter an option that names one.
        if let Some((option, _)) = arguments
            .split(':')
            .filter_map(|argument| argument.split_once('='))
            .find(|(option, _)| ["/", "file", "path", "name"].iter().any(|part| option.contains(part)))
        {
            return Err(refusal(format!("the option {} of the filter {name}", option.escape_debug())));
        }
    }
    Ok(())
}

/// `[in][in2] scale=…` without what is in front.
fn without_labels(filter: &str) -> &str {
    let mut rest = filter.trim_start();
    while let Some((_, behind)) = rest.strip_prefix('[').and_then(|label| label.split_once(']')) {
        rest = behind.trim_start();
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_graphs_pass() {
        for description in [
            "scale=-2:144",
            "[0:v]scale=640:-2,fps=30000/1001[a];[a][1:v] overlay=x=10:y=10 [out]",
            "yadif,format=yuv420p",
            "split=2[a][b]",
            "sws_flags=bicubic;scale=2:2",
            "scale@small=w=iw/2:h=-2",
            "null",
        ] {
            admit(description, false).expect(description);
        }
        admit("testsrc2=size=320x180:rate=25,drawbox", true).expect("a source");
    }

    #[test]
    fn whatever_reads_or_writes_does_not() {
        for description in [
            "movie=/etc/passwd",
            "null,movie=/etc/passwd",
            "null;[a]amovie=x",
            "subtitles=/etc/passwd",
            "ass=f",
            "drawtext=textfile=/etc/passwd",
            "lut3d=f",
            "metadata=print:file=/tmp/x",
            "ametadata=print:file=/tmp/x",
            "sendcmd=f=x",
            "zmq",
            "vidstabdetect=result=/x",
            "psnr=stats_file=x",
            "signature=filename=x",
            "libvmaf",
            "frei0r=x",
            "ladspa=x",
            "arnndn=m=x",
            "null\nmovie=/etc/passwd",
            "nu\\ll",
            "'movie'=/etc/passwd",
            "select='eq(n,0)'",
            "[a[b]movie=x",
            "[a]]movie=x",
            "",
            "null,",
            "testsrc",
            "scale=w=1:filename=/x",
            "scale=/w=/etc/passwd",
            "deshake=-1:-1:-1:-1:16:16:1:8:125:0:/x",
            "=x",
        ] {
            assert!(admit(description, false).is_err(), "{description}");
        }
        assert!(admit("movie=/etc/passwd", true).is_err());
    }
}
