//! The keys about signing in.

use super::*;
use crate::oauth::client::{Par, SignIn};

/// A profile whose user signs in, complete without `extra`.
fn person(extra: &str) -> String {
    format!("[profile.studio]\nclient_id = \"id\"\nissuer = \"https://login.example.com\"\n{extra}\n")
}

fn sign_in(extra: &str) -> SignIn {
    profile(&person(extra), "studio").client.sign_in
}

#[test]
fn the_keys_are_read() {
    assert_eq!(sign_in(""), SignIn::default());
    let all = sign_in(
        "device_url = \"https://a.example/d\"\nrevoke_url = \"https://a.example/r\"\npar_url = \"https://a.example/p\"\n\
         redirect_uri = \"http://localhost/cb\"\nredirect_port = 8123\nauthorize_params = { prompt = \"consent\", max_age = 60 }\npar = true",
    );
    let urls = [&all.device_url, &all.revoke_url, &all.par_url].map(|url| url.as_ref().map(url::Url::path));
    assert_eq!(urls, [Some("/d"), Some("/r"), Some("/p")]);
    assert_eq!((all.redirect_uri.as_deref(), all.redirect_port), (Some("http://localhost/cb"), 8123));
    let mut params = all.authorize_params;
    params.sort();
    assert_eq!(params, [("max_age", "60"), ("prompt", "consent")].map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(all.par, Par::Always);
    for (text, par) in [("par = \"auto\"", Par::Auto), ("par = false", Par::Never)] {
        assert_eq!(sign_in(text).par, par);
    }
}

#[test]
fn wrong_values_are_refused_with_their_line() {
    for (text, part) in [
        ("par = \"sometimes\"", "\"auto\""),
        ("redirect_port = 65536", "65535"),
        ("redirect_uri = \"callback\"", "`callback`"),
        ("redirect_uri = \"http://127.0.0.1:9/#x\"", "fragment"),
        ("authorize_params = { state = \"x\" }", "state is set by ffauth"),
        ("authorize_params = { scope = \"x\" }", "use the key scope"),
        ("authorize_params = { response_mode = \"fragment\" }", "response_mode"),
        ("device_url = \"http://a.example/d\"", "plain http"),
    ] {
        let key = text.split(' ').next().expect("a key");
        says(&refused(&person(text)), &[":4", key, part]);
    }
    let two = "redirect_uri = \"http://127.0.0.1:9/\"\nredirect_port = 8";
    says(&refused(&person(two)), &[":5", "redirect_port", "port 9 already"]);
}

#[test]
fn a_sign_in_needs_an_endpoint_and_an_id() {
    let url = "token_url = \"https://a.example/t\"\n";
    for (grant, key) in [("authorization_code", "authorize_url"), ("device_code", "device_url")] {
        let text = format!("[profile.studio]\n{url}grant = \"{grant}\"\n");
        says(&unusable(&text), &["client_id is missing", "FFAUTH_STUDIO_CLIENT_ID"]);
        says(&unusable(&format!("{text}client_id = \"i\"\n")), &[&format!("{key} is missing"), "issuer"]);
        profile(&format!("{text}client_id = \"i\"\n{key} = \"https://a.example/x\"\n"), "studio");
        profile(&person(&format!("grant = \"{grant}\"")), "studio");
    }
}

#[test]
fn only_a_client_with_a_secret_can_do_without_pkce() {
    says(&unusable(&person("pkce = false")), &["pkce = false", "RFC 9700"]);
    let secret = "pkce = false\ngrant = \"authorization_code\"\nclient_secret = { env = \"S\" }";
    assert!(!sign_in(secret).pkce);
}
