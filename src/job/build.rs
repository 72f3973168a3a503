//! A job before it runs: from an ffmpeg command line, or put together option by option.

use crate::command_line::{self, OptionLookup, Parsed};
use crate::error::{Error, Kind};
use crate::pipeline::plan::{self, Auth, Plan};

use super::{LinkedOptions, Report, RunningJob, Session};

/// One command line's work: inputs, outputs, and what is to be done between them.
///
/// Options are ffmpeg's, with ffmpeg's meaning, beside `-auth NAME` and its kin. Some of them are about the whole process or
/// its terminal, which a job of a service has no business with; they are refused: `-report`, `-stats`, `-cpuflags`,
/// `-cpucount`, `-max_alloc`, `-timelimit`, `-benchmark`, `-benchmark_all`, `-auth_config`, `-auth_log`, and `-` as target of `-summary` and `-progress`.
/// `-loglevel` (info) says which lines of the job's log go to `tracing` (target `libav`, in the span `job`). Existing files are
/// not overwritten without `-y`.
///
/// ```no_run
/// use ffauth::{Config, Env, Job, Session};
///
/// # fn main() -> Result<(), ffauth::Error> {
/// let env = Env::of_process();
/// let session = Session::new(Config::load(None, &env)?, env);
/// let job = Job::parse("-auth studio -i https://media.example.com/live.m3u8 -c copy -f segment -segment_time 6 cam-%05d.ts")?;
/// let running = job.start(&session)?;
/// let report = running.wait_blocking();
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Job {
    name: String,
    plan: Box<Plan>,
    warnings: Vec<String>,
}

impl Job {
    /// The job of a command line as one would type it, without the program's name. It is split as a POSIX shell does, without
    /// expansions: quotes and backslashes mean what they mean there, `$`, `*`, `~`, `&` and `|` nothing.
    ///
    /// # Errors
    /// Of [`Kind::Usage`], with ffmpeg's own sentence where it has one.
    pub fn parse(command_line: &str) -> Result<Self, Error> {
        Self::from_args(command_line::words(command_line)?)
    }

    /// The job of a command line that is split already.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn from_args<A: Into<String>>(args: impl IntoIterator<Item = A>) -> Result<Self, Error> {
        let args: Vec<String> = args.into_iter().map(Into::into).collect();
        Self::of_args(&args, &LinkedOptions)
    }

    /// The same with AVOptions, and the files of presets, as `options` has them.
    pub(crate) fn of_args(args: &[String], options: &dyn OptionLookup) -> Result<Self, Error> {
        let Parsed::Run { mut plan, warnings } = command_line::parse(args, options)? else {
            return Err(Error::new(Kind::Usage, "the command line asks for help or a list, not for a job"));
        };
        if let Some(option) = for_the_process(&plan) {
            let message = format!("{option} is for the whole process and has no place in a job of a service");
            return Err(Error::new(Kind::Usage, message).with_hint(format!("leave {option} out")));
        }
        plan.global.stdin = false;
        Ok(Self { name: "job".to_owned(), plan, warnings })
    }

    /// A job that is put together by methods.
    pub fn builder() -> JobBuilder {
        JobBuilder::default()
    }

    /// Gives it a name, for its tracing span and its thread.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// What it reads, as given.
    pub fn input_urls(&self) -> impl Iterator<Item = &str> {
        self.plan.inputs.iter().map(|input| input.url.as_str())
    }

    /// What it writes, as given.
    pub fn output_urls(&self) -> impl Iterator<Item = &str> {
        self.plan.outputs.iter().map(|output| output.url.as_str())
    }

    /// The profiles whose tokens it uses.
    pub fn profiles(&self) -> impl Iterator<Item = &str> {
        self.auths().flat_map(|auth| &auth.profiles).map(String::as_str)
    }

    /// What ffmpeg would have warned about when it read the options.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Everything that was asked for.
    #[doc(hidden)]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The same, to be changed by whoever knows what is allowed.
    #[cfg(feature = "serve")]
    pub(crate) fn plan_mut(&mut self) -> &mut Plan {
        &mut self.plan
    }

    /// Starts it on a thread of its own; a stream copy of one input needs no other. The session ends no earlier than the job.
    ///
    /// # Errors
    /// A profile is unknown or cannot be used ([`Kind::Config`]), may not send its token to a file's origin, or there is no
    /// thread to be had. What fails later, opening the files included, is in the report.
    pub fn start(self, session: &Session) -> Result<RunningJob, Error> {
        session.check_scopes(&self.plan)?;
        RunningJob::start(&self.name, self.plan, self.warnings, session.clone())
    }

    /// Runs it to its end. Blocks; an async caller [starts](Self::start) it and [waits](RunningJob::wait).
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn run(self, session: &Session) -> Result<std::sync::Arc<Report>, Error> {
        Ok(self.start(session)?.wait_blocking())
    }

    fn auths(&self) -> impl Iterator<Item = &Auth> {
        let inputs = self.plan.inputs.iter().map(|input| &input.auth);
        inputs.chain(self.plan.outputs.iter().map(|output| &output.auth))
    }
}

/// An option that would reach beyond the job.
fn for_the_process(plan: &Plan) -> Option<&'static str> {
    let global = &plan.global;
    let is_stdout = |target: &Option<String>| matches!(target.as_deref(), Some("-" | "pipe:" | "pipe:1"));
    let given = [
        ("-report", global.report),
        ("-stats", global.stats == Some(true)),
        ("-cpuflags", global.cpu_flags.is_some()),
        ("-cpucount", global.cpu_count.is_some()),
        ("-max_alloc", global.max_alloc.is_some()),
        ("-timelimit", global.time_limit.is_some()),
        ("-benchmark", global.benchmark),
        ("-benchmark_all", global.benchmark_all),
        ("-auth_config", global.auth_config.is_some()),
        ("-auth_log", global.auth_log.is_some()),
        ("-summary -", is_stdout(&global.summary)),
        ("-progress -", is_stdout(&global.progress)),
    ];
    given.into_iter().find(|(_, is_given)| *is_given).map(|(option, _)| option)
}

/// Puts a [`Job`] together. Options have ffmpeg's names, without the dash; those of the builder itself are ffmpeg's global ones.
///
/// ```no_run
/// use ffauth::{Input, Job, Output};
///
/// # fn main() -> Result<(), ffauth::Error> {
/// let job = Job::builder()
///     .flag("y")
///     .input(Input::new("https://media.example.com/live.m3u8").auth("studio"))
///     .output(Output::new("cam-%05d.ts").option("c", "copy").option("f", "segment").option("segment_time", "6"))
///     .build()?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct JobBuilder {
    global: Options,
    inputs: Vec<Input>,
    outputs: Vec<Output>,
}

/// An input of a job, or of a [`Demuxer`](crate::Demuxer), and its options.
#[derive(Clone, Debug)]
pub struct Input {
    url: String,
    options: Options,
}

/// An output of a job, or of a [`Muxer`](crate::Muxer), and its options.
#[derive(Clone, Debug)]
pub struct Output {
    url: String,
    options: Options,
}

/// Options in order.
#[derive(Clone, Debug, Default)]
struct Options(Vec<(String, Option<String>)>);

impl Options {
    fn push(&mut self, name: impl Into<String>, value: Option<String>) {
        self.0.push((name.into(), value));
    }

    /// As on a command line.
    fn write(self, args: &mut Vec<String>) -> Result<(), Error> {
        for (name, value) in self.0 {
            if name.is_empty() || name == "i" || name.starts_with('-') || name.contains(char::is_whitespace) {
                let message = format!("`{name}` is no name of an option: ffmpeg's names are given without the dash");
                return Err(Error::new(Kind::Usage, message));
            }
            args.push(format!("-{name}"));
            args.extend(value);
        }
        Ok(())
    }
}

impl JobBuilder {
    /// Adds a global option that takes a value.
    #[must_use]
    pub fn option(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.global.push(name, Some(value.to_string()));
        self
    }

    /// Adds a global option that takes none: `y`, `copyts`.
    #[must_use]
    pub fn flag(mut self, name: impl Into<String>) -> Self {
        self.global.push(name, None);
        self
    }

    /// Adds an input.
    #[must_use]
    pub fn input(mut self, input: Input) -> Self {
        self.inputs.push(input);
        self
    }

    /// Adds an output.
    #[must_use]
    pub fn output(mut self, output: Output) -> Self {
        self.outputs.push(output);
        self
    }

    /// The job.
    ///
    /// # Errors
    /// As [`Job::parse`].
    pub fn build(self) -> Result<Job, Error> {
        let mut args = Vec::new();
        self.global.write(&mut args)?;
        for input in self.inputs {
            input.write(&mut args)?;
        }
        for output in self.outputs {
            output.write(&mut args)?;
        }
        Job::from_args(args)
    }
}

impl Input {
    /// The file, device or URL at `url`.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), options: Options::default() }
    }

    /// Its requests carry the token of this profile (`-auth`); several names are separated by commas.
    #[must_use]
    pub fn auth(self, profile: impl Into<String>) -> Self {
        self.option("auth", profile.into())
    }

    /// Adds an option that takes a value, for example `("ss", 10)`.
    #[must_use]
    pub fn option(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.options.push(name, Some(value.to_string()));
        self
    }

    /// Adds an option that takes none, for example `re`.
    #[must_use]
    pub fn flag(mut self, name: impl Into<String>) -> Self {
        self.options.push(name, None);
        self
    }

    fn write(self, args: &mut Vec<String>) -> Result<(), Error> {
        self.options.write(args)?;
        args.extend(["-i".to_owned(), self.url]);
        Ok(())
    }

    /// The plan of a job that would only open it.
    ///
    /// # Errors
    /// As [`Job::parse`]; an option that only a job honours.
    pub(super) fn alone(self) -> Result<Job, Error> {
        let mut args = Vec::new();
        self.write(&mut args)?;
        args.extend(["-f", "null", "-"].map(str::to_owned));
        let job = Job::from_args(args)?;
        let plain = plan::Input::default();
        let timeless = job.plan.inputs.iter().map(|own| plan::Input {
            duration: plain.duration,
            stop: plain.stop,
            ts_offset: plain.ts_offset,
            ts_scale: plain.ts_scale.clone(),
            readrate: plain.readrate,
            stream_loop: plain.stream_loop,
            thread_queue_size: plain.thread_queue_size,
            dump_attachment: plain.dump_attachment.clone(),
            fail_on_gap: plain.fail_on_gap,
            ingest: plain.ingest,
            sync_with: plain.sync_with,
            ..own.clone()
        });
        if !timeless.eq(job.plan.inputs.iter().cloned()) {
            let message =
                "an option is about what a job does with its input (-t, -re, -itsoffset, -stream_loop, -ingest_for and the like)";
            return Err(Error::new(Kind::Usage, message).with_hint("leave it out here, or run a job"));
        }
        Ok(job)
    }
}

impl Output {
    /// The file or URL at `url`.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), options: Options::default() }
    }

    /// Its requests carry the token of this profile (`-auth`); several names are separated by commas.
    #[must_use]
    pub fn auth(self, profile: impl Into<String>) -> Self {
        self.option("auth", profile.into())
    }

    /// Adds an option that takes a value, for example `("c:v", "libx264")`.
    #[must_use]
    pub fn option(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.options.push(name, Some(value.to_string()));
        self
    }

    /// Adds an option that takes none, for example `an`.
    #[must_use]
    pub fn flag(mut self, name: impl Into<String>) -> Self {
        self.options.push(name, None);
        self
    }

    fn write(self, args: &mut Vec<String>) -> Result<(), Error> {
        self.options.write(args)?;
        if self.url.starts_with('-') && self.url.len() > 1 {
            let message = format!("the output `{}` reads like an option", self.url);
            return Err(Error::new(Kind::Usage, message).with_hint("put ./ or file: in front of it"));
        }
        args.push(self.url);
        Ok(())
    }

    /// The plan of a job that would only write it.
    ///
    /// # Errors
    /// As [`Job::parse`]; an option that only a job honours.
    pub(super) fn alone(self) -> Result<Job, Error> {
        let source = || ["-i".to_owned(), "-".to_owned()];
        let (mut args, mut plain) = (Vec::from(source()), Vec::from(source()));
        plain.push(self.url.clone());
        self.write(&mut args)?;
        let (job, plain) = (Job::from_args(args)?, Job::from_args(plain)?);
        let bare = job.plan.outputs.iter().zip(plain.plan.outputs).map(|(own, plain)| plan::Output {
            url: own.url.clone(),
            auth: own.auth.clone(),
            format: own.format.clone(),
            options: own.options.clone(),
            bitexact: own.bitexact,
            ..plain
        });
        if !bare.eq(job.plan.outputs.iter().cloned()) {
            let message = "an option is about what a job puts into its output (-c, -map, -t, -vf, -metadata and the like)";
            return Err(Error::new(Kind::Usage, message).with_hint("leave it out here, or run a job"));
        }
        Ok(job)
    }
}

#[cfg(test)]
mod tests {
    use crate::pipeline::plan::Overwrite;

    use super::*;

    #[test]
    fn a_built_job_is_that_of_the_command_line() {
        let built = Job::builder()
            .flag("y")
            .input(Input::new("https://h/a.m3u8").auth("x").option("ss", 10))
            .output(Output::new("a b.ts").option("c", "copy").flag("an"))
            .build()
            .expect("a job");
        let parsed = Job::parse("-y -auth x -ss 10 -i https://h/a.m3u8 -c copy -an 'a b.ts'").expect("a job");
        assert_eq!(built.plan(), parsed.plan());
        assert_eq!((built.profiles().collect::<Vec<_>>(), built.output_urls().collect::<Vec<_>>()), (vec!["x"], vec!["a b.ts"]));
        assert_eq!(built.plan().global.overwrite, Overwrite::Always);
    }

    #[test]
    fn what_is_no_job_of_a_service_is_refused() {
        for (line, part) in [
            ("-version", "asks for help"),
            ("-i a -report b", "-report is for the whole process"),
            ("-i a -summary - b", "-summary -"),
            ("-max_alloc 1000 -i a b", "-max_alloc"),
            ("-i 'a", "not closed"),
            ("-i a -nosuchoption 1 b", "nosuchoption"),
        ] {
            let error = Job::parse(line).expect_err(line);
            assert!(error.kind() == Kind::Usage && error.to_string().contains(part), "{line}: {error}");
        }
        let output = |name: &str| Job::builder().input(Input::new("a")).output(Output::new(name)).build();
        assert!(output("-y").expect_err("an option").to_string().contains("reads like an option"));
        let dashed = Job::builder().flag("-y").build().expect_err("a dash");
        assert!(dashed.to_string().contains("without the dash"), "{dashed}");
    }
}
