//! What a stream that was made by the API may touch.
//!
//! Whoever holds the bearer of the API may run media jobs; that must not make them the user that the daemon runs as. A command
//! line reads and writes files in many ways besides `-i` and its last word: filters (`movie`, `subtitles`), scripts, reports,
//! statistics, two-pass logs, presets, playlists that name other files, muxers that open others. So this is a list of what is
//! allowed, not of what is not: `Fence::admit` takes a plan apart field by field, without `..`, and whatever is not known to be
//! harmless is refused. Streams of the configuration file have no fence; who writes that file is trusted.
//!
//! - Local files: below `allow_paths`, symbolic links resolved; inputs of formats that hold all they need, so that no playlist
//!   can name others. Never the daemon's own files.
//! - The network: `NETWORK` protocols, and nothing else for what a playlist from there names.
//! - Tokens: profiles in `allow_profiles`.
//! - Formats, AVOptions and filters: those in the tables of `options` and `graph`.

mod graph;
mod options;

use std::path::{Component, Path, PathBuf};

use crate::command_line::{self, OptionLookup, OptionUse};
use crate::error::{Error, Kind};
use crate::job::{Job, LinkedOptions};
use crate::pipeline::plan::{Auth, AvOptions, ComplexFilter, Global, Input, Output, Plan};
use crate::redact;

use options::Means;

/// Protocols that streams of the API may name.
const NETWORK: &[&str] = &["http", "https", "rtmp", "rtmps", "rtmpt", "rtmpts", "rtsp", "rtsps", "rtp", "srt", "tcp", "udp"];
/// What a file from the network may name in its turn: these carry the above, and none of them reaches a local file.
const NESTED: &str = "http,https,httpproxy,tls,tcp,udp,rtp,crypto,data,rtmp,rtmps,rtmpt,rtmpts,ffrtmphttp,rtsp,srt";

/// The folders and profiles that streams of the API may use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fence {
    /// `allow_paths`.
    pub paths: Vec<PathBuf>,
    /// `allow_profiles`.
    pub profiles: Vec<String>,
    /// The daemon's own files and folders, which no stream touches.
    pub own: Vec<PathBuf>,
}

/// What a file is opened for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Read,
    Write,
}

impl Fence {
    /// Refuses a plan that reaches beyond the fence; adds to its inputs what keeps their own references inside.
    ///
    /// # Errors
    /// Of [`Kind::Usage`], naming what is not allowed and, where there is one, the key that would allow it.
    fn admit(&self, plan: &mut Plan) -> Result<(), Error> {
        let Plan { global, inputs, outputs } = plan;
        self.admit_global(global)?;
        inputs.iter_mut().try_for_each(|input| self.admit_input(input))?;
        outputs.iter().try_for_each(|output| self.admit_output(output))
    }

    /// The job of a command line that the API was given.
    ///
    /// # Errors
    /// Of [`Kind::Usage`]: what is not allowed, or what is wrong with the command line itself.
    pub fn job(&self, run: &str) -> Result<Job, Error> {
        let mut job = Job::of_args(&command_line::words(run)?, &WithoutFiles)?;
        self.admit(job.plan_mut())?;
        Ok(job)
    }

    fn admit_global(&self, global: &Global) -> Result<(), Error> {
        // Everything is named, so that an option that comes later has to be thought about here.
        let Global {
            progress,
            report,
            summary,
            sdp_file,
            vstats_file,
            auth_config,
            auth_log,
            cpu_flags,
            cpu_count,
            max_alloc,
            time_limit,
            hw_devices,
            filter_hw_device,
            complex_filters,
            overwrite: _,
            copy_ts: _,
            start_at_zero: _,
            copy_tb: _,
            dts_delta_threshold: _,
            dts_error_threshold: _,
            stats: _,
            stats_period: _,
            stdin: _,
            exit_on_error: _,
            max_error_rate: _,
            abort_on_empty_output: _,
            abort_on_empty_output_stream: _,
            log_level: _,
            log_flags: _,
            hide_banner: _,
            ignore_unknown: _,
            copy_unknown: _,
            filter_threads: _,
            filter_complex_threads: _,
            auto_conversion_filters: _,
            fps_mode: _,
            frame_drop_threshold: _,
            audio_sync: _,
            audio_drift_threshold: _,
            volume: _,
            recast_media: _,
            psnr: _,
            vstats_version: _,
            qp_histogram: _,
            benchmark: _,
            benchmark_all: _,
            dump_packets: _,
            dump_payload: _,
            debug_timestamps: _,
            among_many: _,
        } = global;
        for (option, given) in [
            ("progress", progress.is_some()),
            ("report", *report),
            ("summary", summary.is_some()),
            ("sdp_file", sdp_file.is_some()),
            ("vstats", vstats_file.is_some()),
            ("auth_config", auth_config.is_some()),
            ("auth_log", auth_log.is_some()),
            ("cpuflags", cpu_flags.is_some()),
            ("cpucount", cpu_count.is_some()),
            ("max_alloc", max_alloc.is_some()),
            ("timelimit", time_limit.is_some()),
            ("init_hw_device", !hw_devices.is_empty()),
            ("filter_hw_device", filter_hw_device.is_some()),
        ] {
            refuse_if(given, option)?;
        }
        complex_filters.iter().try_for_each(|filter| match filter {
            ComplexFilter::Graph(description) => graph::admit(description, false),
            ComplexFilter::Script(_) => refuse_if(true, "filter_complex_script"),
        })
    }

    fn admit_input(&self, input: &mut Input) -> Result<(), Error> {
        let Input {
            url,
            auth,
            format,
            options,
            alternatives,
            dump_attachment,
            hwaccel,
            hwaccel_device,
            start: _,
            start_eof: _,
            duration: _,
            stop: _,
            ts_offset: _,
            ts_scale: _,
            readrate: _,
            stream_loop: _,
            seek_timestamp: _,
            no_accurate_seek: _,
            discard: _,
            disable: _,
            codec: _,
            bitexact: _,
            no_find_stream_info: _,
            thread_queue_size: _,
            fail_on_gap: _,
            ingest: _,
            open_timeout: _,
            sync_with: _,
            frame_rate: _,
            channels: _,
            channel_layout: _,
            tag: _,
            autorotate: _,
            reinit_filter: _,
            top_field_first: _,
            guess_layout_max: _,
            fix_sub_duration: _,
            canvas_size: _,
            hwaccel_output_format: _,
        } = input;
        refuse_if(!dump_attachment.is_empty(), "dump_attachment")?;
        refuse_if(hwaccel.iter().any(|(_, method)| method != "none"), "hwaccel")?;
        refuse_if(!hwaccel_device.is_empty(), "hwaccel_device")?;
        self.admit_auth(auth)?;
        self.admit_options(options, url)?;
        if format.as_deref() == Some("lavfi") {
            return graph::admit(url, true);
        }
        let formats = options::LOCAL_INPUTS.iter().chain(options::NETWORK_INPUTS);
        if let Some(name) = format.as_deref().filter(|name| !formats.clone().any(|known| known == name)) {
            return Err(refusal(format!("-f {name}: an input of this format")));
        }
        let place = self.admit_file(url, Use::Read)?;
        for alternative in alternatives {
            // One list of what the files may name goes for all of them.
            refuse_if(self.admit_file(alternative, Use::Read)? != place, "alternative")?;
        }
        match place {
            Place::Network => options.push(("protocol_whitelist".to_owned(), NESTED.to_owned())),
            Place::Local => {
                options.push(("format_whitelist".to_owned(), options::LOCAL_INPUTS.join(",")));
                options.push(("protocol_whitelist".to_owned(), "file".to_owned()));
            }
        }
        Ok(())
    }

    fn admit_output(&self, output: &Output) -> Result<(), Error> {
        let Output {
            url,
            auth,
            format,
            options,
            attach,
            filters,
            filter_scripts,
            scaler_options: _,
            resampler_options: _,
            pass,
            pass_log,
            preset,
            maps: _,
            codec: _,
            disable: _,
            start: _,
            duration: _,
            stop: _,
            limit_filesize: _,
            shortest: _,
            frames: _,
            bsf: _,
            tag: _,
            disposition: _,
            aspect: _,
            frame_rate: _,
            copy_initial_nonkey: _,
            copy_prior_start: _,
            time_base: _,
            metadata: _,
            map_metadata: _,
            map_chapters: _,
            program: _,
            stream_id: _,
            mux_max_delay: _,
            mux_preload: _,
            max_muxing_queue_size: _,
            muxing_queue_data_threshold: _,
            bitexact: _,
            size: _,
            pixel_format: _,
            sample_format: _,
            sample_rate: _,
            channels: _,
            channel_layout: _,
            quality: _,
            fps_mode: _,
            frame_rate_max: _,
            force_frame_rate: _,
            force_key_frames: _,
            rc_override: _,
            intra_matrix: _,
            inter_matrix: _,
            chroma_intra_matrix: _,
            top_field_first: _,
            bits_per_raw_sample: _,
            encoder_time_base: _,
            autoscale: _,
            audio_pad,
            map_channels: _,
            ntsc: _,
            // Further files stand beside the first one.
            continues: _,
            new_file_on_change: _,
            waits_for_space: _,
        } = output;
        for (option, given) in [
            ("attach", !attach.is_empty()),
            ("filter_script", !filter_scripts.is_empty()),
            ("pass", !pass.is_empty()),
            ("passlogfile", !pass_log.is_empty()),
            ("pre", !preset.is_empty()),
        ] {
            refuse_if(given, option)?;
        }
        self.admit_auth(auth)?;
        filters.iter().try_for_each(|(_, description)| graph::admit(description, false))?;
        audio_pad.iter().try_for_each(|(_, arguments)| graph::admit(&format!("apad={arguments}"), false))?;
        self.admit_options(options, url)?;
        admit_muxer(format.as_deref())?;
        if format.as_deref() == Some("null") && url == "pipe:" {
            return Ok(());
        }
        self.admit_file(url, Use::Write).map(drop)
    }

    fn admit_auth(&self, auth: &Auth) -> Result<(), Error> {
        match auth.profiles.iter().find(|name| !self.profiles.contains(name)) {
            Some(name) => Err(refusal(format!("-auth {name}: this profile"))
                .with_hint(format!("add \"{name}\" to `allow_profiles` of [serve] if streams of the API may use its token"))),
            None => Ok(()),
        }
    }

    /// `file`: whose options they are; names without a folder are put beside it.
    fn admit_options(&self, given: &AvOptions, file: &str) -> Result<(), Error> {
        for (option, value) in given {
            let name = option.split(':').next().unwrap_or(option);
            match options::find(name) {
                Some(Means::Harmless) => {}
                Some(Means::Muxer) => admit_muxer(Some(value))?,
                Some(Means::File) => self.admit_file(value, Use::Write).map(|_| ())?,
                Some(Means::Beside) if protocol(file).is_some() => {
                    let inside = Path::new(value).components().all(|part| matches!(part, Component::Normal(_)));
                    refuse_if(!inside || protocol(value).is_some(), name)?;
                }
                Some(Means::Beside) => {
                    refuse_if(protocol(value).is_some(), name)?;
                    let folder = local_path(file).parent().unwrap_or(Path::new(""));
                    self.admit_path(&folder.join(value), Use::Write)?;
                }
                None => return Err(refusal(format!("-{option}: this option"))),
            }
        }
        Ok(())
    }

    fn admit_file(&self, url: &str, to: Use) -> Result<Place, Error> {
        match protocol(url) {
            None | Some("file") => self.admit_path(local_path(url), to).map(|()| Place::Local),
            Some(protocol) if NETWORK.iter().any(|known| protocol.eq_ignore_ascii_case(known)) => Ok(Place::Network),
            Some(protocol) => Err(refusal(format!("{}: the protocol {protocol}", redact::url(url)))
                .with_hint(format!("a file below `allow_paths` of [serve], or one of {}", NETWORK.join(", ")))),
        }
    }

    fn admit_path(&self, path: &Path, to: Use) -> Result<(), Error> {
        let shown = path.display();
        let refuse = || {
            refusal(format!("{shown}: this place"))
                .with_hint("streams of the API read and write below `allow_paths` of [serve] only, symbolic links resolved")
        };
        if path.components().any(|part| part == Component::ParentDir) {
            return Err(refuse());
        }
        let is_broken_link = || path.symlink_metadata().is_ok() && path.canonicalize().is_err();
        // A link that leads nowhere would be followed when the file is made.
        if is_broken_link() || to == Use::Read && !path.exists() {
            return Err(refuse());
        }
        let real = real_path(path).ok_or_else(refuse)?;
        let below =
            |folders: &[PathBuf]| folders.iter().filter_map(|folder| real_path(folder)).any(|folder| real.starts_with(folder));
        if below(&self.paths) && !below(&self.own) { Ok(()) } else { Err(refuse()) }
    }
}

/// Without symbolic links; of a file that is not there yet, what it will be.
fn real_path(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok().or_else(|| {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Some(folder.canonicalize().ok()?.join(path.file_name()?))
    })
}

/// Knows the AVOptions, and reads no file of presets: an error in one would quote it.
struct WithoutFiles;

impl OptionLookup for WithoutFiles {
    fn find(&self, name: &str) -> Option<OptionUse> {
        LinkedOptions.find(name)
    }
}

/// Where a file is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Local,
    Network,
}

/// What libavformat takes for the protocol (`url_find_protocol` of avio.c); `None` = a local file.
fn protocol(url: &str) -> Option<&str> {
    let end = url.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '-' | '.'))?;
    match url[end..].chars().next() {
        Some(':') => Some(&url[..end]),
        Some(',') if url.starts_with("subfile,") => Some("subfile"),
        _ => None,
    }
}

fn local_path(url: &str) -> &Path {
    Path::new(url.strip_prefix("file:").unwrap_or(url))
}

fn admit_muxer(name: Option<&str>) -> Result<(), Error> {
    match name.filter(|name| !options::OUTPUTS.contains(name)) {
        Some(name) => Err(refusal(format!("-f {name}: an output of this format"))),
        None => Ok(()),
    }
}

fn refuse_if(given: bool, option: &str) -> Result<(), Error> {
    if given { Err(refusal(format!("-{option}: this option"))) } else { Ok(()) }
}

/// `what` is not for streams of the API.
fn refusal(what: impl std::fmt::Display) -> Error {
    let hint = "a stream in the configuration file may use everything; README.md lists what the API allows";
    Error::new(Kind::Usage, format!("{what} is not open to streams made by the API")).with_hint(hint)
}

#[cfg(test)]
mod tests;
