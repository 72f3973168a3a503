//! Groups of options → [`Plan`]: every option read by its row, in the order of the command line.

use std::time::SystemTime;

use super::split::{Given, Group, Groups};
use super::table::{self, Place, Set, Topic};
use super::value::{self, Argument, usage};
use super::{Parsed, Show, diagnose, level};
use crate::error::Error;
use crate::pipeline::plan::{AvOptions, Global, Input, Micros, Output, Overwrite, Plan};

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
}

impl Context {
    /// The input of this index, if there is one.
    pub fn input(&self, index: i64) -> Option<usize> {
        usize::try_from(index).ok().filter(|index| *index < self.inputs)
    }
}

#[cfg(test)]
impl Default for Context {
    fn default() -> Self {
        Self { inputs: 0, now: SystemTime::UNIX_EPOCH, file: String::new(), warnings: Vec::new() }
    }
}

/// ffmpeg's default of `-muxdelay`, in seconds.
const MUX_MAX_DELAY: f64 = 0.7;

/// Reads all options.
///
/// # Errors
/// The first option that cannot be read or honoured, or that stands before the wrong file.
pub fn lower(groups: Groups, now: SystemTime) -> Result<Parsed, Error> {
    let mut context = Context { inputs: groups.inputs.len(), now, file: String::new(), warnings: Vec::new() };
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
        if let Place::Show(topic) = given.row.place {
            return show(topic, given).map(Parsed::Show);
        }
        apply(&mut plan.global, given, &mut context)?;
    }
    plan.global.overwrite = overwrite(&groups.global)?;

    let mut find_stream_info = true;
    for group in groups.inputs {
        let mut input = Input { url: pipe(group.url.clone()), ..Input::default() };
        read_group(&mut input, &group, &mut context)?;
        input.transcoding.extend(group.scaling);
        // A variable of the whole program in ffmpeg: it holds from this input on.
        if group.options.iter().any(|given| given.row.name == "find_stream_info") {
            find_stream_info = !input.no_find_stream_info;
        }
        input.no_find_stream_info = !find_stream_info;
        plan.global.stdin &= !input.url.starts_with("pipe:") && input.url != "/dev/stdin";
        check_input(&mut input, plan.inputs.len(), &group.options, &mut context)?;
        plan.inputs.push(input);
    }
    for group in groups.outputs {
        let mut output = Output { url: pipe(group.url.clone()), mux_max_delay: MUX_MAX_DELAY, ..Output::default() };
        read_group(&mut output, &group, &mut context)?;
        output.transcoding.extend(group.scaling);
        let Output { start, duration, stop, .. } = &mut output;
        check_times(*start, *duration, stop, &mut context)?;
        plan.outputs.push(output);
    }
    Ok(Parsed::Run { plan: Box::new(plan), warnings: context.warnings })
}

/// A part of the plan that options are read into.
pub trait Target: Sized + 'static {
    /// What an option of this place does here; `None` = it must not stand here.
    fn set_of(place: &'static Place) -> Option<&'static Set<Self>>;
    /// Where AVOptions go.
    fn av_options(&mut self) -> &mut AvOptions;
    /// Where options for decoders, filters and encoders go.
    fn transcoding(&mut self) -> &mut AvOptions;
    /// Input or output, in ffmpeg's words.
    const KIND: &'static str;
}

impl Target for Global {
    fn set_of(place: &'static Place) -> Option<&'static Set<Self>> {
        if let Place::Global(set) = place { Some(set) } else { None }
    }
    fn av_options(&mut self) -> &mut AvOptions {
        &mut self.transcoding
    }
    fn transcoding(&mut self) -> &mut AvOptions {
        &mut self.transcoding
    }
    const KIND: &'static str = "global";
}

impl Target for Input {
    fn set_of(place: &'static Place) -> Option<&'static Set<Self>> {
        if let Place::Input(set) | Place::Both(set, _) = place { Some(set) } else { None }
    }
    fn av_options(&mut self) -> &mut AvOptions {
        &mut self.options
    }
    fn transcoding(&mut self) -> &mut AvOptions {
        &mut self.transcoding
    }
    const KIND: &'static str = "input url";
}

impl Target for Output {
    fn set_of(place: &'static Place) -> Option<&'static Set<Self>> {
        if let Place::Output(set) | Place::Both(_, set) = place { Some(set) } else { None }
    }
    fn av_options(&mut self) -> &mut AvOptions {
        &mut self.options
    }
    fn transcoding(&mut self) -> &mut AvOptions {
        &mut self.transcoding
    }
    const KIND: &'static str = "output url";
}

/// Reads a file's options. AVOptions come first, because ffmpeg's own options override them when the file is opened.
fn read_group<T: Target>(target: &mut T, group: &Group, context: &mut Context) -> Result<(), Error> {
    context.file = crate::redact::url(&group.url).into_owned();
    target.av_options().extend(group.av_options.iter().cloned());
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
        Set::EachFlag(set) => set(target, specifier(), value::int(option, value)? != 0),
        Set::EachText(set) => set(target, specifier(), value.clone()),
        Set::EachInt(set) => set(target, specifier(), value::int(option, value)?),
        Set::EachLong(set) => set(target, specifier(), value::whole_number(option, value, i64::MIN, i64::MAX)?),
        Set::EachFloat(set) => set(target, specifier(), value::number(option, value)?),
        Set::Read(read) => read(target, given, context)?,
        Set::Same(other) => {
            if let Some(row) = table::find(other) {
                apply(target, &Given { row, option: (*other).to_owned(), value: value.clone() }, context)?;
            }
        }
        Set::Transcoding(argument) => {
            match argument {
                Argument::Flag | Argument::FlagNumber | Argument::Int => drop(value::int(option, value)?),
                Argument::Long => drop(value::whole_number(option, value, i64::MIN, i64::MAX)?),
                Argument::Float => drop(value::number(option, value)?),
                Argument::Time => drop(value::duration(option, value)?),
                Argument::Switch | Argument::Text | Argument::Topic => {}
            }
            target.transcoding().push((option.clone(), value.clone()));
        }
        Set::Unsupported(_, instead) => {
            return Err(usage(format!("ffauth does not have ffmpeg's -{option} ({})", given.row.help)).with_hint(*instead));
        }
    }
    Ok(())
}

fn show(topic: Topic, given: &Given) -> Result<Show, Error> {
    match topic {
        Topic::Help => Ok(Show::Help(Some(given.value.clone()).filter(|topic| !topic.is_empty()))),
        Topic::Version => Ok(Show::Version),
        Topic::License => Ok(Show::License),
        Topic::Libraries => Err(usage(format!("ffauth does not have ffmpeg's -{} ({})", given.option, given.row.help))
            .with_hint(format!("`ffmpeg -{}` shows the same libraries", given.option))),
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
fn check_input(input: &mut Input, index: usize, options: &[Given], context: &mut Context) -> Result<(), Error> {
    check_times(input.start, input.duration, &mut input.stop, context)?;
    if input.start_eof.is_some_and(|time| time >= 0) {
        return Err(usage("-sseof value must be negative; aborting"));
    }
    if input.start.is_some() && input.start_eof.take().is_some() {
        context.warnings.push(format!("Cannot use -ss and -sseof both, using -ss for {}", context.file));
    }
    if input.readrate < 0.0 {
        return Err(usage(format!("Option -readrate for Input #{index} is {:.3}; it must be non-negative.", input.readrate)));
    }
    let used = |name| options.iter().any(|given| given.row.name == name);
    if used("re") && used("readrate") {
        context.warnings.push(format!("Both -readrate and -re set. Using -readrate {:.3}.", input.readrate));
    }
    if let Some(other) = input.sync_with
        && other >= context.inputs
    {
        return Err(usage(format!("-isync for input {index} references non-existent input {other}.")));
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
