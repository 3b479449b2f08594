// The rule lab: firings drawn on the candles of the first symbol, names completed while one types, a shareable address.
import { CandlestickSeries, createChart, createSeriesMarkers } from "./vendor/lightweight-charts-5.2.1.min.mjs";

const form = document.getElementById("lab");
const field = document.getElementById("expression");
const list = document.getElementById("complete");
const box = document.getElementById("chart");
const part = document.getElementById("lab-chart");
const MOST_NAMES = 8;
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// The chart is made when the first result comes.
let chart = null;
let candles = null;
let markers = null;
let bars = [];
let shown = "";

function make() {
  chart = createChart(box, {
    autoSize: true,
    layout: { attributionLogo: false, fontSize: 11, fontFamily: css("--sans") || "sans-serif", background: { color: "transparent" } },
    rightPriceScale: { borderVisible: false },
    timeScale: { borderVisible: false, timeVisible: true, secondsVisible: false, minBarSpacing: 0.5 },
    localization: { locale: "en-US" },
  });
  candles = chart.addSeries(CandlestickSeries, {});
  markers = createSeriesMarkers(candles, []);
  paint();
}

function paint() {
  if (!chart) return;
  const [up, down, line, soft] = ["--up", "--down", "--line", "--soft"].map(css);
  chart.applyOptions({ layout: { textColor: soft }, grid: { vertLines: { color: line + "80" }, horzLines: { color: line + "80" } } });
  candles.applyOptions({ upColor: up, downColor: down, borderUpColor: up, borderDownColor: down, wickUpColor: up, wickDownColor: down });
  mark();
}

function mark() {
  if (!bars.length) { markers?.setMarkers([]); return; }
  const length = bars.length > 1 ? bars[1].time - bars[0].time : 60;
  const times = [...document.querySelectorAll("#lab-marks li")].map((item) => Math.floor(Number(item.dataset.time) / 1000 / length) * length);
  const known = new Map();
  for (const time of times) {
    let at = bars.findLastIndex((bar) => bar.time <= time);
    if (at >= 0) known.set(bars[at].time, (known.get(bars[at].time) ?? 0) + 1);
  }
  markers.setMarkers([...known].sort((a, b) => a[0] - b[0]).map(([time, count]) => ({
    time, position: "aboveBar", shape: "circle", color: css("--warn"), size: 0.8, text: count > 1 ? String(count) : "",
  })));
  box.dataset.marks = times.length;
}

async function draw() {
  const outcome = document.getElementById("outcome");
  const { symbol, interval, from, to, decimals } = outcome.dataset;
  part.hidden = !symbol;
  field.setAttribute("aria-invalid", String(Boolean(outcome.querySelector(".mistake"))));
  if (!symbol) return;
  if (!chart) make();
  document.getElementById("lab-chart-of").textContent = `${symbol} ${interval}`;
  const step = { "1m": 60, "5m": 300, "1h": 3600 }[interval];
  const wanted = `${symbol} ${interval} ${Math.floor(from / step / 1000)} ${Math.floor(to / step / 1000)}`;
  if (wanted !== shown) {
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
    candles.applyOptions({ priceFormat: { type: "price", precision: Number(decimals), minMove: 10 ** -Number(decimals) } });
    candles.setData(bars);
    chart.timeScale().fitContent();
    box.dataset.bars = bars.length;
  }
  mark();
}

new MutationObserver((changes) => {
  if (changes.some((change) => [...change.addedNodes].some((node) => node.id === "outcome"))) draw();
}).observe(document.getElementById("main"), { childList: true });
document.addEventListener("theme", paint);
matchMedia("(prefers-color-scheme: light)").addEventListener("change", paint);

// The address follows the form, so that a reload and a shared link show the same.
form.addEventListener("input", () => {
  const parameters = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (value && name !== "symbols") parameters.set(name, value);
  const symbols = [...form.elements.symbols.selectedOptions].map((option) => option.value).join(",");
  if (symbols) parameters.set("symbols", symbols);
  history.replaceState(null, "", `?${parameters}`);
});

// Completion: the word under the caret against the catalogue at the bottom of the page.
const names = new Map();
for (const row of document.querySelectorAll("#catalogue tr[data-name]")) {
  if (!names.has(row.dataset.name)) names.set(row.dataset.name, { signature: row.cells[0].textContent, doc: row.cells[1].textContent });
}
field.setAttribute("role", "combobox");
field.setAttribute("aria-autocomplete", "list");
field.setAttribute("aria-controls", "complete");
field.setAttribute("aria-expanded", "false");
let chosen = -1;

const word = () => field.value.slice(0, field.selectionStart).match(/[A-Za-z_][A-Za-z0-9_]*$/)?.[0] ?? "";

function close() {
  list.hidden = true;
  chosen = -1;
  field.setAttribute("aria-expanded", "false");
  field.removeAttribute("aria-activedescendant");
}

function offer() {
  const start = word().toLowerCase();
  const fits = start ? [...names.keys()].filter((name) => name.startsWith(start) && name !== start).slice(0, MOST_NAMES) : [];
  if (!fits.length) { close(); return; }
  list.replaceChildren(...fits.map((name, at) => {
    const item = Object.assign(document.createElement("li"), { id: `complete-${at}`, role: "option" });
    item.dataset.name = name;
    item.setAttribute("aria-selected", "false");
    item.append(Object.assign(document.createElement("code"), { textContent: names.get(name).signature }), Object.assign(document.createElement("span"), { textContent: names.get(name).doc }));
    return item;
  }));
  list.hidden = false;
  chosen = -1;
  field.setAttribute("aria-expanded", "true");
}

function choose(at) {
  const items = [...list.children];
  chosen = (at + items.length) % items.length;
  items.forEach((item, place) => item.setAttribute("aria-selected", String(place === chosen)));
  field.setAttribute("aria-activedescendant", items[chosen].id);
  items[chosen].scrollIntoView({ block: "nearest" });
}

function take(name) {
  const end = field.selectionStart, begin = end - word().length;
  const call = names.get(name).signature.includes("(") && field.value[end] !== "(" ? "(" : "";
  field.setRangeText(name + call, begin, end, "end");
  close();
  field.focus();
  field.dispatchEvent(new Event("input", { bubbles: true }));
  close();
}

field.addEventListener("input", offer);
field.addEventListener("blur", () => setTimeout(close, 150));
list.addEventListener("pointerdown", (event) => {
  const item = event.target.closest("li");
  if (item) { event.preventDefault(); take(item.dataset.name); }
});
field.addEventListener("keydown", (event) => {
  if (list.hidden) return;
  if (event.key === "ArrowDown") choose(chosen + 1);
  else if (event.key === "ArrowUp") choose(chosen < 0 ? -1 : chosen - 1);
  else if (event.key === "Enter" && chosen >= 0) take(list.children[chosen].dataset.name);
  else if (event.key === "Escape") close();
  else return;
  event.preventDefault();
});

draw();
