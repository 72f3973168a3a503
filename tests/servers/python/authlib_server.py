"""Authlib as authorization server: the JWT bearer grant (RFC 7523), and client credentials.

    python authlib_server.py FOLDER      in FOLDER: cert.pem, key.pem, client.jwk
"""

import json
import time

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin, grants, list_to_scope, scope_to_list
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion, JWTBearerGrant as Grant
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from flask import Flask
from joserfc import jwk

from listen import FOLDER, LIFE, serve

JWT_BEARER = Grant.GRANT_TYPE


class Client(ClientMixin):
    def __init__(self, client_id, secret=None, key=None, allowed=()):
        self.client_id, self.secret, self.key, self.allowed = client_id, secret, key, allowed

    def get_client_id(self):
        return self.client_id

    def get_allowed_scope(self, scope):
        return list_to_scope([word for word in scope_to_list(scope or "") if word == "media.read"])

    def check_client_secret(self, client_secret):
        return self.secret is not None and self.secret == client_secret

    def check_endpoint_auth_method(self, method, endpoint):
        return True

    def check_grant_type(self, grant_type):
        return grant_type in self.allowed


class Token(TokenMixin):
    def __init__(self, token, client):
        self.client, self.scope, self.until = client, token.get("scope", ""), time.time() + token["expires_in"]

    def check_client(self, client):
        return self.client is client

    def is_expired(self):
        return time.time() >= self.until

    def is_revoked(self):
        return False


def build(url):
    app = Flask("authlib")
    app.config["OAUTH2_TOKEN_EXPIRES_IN"] = {JWT_BEARER: LIFE, "client_credentials": LIFE}
    with open(f"{FOLDER}/client.jwk") as file:
        key = jwk.import_key(json.load(file))
    known = [Client("app", "app-secret", key, (JWT_BEARER, "client_credentials")), Client("media", "media-secret")]
    clients = {client.client_id: client for client in known}
    tokens, requests = {}, []

    class JWTBearerGrant(Grant):
        def resolve_issuer_client(self, issuer):
            return clients.get(issuer)

        def resolve_client_public_key(self, client):
            return client.key

        def authenticate_user(self, subject):
            return subject if subject == "somebody" else None

        def has_granted_permission(self, client, user):
            return True

        def get_audiences(self):
            return [f"{url}/token"]

    class ClientCredentialsGrant(grants.ClientCredentialsGrant):
        TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post", JWTBearerClientAssertion.CLIENT_AUTH_METHOD]

    class Assertion(JWTBearerClientAssertion):
        used = set()

        def validate_jti(self, claims, jti):
            new = jti not in self.used
            self.used.add(jti)
            return new

        def resolve_client_public_key(self, client):
            return client.key

        def get_audiences(self):
            return [f"{url}/token"]

    class Introspection(IntrospectionEndpoint):
        def query_token(self, token_string, token_type_hint):
            return tokens.get(token_string)

        def check_permission(self, token, client, request):
            return client.client_id == "media"

        def introspect_token(self, token):
            return {"client_id": token.client.client_id, "scope": token.scope, "exp": int(token.until), "token_type": "Bearer"}

    def save_token(token, request):
        tokens[token["access_token"]] = Token(token, request.client)

    server = AuthorizationServer(app, query_client=clients.get, save_token=save_token)
    server.register_grant(JWTBearerGrant)
    server.register_grant(ClientCredentialsGrant)
    server.register_client_auth_method(Assertion.CLIENT_AUTH_METHOD, Assertion())
    server.register_endpoint(Introspection)

    @app.post("/token")
    def token():
        given = server.create_token_response()
        requests.append(given.status_code)
        return given

    @app.post("/introspection")
    def introspection():
        return server.create_endpoint_response(Introspection.ENDPOINT_NAME)

    return app, {"/requests": lambda: requests}


if __name__ == "__main__":
    serve(build)
