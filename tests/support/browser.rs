//! Chromium without a screen, told what to do by the DevTools protocol over a pair of pipes.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::daemon::PATIENCE;

/// One page in a browser of its own.
pub struct Browser {
    child: Child,
    commands: File,
    answers: BufReader<File>,
    session: String,
    next: u64,
    /// What went wrong in the page.
    pub errors: Vec<String>,
    _folder: tempfile::TempDir,
}

impl Browser {
    /// A browser that shows `url`.
    pub fn open(url: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = |name: &str| {
            let path = folder.path().join(name);
            assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo").success());
            path
        };
        let (commands, answers) = (pipe("commands"), pipe("answers"));
        // The browser reads commands from descriptor 3 and answers on 4; both ends are opened read-write, so that nobody waits.
        let script = "exec chromium --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run --hide-scrollbars \
                      --remote-debugging-pipe --user-data-dir=profile 3<>commands 4<>answers";
        let child = Command::new("sh")
            .args(["-c", script])
            .current_dir(folder.path())
            .env("HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let open = |path| File::options().read(true).write(true).open(path).expect("a pipe");
        let mut browser = Self {
            child,
            commands: open(&commands),
            answers: BufReader::new(open(&answers)),
            session: String::new(),
            next: 0,
            errors: Vec::new(),
            _folder: folder,
        };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }))["targetId"].clone();
        let attached = browser.call("Target.attachToTarget", json!({ "targetId": target, "flatten": true }));
        browser.session = attached["sessionId"].as_str().expect("a session").to_owned();
        for domain in ["Page", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser.size(1280, 900, false);
        browser.call("Page.navigate", json!({ "url": url }));
        browser
    }

    /// A window of this size; that of a phone, if so said.
    pub fn size(&mut self, width: u32, height: u32, mobile: bool) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile });
        self.call("Emulation.setDeviceMetricsOverride", metrics);
    }

    /// The value of an expression in the page.
    #[track_caller]
    pub fn value(&mut self, expression: &str) -> Value {
        let asked = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let answer = self.call("Runtime.evaluate", asked);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub fn wait_for(&mut self, expression: &str) {
        let began = Instant::now();
        while self.value(expression) != Value::Bool(true) {
            if began.elapsed() > PATIENCE {
                let text = self.value("document.body.innerText");
                panic!("not true after {PATIENCE:?}: {expression}\n{text}\n{:?}", self.errors);
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }

    /// Writes what can be seen to a PNG file.
    pub fn photograph(&mut self, path: &Path) {
        let picture = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        std::fs::write(path, STANDARD.decode(picture["data"].as_str().expect("a picture")).expect("base64")).expect("a file");
    }

    /// The names of everything in the page that can be used, as those hear them who do not see it; with its role.
    pub fn names(&mut self) -> Vec<(String, String)> {
        let tree = self.call("Accessibility.getFullAXTree", json!({}));
        let text = |node: &Value, field: &str| node[field]["value"].as_str().unwrap_or_default().to_owned();
        let nodes = tree["nodes"].as_array().expect("nodes").iter().filter(|node| node["ignored"] != true);
        let named = nodes.map(|node| (text(node, "role"), text(node, "name")));
        named.filter(|(role, _)| ["button", "link", "textbox", "combobox", "image"].contains(&role.as_str())).collect()
    }

    fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.next += 1;
        let mut message = json!({ "id": self.next, "method": method, "params": parameters });
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        self.commands.write_all(format!("{message}\0").as_bytes()).expect("a command");
        loop {
            let mut answer = Vec::new();
            self.answers.read_until(0, &mut answer).expect("an answer");
            let answer: Value = serde_json::from_slice(answer.strip_suffix(&[0]).expect("an end")).expect("JSON");
            if answer["id"] == self.next {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].clone();
            }
            if answer["method"] == "Runtime.exceptionThrown" || answer["params"]["entry"]["level"] == "error" {
                self.errors.push(answer["params"].to_string());
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
