// What was: small charts over one range of time, with a mark for each event.
/* global uPlot */

import { $, ask, h, mark, put } from './dashboard-base.js';
import { begin, end, goOn, goesOn, isFlood, line, tone } from './dashboard-story.js';
import { bytes, clock, length, many, rate, seconds, share, trend, whole } from './dashboard-words.js';

const RANGES = [['15 min', 900], ['1 h', 3600], ['6 h', 21_600], ['24 h', 86_400], ['7 d', 604_800], ['90 d', 7_776_000]];
const HEIGHT = 150;
const REFRESH_MS_MIN = 10_000;
/** A mark is meant by a pointer this near to it. */
const NEAR_PIXELS = 8;
const MARKS_MAX = 300;
const EVENTS_MAX = 1000;
const LISTED_MAX = 100;
/** From less than so much time nobody can tell where something goes. */
const TREND_SECONDS_MIN = 300;
/** And from less than so much of what the charts show neither. */
const TREND_SHARE_MIN = 0.25;

const CHARTS = [
  { title: 'Response time', lines: [['p50', 'p50'], ['p99', 'p99']], words: seconds, least: 0.01, trend: 'p99', of: 'p99' },
  { title: 'Errors', lines: [['error_rate', 'share of calls']], words: share, least: 0.01, bad: true, trend: 'error_rate' },
  { title: 'Calls a second', lines: [['rate', 'calls'], ['shed', 'turned away']], words: rate, least: 1, trend: 'rate' },
  { title: 'Sessions', lines: [['sessions_in_use', 'in use'], ['sessions', 'open']], words: whole, least: 2, trend: 'sessions', of: 'open ones', steps: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000] },
  { title: 'In flight', lines: [['in_flight', 'calls']], words: whole, least: 2, trend: 'in_flight', steps: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000] },
  { title: 'Wait before it is sent', lines: [['wait', 'mean']], words: seconds, least: 0.01, trend: 'wait' },
  { title: 'Answered from the cache', lines: [['cache_hit_rate', 'share of calls']], words: share, least: 0.01, trend: 'cache_hit_rate' },
  { title: 'Processor', lines: [['cpu', 'of one processor']], words: share, least: 0.05, trend: 'cpu' },
  { title: 'Memory', lines: [['memory', 'resident']], words: bytes, least: 10 << 20, trend: 'memory', left: true, steps: Array.from({ length: 50 }, (_, power) => 2 ** power) },
];

let range = { seconds: 3600 };
let boxes = [];
let marks = [];
let nearest = null;
let asked = null;
let drawnAt = 0;
let machine = null;
let visible = false;
let timer = 0;

export function init() {
  const group = $('charts-ranges');
  for (const [words, value] of [...RANGES, ['Custom', 0]]) {
    group.append(h('button', { type: 'button', 'data-seconds': value, 'aria-pressed': String(value === range.seconds), onclick: () => choose(value) }, words));
  }
  boxes = CHARTS.map(chart => {
    const [now, plot, goes] = [h('p', { class: 'now' }), h('div', { class: 'plot', role: 'img', 'aria-label': chart.title }), h('p', { class: 'goes' })];
    $('charts-grid').append(h('figure', {}, h('figcaption', {}, h('h3', {}, chart.title), now), plot, goes));
    return { chart, now, plot, goes, graph: null, data: null };
  });
  $('charts-server').addEventListener('change', refresh);
  $('charts-custom').addEventListener('submit', chooseCustom);
  new IntersectionObserver(([one]) => { visible = one.isIntersecting; if (visible) due(); }, { rootMargin: '200px' }).observe($('charts'));
  new ResizeObserver(() => boxes.forEach(box => box.graph?.setSize({ width: box.plot.clientWidth, height: HEIGHT }))).observe($('charts-grid'));
  setInterval(due, 1000);
}

/** Shows one server's charts. */
export function open(name) {
  $('charts-server').value = name;
  $('charts').scrollIntoView();
  $('charts-server').focus({ preventScroll: true });
  refresh();
}

/** Something happened: its mark is wanted soon, where the range reaches to now. */
export function happened(entry) {
  if (entry.level === 'debug' || range.from) return;
  clearTimeout(timer);
  timer = setTimeout(() => visible && refresh(), 2000);
}

/** The machine that it runs on, or null: what memory is left there. */
export function know(next) {
  machine = next;
}

export function repaint() {
  requestAnimationFrame(() => boxes.forEach(draw));
}

function choose(value) {
  for (const button of $('charts-ranges').children) mark(button, 'aria-pressed', String(button.dataset.seconds === String(value)));
  $('charts-custom').hidden = value !== 0;
  if (value === 0) {
    const local = ms => new Date(ms - new Date(ms).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
    $('charts-from').value ||= local(Date.now() - range.seconds * 1000);
    $('charts-to').value ||= local(Date.now());
    return;
  }
  range = { seconds: value };
  refresh();
}

function chooseCustom(event) {
  event.preventDefault();
  const [from, to] = [Date.parse($('charts-from').value) / 1000, Date.parse($('charts-to').value) / 1000];
  put($('charts-wrong'), from < to ? '' : 'The end must be after the beginning.');
  if (!(from < to)) return;
  range = { seconds: to - from, from, to };
  refresh();
}

/** Asks anew once the newest point may have come, while somebody can see it. */
function due() {
  if (!visible || document.hidden || range.from || document.body.dataset.phase !== 'live') return;
  if (Date.now() - drawnAt > Math.max(REFRESH_MS_MIN, range.seconds * 1000 / 200)) refresh();
}

/** Asks for all of it; an answer that was overtaken by another question is dropped. */
export async function refresh() {
  asked?.abort();
  const mine = new AbortController();
  asked = mine;
  drawnAt = Date.now();
  const server = $('charts-server').value;
  const now = Date.now() / 1000;
  const [from, to] = [Math.floor(range.from ?? now - range.seconds), Math.ceil(range.to ?? now)];
  const query = values => new URLSearchParams({ ...values, ...(server ? { server } : {}), from, to }).toString();
  const names = [...new Set(CHARTS.flatMap(chart => chart.lines.map(([name]) => name)))];
  const analysed = new Set(CHARTS.map(chart => chart.trend));
  try {
    const [events, ...all] = await Promise.all([
      ask(`admin/events?${query({ limit: EVENTS_MAX })}`, { signal: mine.signal }).catch(ignoreRefusal),
      ...names.map(metric => ask(`metrics/history?${query({ metric, ...(analysed.has(metric) ? { trend: 1 } : {}) })}`, { signal: mine.signal })),
    ]);
    const series = new Map(names.map((name, at) => [name, all[at]]));
    marks = told(events?.events ?? events ?? []);
    boxes.forEach(box => {
      box.data = aligned(box.chart, series, from, to);
      draw(box);
      put(box.goes, goes(box.chart, series.get(box.chart.trend)?.trend, from, to));
    });
    note(series, from, to);
    list();
  } catch (refused) {
    if (refused.name !== 'AbortError') put($('charts-note'), `No charts: ${refused.message}.`);
  }
}

function ignoreRefusal(refused) {
  if (refused.name === 'AbortError') throw refused;
  return [];
}

/** The lines of one chart over common times; a step without a sample is a gap, not a slope. */
function aligned(chart, series, from, to) {
  const lines = chart.lines.map(([name]) => series.get(name));
  const step = Math.max(...lines.map(one => one.step_seconds), 1);
  const times = [...new Set(lines.flatMap(one => one.points.map(([at]) => at)))].sort((a, b) => a - b);
  const gaps = times.filter((at, index) => index > 0 && at - times[index - 1] > step * 2.5).map(at => at - step);
  const all = [...times, ...gaps].sort((a, b) => a - b);
  const values = lines.map(one => {
    const known = new Map(one.points);
    return all.map(at => known.get(at) ?? null);
  });
  return { table: [all, ...values], from, to };
}

// === Marks ===

/** Events as stories, so that one outage is one mark. */
function told(events) {
  const all = [];
  for (const event of [...events].sort((a, b) => a.at_ms - b.at_ms)) {
    if (event.level === 'debug') continue;
    const entry = { ...event, event: event.name, ms: event.at_ms, server: event.server ?? null, seq: all.length, fields: event.code ? { fault: event.code } : undefined };
    const going = all.findLast(story => story.server === entry.server);
    if (going && goesOn(going, entry)) goOn(going, entry);
    else all.push(begin(entry));
  }
  return all.slice(-MARKS_MAX).map(story => ({ at: story.first / 1000, tone: tone(story), words: words(story) }));
}

/** Kept events have sentences, but not the figures that a story is told from. */
function words(story) {
  const first = story.entries[0];
  const text = story.entries.length === 1 || !first.sentence ? first.sentence || line(story)
    : isFlood(story) ? `calls turned away for ${length((story.last - story.first) / 1000)}`
    : `${first.sentence} → ${end(story).sentence}`;
  return `${story.server ? `${story.server}: ` : ''}${text}`;
}

function paintMarks(graph) {
  const { ctx, bbox } = graph;
  const scale = devicePixelRatio;
  ctx.save();
  for (const one of marks) {
    const x = graph.valToPos(one.at, 'x', true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.strokeStyle = ctx.fillStyle = colour(`--${one.tone}-line`);
    ctx.globalAlpha = one === nearest ? 1 : 0.55;
    ctx.lineWidth = scale * (one === nearest ? 2 : 1);
    ctx.setLineDash([2 * scale, 3 * scale]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.globalAlpha = 1;
    ctx.beginPath();
    ctx.arc(x, bbox.top, 3 * scale, 0, 7);
    ctx.fill();
  }
  ctx.restore();
}

// === Drawing ===

const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function draw(box) {
  if (!box.data || typeof uPlot === 'undefined') return;
  const { chart, plot, data } = box;
  box.graph?.destroy();
  const [grid, text] = [colour('--line'), colour('--muted')];
  const font = `11px ${getComputedStyle(document.body).fontFamily}`;
  const tints = chart.bad ? [colour('--bad-line')] : [colour('--chart-1'), colour('--chart-2')];
  const axis = { stroke: text, font, ticks: { show: false }, grid: { stroke: grid, width: 1 } };
  box.graph = new uPlot({
    width: plot.clientWidth || 300, height: HEIGHT,
    // Half of the widest time stands beside the plot.
    padding: [8, 36, 0, 0],
    legend: { show: false },
    cursor: { sync: { key: 'mcpo' }, y: false, drag: { x: true, y: false, setScale: false }, points: { size: 6 } },
    scales: { x: { range: () => [data.from, data.to] }, y: { range: (_, least, most) => [0, Math.max(most ?? 0, chart.least) * 1.1] } },
    axes: [
      { ...axis, size: 26, space: 70, values: dates, grid: { show: false } },
      { ...axis, size: 62, space: 34, incrs: chart.steps, values: (_, ticks) => ticks.map(tick => (tick === 0 ? '0' : chart.words(tick))) },
    ],
    series: [{}, ...chart.lines.map((_, at) => ({
      stroke: tints[at], width: 1.5, dash: at === 1 && chart.lines.length > 1 ? [5, 3] : undefined,
      fill: at === 0 ? `${tints[0]}1f` : undefined, points: { show: single(data.table, at + 1) }, spanGaps: false,
    }))],
    hooks: { draw: [paintMarks], setCursor: [graph => follow(box, graph)], setSelect: [zoom] },
  }, data.table, plot);
  tell(box, null);
}

/** One lone point has no line: it is drawn as a dot. */
const single = (table, at) => table[at].filter(value => value !== null).length < 2;

function dates(graph, ticks, axis, space, step) {
  const long = ticks.length > 1 && ticks[ticks.length - 1] - ticks[0] > 86_400 * 2;
  const two = value => String(value).padStart(2, '0');
  return ticks.map(tick => {
    const date = new Date(tick * 1000);
    if (long) return `${date.getDate()} ${date.toLocaleString('en', { month: 'short' })}`;
    return `${two(date.getHours())}:${two(date.getMinutes())}${step < 60 ? `:${two(date.getSeconds())}` : ''}`;
  });
}

/** Words above a chart: what is under the pointer, else the newest. */
function tell({ chart, now, plot, data }, at) {
  const last = column => { for (let row = column.length - 1; row >= 0; row -= 1) if (column[row] !== null) return column[row]; return null; };
  const pieces = chart.lines.map(([, name], index) => {
    const column = data.table[index + 1];
    const value = at === null ? last(column) : column[at];
    return h('span', { class: chart.bad ? 'line-bad' : `line-${index + 1}` }, `${name} `, h('b', {}, value === null || value === undefined ? '–' : chart.words(value)));
  });
  if (at !== null && data.table[0][at]) pieces.push(h('span', { class: 'muted' }, clock(data.table[0][at] * 1000)));
  now.replaceChildren(...pieces);
  if (at === null) mark(plot, 'aria-label', `${chart.title}, newest: ${now.textContent}`);
}

function follow(box, graph) {
  const left = graph.cursor.left;
  tell(box, left >= 0 ? graph.cursor.idx ?? null : null);
  if (box !== boxes[0]) return;
  const near = left < 0 ? null : marks.map(one => [Math.abs(graph.valToPos(one.at, 'x') - left), one]).filter(([away]) => away <= NEAR_PIXELS).sort((a, b) => a[0] - b[0])[0]?.[1] ?? null;
  if (near === nearest) return;
  nearest = near;
  boxes.forEach(({ graph: one }) => one?.redraw(false));
  showNote();
}

/** A range that was drawn with the pointer is looked at closer. */
function zoom(graph) {
  const { left, width } = graph.select;
  if (width < 10) return;
  const [from, to] = [graph.posToVal(left, 'x'), graph.posToVal(left + width, 'x')];
  if (to - from < 30) return;
  choose(0);
  const local = at => new Date(at * 1000 - new Date(at * 1000).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
  $('charts-from').value = local(from);
  $('charts-to').value = local(to);
  range = { seconds: to - from, from: Math.floor(from), to: Math.ceil(to) };
  refresh();
}

// === Words ===

let usual = '';

function goes({ words, of, least, left }, found, from, to) {
  if (!found || found.span_seconds < Math.max(TREND_SECONDS_MIN, (to - from) * TREND_SHARE_MIN)) return '';
  const free = left && machine ? Math.max(0, 1 - machine.memory) * machine.memory_bytes_max : null;
  const past = Boolean(range.to) && range.to < Date.now() / 1000 - 60;
  return trend(found, { words: words === whole ? rate : words, name: of, least: least / 10, left: free, past });
}

function note(series, from, to) {
  const steps = Math.max(...[...series.values()].map(one => one.step_seconds));
  const points = Math.max(...[...series.values()].map(one => one.points.length));
  const step = steps >= 3600 ? many(steps / 3600, 'hour') : steps >= 60 ? many(Math.round(steps / 60), 'minute') : many(steps, 'second');
  usual = points === 0 ? 'Nothing was kept for this time yet; the first points come within a minute.'
    : `From ${clock(from * 1000)} to ${clock(to * 1000)}, a point each ${step.replace(/^1 /, '')}. Draw over a chart to look closer.`;
  showNote();
}

function showNote() {
  put($('charts-note'), nearest ? `${clock(nearest.at * 1000)} ${nearest.words}` : usual);
  mark($('charts-note'), 'data-tone', nearest?.tone ?? null);
}

function list() {
  put($('charts-events').firstElementChild, `Events in this range (${marks.length})`);
  $('charts-events').lastElementChild.replaceChildren(...marks.slice(-LISTED_MAX).reverse().map(one => h('li', {},
    h('time', {}, clock(one.at * 1000)), h('span', { class: 'dot', 'data-tone': one.tone, 'aria-hidden': 'true' }), h('span', {}, one.words))));
}
