//! ffmpeg's command line, turned into a `pipeline::plan::Plan`.
