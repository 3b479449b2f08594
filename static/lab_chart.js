// The lab's chart: candles of the first symbol, a mark at every firing, the metric under them, and a threshold to drag.
import { BarSeries, CandlestickSeries, createChart, createSeriesMarkers } from "./vendor/lightweight-charts-5.2.1.min.mjs";

const box = document.getElementById("chart");
const part = document.getElementById("lab-chart");
const handle = document.getElementById("threshold");
const shownValue = document.getElementById("threshold-value");
const help = document.getElementById("threshold-help");
const SECONDS = { "1m": 60, "5m": 300, "1h": 3600 };
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// The chart is made when the first result comes.
let chart = null;
let candles = null;
let metric = null;
let markers = null;
let bars = [];
let shown = "";
let line = null; // The rule's number: { before, after, operator, metric, value, step, low, high, series }.
let dragging = false;
let moved = () => {};

function make() {
  chart = createChart(box, {
    autoSize: true,
    layout: { attributionLogo: false, fontSize: 11, fontFamily: css("--sans") || "sans-serif", background: { color: "transparent" }, panes: { enableResize: false } },
    rightPriceScale: { borderVisible: false },
    timeScale: { borderVisible: false, timeVisible: true, secondsVisible: false, minBarSpacing: 0.5 },
    localization: { locale: "en-US" },
  });
  candles = chart.addSeries(CandlestickSeries, { lastValueVisible: false, priceLineVisible: false, autoscaleInfoProvider: (own) => withThreshold(own, candles) });
  markers = createSeriesMarkers(candles, []);
  chart.timeScale().subscribeVisibleLogicalRangeChange(later);
  chart.subscribeCrosshairMove(later);
  new ResizeObserver(later).observe(box);
  paint();
}

export function paint() {
  if (!chart) return;
  const [up, down, rule, soft, strong, accent] = ["--up", "--down", "--line", "--soft", "--strong", "--accent"].map(css);
  chart.applyOptions({ layout: { textColor: soft, panes: { separatorColor: strong, enableResize: false } }, grid: { vertLines: { color: rule + "80" }, horzLines: { color: rule + "80" } } });
  candles.applyOptions({ upColor: up, downColor: down, borderUpColor: up, borderDownColor: down, wickUpColor: up, wickDownColor: down });
  metric?.applyOptions({ upColor: accent, downColor: accent });
  mark();
}

function mark() {
  if (!bars.length) { markers?.setMarkers([]); return; }
  const length = bars.length > 1 ? bars[1].time - bars[0].time : 60;
  const times = [...document.querySelectorAll("#lab-marks li")].map((item) => Math.floor(Number(item.dataset.time) / 1000 / length) * length);
  const known = new Map();
  for (const time of times) {
    const at = bars.findLastIndex((bar) => bar.time <= time);
    if (at >= 0) known.set(bars[at].time, (known.get(bars[at].time) ?? 0) + 1);
  }
  markers.setMarkers([...known].sort((a, b) => a[0] - b[0]).map(([time, count]) => ({
    time, position: "aboveBar", shape: "circle", color: css("--warn"), size: 0.8, text: count > 1 ? String(count) : "",
  })));
  box.dataset.marks = times.length;
}

// Candles are asked for once per symbol and span, not for every change of the rule.
async function load({ symbol, interval, from, to, decimals }) {
  const step = SECONDS[interval];
  const wanted = `${symbol} ${interval} ${Math.floor(from / step / 1000)} ${Math.floor(to / step / 1000)}`;
  if (wanted === shown) return;
  shown = wanted;
  const start = new Date(Number(from) - (Number(from) % (step * 1000))).toISOString();
  const url = `/api/market/candles/${encodeURIComponent(symbol)}?interval=${interval}&limit=1000&from=${start}&to=${new Date(Number(to)).toISOString()}`;
  try {
    const answer = await fetch(url, { headers: { Accept: "application/json" } });
    const data = answer.ok ? (await answer.json()).data : [];
    if (wanted !== shown) return;
    bars = data.filter((bar) => Number.isFinite(bar.close)).map((bar) => ({ time: Date.parse(bar.time) / 1000, open: bar.open, high: bar.high, low: bar.low, close: bar.close }));
  } catch {
    bars = [];
    shown = "";
  }
  candles.applyOptions({ priceFormat: format(Number(decimals)) });
  candles.setData(bars);
  chart.timeScale().fitContent();
  box.dataset.bars = bars.length;
}

// Numbers as on every page: thousands apart, a real minus.
function format(decimals) {
  const number = new Intl.NumberFormat("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
  return { type: "custom", minMove: 10 ** -decimals, formatter: (value) => number.format(value).replace("-", "−") };
}

// A step that moves the line by about a hundredth of what is seen: 1, 2 or 5 times a power of ten.
function stepOf(range) {
  const raw = range / 100 || 0.01, power = 10 ** Math.floor(Math.log10(raw));
  return power * ([1, 2, 5].find((one) => one * power >= raw) ?? 10);
}

function readLine(dataset) {
  const found = document.getElementById("lab-line")?.dataset;
  const points = found ? JSON.parse(found.points) : [];
  const ofPrice = found && "price" in found;
  if (!found || (ofPrice ? !bars.length : !points.length)) return null;
  const lows = ofPrice ? bars.map((bar) => bar.low) : points.map((point) => point[1]);
  const highs = ofPrice ? bars.map((bar) => bar.high) : points.map((point) => point[2]);
  const low = Math.min(...lows), high = Math.max(...highs), value = Number(found.threshold);
  const least = ofPrice ? 10 ** -Number(dataset.decimals) : 0;
  const step = Math.max(least, stepOf(high - low || Math.abs(value) / 10));
  return { before: found.before, after: found.after, operator: found.operator, metric: found.metric, ofPrice, points, low, high, step, value };
}

function showMetric(dataset) {
  if (dragging) { mark(); return; }
  line = readLine(dataset);
  const own = line && !line.ofPrice;
  if (!own && metric) { chart.removeSeries(metric); metric = null; }
  if (own) {
    metric ??= chart.addSeries(BarSeries, { openVisible: false, thinBars: true, lastValueVisible: false, priceLineVisible: false, autoscaleInfoProvider: (given) => withThreshold(given, metric) }, 1);
    const decimals = Math.min(8, Math.max(2, 1 - Math.floor(Math.log10(line.step))));
    metric.applyOptions({ priceFormat: format(decimals) });
    metric.setData(line.points.map(([time, low, high, last]) => ({ time, open: last, high, low, close: last })));
    chart.panes()[0].setStretchFactor(0.62);
    chart.panes()[1]?.setStretchFactor(0.38);
  }
  if (line) line.series = own ? metric : candles;
  box.dataset.metric = line ? line.metric : "";
  part.classList.toggle("two", Boolean(own));
  handle.hidden = help.hidden = !line;
  paint();
  rescale();
}

// The threshold is always in sight, except while it is being dragged: then the scale stands still.
function withThreshold(own, series) {
  const info = own();
  if (!info || !line || line.series !== series) return info;
  const { minValue, maxValue } = info.priceRange;
  return { ...info, priceRange: { minValue: Math.min(minValue, line.scaled ?? line.value), maxValue: Math.max(maxValue, line.scaled ?? line.value) } };
}

function rescale() {
  if (line) {
    line.scaled = line.value;
    line.series.priceScale().applyOptions({ autoScale: true });
    line.series.applyOptions({});
  }
  say();
  later();
}

const written = (value) => {
  const decimals = Math.min(10, Math.max(0, -Math.floor(Math.log10(line.step) + 1e-9)));
  return String(Number((Math.round(value / line.step) * line.step).toFixed(decimals)));
};

function say() {
  if (!line) return;
  const text = `${line.operator} ${line.value}`;
  shownValue.textContent = text;
  handle.setAttribute("aria-valuenow", line.value);
  handle.setAttribute("aria-valuemin", Math.min(line.low, line.value));
  handle.setAttribute("aria-valuemax", Math.max(line.high, line.value));
  const count = document.getElementById("outcome").dataset.count;
  handle.setAttribute("aria-valuetext", `${line.metric} ${text}${count === undefined ? "" : `, ${count} firings`}`);
}

// Where the pane of the line begins, in the box.
function paneTop() {
  const pane = chart.panes()[line.series === candles ? 0 : 1]?.getHTMLElement();
  return pane ? pane.getBoundingClientRect().top - box.getBoundingClientRect().top : 0;
}

let waiting = 0;
function later() {
  cancelAnimationFrame(waiting);
  waiting = requestAnimationFrame(place);
}

function place() {
  if (!line || !chart) return;
  const y = line.series.priceToCoordinate(line.value);
  handle.classList.toggle("off", y === null);
  if (y !== null) handle.style.transform = `translateY(${Math.round(paneTop() + y)}px)`;
  handle.style.right = `${line.series.priceScale().width()}px`; // The scale's own numbers stay readable.
  handle.dataset.y = y ?? "";
}

function put(value) {
  const text = written(value);
  if (Number(text) === line.value) return;
  line.value = Number(text);
  say();
  place();
  moved(line.before + text + line.after);
}

handle.addEventListener("pointerdown", (event) => {
  if (!line || event.button) return;
  dragging = true;
  handle.setPointerCapture(event.pointerId);
  handle.focus();
  event.preventDefault();
});
handle.addEventListener("pointermove", (event) => {
  if (!dragging || !line) return;
  const value = line.series.coordinateToPrice(event.clientY - box.getBoundingClientRect().top - paneTop());
  if (value !== null) put(value);
});
for (const name of ["pointerup", "pointercancel"]) handle.addEventListener(name, () => {
  if (!dragging) return;
  dragging = false;
  rescale();
});
handle.addEventListener("keydown", (event) => {
  if (!line) return;
  const steps = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 10, PageDown: -10 }[event.key];
  if (steps) put(line.value + steps * line.step);
  else if (event.key === "Home") put(line.low);
  else if (event.key === "End") put(line.high);
  else return;
  event.preventDefault();
  rescale();
});

// `report` is called with the whole rule whenever the threshold was moved.
export function onThreshold(report) { moved = report; }

export async function draw() {
  const { dataset } = document.getElementById("outcome");
  part.hidden = !dataset.symbol;
  if (!dataset.symbol) { line = null; return; }
  if (!chart) make();
  document.getElementById("lab-chart-of").textContent = `${dataset.symbol} ${dataset.interval}`;
  await load(dataset);
  showMetric(dataset);
}
