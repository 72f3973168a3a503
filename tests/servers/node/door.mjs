// A plain door of an authorization server, on loopback, for the tests and for nginx alone.

import { X509Certificate, createHash } from 'node:crypto';
import http from 'node:http';

/** Serves `routes`: by path, a function of (query, request, body) whose answer has status, json, challenge. Its URL. */
export async function openDoor(routes) {
  const server = http.createServer(async (asked, answer) => {
    const url = new URL(asked.url, 'http://door');
    const parts = [];
    for await (const part of asked) parts.push(part);
    try {
      const { status = 200, json, challenge } = await routes[url.pathname](url.searchParams, asked, Buffer.concat(parts).toString());
      const headers = challenge ? { 'www-authenticate': challenge } : {};
      answer.writeHead(status, { ...headers, 'content-type': 'application/json' }).end(json === undefined ? '' : JSON.stringify(json));
    } catch (failure) {
      console.error(`${asked.method} ${url.pathname}: ${failure.stack}`);
      answer.writeHead(500).end(JSON.stringify({ error: String(failure) }));
    }
  });
  // nginx keeps no connection, and nobody else waits that long.
  server.keepAliveTimeout = 65_000;
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  return `http://127.0.0.1:${server.address().port}`;
}

/** A route for nginx's auth_request: 204, 401 or 403, as RFC 6750 section 3, RFC 8705 section 3 and RFC 9449 section 7.1 have it. */
export function gate(introspect, jose) {
  const known = new Map();
  const proofs = new Set();

  /** Is the proof for this request, this token and this key, and new? */
  async function proven(headers, token, thumbprint) {
    const url = `${headers['x-original-scheme']}://${headers['x-original-host']}${headers['x-original-uri'].split('?')[0]}`;
    try {
      const { payload, protectedHeader } = await jose.jwtVerify(headers.dpop ?? '', jose.EmbeddedJWK, { typ: 'dpop+jwt' });
      const fresh = !proofs.has(payload.jti) && Math.abs(Date.now() / 1000 - payload.iat) < 60;
      proofs.add(payload.jti);
      return fresh && payload.htm === headers['x-original-method'] && payload.htu === url
        && payload.ath === createHash('sha256').update(token).digest('base64url')
        && await jose.calculateJwkThumbprint(protectedHeader.jwk) === thumbprint;
    } catch {
      return false;
    }
  }

  /** Did the client show the certificate to which the token is bound? */
  function shown(headers, thumbprint) {
    const pem = decodeURIComponent(headers['x-client-certificate'] ?? '');
    return pem !== '' && createHash('sha256').update(new X509Certificate(pem).raw).digest('base64url') === thumbprint;
  }

  return async (_, { headers }) => {
    const [, scheme, token] = /^(Bearer|DPoP) +(.+)$/i.exec(headers.authorization ?? '') ?? [];
    if (!token) return { status: 401, challenge: 'Bearer realm="media"' };
    // An active token is active until it expires; servers that keep answers do as much.
    const kept = known.get(token);
    const claims = kept && kept.exp > Date.now() / 1000 ? kept : await introspect(token);
    const { jkt: bound, 'x5t#S256': certificate } = claims.cnf ?? {};
    const wanted = bound ? 'dpop' : 'bearer';
    const possessed = (!bound || await proven(headers, token, bound)) && (!certificate || shown(headers, certificate));
    if (!claims.active || scheme.toLowerCase() !== wanted || !possessed) {
      return { status: 401, challenge: `${bound ? 'DPoP' : 'Bearer'} realm="media", error="invalid_token"` };
    }
    known.set(token, claims);
    if (!(claims.scope ?? '').split(' ').includes('media.read')) {
      return { status: 403, challenge: 'Bearer realm="media", error="insufficient_scope", scope="media.read"' };
    }
    return { status: 204 };
  };
}
