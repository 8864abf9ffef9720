// Opens the pages for people in a real browser without a network: /docs, where it runs a tool,
// and /redoc. Usage: docs.mjs PLAYWRIGHT BASE_URL TOOL PICTURES, with the folders of playwright-core
// and of the screenshots. Fails on any request that leaves the origin, and on any script error.
import { createRequire } from 'node:module';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

const [playwright, base, tool, pictures] = process.argv.slice(2);
const { chromium } = createRequire(import.meta.url)(playwright);
const origin = new URL(base).origin;
// Without these, Chromium itself looks for its maker's hosts and fails many times a start.
const quiet = ['--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-quic', '--no-first-run'];
const patience = { timeout: 30_000 };

mkdirSync(pictures, { recursive: true });
const wrong = [];
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', ...quiet],
});
try {
  const context = await browser.newContext({ viewport: { width: 1280, height: 1000 } });
  await context.route('**/*', route => {
    const url = route.request().url();
    if (url.startsWith('data:') || url.startsWith('blob:') || new URL(url).origin === origin) return route.continue();
    wrong.push(`asks the network for ${url}`);
    return route.abort();
  });
  const open = async path => {
    const page = await context.newPage();
    page.on('pageerror', error => wrong.push(`${path}: ${error}`));
    page.on('response', response => response.status() >= 400 && wrong.push(`${path}: ${response.status()} for ${response.url()}`));
    await page.goto(base + path, { waitUntil: 'load', ...patience });
    return page;
  };

  const docs = await open('/docs');
  await docs.locator('.opblock').first().waitFor(patience);
  const operations = await docs.locator('.opblock').count();
  const operation = docs.locator('.opblock').filter({ hasText: tool }).first();
  await operation.locator('.opblock-summary').click(patience);
  await operation.getByRole('button', { name: 'Try it out' }).click(patience);
  await operation.getByRole('button', { name: 'Execute' }).click(patience);
  const live = operation.locator('.live-responses-table .response').first();
  await live.waitFor(patience);
  const status = (await live.locator('.response-col_status').first().innerText()).trim();
  const body = (await live.locator('.response-col_description').first().innerText()).trim();
  await docs.screenshot({ path: join(pictures, 'docs.png'), fullPage: true });
  if (!status.startsWith('200')) wrong.push(`/docs: the call answers ${status}: ${body}`);
  // What it could not resolve stands above everything.
  for (const error of await docs.locator('.errors-wrapper .error').allInnerTexts()) wrong.push(`/docs: ${error}`);

  // What was resolved together with an operation refers to the document by its address.
  const failures = await docs.evaluate(async () => {
    const address = new URL('openapi.json', location.href).href;
    const schemas = { a: { properties: { b: { $ref: `${address}#/components/schemas/b` } } }, b: { type: 'string' } };
    const content = { 'application/json': { schema: { $ref: '#/components/schemas/a' } } };
    const paths = { '/a': { post: { requestBody: { content }, responses: {} } } };
    const document = { openapi: '3.1.0', info: { title: 'a', version: '1' }, paths, components: { schemas } };
    const { errors } = await globalThis.ui.getSystem().fn.resolveSubtree(document, ['paths', '/a', 'post'], { baseDoc: address });
    return errors.map(error => error.message);
  });
  for (const failure of failures) wrong.push(`/docs: ${failure}`);

  // It draws what is in sight only, and a long description leaves room for no operation.
  const document = await (await fetch(`${base}/openapi.json`)).json();
  const redoc = await open('/redoc');
  await redoc.getByRole('heading', { name: document.info.title }).first().waitFor(patience);
  await redoc.screenshot({ path: join(pictures, 'redoc.png') });

  console.log(`${operations} operations; the call answers ${status}`);
} catch (error) {
  wrong.push(String(error));
} finally {
  await browser.close();
}
if (wrong.length > 0) {
  console.error(wrong.join('\n'));
  process.exit(1);
}
