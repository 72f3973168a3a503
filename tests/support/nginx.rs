//! nginx: media behind `auth_request`, over https.

use super::media::Kind;
use super::tls::Authority;
use super::web::MediaServer;

/// `verify`: the URL that says with 204, 401 or 403 whether a request may pass. `rate`: KiB per second for each segment of HLS, 0 = no limit.
pub fn start(authority: &Authority, verify: &str, kinds: &[Kind], rate: u64) -> MediaServer {
    let config = CONFIG.replace("VERIFY", verify).replace("RATE", &format!("{rate}k"));
    MediaServer::start("nginx", &["-e", "FOLDER/error", "-c", "FOLDER/config"], &config, authority, kinds)
}

/// One process, so that it ends as a whole. The log is written at once, with method, path, status and `Authorization`.
const CONFIG: &str = r#"
daemon off;
master_process off;
pid FOLDER/pid;
events {}
http {
    log_format access '$request_method $uri $status "$http_authorization"';
    access_log FOLDER/access access;
    client_body_temp_path FOLDER/scratch/body;
    proxy_temp_path FOLDER/scratch/proxy;
    fastcgi_temp_path FOLDER/scratch/fastcgi;
    uwsgi_temp_path FOLDER/scratch/uwsgi;
    scgi_temp_path FOLDER/scratch/scgi;
    client_max_body_size 0;
    types { application/vnd.apple.mpegurl m3u8; video/mp2t ts; video/mp4 mp4 m4s; }
    default_type application/octet-stream;
    # A 401's challenge is passed on by auth_request itself.
    map $status $forbidden { 403 $challenge; }
    server {
        listen 127.0.0.1:PORT ssl;
        ssl_certificate FOLDER/cert.pem;
        ssl_certificate_key FOLDER/key.pem;
        ssl_verify_client optional_no_ca;
        root FOLDER;
        auth_request /verify;
        auth_request_set $challenge $upstream_http_www_authenticate;
        add_header WWW-Authenticate $forbidden always;
        location /media/ {}
        location /media/hls/ { limit_rate RATE; }
        location /upload/ {
            dav_methods PUT DELETE;
            create_full_put_path on;
            dav_access user:rw group:rw all:r;
        }
        location = /verify {
            internal;
            auth_request off;
            proxy_pass VERIFY;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_set_header X-Original-Method $request_method;
            proxy_set_header X-Original-Scheme $scheme;
            proxy_set_header X-Original-Host $http_host;
            proxy_set_header X-Original-URI $request_uri;
            proxy_set_header X-Client-Certificate $ssl_client_escaped_cert;
        }
    }
}
"#;
