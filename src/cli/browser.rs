//! Opening a URL where a person can see it.

use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tokio::sync::oneshot;
use url::Url;

use crate::env::Env;

/// The programs that may open a URL: `$BROWSER`'s, else the desktop's.
pub struct Browser {
    commands: Vec<Vec<String>>,
}

/// What desktops have to open a URL with.
const OPENERS: &[&[&str]] = &[&["xdg-open"], &["gio", "open"], &["wslview"], &["x-www-browser"]];
/// Where the URL goes in a command of `$BROWSER`.
const PLACE: &str = "%s";

impl Browser {
    /// `None` where nobody would see it: no display, or a session over SSH, and no `$BROWSER` that says otherwise.
    pub fn of(env: &Env) -> Option<Self> {
        if let Some(named) = env.get("BROWSER") {
            // Several, as for xdg-open; a path may hold spaces.
            let words = |command: &str| match Path::new(command).is_file() {
                true => vec![command.to_owned()],
                false => command.split_whitespace().map(str::to_owned).collect(),
            };
            let commands = named.split(':').map(words).filter(|words| !words.is_empty()).collect();
            return Some(Self { commands });
        }
        let is_remote = ["SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY"].iter().any(|name| env.get(name).is_some());
        let has_display = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| env.get(name).is_some());
        let commands = || OPENERS.iter().map(|words| words.iter().map(|word| (*word).to_owned()).collect()).collect();
        (has_display && !is_remote).then(|| Self { commands: commands() })
    }

    /// Starts the first of them that can be started, without a shell; `input`: it may read standard input, as browsers on a
    /// terminal do. `None` if there is none, or the URL is not one of the web.
    pub fn open(&self, url: &Url, input: bool) -> Option<Started> {
        if !matches!(url.scheme(), "http" | "https") {
            return None;
        }
        let (program, mut child) = self.commands.iter().find_map(|words| {
            let words = with_url(words, url);
            Some((words.first()?.clone(), start(&words, input)?))
        })?;
        let (sender, failure) = oneshot::channel();
        std::thread::spawn(move || {
            // That it comes to an end is its own affair, as long as it was a good one.
            if let Ok(status) = child.wait()
                && !status.success()
            {
                // Nobody waits for it any more, perhaps.
                let _ = sender.send(format!("{program} failed ({status})"));
            }
        });
        Some(Started(failure))
    }
}

/// A program that shows a URL, or was to.
pub struct Started(oneshot::Receiver<String>);

impl Started {
    /// Ends with a sentence if it fails, else never.
    pub async fn failed(&mut self) -> String {
        match (&mut self.0).await {
            Ok(failure) => failure,
            Err(_) => std::future::pending().await,
        }
    }
}

fn with_url(words: &[String], url: &Url) -> Vec<String> {
    let mut words = words.to_vec();
    if words.iter().any(|word| word.contains(PLACE)) {
        words.iter_mut().for_each(|word| *word = word.replace(PLACE, url.as_str()));
    } else {
        words.push(url.as_str().to_owned());
    }
    words
}

/// Standard output is for the URL alone: what the program says goes to standard error.
fn start(words: &[String], input: bool) -> Option<Child> {
    let (program, arguments) = words.split_first()?;
    let output = std::io::stderr().as_fd().try_clone_to_owned().map_or_else(|_| Stdio::null(), Stdio::from);
    let input = if input { Stdio::inherit() } else { Stdio::null() };
    Command::new(program).args(arguments).stdin(input).stdout(output).spawn().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(pairs: &[(&str, &str)]) -> Option<Vec<String>> {
        let browser = Browser::of(&Env::from_pairs(pairs.iter().copied()))?;
        let url = Url::parse("https://h/a?b=%25s").expect("a URL");
        Some(browser.commands.iter().map(|words| with_url(words, &url).join(" ")).collect())
    }

    #[test]
    fn the_users_browser_goes_before_the_desktops() {
        let url = "https://h/a?b=%25s";
        assert_eq!(commands(&[("BROWSER", "w3m")]), Some(vec![format!("w3m {url}")]));
        assert_eq!(
            commands(&[("BROWSER", "firefox -P work %s:lynx"), ("SSH_TTY", "/dev/pts/1")]),
            Some(vec![format!("firefox -P work {url}"), format!("lynx {url}")])
        );
        assert_eq!(commands(&[("DISPLAY", ":0")]).map(|commands| commands[0].clone()), Some(format!("xdg-open {url}")));
    }

    #[test]
    fn without_a_display_or_over_ssh_there_is_none() {
        assert_eq!(commands(&[]), None);
        assert_eq!(commands(&[("DISPLAY", "localhost:10.0"), ("SSH_CONNECTION", "1.2.3.4 5 6.7.8.9 22")]), None);
    }

    #[test]
    fn only_web_addresses_are_opened() {
        let browser = Browser { commands: vec![vec!["true".to_owned()]] };
        for (url, opened) in [("https://h/", true), ("file:///etc/passwd", false), ("javascript:alert(1)", false)] {
            assert_eq!(browser.open(&Url::parse(url).expect(url), false).is_some(), opened, "{url}");
        }
        assert!(
            Browser { commands: vec![vec!["/no/such/program".to_owned()]] }
                .open(&Url::parse("https://h/").expect("a URL"), false)
                .is_none()
        );
    }
}
