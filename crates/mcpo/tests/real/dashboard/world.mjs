// What every test of the dashboard stands on: mcpo as its users run it, and a real browser that
// fails the test on whatever it would only write to its console.
import { spawn } from 'node:child_process';
import { mkdirSync, openSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const START_MS_MAX = 60_000;
/** Another name of this machine, as others have for it. */
export const OTHER_NAME = 'mcpo.example';
const NAMES = `--host-resolver-rules=MAP ${OTHER_NAME} 127.0.0.1`;
// Without these, Chromium itself looks for its maker's hosts and fails many times a start.
const QUIET = ['--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-quic', '--no-first-run'];

/** What is wrong, told at the end, all of it. */
export const wrong = [];

export function check(holds, words) {
  if (!holds) wrong.push(words);
}

/** Asks again until it is so. */
export async function until(what, holds, ms = 20_000) {
  const end = Date.now() + ms;
  for (;;) {
    const value = await holds();
    if (value) return value;
    if (Date.now() > end) throw new Error(`in ${ms} ms it never was so: ${what}`);
    await new Promise(resolve => setTimeout(resolve, 25));
  }
}

/** A port below those that outgoing connections take. */
async function freePort() {
  for (let at = 12_000 + (process.pid * 7) % 6000; ; at += 1) {
    const free = await new Promise(resolve => {
      const server = createServer().once('error', () => resolve(false));
      server.listen(at, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (free) return at;
  }
}

export class Mcpo {
  static async start({ program, folder, servers, command, options = [], env = {}, rootPath = '', awaited = '/readyz' }) {
    const mcpo = new Mcpo();
    mkdirSync(folder, { recursive: true });
    Object.assign(mcpo, { program, folder, env, rootPath, awaited, port: await freePort() });
    mcpo.file = join(folder, `config-${mcpo.port}.json`);
    writeFileSync(mcpo.file, JSON.stringify({ mcpServers: servers }));
    mcpo.options = [...options, ...(rootPath ? ['--root-path', rootPath] : []), ...(command ? ['--', ...command] : ['--config', mcpo.file])];
    return mcpo.again();
  }

  /** Starts it on the same port as before. */
  async again() {
    const log = openSync(join(this.folder, `mcpo-${this.port}.log`), 'a');
    const words = ['--host', '127.0.0.1', '--port', String(this.port), '--no-state', ...this.options];
    const { PATH, HOME } = process.env;
    this.child = spawn(this.program, words, { stdio: ['ignore', log, log], env: { PATH, HOME, XDG_STATE_HOME: `${this.folder}/state`, MCPO_MONITOR_INTERVAL: '1', ...this.env } });
    this.ended = new Promise(resolve => this.child.once('exit', resolve));
    await until('mcpo is ready', async () => (await this.get(this.awaited).catch(() => null))?.ok, START_MS_MAX);
    return this;
  }

  get base() {
    return `http://127.0.0.1:${this.port}${this.rootPath}`;
  }

  get(path, options) {
    return fetch(`${this.base}${path}`, options);
  }

  call(path, body, headers = {}) {
    return this.get(path, { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers } });
  }

  async end(signal = 'SIGTERM') {
    this.child.kill(signal);
    await this.ended;
  }
}

export async function launch(playwright) {
  const { chromium } = createRequire(import.meta.url)(playwright);
  return chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', NAMES, ...QUIET] });
}

/**
 * Opens the dashboard. `fine(text)` names what may be said on the console in this test, `base` is
 * where it is if not where mcpo is, `before(page)` comes first.
 */
export async function open(browser, mcpo, { fine = () => false, base = mcpo.base, before = () => {}, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  page.on('pageerror', error => wrong.push(`the page throws: ${error}`));
  page.on('console', message => {
    if (['error', 'warning'].includes(message.type()) && !fine(message.text())) wrong.push(`the console says: ${message.text()}`);
  });
  const origin = new URL(base).origin;
  await context.route('**/*', route => {
    const url = route.request().url();
    if (url.startsWith('data:') || new URL(url).origin === origin) return route.continue();
    wrong.push(`it asks the network for ${url}`);
    return route.abort();
  });
  await before(page);
  await page.goto(`${base}/dashboard`, { waitUntil: 'load' });
  return page;
}

export const card = (page, name) => page.locator(`.card[data-server="${name}"]`);

/** Waits until a server's card says that. */
export function stands(page, name, words, timeout = 30_000) {
  return card(page, name).locator('.pill', { hasText: words }).waitFor({ timeout });
}

export function live(page, timeout = 20_000) {
  return page.locator('#link[data-link="live"]').waitFor({ timeout });
}
