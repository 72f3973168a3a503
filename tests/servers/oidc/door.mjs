// What the tests and their media servers ask the authorization server, over plain http on loopback.
//
//   POST /clients             registers a client: metadata in, credentials out (RFC 7591)
//   GET  /events              everything that happened
//   GET  /grant?client=       a first refresh token, as if somebody had signed in elsewhere
//   GET  /introspect?token=   RFC 7662, as the media server `media`
//   GET  /browse?url=         somebody opens this URL and says yes; &answer=no: and refuses
//   GET  /verify              for nginx's auth_request: 204, 401 or 403, as RFC 6750 section 3 has it

import { createHash } from 'node:crypto';
import http from 'node:http';
import { request, walk } from './browser.mjs';

export async function openDoor({ provider, ca, events, modules }) {
  const { issuer } = provider;
  const jose = await import(modules.resolve('jose'));
  const { introspection_endpoint: introspection, registration_endpoint: registration } =
    JSON.parse((await request(`${issuer}/.well-known/openid-configuration`, { ca })).text);
  const known = new Map();
  const proofs = new Set();

  async function introspect(token) {
    const answer = await request(introspection, {
      method: 'POST',
      ca,
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        authorization: `Basic ${Buffer.from('media:media-secret').toString('base64')}`,
      },
      body: new URLSearchParams({ token }).toString(),
    });
    return JSON.parse(answer.text);
  }

  /** RFC 9449 section 7.1: the proof is for this request, this token and this key, and new. */
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

  async function verify(headers) {
    const [, scheme, token] = /^(Bearer|DPoP) +(.+)$/i.exec(headers.authorization ?? '') ?? [];
    if (!token) return { status: 401, challenge: 'Bearer realm="media"' };
    // An active token is active until it expires; servers that keep answers do as much.
    const kept = known.get(token);
    const claims = kept && kept.exp > Date.now() / 1000 ? kept : await introspect(token);
    const bound = claims.cnf?.jkt;
    const wanted = bound ? 'dpop' : 'bearer';
    if (!claims.active || scheme.toLowerCase() !== wanted || (bound && !await proven(headers, token, bound))) {
      return { status: 401, challenge: `${bound ? 'DPoP' : 'Bearer'} realm="media", error="invalid_token"` };
    }
    known.set(token, claims);
    if (!(claims.scope ?? '').split(' ').includes('media.read')) {
      return { status: 403, challenge: 'Bearer realm="media", error="insufficient_scope", scope="media.read"' };
    }
    return { status: 204 };
  }

  async function refreshToken(clientId) {
    const client = await provider.Client.find(clientId);
    const grant = new provider.Grant({ accountId: 'somebody', clientId });
    grant.addOIDCScope(client.scope);
    const grantId = await grant.save();
    const token = new provider.RefreshToken({
      accountId: 'somebody', client, grantId, gty: 'authorization_code', rotations: 0, iiat: Math.floor(Date.now() / 1000), scope: client.scope,
    });
    return token.save();
  }

  const routes = {
    '/clients': async (_, asked, body) => {
      const headers = { 'content-type': 'application/json' };
      const answer = await request(registration, { method: 'POST', ca, headers, body });
      return { status: answer.status, json: JSON.parse(answer.text) };
    },
    '/events': async () => ({ status: 200, json: events }),
    '/grant': async (query) => ({ status: 200, json: { refresh_token: await refreshToken(query.get('client')) } }),
    '/introspect': async (query) => ({ status: 200, json: await introspect(query.get('token')) }),
    '/browse': async (query) => ({ status: 200, json: await walk(query.get('url'), { ca, answer: query.get('answer') ?? 'yes' }) }),
    '/verify': async (_, asked) => verify(asked.headers),
  };

  const server = http.createServer(async (asked, answer) => {
    const url = new URL(asked.url, 'http://door');
    const parts = [];
    for await (const part of asked) parts.push(part);
    try {
      const { status, json, challenge } = await routes[url.pathname](url.searchParams, asked, Buffer.concat(parts).toString());
      const headers = challenge ? { 'www-authenticate': challenge } : {};
      answer.writeHead(status, { ...headers, 'content-type': 'application/json' }).end(json === undefined ? '' : JSON.stringify(json));
    } catch (failure) {
      console.error(`${asked.method} ${url.pathname}: ${failure.stack}`);
      answer.writeHead(500).end(JSON.stringify({ error: String(failure) }));
    }
  });
  server.keepAliveTimeout = 65_000;
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  return `http://127.0.0.1:${server.address().port}`;
}
