//! Every command and every configuration that the README shows is run as it stands there, in a home like a user's.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use crate::support::media;
use crate::support::origin::{Origin, Site};
use crate::support::run::{CONFIG, Home, finish};
use crate::support::server::closed_port;
use crate::support::token_server::{SECRET, TokenServer, Tokens};

/// Lines that name the checkout, and what stands for them: the program that they build is already there, and tests that ran
/// all tests would never end.
const OF_THE_CHECKOUT: &[(&str, &str)] = &[
    (".ci/deps && cargo run --release -- demo", "ffauth demo"),
    ("cargo install --path .", ""),
    (
        ".ci/deps test && cargo test",
        "grep -q 'step .ci/deps test' $CHECKOUT/.ci/run && grep -q 'step cargo test' $CHECKOUT/.ci/run",
    ),
    ("cargo test real_servers -- --ignored", "grep -q '#\\[ignore' $CHECKOUT/tests/real_servers.rs"),
    ("cargo bench --bench serve", "grep -q 'name = \"serve\"' $CHECKOUT/Cargo.toml"),
    ("cargo bench --bench copy", "grep -q 'name = \"copy\"' $CHECKOUT/Cargo.toml"),
    ("cargo bench --bench transcode", "grep -q 'name = \"transcode\"' $CHECKOUT/Cargo.toml"),
    ("cargo bench --bench relay", "grep -q 'name = \"relay\"' $CHECKOUT/Cargo.toml"),
];

#[test]
fn every_command_of_the_readme_runs() {
    let readme = text("README.md");
    let tokens = Tokens::living(Duration::from_secs(600));
    let token_server = TokenServer::start(&tokens);
    let site = tempfile::tempdir().expect("a folder");
    symlink(media::HLS_MASTER.file().parent().expect("a folder"), site.path().join("live")).expect("a link");
    symlink(media::MP4_MOOV_FIRST.file(), site.path().join("video.mp4")).expect("a link");
    std::fs::write(site.path().join("api"), "{}").expect("a file");
    let folder = site.path().to_owned();
    let origin = Origin::start(Site { folder, tokens: Some(tokens.clone()), ..Site::default() });
    let (daemon, srv) = (format!("127.0.0.1:{}", closed_port()), tempfile::tempdir().expect("a folder"));
    let here = |text: &str| {
        let text = text.replace("https://login.example.com/oauth2/token", &token_server.url());
        let text = text.replace("127.0.0.1:8460", &daemon).replace("/srv/media", &srv.path().display().to_string());
        text.replace("https://media.example.com", &origin.base())
    };

    let home = Home::new(&here(&blocks(&readme, "toml").concat()));
    home.write("studio.secret", SECRET);
    std::fs::rename(home.path("studio.secret"), home.path(CONFIG).with_file_name("studio.secret")).expect("the same disk");
    home.write(".config/ffauth/relay.secret", "0123456789abcdef");
    home.write(".secrets/studio", SECRET);
    home.write("token.txt", &tokens.issue());
    std::fs::copy(media::MP4_MOOV_FIRST.file(), home.path("cam.mp4")).expect("a copy");
    std::fs::create_dir(home.path("bin")).expect("a folder");
    symlink(env!("CARGO_BIN_EXE_ffauth"), home.path("bin/ffauth")).expect("a link");
    let path = std::env::var("PATH").expect("a path");

    let commands = blocks(&readme, "sh");
    assert!(commands.len() >= 8, "only {} commands were found", commands.len());
    let mut seen = String::new();
    for command in commands {
        let mut script = here(&command);
        for (line, instead) in OF_THE_CHECKOUT {
            script = script.replace(line, instead);
        }
        assert!(!script.contains("example."), "no server of the tests stands for a host of\n{command}");
        // What a command leaves running ends with it, however that ends.
        let script = format!("trap 'kill $relay 2>/dev/null || true' EXIT\n{script}");
        let mut run = home.program("sh", ["-e", "-c", &script]);
        run.env("PATH", format!("{}:{path}", home.path("bin").display())).env("CHECKOUT", env!("CARGO_MANIFEST_DIR"));
        let run = finish(run);
        assert!(run.code == Some(0), "{:?}:\n{command}\n{}\n{}", run.code, run.tail(), origin.story());
        seen.push_str(&run.stdout);
        seen.push_str(&run.stderr);
        for made in ["out.mkv", "out.mp4"] {
            let _ = std::fs::remove_file(home.path(made));
        }
    }
    assert_eq!(origin.count(401), 0, "{}", origin.story());
    assert!(origin.stored().keys().any(|name| name.ends_with("out.m3u8")), "{:?}", origin.stored().keys());
    assert!(home.path("cam-00000.ts").exists());
    assert!(home.path("played.mkv").exists() && home.path("part.mp4").metadata().expect("a file").len() == 1000);
    let token = std::fs::read_to_string(home.path("token.json")).expect("a file");
    assert!(tokens.all().iter().any(|issued| token.contains(issued)), "{token}");
    for part in ["ffauth_stream_state{stream=\"lobby\",state=\"running\"}", "/sign-in?code=", "\"id\":\"bars\""] {
        assert!(seen.contains(part), "no {part}:\n{seen}");
    }
    assert!(!seen.contains(SECRET), "{seen}");
}

/// Each profile of the vendors' pages is complete.
#[test]
fn every_configuration_of_the_vendor_notes_can_be_used() {
    let configurations = blocks(&text("vendor-notes.md"), "toml");
    assert!(configurations.len() >= 4, "only {} were found", configurations.len());
    for configuration in configurations {
        let home = Home::new(&configuration);
        let names = configuration.lines().filter_map(|line| line.strip_prefix("[profile.")?.split_once(']'));
        for name in names.map(|(name, _)| name).filter(|name| !name.contains('.')) {
            home.line(&format!("profiles show {name}")).expect_code(0);
        }
    }
}

/// The contents of the code blocks in this language.
fn blocks(markdown: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = markdown.lines();
    while let Some(line) = lines.next() {
        if line.trim_start() == format!("```{language}") {
            let block: Vec<&str> = lines.by_ref().take_while(|line| line.trim_start() != "```").collect();
            blocks.push(block.join("\n") + "\n");
        }
    }
    blocks
}

fn text(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).expect("a file of the checkout")
}
