//! OAuth 2.0 client: gets access tokens, keeps them fresh, stores them. Knows nothing about media.
//!
//! [`source::Source`] is what others use. It asks [`grant`] what to send and [`token_endpoint`] how, [`client_auth`] proves who
//! asks, [`transport`] sends it, [`schedule`] says when, and [`store`] keeps the result between runs and between processes.
//!
//! Where a person signs in, [`authorize`] and [`device`] know what to ask them and what to believe, [`callback`] takes the
//! browser's answer, and the source exchanges it: [`Source::authorize`](source::Source::authorize),
//! [`Source::redeem`](source::Source::redeem), [`Source::await_device`](source::Source::await_device).

pub mod assertion;
pub mod authorize;
pub mod callback;
pub mod client;
pub mod client_auth;
pub mod device;
pub mod dialect;
pub mod discovery;
pub mod dpop;
pub mod endpoints;
pub mod error;
pub mod external;
pub mod grant;
pub mod held;
pub mod jws;
pub mod par;
pub mod pkce;
pub mod provider;
pub mod redirect;
pub mod registration;
pub mod revoke;
pub mod schedule;
pub mod source;
pub mod store;
pub mod token;
pub mod token_endpoint;
pub mod transport;

pub use error::OauthError;
