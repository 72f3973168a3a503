//! The keys of client authentication and of the grants that need no sign-in.

use super::*;
use crate::oauth::assertion::Audience;
use crate::oauth::jws::Algorithm;
use crate::tls::ClientCertificate;

const KEY: &str = "private_key = { file = \"k.pem\" }\n";

/// A profile without a secret.
fn public(keys: &str) -> String {
    format!("[profile.studio]\nclient_id = \"id\"\ntoken_url = \"https://login.example.com/t\"\n{keys}\n")
}

#[test]
fn every_key_of_an_assertion_is_read() {
    let keys = "grant = \"jwt_bearer\"\nclient_auth = \"private_key_jwt\"\nkey_id = \"k1\"\nassertion_alg = \"PS256\"\n\
                assertion_audience = \"https://login.example.com\"\nassertion_issuer = \"me\"\nassertion_subject = \"user\"\n\
                [profile.studio.dialect]\nassertion_scope = true\nassertion_claims = { box_sub_type = \"enterprise\" }\n";
    let client = profile(&public(&format!("{KEY}{keys}")), "studio").client;
    assert_eq!((client.grant, client.client_auth), (Grant::JwtBearer, ClientAuth::PrivateKeyJwt));
    let assertion = client.assertion;
    assert_eq!(assertion.private_key, Some(SecretSource::File("/etc/ffauth/k.pem".into())));
    assert_eq!((assertion.key_id.as_deref(), assertion.algorithm), (Some("k1"), Some(Algorithm::Ps256)));
    assert_eq!(assertion.audience, Audience::Literal("https://login.example.com".to_owned()));
    assert_eq!((assertion.issuer.as_deref(), assertion.subject.as_deref()), (Some("me"), Some("user")));
    assert!(client.dialect.assertion_scope);
    assert_eq!(client.dialect.assertion_claims, [("box_sub_type".to_owned(), "enterprise".to_owned())]);
}

#[test]
fn the_audience_of_an_assertion_is_the_token_url_or_the_issuer_as_it_is_written() {
    let audience = |more: &str| {
        let text = public(&format!("client_auth = \"private_key_jwt\"\ngrant = \"client_credentials\"\n{KEY}{more}"));
        profile(&text, "studio").client.assertion.audience
    };
    assert_eq!(audience(""), Audience::TokenUrl);
    assert_eq!(audience("assertion_audience = \"token_url\""), Audience::TokenUrl);
    let issuer = "assertion_audience = \"issuer\"\nissuer = ";
    for written in ["https://login.example.com", "https://login.example.com/"] {
        assert_eq!(audience(&format!("{issuer}\"{written}\"")), Audience::Literal(written.to_owned()));
    }
    says(&refused(&public("assertion_audience = \"issuer\"")), &[":4", "needs the key issuer"]);
}

#[test]
fn every_key_of_a_token_exchange_is_read() {
    let keys = "subject_token = { env = \"S\" }\nsubject_token_type = \"jwt\"\nactor_token = { env = \"A\" }\n\
                actor_token_type = \"id_token\"\nrequested_token_type = \"urn:x-example:ticket\"\n";
    let client = profile(&public(keys), "studio").client;
    assert_eq!((client.grant, client.client_auth), (Grant::TokenExchange, ClientAuth::None));
    let exchange = client.exchange;
    assert_eq!(exchange.subject_token, Some(SecretSource::Env("S".to_owned())));
    assert_eq!(exchange.subject_token_type.as_deref(), Some("urn:ietf:params:oauth:token-type:jwt"));
    assert_eq!(exchange.actor_token, Some(SecretSource::Env("A".to_owned())));
    assert_eq!(exchange.actor_token_type.as_deref(), Some("urn:ietf:params:oauth:token-type:id_token"));
    assert_eq!(exchange.requested_token_type.as_deref(), Some("urn:x-example:ticket"));
    says(&refused(&public("subject_token_type = \"acess_token\"")), &[":4", "did you mean `access_token`"]);
}

#[test]
fn rfc_names_of_the_stronger_ways_are_synonyms() {
    let tls = "tls = { cert = \"c.pem\", key = \"k.pem\" }\n";
    let grant = "grant = \"client_credentials\"\n";
    for (word, meaning) in [
        ("tls", ClientAuth::Tls),
        ("tls_client_auth", ClientAuth::Tls),
        ("self_signed_tls", ClientAuth::SelfSignedTls),
        ("self_signed_tls_client_auth", ClientAuth::SelfSignedTls),
    ] {
        let client = profile(&public(&format!("{grant}{tls}client_auth = \"{word}\"")), "studio").client;
        assert_eq!(client.client_auth, meaning);
        let certificate = ClientCertificate { certificate: "/etc/ffauth/c.pem".into(), key: "/etc/ffauth/k.pem".into() };
        assert_eq!(client.certificate, Some(certificate));
    }
    assert_eq!(profile(&studio("client_auth = \"client_secret_jwt\""), "studio").client.client_auth, ClientAuth::ClientSecretJwt);
}

#[test]
fn a_proof_says_what_it_needs() {
    for (word, named) in [
        ("private_key_jwt", "private_key is missing"),
        ("client_secret_jwt", "client_secret is missing"),
        ("tls", "tls is missing"),
        ("self_signed_tls", "tls is missing"),
    ] {
        let text = public(&format!("grant = \"client_credentials\"\nclient_auth = \"{word}\""));
        says(&unusable(&text), &[named, "FFAUTH_STUDIO_"]);
    }
    says(&unusable(&public("grant = \"jwt_bearer\"")), &["assertion is missing"]);
    says(&unusable(&public("grant = \"token_exchange\"")), &["subject_token is missing"]);
    for tls in ["{ cert = \"c\" }", "{ cert = \"c\", key = \"\" }", "{ cert = \"c\", key = \"k\", ca = \"a\" }"] {
        says(&refused(&studio(&format!("tls = {tls}"))), &[":5", "cert = \"FILE\", key = \"FILE\""]);
    }
}

#[test]
fn an_algorithm_must_go_with_the_kind_of_key() {
    says(&refused(&studio("assertion_alg = \"RS265\"")), &[":5", "did you mean `RS256`", "EdDSA"]);
    let symmetric = format!("client_auth = \"private_key_jwt\"\n{KEY}assertion_alg = \"HS256\"");
    says(&load(&studio(&symmetric), NOTHING).expect_err("a mismatch"), &[":7", "HS256 is made with a client secret"]);
    let asymmetric = "client_auth = \"client_secret_jwt\"\nassertion_alg = \"ES256\"";
    says(&load(&studio(asymmetric), NOTHING).expect_err("a mismatch"), &[":6", "ES256 is made with a private key"]);
}

#[test]
fn a_key_without_effect_is_an_error_that_says_where_it_would_have_one() {
    for (keys, hint) in [
        ("private_key = { file = \"k.pem\" }", "private_key_jwt"),
        ("key_id = \"k\"", "private_key_jwt"),
        ("assertion_alg = \"RS256\"", "client_secret_jwt"),
        ("assertion_audience = \"x:y\"", "client_secret_jwt"),
        ("assertion_issuer = \"me\"", "jwt_bearer"),
        ("assertion_subject = \"me\"", "jwt_bearer"),
        ("grant = \"jwt_bearer\"\nassertion = { env = \"A\" }\nassertion_subject = \"me\"", "private_key"),
        ("grant = \"client_credentials\"\nassertion = { env = \"A\" }", "jwt_bearer"),
        ("grant = \"client_credentials\"\nsubject_token = { env = \"A\" }", "token_exchange"),
        ("requested_token_type = \"jwt\"", "token_exchange"),
        ("subject_token = { env = \"A\" }\nactor_token_type = \"jwt\"", "actor_token"),
        ("dialect = { assertion_scope = true }", "jwt_bearer"),
    ] {
        says(&unusable(&studio(keys)), &["has no effect", "studio", hint]);
    }
}

#[test]
fn a_bound_token_stands_in_a_header_field_and_is_got_by_us() {
    assert!(profile(&studio("dpop = true"), "studio").client.dpop);
    let query = "dpop = true\nplacement = { query = \"access_token\" }";
    says(&load(&studio(query), NOTHING).expect_err("no header"), &[":6", "RFC 9449"]);
    says(&unusable(&studio("dpop = true\naccess_token = { file = \"t\" }")), &["dpop has no effect", "external"]);
}
