//! `[relay]`: where the relay listens and who may use it.

use crate::secret::SecretSource;

use super::document::Setting;
use super::error::ConfigError;
use super::key::Key;
use super::secret;

/// `[relay]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relay {
    /// The addresses to listen at; none = a free port of 127.0.0.1.
    pub listen: Vec<String>,
    /// What stands in every URL of the relay; `None` = a random one for each run.
    pub secret: Option<SecretSource>,
    /// Who knows the secret may have the tokens themselves.
    pub token_endpoint: bool,
}

impl Relay {
    /// Reads the table.
    pub(super) fn read(given: &[(&'static Key, Setting<'_>)]) -> Result<Self, ConfigError> {
        let mut relay = Self::default();
        for (key, setting) in given {
            let value = setting.value.get_ref();
            match key.name {
                "token_endpoint" => relay.token_endpoint = value.as_bool().unwrap_or_default(),
                "secret" => relay.secret = Some(secret::source(setting, key.name, &setting.value)?),
                _ => {
                    let list = value.as_array().into_iter().flatten().filter_map(|item| item.get_ref().as_str());
                    let words = value.as_str().into_iter().flat_map(str::split_whitespace);
                    relay.listen = list.chain(words).map(str::to_owned).collect();
                    if relay.listen.is_empty() {
                        return Err(setting.refuse(key.name, "names no address; leave it out for a free port of 127.0.0.1"));
                    }
                    if let Some(wrong) = relay.listen.iter().find(|address| !is_address(address)) {
                        let reason = format!("`{}` is no address such as 127.0.0.1:8461", wrong.escape_debug());
                        return Err(setting.refuse(key.name, reason));
                    }
                }
            }
        }
        Ok(relay)
    }
}

/// `HOST:PORT`, where the host may be a name or an address.
fn is_address(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}
