// The replay player: one JSON answer, played second by second on this side. Candles and volume, where the rule stood, its terms
// as lanes and the tape, all up to the cursor. The answer is asked for, or lies in the page where the page is a file.
// Keyboard: space plays and pauses, arrows step (with Shift by ten), Home and End go to the ends, A to the alert.
import {
  CandlestickSeries, HistogramSeries, LineSeries, LineStyle, LineType, createChart, createSeriesMarkers, createTextWatermark, CrosshairMode,
} from "./vendor/lightweight-charts-5.2.1.min.mjs";

const $ = (id) => document.getElementById(id);
const box = $("replay"), legend = $("legend"), scrub = $("scrub"), playButton = $("play");
const decimals = Number(box.dataset.decimals);
const TAPE = 24, STRIP = 44, LANE = 96;
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const money = new Intl.NumberFormat("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
const compact = new Intl.NumberFormat("en-US", { notation: "compact", maximumSignificantDigits: 3 });
const plain = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 6 });
const clock = (seconds) => new Date(seconds * 1000).toISOString().slice(11, 19);

// How the rule can stand: the height in the strip, the colour, the word.
const STATES = {
  false: [0.12, "--strong", "not true"], unknown: [0.06, "--faint", "unknown"], pending: [0.45, "--warn", "pending"],
  firing: [1, "--down", "firing"], recovering: [0.7, "--accent", "recovering"],
};

let chart, candles, volume, markers, strip, stripTitle;
let bars = []; // One for each second of the span; the prices of a second without a trade are null.
let lanes = []; // { term, unit, values: one for each bar, series, title, row }
let states = []; // One word for each bar; empty where the rule cannot be evaluated.
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
  candles.attachPrimitive(moments());
  if (states.length) addStrip();
  for (const lane of lanes) addLane(lane);
  const extra = (states.length ? STRIP : 0) + LANE * lanes.length;
  if (extra) {
    box.style.height = `${box.clientHeight + extra}px`;
    const panes = chart.panes();
    panes[0].setStretchFactor(box.clientHeight);
    panes.slice(1).forEach((pane, at) => pane.setStretchFactor(states.length && at === 0 ? STRIP : LANE));
  }
  paint();
}

const quiet = { lastValueVisible: false, priceLineVisible: false, crosshairMarkerVisible: false };

function addStrip() {
  const fixed = () => ({ priceRange: { minValue: 0, maxValue: 1 } });
  strip = chart.addSeries(HistogramSeries, { ...quiet, autoscaleInfoProvider: fixed, priceFormat: { type: "custom", formatter: () => "", minMove: 0.01 } }, 1);
  strip.priceScale().applyOptions({ borderVisible: false, scaleMargins: { top: 0.4, bottom: 0 } });
  strip.attachPrimitive(moments());
  stripTitle = createTextWatermark(strip.getPane(), { horzAlign: "left", vertAlign: "top", lines: [] });
}

function addLane(lane) {
  const at = chart.panes().length;
  const lines = lane.thresholds.map((one) => one.value);
  const range = (original) => {
    const found = original();
    const seen = found?.priceRange ? [found.priceRange.minValue, found.priceRange.maxValue] : [];
    const both = [...seen, ...lines];
    return both.length ? { ...found, priceRange: { minValue: Math.min(...both), maxValue: Math.max(...both) } } : found;
  };
  lane.series = chart.addSeries(LineSeries, {
    ...quiet, lineWidth: 1.5, lineType: lane.unit === "truth" || lane.unit === "count" ? LineType.WithSteps : LineType.Simple, autoscaleInfoProvider: range,
    priceFormat: { type: "custom", minMove: 1e-9, formatter: (value) => plain.format(value) },
  }, at);
  lane.series.priceScale().applyOptions({ borderVisible: false, scaleMargins: { top: 0.28, bottom: 0.1 } });
  lane.lines = lane.thresholds.map((one) => [one, lane.series.createPriceLine({ price: one.value, lineWidth: 1, lineStyle: LineStyle.Dashed, axisLabelVisible: true, title: "" })]);
  lane.series.attachPrimitive(moments());
  lane.title = createTextWatermark(lane.series.getPane(), { horzAlign: "left", vertAlign: "top", lines: [] });
}

// Two upright lines in every pane: the alert's moment and the cursor.
function moments() {
  const draw = (target) => target.useBitmapCoordinateSpace(({ context, bitmapSize, horizontalPixelRatio: ratio }) => {
    for (const [time, colour, dash] of [[markerTime(), "--down", [4, 3]], [bars[cursor]?.time, "--accent", []]]) {
      const x = time === undefined ? null : chart.timeScale().timeToCoordinate(time);
      if (x === null) continue;
      context.strokeStyle = css(colour);
      context.lineWidth = Math.max(1, Math.floor(ratio));
      context.setLineDash(dash.map((part) => part * ratio));
      context.beginPath();
      context.moveTo(Math.round(x * ratio) + 0.5, 0);
      context.lineTo(Math.round(x * ratio) + 0.5, bitmapSize.height);
      context.stroke();
    }
    context.setLineDash([]);
  });
  const view = { zOrder: () => "bottom", renderer: () => ({ draw }) };
  return { paneViews: () => [view] };
}

function paint() {
  const [up, down, line, soft] = ["--up", "--down", "--line", "--soft"].map(css);
  chart.applyOptions({
    layout: { textColor: soft, panes: { separatorColor: line, separatorHoverColor: line, enableResize: false } },
    grid: { vertLines: { color: line + "80" }, horzLines: { color: line + "80" } },
    crosshair: { vertLine: { color: soft, labelBackgroundColor: css("--strong") }, horzLine: { color: soft, labelBackgroundColor: css("--strong") } },
  });
  for (const lane of lanes) {
    lane.series.applyOptions({ color: css("--accent") });
    for (const [one, drawn] of lane.lines) drawn.applyOptions({ color: css(one.recovery ? "--up" : "--warn"), axisLabelColor: css("--strong"), axisLabelTextColor: css("--text") });
  }
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

const stateOf = (at) => (states[at] ? { time: bars[at].time, value: STATES[states[at]][0], color: css(STATES[states[at]][1]) } : { time: bars[at].time });
// A line over a stretch without values would claim what nobody knows: the piece that leads over it is not drawn.
function pointOf(lane, at) {
  const [value, next] = [lane.values[at], lane.values[at + 1]];
  if (value === null) return { time: bars[at].time };
  return next === null ? { time: bars[at].time, value, color: "transparent" } : { time: bars[at].time, value };
}

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
    strip?.update(stateOf(cursor), true);
    for (const lane of lanes) lane.series.update(pointOf(lane, cursor), true);
  } else {
    candles.setData(bars.map((one, at) => (at <= cursor ? candleOf(one) : { time: one.time })));
    volume.setData(bars.map((one, at) => (at <= cursor ? volumeOf(one) : { time: one.time })));
    strip?.setData(bars.map((one, at) => (at <= cursor ? stateOf(at) : { time: one.time })));
    for (const lane of lanes) lane.series.setData(bars.map((one, at) => (at <= cursor ? pointOf(lane, at) : { time: one.time })));
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
  tell();
  tape(bar);
}

// Lanes and states by bar: what the rule saw at the last step that a second holds; at the alert's second that of its firing.
function toLanes(data) {
  const first = Date.parse(data.lanes_from), fired = Date.parse(data.marker.time);
  const steps = bars.map((bar) => (bar.time === markerTime() ? fired : (bar.time + 1) * 1000)).map((end) => Math.floor((end - first) / data.sample_ms));
  lanes = data.lanes.map((lane) => ({ ...lane, values: steps.map((at) => lane.values[at] ?? null) }));
  const stretches = data.stretches.map((one) => ({ state: one.state, to: Date.parse(one.to) }));
  let at = 0;
  states = stretches.length === 0 ? [] : steps.map((step) => {
    const time = first + step * data.sample_ms;
    while (at < stretches.length && stretches[at].to < time) at += 1;
    return step >= 0 ? (stretches[at]?.state ?? "") : "";
  });
}

function worded(lane, value) {
  if (value === null) return "—";
  if (lane.unit === "truth") return value > 0 ? "true" : value < 0 ? "false" : "unknown";
  return plain.format(value).replace("-", "−") + (lane.unit === "%" ? " %" : lane.unit === "s" ? " s" : "");
}

// The values at the cursor: over each lane and in the list of the rule's terms.
function tell() {
  const text = (words, colour) => ({ lines: [{ text: words, color: css(colour), fontSize: 11, fontFamily: css("--sans") || "sans-serif" }] });
  if (strip) {
    const [, colour, word] = STATES[states[cursor]] ?? [0, "--soft", "—"];
    stripTitle.applyOptions(text(`The rule: ${word}`, states[cursor] === "false" ? "--soft" : colour));
  }
  for (const lane of lanes) {
    const value = worded(lane, lane.values[cursor]);
    lane.title.applyOptions(text(`${lane.term}: ${value}`, "--soft"));
    lane.row.textContent = value;
  }
}

function list(data) {
  const rows = lanes.map((lane) => {
    const row = document.createElement("div");
    lane.row = document.createElement("dd");
    row.append(Object.assign(document.createElement("dt"), { textContent: lane.term }), lane.row);
    return row;
  });
  $("terms").querySelector("dl").replaceChildren(...rows);
  $("terms").hidden = !rows.length;
  const more = data.lanes_left_out ? `${data.lanes_left_out} more terms are not drawn.` : "";
  $("lanes-note").textContent = [data.lanes_note, more].filter(Boolean).join(" ");
  $("lanes-note").hidden = !$("lanes-note").textContent;
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
  const [, colour, known] = STATES[states[cursor]] ?? [];
  const word = known ?? (over ? "resolved" : fired ? "firing" : "not yet fired");
  if ($("standing").textContent === word) return;
  $("standing").textContent = word;
  const tones = { "--down": "down", "--warn": "warn", "--accent": "accent" };
  $("standing").className = known ? (tones[colour] ?? "soft") : over ? "up" : fired ? "down" : "soft";
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
  const moment = () => bars.findIndex((bar) => bar.time >= markerTime());
  $("moment").addEventListener("click", () => jump(moment()));
  scrub.addEventListener("input", () => jump(Number(scrub.value)));
  chart.subscribeClick((event) => { if (event.time !== undefined) jump(event.time - bars[0].time); });
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
    const by = event.shiftKey ? 10 : 1;
    const to = { ArrowLeft: cursor - by, ArrowRight: cursor + by, Home: 0, End: bars.length - 1, a: moment(), A: moment() }[event.key];
    if (event.key === " ") { if (playing) pause(); else play(); }
    else if (to !== undefined) jump(to);
    else return;
    event.preventDefault();
  });
  for (const button of document.querySelectorAll("[data-theme-choice]")) {
    button.addEventListener("click", () => {
      document.documentElement.dataset.theme = button.dataset.themeChoice;
      for (const other of document.querySelectorAll("[data-theme-choice]")) other.setAttribute("aria-pressed", String(other === button));
      document.dispatchEvent(new Event("theme"));
    });
  }
  document.addEventListener("theme", () => { paint(); show(cursor); });
  matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => { paint(); show(cursor); });
}

function say(sentence, state) {
  box.replaceChildren(Object.assign(document.createElement("p"), { className: "wait soft", textContent: sentence }));
  box.dataset.state = state;
}

async function read() {
  const inline = $("replay-data");
  if (inline) return JSON.parse(inline.textContent);
  const query = new URLSearchParams({ alert_id: box.dataset.alert, minutes: box.dataset.minutes });
  const answer = await fetch(`/api/replay?${query}`, { headers: { Accept: "application/json" } });
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.error.message);
  return body.data;
}

async function load() {
  say("The minutes around the alert are being read.", "loading");
  let data;
  try {
    data = await read();
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
  toLanes(data);
  list(data);
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
