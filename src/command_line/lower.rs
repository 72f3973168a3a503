//! Groups of options → [`Plan`]: every option read by its row, in the order of the command line.

use std::time::{Duration, SystemTime};

use super::split::{Given, Group, Groups};
use super::table::{self, Place, Set, Topic};
use super::target::Norm;
use super::value::{self, usage};
use super::{Parsed, Show, diagnose, level};
use crate::error::Error;
use crate::pipeline::plan::{AvOptions, Global, Ingest, Input, Micros, Output, Overwrite, Plan};

/// What rows need to know besides their file, and the warnings so far.
#[derive(Debug)]
pub struct Context {
    /// How many inputs the command line has.
    pub inputs: usize,
    /// When it is.
    pub now: SystemTime,
    /// The file whose options are being read, fit to be shown.
    pub file: String,
    /// What ffmpeg logs at level warning.
    pub warnings: Vec<String>,
    /// What a `-target` without a norm takes.
    pub norm: Norm,
    /// There was such a one.
    pub norm_is_open: bool,
}

impl Context {
    fn new(inputs: usize, now: SystemTime) -> Self {
        Self { inputs, now, file: String::new(), warnings: Vec::new(), norm: Norm::Pal, norm_is_open: false }
    }

    /// The input of this index, if there is one.
    pub fn input(&self, index: i64) -> Option<usize> {
        usize::try_from(index).ok().filter(|index| *index < self.inputs)
    }
}

#[cfg(test)]
impl Default for Context {
    fn default() -> Self {
        Self::new(0, SystemTime::UNIX_EPOCH)
    }
}

/// ffmpeg's default of `-muxdelay`, in seconds.
const MUX_MAX_DELAY: f64 = 0.7;

/// Reads all options.
///
/// # Errors
/// The first option that cannot be read or honoured, or that stands before the wrong file.
pub fn lower(groups: Groups, now: SystemTime) -> Result<Parsed, Error> {
    let mut context = Context::new(groups.inputs.len(), now);
    let trailing = &groups.trailing;
    if !trailing.options.is_empty() || !trailing.av_options.is_empty() {
        diagnose::trailing(trailing)?;
        context.warnings.push("Trailing option(s) found in the command: may be ignored.".to_owned());
    }

    let mut plan = Plan::default();
    if groups.debug {
        plan.global.log_level = Some(level::DEBUG);
    }
    for given in &groups.global {
        match given.row.place {
            Place::Show(topic) => return Ok(Parsed::Show(show(topic, given))),
            _ if given.row.name == "init_hw_device" && given.value == "list" => {
                return Ok(Parsed::Show(Show::HardwareDevices));
            }
            _ => {}
        }
        apply(&mut plan.global, given, &mut context)?;
    }
    plan.global.overwrite = overwrite(&groups.global)?;

    let mut find_stream_info = true;
    for group in groups.inputs {
        let mut input = Input { url: pipe(group.url.clone()), options: group.av_options.clone(), ..Input::default() };
        read_group(&mut input, &group, &mut context)?;
        // A variable of the whole program in ffmpeg: it holds from this input on.
        if group.options.iter().any(|given| given.row.name == "find_stream_info") {
            find_stream_info = !input.no_find_stream_info;
        }
        input.no_find_stream_info = !find_stream_info;
        plan.global.stdin &= !input.url.starts_with("pipe:") && input.url != "/dev/stdin";
        check_input(&mut input, plan.inputs.len(), &plan.global, &group.options, &mut context)?;
        plan.inputs.push(input);
    }
    for group in groups.outputs {
        let mut output = read_output(&group, &mut context)?;
        if std::mem::take(&mut context.norm_is_open) {
            // The inputs decide, and they are not open yet.
            let warnings = context.warnings.len();
            context.norm = Norm::Ntsc;
            output.ntsc = Some(Box::new(read_output(&group, &mut context)?));
            context.warnings.truncate(warnings);
            (context.norm, context.norm_is_open) = (Norm::Pal, false);
        }
        plan.outputs.push(output);
    }
    let kept = plan.inputs.iter().any(|input| input.ingest.keep_for.is_some());
    if let Some(output) = plan.outputs.iter().find(|output| output.new_file_on_change && !kept) {
        let file = crate::redact::url(&output.url);
        return Err(usage(format!("-on_change new_file before {file} means nothing without -ingest_for before an input")));
    }
    Ok(Parsed::Run { plan: Box::new(plan), warnings: context.warnings })
}

fn read_output(group: &Group, context: &mut Context) -> Result<Output, Error> {
    let (url, options) = (pipe(group.url.clone()), group.av_options.clone());
    let mut output = Output { url, options, mux_max_delay: MUX_MAX_DELAY, ..Output::default() };
    read_group(&mut output, group, context)?;
    output.scaler_options = group.scaler.clone();
    output.resampler_options = group.resampler.clone();
    let Output { start, duration, stop, .. } = &mut output;
    check_times(*start, *duration, stop, context)?;
    Ok(output)
}

/// A part of the plan that options are read into.
pub trait Target: Sized + 'static {
    /// What an option of this place does here; `None` = it must not stand here.
    fn set_of(place: &'static Place) -> Option<&'static Set<Self>>;
    /// Input or output, in ffmpeg's words.
    const KIND: &'static str;
}

impl Target for Global {
    fn set_of(place: &'static Place) -> Option<&'static Set<Self>> {
        if let Place::Global(set) = place { Some(set) } else { None }
    }
    const KIND: &'static str = "global";
}

impl Target for Input {
    fn set_of(place: &'static Place) -> Option<&'static Set<Self>> {
        if let Place::Input(set) | Place::Both(set, _) = place { Some(set) } else { None }
    }
    const KIND: &'static str = "input url";
}

impl Target for Output {
    fn set_of(place: &'static Place) -> Option<&'static Set<Self>> {
        if let Place::Output(set) | Place::Both(_, set) = place { Some(set) } else { None }
    }
    const KIND: &'static str = "output url";
}

/// Reads a file's options. Its AVOptions are there already, because ffmpeg's own options override them when the file is opened.
fn read_group<T: Target>(target: &mut T, group: &Group, context: &mut Context) -> Result<(), Error> {
    context.file = crate::redact::url(&group.url).into_owned();
    for given in &group.options {
        apply(target, given, context)?;
    }
    Ok(())
}

/// Lets one option do what its row says (`write_option` in ffmpeg's cmdutils).
fn apply<T: Target>(target: &mut T, given: &Given, context: &mut Context) -> Result<(), Error> {
    let Some(set) = T::set_of(&given.row.place) else {
        return Err(diagnose::misplaced(given, T::KIND, &context.file));
    };
    let Given { option, value, .. } = given;
    let specifier = || given.specifier().to_owned();
    match set {
        Set::Flag(set) => set(target, value::int(option, value)? != 0),
        Set::Switch(set) => set(target),
        Set::Text(set) => set(target, value.clone()),
        Set::Int(set) => set(target, value::int(option, value)?),
        Set::Long(set) => set(target, value::whole_number(option, value, i64::MIN, i64::MAX)?),
        Set::Float(set) => set(target, value::number(option, value)?),
        Set::Time(set) => set(target, value::duration(option, value)?),
        Set::EachFlag(set) | Set::EachFlagNumber(set) => set(target, specifier(), value::int(option, value)? != 0),
        Set::EachText(set) => set(target, specifier(), value.clone()),
        Set::EachInt(set) => set(target, specifier(), value::int(option, value)?),
        Set::EachLong(set) => set(target, specifier(), value::whole_number(option, value, i64::MIN, i64::MAX)?),
        Set::EachFloat(set) => set(target, specifier(), value::number(option, value)?),
        Set::Read(read) | Set::ReadSwitch(read) => read(target, given, context)?,
        Set::Same(other) => {
            if let Some(row) = table::find(other) {
                apply(target, &Given { row, option: (*other).to_owned(), value: value.clone() }, context)?;
            }
        }
        Set::Preset => {}
    }
    Ok(())
}

fn show(topic: Topic, given: &Given) -> Show {
    let argument = Some(given.value.clone()).filter(|argument| !argument.is_empty());
    match topic {
        Topic::Help => Show::Help(argument),
        Topic::Version => Show::Version,
        Topic::License => Show::License,
        Topic::List => Show::List(given.row.name),
        Topic::Sources => Show::Sources(argument),
        Topic::Sinks => Show::Sinks(argument),
    }
}

fn overwrite(global: &[Given]) -> Result<Overwrite, Error> {
    let last = |name| global.iter().rev().find(|given| given.row.name == name).is_some_and(|given| given.value != "0");
    match (last("y"), last("n")) {
        (true, true) => Err(usage("Error, both -y and -n supplied. Exiting.")),
        (true, false) => Ok(Overwrite::Always),
        (false, true) => Ok(Overwrite::Never),
        (false, false) => Ok(Overwrite::Ask),
    }
}

/// The rules that `open_input_file` keeps among an input's times, rates and clocks.
fn check_input(input: &mut Input, index: usize, global: &Global, options: &[Given], context: &mut Context) -> Result<(), Error> {
    check_times(input.start, input.duration, &mut input.stop, context)?;
    if input.start_eof.is_some_and(|time| time >= 0) {
        return Err(usage("-sseof value must be negative; aborting"));
    }
    if input.start.is_some() && input.start_eof.take().is_some() {
        context.warnings.push(format!("Cannot use -ss and -sseof both, using -ss for {}", context.file));
    }
    // These two sentences count inputs from 1, as ffmpeg's do.
    let number = index + 1;
    if input.readrate < 0.0 {
        return Err(usage(format!("Option -readrate for Input #{number} is {:.3}; it must be non-negative.", input.readrate)));
    }
    let used = |name| options.iter().any(|given| given.row.name == name);
    if used("re") && used("readrate") {
        context.warnings.push(format!("Both -readrate and -re set for Input #{number}. Using -readrate {:.3}.", input.readrate));
    }
    check_ingest(input, context)?;
    match input.sync_with {
        Some(other) if other >= context.inputs => {
            Err(usage(format!("-isync for input {index} references non-existent input {other}.")))
        }
        Some(other) if other != index && global.copy_ts && !global.start_at_zero => {
            Err(usage("Use of -isync requires that start_at_zero be set if copyts is set."))
        }
        _ => Ok(()),
    }
}

/// What stands beside `-ingest_for` needs it, and an input that is opened again cannot be repeated as well.
fn check_ingest(input: &Input, context: &Context) -> Result<(), Error> {
    let Ingest { keep_for, stall_timeout, max_restarts, failback } = input.ingest;
    let file = &context.file;
    let lonely = [
        ("stall_timeout", stall_timeout.is_some()),
        ("max_restarts", max_restarts.is_some()),
        ("alternative", !input.alternatives.is_empty()),
    ];
    if failback.is_some() && input.alternatives.is_empty() {
        return Err(usage(format!("-failback before {file} means nothing without -alternative")));
    }
    if keep_for.is_none()
        && let Some((name, _)) = lonely.iter().find(|(_, given)| *given)
    {
        return Err(usage(format!("-{name} before {file} means nothing without -ingest_for"))
            .with_hint("-ingest_for DURATION says for how long the input is to be kept going"));
    }
    if keep_for == Some(Duration::ZERO) || (keep_for.is_some() && stall_timeout == Some(Duration::ZERO)) {
        return Err(usage(format!("-ingest_for and -stall_timeout of {file} must be longer than nothing")));
    }
    if keep_for.is_some() && input.stream_loop != 0 {
        return Err(usage(format!("-stream_loop and -ingest_for exclude each other ({file})")));
    }
    Ok(())
}

/// `-t` beats `-to`, and `-to` must lie behind `-ss`.
fn check_times(
    start: Option<Micros>,
    duration: Option<Micros>,
    stop: &mut Option<Micros>,
    context: &mut Context,
) -> Result<(), Error> {
    if duration.is_some() && stop.take().is_some() {
        context.warnings.push("-t and -to cannot be used together; using -t.".to_owned());
    }
    if stop.is_some_and(|stop| stop <= start.unwrap_or(0)) {
        return Err(usage("-to value smaller than -ss; aborting."));
    }
    Ok(())
}

/// Sets an AVOption, replacing its value.
pub fn set_option(options: &mut AvOptions, name: &str, value: impl Into<String>) {
    match options.iter_mut().find(|(key, _)| key.eq_ignore_ascii_case(name)) {
        Some((_, before)) => *before = value.into(),
        None => options.push((name.to_owned(), value.into())),
    }
}

/// Sets an AVOption that has no value yet.
pub fn set_option_default(options: &mut AvOptions, name: &str, value: &str) {
    if !options.iter().any(|(key, _)| key.eq_ignore_ascii_case(name)) {
        options.push((name.to_owned(), value.to_owned()));
    }
}

/// `-` as a file name means standard input or output.
pub fn pipe(url: String) -> String {
    if url == "-" { "pipe:".to_owned() } else { url }
}

/// A queue's size.
pub fn size(value: i32) -> usize {
    usize::try_from(value).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::split::split;
    use super::super::{OptionLookup, OptionUse};
    use super::*;

    struct Headers;

    impl OptionLookup for Headers {
        fn find(&self, name: &str) -> Option<OptionUse> {
            matches!(name, "headers" | "video_size" | "debug").then_some(OptionUse { format: true, ..OptionUse::default() })
        }
    }

    fn lowered(line: &str) -> Result<Parsed, Error> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        lower(split(&words, &Headers)?, SystemTime::UNIX_EPOCH)
    }

    fn run(line: &str) -> (Plan, Vec<String>) {
        match lowered(line).expect(line) {
            Parsed::Run { plan, warnings } => (*plan, warnings),
            Parsed::Show(show) => panic!("{line}: {show:?}"),
        }
    }

    #[test]
    fn limits_of_an_input_that_is_kept_going_need_it_to_be() {
        for (line, words) in [
            ("-stall_timeout 5 -i x o", "-stall_timeout before x means nothing without -ingest_for"),
            ("-max_restarts 5 -i x o", "-max_restarts before x means nothing without -ingest_for"),
            ("-alternative y -i x o", "-alternative before x means nothing without -ingest_for"),
            ("-ingest_for 5 -failback 5 -i x o", "-failback before x means nothing without -alternative"),
            ("-i x -on_change new_file o", "means nothing without -ingest_for"),
            ("-ingest_for 0 -i x o", "longer than nothing"),
            ("-ingest_for 5 -stall_timeout 0 -i x o", "longer than nothing"),
            ("-ingest_for 5 -max_restarts -1 -i x o", "a number of times"),
            ("-ingest_for 5 -stream_loop 2 -i x o", "exclude each other"),
        ] {
            let error = lowered(line).expect_err(line).to_string();
            assert!(error.contains(words), "{line}: {error}");
        }
    }

    #[test]
    fn the_first_informational_option_wins_over_the_rest_of_the_line() {
        for (line, wanted) in [
            ("-h", Show::Help(None)),
            ("--help full", Show::Help(Some("full".into()))),
            ("-i x -c copy o -? long", Show::Help(Some("long".into()))),
            ("-version", Show::Version),
            ("-L -version", Show::License),
            ("-muxers", Show::List("muxers")),
            ("-sources pulse,server=x", Show::Sources(Some("pulse,server=x".into()))),
        ] {
            assert_eq!(lowered(line).expect(line), Parsed::Show(wanted), "{line}");
        }
    }

    #[test]
    fn times_are_checked_against_each_other() {
        let (plan, warnings) = run("-t 1 -to 5 -ss 2 -sseof -1 -i x -to 5 -t 1 o");
        assert_eq!((plan.inputs[0].stop, plan.inputs[0].start_eof, plan.outputs[0].stop), (None, None, None));
        assert_eq!(
            warnings,
            [
                "-t and -to cannot be used together; using -t.",
                "Cannot use -ss and -sseof both, using -ss for x",
                "-t and -to cannot be used together; using -t.",
            ]
        );
        for line in ["-ss 2 -to 1 -i x o", "-i x -ss 2 -to 2 o", "-i x -to 0 o"] {
            assert_eq!(lowered(line).expect_err(line).to_string(), "-to value smaller than -ss; aborting.", "{line}");
        }
        assert!(lowered("-sseof 1 -i x o").is_err());
    }

    #[test]
    fn an_option_before_the_wrong_file_names_both() {
        let error = lowered("-i x -re http://joe:pw@host/out?key=1").expect_err("an input option").to_string();
        assert!(error.starts_with("Option re ("), "{error}");
        assert!(error.contains("cannot be applied to output url http://***@host/out?*** -- you are trying"), "{error}");
        assert!(lowered("-map 0 -i x o").is_err());
        assert!(lowered("-i x -thread_queue_size 5 o").is_err());
    }

    #[test]
    fn ffmpegs_options_override_av_options_of_the_same_meaning() {
        let (plan, _) = run("-s 10x10 -video_size 20x20 -i x o");
        assert_eq!(plan.inputs[0].options, [("video_size".to_owned(), "10x10".to_owned())]);
    }

    #[test]
    fn a_repeated_auth_is_told_and_the_last_one_counts() {
        let (plan, warnings) = run("-auth a -auth b,c -i https://host/x?key=1 o");
        assert_eq!(plan.inputs[0].auth.profiles, ["b", "c"]);
        let told = "Multiple -auth options specified for https://host/x?***, only the last option '-auth b,c' will be used.";
        assert_eq!(warnings, [told]);
        assert!(lowered("-auth a, -i x o").is_err());
    }

    #[test]
    fn options_after_the_last_file_are_told_and_a_token_there_is_an_error() {
        assert_eq!(run("-i x o -t 1").1, ["Trailing option(s) found in the command: may be ignored."]);
        let error = lowered("-i x o -auth a").expect_err("a token for nothing").to_string();
        assert!(error.contains("-auth a stands after the last file"), "{error}");
    }

    #[test]
    fn reading_from_standard_input_leaves_no_keys_to_read() {
        assert!(run("-i x o").0.global.stdin);
        for line in ["-i - o", "-i pipe: o", "-i x -i /dev/stdin o", "-nostdin -i x o"] {
            assert!(!run(line).0.global.stdin, "{line}");
        }
        assert_eq!(run("-i - -f null -").0.outputs[0].url, "pipe:");
    }

    #[test]
    fn debug_raises_the_log_level_unless_one_is_given() {
        assert_eq!(run("-debug ts -i x o").0.global.log_level, Some(48));
        assert_eq!(run("-v error -debug ts -i x o").0.global.log_level, Some(16));
    }

    #[test]
    fn a_target_without_a_norm_is_read_with_both() {
        let (plan, _) = run("-i x -r 10 -target dvd -ac 1 o");
        let [pal] = &plan.outputs[..] else { panic!("{plan:?}") };
        let ntsc = pal.ntsc.as_ref().expect("the other one");
        let rate = |output: &Output| output.frame_rate.last().map(|(_, rate)| rate.clone());
        assert_eq!((rate(pal).as_deref(), rate(ntsc).as_deref()), (Some("25"), Some("30000/1001")));
        assert_eq!(pal.channels, ntsc.channels);
        assert!(run("-i x -target ntsc-dvd o").0.outputs[0].ntsc.is_none());
    }

    #[test]
    fn contradictions_and_bad_values_are_errors() {
        for (line, message) in [
            ("-y -n -i x o", "Error, both -y and -n supplied. Exiting."),
            ("-readrate -1 -i x o", "Option -readrate for Input #1 is -1.000; it must be non-negative."),
            ("-isync 1 -i x o", "-isync for input 0 references non-existent input 1."),
            ("-i x -vframes a o", "Expected number for frames:v but found: a"),
            ("-stats_period 0 -i x o", "stats_period 0 must be positive."),
            ("-i x -ac 1.5 o", "Expected int64 for ac but found 1.5"),
        ] {
            assert_eq!(lowered(line).expect_err(line).to_string(), message, "{line}");
        }
        assert_eq!(run("-re -readrate 2 -i x o").1, ["Both -readrate and -re set for Input #1. Using -readrate 2.000."]);
    }
}
