//! The house rules that a compiler does not check: who may import whom, and what may stand where.

use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Modules that everybody may use and that use only each other.
const LEAF: &[&str] = &["backoff", "clock", "env", "error", "origin", "redact", "secret", "shutdown", "tls"];

/// Each other module and what of the crate it may use, besides itself and the leaves; `pipeline::plan` alone is pipeline's plain data.
const MAY_USE: &[(&str, &[&str])] = &[
    ("oauth", &[]),
    ("bearer", &[]),
    ("net", &["bearer"]),
    ("libav", &["net", "bearer"]),
    ("manifest", &[]),
    ("loopback", &["net", "bearer", "manifest"]),
    ("pipeline", &["libav"]),
    ("command_line", &["pipeline::plan"]),
    ("config", &["oauth", "bearer"]),
    ("job", &["oauth", "bearer", "net", "libav", "loopback", "pipeline", "command_line", "config"]),
    ("relay", &["net", "manifest", "config", "job"]),
    ("serve", &["oauth", "bearer", "net", "libav", "pipeline", "command_line", "config", "job"]),
    ("cli", &["oauth", "bearer", "net", "libav", "pipeline", "command_line", "config", "job", "relay", "serve"]),
];

/// What only some places may mention, and which these are.
const FENCES: &[(&[&str], &[&str])] = &[
    (&["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "allow(unsafe_code)"], &["libav"]),
    (&["clap::", "use clap", "anyhow::", "use anyhow"], &["cli", "main"]),
    (&["println!", "eprintln!", "print!(", "eprint!(", "io::stdout()", "io::stderr()"], &["cli", "main"]),
    (&["std::env", "env::var", "env::args"], &["env", "main"]),
    (&["SystemTime::now", "Instant::now", "clock_gettime"], &["clock"]),
    (&["todo!", "unimplemented!", "dbg!"], &[]),
];

/// A source file without its comments, strings aside, and without its tests.
struct Source {
    /// Its path as in `libav::io::mod`, without `mod`.
    module: String,
    code: String,
}

impl Source {
    /// The top-level module that it belongs to; `lib` and `main` for themselves.
    fn top(&self) -> &str {
        self.module.split("::").next().expect("a first part")
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    let read = |file: &PathBuf| {
        let path = file.strip_prefix(&root).expect("below src").with_extension("");
        let parts: Vec<&str> = path.iter().filter_map(|part| part.to_str()).filter(|part| *part != "mod").collect();
        Source { module: parts.join("::"), code: product_code(&std::fs::read_to_string(file).expect("a source file")) }
    };
    let mut sources: Vec<Source> = files.iter().map(read).collect();
    sources.retain(|source| !source.module.split("::").any(|part| part == "tests"));
    assert!(sources.len() > 20, "only {} files were found below {}", sources.len(), root.display());
    sources
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => collect(&path, files),
            false if path.extension().is_some_and(|extension| extension == "rs") => files.push(path),
            false => {}
        }
    }
}

/// Everything before the tests, which stand at the end of a file; no comments.
fn product_code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod ").next().expect("a first part");
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let lines = lines.map(|line| line.split(" // ").next().expect("a first part"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The paths after `crate::` in a file, groups in braces opened: `net::Media`, `pipeline::plan::Plan`.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        match rest.strip_prefix('{') {
            None => found.push(path(rest)),
            Some(group) => {
                let mut depth = 0;
                let end = group.find(|c| {
                    depth += i32::from(c == '{') - i32::from(c == '}');
                    depth < 0
                });
                let group = &group[..end.unwrap_or(group.len())];
                let mut depth = 0;
                let parts = group.split(|c| {
                    depth += i32::from(c == '{') - i32::from(c == '}');
                    c == ',' && depth == 0
                });
                found.extend(parts.map(str::trim).filter(|part| !part.is_empty()).map(path));
            }
        }
    }
    found
}

/// `net::Media` of `net::Media;…`.
fn path(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_alphanumeric() || matches!(c, '_' | ':'))
        .collect::<String>()
        .trim_end_matches(':')
        .to_owned()
}

#[test]
fn modules_import_only_what_lies_below_them() {
    let mut wrong = String::new();
    for source in sources() {
        let top = source.top();
        if ["lib", "main"].contains(&top) {
            continue;
        }
        let allowed = match MAY_USE.iter().find(|(name, _)| *name == top) {
            Some((_, allowed)) => *allowed,
            None if LEAF.contains(&top) => &[],
            None => panic!("src/{top} is not in the table: say what it may use"),
        };
        for import in imports(&source.code) {
            let target = import.split("::").next().expect("a first part");
            let known = MAY_USE.iter().any(|(name, _)| *name == target) || LEAF.contains(&target);
            // `crate::Result` and the like are names of lib.rs.
            let fine = !known
                || target == top
                || LEAF.contains(&target)
                || allowed.iter().any(|allowed| import == *allowed || import.starts_with(&format!("{allowed}::")));
            if !fine {
                writeln!(wrong, "  {} uses crate::{import}", source.module).expect("a string");
            }
        }
    }
    assert!(wrong.is_empty(), "against the direction of dependency:\n{wrong}");
}

/// The table itself has a direction: nothing may use what may use it.
#[test]
fn the_table_has_no_cycle() {
    for (index, (name, allowed)) in MAY_USE.iter().enumerate() {
        for used in *allowed {
            let used = used.split("::").next().expect("a first part");
            let position = MAY_USE.iter().position(|(name, _)| *name == used).expect("a row");
            assert!(position < index, "{name} uses {used}, which stands below it");
        }
    }
}

#[test]
fn some_things_stand_in_one_place_only() {
    let mut wrong = String::new();
    for source in sources() {
        for (words, places) in FENCES {
            if places.contains(&source.top()) {
                continue;
            }
            for line in source.code.lines() {
                if let Some(word) = words.iter().find(|word| line.contains(**word)) {
                    writeln!(wrong, "  {}: `{word}` belongs to {places:?}: {}", source.module, line.trim()).expect("a string");
                }
            }
        }
    }
    assert!(wrong.is_empty(), "out of place:\n{wrong}");
}

/// Can users of the crate get at what this module declares: is it, and what it is in, `pub mod`, or are names of it re-exported?
fn is_reachable(module: &str, sources: &[Source]) -> bool {
    let (parent, name) = module.rsplit_once("::").unwrap_or(("lib", module));
    let declares = |source: &Source| {
        let code = &source.code;
        code.contains(&format!("pub mod {name};")) || code.contains(&format!("pub use {name}::"))
    };
    module == "lib" || sources.iter().any(|source| source.module == parent && declares(source)) && is_reachable(parent, sources)
}

/// No type of the libraries beneath stands in a public signature: they could not be exchanged then.
#[test]
fn public_signatures_are_our_own() {
    const THEIRS: &[&str] = &["ffmpeg_next::", "ffmpeg::", "ffi::", "reqwest::", "hyper::"];
    let mut wrong = String::new();
    let sources = sources();
    for source in sources.iter().filter(|source| is_reachable(&source.module, &sources)) {
        // Methods of a type that is not public are not either.
        let mut hidden = false;
        for line in source.code.lines() {
            if let Some(name) = line.strip_prefix("impl") {
                let name = path(name.trim_start_matches(|c: char| c != ' ').trim_start());
                hidden = !["struct", "enum"].iter().any(|kind| source.code.contains(&format!("pub {kind} {name}")));
            } else if line.starts_with('}') {
                hidden = false;
            }
            let line = line.trim_start();
            if hidden {
                continue;
            }
            let public = ["pub fn", "pub async fn", "pub const fn", "pub type", "pub static", "pub unsafe fn", "pub use"];
            let field =
                line.strip_prefix("pub ").is_some_and(|rest| rest.split_once(": ").is_some_and(|(name, _)| is_name(name)));
            if (public.iter().any(|start| line.starts_with(start)) || field) && THEIRS.iter().any(|name| line.contains(name)) {
                writeln!(wrong, "  {}: {line}", source.module).expect("a string");
            }
        }
    }
    assert!(wrong.is_empty(), "types of a dependency in public:\n{wrong}");
}

fn is_name(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// The front page of the crate shows what it is made of.
#[test]
fn every_module_is_in_the_table() {
    let lib = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).expect("lib.rs");
    let declared = lib.lines().filter_map(|line| line.trim().strip_suffix(';')?.rsplit_once("mod ").map(|(_, name)| name));
    for name in declared {
        assert!(LEAF.contains(&name) || MAY_USE.iter().any(|(known, _)| *known == name), "{name} is not in the table");
    }
}

/// The invariants stand at the top of `libav/mod.rs`; a block that cites none has not been thought through.
#[test]
fn each_safety_comment_cites_an_invariant() {
    let mut files = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/libav"), &mut files);
    let (mut seen, mut silent) = (0, String::new());
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a source file");
        let mut lines = text.lines().map(str::trim).enumerate().peekable();
        while let Some((number, line)) = lines.next() {
            let Some(mut comment) = line.strip_prefix("// SAFETY").map(str::to_owned) else { continue };
            while let Some((_, more)) = lines.next_if(|(_, line)| line.starts_with("//")) {
                comment.push_str(more);
            }
            seen += 1;
            if !comment.contains("invariant") {
                writeln!(silent, "{}:{}", file.display(), number + 1).expect("a string");
            }
        }
    }
    assert!(seen > 200, "only {seen} comments were found");
    assert!(silent.is_empty(), "these cite none:\n{silent}");
}
