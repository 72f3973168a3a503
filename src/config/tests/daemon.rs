//! `[stream.NAME]` and `[serve]`.

use std::path::Path;
use std::time::Duration;

use super::{NOTHING, load, refused, says};
use crate::config::{Listen, Restart};
use crate::secret::SecretSource;

#[test]
fn streams_are_read_in_order_of_name() {
    let config = load("[stream.b]\nrun = \"-i x -c copy y\"\nrestart = \"always\"\n[stream.a]\nrun = \"-i z w\"\n", NOTHING)
        .expect("a file");
    let streams: Vec<_> =
        config.streams().iter().map(|(name, stream)| (name.as_str(), stream.run.as_str(), stream.restart)).collect();
    assert_eq!(streams, [("a", "-i z w", Restart::OnFailure), ("b", "-i x -c copy y", Restart::Always)]);
}

#[test]
fn a_stream_needs_a_command_line_and_a_plain_name() {
    says(&refused("[stream.lobby]\nrestart = \"never\"\n"), &[":1", "run: is missing", "lobby"]);
    says(&refused("[stream.lobby]\nrun = \" \"\n"), &["run: is missing"]);
    for name in ["\"a/b\"", "\"\"", "\"..\"", "\"a b\"", "\"é\""] {
        says(&refused(&format!("[stream.{name}]\nrun = \"-i x y\"\n")), &["cannot be the name of a stream"]);
    }
    says(&refused("[stream.x]\nrun = \"-i x y\"\nrestart = \"on-failure\"\n"), &[":3", "did you mean `on_failure`"]);
}

#[test]
fn paths_of_the_daemon_start_at_the_file() {
    let text = "[serve]\nlisten = \"unix:run/s\"\ntoken = { file = \"t\" }\nstate_dir = \"state\"\nallow_paths = [\"media\", \"/srv\"]\n\
                allow_profiles = [\"a\"]\nhosts = [\"Media.Example\"]\nopen_metrics = true\ndrain = 5\n";
    let config = load(text, NOTHING).expect("a file");
    let serve = config.serve();
    assert_eq!(serve.listen, Some(Listen::Unix("/etc/ffauth/run/s".into())));
    assert_eq!(serve.token, Some(SecretSource::File("/etc/ffauth/t".into())));
    assert_eq!(serve.state_dir.as_deref(), Some(Path::new("/etc/ffauth/state")));
    assert_eq!(serve.allow_paths, [Path::new("/etc/ffauth/media"), Path::new("/srv")]);
    assert_eq!(
        (serve.allow_profiles.as_slice(), serve.hosts.as_slice()),
        (&["a".to_owned()][..], &["media.example".to_owned()][..])
    );
    assert!(serve.open_metrics);
    assert_eq!(serve.drain, Duration::from_secs(5));
}

#[test]
fn addresses() {
    for (text, shown) in [
        ("127.0.0.1:8460", "127.0.0.1:8460"),
        ("[::1]:0", "[::1]:0"),
        ("localhost:1", "127.0.0.1:1"),
        ("unix:/run/f", "unix:/run/f"),
    ] {
        assert_eq!(text.parse::<Listen>().expect(text).to_string(), shown);
    }
    for text in ["8460", ":8460", "media.example:80", "unix:", ""] {
        says(&refused(&format!("[serve]\nlisten = \"{text}\"\n")), &[":2", "listen"]);
    }
    says(&refused("[serve]\nhosts = [\"https://media.example\"]\n"), &[":2", "not the name of a host"]);
}
