"""idpyoidc as authorization server: token exchange (RFC 8693).

    python idpyoidc_server.py FOLDER      in FOLDER: cert.pem, key.pem
"""

import base64
import time

from flask import Flask, request
from idpyoidc.message.oauth2 import AuthorizationRequest
from idpyoidc.server import ASConfiguration, Server
from idpyoidc.server.authn_event import create_authn_event

from listen import FOLDER, LIFE, serve

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
USER = "somebody"


def configuration(url):
    def secret(size):
        return base64.b64encode(bytes(size)).decode()

    authn = ["client_secret_basic", "client_secret_post"]
    return {
        "issuer": url,
        "keys": {"uri_path": "jwks.json", "key_defs": [{"type": "EC", "crv": "P-256", "use": ["sig"]}]},
        "endpoint": {
            "token": {
                "path": "token",
                "class": "idpyoidc.server.oauth2.token.Token",
                "kwargs": {"client_authn_method": authn},
            },
            "introspection": {
                "path": "introspection",
                "class": "idpyoidc.server.oauth2.introspection.Introspection",
                "kwargs": {"client_authn_method": authn},
            },
        },
        "authentication": {"anon": {"acr": "none", "class": "idpyoidc.server.user_authn.user.NoAuthn", "kwargs": {"user": USER}}},
        "userinfo": {"class": "idpyoidc.server.user_info.UserInfo", "kwargs": {"db": {}}},
        "authz": {
            "class": "idpyoidc.server.authz.AuthzHandling",
            "kwargs": {
                "grant_config": {
                    "usage_rules": {"access_token": {"supports_minting": ["access_token"], "expires_in": LIFE}},
                    "expires_in": 3600,
                }
            },
        },
        "token_handler_args": {
            "key_conf": {"key_defs": [{"type": "oct", "bytes": "24", "use": ["enc"], "kid": "code"}]},
            "code": {"kwargs": {"lifetime": 60}},
            "token": {"class": "idpyoidc.server.token.jwt_token.JWTToken", "kwargs": {"lifetime": LIFE, "aud": ["media"]}},
        },
        "session_params": {"password": secret(24), "salt": "salt of the tests"},
        "scopes_to_claims": {"media.read": []},
    }


def build(url):
    server = Server(ASConfiguration(conf=configuration(url), base_path=FOLDER), cwd=FOLDER)
    context = server.context
    context.map_supported_to_preferred()
    for client_id, secret in {"front": "front-secret", "app": "app-secret", "media": "media-secret"}.items():
        context.cdb[client_id] = {
            "client_secret": secret,
            "redirect_uris": [("https://client.example/", None)],
            "client_salt": "salted",
            "token_endpoint_auth_method": "client_secret_basic",
            "grant_types_supported": [EXCHANGE],
            "allowed_scopes": ["media.read"],
        }
    sessions, requests = context.session_manager, []

    def subject():
        """A fresh access token that another program, `front`, got for somebody."""
        asked = AuthorizationRequest(client_id="front", redirect_uri="https://client.example/", scope=["media.read"], response_type="code")
        session = sessions.create_session(create_authn_event(USER), asked, USER, client_id="front", sub_type="public")
        grant = context.authz(session, asked)
        token = grant.mint_token(
            session, context=context, token_class="access_token", token_handler=sessions.token_handler["access_token"],
            usage_rules=grant.usage_rules.get("access_token"), scope=["media.read"], token_type="Bearer",
        )
        token.expires_at = int(time.time()) + LIFE
        sessions.set(sessions.unpack_session_key(session), grant)
        return token.value

    app = Flask("idpyoidc")

    def answer(name):
        endpoint = server.get_endpoint(name)
        headers = {"headers": {key.lower(): value for key, value in request.headers.items()}}
        parsed = endpoint.parse_request(request.form.to_dict(), headers)
        given = parsed if "error" in parsed else endpoint.process_request(request=parsed)
        body = given if "error" in given else given["response_args"]
        body = body.to_dict() if hasattr(body, "to_dict") else dict(body)
        return body, 400 if "error" in body else 200

    @app.post("/token")
    def token():
        body, status = answer("token")
        requests.append(status)
        return body, status

    @app.post("/introspection")
    def introspection():
        return answer("introspection")

    return app, {"/subject": subject, "/requests": lambda: requests}


if __name__ == "__main__":
    serve(build)
