//! The crate seen by a service outside of this repository: what it pulls in, what it can do, and what it may rely on.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use crate::support::cargo::{self, cargo, target};
use crate::support::media;
use crate::support::origin::{Origin, Site};
use crate::support::run::Home;
use crate::support::service::wait_until;
use crate::support::token_server::Tokens;

/// The crate in tests/embedding, put beside what is built, with the versions of our own lock file.
fn project() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("embedding");
    std::fs::create_dir_all(folder.join("src")).expect("a folder");
    let manifest = std::fs::read_to_string(root.join("tests/embedding/Cargo.toml")).expect("a manifest");
    let manifest = manifest.replace("path = \"../..\"", &format!("path = {:?}", root.display().to_string()));
    write_if_changed(&folder.join("Cargo.toml"), &manifest);
    let source = std::fs::read_to_string(root.join("tests/embedding/src/main.rs")).expect("a source file");
    write_if_changed(&folder.join("src/main.rs"), &source);
    std::fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).expect("a copy");
    folder
}

/// Cargo builds again what has another time.
fn write_if_changed(file: &Path, text: &str) {
    if std::fs::read_to_string(file).ok().as_deref() != Some(text) {
        std::fs::write(file, text).expect("a file");
    }
}

#[test]
fn a_service_ingests_looks_swaps_and_stops() {
    let folder = project();
    cargo::run(cargo("build", &folder));
    let mut tree = cargo("tree", &folder);
    tree.args(["--edges", "normal", "--prefix", "none", "--format", "{p}"]);
    let tree = cargo::run(tree);
    assert!(tree.contains("ffauth v") && tree.contains("reqwest v"), "{tree}");
    for unwanted in ["clap", "anyhow", "axum", "hyper-server", "tracing-subscriber", "qrcode", "signal-hook"] {
        assert!(!tree.lines().any(|line| line.starts_with(&format!("{unwanted} v"))), "{unwanted} is pulled in:\n{tree}");
    }

    let kind = &media::HLS_LIVE;
    let tokens = Tokens::new("held", Duration::from_secs(600), None);
    let origin = Origin::start(Site { tokens: Some(tokens.clone()), ..kind.paced(Duration::from_secs(600)) });
    let home = Home::new("");
    let profile = if cargo::programs().ends_with("release") { "release" } else { "debug" };
    let program = target().join(profile).join("embedding").display().to_string();
    let mut command = home.program(&program, [&origin.url(kind.entry), "recorded.mkv"]);
    let mut service = command.stdin(Stdio::piped()).stderr(Stdio::inherit()).spawn().expect("the service");
    let mut stdin = service.stdin.take().expect("a pipe");
    let (sender, said) = mpsc::channel();
    let stdout = service.stdout.take().expect("a pipe");
    let reading = std::thread::spawn(move || {
        BufReader::new(stdout).lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)));
    });
    let next = || said.recv_timeout(Duration::from_secs(60)).unwrap_or_else(|_| panic!("it says nothing\n{}", origin.story()));

    writeln!(stdin, "{}", tokens.issue()).expect("it listens");
    assert_eq!(next(), "picture 320x180");
    writeln!(stdin, "{}", tokens.issue()).expect("it listens");
    assert_eq!(next(), "renewed");
    wait_until("the second token is used", || origin.accepted().contains(&2));
    writeln!(stdin, "stop").expect("it listens");
    let mut numbers = std::collections::BTreeMap::new();
    for _ in 0..6 {
        let line = next();
        let (name, value) = line.split_once(' ').expect("a name and a value");
        numbers.insert(name.to_owned(), value.to_owned());
    }
    let number = |name: &str| numbers[name].parse::<u64>().expect("a number");
    assert!(number("pictures") > 20 && number("packets") > 20 && number("swaps") >= 1, "{numbers:?}");
    assert_eq!((numbers["stopped"].as_str(), numbers["alone"].as_str()), ("true", "true"), "{numbers:?}");
    assert!(number("milliseconds") < 500, "{numbers:?}");
    drop(stdin);
    assert!(service.wait().expect("a child").success());
    reading.join().expect("no panic");
    assert_eq!((origin.count(401), origin.accepted().len()), (0, 2), "{}", origin.story());
}

/// What services may rely on stands in a file: a change of it shows in review, and says whether the next version is a major one.
/// `FFAUTH_UPDATE=1 cargo test public_interface` writes it anew.
#[test]
fn the_public_interface_is_the_one_that_is_committed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages = target().join("doc/ffauth");
    // Pages of another run of cargo, with private items, say; none there makes cargo write them.
    let _ = std::fs::remove_dir_all(&pages);
    let mut doc = cargo("doc", root);
    doc.args(["--lib", "--no-deps"]);
    cargo::run(doc);
    let listing = interface(&pages);
    assert!(listing.lines().count() > 300 && listing.contains("pub struct Session"), "{listing}");
    let file = root.join("tests/public_api.txt");
    if std::env::var_os("FFAUTH_UPDATE").is_some() {
        std::fs::write(&file, &listing).expect("a file");
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    let missing: Vec<&str> = committed.lines().filter(|line| !listing.lines().any(|other| other == *line)).collect();
    let new: Vec<&str> = listing.lines().filter(|line| !committed.lines().any(|other| other == *line)).collect();
    assert!(committed == listing, "the public interface has changed\ngone: {missing:#?}\nnew: {new:#?}");
}

/// The public items that rustdoc shows below the crate's root: each with its declaration, its methods and the traits that it has
/// of its own accord.
fn interface(pages: &Path) -> String {
    let mut files: Vec<PathBuf> = std::fs::read_dir(pages).expect("pages").flatten().map(|entry| entry.path()).collect();
    files.sort();
    let mut listing = String::new();
    for file in files {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let kinds = ["struct.", "enum.", "trait.", "type.", "fn.", "macro.", "constant."];
        if !name.ends_with(".html") || !kinds.iter().any(|kind| name.starts_with(kind)) {
            continue;
        }
        let page = std::fs::read_to_string(&file).expect("a page");
        let declaration = between(&page, "<pre class=\"rust item-decl\">", "</pre>").into_iter().next().unwrap_or_default();
        let declaration = declaration.replace("#[non_exhaustive]pub", "#[non_exhaustive]\npub");
        let declaration = declaration.lines().filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with("/*"));
        listing.extend(declaration.map(|line| format!("{}\n", line.trim_end())));
        // What every type has, and what the compiler finds out, is nobody's promise.
        let end = ["id=\"synthetic-implementations\"", "id=\"blanket-implementations\""];
        let own = &page[..end.iter().filter_map(|end| page.find(end)).min().unwrap_or(page.len())];
        let traits = own.find("id=\"trait-implementations\"").unwrap_or(own.len());
        let mut items = between(&own[..traits], "<h4 class=\"code-header\">", "</h4>");
        items.extend(between(&own[traits..], "<h3 class=\"code-header\">", "</h3>"));
        items.retain(|item| !item.contains("StructuralPartialEq"));
        items.sort();
        items.dedup();
        listing.extend(items.iter().map(|item| format!("    {}\n", item.split_whitespace().collect::<Vec<_>>().join(" "))));
    }
    listing
}

/// The texts between these marks, without tags.
fn between(page: &str, from: &str, to: &str) -> Vec<String> {
    let parts = page.split(from).skip(1).filter_map(|part| part.split(to).next());
    parts.map(plain).collect()
}

fn plain(html: &str) -> String {
    let mut text = String::new();
    let mut in_tag = false;
    for c in html.chars() {
        match c {
            '<' => in_tag = true,
            '>' if in_tag => in_tag = false,
            _ if !in_tag => text.push(c),
            _ => {}
        }
    }
    let entities = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&nbsp;", " "),
        ("\u{a0}", " "),
        (" ⓘ", ""),
        ("&amp;", "&"),
    ];
    entities.iter().fold(text, |text, (entity, plain)| text.replace(entity, plain))
}
