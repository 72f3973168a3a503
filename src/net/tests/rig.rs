//! What the tests need beside a server: tokens, a clock, a sender.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, SystemTime};

use tokio::runtime::Runtime;

use super::server::Server;
use crate::bearer::{Bearer, Bearers, Credential, Placement, Renew, RenewError, Scope, Slot};
use crate::clock::{Clock, Now, SystemClock};
use crate::env::Env;
use crate::net::{Media, Request};
use crate::secret::Secret;
use crate::shutdown::Shutdown;
use crate::tls::Roots;

/// The system's roots, read once for all tests.
pub static ROOTS: LazyLock<Roots> = LazyLock::new(|| Roots::new(&Env::default(), None));

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime"));

/// Time that stands still until it is moved, and waits that only note their length.
pub struct TestClock {
    pub passed: Mutex<Duration>,
    pub slept: Mutex<Vec<Duration>>,
}

impl Clock for TestClock {
    fn now(&self) -> Now {
        let passed = *self.passed.lock().expect("no panic");
        Now { boot: Duration::from_secs(100) + passed, wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000) + passed }
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.slept.lock().expect("no panic").push(duration);
        Box::pin(tokio::time::sleep(Duration::from_millis(1)))
    }
}

/// A profile whose tokens are `secret-1`, `secret-2`, ….
pub struct Tokens {
    pub slot: Arc<Slot>,
    /// The generations that were reported as refused.
    pub rejected: Mutex<Vec<u64>>,
    /// Refreshes that were caused.
    pub refreshes: Mutex<u64>,
    pub refuse: AtomicBool,
    /// The generation that another process got; 0 = none.
    pub inherited: AtomicU64,
    /// How long those live that are published from now on, if anybody knows.
    pub life: Mutex<Option<Duration>>,
    clock: Arc<TestClock>,
}

impl Tokens {
    pub fn publish(&self, generation: u64) {
        let credential = Credential::new(Secret::new(format!("secret-{generation}")), Vec::new()).expect("clean");
        let credential = match *self.life.lock().expect("no panic") {
            Some(life) => credential.living(self.clock.now(), life),
            None => credential,
        };
        let is_inherited = self.inherited.load(Ordering::SeqCst) == generation;
        self.slot.publish(generation, if is_inherited { credential.inherited() } else { credential });
    }
}

impl Renew for Tokens {
    fn rejected(&self, generation: u64) {
        self.rejected.lock().expect("no panic").push(generation);
        if self.slot.generation() <= generation && !self.refuse.load(Ordering::SeqCst) {
            *self.refreshes.lock().expect("no panic") += 1;
            self.publish(generation + 1);
        }
    }

    fn wait_newer(&self, generation: u64, limit: Duration, stop: &Shutdown) -> Result<(), RenewError> {
        let start = SystemClock.now();
        loop {
            if self.slot.generation() > generation {
                return Ok(());
            }
            if stop.is_requested() {
                return Err(RenewError::Stopped);
            }
            if self.refuse.load(Ordering::SeqCst) {
                return Err(RenewError::Refused("invalid_client".to_owned()));
            }
            if SystemClock.now().since(&start) >= limit {
                return Err(RenewError::TimedOut(limit));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A sender with one profile, `studio`.
pub struct Rig {
    pub media: Media,
    pub clock: Arc<TestClock>,
    pub tokens: Arc<Tokens>,
    pub bearers: Bearers,
    pub stop: Shutdown,
}

impl Rig {
    /// The profile's scope is the origins of `servers`; its first token is there.
    pub fn new(servers: &[&Server]) -> Self {
        Self::with(servers, Placement::default(), ROOTS.clone())
    }

    pub fn with(servers: &[&Server], placement: Placement, roots: Roots) -> Self {
        let clock = Arc::new(TestClock { passed: Mutex::default(), slept: Mutex::default() });
        let tokens = Tokens {
            slot: Arc::new(Slot::new()),
            rejected: Mutex::default(),
            refreshes: Mutex::default(),
            refuse: AtomicBool::new(false),
            inherited: AtomicU64::new(0),
            life: Mutex::default(),
            clock: Arc::clone(&clock),
        };
        tokens.publish(1);
        let tokens = Arc::new(tokens);
        let patterns = servers.iter().map(|server| server.origin().parse().expect("an origin"));
        let bearers = Bearers::new([Bearer {
            name: "studio".into(),
            scope: Scope::new(patterns, true),
            placement,
            slot: Arc::clone(&tokens.slot),
            renew: Arc::clone(&tokens) as Arc<dyn Renew>,
            roots,
        }]);
        let media = Media::with_clock(RUNTIME.handle().clone(), Arc::clone(&clock) as Arc<dyn Clock>);
        Self { media, clock, tokens, bearers, stop: Shutdown::new() }
    }

    pub fn request(&self, method: &str, url: impl Into<String>) -> Request {
        let timeout = Duration::from_secs(10);
        Request { timeout, ..Request::new(method, url, self.bearers.clone(), ROOTS.clone()) }
    }

    pub fn rejected(&self) -> Vec<u64> {
        self.tokens.rejected.lock().expect("no panic").clone()
    }

    /// Raises the stop flag after a moment, and says how long `work` then took to end.
    pub fn stopped_during<T>(&self, work: impl FnOnce() -> T) -> (T, Duration) {
        let (stop, raised) = (self.stop.clone(), Arc::new(Mutex::new(None)));
        let note = Arc::clone(&raised);
        let raising = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(200));
            *note.lock().expect("no panic") = Some(SystemClock.now());
            stop.request();
        });
        let result = work();
        let raised = raised.lock().expect("no panic").expect("the work outlasted the request");
        let took = SystemClock.now().since(&raised);
        raising.join().expect("no panic");
        (result, took)
    }
}

/// A TLS server's settings for 127.0.0.1, and roots that trust it.
pub fn private_ca() -> (Arc<rustls::ServerConfig>, Roots, tempfile::NamedTempFile) {
    let key = rcgen::KeyPair::generate().expect("a key");
    let parameters = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("parameters");
    let certificate = parameters.self_signed(&key).expect("a certificate");
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    std::io::Write::write_all(&mut file, certificate.pem().as_bytes()).expect("room");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config = builder.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).expect("a pair");
    (Arc::new(config), Roots::new(&Env::default(), Some(file.path())), file)
}
