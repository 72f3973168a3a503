//! OAuth 2.0 client: gets access tokens, keeps them fresh, stores them. Knows nothing about media.

pub mod client;
pub mod dialect;
pub mod provider;
