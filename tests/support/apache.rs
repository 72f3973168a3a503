//! Apache with mod_auth_openidc as an OAuth 2.0 resource server: media behind token introspection (RFC 7662), over https.

use super::media::Kind;
use super::tls::Authority;
use super::web::MediaServer;

/// `introspection`: the endpoint (RFC 7662), for the client `media` with the secret `media-secret`. `rate`: KiB per second for each segment of HLS, 0 = no limit.
pub fn start(authority: &Authority, introspection: &str, kinds: &[Kind], rate: u64) -> MediaServer {
    let limit = if rate == 0 { String::new() } else { format!("SetOutputFilter RATE_LIMIT\n    SetEnv rate-limit {rate}") };
    let config = CONFIG.replace("LIMIT", &limit).replace("INTROSPECTION", introspection);
    MediaServer::start("apache2", &["-X", "-f", "FOLDER/config"], &config, authority, kinds)
}

/// One process (`-X`), with threads. `User` counts only where it is started as root.
const CONFIG: &str = r#"
ServerRoot FOLDER
ServerName 127.0.0.1
Listen 127.0.0.1:PORT
User nobody
Group nogroup
PidFile FOLDER/pid
ErrorLog FOLDER/error
LogLevel error
Mutex file:FOLDER/scratch default
DefaultRuntimeDir FOLDER/scratch
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authn_core_module /usr/lib/apache2/modules/mod_authn_core.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule authz_user_module /usr/lib/apache2/modules/mod_authz_user.so
LoadModule auth_openidc_module /usr/lib/apache2/modules/mod_auth_openidc.so
LoadModule env_module /usr/lib/apache2/modules/mod_env.so
LoadModule mime_module /usr/lib/apache2/modules/mod_mime.so
LoadModule ratelimit_module /usr/lib/apache2/modules/mod_ratelimit.so
LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
LoadModule dav_module /usr/lib/apache2/modules/mod_dav.so
LoadModule dav_fs_module /usr/lib/apache2/modules/mod_dav_fs.so
TypesConfig /dev/null
AddType application/vnd.apple.mpegurl .m3u8
AddType video/mp2t .ts
AddType video/mp4 .mp4 .m4s
DavLockDB FOLDER/scratch/locks
LogFormat "%m %U %>s \"%{Authorization}i\"" access
CustomLog FOLDER/access access
DocumentRoot FOLDER
SSLEngine on
SSLCertificateFile FOLDER/cert.pem
SSLCertificateKeyFile FOLDER/key.pem
OIDCCABundlePath FOLDER/ca.pem
OIDCOAuthIntrospectionEndpoint INTROSPECTION
OIDCOAuthIntrospectionEndpointAuth client_secret_basic
OIDCOAuthClientID media
OIDCOAuthClientSecret media-secret
OIDCOAuthRemoteUserClaim client_id
<Directory FOLDER>
    AuthType oauth20
    Require claim scope~media\.read
</Directory>
<Location /media/hls>
    LIMIT
</Location>
<Location /upload>
    Dav On
</Location>
"#;
