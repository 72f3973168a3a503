//! Profiles that code makes: the keys of the configuration file, with secrets, tokens and stores of the service's own.

use std::collections::{BTreeMap, BTreeSet};

use zeroize::Zeroizing;

use crate::error::{Error, Kind};
use crate::oauth::held::{Bearer, Holder};
use crate::oauth::store::{CustomStore, TokenStore};
use crate::secret::{Secret, SecretSource};

use super::document::Document;
use super::key::{self, Shape};
use super::settings::Settings;
use super::{Profile, StoreKind, resolve, tables_of};

/// The value of a key of a [`ProfileBuilder`]: what the configuration file has there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Value {
    /// A string.
    Text(String),
    /// `true` or `false`.
    Flag(bool),
    /// A whole number.
    Number(u32),
    /// Strings.
    List(Vec<String>),
    /// Strings by name.
    Map(Vec<(String, String)>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(number)
    }
}

impl<const N: usize> From<[&str; N]> for Value {
    fn from(list: [&str; N]) -> Self {
        Self::List(list.into_iter().map(Into::into).collect())
    }
}

impl From<Vec<String>> for Value {
    fn from(list: Vec<String>) -> Self {
        Self::List(list)
    }
}

impl<K: Into<String>, V: Into<String>, const N: usize> From<[(K, V); N]> for Value {
    fn from(map: [(K, V); N]) -> Self {
        Self::Map(map.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl From<Value> for toml::Value {
    fn from(value: Value) -> Self {
        match value {
            Value::Text(text) => Self::String(text),
            Value::Flag(flag) => Self::Boolean(flag),
            Value::Number(number) => Self::Integer(number.into()),
            Value::List(list) => Self::Array(list.into_iter().map(Self::String).collect()),
            Value::Map(map) => Self::Table(map.into_iter().map(|(name, value)| (name, Self::String(value))).collect()),
        }
    }
}

/// Makes a [`Profile`]. Keys are those of `[profile.NAME]` in the configuration file, with the same presets, defaults and rules;
/// those of `[profile.NAME.dialect]` are called `dialect.KEY`.
///
/// ```
/// use ffauth::{Profile, SecretSource};
///
/// let profile = Profile::builder("studio")
///     .set("issuer", "https://login.example.com")
///     .set("client_id", "ingest")
///     .secret("client_secret", SecretSource::custom("vault", || Ok("s3cret".into())))
///     .set("scope", ["media.read"])
///     .set("origins", ["https://media.example.com", "https://*.cdn.example.com"])
///     .build()?;
/// # Ok::<(), ffauth::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ProfileBuilder {
    name: String,
    values: Vec<(String, Value)>,
    secrets: Vec<(String, SecretSource)>,
    media_headers: Vec<(String, SecretSource)>,
    holder: Option<Holder>,
    store: Option<CustomStore>,
}

impl ProfileBuilder {
    pub(super) fn new(name: String) -> Self {
        let (values, secrets, media_headers) = (Vec::new(), Vec::new(), Vec::new());
        Self { name, values, secrets, media_headers, holder: None, store: None }
    }

    /// Sets a key: `("token_url", "https://…")`, `("dpop", true)`, `("scope", ["a", "b"])`.
    #[must_use]
    pub fn set(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.values.push((key.into(), value.into()));
        self
    }

    /// Sets a key that is a secret: `client_secret`, `password`, `refresh_token`, `access_token`, `private_key` and the like.
    #[must_use]
    pub fn secret(mut self, key: impl Into<String>, source: impl Into<SecretSource>) -> Self {
        self.secrets.push((key.into(), source.into()));
        self
    }

    /// Adds a header field that goes with the token, to the same origins only. It is read once.
    #[must_use]
    pub fn media_header(mut self, name: impl Into<String>, value: impl Into<SecretSource>) -> Self {
        self.media_headers.push((name.into(), value.into()));
        self
    }

    /// The service holds the tokens itself: no authorization server is asked, and nothing is stored.
    #[must_use]
    pub fn bearer(mut self, bearer: impl Bearer + 'static) -> Self {
        self.holder = Some(Holder::new(bearer));
        self
    }

    /// Tokens are kept in a place of the service's own.
    #[must_use]
    pub fn store(mut self, store: impl TokenStore + 'static) -> Self {
        self.store = Some(CustomStore::new(store));
        self
    }

    /// The profile.
    ///
    /// # Errors
    /// Of [`Kind::Config`], which names the key: it is unknown, its value is wrong, or one is missing.
    pub fn build(self) -> Result<Profile, Error> {
        let mut table = toml::Table::new();
        let mut dialect = toml::Table::new();
        let refuse = |key: &str, reason: &str| Error::new(Kind::Config, format!("profile {}: {key}: {reason}", self.name));
        let mut seen = BTreeSet::new();
        let mut put = |key: &str, value: toml::Value| {
            if !seen.insert(key.to_owned()) {
                return Err(refuse(key, "is set twice"));
            }
            match key.strip_prefix("dialect.") {
                Some(key) => dialect.insert(key.to_owned(), value),
                None => table.insert(key.to_owned(), value),
            };
            Ok(())
        };
        for (key, value) in &self.values {
            put(key, value.clone().into())?;
        }
        let mut secrets = BTreeMap::new();
        for (name, source) in &self.secrets {
            let key = key::find(key::PROFILE, name).filter(|key| key.shape == Shape::Secret);
            let key = key.ok_or_else(|| refuse(name, "is not the name of a secret"))?;
            put(name, "given by the service".into())?;
            secrets.insert(key.name, source.clone());
        }
        if !dialect.is_empty() {
            table.insert("dialect".to_owned(), dialect.into());
        }
        let profiles = toml::Table::from_iter([(self.name.clone(), table.into())]);
        let text = toml::Table::from_iter([("profile".to_owned(), profiles.into())]).to_string();
        let document = Document::of_code(&self.name, Zeroizing::new(text));
        let profiles = tables_of(&document)?.profiles;
        let (name, (place, by_key)) =
            profiles.into_iter().next().ok_or_else(|| Error::new(Kind::Internal, "the profile is not there"))?;
        let mut profile = resolve::profile(&Settings { name: &name, place, by_key, secrets, holder: self.holder.clone() })?;
        for (name, source) in &self.media_headers {
            if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
                return Err(refuse("media_headers", &format!("`{}` is not the name of a header field", name.escape_debug())));
            }
            if profile.placement.header_name().is_some_and(|token| token.eq_ignore_ascii_case(name)) {
                return Err(refuse("media_headers", &format!("{name} carries the token already")));
            }
            profile.media_headers.push((name.clone(), source.clone()));
        }
        profile.own_store = self.store;
        if self.holder.is_some() {
            profile.store = StoreKind::Memory;
        }
        Ok(profile)
    }
}

impl From<Secret> for SecretSource {
    fn from(secret: Secret) -> Self {
        Self::Plain(secret)
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use crate::error::BoxError;
    use crate::oauth::client::Grant;
    use crate::oauth::held::HeldToken;

    use super::*;

    struct Held;

    impl Bearer for Held {
        fn token(&self) -> Result<HeldToken, BoxError> {
            Ok(HeldToken::new("t"))
        }
    }

    #[test]
    fn a_built_profile_is_that_of_the_file() {
        let built = Profile::builder("st-1")
            .set("token_url", "https://a.example/token")
            .set("client_id", "id \"x\"")
            .secret("client_secret", Secret::new("s"))
            .set("scope", ["a", "b"])
            .set("dpop", true)
            .set("redirect_port", 7)
            .set("dialect.token_query", [("expires_in", "7200")])
            .set("placement", [("query", "access_token")])
            .set("origins", ["https://m.example"])
            .set("store", "memory");
        let error = built.clone().build().expect_err("a proof needs a header").to_string();
        assert!(error.starts_with("profile st-1: "), "{error}");
        let built = built.set("strict", true);
        let built = ProfileBuilder { values: built.values.into_iter().filter(|(key, _)| key != "placement").collect(), ..built };
        let built = built.build().expect("a profile");
        let text = "[profile.st-1]\ntoken_url = 'https://a.example/token'\nclient_id = 'id \"x\"'\nclient_secret = 's'\nscope = ['a', 'b']\n\
                    dpop = true\nredirect_port = 7\norigins = ['https://m.example']\nstore = 'memory'\nstrict = true\n\
                    [profile.st-1.dialect]\ntoken_query = { expires_in = '7200' }\n";
        let config = Config::from_toml(text).expect("a configuration");
        let read = config.profile("st-1").expect("a profile");
        assert_eq!(format!("{built:?}"), format!("{read:?}"));
    }

    #[test]
    fn a_service_that_holds_the_tokens_needs_nothing_else() {
        let profile = Profile::builder("mine").bearer(Held).media_header("X-A", Secret::new("a")).build().expect("a profile");
        assert!(profile.client.grant == Grant::External && profile.client.holder.is_some());
        assert_eq!(profile.media_headers.len(), 1);
    }

    #[test]
    fn errors_name_the_key_and_what_to_do() {
        let build = |change: fn(ProfileBuilder) -> ProfileBuilder| change(Profile::builder("x")).build().expect_err("refused");
        for (error, part) in [
            (build(|x| x), "nothing says how to get a token"),
            (build(|x| x.set("clientid", "a")), "did you mean `client_id`"),
            (build(|x| x.set("dpop", "yes")), "dpop: must be true or false"),
            (build(|x| x.set("client_id", "a").set("client_id", "b")), "client_id: is set twice"),
            (build(|x| x.secret("client_id", Secret::new("a"))), "client_id: is not the name of a secret"),
            (build(|x| x.bearer(Held).media_header("a b", Secret::new("a"))), "is not the name of a header field"),
            (build(|x| x.bearer(Held).media_header("Authorization", Secret::new("a"))), "carries the token already"),
            (build(|x| x.set("token_url", "https://a/").secret("client_secret", Secret::new("CANARY"))), "client_id is missing"),
        ] {
            let text = format!("{error} {}", error.hint().unwrap_or_default());
            assert!(error.kind() == Kind::Config && text.contains(part) && !text.contains("CANARY"), "{text}");
            assert!(!text.contains("FFAUTH_"), "the environment adds nothing here: {text}");
        }
    }
}
