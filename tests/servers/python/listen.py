"""An authorization server over https, and beside it a plain door for the tests: what both servers written in Python have in common."""

import base64
import json
import ssl
import sys
import threading

from flask import Flask, request
from werkzeug.serving import make_server

FOLDER = sys.argv[1]
LIFE = 6
MEDIA = "Basic " + base64.b64encode(b"media:media-secret").decode()


def serve(build):
    """Serves until it is killed. `build(url)` makes the application, which has /token and /introspection, and the door's own routes."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(f"{FOLDER}/cert.pem", f"{FOLDER}/key.pem")

    # The application needs its URL, which is known when there is a socket.
    late = {}
    server = make_server("127.0.0.1", 0, lambda environ, start: late["app"](environ, start), threaded=True, ssl_context=context)
    url = f"https://127.0.0.1:{server.server_port}"
    app, routes = build(url)
    late["app"] = app

    door = Flask("door")
    for path, view in routes.items():
        door.add_url_rule(path, path, view)

    @door.get("/verify")
    def verify():
        """For nginx's auth_request: 204, 401 or 403, as RFC 6750 section 3 has it."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return "", 401, {"WWW-Authenticate": 'Bearer realm="media"'}
        asked = app.test_client().post(
            "/introspection", base_url=url, data={"token": token.strip()}, headers={"Authorization": MEDIA}
        )
        claims = asked.get_json()
        if not claims.get("active"):
            return "", 401, {"WWW-Authenticate": 'Bearer realm="media", error="invalid_token"'}
        scope = claims.get("scope", "")
        if "media.read" not in (scope if isinstance(scope, list) else scope.split()):
            return "", 403, {"WWW-Authenticate": 'Bearer realm="media", error="insufficient_scope", scope="media.read"'}
        return "", 204

    plain = make_server("127.0.0.1", 0, door, threaded=True)
    print(json.dumps({"issuer": url, "door": f"http://127.0.0.1:{plain.server_port}"}), flush=True)
    threading.Thread(target=plain.serve_forever, daemon=True).start()
    server.serve_forever()
