// Looks at the built page the way a user's browser will: served under the strict policy and opened from disk.
//
//   node dev/look.mjs [--shots DIR] [--only served,single,behaviour,speed,shots]
//
// Prints what was measured and ends with 1 if a promise is broken: a request off the machine, a breach of the policy,
// a finding of axe, an area not drawn, a figure that differs from the payload, an hour too slow.

import { createServer } from 'node:http';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { chromium } from 'playwright-core';
import { makeSample } from './sample.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const web = path.resolve(here, '../../src/bluelamp/web');
const given = process.argv.slice(2);
const after = (name, otherwise) => (given.includes(name) ? given[given.indexOf(name) + 1] : otherwise);
const shots = path.resolve(after('--shots', path.join(here, '../.look')));
const only = after('--only', 'served,single,behaviour,speed,shots').split(',');
await mkdir(shots, { recursive: true });

export const POLICY = "default-src 'self'; script-src 'self'; style-src 'self'; worker-src 'self' blob:; img-src 'self' data: blob:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/** The little of Jinja that page.html uses. */
async function renderPage(values) {
  let text = await readFile(path.join(web, 'templates/page.html'), 'utf8');
  const escaped = (value) => String(value).replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
  text = text.replace(/{% if mode == 'single' %}([\s\S]*?)(?:{% else %}([\s\S]*?))?{% endif %}/g, (_, single, served = '') => (values.mode === 'single' ? single : served));
  return text.replace(/{{ (\w+)( \| safe)? }}/g, (_, name, safe) => (safe ? (values[name] ?? '') : escaped(values[name] ?? '')));
}

export const forScript = (payload) => JSON.stringify(payload).replaceAll('<', '\\u003c').replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029');

const payloads = {
  '': makeSample(),
  areas40: makeSample({ areas: 40 }),
  noduties: makeSample({ areas: 40, duties: false }),
  onearea: makeSample({ oneArea: true }),
  autumn: makeSample({ areas: 40, start: '2026-10-19T17:00Z' }),
  spring: makeSample({ areas: 40, start: '2026-03-23T18:00Z' }),
};
const bodies = Object.fromEntries(Object.entries(payloads).map(([name, payload]) => [name, gzipSync(JSON.stringify(payload))]));

const server = createServer(async (request, response) => {
  const address = new URL(request.url, 'http://localhost');
  const headers = { 'Content-Security-Policy': POLICY, 'X-Content-Type-Options': 'nosniff', 'Cache-Control': 'no-store' };
  const name = address.searchParams.get('run') ?? '';
  if (address.pathname === '/') {
    const page = await renderPage({ title: payloads['']?.force.name, mode: 'served', static_base: '/static', data_url: `/api/map.json?run=${name}`, lang: 'en-GB' });
    return response.writeHead(200, { ...headers, 'Content-Type': 'text/html; charset=utf-8' }).end(page);
  }
  if (address.pathname === '/api/map.json') {
    if (name === 'other') return response.writeHead(200, { ...headers, 'Content-Type': 'application/json' }).end('{"format":"bluelamp-map/2"}');
    const body = bodies[name];
    if (!body) return response.writeHead(404, headers).end();
    return response.writeHead(200, { ...headers, 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' }).end(body);
  }
  if (address.pathname.startsWith('/static/')) {
    try {
      const body = await readFile(path.join(web, address.pathname));
      const type = { '.js': 'text/javascript', '.css': 'text/css', '.json': 'application/json' }[path.extname(address.pathname)];
      return response.writeHead(200, { ...headers, 'Content-Type': type, 'Content-Encoding': 'gzip' }).end(gzipSync(body, { level: 1 }));
    } catch {
      // Falls through to "not found".
    }
  }
  response.writeHead(404, headers).end('not found');
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const origin = `http://127.0.0.1:${server.address().port}`;

const failures = [];
const check = (holds, words) => {
  console.log(`${holds ? 'ok   ' : 'FAIL '} ${words}`);
  if (!holds) failures.push(words);
};

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});

/** A fresh page whose clock stands one hour into the sample, and that notes everything it should not do. */
async function newPage({ width = 1280, height = 800, dark = false, reducedMotion = 'no-preference', now = '2026-11-23T19:10:00Z', scale = 1, touch = false } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: dark ? 'dark' : 'light', reducedMotion, deviceScaleFactor: scale, locale: 'en-GB', timezoneId: 'America/New_York', bypassCSP: false, hasTouch: touch });
  const page = await context.newPage();
  await page.clock.setFixedTime(new Date(now));
  const notes = { away: [], breaches: [], errors: [] };
  page.on('request', (request) => {
    const address = request.url();
    if (!address.startsWith(origin) && !/^(data|blob|file):/.test(address)) notes.away.push(address);
  });
  page.on('console', (message) => {
    if (message.type() === 'error' || /Content Security Policy/i.test(message.text())) notes.errors.push(message.text());
  });
  page.on('pageerror', (error) => notes.errors.push(String(error)));
  await page.addInitScript(() => {
    window.__breaches = [];
    document.addEventListener('securitypolicyviolation', (event) => window.__breaches.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
  });
  return { page, context, notes };
}

const ready = (page) => page.evaluate(() => window.bluelamp.ready);
const axeSource = readFileSync(path.join(here, '../node_modules/axe-core/axe.min.js'), 'utf8');

async function runAxe(page, words) {
  // Handed over the debugger's line, so the page's own policy does not have to be loosened for it.
  await page.evaluate(axeSource);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
  check(found.violations.length === 0, `axe reports nothing: ${words}`);
  for (const violation of found.violations) console.log(`      ${violation.id}: ${violation.help}\n${violation.nodes.slice(0, 4).map(({ target, failureSummary }) => `        ${target}  ${failureSummary.replaceAll('\n', ' ')}`).join('\n')}`);
}

async function finish({ page, context, notes }, words) {
  const breaches = await page.evaluate(() => window.__breaches);
  check(notes.away.length === 0, `no request leaves the machine: ${words}${notes.away.map((a) => `\n        ${a}`).join('')}`);
  check(breaches.length === 0, `the policy holds: ${words}${breaches.map((b) => `\n        ${b}`).join('')}`);
  check(notes.errors.length === 0, `no error in the console: ${words}${notes.errors.map((e) => `\n        ${e}`).join('')}`);
  await context.close();
}

const settle = (page) => page.waitForTimeout(700);
const shot = async (page, name, options = {}) => {
  await page.screenshot({ path: path.join(shots, `${name}.png`), ...options });
  console.log(`      ${name}.png`);
};

/** Compares every figure shown with the payload, digit for digit. */
async function compareFigures(page, payload, selector) {
  const shown = await page.$$eval(`${selector} [data-figure]`, (found) => found.map(({ dataset }) => ({ ...dataset })));
  let wrong = 0;
  for (const { scope, place, figure, hour, value } of shown) {
    const index = scope === 'force' ? 0 : (scope === 'pool' ? payload.pools : payload.areas).id.indexOf(place);
    const at = payload.hours.starting.indexOf(Date.parse(hour) / 1000);
    const own = payload.figures[scope][figure];
    const raw = own?.values[index]?.[at];
    const same = raw === null || raw === undefined ? value === '' : typeof raw === 'string' ? raw === value : Number(value) === raw / 10 ** own.decimals;
    if (!same) wrong++;
  }
  return { shown: shown.length, wrong };
}

async function useThePage(page, payload, words) {
  await ready(page);
  const areas = await page.evaluate(() => window.bluelamp.renderedAreas());
  check(areas === payload.areas.id.length, `${areas} of ${payload.areas.id.length} areas are drawn: ${words}`);
  const before = (await page.evaluate(() => window.bluelamp.state())).hour;
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowLeft');
  await page.waitForFunction((hour) => window.bluelamp.drawnHour() === hour, before + 1);
  await page.keyboard.press('Shift+ArrowRight');
  const dayOn = (await page.evaluate(() => window.bluelamp.state())).hour;
  check(dayOn === before + 25, `Shift+Right moves a day: ${words}`);
  await page.evaluate(() => window.bluelamp.setHour(100));
  await page.waitForFunction(() => window.bluelamp.drawnHour() === 100);
  const point = await page.evaluate(() => window.bluelamp.areaPoint(20));
  await page.mouse.click(point.x, point.y);
  const state = await page.evaluate(() => window.bluelamp.state());
  check(state.place.scope === 'area', `a click chooses an area (${state.place_id}): ${words}`);
  const panel = await compareFigures(page, payload, '#panel');
  check(panel.shown > 15 && panel.wrong === 0, `${panel.shown} figures of the panel equal the payload's: ${words}`);
  await page.keyboard.press('t');
  const table = await compareFigures(page, payload, '#table-scroll');
  check(table.shown > 1000 && table.wrong === 0, `${table.shown} figures of the table equal the payload's: ${words}`);
  await page.keyboard.press('t');
  await settle(page);
  const hash = await page.evaluate(() => location.hash);
  check(/hour=2026-11-27T22:00Z&place=area:A0\d\d&figure=gap/.test(hash), `the address holds the state (${hash}): ${words}`);
}

if (only.includes('served')) {
  const served = await newPage();
  await served.page.goto(`${origin}/`);
  await useThePage(served.page, payloads[''], 'served');
  await finish(served, 'served');
  for (const options of [{}, { dark: true }, { width: 400, height: 850 }, { width: 320, height: 640 }]) {
    const looked = await newPage(options);
    const words = `${options.dark ? 'dark' : 'light'}, ${options.width ?? 1280} px`;
    await looked.page.goto(`${origin}/`);
    await ready(looked.page);
    await settle(looked.page);
    await runAxe(looked.page, words);
    const overflow = await looked.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    check(overflow <= 0, `nothing hangs over the side: ${words} (${overflow} px)`);
    const point = await looked.page.evaluate(() => window.bluelamp.areaPoint(5));
    await looked.page.evaluate(() => document.getElementById('map').scrollIntoView());
    if (point) await looked.page.evaluate(() => { location.hash = location.hash.replace(/place=[^&]*/, 'place=area:A010'); });
    await settle(looked.page);
    await runAxe(looked.page, `${words}, an area chosen`);
    await looked.page.evaluate(() => document.getElementById('table-button').click());
    await settle(looked.page);
    await runAxe(looked.page, `${words}, table`);
    await looked.page.evaluate(() => document.getElementById('help-button').click());
    await runAxe(looked.page, `${words}, help`);
    await looked.page.keyboard.press('Escape');
    await looked.page.evaluate(() => document.getElementById('export-button').click());
    await runAxe(looked.page, `${words}, export`);
    await looked.page.keyboard.press('Escape');
    await finish(looked, words);
  }
}

if (only.includes('single')) {
  const html = await renderPage({
    title: payloads[''].force.name, mode: 'single', lang: 'en-GB',
    inline_css: await readFile(path.join(web, 'static/single.css'), 'utf8'),
    inline_js: await readFile(path.join(web, 'static/single.js'), 'utf8'),
    data_json: forScript({ ...payloads[''], links: {} }),
  });
  const file = path.join(os.tmpdir(), `bluelamp-single-${process.pid}.html`);
  await writeFile(file, html);
  console.log(`      single file ${(html.length / 1e6).toFixed(1)} MB`);
  const single = await newPage();
  await single.page.goto(pathToFileURL(file).href);
  await useThePage(single.page, payloads[''], 'from disk');
  await settle(single.page);
  check((await single.page.evaluate(() => document.querySelector('#chart canvas')?.width ?? 0)) > 100, 'the chart is drawn: from disk');
  await runAxe(single.page, 'from disk');
  await shot(single.page, 'single-file');
  await finish(single, 'from disk');
}

/** What keys, pointer and settings do, beyond moving an hour. */
async function behave() {
  const acted = await newPage();
  const { page } = acted;
  await page.goto(`${origin}/`);
  await ready(page);
  const state = () => page.evaluate(() => window.bluelamp.state());
  const text = (selector) => page.$eval(selector, (element) => element.textContent);
  const start = await state();
  check(start.hour_starting.startsWith('2026-11-27T') && (await text('#shortages-list li')).includes('short by up to'), 'the page opens at the worst hour and names it in words');

  await page.keyboard.press('/');
  await page.keyboard.type('hadm');
  await page.keyboard.press('Enter');
  check((await state()).place_id === 'A004', '"/" finds an area by name');
  const before = (await state()).hour;
  await page.keyboard.type('t');
  check((await state()).view === 'map', 'letters typed into "find" do nothing else');
  await page.keyboard.press('Escape');
  await page.evaluate(() => document.activeElement.blur());

  await page.focus('#week-grid [tabindex="0"]');
  await page.keyboard.press('ArrowDown');
  check((await state()).hour === before + 24, 'Down in the grid is the next day');
  check(await page.evaluate(() => document.activeElement.matches('#week-grid [aria-selected="true"]')), 'the focus follows in the grid');
  await page.keyboard.press('PageDown');
  check((await state()).hour === before + 24 + 168 && (await page.$eval('#weeks [aria-pressed="true"]', (b) => b.textContent)) === 'Next week', 'Page Down in the grid is the next week');
  check(await page.evaluate(() => document.activeElement.matches('#week-grid [aria-selected="true"]')), 'the focus stays in the grid when the week changes');
  await page.keyboard.press('Home');
  check((await state()).hour_starting.endsWith('T00:00:00.000Z'), 'Home in the grid is the first hour of the day');

  await page.focus('#slider');
  await page.keyboard.press('ArrowRight');
  check((await state()).hour_starting.endsWith('T01:00:00.000Z'), 'Right on the slider is one hour, once');
  await page.keyboard.press('PageUp');
  check((await state()).hour_starting.endsWith('T01:00:00.000Z'), 'Page Up on the slider is a day');
  check(/Sunday|Monday|Tuesday/.test(await page.getAttribute('#slider', 'aria-valuetext')), 'the slider says its hour in words');
  await page.keyboard.press('Home');
  check((await state()).hour === 0, 'Home on the slider is the first hour');

  await page.focus('#figures input:checked');
  await page.keyboard.press('ArrowRight');
  check((await state()).figure === 'demand' && (await state()).hour === 0, 'Right on the figures chooses the next figure and leaves the hour');
  await page.evaluate(() => document.activeElement.blur());

  await page.keyboard.press('Space');
  await page.waitForTimeout(1400);
  await page.keyboard.press('Space');
  const stopped = (await state()).hour;
  await page.waitForTimeout(700);
  check(stopped >= 2 && (await state()).hour === stopped, `Space plays and stops (${stopped} hours in 1.4 s)`);

  await page.keyboard.press('d');
  check((await page.getAttribute('html', 'data-theme')) === 'dark', '"d" is dark');
  await page.keyboard.press('?');
  check(await page.$eval('#help', (dialog) => dialog.open), '"?" opens help');
  await page.click('#single-keys');
  await page.keyboard.press('Escape');
  await page.keyboard.press('d');
  check((await page.getAttribute('html', 'data-theme')) === 'dark', 'single letters can be turned off');
  await page.click('#help-button');
  await page.click('#single-keys');
  await page.keyboard.press('Escape');

  await page.keyboard.press('e');
  await page.check('input[name=export-scope][value=pool]');
  await page.check('input[name=export-hours][value=all]');
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('#export button[value=save]')]);
  const csv = await readFile(await download.path(), 'utf8');
  const expected = payloads[''].figures.pool.units_required.values.flat().filter((value) => value !== null).length;
  check(csv.trim().split('\r\n').length === expected + 1, `the CSV of all pools and hours has ${expected} rows (${download.suggestedFilename()})`);
  await page.keyboard.press('e');
  const [picture] = await Promise.all([page.waitForEvent('download'), page.click('#export-picture')]);
  await picture.saveAs(path.join(shots, 'picture.png'));
  await page.keyboard.press('Escape');

  await page.click('.pool-chip');
  check((await state()).place.scope === 'pool', 'a pool’s label chooses the pool');
  await page.keyboard.press('t');
  await page.click('.twin thead [data-key="chance_late"] button');
  const late = await page.$$eval('.twin td[data-figure="chance_late"]', (cells) => cells.map(({ dataset }) => Number(dataset.value)));
  check(late.length === 121 && late.every((value, at) => at === 0 || late[at - 1] >= value) && (await page.getAttribute('.twin thead [data-key="chance_late"]', 'aria-sort')) === 'descending', 'the table sorts, and says so');
  await page.goto(`${origin}/#hour=2026-11-24T03:00Z&place=area:A007&figure=late&theme=dark`);
  await page.reload();
  await ready(page);
  const opened = await state();
  check(opened.hour_starting === '2026-11-24T03:00:00.000Z' && opened.place_id === 'A007' && opened.figure === 'late' && opened.theme === 'dark', 'an address opens its view');
  await finish(acted, 'behaviour');

  const still = await newPage({ reducedMotion: 'reduce' });
  await still.page.goto(`${origin}/`);
  await ready(still.page);
  const at = (await still.page.evaluate(() => window.bluelamp.state())).hour;
  await still.page.keyboard.press('Space');
  await still.page.waitForTimeout(1000);
  check((await still.page.evaluate(() => window.bluelamp.state())).hour === at && /Play is off/.test(await still.page.$eval('#announcer', (e) => e.textContent)), 'play is off where less motion is asked for, and says so');
  await finish(still, 'less motion');

  for (const [run, areas] of [['areas40', 40], ['noduties', 40], ['onearea', 0], ['autumn', 40], ['spring', 40]]) {
    const other = await newPage();
    await other.page.goto(`${origin}/?run=${run}`);
    await ready(other.page);
    await settle(other.page);
    check((await other.page.evaluate(() => window.bluelamp.renderedAreas())) === areas, `${areas} areas are drawn: ${run}`);
    await runAxe(other.page, run);
    await finish(other, run);
  }
  for (const [run, words] of [['missing', /no such run/], ['other', /bluelamp-map\/2/]]) {
    const failed = await newPage();
    await failed.page.goto(`${origin}/?run=${run}`);
    await failed.page.waitForSelector('#problem:not([hidden])');
    check(words.test(await failed.page.$eval('#problem', (element) => element.textContent)), `a sentence says what is wrong: ${run}`);
    await runAxe(failed.page, run);
    await failed.context.close();
  }
}

if (only.includes('behaviour')) await behave();

const quantile = (values, share) => [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))];

if (only.includes('speed')) {
  const firsts = [];
  for (let round = 0; round < 5; round++) {
    const fast = await newPage();
    const began = Date.now();
    await fast.page.goto(`${origin}/`, { waitUntil: 'commit' });
    await fast.page.waitForFunction(() => window.bluelamp?.ready);
    await ready(fast.page);
    firsts.push(Date.now() - began);
    if (round === 4) {
      for (const place of ['force', 'area:A010']) {
        await fast.page.evaluate((to) => { location.hash = location.hash.replace(/place=[^&]*/, `place=${to}`); }, place);
        await settle(fast.page);
        // The clock runs in the page from the key's own time stamp to the frame after the one that holds the hour.
        await fast.page.evaluate(() => {
          window.__times = [];
          document.addEventListener('keydown', (event) => {
            const pressed = event.timeStamp;
            const wanted = window.bluelamp.state().hour + (event.key === 'ArrowRight' ? 1 : -1);
            const look = () => (window.bluelamp.drawnHour() === wanted ? requestAnimationFrame((t) => window.__times.push(performance.now() - pressed)) : requestAnimationFrame(look));
            requestAnimationFrame(look);
          }, { capture: true });
        });
        for (let press = 0; press < 120; press++) {
          await fast.page.keyboard.press(press < 80 ? 'ArrowRight' : 'ArrowLeft');
          await fast.page.waitForFunction((n) => window.__times.length >= n, press + 1);
          await fast.page.waitForTimeout(press % 3 === 0 ? 190 : 20);
        }
        const times = await fast.page.evaluate(() => window.__times);
        const [half, most] = [quantile(times, 0.5), quantile(times, 0.95)];
        check(most <= 100, `from key to drawn hour, ${place}: p50 ${half.toFixed(0)} ms, p95 ${most.toFixed(0)} ms, worst ${Math.max(...times).toFixed(0)} ms of ${times.length}`);
        await fast.page.reload();
        await ready(fast.page);
      }
    }
    await fast.context.close();
  }
  check(quantile(firsts, 0.5) <= 2000, `first view: median ${quantile(firsts, 0.5)} ms, all ${firsts.join(', ')} ms`);
}

if (only.includes('shots')) {
  const take = async (name, options, address = '', act) => {
    const looked = await newPage(options);
    await looked.page.goto(`${origin}/${address}`);
    await ready(looked.page).catch(() => {});
    await settle(looked.page);
    if (act) {
      await act(looked.page);
      await settle(looked.page);
    }
    await shot(looked.page, name, options.full ? { fullPage: true } : {});
    await looked.context.close();
  };
  await take('desktop-light', {});
  await take('desktop-dark', { dark: true });
  await take('desktop-area', {}, '#hour=2026-11-27T22:00Z&place=area:A010&figure=gap');
  await take('desktop-area-dark', { dark: true }, '#hour=2026-11-27T22:00Z&place=area:A010&figure=demand');
  await take('desktop-pool-night', {}, '#hour=2026-11-28T01:00Z&place=pool:N1&figure=gap');
  await take('desktop-late', {}, '#hour=2026-11-27T22:00Z&place=force&figure=late');
  await take('desktop-table', {}, '#hour=2026-11-27T22:00Z&place=area:A010&figure=gap&view=table');
  await take('desktop-wide', { width: 1920, height: 1080 });
  await take('desktop-help', {}, '', (page) => page.keyboard.press('?'));
  await take('desktop-find', {}, '', async (page) => { await page.keyboard.press('/'); await page.keyboard.type('ha'); });
  await take('phone-light', { width: 400, height: 850, full: true });
  await take('phone-dark', { width: 400, height: 850, dark: true }, '#hour=2026-11-27T22:00Z&place=area:A010&figure=gap');
  await take('phone-table', { width: 400, height: 850 }, '#hour=2026-11-27T22:00Z&place=area:A010&figure=gap&view=table');
  await take('zoomed-400', { width: 320, height: 256 });
  await take('tablet', { width: 900, height: 1100, full: true });
  await take('no-duties', { now: '2026-11-23T19:10:00Z' }, '?run=noduties');
  await take('one-area', {}, '?run=onearea');
  await take('autumn', { now: '2026-10-19T18:10:00Z' }, '?run=autumn#hour=2026-10-25T01:00Z&place=force&figure=gap');
  await take('spring', { now: '2026-03-23T18:10:00Z' }, '?run=spring#hour=2026-03-29T01:00Z&place=force&figure=gap');
  await take('stale', { now: '2026-11-26T19:10:00Z' });
  await take('over', { now: '2027-01-26T19:10:00Z' });
  await take('failed', {}, '?run=missing');
  await take('other-format', {}, '?run=other');
  const printed = await newPage();
  await printed.page.goto(`${origin}/`);
  await ready(printed.page);
  await settle(printed.page);
  await printed.page.evaluate(() => dispatchEvent(new Event('beforeprint')));
  await printed.page.pdf({ path: path.join(shots, 'print.pdf'), format: 'A4', landscape: true, preferCSSPageSize: true });
  await printed.page.emulateMedia({ media: 'print' });
  await settle(printed.page);
  await shot(printed.page, 'print', { fullPage: true });
  await printed.context.close();
}

await browser.close();
server.close();
console.log(failures.length === 0 ? 'everything held' : `${failures.length} did not hold`);
process.exitCode = failures.length === 0 ? 0 : 1;
