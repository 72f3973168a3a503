// Makes a fresh glewlwyd ready for the tests, over its own API, and opens a door beside it.
//
//   node glewlwyd.mjs URL FOLDER PORT      in FOLDER: ca.pem; PORT: where the client listens for its browser
//
//   GET /browse?url=     somebody opens this URL, signs in and says yes; &code=: a device's code
//   GET /verify          for nginx's auth_request

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { request } from './browser.mjs';
import { gate, openDoor } from './door.mjs';

const [, , url, folder, port] = process.argv;
const ca = readFileSync(join(folder, 'ca.pem'));
const LIFE = 6;
const SECRET = 'odd +/%2F=';

/** A browser session: its requests carry the cookies that it got. */
function session() {
  const cookies = new Map();
  return async (method, target, json) => {
    const headers = { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') };
    if (json) headers['content-type'] = 'application/json';
    const secure = target.startsWith('https:');
    const answer = await request(target, { method, headers: secure ? headers : {}, body: json && JSON.stringify(json), ca: secure ? ca : undefined });
    for (const line of answer.headers['set-cookie'] ?? []) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      cookies.set(name, value);
    }
    if (answer.status >= 400) throw new Error(`${method} ${target}: ${answer.status} ${answer.text}`);
    return answer;
  };
}

const admin = session();
await admin('POST', `${url}/api/auth/`, { username: 'admin', password: 'password' });
await admin('POST', `${url}/api/scope/`, {
  name: 'media.read', display_name: 'media', description: 'reads media', password_required: true, scheme: {},
});
await admin('POST', `${url}/api/user/`, {
  username: 'somebody', password: 'their-password', name: 'Somebody', email: '', scope: ['media.read', 'openid'], enabled: true,
});
await admin('POST', `${url}/api/mod/plugin/`, {
  module: 'oidc',
  name: 'oidc',
  display_name: 'oidc',
  parameters: {
    iss: url, 'jwt-type': 'sha', 'jwt-key-size': '256', key: 'a key of the tests', 'secret-type': 'pairwise',
    'access-token-duration': LIFE, 'refresh-token-duration': 86400, 'refresh-token-rolling': true, 'refresh-token-one-use': 'always',
    'code-duration': 60, 'allow-non-oidc': true, 'allowed-scope': ['openid', 'media.read'], 'oauth-as-iss-id': true,
    'auth-type-code-enabled': true, 'auth-type-token-enabled': false, 'auth-type-id-token-enabled': true, 'auth-type-none-enabled': true,
    'auth-type-password-enabled': false, 'auth-type-client-enabled': true, 'auth-type-refresh-enabled': true,
    'auth-type-device-enabled': true, 'device-authorization-expiration': 120, 'device-authorization-interval': 2,
    'pkce-allowed': true, 'pkce-required': true,
    'introspection-revocation-allowed': true, 'introspection-revocation-allow-target-client': true,
  },
});
await admin('POST', `${url}/api/client/`, {
  client_id: 'app', name: 'app', client_secret: SECRET, confidential: true, enabled: true, scope: ['media.read'],
  authorization_type: ['code', 'client_credentials', 'refresh_token', 'device_authorization'],
  redirect_uri: [`http://127.0.0.1:${port}/callback`],
  token_endpoint_auth_method: ['client_secret_basic', 'client_secret_post'],
});

async function introspect(token) {
  // A client may ask only about its own tokens.
  const authorization = `Basic ${Buffer.from(`app:${SECRET}`).toString('base64')}`;
  const headers = { 'content-type': 'application/x-www-form-urlencoded', authorization };
  const answer = await request(`${url}/api/oidc/introspect`, { method: 'POST', ca, headers, body: new URLSearchParams({ token }).toString() });
  return JSON.parse(answer.text);
}

/** What the pages at login.html do for a person. */
async function browse(start) {
  const somebody = session();
  await somebody('GET', start);
  await somebody('POST', `${url}/api/auth/`, { username: 'somebody', password: 'their-password' });
  await somebody('PUT', `${url}/api/auth/grant/app`, { scope: 'media.read' });
  const { headers } = await somebody('GET', `${start}&g_continue`);
  if (headers.location.startsWith(url)) return headers.location;
  return (await somebody('GET', headers.location)).text;
}

const door = await openDoor({
  '/browse': async (query) => {
    const [start, code] = [query.get('url'), query.get('code')];
    return { json: await browse(code ? `${start}?code=${code}` : start) };
  },
  '/verify': gate(introspect),
});
console.log(JSON.stringify({ door }));
