// An authorization server (oidc-provider) for the tests, over https, and beside it a plain door for them alone.
//
//   node oidc_provider.mjs FOLDER      in FOLDER: cert.pem, key.pem, ca.pem
//
// When it listens, one line of JSON on stdout says where. Then it runs until it is killed. The door:
//
//   POST /clients             registers a client: metadata in, credentials out (RFC 7591)
//   GET  /events              everything that happened
//   GET  /grant?client=       a first refresh token, as if somebody had signed in elsewhere
//   GET  /introspect?token=   RFC 7662, as the media server `media`
//   GET  /browse?url=         somebody opens this URL and says yes; &answer=no: and refuses; &code=: a device's code
//   GET  /verify              for nginx's auth_request

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import https from 'node:https';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { request, walk } from './browser.mjs';
import { gate, openDoor } from './door.mjs';

// The modules are in the folder in which this program is started, not beside it.
const require = createRequire(`${process.cwd()}/`);
const { Provider, errors } = await import(require.resolve('oidc-provider'));

const read = (name) => readFileSync(join(process.argv[2], name));
const tls = { cert: read('cert.pem'), key: read('key.pem'), ca: read('ca.pem') };
const certificate = (ctx) => ctx.socket.getPeerX509Certificate();

const server = https.createServer({ ...tls, requestCert: true, rejectUnauthorized: false });
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const issuer = `https://127.0.0.1:${server.address().port}`;

const seconds = (ctx, token, client) => client?.access_token_life ?? 3600;
const provider = new Provider(issuer, {
  scopes: ['openid', 'offline_access', 'media.read', 'media.write'],
  clients: [{
    client_id: 'media', client_secret: 'media-secret', redirect_uris: [], response_types: [], grant_types: [],
    token_endpoint_auth_method: 'client_secret_basic',
  }, {
    client_id: 'odd:app', client_secret: 'odd +/%2F=', redirect_uris: [], response_types: [], grant_types: ['client_credentials'],
    token_endpoint_auth_method: 'client_secret_basic', scope: 'media.read',
  }],
  clientAuthMethods: [
    'client_secret_basic', 'client_secret_post', 'client_secret_jwt', 'private_key_jwt', 'none',
    'tls_client_auth', 'self_signed_tls_client_auth',
  ],
  extraClientMetadata: {
    properties: ['access_token_life'],
    validator(ctx, key, value) {
      if (value !== undefined && !(value > 0)) throw new errors.InvalidClientMetadata(`${key} must be a number of seconds`);
    },
  },
  ttl: { AccessToken: seconds, ClientCredentials: seconds, RefreshToken: 86400, DeviceCode: 120, Grant: 86400 },
  rotateRefreshToken: true,
  features: {
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
    registration: { enabled: true },
    pushedAuthorizationRequests: { enabled: true },
    dPoP: { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => true },
    mTLS: {
      enabled: true,
      certificateBoundAccessTokens: true,
      selfSignedTlsClientAuth: true,
      tlsClientAuth: true,
      getCertificate: certificate,
      certificateAuthorized: (ctx) => ctx.socket.authorized,
      certificateSubjectMatches: (ctx, property, expected) =>
        property === 'tls_client_auth_subject_dn' && certificate(ctx).subject === expected,
    },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (ctx, resource, client) => ({
        scope: 'media.read', audience: resource, accessTokenFormat: 'opaque', accessTokenTTL: client.access_token_life ?? 3600,
      }),
    },
  },
});
server.on('request', provider.callback());

// Everything that happens, by client: what the tests look at.
const events = [];
const note = (event) => (ctx, ...rest) => {
  const failure = rest.find((value) => value instanceof Error);
  const parameters = ctx?.oidc?.params ?? {};
  events.push({
    event,
    client: ctx?.oidc?.client?.clientId ?? null,
    grant: parameters.grant_type ?? null,
    error: failure ? (failure.error ?? failure.message) : null,
    detail: failure?.error_detail ?? failure?.error_description ?? null,
  });
  if (event === 'server_error') console.error(failure);
};
for (const event of [
  'grant.success', 'grant.error', 'grant.revoked', 'authorization.success', 'authorization.error', 'revocation.error',
  'device_authorization.success', 'device_authorization.error', 'pushed_authorization_request.success',
  'pushed_authorization_request.error', 'introspection.error', 'server_error', 'access_token.destroyed',
  'refresh_token.destroyed',
]) provider.on(event, note(event));

async function introspect(token) {
  const answer = await request(`${issuer}/token/introspection`, {
    method: 'POST',
    ca: tls.ca,
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      authorization: `Basic ${Buffer.from('media:media-secret').toString('base64')}`,
    },
    body: new URLSearchParams({ token }).toString(),
  });
  return JSON.parse(answer.text);
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

const door = await openDoor({
  '/clients': async (query, asked, body) => {
    const headers = { 'content-type': 'application/json' };
    const answer = await request(`${issuer}/reg`, { method: 'POST', ca: tls.ca, headers, body });
    return { status: answer.status, json: JSON.parse(answer.text) };
  },
  '/events': async () => ({ json: events }),
  '/grant': async (query) => ({ json: { refresh_token: await refreshToken(query.get('client')) } }),
  '/introspect': async (query) => ({ json: await introspect(query.get('token')) }),
  '/browse': async (query) => ({ json: await walk(query.get('url'), { ca: tls.ca, ...Object.fromEntries(query) }) }),
  '/verify': gate(introspect, await import(require.resolve('jose'))),
});
console.log(JSON.stringify({ issuer, door }));
