// The replay player: one JSON answer, played second by second on this side. Candles and volume up to the cursor, the alert's
// marker, the tape. Keyboard: space plays and pauses, arrows step, Home and End go to the ends.
import {
  CandlestickSeries, HistogramSeries, createChart, createSeriesMarkers, CrosshairMode,
} from "./vendor/lightweight-charts-5.2.1.min.mjs";

const $ = (id) => document.getElementById(id);
const box = $("replay"), legend = $("legend"), scrub = $("scrub"), playButton = $("play");
const decimals = Number(box.dataset.decimals);
const TAPE = 24;
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const money = new Intl.NumberFormat("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
const compact = new Intl.NumberFormat("en-US", { notation: "compact", maximumSignificantDigits: 3 });
const clock = (seconds) => new Date(seconds * 1000).toISOString().slice(11, 19);

let chart, candles, volume, markers;
let bars = []; // One for each second of the span; the prices of a second without a trade are null.
let trades = [];
let marker = null;
let cursor = 0; // Index of the last second that is shown.
let speed = 5;
let playing = 0; // Id of the animation frame, 0 while paused.
let began = 0, beganAt = 0;

function build() {
  box.replaceChildren();
  chart = createChart(box, {
    autoSize: true,
    layout: { attributionLogo: false, fontSize: 11, fontFamily: css("--sans") || "sans-serif", background: { color: "transparent" } },
    crosshair: { mode: CrosshairMode.Normal },
    rightPriceScale: { borderVisible: false, scaleMargins: { top: 0.1, bottom: 0.24 } },
    timeScale: { borderVisible: false, timeVisible: true, secondsVisible: true, minBarSpacing: 0.4 },
    localization: { locale: "en-US", priceFormatter: (value) => money.format(value) },
  });
  volume = chart.addSeries(HistogramSeries, { priceScaleId: "volume", lastValueVisible: false, priceLineVisible: false, priceFormat: { type: "volume" } });
  candles = chart.addSeries(CandlestickSeries, { priceFormat: { type: "price", precision: decimals, minMove: 10 ** -decimals } });
  chart.priceScale("volume").applyOptions({ scaleMargins: { top: 0.8, bottom: 0 } });
  markers = createSeriesMarkers(candles, []);
  paint();
}

function paint() {
  const [up, down, line, soft] = ["--up", "--down", "--line", "--soft"].map(css);
  chart.applyOptions({
    layout: { textColor: soft },
    grid: { vertLines: { color: line + "80" }, horzLines: { color: line + "80" } },
    crosshair: { vertLine: { color: soft, labelBackgroundColor: css("--strong") }, horzLine: { color: soft, labelBackgroundColor: css("--strong") } },
  });
  candles.applyOptions({ upColor: up, downColor: down, borderUpColor: up, borderDownColor: down, wickUpColor: up, wickDownColor: down });
}

// Samples to seconds. A second without a stored step holds the price before it; before the first step nothing is known.
function toBars(data) {
  const from = Math.floor(Date.parse(data.from) / 1000), to = Math.ceil(Date.parse(data.to) / 1000);
  const found = new Map();
  for (const event of data.events) {
    if (event.symbol !== data.symbol || event.price === null) continue;
    const time = Math.floor(Date.parse(event.time) / 1000);
    const bar = found.get(time);
    if (!bar) found.set(time, { time, open: event.open, high: event.high, low: event.low, close: event.price, volume: event.volume ?? 0, trades: event.trades, gap: event.gap });
    else {
      bar.high = Math.max(bar.high, event.high);
      bar.low = Math.min(bar.low, event.low);
      bar.close = event.price;
      bar.volume += event.volume ?? 0;
      bar.trades += event.trades;
      bar.gap ||= event.gap;
    }
  }
  const last = Math.max(...found.keys(), Date.parse(data.marker.time) / 1000);
  const made = [];
  let close = null;
  for (let time = from; time < Math.min(to, Math.floor(last) + 1); time += 1) {
    const bar = found.get(time) ?? { time, open: close, high: close, low: close, close, volume: 0, trades: 0, gap: false };
    close = bar.close;
    if (close !== null || made.length) made.push(bar);
  }
  return made;
}

const candleOf = (bar) => ({ time: bar.time, open: bar.open, high: bar.high, low: bar.low, close: bar.close });
const volumeOf = (bar) => ({ time: bar.time, value: bar.volume, color: css(bar.close < bar.open ? "--down" : "--up") + "55" });

// What the marker stands on: the last second that the alert's step had seen.
const markerTime = () => Math.floor((Date.parse(marker.time) - 1) / 1000);

function show(index) {
  const before = cursor;
  cursor = Math.max(0, Math.min(bars.length - 1, index));
  const bar = bars[cursor];
  const seen = chart.timeScale().getVisibleLogicalRange();
  if (cursor === before + 1) {
    candles.update(candleOf(bar), true);
    volume.update(volumeOf(bar), true);
  } else {
    candles.setData(bars.map((one, at) => (at <= cursor ? candleOf(one) : { time: one.time })));
    volume.setData(bars.map((one, at) => (at <= cursor ? volumeOf(one) : { time: one.time })));
  }
  if (before >= 0 && seen) chart.timeScale().setVisibleLogicalRange(seen); // New data would move what is in view.
  const fired = bar.time >= markerTime();
  markers.setMarkers(fired ? [{ time: markerTime(), position: "aboveBar", shape: "arrowDown", color: css("--down"), size: 1.2, text: "alert" }] : []);
  scrub.value = cursor;
  const offset = bar.time - markerTime();
  const words = offset === 0 ? "at the alert" : `${Math.abs(offset)} s ${offset < 0 ? "before" : "after"} the alert`;
  $("cursor").textContent = `${clock(bar.time)} UTC, ${words}`;
  scrub.setAttribute("aria-valuetext", $("cursor").textContent);
  box.dataset.cursor = bar.time;
  describe(bar);
  stand(bar, fired);
  tape(bar);
}

function describe(bar) {
  const parts = [["O", bar.open], ["H", bar.high], ["L", bar.low], ["C", bar.close]].map(([name, value]) => [name, value === null ? "—" : money.format(value)]);
  parts.push(["Vol", compact.format(bar.volume)], ["Trades", String(bar.trades)]);
  legend.replaceChildren(...parts.map(([name, value]) => {
    const part = document.createElement("span");
    part.append(Object.assign(document.createElement("i"), { textContent: name + " " }), Object.assign(document.createElement("b"), { textContent: value }));
    return part;
  }));
  if (bar.gap) legend.append(Object.assign(document.createElement("em"), { className: "tag warn", textContent: "gap" }));
}

function stand(bar, fired) {
  const over = marker.resolved_at !== null && bar.time >= Date.parse(marker.resolved_at) / 1000;
  const word = over ? "resolved" : fired ? "firing" : "not yet fired";
  if ($("standing").textContent === word) return;
  $("standing").textContent = word;
  $("standing").className = over ? "up" : fired ? "down" : "soft";
}

// The newest trades up to the cursor. `trades` is sorted by time.
function tape(bar) {
  let low = 0, high = trades.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (trades[middle].at < (bar.time + 1) * 1000) low = middle + 1;
    else high = middle;
  }
  const shown = trades.slice(Math.max(0, low - TAPE), low).reverse();
  const rows = shown.map((trade) => {
    const row = document.createElement("li");
    row.className = trade.is_whale ? "whale" : "";
    row.append(
      Object.assign(document.createElement("time"), { textContent: trade.time.slice(11, 19) }),
      Object.assign(document.createElement("span"), { className: trade.is_buyer_maker ? "down" : "up", textContent: (trade.is_buyer_maker ? "▼ " : "▲ ") + money.format(trade.price) }),
      Object.assign(document.createElement("b"), { textContent: compact.format(trade.quantity) }),
    );
    return row;
  });
  if (!rows.length) rows.push(Object.assign(document.createElement("li"), { className: "soft", textContent: trades.length ? "No trade up to here." : "No single trades are stored of these minutes." }));
  $("tape").replaceChildren(...rows);
}

function pause() {
  if (playing) cancelAnimationFrame(playing);
  playing = 0;
  playButton.textContent = "Play";
  box.dataset.state = "paused";
}

function play() {
  if (cursor >= bars.length - 1) show(0);
  began = performance.now();
  beganAt = cursor;
  playButton.textContent = "Pause";
  box.dataset.state = "playing";
  playing = requestAnimationFrame(step);
}

function step(now) {
  const wanted = Math.min(bars.length - 1, beganAt + Math.floor((now - began) * speed / 1000));
  while (cursor < wanted) show(cursor + 1);
  if (cursor >= bars.length - 1) { pause(); return; }
  playing = requestAnimationFrame(step);
}

function jump(index) {
  pause();
  show(index);
}

function listen() {
  playButton.addEventListener("click", () => (playing ? pause() : play()));
  $("back").addEventListener("click", () => jump(cursor - 1));
  $("forth").addEventListener("click", () => jump(cursor + 1));
  $("moment").addEventListener("click", () => jump(bars.findIndex((bar) => bar.time >= markerTime())));
  scrub.addEventListener("input", () => jump(Number(scrub.value)));
  for (const button of document.querySelectorAll("[data-speed]")) {
    button.addEventListener("click", () => {
      speed = Number(button.dataset.speed);
      began = performance.now();
      beganAt = cursor;
      for (const other of document.querySelectorAll("[data-speed]")) other.setAttribute("aria-pressed", String(other === button));
    });
  }
  document.addEventListener("keydown", (event) => {
    const on = event.target.closest("input, button, a, select, textarea, summary, [tabindex]:not(main)");
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (on && on !== scrub) return;
    const to = { ArrowLeft: cursor - 1, ArrowRight: cursor + 1, Home: 0, End: bars.length - 1 }[event.key];
    if (event.key === " ") { if (playing) pause(); else play(); }
    else if (on !== scrub && to !== undefined) jump(to);
    else return;
    event.preventDefault();
  });
  document.addEventListener("theme", () => { paint(); show(cursor); });
  matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => { paint(); show(cursor); });
}

function say(sentence, state) {
  box.replaceChildren(Object.assign(document.createElement("p"), { className: "wait soft", textContent: sentence }));
  box.dataset.state = state;
}

async function load() {
  say("The minutes around the alert are being read.", "loading");
  const query = new URLSearchParams({ alert_id: box.dataset.alert, minutes: box.dataset.minutes });
  let data;
  try {
    const answer = await fetch(`/api/replay?${query}`, { headers: { Accept: "application/json" } });
    const body = await answer.json();
    if (!answer.ok) throw new Error(body.error.message);
    data = body.data;
  } catch (error) {
    say(`The replay could not be loaded: ${error.message} Load the page again to try once more.`, "failed");
    return;
  }
  marker = data.marker;
  bars = toBars(data);
  trades = data.trades.map((trade) => ({ ...trade, at: Date.parse(trade.time) }));
  if (!bars.length) {
    say("Nothing is stored around this moment, so there is nothing to play.", "empty");
    $("tape").replaceChildren();
    return;
  }
  build();
  scrub.max = bars.length - 1;
  $("player").hidden = false;
  cursor = -2;
  const moment = bars.findIndex((bar) => bar.time >= markerTime());
  show(moment < 0 ? bars.length - 1 : moment);
  chart.timeScale().setVisibleLogicalRange({ from: -0.5, to: bars.length + 0.5 });
  box.dataset.state = "paused";
  box.dataset.bars = bars.length;
  listen();
}

load();
