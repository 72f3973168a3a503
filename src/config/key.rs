//! The keys of the configuration, and what may stand behind each.

use toml::de::DeValue;

/// One key of a table.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// Its name in TOML; keys of `[profile.NAME.dialect]` as `dialect.KEY`.
    pub name: &'static str,
    pub shape: Shape,
}

/// The TOML types that a key takes, which also say how its variable in the environment is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Text,
    Flag,
    /// `true`, `false` or a word.
    FlagOrText,
    Number,
    /// Strings; one string with spaces in between in the environment, and in the file if you like.
    List,
    /// Strings, numbers and booleans by name; all are sent as text.
    Map,
    /// A word, or a table of strings.
    TextOrMap,
    /// A string, or a table that says where the secret is.
    Secret,
    /// Secrets by name.
    SecretMap,
}

impl Shape {
    /// What stands in errors: `must be …`.
    pub(super) fn description(self) -> &'static str {
        match self {
            Shape::Text => "a string",
            Shape::Flag => "true or false",
            Shape::FlagOrText => "true, false or a word",
            Shape::Number => "a whole number that is not negative",
            Shape::List => "a list of strings",
            Shape::Map => "a table of strings, { name = \"value\" }",
            Shape::TextOrMap => "a word or a table of strings",
            Shape::Secret => {
                "a string or a table that says where the secret is: { env = … }, { file = … }, { command = [ … ] } or { credential = … }"
            }
            Shape::SecretMap => "a table of header fields, { \"Name\" = \"value\" } or { \"Name\" = { env = … } }",
        }
    }

    /// Has `value` this shape? What stands inside a secret source is checked where it is read.
    pub(super) fn admits(self, value: &DeValue<'_>) -> bool {
        let secret = |value: &DeValue<'_>| value.is_str() || value.is_table();
        match self {
            Shape::Text => value.is_str(),
            Shape::Flag => value.is_bool(),
            Shape::FlagOrText => value.is_bool() || value.is_str(),
            Shape::Number => number(value).is_some(),
            Shape::List => {
                value.is_str() || value.as_array().is_some_and(|items| items.iter().all(|item| item.get_ref().is_str()))
            }
            Shape::Map => value.as_table().is_some_and(|table| table.values().all(|value| scalar(value.get_ref()).is_some())),
            Shape::TextOrMap => {
                value.is_str() || value.as_table().is_some_and(|table| table.values().all(|value| value.get_ref().is_str()))
            }
            Shape::Secret => secret(value),
            Shape::SecretMap => value.as_table().is_some_and(|table| table.values().all(|value| secret(value.get_ref()))),
        }
    }
}

/// A whole number from 0 up.
pub(super) fn number(value: &DeValue<'_>) -> Option<u64> {
    value.as_integer().and_then(|integer| u64::from_str_radix(integer.as_str(), integer.radix()).ok())
}

/// The text of a string, whole number or boolean.
pub(super) fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.clone().into_owned()),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix()).ok().map(|number| number.to_string()),
        _ => None,
    }
}

impl Key {
    const fn new(name: &'static str, shape: Shape) -> Self {
        Self { name, shape }
    }

    /// What stands for it in `FFAUTH_<NAME>_<KEY>`.
    pub(super) fn variable(&self) -> String {
        self.name.replace('.', "_").to_ascii_uppercase()
    }
}

/// The tables at the top of the file.
pub(super) const TABLES: &[&str] = &["profile", "stream", "serve", "relay"];

/// `[profile.NAME]` and `[profile.NAME.dialect]`.
pub(super) const PROFILE: &[Key] = &[
    Key::new("provider", Shape::Text),
    Key::new("provider_params", Shape::Map),
    Key::new("client_id", Shape::Text),
    Key::new("client_secret", Shape::Secret),
    Key::new("issuer", Shape::Text),
    Key::new("token_url", Shape::Text),
    Key::new("authorize_url", Shape::Text),
    Key::new("device_url", Shape::Text),
    Key::new("revoke_url", Shape::Text),
    Key::new("par_url", Shape::Text),
    Key::new("grant", Shape::Text),
    Key::new("client_auth", Shape::Text),
    Key::new("scope", Shape::List),
    Key::new("audience", Shape::Text),
    Key::new("resource", Shape::List),
    Key::new("par", Shape::FlagOrText),
    Key::new("pkce", Shape::Flag),
    Key::new("dpop", Shape::Flag),
    Key::new("authorize_params", Shape::Map),
    Key::new("redirect_uri", Shape::Text),
    Key::new("redirect_port", Shape::Number),
    Key::new("origins", Shape::List),
    Key::new("base_url", Shape::Text),
    Key::new("placement", Shape::TextOrMap),
    Key::new("media_headers", Shape::SecretMap),
    Key::new("media_pointer", Shape::Text),
    Key::new("username", Shape::Text),
    Key::new("password", Shape::Secret),
    Key::new("refresh_token", Shape::Secret),
    Key::new("access_token", Shape::Secret),
    Key::new("private_key", Shape::Secret),
    Key::new("key_id", Shape::Text),
    Key::new("assertion_alg", Shape::Text),
    Key::new("assertion_audience", Shape::Text),
    Key::new("assertion", Shape::Secret),
    Key::new("assertion_issuer", Shape::Text),
    Key::new("assertion_subject", Shape::Text),
    Key::new("subject_token", Shape::Secret),
    Key::new("subject_token_type", Shape::Text),
    Key::new("actor_token", Shape::Secret),
    Key::new("actor_token_type", Shape::Text),
    Key::new("requested_token_type", Shape::Text),
    Key::new("ca_file", Shape::Text),
    Key::new("tls", Shape::Map),
    Key::new("store", Shape::Text),
    Key::new("strict", Shape::Flag),
    Key::new("allow_http", Shape::Flag),
    Key::new("credentials_url", Shape::Text),
    Key::new("bc_token", Shape::Secret),
    Key::new("accounts", Shape::List),
    Key::new("operations", Shape::List),
    Key::new("dialect.grant_type", Shape::Text),
    Key::new("dialect.scope_separator", Shape::Text),
    Key::new("dialect.token_query", Shape::Map),
    Key::new("dialect.token_params", Shape::Map),
    Key::new("dialect.token_headers", Shape::SecretMap),
    Key::new("dialect.assertion_scope", Shape::Flag),
    Key::new("dialect.assertion_claims", Shape::Map),
    Key::new("dialect.default_expires_in", Shape::Number),
];

/// `[stream.NAME]`.
pub(super) const STREAM: &[Key] = &[Key::new("run", Shape::Text), Key::new("restart", Shape::Text)];

/// `[serve]`.
pub(super) const SERVE: &[Key] = &[
    Key::new("listen", Shape::Text),
    Key::new("token", Shape::Secret),
    Key::new("state_dir", Shape::Text),
    Key::new("allow_paths", Shape::List),
    Key::new("allow_profiles", Shape::List),
    Key::new("hosts", Shape::List),
    Key::new("open_metrics", Shape::Flag),
    Key::new("drain", Shape::Number),
];

/// `[relay]`.
pub(super) const RELAY: &[Key] =
    &[Key::new("listen", Shape::List), Key::new("token_endpoint", Shape::Flag), Key::new("secret", Shape::Secret)];

/// The key of `keys` with this name in TOML.
pub(super) fn find(keys: &'static [Key], name: &str) -> Option<&'static Key> {
    keys.iter().find(|key| key.name == name)
}
