//! Signing in and out, from the browser's side, the server's and the user's.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::support::run::{CONFIG, Finished, Home, finish};
use crate::support::sign_in::{CANARY, Manners, SECRET, SignInServer};
use crate::support::steady::steady;

/// An `ffauth login` that runs. What it prints is read line by line.
struct Login {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: mpsc::Receiver<String>,
    stderr: std::thread::JoinHandle<String>,
    printed: Vec<String>,
}

/// A server, and a home with the profile `p` for it and a browser that notes what it is to open.
struct Scene {
    server: SignInServer,
    home: Home,
}

impl Scene {
    fn new(manners: Manners, profile: &str) -> Self {
        let server = SignInServer::start(manners);
        let home = Home::new(&server.profile(profile));
        let browser = home.write("browser", "#!/bin/sh\nprintf '%s\\n' \"$#\" \"$1\" > opened.new && mv opened.new opened\n");
        std::fs::set_permissions(browser, std::fs::Permissions::from_mode(0o700)).expect("a program");
        Self { server, home }
    }

    fn login(&self, line: &str, browser: bool) -> Login {
        let mut command = self.home.ffauth(line.split(' '));
        command.stdin(Stdio::piped());
        if browser {
            command.env("BROWSER", self.home.path("browser"));
        }
        Login::start(command)
    }

    /// What the browser was told to open: one argument.
    fn opened(&self) -> String {
        let began = Instant::now();
        loop {
            if let Ok(text) = std::fs::read_to_string(self.home.path("opened")) {
                let (count, url) = text.trim_end().split_once('\n').expect("two lines");
                assert_eq!(count, "1");
                return url.to_owned();
            }
            assert!(began.elapsed() < Duration::from_secs(20), "no browser was started");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The files with tokens.
    fn stored(&self) -> Vec<String> {
        let folder = self.home.path(".local/state/ffauth/tokens");
        let names = std::fs::read_dir(folder).into_iter().flatten().flatten();
        names.map(|entry| entry.file_name().to_string_lossy().into_owned()).filter(|name| name.ends_with(".json")).collect()
    }
}

impl Login {
    /// Starts `command`; its standard input must be a pipe.
    fn start(mut command: Command) -> Self {
        let mut child = command.spawn().expect("ffauth starts");
        let (sender, stdout) = mpsc::channel();
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut pipe = child.stderr.take().expect("a pipe");
        let stderr = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = pipe.read_to_string(&mut text);
            text
        });
        let stdin = child.stdin.take();
        Self { child, stdin, stdout, stderr, printed: Vec::new() }
    }

    fn line(&mut self) -> String {
        let line = self.stdout.recv_timeout(Duration::from_secs(20)).expect("a line");
        self.printed.push(line.clone());
        line
    }

    fn paste(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().expect("a pipe"), "{line}").expect("somebody reads");
    }

    /// Waits for the end. Nothing that was printed gives anything away.
    #[track_caller]
    fn finish(mut self, code: i32) -> Finished {
        drop(self.stdin.take());
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            if began.elapsed() > Duration::from_secs(40) {
                self.child.kill().expect("a child");
                panic!("still running:\n{}", self.stderr.join().expect("no panic"));
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        self.printed.extend(self.stdout.iter());
        let stderr = self.stderr.join().expect("no panic");
        let run = Finished { code: status.code(), stdout: self.printed.join("\n"), stderr };
        run.expect_code(code);
        shows_nothing(&run);
        run
    }
}

#[track_caller]
fn shows_nothing(run: &Finished) {
    for text in [&run.stdout, &run.stderr] {
        assert_eq!(text.lines().find(|line| line.contains(CANARY)), None);
    }
}

/// GETs a URL on loopback: status line with header fields, and body.
fn get(url: &str) -> Option<(String, String)> {
    let url = url::Url::parse(url).expect("a URL");
    let authority = format!("{}:{}", url.host_str().expect("a host"), url.port().expect("a port"));
    let mut stream = TcpStream::connect(&authority).ok()?;
    let target = &url[url::Position::BeforePath..];
    write!(stream, "GET {target} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer.split_once("\r\n\r\n").map(|(head, body)| (head.to_owned(), body.to_owned()))
}

/// Goes to the authorization URL and gives back where the server sends the browser to.
fn agree(url: &str) -> String {
    let (head, body) = get(url).expect("the server listens");
    let location = head.lines().find_map(|line| line.strip_prefix("location: "));
    location.unwrap_or_else(|| panic!("{head}\n{body}")).to_owned()
}

#[test]
fn a_browser_signs_in_and_the_token_is_kept_and_refreshed() {
    let manners = Manners { delay: Duration::from_millis(600), expires_in: 2, ..Manners::default() };
    let scene = Scene::new(manners, "scope = [\"a\", \"b\"]\nauthorize_params = { prompt = \"consent\" }");
    let mut login = scene.login("login p", true);
    let url = login.line();
    assert_eq!(scene.opened(), url);
    let callback = agree(&url);
    let browser = std::thread::spawn({
        let callback = callback.clone();
        move || get(&callback).expect("ffauth listens")
    });
    std::thread::sleep(Duration::from_millis(200));
    // The code is being exchanged: the listener is there, but one answer was enough.
    assert!(get(&callback).is_none_or(|(head, _)| head.starts_with("HTTP/1.1 404")));
    let (head, page) = browser.join().expect("no panic");
    assert!(head.starts_with("HTTP/1.1 200") && page.contains("You are signed in"), "{head}\n{page}");
    assert!(!format!("{head}{page}").contains(CANARY));
    let run = login.finish(0);
    assert_eq!(run.stdout, url, "stdout holds the URL alone");
    assert!(run.stderr.contains("profile p: signed in"), "{}", run.stderr);
    let asked = &scene.server.seen("/authorize")[0].parameters;
    for (name, value) in [("response_type", "code"), ("client_id", "app"), ("scope", "a b"), ("prompt", "consent")] {
        assert_eq!(asked.get(name).map(String::as_str), Some(value));
    }
    let redirect_uri = &asked["redirect_uri"];
    assert!(redirect_uri.starts_with("http://127.0.0.1:") && redirect_uri.ends_with("/callback"), "{redirect_uri}");
    assert_eq!(scene.server.seen("/token").len(), 1);
    let first = scene.home.line("token p");
    first.expect_code(0);
    assert!(first.stdout.starts_with("canary-access-"));
    std::thread::sleep(Duration::from_millis(2100));
    let second = scene.home.line("token p");
    second.expect_code(0);
    assert_ne!(first.stdout, second.stdout);
    let refresh = scene.server.seen("/token").pop().expect("a request").parameters;
    assert_eq!((refresh["grant_type"].as_str(), refresh.get("scope")), ("refresh_token", None));
    std::thread::sleep(Duration::from_millis(2100));
    let media = "-nostdin -loglevel trace -auth_log trace -report -auth p -i http://127.0.0.1:9/a.ts -c copy out.ts";
    let job = scene.home.line(media);
    job.expect_code(1);
    assert_eq!(scene.server.seen("/token").len(), 3, "the job has refreshed the token");
    shows_nothing(&job);
}

#[test]
fn an_answer_that_does_not_belong_to_the_sign_in_is_refused() {
    let other = Some("https://evil.example");
    for (iss, promises_iss, change, part) in [
        (None, false, Some(("state=", "state=x")), "state"),
        (None, false, Some(("code=", "code=x&code=")), "twice"),
        (other, false, None, "https://evil.example"),
        (None, true, None, "RFC 9207"),
    ] {
        let scene = Scene::new(Manners { iss, promises_iss, ..Manners::default() }, "");
        let mut login = scene.login("login p", true);
        let callback = agree(&login.line());
        let callback = change.map_or(callback.clone(), |(from, to)| callback.replace(from, to));
        let (head, page) = get(&callback).expect("ffauth listens");
        assert!(head.starts_with("HTTP/1.1 400") && page.contains("Not signed in") && page.contains(part), "{head}\n{page}");
        let run = login.finish(4);
        assert!(run.stderr.contains(part), "{}", run.stderr);
        assert!(scene.server.seen("/token").is_empty() && scene.stored().is_empty());
    }
    let scene = Scene::new(Manners { iss: Some("URL"), promises_iss: true, ..Manners::default() }, "");
    let mut login = scene.login("login p", true);
    get(&agree(&login.line())).expect("ffauth listens");
    login.finish(0);
}

#[test]
fn who_says_no_is_not_waited_for() {
    let scene = Scene::new(Manners { denial: Some("access_denied"), ..Manners::default() }, "");
    let mut login = scene.login("login p", true);
    let (_, page) = get(&agree(&login.line())).expect("ffauth listens");
    assert!(page.contains("access_denied (not today)"), "{page}");
    let run = login.finish(4);
    assert!(run.stderr.contains("access_denied (not today)"), "{}", run.stderr);
}

#[test]
fn without_a_browser_the_answer_is_pasted_or_comes_through_a_tunnel() {
    let scene = Scene::new(Manners::default(), "redirect_port = 0");
    let mut login = scene.login("login p --no-browser", true);
    let url = login.line();
    login.paste("");
    login.paste(&agree(&url));
    let run = login.finish(0);
    let port = url::Url::parse(&scene.server.seen("/authorize")[0].parameters["redirect_uri"]).expect("a URL").port();
    let tunnel = port.map(|port| format!("ssh -L {port}:127.0.0.1:{port} ")).expect("a port");
    assert!(run.stderr.contains(&tunnel), "{}", run.stderr);
    assert!(!scene.home.path("opened").exists(), "a browser was started");
    let mut login = scene.login("login p --no-browser", false);
    get(&agree(&login.line())).expect("ffauth listens");
    login.finish(0);
    assert_eq!(scene.stored().len(), 1);
}

#[test]
fn a_redirect_uri_elsewhere_takes_the_answer_from_standard_input() {
    let scene = Scene::new(
        Manners { iss: Some("URL"), promises_iss: true, ..Manners::default() },
        "redirect_uri = \"https://app.example/cb\"",
    );
    let mut login = scene.login("login p", true);
    let callback = agree(&login.line());
    assert!(callback.starts_with("https://app.example/cb?code="), "{callback}");
    login.paste(&callback);
    login.finish(0);
    for (from, to, part) in [("state=", "state=x", "state"), ("iss=", "iss=x", "issuer")] {
        let mut login = scene.login("login p --no-browser", false);
        let callback = agree(&login.line()).replace(from, to);
        login.paste(&callback);
        assert!(login.finish(4).stderr.contains(part));
    }
    let mut login = scene.login("login p --no-browser", false);
    login.line();
    assert!(login.finish(3).stderr.contains("standard input ended"));
    assert_eq!(scene.server.seen("/token").len(), 1);
}

#[test]
fn where_nobody_can_sign_in_that_is_said_at_once() {
    let scene = Scene::new(Manners::default(), "");
    steady(|| {
        for line in ["login p", "token p"] {
            let began = Instant::now();
            let run = scene.home.line(line);
            run.expect_code(3);
            assert!(began.elapsed() < Duration::from_secs(1), "{line} took {:?}", began.elapsed());
            assert!(run.stderr.contains("ffauth login p"), "{}", run.stderr);
        }
    });
    let job = scene.home.line("-nostdin -auth p -i http://127.0.0.1:9/a.ts -c copy out.ts");
    job.expect_code(1);
    assert!(
        job.stderr.contains("profile p: nobody is signed in") && job.stderr.contains("hint: run `ffauth login p`"),
        "{}",
        job.tail()
    );
}

/// A browser that cannot be used is not waited for, as nobody is there to use another.
#[test]
fn a_browser_that_fails_ends_the_sign_in_at_once() {
    let scene = Scene::new(Manners::default(), "");
    std::fs::write(scene.home.path("browser"), "#!/bin/sh\nexit 4\n").expect("a program");
    let began = Instant::now();
    let run = scene.login("login p", true).finish(3);
    assert!(began.elapsed() < Duration::from_secs(20));
    assert!(run.stderr.contains("browser failed (exit status: 4)"), "{}", run.tail());
    assert_eq!(scene.stored(), Vec::<String>::new());
}

#[test]
fn a_device_shows_address_and_code() {
    let scene = Scene::new(Manners { has_device: true, ..Manners::default() }, "scope = [\"a\"]");
    // Over SSH the device flow is offered by itself; without a terminal it has to be asked for.
    let mut login = scene.login("login p --device", false);
    assert_eq!(login.line(), scene.server.url("/go"));
    assert_eq!(login.line(), "USER-1");
    let run = login.finish(0);
    assert_eq!(run.stdout.lines().count(), 2);
    assert_eq!(scene.server.seen("/device")[0].parameters["scope"], "a");
    assert_eq!(scene.server.seen("/token")[0].parameters["device_code"], "canary-device-1");
    scene.home.line("token p").expect_code(0);
    scene.server.set(|manners| manners.device = ["access_denied"].into());
    let run = scene.login("login p --device", false).finish(4);
    assert!(run.stderr.contains("access_denied"), "{}", run.stderr);
    scene.server.set(|manners| manners.has_device = false);
    let run = scene.login("login p --device", false).finish(2);
    assert!(run.stderr.contains("no device flow"), "{}", run.stderr);
}

/// Mediaflow: id and secret in the body, one registered redirect URI, endpoints by hand.
#[test]
fn mediaflow_signs_in() {
    let scene = Scene::new(Manners { expires_in: 1, ..Manners::default() }, "");
    let (authorize, token) = (scene.server.url("/authorize"), scene.server.url("/token"));
    let port = crate::support::server::closed_port();
    let profile = format!(
        "[profile.m]\nprovider = \"mediaflow\"\nauthorize_url = \"{authorize}\"\ntoken_url = \"{token}\"\nclient_id = \"app\"\n\
         client_secret = \"{SECRET}\"\nredirect_uri = \"http://localhost:{port}/mediaflow\"\n"
    );
    scene.home.write(CONFIG, &profile);
    let mut login = scene.login("login m", true);
    let url = login.line();
    get(&agree(&url)).expect("ffauth listens");
    login.finish(0);
    let asked = &scene.server.seen("/authorize")[0].parameters;
    let redirect_uri = format!("http://localhost:{port}/mediaflow");
    let names = ["client_id", "code_challenge", "code_challenge_method", "redirect_uri", "response_type", "state"];
    assert_eq!(asked.keys().map(String::as_str).collect::<Vec<_>>(), names);
    assert_eq!((asked["response_type"].as_str(), asked["redirect_uri"].as_str()), ("code", redirect_uri.as_str()));
    let exchanged = &scene.server.seen("/token")[0].parameters;
    let names = ["client_id", "client_secret", "code", "code_verifier", "grant_type", "redirect_uri"];
    assert_eq!(exchanged.keys().map(String::as_str).collect::<Vec<_>>(), names);
    std::thread::sleep(Duration::from_millis(1100));
    scene.home.line("token m").expect_code(0);
    let refreshed = &scene.server.seen("/token")[1].parameters;
    let names = ["client_id", "client_secret", "grant_type", "refresh_token"];
    assert_eq!(refreshed.keys().map(String::as_str).collect::<Vec<_>>(), names);
    // Its server has no revocation endpoint.
    let run = scene.home.line("logout m");
    run.expect_code(0);
    assert!(run.stdout.contains("no revocation endpoint") && scene.stored().is_empty(), "{}", run.stdout);
}

#[test]
fn an_expired_device_code_is_followed_by_a_new_one() {
    let scene = Scene::new(Manners { has_device: true, device: ["expired_token"].into(), ..Manners::default() }, "");
    let mut login = scene.login("login p --device", false);
    let lines: Vec<String> = (0..4).map(|_| login.line()).collect();
    let url = scene.server.url("/go");
    assert_eq!(lines, [url.as_str(), "USER-1", url.as_str(), "USER-2"]);
    let run = login.finish(0);
    assert!(run.stderr.contains("has expired"), "{}", run.stderr);
    let codes: Vec<String> = scene.server.seen("/token").iter().map(|seen| seen.parameters["device_code"].clone()).collect();
    assert_eq!(codes, ["canary-device-1", "canary-device-2"]);
}

/// On a terminal (which `script` makes), in a session over SSH.
#[test]
fn over_ssh_a_device_code_is_shown_or_the_answer_is_pasted() {
    let program = env!("CARGO_BIN_EXE_ffauth");
    let on_terminal = |scene: &Scene| {
        let mut command = scene.home.program("script", ["-qec", &format!("{program} login p"), "/dev/null"]);
        command.env("SSH_CONNECTION", "192.0.2.1 5 192.0.2.7 22").env("USER", "me").env("DISPLAY", "localhost:10.0");
        command.stdin(Stdio::piped());
        command
    };
    let scene = Scene::new(Manners { has_device: true, ..Manners::default() }, "");
    let mut login = Login::start(on_terminal(&scene));
    let url = login.line();
    assert_eq!(url, scene.server.url("/go"));
    let run = login.finish(0);
    assert!(run.stdout.contains("USER-1") && run.stdout.contains('\u{2584}'), "a code and a picture: {}", run.stdout);
    let scene = Scene::new(Manners::default(), "");
    let mut login = Login::start(on_terminal(&scene));
    let url = login.line();
    while !login.line().contains("paste here") {}
    let port = url::Url::parse(&url)
        .expect("a URL")
        .query_pairs()
        .find(|(name, _)| name == "redirect_uri")
        .and_then(|(_, uri)| url::Url::parse(&uri).expect("a URL").port());
    let port = port.expect("a port");
    assert!(
        login.printed.iter().any(|line| line.trim() == format!("ssh -L {port}:127.0.0.1:{port} me@192.0.2.7")),
        "{:?}",
        login.printed
    );
    // The terminal echoes what is typed: the callback itself comes through the tunnel here.
    get(&agree(&url)).expect("ffauth listens");
    login.finish(0);
}

#[test]
fn a_pushed_request_leaves_the_browser_a_reference() {
    let scene = Scene::new(Manners { pushed_only: true, ..Manners::default() }, "");
    let mut login = scene.login("login p", true);
    let url = login.line();
    let names: Vec<String> = url::Url::parse(&url).expect("a URL").query_pairs().map(|(name, _)| name.into_owned()).collect();
    assert_eq!(names, ["client_id", "request_uri"]);
    get(&agree(&url)).expect("ffauth listens");
    login.finish(0);
    let pushed = &scene.server.seen("/par")[0].parameters;
    assert_eq!((pushed["response_type"].as_str(), pushed["client_id"].as_str()), ("code", "app"));
    let scene = Scene::new(Manners { pushed_only: true, ..Manners::default() }, "par = false");
    assert!(scene.login("login p", true).finish(2).stderr.contains("par = false"));
}

#[test]
fn a_refused_refresh_token_asks_for_a_new_sign_in() {
    let scene = Scene::new(Manners { expires_in: 1, ..Manners::default() }, "");
    let mut login = scene.login("login p", true);
    get(&agree(&login.line())).expect("ffauth listens");
    login.finish(0);
    scene.server.forget_refresh_token();
    std::thread::sleep(Duration::from_millis(1100));
    for _ in 0..2 {
        let run = scene.home.line("token p");
        run.expect_code(3);
        assert!(run.stderr.contains("ffauth login p"), "{}", run.stderr);
        shows_nothing(&run);
    }
}

#[test]
fn signing_out_revokes_and_forgets_even_if_the_server_fails() {
    let scene = Scene::new(Manners::default(), "");
    for (revocation, code, part) in [(200, 0, "is revoked"), (503, 4, "may still be valid")] {
        scene.server.set(|manners| manners.revocation = revocation);
        let mut login = scene.login("login p", true);
        get(&agree(&login.line())).expect("ffauth listens");
        login.finish(0);
        assert_eq!(scene.stored().len(), 1);
        assert!(scene.home.line("profiles").stdout.contains(" valid "));
        let run = scene.home.line("logout p");
        run.expect_code(code);
        shows_nothing(&run);
        for kind in ["refresh token", "access token"] {
            assert!(run.stdout.lines().any(|line| line.contains(kind) && line.contains(part)), "{}", run.stdout);
        }
        assert!(run.stdout.contains("forgotten here") && scene.stored().is_empty(), "{}", run.stdout);
    }
    let hints: Vec<String> = scene.server.seen("/revoke").iter().map(|seen| seen.parameters["token_type_hint"].clone()).collect();
    assert_eq!(hints, ["refresh_token", "access_token", "refresh_token", "access_token"]);
    scene.home.line("token p").expect_code(3);
    assert!(scene.home.line("profiles").stdout.contains(" signed out "));
    let again = scene.home.line("logout p");
    again.expect_code(0);
    assert!(again.stdout.contains("there was no token"), "{}", again.stdout);
}

#[test]
fn what_cannot_be_signed_in_to_says_what_to_change() {
    let scene = Scene::new(Manners::default(), "store = \"memory\"");
    assert!(scene.login("login p", true).finish(2).stderr.contains("keeps no sign-in"));
    let home = Home::new("[profile.p]\ntoken_url = \"http://127.0.0.1:9/t\"\nclient_id = \"a\"\nclient_secret = \"s\"\n");
    let run = finish(home.ffauth(["login", "p", "--no-browser"]));
    run.expect_code(2);
    assert!(run.stderr.contains("nobody has to sign in") && run.stderr.contains("ffauth token p"), "{}", run.stderr);
}

#[test]
fn an_interrupted_sign_in_ends_with_130() {
    let scene = Scene::new(Manners::default(), "");
    let mut login = scene.login("login p --no-browser", false);
    login.line();
    let id = rustix::process::Pid::from_raw(login.child.id().cast_signed()).expect("a process id");
    rustix::process::kill_process(id, rustix::process::Signal::INT).expect("a running process");
    login.finish(130);
}
