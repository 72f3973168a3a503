// A person with a browser, in as much as forms go: follows redirects, keeps cookies, signs in, says yes, goes back to the program.

import http from 'node:http';
import https from 'node:https';

const LIMIT = 20;

/** One request; the answer with its whole body. */
export function request(url, { method = 'GET', headers = {}, body, ca } = {}) {
  const { request: send } = url.startsWith('https:') ? https : http;
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
    const sent = send(url, { method, headers: { ...headers, ...length }, ca, agent: false, timeout: 10_000 }, (answer) => {
      const parts = [];
      answer.on('data', (part) => parts.push(part));
      answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, text: Buffer.concat(parts).toString() }));
      answer.on('error', reject);
    });
    sent.on('timeout', () => sent.destroy(new Error(`${url} does not answer`)));
    sent.on('error', reject);
    sent.end(body);
  });
}

/** Walks from `start` to the last page; `answer` = 'yes', or 'no' to refuse at the first page that offers it; `code`: a device's. */
export async function walk(start, { ca, answer = 'yes', code = '' }) {
  const cookies = new Map();
  const steps = [];
  let next = { url: start };
  for (let step = 0; step < LIMIT; step += 1) {
    const { url, body } = next;
    const { host, protocol } = new URL(url);
    const headers = { accept: 'text/html' };
    // The program's own listener is another site than the authorization server, and gets none of its cookies.
    const jar = cookies.get(host) ?? new Map();
    cookies.set(host, jar);
    if (jar.size) headers.cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
    if (body !== undefined) headers['content-type'] = 'application/x-www-form-urlencoded';
    const page = await request(url, { method: body === undefined ? 'GET' : 'POST', headers, body, ca: protocol === 'https:' ? ca : undefined });
    steps.push(`${page.status} ${url.split('?')[0]}`);
    for (const line of page.headers['set-cookie'] ?? []) {
      const [pair] = line.split(';');
      const at = pair.indexOf('=');
      jar.set(pair.slice(0, at), pair.slice(at + 1));
    }
    if (page.status >= 300 && page.status < 400) {
      next = { url: new URL(page.headers.location, url).href };
      continue;
    }
    next = page.status < 400 ? form(page.text, url, answer, code) : undefined;
    if (next === undefined) return { status: page.status, text: page.text, steps };
  }
  throw new Error(`no end after ${LIMIT} pages: ${steps.join(', ')}`);
}

/** The page's form, filled in. */
function form(text, base, answer, code) {
  const abort = /<a href="([^"]*\/abort)"/.exec(text);
  if (answer === 'no' && abort) return { url: new URL(unescape(abort[1]), base).href };
  const found = /<form\b[^>]*>[\s\S]*?<\/form>/.exec(text);
  if (!found) return undefined;
  const action = new URL(unescape(attribute(found[0], 'action') ?? ''), base).href;
  const fields = new URLSearchParams();
  for (const [input] of found[0].matchAll(/<input\b[^>]*>/g)) {
    const name = attribute(input, 'name');
    if (name) fields.set(name, unescape(attribute(input, 'value') ?? (name === 'user_code' ? code : 'somebody')));
  }
  if (answer === 'no' && text.includes('name="abort"')) fields.set('abort', 'yes');
  return { url: action, body: fields.toString() };
}

const attribute = (tag, name) => new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1];
const unescape = (text) => text.replace(/&quot;/g, '"').replace(/&#39;/g, "'").replace(/&lt;/g, '<').replace(/&gt;/g, '>').replace(/&amp;/g, '&');
