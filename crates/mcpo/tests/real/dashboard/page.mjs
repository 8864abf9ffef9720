// The dashboard of a real mcpo in a real browser.
// Usage: page.mjs TEST PLAYWRIGHT AXE PROGRAM FOLDER PICTURES, with the folder of playwright-core, axe-core's
// script, the program, a folder for what it needs, and one for screenshots.
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { closed, trends, unseen } from './states.mjs';
import { TOOLS, Upstream } from './upstream.mjs';
import { Mcpo, card, check, launch, live, open, stands, until, wrong } from './world.mjs';

const [test, playwright, axe, program, folder, pictures] = process.argv.slice(2);
const stdio = { command: process.execPath, args: [join(import.meta.dirname, 'upstream.mjs')] };
const KIBIBYTES_MAX = 300;
const refusedByUs = text => /status of (401|403|404|422|429|500|502|503|504)/.test(text);
const gone = text => /ERR_CONNECTION|ERR_INCOMPLETE|ERR_EMPTY|ERR_NETWORK|ERR_SOCKET_NOT_CONNECTED/.test(text);
let browser;
let mcpo;

const TESTS = { heals, orders, tools, login, lost, everybody, many, documentation, ...within({ closed, trends, unseen }) };

/** Tests that stand in a file of their own begin mcpo through this, so that it is ended here. */
function within(tests) {
  const begin = async how => { mcpo = await Mcpo.start({ program, folder, servers: { time: stdio }, ...how }); return mcpo; };
  return Object.fromEntries(Object.entries(tests).map(([name, run]) => [name, () => run(browser, begin, pictures)]));
}

// === A server breaks and heals ===

async function heals() {
  const search = await new Upstream().listen();
  mcpo = await Mcpo.start({ program, folder, servers: { search: { type: 'streamable-http', url: search.url() }, time: stdio } });
  const page = await open(browser, mcpo);
  await live(page);
  await stands(page, 'search', 'Ready');
  await page.locator('#status', { hasText: 'Healthy' }).waitFor();
  check((await mcpo.call('/search/echo', { text: 'before' })).status === 200, 'a call works before');
  await card(page, 'time').locator('dd[data-of="Memory"]', { hasText: 'MB' }).waitFor();

  await page.evaluate(() => {
    const pill = document.querySelector('.card[data-server="search"] .pill');
    new MutationObserver(() => { globalThis.turnedAt ??= Date.now(); }).observe(pill, { childList: true, characterData: true, subtree: true });
  });
  await search.vanish();
  await mcpo.call('/search/echo', { text: 'meanwhile' }, { 'x-tool-timeout': '1' });
  await until('the card turned', () => page.evaluate(() => globalThis.turnedAt));
  const { entries } = await (await mcpo.get('/admin/journal?server=search')).json();
  const broke = Date.parse(entries.find(({ event }) => event === 'session_lost' || event === 'upstream_failed').at);
  const took = await page.evaluate(() => globalThis.turnedAt) - broke;
  console.log(`the page turned ${took} ms after the event`);
  check(took < 1000, `the page turned ${took} ms after the event`);
  await page.locator('#status:not(:text("Healthy"))').waitFor();
  await page.locator('#count-servers', { hasText: '1 down' }).waitFor();
  const issue = page.locator('.issue', { hasText: 'search' }).first();
  await issue.locator('.fix').waitFor();
  await page.screenshot({ path: join(pictures, 'broken.png') });

  await search.listen();
  await stands(page, 'search', 'Ready');
  check((await mcpo.call('/search/echo', { text: 'after' })).status === 200, 'a call works after');
  await page.locator('.events .line', { hasText: /search: .*(lost|failed).* → (new session in|back after)/ }).first().waitFor();
  await page.locator('.issue[data-tone="bad"]').first().waitFor({ state: 'detached' });
  await page.locator('#said', { hasText: /./ }).waitFor({ state: 'attached' });
  await search.vanish();
  await stories(page);
}

/** What entries in a row are told as. */
async function stories(page) {
  const lost = { event: 'session_lost', level: 'warn', fields: { fault: 'disconnected' } };
  const again = { event: 'call_sent_again', level: 'debug' };
  const ready = { event: 'upstream_ready', level: 'info', fields: { took_ms: 12, tools: 2 } };
  const recovered = { event: 'recovered', level: 'info', fields: { away_ms: 12 } };
  const shed = (reason, count) => ({ event: 'calls_shed', level: 'warn', sentence: 'told by mcpo', fields: { reason, count, over_ms: 10_000 } });
  const held = by => ({ event: 'held', level: 'warn', fields: { by, fault: 'unauthorized' } });
  const cases = [
    [[lost, again, again, again, ready, recovered], 'ok', 'session lost (it went away), 3 calls sent again → new session in 12 ms'],
    [[ready, lost, lost], 'bad', 'ready after 12 ms, 2 tools, 2 sessions lost (it went away)'],
    [[held('operator')], 'off', 'held by an operator'],
    [[shed('server_full', 2)], 'warn', 'told by mcpo'],
    [[shed('server_full', 2), shed('rate_limited', 5), shed('server_full', 40)], 'warn', '42 calls turned away within 20 s (too many wait), told by mcpo'],
    [[held('fault')], 'bad', 'held until somebody mends it (it refuses the credentials)'],
    [[{ event: 'new_to_the_page', level: 'info', sentence: 'in its own words' }], 'off', 'in its own words'],
  ];
  const told = await page.evaluate(async all => {
    const { begin, goOn, goesOn, line, tone } = await import(new URL('docs/assets/dashboard-story.js', document.baseURI));
    return all.map(([events]) => {
      const entries = events.map((entry, at) => ({ ...entry, seq: at, ms: at * 10, server: 'time' }));
      const story = begin(entries[0]);
      const joined = entries.slice(1).every(entry => { const goes = goesOn(story, entry); goOn(story, entry); return goes; });
      return [joined, tone(story), line(story).replaceAll('\u00a0', ' ')];
    });
  }, cases);
  cases.forEach(([, tone, words], at) => check(String(told[at]) === String([true, tone, words]), `"${words}" is told as ${told[at]}`));
}

// === Every order ===

async function orders() {
  const search = await new Upstream().listen();
  mcpo = await Mcpo.start({ program, folder, servers: { search: { type: 'streamable-http', url: search.url() } } });
  const page = await open(browser, mcpo, { fine: refusedByUs });
  await stands(page, 'search', 'Ready');
  const button = words => page.getByRole('button', { name: `${words} search`, exact: true });
  const toast = words => page.locator('.toast', { hasText: words }).last().waitFor();
  const call = async () => (await mcpo.call('/search/echo', { text: 'x' }, { 'x-tool-timeout': '3' })).status;

  const before = search.sessions;
  await button('Reconnect').focus();
  await page.keyboard.press('Enter');
  await toast('every session is being replaced');
  await until('there is a new session', () => search.sessions > before);
  await stands(page, 'search', 'Ready');

  await button('Hold').click();
  const dialog = page.getByRole('dialog');
  await dialog.waitFor();
  await accessible(page, 'a question');
  for (let turn = 0; turn < 4; turn += 1) {
    await page.keyboard.press('Tab');
    const inside = await page.evaluate(() => document.activeElement === document.body || document.querySelector('dialog').contains(document.activeElement));
    check(inside, 'the focus leaves the dialog');
  }
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'hidden' });
  check(await button('Hold').evaluate(one => one === document.activeElement), 'the focus does not come back');
  check(await call() === 200, 'Escape held the server all the same');

  await button('Hold').click();
  await dialog.getByRole('button', { name: 'Hold' }).click();
  await toast('held; nothing new is sent');
  await stands(page, 'search', 'Held');
  check(await call() === 503, 'a held server is called');
  await button('Release').click();
  await toast('released');
  await stands(page, 'search', 'Ready');
  check(await call() === 200, 'a released server is not called');

  await button('Drain').click();
  await dialog.getByRole('button', { name: 'Drain' }).click();
  await toast('draining');
  await card(page, 'search').locator('dd[data-of="Sessions"]', { hasText: /^0 of/ }).waitFor();
  await button('Release').click();
  await stands(page, 'search', 'Ready');
  check(await call() === 200, 'a drained server is not called after its release');

  await search.vanish();
  await call();
  await button('Try now').waitFor();
  await search.listen();
  await button('Try now').click().catch(() => {});
  await stands(page, 'search', 'Ready');
  await page.locator('.events .line', { hasText: 'an operator ordered: ' }).first().waitFor();
  await page.locator('#issues-check').click();
  await page.locator('#issues-at', { hasText: 'Checked just now' }).waitFor();
  await search.vanish();
}

// === Tools ===

async function tools() {
  const search = await new Upstream().listen();
  mcpo = await Mcpo.start({ program, folder, servers: { search: { type: 'streamable-http', url: search.url() } } });
  const page = await open(browser, mcpo, { fine: refusedByUs });
  await stands(page, 'search', 'Ready');
  await page.getByRole('button', { name: '4 tools of search' }).click();
  const list = page.locator('#tools-list button b');
  await list.first().waitFor();
  const names = await list.allInnerTexts();
  check(TOOLS.every(({ name }) => names.includes(name)), `the tools are ${names}`);

  const one = page.locator('#tools-one');
  const go = one.getByRole('button', { name: 'Call', exact: true });
  await list.getByText('echo', { exact: true }).click();
  await go.click();
  await one.getByText('It is required.').waitFor();
  await one.getByLabel('text').fill('good "day"');
  await one.getByLabel('count').fill('1.5');
  await one.getByLabel('tags').fill('{"no": "list"}');
  await go.click();
  await one.getByText('It is no whole number.').waitFor();
  await one.getByText('It must look like').waitFor();
  await one.getByLabel('count').fill('12345678901234567890');
  await one.getByLabel('tags').fill('["a"]');
  await one.getByLabel('loud').selectOption('true');
  await one.getByLabel('mood').selectOption('cheerful');
  await go.click();
  await one.locator('.verdict-line', { hasText: '200' }).waitFor();
  check(search.lastCall.includes('12345678901234567890'), `a number lost digits: ${search.lastCall}`);
  check((await one.locator('pre').innerText()).includes('"good \\"day\\""'), 'the answer is not shown');
  check((await one.locator('.outcome').innerText()).includes('reply: the server answered'), 'the outcome is not shown');

  await list.getByText('fail', { exact: true }).click();
  await go.click();
  await one.locator('.verdict-line', { hasText: /500.*tool error/i }).waitFor();

  await list.getByText('wait', { exact: true }).click();
  await go.click();
  await one.getByRole('button', { name: 'Abort' }).click();
  await one.locator('.verdict-line', { hasText: 'Aborted after' }).waitFor();

  await list.filter({ hasText: '<img' }).click();
  await one.locator('h3', { hasText: TOOLS[3].name }).waitFor();
  check(await page.evaluate(() => globalThis.hostile) === undefined, 'a hostile name was run');
  check(await page.locator('main img').count() === 0, 'a hostile name became an element');
  const forms = await page.evaluate(async schemas => {
    const { formOf } = await import(new URL('docs/assets/dashboard-form.js', document.baseURI));
    return schemas.map(schema => formOf(schema, {}).element.querySelectorAll('input, textarea, select').length);
  }, [{ required: 7, properties: { a: {} } }, { $ref: '#/%' }, { properties: { a: { type: 'toString' } } }, { properties: { a: null } }]);
  check(String(forms) === '1,1,1,1', `senseless schemas have ${forms} fields`);
  await page.context().close();
  await search.vanish();
  await mcpo.end();
  await elsewhere({ command: [stdio.command, ...stdio.args] }, 'default');
  await elsewhere({ servers: { time: stdio }, options: ['--path-prefix', '/api/'] }, 'time');
}

/** Tools are called where they are: at the root, or behind a prefix. */
async function elsewhere(how, name) {
  mcpo = await Mcpo.start({ program, folder, ...how });
  const page = await open(browser, mcpo, { fine: refusedByUs });
  await page.getByRole('button', { name: `4 tools of ${name}` }).click();
  await page.locator('#tools-list').getByText('fail', { exact: true }).click();
  await page.locator('#tools-one').getByRole('button', { name: 'Call', exact: true }).click();
  await page.locator('.verdict-line', { hasText: /500.*tool error/i }).waitFor();
  await page.context().close();
  await mcpo.end();
}

// === Sign in and out ===

async function login() {
  const servers = { time: stdio };
  mcpo = await Mcpo.start({ program, folder, servers, options: ['--api-key', 'open sesame', '--strict-auth'], rootPath: '/proxy' });
  const page = await open(browser, mcpo, { fine: refusedByUs });
  const key = page.getByLabel('API key');
  const error = page.locator('#gate-error');
  await key.waitFor();
  check(await page.locator('.card').count() === 0, 'data is shown before the key is');
  await key.fill('wrong');
  await page.keyboard.press('Enter');
  await error.getByText('That is not the key.').waitFor();
  await page.screenshot({ path: join(pictures, 'sign-in.png') });
  await accessible(page, 'signing in');
  await key.fill('open sesame');
  await page.keyboard.press('Enter');
  await stands(page, 'time', 'Ready');
  await page.reload();
  await stands(page, 'time', 'Ready');
  await page.locator('#issues-at', { hasText: 'Checked' }).waitFor();

  await page.getByRole('button', { name: '4 tools of time' }).click();
  await page.locator('#tools-list').getByText('fail', { exact: true }).click();
  await page.locator('#tools-one').getByRole('button', { name: 'Call', exact: true }).click();
  await page.locator('.verdict-line', { hasText: 'tool error' }).or(page.locator('.verdict-line', { hasText: 'Tool error' })).waitFor();
  await page.getByRole('button', { name: 'Reconnect time' }).click();
  await page.locator('.toast', { hasText: 'every session is being replaced' }).waitFor();

  const cookies = await page.context().cookies();
  check(cookies.every(({ httpOnly, sameSite, path }) => httpOnly && sameSite === 'Strict' && path === '/proxy'), `the cookies are ${JSON.stringify(cookies)}`);
  check(!JSON.stringify(cookies).includes('sesame'), 'the key is in a cookie');
  const stored = await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }));
  check(!stored.includes('sesame'), 'the key is kept in the browser');

  await page.getByRole('button', { name: 'Sign out' }).click();
  await key.waitFor();
  check(await page.locator('.card').count() === 0, 'data is shown after signing out');
  const cookie = cookies.map(({ name, value }) => `${name}=${value}`).join('; ');
  check((await mcpo.get('/admin/servers', { headers: { cookie } })).status !== 200, 'a login outlives signing out');
  // One at a time: more are in the way of each other on the page.
  for (let turn = 0; turn < 12 && !(await error.innerText()).startsWith('Too many'); turn += 1) {
    await key.fill(`guess ${turn}`);
    const told = page.waitForResponse(/\/admin\/login$/);
    await page.keyboard.press('Enter');
    await told;
    await error.getByText(/./).waitFor();
  }
  await error.getByText(/Too many attempts. Try again in/).waitFor();
}

// === The connection is lost ===

async function lost() {
  mcpo = await Mcpo.start({ program, folder, servers: { time: stdio } });
  const page = await open(browser, mcpo, { fine: text => gone(text) || refusedByUs(text) });
  await stands(page, 'time', 'Ready');
  const banner = page.getByText(/Connection lost, trying again/);

  await mcpo.end('SIGKILL');
  const dead = Date.now();
  await banner.waitFor({ timeout: 2000 });
  console.log(`the page knew ${Date.now() - dead} ms after the end`);
  await page.locator('#overview[data-stale]').waitFor();
  await accessible(page, 'lost');
  await page.screenshot({ path: join(pictures, 'lost.png') });
  await mcpo.again();
  await live(page);
  await banner.waitFor({ state: 'hidden' });
  await page.locator('.events .line', { hasText: 'mcpo was started anew' }).waitFor();
  await stands(page, 'time', 'Ready');

  // It is there, and says nothing.
  mcpo.child.kill('SIGSTOP');
  await banner.waitFor({ timeout: 8000 });
  mcpo.child.kill('SIGCONT');
  await live(page);
  await banner.waitFor({ state: 'hidden' });
}

// === Every screen, everybody ===

const SCREENS = [[360, 780], [768, 1024], [1440, 900], [1600, 1000]];

async function everybody() {
  const [search, wiki] = [await new Upstream().listen(), await new Upstream().listen()];
  const servers = { search: { type: 'streamable-http', url: search.url() }, wiki: { type: 'streamable-http', url: wiki.url() }, time: stdio };
  mcpo = await Mcpo.start({ program, folder, servers, rootPath: '/proxy' });
  for (let turn = 0; turn < 30; turn += 1) await mcpo.call(`/${['search', 'wiki', 'time'][turn % 3]}/echo`, { text: 'x' });
  await wiki.vanish();
  await mcpo.call('/wiki/echo', { text: 'x' }, { 'x-tool-timeout': '1' });
  await weigh();
  for (const colorScheme of ['light', 'dark']) {
    for (const [width, height] of SCREENS) await look(width, height, colorScheme);
  }
  await remembers();
  await search.vanish();
}

/** What the first visit costs. */
async function weigh() {
  const context = await browser.newContext();
  const page = await context.newPage();
  const requests = [];
  page.on('requestfinished', request => /dashboard/.test(request.url()) && requests.push(request));
  await page.goto(`${mcpo.base}/dashboard`, { waitUntil: 'load' });
  await live(page);
  const sizes = await Promise.all(requests.map(request => request.sizes()));
  const bytes = sizes.reduce((sum, { responseBodySize, responseHeadersSize }) => sum + responseBodySize + responseHeadersSize, 0);
  const paint = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime);
  console.log(`${requests.length} files, ${Math.round(bytes / 1024)} KiB on the wire, first paint after ${Math.round(paint)} ms`);
  check(requests.length > 10 && bytes < KIBIBYTES_MAX * 1024, `${bytes} bytes in ${requests.length} files`);
  await context.close();
}

async function look(width, height, colorScheme) {
  const name = `${width}-${colorScheme}`;
  const page = await open(browser, mcpo, { viewport: { width, height }, colorScheme, fine: refusedByUs, reducedMotion: 'reduce' });
  await page.evaluate(() => {
    globalThis.shift = 0;
    new PerformanceObserver(list => list.getEntries().forEach(one => { if (!one.hadRecentInput) globalThis.shift += one.value; })).observe({ type: 'layout-shift', buffered: true });
  });
  await stands(page, 'wiki', /Waiting|Starting/);
  await page.locator('.issue').first().waitFor();
  await page.locator('#charts').scrollIntoViewIfNeeded();
  await page.locator('.plot canvas').first().waitFor();
  await page.locator('#tools').scrollIntoViewIfNeeded();
  await page.locator('#tools-list button').first().click();
  await page.locator('#tools-one form').waitFor();
  const shift = await page.evaluate(() => globalThis.shift);
  console.log(`${name}: the layout moved by ${shift.toFixed(3)}`);
  // Web Vitals call 0.1 good, https://web.dev/articles/cls.
  check(shift < 0.1, `${name}: the layout moved by ${shift}`);
  const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  check(over <= 0, `${name}: the page is ${over} pixels too wide`);
  await page.evaluate(() => scrollTo(0, 0));
  await accessible(page, name);
  await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: width === 360 });
  await page.context().close();
}

/** WCAG 2.2 AA, as far as a program can see. */
async function accessible(page, name) {
  await page.evaluate(readFileSync(axe, 'utf8'));
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
  for (const { id, help, nodes } of violations) {
    wrong.push(`${name}: ${id}: ${help}: ${nodes.slice(0, 3).map(({ target, failureSummary }) => `${target} ${failureSummary}`).join('; ')}`);
  }
}

/** The theme is kept, the first Tab leads past the header, and what has the focus can be seen. */
async function remembers() {
  const page = await open(browser, mcpo, { fine: refusedByUs, colorScheme: 'light' });
  const surface = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const bright = await surface();
  await page.locator('#theme').click();
  await page.locator('#theme').click();
  await page.locator('#theme', { hasText: 'dark' }).waitFor();
  check(await surface() !== bright, 'the theme does not change');
  await page.reload();
  check(await surface() !== bright, 'the theme is not kept');
  await page.keyboard.press('Tab');
  const skip = page.getByRole('link', { name: 'Skip to content' });
  check(await skip.evaluate(one => one === document.activeElement && one.getBoundingClientRect().top >= 0), 'the first Tab is not the way past the header');
  await page.keyboard.press('Enter');
  check(await page.evaluate(() => location.pathname.endsWith('/dashboard')), 'skipping leaves the page');
  await page.keyboard.press('Tab');
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  check(outline !== 'none', 'the focus cannot be seen');
  await page.context().close();
}

// === Many servers ===

async function many() {
  const upstream = await new Upstream().listen();
  const servers = Object.fromEntries(Array.from({ length: 120 }, (_, at) => [`server-${at}`, { type: 'streamable-http', url: upstream.url(`/${at}`) }]));
  mcpo = await Mcpo.start({ program, folder, servers });
  const page = await open(browser, mcpo);
  await page.locator('.card').first().waitFor();
  check(await page.locator('.card').count() === 24, 'all cards are drawn at once');
  await page.getByRole('button', { name: /Show more \(96 are not shown\)/ }).click();
  check(await page.locator('.card').count() === 72, 'no more cards are shown');
  await page.locator('#servers-search').fill('server-119');
  await card(page, 'server-119').waitFor();
  await until('only one is shown', async () => await page.locator('.card').count() === 1);
  await page.locator('#servers-search').fill('');
  const longest = await page.evaluate(() => new Promise(resolve => {
    let most = 0;
    new PerformanceObserver(list => list.getEntries().forEach(({ duration }) => { most = Math.max(most, duration); })).observe({ type: 'longtask' });
    setTimeout(() => resolve(most), 3500);
  }));
  console.log(`the longest task in three seconds with 120 servers took ${Math.round(longest)} ms`);
  await page.screenshot({ path: join(pictures, 'many.png') });
  await upstream.vanish();
}

// === The pictures of the documentation ===

const TRAFFIC_MS = 75_000;

/** Some life, an outage that heals, and one that does not. */
async function documentation() {
  const [search, wiki] = [await new Upstream().listen(), await new Upstream().listen()];
  search.pauseMs = () => 20 + 30 * Math.random() + (Math.random() < 0.05 ? 200 : 0);
  wiki.pauseMs = () => 5 + 10 * Math.random();
  const http = upstream => ({ type: 'streamable-http', url: upstream.url() });
  const kept = { tools: { echo: { cache: { ttl: 2 } } } };
  const servers = { time: stdio, search: { ...http(search), ...kept }, wiki: http(wiki), files: stdio, tickets: { command: 'tickets-mcp' } };
  mcpo = await Mcpo.start({ program, folder, servers, awaited: '/readyz?exclude=tickets' });
  const page = await open(browser, mcpo, { viewport: { width: 1440, height: 900 }, fine: refusedByUs });
  await live(page);
  const end = Date.now() + TRAFFIC_MS;
  const events = [[0.3, () => search.vanish()], [0.34, () => search.listen()], [0.9, () => wiki.vanish()]];
  while (Date.now() < end) {
    const share = 1 - (end - Date.now()) / TRAFFIC_MS;
    if (events.length > 0 && share > events[0][0]) await events.shift()[1]();
    const name = ['time', 'search', 'wiki', 'search', 'files'][Math.floor(Math.random() * 5)];
    const text = `x${Math.floor(30 * Math.random() ** 2)}`;
    mcpo.call(`/${name}/echo`, { text }, { 'x-tool-timeout': '1' }).then(answer => answer.text()).catch(() => {});
    await new Promise(resolve => setTimeout(resolve, 40 + 80 * Math.random() * (1 + Math.sin(share * 9))));
  }
  await page.locator('.issue', { hasText: 'wiki' }).first().waitFor();
  await page.screenshot({ path: join(pictures, 'dashboard-light.png') });
  await choose(page, 'dark');
  await page.getByRole('button', { name: 'Custom' }).click();
  const local = ms => new Date(ms - new Date().getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
  await page.locator('#charts-from').fill(local(Date.now() - TRAFFIC_MS - 15_000));
  await page.locator('#charts-to').fill(local(Date.now() + 60_000));
  await page.getByRole('button', { name: 'Show', exact: true }).click();
  await page.locator('#tools-server').selectOption('search');
  await page.evaluate(() => document.getElementById('charts').scrollIntoView({ behavior: 'instant' }));
  await page.locator('#charts-note', { hasText: /^From/ }).waitFor();
  await page.screenshot({ path: join(pictures, 'dashboard-charts-dark.png') });
  const phone = await open(browser, mcpo, { viewport: { width: 390, height: 844 }, colorScheme: 'dark', fine: refusedByUs });
  await phone.locator('.issue').first().waitFor();
  await phone.screenshot({ path: join(pictures, 'dashboard-phone-dark.png') });
  await search.vanish();
}

async function choose(page, theme) {
  const button = page.locator('#theme');
  while (!(await button.innerText()).includes(theme)) await button.click();
}

mkdirSync(pictures, { recursive: true });
browser = await launch(playwright);
try {
  await TESTS[test]();
} catch (error) {
  wrong.push(String(error.stack ?? error));
  const page = browser.contexts().at(-1)?.pages().at(-1);
  await page?.screenshot({ path: join(pictures, `failed-${test}.png`), fullPage: true }).catch(() => {});
} finally {
  await browser.close();
  mcpo?.child.kill('SIGCONT');
  if (mcpo?.child.exitCode === null) await mcpo.end();
}
if (wrong.length > 0) {
  console.error(wrong.join('\n'));
  process.exit(1);
}
process.exit(0);
