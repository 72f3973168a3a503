//! The subcommands' arguments. The main job's are ffmpeg's and are parsed elsewhere.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use super::demo::DemoArgs;
use crate::pipeline::plan::Global;
use clap::{Args as Group, CommandFactory, Parser, Subcommand, ValueEnum};

/// The command line when its first word is a subcommand.
#[derive(Debug, Parser)]
#[command(name = "ffauth", about = "ffmpeg that speaks OAuth", disable_help_subcommand = true, max_term_width = 100)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

/// What `ffauth WORD` does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Shows what ffprobe shows, of a URL that needs a token
    #[command(override_usage = "ffauth probe [--json] [-auth NAME] [ffprobe options] URL")]
    Probe(MediaArgs),
    /// Tests a set-up step by step: discovery, token, media request with its redirects, first packet
    #[command(override_usage = "ffauth check [--json] [-auth NAME] [input options] URL")]
    Check(MediaArgs),
    /// Signs in: with a browser, with a code on another device, or by pasting the answer
    Login(LoginArgs),
    /// Revokes the tokens at the server and forgets them here
    Logout(LogoutArgs),
    /// Prints a valid token
    Token(TokenArgs),
    /// Lists the profiles with the state of their tokens
    Profiles(ProfilesArgs),
    /// Registers client credentials with the vendor (Brightcove) and keeps them
    Credentials(CredentialsArgs),
    /// Lists the built-in presets and what each still needs from you
    Providers(ListArgs),
    /// Serves players and programs that know no OAuth: what they ask of it is asked for with a token
    #[cfg(feature = "relay")]
    Relay(RelayArgs),
    /// Shows it at work: a token endpoint and a protected live stream on loopback; no account, no network
    Demo(DemoArgs),
    /// Prints the completion script of a shell
    Completions(CompletionsArgs),
    /// Prints the man page, as roff
    Man(ManArgs),
    /// Runs many streams, with an HTTP API, Prometheus metrics and a dashboard
    #[cfg(feature = "serve")]
    Serve(ServeArgs),
}

/// `ffauth serve`.
#[cfg(feature = "serve")]
#[derive(Debug, Group)]
pub struct ServeArgs {
    /// Where the API, the metrics and the dashboard are, as 127.0.0.1:8460 or unix:/run/ffauth.sock [default: `listen` in the configuration]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<crate::config::Listen>,
    /// Ends when no stream is left to run, with 1 if any has failed
    #[arg(long)]
    pub exit_when_idle: bool,
    /// Prints something that belongs beside the daemon, and ends
    #[arg(long, value_enum)]
    pub print: Option<Print>,
    /// How much is logged, one JSON object a line, on standard error
    #[arg(long, value_enum, default_value_t = LogLevel::Info, value_name = "LEVEL")]
    pub log: LogLevel,
    /// Where profiles and streams are.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// What `ffauth serve --print` prints.
#[cfg(feature = "serve")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Print {
    /// A unit for systemd
    Unit,
    /// A dashboard for Grafana
    Grafana,
    /// Alert rules for Prometheus
    Alerts,
    /// A configuration with every key of the daemon, explained
    Config,
    /// A link that signs a browser in, once, within ten minutes
    SignIn,
}

/// `ffauth relay`.
#[cfg(feature = "relay")]
#[derive(Debug, Group)]
pub struct RelayArgs {
    /// The profiles [default: all that have a base_url]
    #[arg(value_name = "PROFILE")]
    pub profiles: Vec<String>,
    /// Where to listen; may be given several times [default: the configured address, else 127.0.0.1:0, a free port]
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Vec<String>,
    /// What is logged: info shows each request, secrets masked
    #[arg(long, value_enum, value_name = "LEVEL", default_value_t = LogLevel::Warning)]
    pub log: LogLevel,
    /// Logs JSON, one object a line
    #[arg(long)]
    pub json: bool,
    /// Where the profiles are.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// How much is logged; each shows what those before it show.
#[cfg(any(feature = "relay", feature = "serve"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Nothing
    Quiet,
    /// What cannot be done
    Error,
    /// What may need somebody's attention
    Warning,
    /// What is done
    Info,
    /// How
    Debug,
}

/// `ffauth completions`.
#[derive(Debug, Group)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// `ffauth man`.
#[derive(Debug, Group)]
pub struct ManArgs {
    /// The page of this subcommand
    pub command: Option<String>,
}

/// Where the profiles are.
#[derive(Debug, Group)]
pub struct ConfigArgs {
    /// The configuration file [default: $FFAUTH_CONFIG, else ~/.config/ffauth/config.toml]
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
}

/// A command that takes ffmpeg's options.
#[derive(Debug, Group)]
pub struct MediaArgs {
    /// Where the profiles are.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Prints JSON
    #[arg(long)]
    pub json: bool,
    /// ffmpeg's options, `-auth NAME` and the URL, as they were typed.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true, value_name = "URL")]
    pub arguments: Vec<OsString>,
}

impl MediaArgs {
    /// `--config`, else ffmpeg-style `-auth_config`.
    pub fn config_file(&self, global: &Global) -> Option<PathBuf> {
        self.config.config.clone().or_else(|| global.auth_config.clone().map(PathBuf::from))
    }
}

/// A command that reports.
#[derive(Debug, Group)]
pub struct ListArgs {
    /// Where the profiles are.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Prints JSON
    #[arg(long)]
    pub json: bool,
}

/// `ffauth login`.
#[derive(Debug, Group)]
pub struct LoginArgs {
    /// The profile
    pub name: String,
    /// Shows a code to sign in with on another device
    #[arg(long)]
    pub device: bool,
    /// Starts no browser: prints the URL and takes the answer that is pasted
    #[arg(long)]
    pub no_browser: bool,
    /// Where the profiles are.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// `ffauth logout`.
#[derive(Debug, Group)]
pub struct LogoutArgs {
    /// The profile
    pub name: String,
    /// Where the profiles are.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// `ffauth token`.
#[derive(Debug, Group)]
pub struct TokenArgs {
    /// The profile
    pub name: String,
    /// How the token is printed
    #[arg(long, value_enum, default_value_t = Format::Bare)]
    pub format: Format,
    /// Short for --format json
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
    /// How long the token must still live, as 90, 90s, 10m or 1h
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub min_valid: Option<Duration>,
    /// Where the profiles are.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// How a token is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// The token alone
    Bare,
    /// A header line for curl -H
    Header,
    /// Token, type, expiry and scope
    Json,
    /// FFAUTH_TOKEN=…
    Env,
    /// A line for curl -K -
    Curl,
    /// Kubernetes' ExecCredential
    ExecCredential,
}

/// `ffauth credentials`.
#[derive(Debug, Group)]
pub struct CredentialsArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: CredentialsCommand,
    /// Where the profiles are.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Prints JSON
    #[arg(long, global = true)]
    pub json: bool,
}

/// `ffauth credentials …`.
#[derive(Debug, Subcommand)]
pub enum CredentialsCommand {
    /// Registers a client with bc_token, accounts and operations of the profile; its id and secret are shown once and kept
    Create {
        /// The profile
        #[arg(value_name = "PROFILE")]
        name: String,
        /// What the vendor shall call it [default: ffauth PROFILE]
        #[arg(long = "name", value_name = "TEXT")]
        title: Option<String>,
        /// What the vendor shall say about it
        #[arg(long, value_name = "TEXT", default_value = "ffauth: media with OAuth 2.0 tokens")]
        description: String,
    },
}

/// `ffauth profiles`.
#[derive(Debug, Group)]
#[command(args_conflicts_with_subcommands = true)]
pub struct ProfilesArgs {
    /// One profile in full, or all of them.
    #[command(subcommand)]
    pub show: Option<ProfilesCommand>,
    /// Where the profiles are.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Prints JSON
    #[arg(long, global = true)]
    pub json: bool,
}

/// `ffauth profiles …`.
#[derive(Debug, Subcommand)]
pub enum ProfilesCommand {
    /// Shows everything that is known about one profile, secrets masked
    Show {
        /// The profile
        name: String,
    },
}

/// Is `word`, as a first argument, a subcommand (`run` aside)?
pub fn is_subcommand(word: &OsStr) -> bool {
    Args::command().get_subcommands().any(|command| word == command.get_name())
}

/// The subcommands, for completions and man pages.
pub fn definition() -> clap::Command {
    Args::command()
}

/// Parses the arguments after the program's name, the first of which is a subcommand.
///
/// # Errors
/// A usage error, or help that was asked for: clap prints either.
pub fn parse(arguments: Vec<OsString>) -> Result<Command, clap::Error> {
    let mut arguments = arguments;
    if arguments.first().is_some_and(|word| word == "probe" || word == "check") {
        arguments = own_options_first(arguments);
    }
    let arguments = std::iter::once(OsString::from("ffauth")).chain(arguments);
    Args::try_parse_from(arguments).map(|args| args.command)
}

/// Puts our own options in front of ffmpeg's, between which they may stand anywhere, and `--` between the two.
fn own_options_first(arguments: Vec<OsString>) -> Vec<OsString> {
    let mut arguments = arguments.into_iter();
    let mut own: Vec<OsString> = arguments.next().into_iter().collect();
    let mut rest = Vec::new();
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--json" | "--help" | "-h") => own.push(argument),
            Some("--config" | "-auth_config" | "--auth_config") => {
                own.push("--config".into());
                own.extend(arguments.next());
            }
            Some(text) if text.starts_with("--config=") => own.push(argument),
            _ => rest.push(argument),
        }
    }
    if !rest.is_empty() {
        own.push("--".into());
        own.extend(rest);
    }
    own
}

/// `90`, `90s`, `10m`, `1h`, `1h30m`: seconds where no unit stands.
fn duration(text: &str) -> Result<Duration, String> {
    let mut rest = text;
    let mut seconds: u64 = 0;
    let wrong = || format!("`{text}` is not a time such as 90, 90s, 10m or 1h30m");
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        let unit = match rest[digits..].chars().next() {
            None | Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3600,
            Some('d') => 86400,
            Some(_) => return Err(wrong()),
        };
        seconds = number.checked_mul(unit).and_then(|part| seconds.checked_add(part)).ok_or_else(wrong)?;
        rest = rest.get(digits + 1..).unwrap_or_default();
    }
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, clap::Error> {
        parse(line.split_whitespace().map(OsString::from).collect())
    }

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_word_of_the_interface_is_a_subcommand() {
        for word in [
            "probe",
            "check",
            "login",
            "logout",
            "token",
            "profiles",
            "providers",
            "credentials",
            "relay",
            "serve",
            "demo",
            "completions",
            "man",
        ] {
            assert!(is_subcommand(OsStr::new(word)), "{word}");
        }
        for word in ["-i", "--help", "run", "help", "out.mp4"] {
            assert!(!is_subcommand(OsStr::new(word)), "{word}");
        }
    }

    #[test]
    fn ffmpeg_options_pass_through_and_ours_stand_anywhere() {
        let line = "check -auth a -tls_verify 0 --json https://h/x --config f.toml -headers A:1";
        let Ok(Command::Check(args)) = parsed(line) else { panic!("not parsed") };
        assert!(args.json);
        assert_eq!(args.config.config, Some(PathBuf::from("f.toml")));
        assert_eq!(args.arguments, ["-auth", "a", "-tls_verify", "0", "https://h/x", "-headers", "A:1"]);
        let Ok(Command::Probe(args)) = parsed("probe -auth_config f.toml -of json -show_format u") else { panic!("not parsed") };
        assert_eq!(args.config.config, Some(PathBuf::from("f.toml")));
        assert_eq!(args.arguments, ["-of", "json", "-show_format", "u"]);
        assert!(parsed("probe").is_err());
        assert_eq!(parsed("probe -auth x --help").expect_err("help").kind(), clap::error::ErrorKind::DisplayHelp);
    }

    #[test]
    fn token_takes_a_format_and_a_time() {
        let Ok(Command::Token(args)) = parsed("token studio --format exec-credential --min-valid 10m") else {
            panic!("not parsed")
        };
        assert_eq!((args.format, args.min_valid), (Format::ExecCredential, Some(Duration::from_secs(600))));
        assert!(parsed("token").is_err());
        assert!(parsed("token studio --format xml").is_err());
        assert!(parsed("token studio --min-valid soon").is_err());
    }

    #[test]
    fn profiles_lists_or_shows_one() {
        for (line, shows, json) in [("profiles --json", false, true), ("profiles show x --json --config f", true, true)] {
            let Ok(Command::Profiles(args)) = parsed(line) else { panic!("not parsed: {line}") };
            assert_eq!((args.show.is_some(), args.json), (shows, json), "{line}");
        }
    }

    #[test]
    fn serve_listens_somewhere_or_prints() {
        let Ok(Command::Serve(args)) = parsed("serve --listen unix:/run/s --exit-when-idle --config f") else {
            panic!("not parsed")
        };
        assert!(args.exit_when_idle && args.print.is_none() && args.config.config.is_some());
        assert_eq!(args.listen.map(|listen| listen.to_string()).as_deref(), Some("unix:/run/s"));
        assert!(matches!(parsed("serve --print sign-in"), Ok(Command::Serve(args)) if args.print == Some(Print::SignIn)));
        assert!(parsed("serve --listen nowhere").is_err() && parsed("serve --print poem").is_err());
    }

    #[test]
    fn relay_takes_profiles_and_addresses() {
        let Ok(Command::Relay(args)) = parsed("relay --listen 127.0.0.1:0 a --listen [::1]:1 b --json --log info") else {
            panic!("not parsed")
        };
        assert_eq!((args.profiles, args.listen), (vec!["a".into(), "b".into()], vec!["127.0.0.1:0".into(), "[::1]:1".into()]));
        assert_eq!((args.json, args.log), (true, LogLevel::Info));
        assert!(matches!(parsed("relay"), Ok(Command::Relay(args)) if args.profiles.is_empty() && args.listen.is_empty()));
    }

    #[test]
    fn login_takes_a_profile_and_how() {
        let Ok(Command::Login(args)) = parsed("login studio --device --config f.toml") else { panic!("not parsed") };
        assert!(args.device && !args.no_browser && args.config.config.is_some());
        assert!(matches!(parsed("login studio --no-browser"), Ok(Command::Login(args)) if args.no_browser));
        assert!(parsed("login").is_err() && parsed("logout").is_err());
        assert!(matches!(parsed("logout studio"), Ok(Command::Logout(args)) if args.name == "studio"));
    }

    #[test]
    fn times() {
        for (text, seconds) in [("0", 0), ("90", 90), ("90s", 90), ("10m", 600), ("1h30m", 5400), ("2d", 172_800)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "m", "10x", "-1", "1.5m", "99999999999999999999", "9999999999999999999h", "1 m", "1é"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
