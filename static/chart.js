// The candle chart: candles, volume, SMA and EMA, whale and alert markers, gap shading, live candle, keyboard.
import {
  CandlestickSeries, HistogramSeries, LineSeries, createChart, createSeriesMarkers, CrosshairMode,
} from "./vendor/lightweight-charts-5.2.1.min.mjs";

const box = document.getElementById("chart");
const legend = document.getElementById("legend");
const tick = document.getElementById("tick");
const symbol = box.dataset.symbol;
const decimals = Number(box.dataset.decimals);
const SMA = 20, EMA = 50;
const SECONDS = { "1m": 60, "5m": 300, "15m": 900, "1h": 3600, "4h": 14400, "1d": 86400 };
let current = document.querySelector(".ranges a[aria-current]");
let bars = [];
let whales = [];
let cursor = null;
let keyed = false; // The crosshair was put where it is by the keyboard.

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const money = new Intl.NumberFormat("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
const compact = new Intl.NumberFormat("en-US", { notation: "compact", maximumSignificantDigits: 3 });

box.replaceChildren();
const chart = createChart(box, {
  autoSize: true,
  layout: { attributionLogo: false, fontSize: 11, fontFamily: css("--sans") || "sans-serif", background: { color: "transparent" } },
  crosshair: { mode: CrosshairMode.Normal },
  rightPriceScale: { borderVisible: false, scaleMargins: { top: 0.06, bottom: 0.24 } },
  timeScale: { borderVisible: false, timeVisible: true, secondsVisible: false, rightOffset: 3, minBarSpacing: 1 },
  localization: { locale: "en-US", priceFormatter: (value) => money.format(value) },
});
const gaps = chart.addSeries(HistogramSeries, { priceScaleId: "gaps", lastValueVisible: false, priceLineVisible: false });
const volume = chart.addSeries(HistogramSeries, { priceScaleId: "volume", lastValueVisible: false, priceLineVisible: false, priceFormat: { type: "volume" } });
const candles = chart.addSeries(CandlestickSeries, { priceFormat: { type: "price", precision: decimals, minMove: 10 ** -decimals } });
const line = { lineWidth: 1, lastValueVisible: false, priceLineVisible: false, crosshairMarkerVisible: false };
const sma = chart.addSeries(LineSeries, line);
const ema = chart.addSeries(LineSeries, line);
chart.priceScale("gaps").applyOptions({ scaleMargins: { top: 0, bottom: 0 } });
chart.priceScale("volume").applyOptions({ scaleMargins: { top: 0.8, bottom: 0 } });
const markers = createSeriesMarkers(candles, []);

let colours = {};

function paint() {
  const [up, down, lineColour, soft, warn] = ["--up", "--down", "--line", "--soft", "--warn"].map(css);
  colours = { up, down };
  chart.applyOptions({
    layout: { textColor: soft },
    grid: { vertLines: { color: lineColour + "80" }, horzLines: { color: lineColour + "80" } },
    crosshair: { vertLine: { color: soft, labelBackgroundColor: css("--strong") }, horzLine: { color: soft, labelBackgroundColor: css("--strong") } },
  });
  candles.applyOptions({ upColor: up, downColor: down, borderUpColor: up, borderDownColor: down, wickUpColor: up, wickDownColor: down });
  sma.applyOptions({ color: css("--sma") });
  ema.applyOptions({ color: css("--ema") });
  gaps.applyOptions({ color: warn + "30" });
  if (bars.length) show();
}

const volumeOf = (bar) => ({ time: bar.time, value: bar.volume, color: (bar.close < bar.open ? colours.down : colours.up) + "55" });

function smaAt(index) {
  if (index < SMA - 1) return null;
  let sum = 0;
  for (let at = index - SMA + 1; at <= index; at += 1) sum += bars[at].close;
  return sum / SMA;
}

// k = 2/(n+1), seeded with the simple mean of the first n closes.
function emaAt(index) {
  if (index < EMA - 1) return null;
  if (index === EMA - 1) return bars.slice(0, EMA).reduce((sum, bar) => sum + bar.close, 0) / EMA;
  const k = 2 / (EMA + 1);
  return bars[index].close * k + bars[index - 1].ema * (1 - k);
}

function average(index) {
  bars[index].sma = smaAt(index);
  bars[index].ema = emaAt(index);
}

const linePoints = (name) => bars.filter((bar) => bar[name] !== null).map((bar) => ({ time: bar.time, value: bar[name] }));

function gapSpans() {
  return [...document.querySelectorAll("#gaps li[data-from]")].map((item) => [item.dataset.from / 1000, item.dataset.to / 1000]);
}

function show() {
  const length = SECONDS[current.dataset.interval];
  const spans = gapSpans();
  candles.setData(bars);
  volume.setData(bars.map(volumeOf));
  sma.setData(linePoints("sma"));
  ema.setData(linePoints("ema"));
  gaps.setData(bars.filter((bar) => bar.gap || spans.some(([from, to]) => from < bar.time + length && to >= bar.time))
    .map((bar) => ({ time: bar.time, value: 1 })));
  mark();
}

// Whales: one marker for each bar and side, with the size of the largest five.
function mark() {
  if (!bars.length) return;
  const length = SECONDS[current.dataset.interval];
  const found = new Map();
  for (const whale of whales) {
    const time = Math.floor(whale.time / 1000 / length) * length;
    if (time < bars[0].time || time > bars.at(-1).time) continue;
    const key = `${time}${whale.side}`;
    found.set(key, { time, side: whale.side, value: (found.get(key)?.value ?? 0) + whale.value });
  }
  const alerts = [...document.querySelectorAll("#marks li[data-time]")]
    .map((item) => ({ time: Math.floor(Number(item.dataset.time) / 1000 / length) * length, critical: item.classList.contains("critical") }))
    .filter((item) => item.time >= bars[0].time && item.time <= bars.at(-1).time);
  const largest = [...found.values()].sort((a, b) => b.value - a.value).slice(0, 5);
  const shown = [...found.values()].map((item) => ({
    time: item.time,
    position: item.side === "buy" ? "belowBar" : "aboveBar",
    shape: item.side === "buy" ? "arrowUp" : "arrowDown",
    color: item.side === "buy" ? colours.up : colours.down,
    size: 0.8,
    text: largest.includes(item) ? "$" + compact.format(item.value) : "",
  }));
  for (const item of alerts) shown.push({ time: item.time, position: "aboveBar", shape: "circle", color: css(item.critical ? "--down" : "--warn"), size: 0.7, text: "" });
  markers.setMarkers(shown.sort((a, b) => a.time - b.time));
}

function describe(bar) {
  if (!bar) return;
  const day = new Date(bar.time * 1000).toISOString();
  const change = bar.open ? 100 * (bar.close / bar.open - 1) : 0;
  const parts = [
    ["", day.slice(0, 10) + " " + day.slice(11, 16)], ["O", money.format(bar.open)], ["H", money.format(bar.high)], ["L", money.format(bar.low)],
    ["C", money.format(bar.close)], ["", (change <= -0.005 ? "−" : change >= 0.005 ? "+" : "") + Math.abs(change).toFixed(2) + " %", change <= -0.005 ? "down" : change >= 0.005 ? "up" : ""],
    ["Vol", compact.format(bar.volume)], ["SMA", bar.sma == null ? "—" : money.format(bar.sma)], ["EMA", bar.ema == null ? "—" : money.format(bar.ema)],
  ];
  legend.replaceChildren(...parts.map(([name, value, tone]) => {
    const part = document.createElement("span");
    if (name) part.append(Object.assign(document.createElement("i"), { textContent: name + " " }));
    part.append(Object.assign(document.createElement("b"), { textContent: value, className: tone ?? "" }));
    return part;
  }));
  if (bar.gap) legend.append(Object.assign(document.createElement("em"), { className: "tag warn", textContent: "gap" }));
}

const toBar = (candle) => ({
  time: Date.parse(candle.time) / 1000, open: candle.open, high: candle.high, low: candle.low, close: candle.close,
  volume: candle.volume, gap: candle.gap, sma: null, ema: null,
});

async function get(url) {
  const answer = await fetch(url, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`${answer.status}`);
  return (await answer.json()).data;
}

// As of an earlier moment: candles that were over then; the one that was open comes with the page.
const until = () => Number(box.dataset.at ?? 0);

function candlesUrl(interval, limit) {
  const length = SECONDS[interval] * 1000;
  const to = until() ? `&to=${Math.floor(until() / length) * length}` : "";
  return `/api/market/candles/${encodeURIComponent(symbol)}?interval=${interval}&limit=${limit}${to}`;
}

async function load() {
  const wanted = current, at = until();
  box.dataset.state = "loading";
  try {
    const data = await get(candlesUrl(wanted.dataset.interval, 500));
    if (wanted !== current || at !== until()) return;
    bars = data.map(toBar).filter((bar) => Number.isFinite(bar.close));
    bars.forEach((_, index) => average(index));
    show();
    const count = Number(wanted.dataset.bars);
    chart.timeScale().setVisibleLogicalRange({ from: Math.max(bars.length - count, Math.min(0, bars.length - 30)), to: bars.length + 2 });
    describe(bars.at(-1));
    box.dataset.state = bars.length ? "ready" : "empty";
    box.dataset.bars = bars.length;
    live();
  } catch (error) {
    box.dataset.state = "failed";
    legend.textContent = `The candles could not be loaded (${error.message}); trying again.`;
    setTimeout(() => { if (wanted === current && at === until()) load(); }, 3000);
  }
}

// When a new candle begins, the one before is asked for again: its last trades may have come between two updates.
async function settle(interval) {
  try {
    const [first] = (await get(candlesUrl(interval, 2))).map(toBar);
    const index = bars.findIndex((bar) => bar.time === first?.time);
    if (index < 0 || interval !== current.dataset.interval) return;
    bars[index] = first;
    for (let at = index; at < bars.length; at += 1) average(at);
    show();
  } catch { /* The next candle tries again; the live values stand meanwhile. */ }
}

function live() {
  const interval = current.dataset.interval;
  const found = JSON.parse(tick.dataset.candles)[interval];
  if (!found || !bars.length) return;
  const [time, open, high, low, close, amount] = found;
  const last = bars.at(-1);
  if (time < last.time) return;
  const bar = { time, open, high, low, close, volume: amount, gap: time === last.time && last.gap, sma: null, ema: null };
  if (time === last.time) bars[bars.length - 1] = bar;
  else bars.push(bar);
  average(bars.length - 1);
  candles.update(bar);
  volume.update(volumeOf(bar));
  if (bar.sma !== null) sma.update({ time, value: bar.sma });
  if (bar.ema !== null) ema.update({ time, value: bar.ema });
  box.dataset.close = close;
  if (cursor === null) describe(bar);
  if (time > last.time && !until()) settle(interval);
}

async function loadWhales() {
  const to = until() ? `&to=${until()}` : "";
  try {
    const data = await get(`/api/market/whales?coin_id=${encodeURIComponent(symbol)}&limit=200${to}`);
    whales = data.map((item) => ({ time: Date.parse(item.time), side: item.is_buyer_maker ? "sell" : "buy", value: item.value_usd }));
  } catch { whales = []; }
  addWhales();
}

function addWhales() {
  const known = new Set(whales.map((whale) => `${whale.time}${whale.side}${Math.round(whale.value)}`));
  let added = false;
  for (const item of document.querySelectorAll("#whales li[data-time]")) {
    const whale = { time: Number(item.dataset.time), side: item.dataset.side, value: Number(item.querySelector("b").textContent.replace(/[^\d.]/g, "")) };
    if (!known.has(`${whale.time}${whale.side}${Math.round(whale.value)}`)) { whales.push(whale); added = true; }
  }
  if (added || whales.length) mark();
}

document.querySelector(".ranges").addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (!link || until() || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  current.removeAttribute("aria-current");
  current = link;
  current.setAttribute("aria-current", "true");
  document.getElementById("interval").textContent = link.dataset.interval;
  history.replaceState(null, "", link.href);
  keyed = false;
  cursor = null;
  load();
  refreshTable(link.href);
});

async function refreshTable(href) {
  const text = await (await fetch(href)).text();
  const fresh = new DOMParser().parseFromString(text, "text/html").getElementById("candles");
  if (fresh) document.getElementById("candles").replaceWith(fresh);
}

chart.subscribeCrosshairMove((event) => {
  if (keyed) return;
  if (event.time === undefined) { cursor = null; describe(bars.at(-1)); return; }
  const index = bars.findIndex((bar) => bar.time === event.time);
  if (index >= 0) { cursor = index; describe(bars[index]); }
});

function move(index) {
  keyed = true;
  cursor = Math.max(0, Math.min(bars.length - 1, index));
  const bar = bars[cursor];
  if (!bar) return;
  const scale = chart.timeScale();
  const seen = scale.getVisibleLogicalRange();
  if (seen && (cursor < seen.from || cursor > seen.to)) {
    const width = seen.to - seen.from;
    scale.setVisibleLogicalRange({ from: cursor - width / 2, to: cursor + width / 2 });
  }
  legend.setAttribute("aria-live", "polite");
  chart.setCrosshairPosition(bar.close, bar.time, candles);
  describe(bar);
}

function zoom(factor) {
  const scale = chart.timeScale();
  const seen = scale.getVisibleLogicalRange();
  if (!seen) return;
  const width = Math.max(10, (seen.to - seen.from) * factor);
  scale.setVisibleLogicalRange({ from: seen.to - width, to: seen.to });
}

box.addEventListener("keydown", (event) => {
  const at = cursor ?? bars.length - 1;
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (step && event.shiftKey) {
    const seen = chart.timeScale().getVisibleLogicalRange();
    const width = (seen.to - seen.from) * 0.2 * step;
    chart.timeScale().setVisibleLogicalRange({ from: seen.from + width, to: seen.to + width });
  } else if (step) move(at + step);
  else if (event.key === "Home") move(0);
  else if (event.key === "End") move(bars.length - 1);
  else if (event.key === "+" || event.key === "=") zoom(0.7);
  else if (event.key === "-") zoom(1.4);
  else return;
  event.preventDefault();
});
function release() {
  if (!keyed) return;
  keyed = false;
  cursor = null;
  legend.setAttribute("aria-live", "off");
  chart.clearCrosshairPosition();
}
box.addEventListener("blur", release);
box.addEventListener("pointermove", release);

new MutationObserver(live).observe(tick, { attributes: true, attributeFilter: ["data-candles"] });
document.body.addEventListener("htmx:after:settle", (event) => {
  if (event.target.id === "whales") addWhales();
  if (event.target.id === "marks") mark();
  if (event.target.id === "gaps" && bars.length) show();
});
document.addEventListener("moment", () => {
  current = document.querySelector(".ranges a[aria-current]");
  release();
  load();
  loadWhales();
});
document.addEventListener("theme", paint);
matchMedia("(prefers-color-scheme: light)").addEventListener("change", paint);
paint();
load();
loadWhales();
