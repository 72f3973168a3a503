//! OAuth 2.0 client: gets access tokens, keeps them fresh, stores them. Knows nothing about media.
//!
//! [`source::Source`] is what others use. It asks [`grant`] what to send and [`token_endpoint`] how, [`client_auth`] proves who
//! asks, [`transport`] sends it, [`schedule`] says when, and [`store`] keeps the result between runs and between processes.

pub mod assertion;
pub mod client;
pub mod client_auth;
pub mod dialect;
pub mod discovery;
pub mod dpop;
pub mod error;
pub mod external;
pub mod grant;
pub mod jws;
pub mod provider;
pub mod schedule;
pub mod source;
pub mod store;
pub mod token;
pub mod token_endpoint;
pub mod transport;

pub use error::OauthError;
