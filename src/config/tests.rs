//! One test per rule of the configuration.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::*;
use crate::bearer::Placement;
use crate::oauth::client::{ClientAuth, Grant};
use crate::oauth::provider::PRESETS;
use crate::origin::Origin;
use crate::secret::{Secret, SecretSource};

mod daemon;
mod proof;
mod sign_in;

const NOTHING: [(&str, &str); 0] = [];

/// A profile that is complete without `extra`.
fn studio(extra: &str) -> String {
    format!(
        "[profile.studio]\nclient_id = \"id\"\nclient_secret = {{ env = \"S\" }}\ntoken_url = \"https://login.example.com/t\"\n{extra}\n"
    )
}

fn load<'a>(text: &str, variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Config, Error> {
    Ok(Config::assemble(Some(&Document::of_text("/etc/ffauth/test.toml", text)), &Env::from_pairs(variables))?)
}

fn profile(text: &str, name: &str) -> Profile {
    load(text, NOTHING).and_then(|config| config.profile(name).cloned()).expect(text)
}

fn in_environment<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Config {
    Config::assemble(None, &Env::from_pairs(variables)).expect("faults of variables wait for their profile")
}

/// The error of loading `text`.
fn refused(text: &str) -> Error {
    load(text, NOTHING).err().unwrap_or_else(|| panic!("accepted: {text}"))
}

/// The error of using the profile `studio` of a file that loads.
fn unusable(text: &str) -> Error {
    let config = load(text, NOTHING).expect(text);
    config.profile("studio").err().unwrap_or_else(|| panic!("usable: {text}"))
}

#[track_caller]
fn says(error: &Error, parts: &[&str]) {
    let text = format!("{error} / {}", error.hint().unwrap_or_default());
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    assert_eq!(error.kind(), Kind::Config);
}

#[test]
fn an_unknown_key_is_an_error_with_file_line_and_the_nearest_key() {
    says(
        &refused("[profile.studio]\n\nclinet_id = \"x\"\n"),
        &["/etc/ffauth/test.toml:3", "clinet_id", "did you mean `client_id`", "[profile.studio]"],
    );
    says(
        &refused("[profile.studio.dialect]\nscope_seperator = \",\"\n"),
        &[":2", "did you mean `scope_separator`", "studio.dialect"],
    );
    says(&refused("[profiles.studio]\n"), &[":1", "did you mean `profile`"]);
    says(&refused("[stream.lobby]\nrestrat = \"never\"\n"), &[":2", "did you mean `restart`"]);
    says(&refused("[serve]\nallow_path = []\n"), &[":2", "did you mean `allow_paths`"]);
    says(&refused("[relay]\nlistn = \"x\"\n"), &[":2", "did you mean `listen`"]);
    says(&refused(&studio("dialects = {}")), &["did you mean `dialect`"]);
    says(&refused(&studio("\"dialect.grant_type\" = \"x\"")), &["has no key `dialect.grant_type`"]);
}

#[test]
fn every_key_of_the_contract_is_known() {
    let text = r#"
        [profile.studio]
        issuer = "https://login.example.com"
        token_url = "https://a.example/t"
        authorize_url = "https://a.example/a"
        device_url = "https://a.example/d"
        revoke_url = "https://a.example/r"
        par_url = "https://a.example/p"
        grant = "client_credentials"
        client_auth = "basic"
        client_id = "id"
        client_secret = { command = ["pass", "show", "bc"] }
        scope = ["media.read", "media.write"]
        audience = "a"
        resource = ["https://r.example/1", "https://r.example/2"]
        par = "auto"
        pkce = true
        dpop = false
        authorize_params = { prompt = "consent" }
        redirect_uri = "http://127.0.0.1/callback"
        redirect_port = 0
        origins = ["https://media.example.com", "https://*.cdn.example.com"]
        base_url = "https://media.example.com/v1/"
        placement = "header"
        media_headers = { "X-Policy" = { env = "POLICY" } }
        ca_file = "studio-ca.pem"
        store = "file"
        strict = false
        allow_http = false
        credentials_url = "https://a.example/c"
        bc_token = { env = "BC_TOKEN" }
        accounts = ["1234567890"]
        operations = ["video-cloud/video/read"]
        [profile.studio.dialect]
        grant_type = "client_credential"
        scope_separator = ","
        token_query = { expires_in = "7200" }
        token_params = { audience = "x" }
        token_headers = { "X-Tenant" = "t" }
        default_expires_in = 300
        [stream.lobby]
        run = "-auth studio -i https://media.example.com/live.m3u8 -c copy out.mkv"
        restart = "on_failure"
        [serve]
        listen = "127.0.0.1:8460"
        token = { file = "t" }
        state_dir = "/var/lib/ffauth"
        allow_paths = ["/srv"]
        allow_profiles = ["studio"]
        [relay]
        listen = "127.0.0.1:0"
        token_endpoint = false
        secret = { env = "R" }
    "#;
    let profile = profile(text, "studio");
    let client = &profile.client;
    assert_eq!(client.grant, Grant::ClientCredentials);
    assert_eq!(client.client_auth, ClientAuth::Basic);
    assert_eq!(client.scope, ["media.read", "media.write"]);
    assert_eq!(client.resource.len(), 2);
    assert_eq!(client.client_secret, Some(SecretSource::Command(["pass", "show", "bc"].map(str::to_owned).to_vec())));
    assert_eq!(client.dialect.grant_type.as_deref(), Some("client_credential"));
    assert_eq!(client.dialect.scope_separator, ",");
    assert_eq!(client.dialect.token_query, [("expires_in".to_owned(), "7200".to_owned())]);
    assert_eq!(client.dialect.token_params, [("audience".to_owned(), "x".to_owned())]);
    assert_eq!(client.dialect.token_headers, [("X-Tenant".to_owned(), SecretSource::Plain(Secret::new("t")))]);
    assert_eq!(client.dialect.default_expires_in, Some(Duration::from_secs(300)));
    assert_eq!(profile.ca_file.as_deref(), Some(Path::new("/etc/ffauth/studio-ca.pem")));
    assert_eq!(profile.media_headers, [("X-Policy".to_owned(), SecretSource::Env("POLICY".to_owned()))]);
    assert_eq!(profile.base_url.as_ref().map(url::Url::as_str), Some("https://media.example.com/v1/"));
    assert_eq!(profile.origins.len(), 2);
    assert_eq!(profile.store, StoreKind::File);
}

#[test]
fn a_value_of_the_wrong_type_is_refused_for_every_key() {
    for known in key::PROFILE {
        // No shape admits a date; each is read through its shape.
        let text = match known.name.strip_prefix("dialect.") {
            Some(name) => format!("[profile.studio.dialect]\n{name} = 2020-01-01\n"),
            None => format!("[profile.studio]\n{} = 2020-01-01\n", known.name),
        };
        says(&refused(&text), &[":2", known.name, known.shape.description()]);
    }
    says(&refused("profile = 1\n"), &[":1", "must be a table"]);
    says(&refused("[profile]\nstudio = 1\n"), &[":2", "must be a table"]);
}

#[test]
fn a_syntax_error_has_a_line_and_quotes_nothing() {
    let error = refused("[profile.studio]\nclient_id = \"a\"\nclient_secret = \"CANARY\n");
    says(&error, &["test.toml:3", "not valid TOML"]);
    assert!(!format!("{error} {error:?}").contains("CANARY"));
    says(&refused("[profile.a]\nscope = []\nscope = []\n"), &[":3"]);
}

#[test]
fn presets_give_endpoints_and_dialect() {
    let text =
        |name: &str| format!("[profile.studio]\nprovider = \"{name}\"\nclient_id = \"id\"\nclient_secret = {{ env = \"S\" }}\n");
    let brightcove = profile(&text("brightcove"), "studio").client;
    assert_eq!(brightcove.token_url.as_ref().map(url::Url::as_str), Some("https://oauth.brightcove.com/v4/access_token"));
    assert_eq!((brightcove.grant, brightcove.client_auth), (Grant::ClientCredentials, ClientAuth::BasicRaw));
    let xvid = profile(&(text("xvid") + "scope = [\"me\"]\n"), "studio").client;
    assert_eq!(xvid.token_url.as_ref().map(url::Url::as_str), Some("https://api.xvid.com/v1/oauth2/token/"));
    assert_eq!((xvid.grant, xvid.client_auth), (Grant::ClientCredentials, ClientAuth::Post));
    assert_eq!((xvid.dialect.grant_type.as_deref(), xvid.dialect.scope_separator.as_str()), (Some("client_credential"), ","));
    assert!(xvid.dialect.token_query.is_empty(), "neither expires_in nor human unless they are set");
    let mediaflow = profile(&(text("mediaflow") + "username = \"u\"\npassword = { env = \"P\" }\n"), "studio").client;
    assert_eq!((mediaflow.grant, mediaflow.client_auth), (Grant::Password, ClientAuth::Post));
    assert!(mediaflow.authorize_url.is_some());
    says(&refused("[profile.x]\nprovider = \"brightcov\"\n"), &[":2", "did you mean `brightcove`"]);
}

#[test]
fn any_value_of_a_preset_can_be_overridden() {
    let text = "[profile.studio]\nprovider = \"xvid\"\nclient_id = \"i\"\nclient_secret = { env = \"S\" }\n\
                token_url = \"http://127.0.0.1:8080/t/\"\nclient_auth = \"client_secret_basic\"\n\
                dialect = { grant_type = \"client_credentials\", scope_separator = \" \", token_query = { expires_in = 7200, human = true } }\n";
    let client = profile(text, "studio").client;
    assert_eq!(client.token_url.as_ref().map(url::Url::as_str), Some("http://127.0.0.1:8080/t/"));
    assert_eq!(client.client_auth, ClientAuth::Basic);
    assert_eq!(client.dialect.scope_separator, " ");
    let query = [("expires_in", "7200"), ("human", "true")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(client.dialect.token_query, query);
}

#[test]
fn an_https_only_preset_takes_loopback_but_no_allow_http() {
    let text = "[profile.studio]\nprovider = \"xvid\"\nclient_id = \"i\"\nclient_secret = { env = \"S\" }\n";
    says(&refused(&format!("{text}allow_http = true\n")), &[":5", "https only"]);
    says(&refused(&format!("{text}token_url = \"http://xvid.example/t\"\n")), &[":5", "token_url", "plain http"]);
    profile(&format!("{text}token_url = \"http://localhost:1/t\"\n"), "studio");
}

#[test]
fn a_preset_says_what_it_needs() {
    for preset in PRESETS {
        let text = format!("[profile.studio]\nprovider = \"{}\"\ngrant = \"client_credentials\"\n", preset.name);
        let missing = preset.needs[0];
        let variable = format!("FFAUTH_STUDIO_{}", missing.to_ascii_uppercase());
        says(&unusable(&text), &["test.toml:1", &format!("{missing} is missing"), &variable]);
        if !preset.media_headers.is_empty() {
            continue;
        }
        let external = format!("[profile.studio]\nprovider = \"{}\"\naccess_token = {{ file = \"t\" }}\n", preset.name);
        assert_eq!(profile(&external, "studio").client.grant, Grant::External);
    }
}

#[test]
fn provider_params_fill_the_templates_of_a_preset() {
    let text = |provider: &str, params: &str| {
        format!(
            "[profile.studio]\nprovider = \"{provider}\"\nclient_id = \"i\"\nclient_secret = {{ env = \"S\" }}\nprovider_params = {{ {params} }}\n"
        )
    };
    let url = |url: &Option<url::Url>| url.as_ref().map(ToString::to_string).unwrap_or_default();
    let entra = profile(&text("entra", "tenant = \"contoso.com\""), "studio").client;
    assert_eq!(url(&entra.token_url), "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token");
    assert_eq!(url(&entra.sign_in.device_url), "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/devicecode");
    let keycloak = profile(&text("keycloak", "host = \"h:8443/auth/\", realm = \"m\""), "studio").client;
    assert_eq!(url(&keycloak.token_url), "https://h:8443/auth/realms/m/protocol/openid-connect/token");
    let okta = profile(&text("okta", "domain = \"a.okta.com\", server = \"aus1\""), "studio").client;
    assert_eq!(url(&okta.sign_in.revoke_url), "https://a.okta.com/oauth2/aus1/v1/revoke");
    for (provider, params, reason) in [
        ("entra", "tenant = \"https://h/t\"", "without https://"),
        ("entra", "tenant = \"../x\"", "part of a URL"),
        ("entra", "tenant = \"a@b\"", "part of a URL"),
        ("entra", "tennant = \"t\"", "none of Microsoft Entra ID: tenant"),
        ("brightcove", "x = \"y\"", "needs none"),
    ] {
        says(&refused(&text(provider, params)), &["test.toml:5", "provider_params", reason]);
    }
    says(&refused(&studio("provider_params = { a = \"b\" }")), &["provider_params", "with a provider"]);
}

#[test]
fn the_default_grant_follows_from_the_keys() {
    let url = "token_url = \"https://a.example/t\"\nclient_id = \"i\"\n";
    let secret = "client_secret = { env = \"S\" }\n";
    for (keys, grant) in [
        (format!("{url}{secret}"), Grant::ClientCredentials),
        (format!("issuer = \"https://a.example\"\nclient_id = \"i\"\n{secret}"), Grant::ClientCredentials),
        (format!("{url}{secret}username = \"u\"\npassword = {{ env = \"P\" }}"), Grant::Password),
        (format!("{url}username = \"u\"\npassword = {{ env = \"P\" }}"), Grant::Password),
        (format!("{url}{secret}refresh_token = {{ env = \"R\" }}"), Grant::RefreshToken),
        ("access_token = { command = [\"vault\"] }".to_owned(), Grant::External),
        (format!("{url}{secret}username = \"u\"\ngrant = \"client_credentials\""), Grant::ClientCredentials),
        (format!("{url}{secret}assertion = {{ env = \"A\" }}"), Grant::JwtBearer),
        (format!("{url}{secret}subject_token = {{ env = \"A\" }}"), Grant::TokenExchange),
    ] {
        assert_eq!(profile(&format!("[profile.studio]\n{keys}\n"), "studio").client.grant, grant, "{keys}");
    }
    for (keys, grant) in [
        (format!("{url}authorize_url = \"https://a.example/a\""), Grant::AuthorizationCode),
        ("issuer = \"https://a.example\"\nclient_id = \"i\"".to_owned(), Grant::AuthorizationCode),
        (format!("{url}device_url = \"https://a.example/d\""), Grant::DeviceCode),
        (format!("{url}device_url = \"https://a.example/d\"\n{secret}"), Grant::ClientCredentials),
        (format!("provider = \"mediaflow\"\nclient_id = \"i\"\n{secret}"), Grant::AuthorizationCode),
    ] {
        assert_eq!(profile(&format!("[profile.studio]\n{keys}\n"), "studio").client.grant, grant, "{keys}");
    }
    says(&unusable("[profile.studio]\n"), &["nothing says how to get a token", "access_token"]);
    let two = format!("[profile.studio]\n{url}username = \"u\"\nrefresh_token = {{ env = \"R\" }}\n");
    says(&unusable(&two), &["username and refresh_token", "`grant`"]);
}

#[test]
fn the_default_client_authentication_follows_from_the_secret() {
    assert_eq!(profile(&studio(""), "studio").client.client_auth, ClientAuth::Basic);
    let public = "[profile.studio]\ntoken_url = \"https://a.example/t\"\nrefresh_token = { env = \"R\" }\nclient_id = \"i\"\n";
    assert_eq!(profile(public, "studio").client.client_auth, ClientAuth::None);
}

#[test]
fn rfc_names_of_client_authentication_are_synonyms() {
    for (word, meaning) in [
        ("basic", ClientAuth::Basic),
        ("client_secret_basic", ClientAuth::Basic),
        ("basic_raw", ClientAuth::BasicRaw),
        ("post", ClientAuth::Post),
        ("client_secret_post", ClientAuth::Post),
        ("none", ClientAuth::None),
    ] {
        assert_eq!(profile(&studio(&format!("client_auth = \"{word}\"")), "studio").client.client_auth, meaning);
    }
    says(&refused(&studio("client_auth = \"bsic\"")), &[":5", "did you mean `basic`", "private_key_jwt"]);
}

#[test]
fn a_media_pointer_is_one_of_rfc_6901() {
    let pointer = profile(&studio("media_pointer = \"/sources/0/src\""), "studio").media_pointer.expect("a pointer");
    assert_eq!(pointer.to_string(), "/sources/0/src");
    says(&refused(&studio("media_pointer = \"sources.0.src\"")), &["test.toml:5", "media_pointer", "/sources.0.src"]);
}

#[test]
fn words_that_stand_for_the_default_are_taken() {
    for harmless in ["dpop = true", "par = \"auto\"", "pkce = true", "redirect_port = 0", "accounts = [\"1\"]"] {
        profile(&studio(harmless), "studio");
    }
}

#[test]
fn a_secret_comes_from_a_keyring_a_descriptor_or_standard_input() {
    use crate::secret::keyring::Item;
    let item = |service: &str, user: &str| Item { service: service.to_owned(), user: user.to_owned() };
    for (source, meant) in [
        ("{ keyring = \"bc\" }", SecretSource::Keyring(item("ffauth", "bc"))),
        ("{ keyring = \"media/bc\" }", SecretSource::Keyring(item("media", "bc"))),
        ("{ fd = 3 }", SecretSource::Fd(3)),
        ("{ stdin = true }", SecretSource::Stdin),
    ] {
        let profile = profile(&studio(&format!("password = {source}")), "studio");
        assert_eq!(profile.reads_stdin(), meant == SecretSource::Stdin);
        assert_eq!(profile.client.password, Some(meant));
    }
    for (source, reason) in [
        ("{ keyring = \"\" }", "not empty"),
        ("{ keyring = \"/x\" }", "SERVICE/NAME"),
        ("{ fd = 0 }", "stdin = true"),
        ("{ fd = 1 }", "3 or more"),
        ("{ fd = \"3\" }", "3 or more"),
        ("{ stdin = false }", "must be true"),
    ] {
        says(&refused(&studio(&format!("password = {source}"))), &["test.toml:5", reason]);
    }
    assert_eq!(profile(&studio("store = \"keyring\""), "studio").store, StoreKind::Keyring);
}

#[test]
fn a_profile_that_cannot_be_used_leaves_the_others_alone() {
    let config = load(&format!("{}[profile.later]\nusername = \"u\"\n", studio("")), NOTHING).expect("a file that loads");
    assert!(config.profile("studio").is_ok());
    assert!(config.profile("later").is_err());
    assert_eq!(config.profiles().count(), 1);
    assert_eq!(config.names().collect::<Vec<_>>(), ["later", "studio"]);
}

#[test]
fn what_is_missing_is_named_with_its_variable() {
    let grant = |keys: &str| format!("[profile.studio]\n{keys}\n");
    for (text, named) in [
        (grant("client_id = \"i\"\nclient_secret = { env = \"S\" }"), "token_url is missing"),
        (grant("token_url = \"https://a.example\"\nclient_secret = { env = \"S\" }"), "client_id is missing"),
        (
            grant("token_url = \"https://a.example\"\nclient_id = \"i\"\ngrant = \"client_credentials\""),
            "client_secret is missing",
        ),
        (grant("token_url = \"https://a.example\"\nclient_id = \"i\"\nusername = \"u\""), "password is missing"),
        (grant("token_url = \"https://a.example\"\ngrant = \"password\""), "username is missing"),
        (grant("token_url = \"https://a.example\"\ngrant = \"refresh_token\""), "refresh_token is missing"),
        (grant("grant = \"external\""), "access_token is missing"),
        (
            grant(
                "token_url = \"https://a.example\"\nrefresh_token = { env = \"R\" }\nclient_auth = \"post\"\nclient_id = \"i\"",
            ),
            "client_secret",
        ),
    ] {
        says(&unusable(&text), &["test.toml:1", "`studio`", named]);
    }
    says(&unusable(&grant("grant = \"external\"")), &["FFAUTH_STUDIO_ACCESS_TOKEN[_FILE]"]);
}

#[test]
fn secrets_come_from_places_or_stand_in_a_private_file() {
    for (written, source) in [
        ("{ env = \"V\" }", SecretSource::Env("V".to_owned())),
        ("{ file = \"s.txt\" }", SecretSource::File("/etc/ffauth/s.txt".into())),
        ("{ file = \"/run/s.txt\" }", SecretSource::File("/run/s.txt".into())),
        ("{ command = [\"pass\", \"show\"] }", SecretSource::Command(vec!["pass".to_owned(), "show".to_owned()])),
        ("{ credential = \"bc\" }", SecretSource::Credential("bc".to_owned())),
        ("\"plain\"", SecretSource::Plain(Secret::new("plain"))),
    ] {
        let text = studio(&format!("password = {written}"));
        assert_eq!(profile(&text, "studio").client.password, Some(source), "{written}");
    }
    for (written, named) in [
        ("\"\"", "empty"),
        ("{}", "exactly one"),
        ("{ env = \"A\", file = \"b\" }", "exactly one"),
        ("{ evn = \"A\" }", "did you mean `env`"),
        ("{ env = \"\" }", "not empty"),
        ("{ env = 1 }", "string"),
        ("{ command = \"pass show\" }", "without a shell"),
        ("{ command = [] }", "program first"),
        ("{ command = [1] }", "list of strings"),
        ("{ credential = \"../x\" }", "without a path"),
        ("[\"a\"]", "must be"),
    ] {
        says(&refused(&studio(&format!("password = {written}"))), &[":5", "password", named]);
    }
}

#[test]
fn origins_are_parsed_and_dangerous_ones_refused() {
    let text = studio("origins = [\"https://media.example.com\", \"https://*.cdn.example.com:*\", \"http://127.0.0.1:8080\"]");
    let profile = profile(&text, "studio");
    let holds = |url: &str| profile.origins.iter().any(|pattern| pattern.matches(&Origin::parse(url).expect(url)));
    assert!(holds("https://media.example.com/a") && holds("https://x.cdn.example.com:8443/") && holds("http://127.0.0.1:8080/"));
    assert!(!holds("https://cdn.example.com/") && !holds("http://127.0.0.1:8081/"));
    for (origin, named) in [
        ("https://*", "any host"),
        ("https://*.co.uk", "public suffix"),
        ("https://*.com", "public suffix"),
        ("media.example.com", "https://host"),
        ("https://media.example.com/v1", "no path"),
        ("http://media.example.com", "allow_http"),
        ("http://*.example.com", "allow_http"),
    ] {
        says(&refused(&studio(&format!("origins = [\"{origin}\"]"))), &[":5", "origins", named]);
    }
    says(&refused(&studio("origins = []")), &[":5", "names no origin"]);
    assert!(load(&studio("allow_http = true\norigins = [\"http://media.example.com\"]"), NOTHING).is_ok());
}

#[test]
fn without_origins_the_list_is_empty() {
    assert!(profile(&studio(""), "studio").origins.is_empty());
}

#[test]
fn endpoints_are_https_or_loopback_unless_allowed() {
    for key in ["authorize_url", "device_url", "revoke_url", "par_url", "base_url", "issuer", "credentials_url"] {
        says(&refused(&studio(&format!("{key} = \"http://a.example/x\""))), &[":5", key, "allow_http"]);
        says(&refused(&studio(&format!("{key} = \"ftp://a.example/x\""))), &[key, "https"]);
        says(&refused(&studio(&format!("{key} = \"https://a.example/x#f\""))), &[key, "fragment"]);
        says(&refused(&studio(&format!("{key} = \"nonsense\""))), &[key]);
        for host in ["127.0.0.1:80", "[::1]", "localhost"] {
            profile(&studio(&format!("{key} = \"http://{host}/x\"")), "studio");
        }
        profile(&studio(&format!("allow_http = true\n{key} = \"http://a.example/x\"")), "studio");
    }
    let error = refused(&studio("base_url = \"https://user:CANARY@a.example/\""));
    says(&error, &["client_secret"]);
    assert!(!error.to_string().contains("CANARY"));
    says(&refused(&studio("issuer = \"https://a.example/?x\"")), &["query"]);
}

#[test]
fn placement() {
    let header = |name: &str, prefix: &str| Placement::Header { name: name.to_owned(), prefix: prefix.to_owned() };
    for (written, placement) in [
        ("\"header\"", Placement::default()),
        ("{ query = \"access_token\" }", Placement::Query("access_token".to_owned())),
        ("{ header = \"X-Api-Token\", prefix = \"\" }", header("X-Api-Token", "")),
        ("{ header = \"X-Api-Token\" }", header("X-Api-Token", "Bearer ")),
        ("{ userinfo = \"user\" }", Placement::UserInfo("user".to_owned())),
    ] {
        assert_eq!(profile(&studio(&format!("placement = {written}")), "studio").placement, placement);
    }
    for written in [
        "\"heder\"",
        "{}",
        "{ query = \"a\", header = \"b\" }",
        "{ query = \"\" }",
        "{ prefix = \"x\" }",
        "{ header = \"a b\" }",
        "{ header = \"A\", prefix = \"x\\n\" }",
        "{ cookie = \"a\" }",
    ] {
        says(&refused(&studio(&format!("placement = {written}"))), &[":5", "placement"]);
    }
}

#[test]
fn media_headers_are_header_fields_and_not_the_token() {
    says(&refused(&studio("media_headers = { \"X Policy\" = \"a\" }")), &["media_headers", "header field"]);
    says(&refused(&studio("media_headers = { authorization = \"a\" }")), &["media_headers", "carries the token"]);
}

#[test]
fn lists_may_be_one_string() {
    assert_eq!(profile(&studio("scope = \"a b\""), "studio").client.scope, ["a", "b"]);
}

#[test]
fn names_that_auth_could_not_take_are_refused() {
    for name in ["a,b", "a b", "", "-a"] {
        says(&refused(&format!("[profile.\"{name}\"]\n")), &[":1", "name of a profile"]);
    }
}

#[test]
fn an_unknown_profile_names_the_nearest() {
    let config = load(&studio(""), NOTHING).expect("a file that loads");
    says(&config.profile("studoi").expect_err("no such profile"), &["studoi", "did you mean `studio`", "test.toml"]);
    says(&in_environment(NOTHING).profile("my-x").expect_err("no such profile"), &["FFAUTH_MY_X_TOKEN_URL"]);
}

#[test]
fn the_environment_goes_before_the_file_and_the_file_before_the_preset() {
    let text = "[profile.bc-1]\nprovider = \"brightcove\"\nclient_id = \"file\"\nclient_secret = { env = \"S\" }\nscope = [\"a\"]\n\
                token_url = \"https://file.example/t\"\n";
    let variables = [
        ("FFAUTH_BC_1_CLIENT_ID", "environment"),
        ("FFAUTH_BC_1_SCOPE", "b c"),
        ("FFAUTH_BC_1_CLIENT_AUTH", "post"),
        ("FFAUTH_BC_1_STRICT", "true"),
        ("FFAUTH_BC_1_PLACEMENT", "{ query = \"t\" }"),
        ("FFAUTH_BC_1_MEDIA_HEADERS", "{ X-Policy = { env = \"P\" } }"),
        ("FFAUTH_BC_1_DIALECT_TOKEN_QUERY", "{ expires_in = \"7200\" }"),
        ("FFAUTH_BC_1_DIALECT_DEFAULT_EXPIRES_IN", "60"),
        ("FFAUTH_BC_1_CLIENT_SECRET", "CANARY"),
        ("FFAUTH_BC_1_AUDIENCE", ""),
    ];
    let config = load(text, variables).expect("a file that loads");
    let profile = config.profile("bc-1").expect("a profile");
    let client = &profile.client;
    assert_eq!(client.client_id.as_deref(), Some("environment"));
    assert_eq!(client.scope, ["b", "c"]);
    assert_eq!(client.client_auth, ClientAuth::Post);
    assert_eq!(client.token_url.as_ref().map(url::Url::as_str), Some("https://file.example/t"));
    assert_eq!(client.grant, Grant::ClientCredentials);
    assert!(client.strict);
    assert_eq!(profile.placement, Placement::Query("t".to_owned()));
    assert_eq!(profile.media_headers, [("X-Policy".to_owned(), SecretSource::Env("P".to_owned()))]);
    assert_eq!(client.dialect.token_query, [("expires_in".to_owned(), "7200".to_owned())]);
    assert_eq!(client.dialect.default_expires_in, Some(Duration::from_secs(60)));
    assert_eq!(client.client_secret, Some(SecretSource::Env("FFAUTH_BC_1_CLIENT_SECRET".to_owned())));
    assert_eq!(client.audience, None, "an empty variable counts as unset");
    assert!(!format!("{config:?}").contains("CANARY"));
}

#[test]
fn a_profile_may_stand_in_the_environment_alone() {
    let config = in_environment([
        ("FFAUTH_X_ACCESS_TOKEN_FILE", "token.txt"),
        ("FFAUTH_MY_STUDIO_TOKEN_URL", "https://a.example/t"),
        ("FFAUTH_MY_STUDIO_CLIENT_ID", "i"),
        ("FFAUTH_MY_STUDIO_CLIENT_SECRET", "s"),
        ("FFAUTH_MY_STUDIO_DIALECT", "{ scope_separator = \",\" }"),
    ]);
    let x = &config.profile("x").expect("a profile").client;
    assert_eq!(x.grant, Grant::External);
    assert_eq!(x.access_token, Some(SecretSource::File("token.txt".into())), "relative to the current folder");
    for spelling in ["my-studio", "my_studio", "My.Studio"] {
        let profile = config.profile(spelling).expect("any spelling of the variables' name");
        assert_eq!((profile.name.as_str(), profile.client.dialect.scope_separator.as_str()), ("my_studio", ","));
    }
    assert_eq!(config.names().collect::<Vec<_>>(), ["my_studio", "x"]);
}

#[test]
fn a_profile_of_the_file_is_found_by_its_own_name_only() {
    let config = load("[profile.a_b]\naccess_token = { file = \"t\" }\n", NOTHING).expect("a file that loads");
    says(&config.profile("a-b").expect_err("another name"), &["did you mean `a_b`"]);
}

#[test]
fn the_longest_matching_name_wins() {
    let text = "[profile.a]\naccess_token = { file = \"t\" }\n[profile.a_b]\naccess_token = { file = \"t\" }\n";
    let config = load(text, [("FFAUTH_A_B_SCOPE", "long"), ("FFAUTH_A_SCOPE", "short")]).expect("a file that loads");
    assert_eq!(config.profile("a").expect("a profile").client.scope, ["short"]);
    assert_eq!(config.profile("a_b").expect("a profile").client.scope, ["long"]);
}

#[test]
fn two_names_that_are_the_same_in_the_environment_are_an_error() {
    let text = "[profile.my-studio]\naccess_token = { file = \"t\" }\n[profile.my_studio]\naccess_token = { file = \"t\" }\n";
    says(&refused(text), &["my-studio", "my_studio", "FFAUTH_MY_STUDIO_"]);
}

#[test]
fn an_unknown_key_of_a_known_profile_is_an_error() {
    let config = load(&studio(""), [("FFAUTH_STUDIO_SCOPES", "a")]).expect("a file that loads");
    says(&config.profile("studio").expect_err("an unknown key"), &["FFAUTH_STUDIO_SCOPES", "scopes", "did you mean `scope`"]);
    let config = in_environment([("FFAUTH_X_ACCESS_TOKEN_FILE", "t"), ("FFAUTH_X_ORIGIN", "https://a.example")]);
    says(&config.profile("x").expect_err("an unknown key"), &["FFAUTH_X_ORIGIN", "did you mean `origins`"]);
    let config = load(&studio(""), [("FFAUTH_STUDIO_DIALECT", "{ scope = \",\" }")]).expect("a file that loads");
    says(&config.profile("studio").expect_err("an unknown key"), &["FFAUTH_STUDIO_DIALECT", "dialect.scope"]);
}

#[test]
fn variables_that_belong_to_no_profile_are_ignored() {
    let variables = [
        ("FFAUTH_CONFIG", "/x"),
        ("FFAUTH_STATE", "/y"),
        ("FFAUTH_TOKEN", "z"),
        ("FFAUTH_BENCH_SECONDS", "3"),
        ("FFAUTH_CLIENT_ID", "no name"),
        ("FFAUTH_", "x"),
    ];
    let config = load(&studio(""), variables).expect("a file that loads");
    assert_eq!(config.names().collect::<Vec<_>>(), ["studio"]);
    // Somebody else's names may even look like a profile: that hurts nobody who does not ask for it.
    let config =
        load(&studio(""), [("FFAUTH_BENCH_TOKEN_URL", "nonsense"), ("FFAUTH_BENCH_SECONDS", "3")]).expect("a file that loads");
    assert!(config.profile("studio").is_ok());
}

#[test]
fn a_wrong_value_in_a_variable_names_the_variable() {
    for (variable, value, named) in [
        ("FFAUTH_STUDIO_STRICT", "maybe", "true or false"),
        ("FFAUTH_STUDIO_ORIGINS", "https://*.com", "public suffix"),
        ("FFAUTH_STUDIO_DIALECT_TOKEN_QUERY", "a=b", "TOML"),
        ("FFAUTH_STUDIO_DIALECT_TOKEN_QUERY", "[1]", "table"),
        ("FFAUTH_STUDIO_DIALECT", "3", "table"),
        ("FFAUTH_STUDIO_DIALECT_DEFAULT_EXPIRES_IN", "soon", "whole number"),
        ("FFAUTH_STUDIO_TOKEN_URL", "http://a.example", "allow_http"),
        ("FFAUTH_STUDIO_GRANT", "client_credential", "did you mean `client_credentials`"),
    ] {
        let config = load(&studio(""), [(variable, value)]).expect("it waits for whoever uses the profile");
        says(&config.profile("studio").expect_err(variable), &[variable, named]);
    }
}

#[test]
fn a_secret_and_its_file_are_not_both_accepted() {
    let config = in_environment([("FFAUTH_X_ACCESS_TOKEN", "t"), ("FFAUTH_X_ACCESS_TOKEN_FILE", "t")]);
    says(&config.profile("x").expect_err("two variables"), &["FFAUTH_X_ACCESS_TOKEN_FILE", "another variable"]);
}

#[test]
fn a_secret_variable_may_name_a_place() {
    let config = in_environment([
        ("FFAUTH_X_ACCESS_TOKEN", "{ command = [\"vault\", \"read\"] }"),
        ("FFAUTH_Y_ACCESS_TOKEN", "{\"a\": 1}"),
    ]);
    let source = |name: &str| config.profile(name).expect("a profile").client.access_token.clone();
    assert_eq!(source("x"), Some(SecretSource::Command(vec!["vault".to_owned(), "read".to_owned()])));
    assert_eq!(source("y"), Some(SecretSource::Env("FFAUTH_Y_ACCESS_TOKEN".to_owned())));
}

/// A file in a folder of its own.
fn on_disk(text: &str, mode: u32, folder_mode: u32) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config.toml");
    std::fs::write(&path, text).expect("a file");
    std::fs::set_permissions(&path, Permissions::from_mode(mode)).expect("its mode");
    std::fs::set_permissions(folder.path(), Permissions::from_mode(folder_mode)).expect("the folder's mode");
    (folder, path)
}

fn load_file(text: &str, mode: u32, folder_mode: u32) -> Result<Config, Error> {
    let (_folder, path) = on_disk(text, mode, folder_mode);
    Config::load(Some(&path), &Env::default())
}

#[test]
fn a_plain_secret_in_a_file_that_others_can_read_is_refused() {
    let text = studio("password = \"CANARY\"");
    assert!(load_file(&text, 0o600, 0o700).is_ok());
    for mode in [0o644, 0o640, 0o604] {
        let error = load_file(&text, mode, 0o700).expect_err("an exposed secret");
        says(&error, &["config.toml:5", "password", "chmod 600"]);
        assert!(!error.to_string().contains("CANARY"));
    }
    assert!(load_file(&studio("password = { env = \"P\" }"), 0o644, 0o755).is_ok());
    says(&load_file("[relay]\nsecret = \"x\"\n", 0o644, 0o755).expect_err("an exposed secret"), &[":2", "secret"]);
    says(&load_file(&studio("media_headers = { \"X-Api-Key\" = \"x\" }"), 0o644, 0o755).expect_err("an exposed secret"), &[":5"]);
    assert!(load_file(&studio("media_headers = { \"X-Tenant\" = \"x\" }"), 0o644, 0o755).is_ok());
}

#[test]
fn a_file_or_folder_that_others_can_write_is_refused() {
    for (mode, folder_mode, refused) in
        [(0o620, 0o700, true), (0o602, 0o700, true), (0o600, 0o770, true), (0o600, 0o707, true), (0o600, 0o1777, false)]
    {
        let loaded = load_file(&studio(""), mode, folder_mode);
        assert_eq!(loaded.is_err(), refused, "{mode:o} in {folder_mode:o}");
        if let Err(error) = loaded {
            says(&error, &["not trusted", "chmod go-w"]);
        }
    }
}

#[test]
fn a_file_of_another_user_is_refused() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let (_folder, path) = on_disk(&studio(""), 0o600, 0o700);
    std::os::unix::fs::chown(&path, Some(12345), None).expect("another owner");
    says(&Config::load(Some(&path), &Env::default()).expect_err("another user's file"), &["not trusted", "12345"]);
}

#[test]
fn which_file_is_read() {
    let (folder, path) = on_disk(&studio(""), 0o600, 0o700);
    let named = path.to_str().expect("a path");
    assert_eq!(Config::load(None, &Env::from_pairs([("FFAUTH_CONFIG", named)])).expect("a file").file(), Some(path.as_path()));
    let home = folder.path().join("ffauth");
    std::fs::create_dir(&home).expect("a folder");
    let in_home = home.join("config.toml");
    std::fs::rename(&path, &in_home).expect("the file at its usual place");
    let env = Env::from_pairs([("XDG_CONFIG_HOME", folder.path().to_str().expect("a path"))]);
    assert_eq!(Config::load(None, &env).expect("a file").file(), Some(in_home.as_path()));
    says(&Config::load(Some(&path), &env).expect_err("no such file"), &["there is no such file"]);
    says(
        &Config::load(None, &Env::from_pairs([("FFAUTH_CONFIG", named)])).expect_err("no such file"),
        &["there is no such file"],
    );
}

#[test]
fn no_file_at_all_is_fine() {
    let env = Env::from_pairs([("HOME", "/nonexistent"), ("FFAUTH_X_ACCESS_TOKEN_FILE", "token.txt")]);
    let config = Config::load(None, &env).expect("the environment is enough");
    assert!(config.profile("x").is_ok());
    assert!(config.file().is_none());
}

#[test]
fn a_byte_order_mark_does_no_harm() {
    assert!(load(&format!("\u{feff}{}", studio("")), NOTHING).is_ok());
}
