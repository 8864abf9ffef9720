// States of the page beside those in which it is looked at all day: when there is nothing to show,
// when nobody may see it or does, and what it says of where things go.
import { join } from 'node:path';
import { OTHER_NAME, check, live, open, stands, until } from './world.mjs';

/** Chromium says that headers for secure origins are of no use on others. */
const refused = text => /status of (401|403|503)|origin was untrustworthy/.test(text);

/** Where nothing is measured, and for whom is not on this machine, it says so and shows nothing. */
export async function closed(browser, begin, pictures) {
  let mcpo = await begin({ env: { MCPO_MONITOR_ENABLED: 'false' } });
  let page = await open(browser, mcpo, { fine: refused });
  await page.getByRole('heading', { name: 'Monitoring is off' }).waitFor();
  await page.locator('#gate-words', { hasText: 'MCPO_MONITOR_ENABLED=false' }).waitFor();
  await page.locator('#link', { hasText: 'off' }).waitFor();
  check(!await page.locator('#main').isVisible() && !await page.locator('#gate-key').isVisible(), 'more is shown than that nothing is measured');
  check((await mcpo.call('/time/echo', { text: 'x' })).status === 200, 'without monitoring nothing is called');
  await page.screenshot({ path: join(pictures, 'off.png') });
  await page.context().close();
  await mcpo.end();

  mcpo = await begin({});
  const told = [];
  const base = mcpo.base.replace('127.0.0.1', OTHER_NAME);
  const before = one => one.on('response', answer => told.push([new URL(answer.url()).pathname, answer.status()]));
  page = await open(browser, mcpo, { fine: refused, base, before });
  await page.getByRole('heading', { name: 'Not from here' }).waitFor();
  await page.locator('#gate-words', { hasText: 'only under localhost' }).waitFor();
  check(!await page.locator('#main').isVisible() && await page.locator('.card').count() === 0, 'somebody from elsewhere sees servers');
  const others = told.filter(([path, status]) => status === 200 && !/^\/(dashboard|docs\/assets\/dashboard-[a-z.]+)$/.test(path));
  check(told.some(([path, status]) => path === '/admin/live' && status === 403) && others.length === 0, `somebody from elsewhere is told ${JSON.stringify(told)}`);
  await page.screenshot({ path: join(pictures, 'refused.png') });
  await page.context().close();
}

/** A page that nobody sees gives its connection back after a minute, and goes on when it is seen. */
export async function unseen(browser, begin) {
  const mcpo = await begin({});
  const asked = [];
  let closings = 0;
  const before = async page => {
    page.on('request', request => /admin\/live$/.test(request.url()) && asked.push(request.headers()));
    page.on('requestfailed', request => { closings += /admin\/live$/.test(request.url()) ? 1 : 0; });
    await page.addInitScript(() => {
      const later = globalThis.setTimeout;
      globalThis.setTimeout = (act, ms, ...values) => {
        // The minute is over when the test says so.
        if (ms !== 60_000) return later(act, ms, ...values);
        globalThis.minuteIsOver = act;
        return 0;
      };
      globalThis.see = is => {
        Object.defineProperty(document, 'hidden', { configurable: true, get: () => !is });
        document.dispatchEvent(new Event('visibilitychange'));
      };
    });
  };
  const page = await open(browser, mcpo, { before });
  await stands(page, 'time', 'Ready');
  await live(page);
  await page.evaluate(() => { globalThis.see(false); globalThis.minuteIsOver(); });
  await until('the connection is closed', () => closings === 1);
  await until('the tab says so', async () => await page.title() === 'Paused – mcpo');
  check(asked.length === 1, `it is asked for ${asked.length} times`);
  check((await mcpo.call('/time/echo', { text: 'x' })).status === 200, 'a call fails');
  await mcpo.get('/admin/servers/time/hold', { method: 'POST' });
  await page.evaluate(() => globalThis.see(true));
  await live(page);
  await stands(page, 'time', 'Held');
  check(asked.length === 2 && asked[1]['last-event-id'], 'it does not go on where it was');
  await page.locator('.events .line', { hasText: 'held by an operator' }).waitFor();
  check(await page.title() !== 'Paused – mcpo', 'the tab still says that it is paused');
  await page.context().close();
}

/** What charts say of where things go. */
export async function trends(browser, begin, pictures) {
  const mcpo = await begin({});
  const found = { direction: 'rising', span_seconds: 3600, per_hour: 3 << 20, level: 100 << 20 };
  const before = async page => {
    // No label of a chart is cut off at its side.
    await page.addInitScript(() => {
      globalThis.cut = [];
      const fillText = CanvasRenderingContext2D.prototype.fillText;
      CanvasRenderingContext2D.prototype.fillText = function (text, x, ...place) {
        const half = this.measureText(text).width / 2;
        if (this.textAlign === 'center' && (x - half < 0 || x + half > this.canvas.width)) globalThis.cut.push(text);
        fillText.call(this, text, x, ...place);
      };
    });
    await page.route(/metrics\/history\?.*metric=memory/, async route => {
      const answer = await route.fetch();
      const series = await answer.json();
      check(series.trend?.direction !== undefined, `no trend is told of memory: ${JSON.stringify(series)}`);
      await route.fulfill({ response: answer, json: { ...series, trend: found } });
    });
  };
  const page = await open(browser, mcpo, { before });
  await page.locator('#charts').scrollIntoViewIfNeeded();
  await page.locator('.goes', { hasText: 'rising by 3\u00a0MB an hour' }).waitFor();
  check((await page.locator('.goes').allInnerTexts()).filter(Boolean).length === 1, 'a trend of a few seconds is told');
  await page.screenshot({ path: join(pictures, 'trend.png') });
  // Two whole minutes: the last label stands at the very end.
  await page.getByRole('button', { name: 'Custom' }).click();
  await page.locator('#charts-from').fill('2026-01-01T23:58');
  await page.locator('#charts-to').fill('2026-01-02T00:00');
  await page.getByRole('button', { name: 'Show', exact: true }).click();
  await page.locator('#charts-note', { hasText: 'Nothing was kept' }).waitFor();
  await page.screenshot({ path: join(pictures, 'custom.png') });
  check(String(await page.evaluate(() => globalThis.cut)) === '', `labels are cut off: ${await page.evaluate(() => globalThis.cut)}`);
  const cases = [
    [found, { left: 9 << 20 }, 'rising by 3 MB an hour; reaches the limit in 3 h'],
    [found, { left: 90 << 20 }, 'rising by 3 MB an hour'],
    [found, { left: 9 << 20, past: true }, 'rose by 3 MB an hour'],
    [{ ...found, direction: 'falling', per_hour: -(3 << 20) }, { left: 9 << 20, name: 'p99' }, 'p99 falling by 3 MB an hour'],
    [{ ...found, span_seconds: 7 * 86_400 }, {}, 'rising by 72 MB a day'],
    [{ ...found, per_hour: 1000 }, {}, ''],
    [{ ...found, direction: 'steady' }, {}, ''],
    [undefined, {}, ''],
  ];
  const told = await page.evaluate(async all => {
    const { bytes, trend } = await import(new URL('docs/assets/dashboard-words.js', document.baseURI));
    return all.map(([one, how]) => trend(one, { words: bytes, least: 1 << 20, ...how }).replaceAll('\u00a0', ' '));
  }, cases);
  cases.forEach(([, , words], at) => check(told[at] === words, `"${words}" is told as "${told[at]}"`));
  await page.context().close();
}
