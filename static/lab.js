// The rule lab: asks as one types, shows how far the answer is, takes a question back when it changes, and keeps the address.
import { draw, onThreshold, paint } from "./lab_chart.js";
import "./lab_names.js";

const form = document.getElementById("lab");
const field = document.getElementById("expression");
const working = document.getElementById("working");
const bar = document.getElementById("progress");
const words = document.getElementById("working-text");
const PAGE = crypto.getRandomValues(new Uint32Array(4)).join("-"); // A question of this page takes the place of its earlier one.
const TYPING_MS = 350, MOVING_MS = 120, PATIENCE_MS = 300;

let asking = null;
let timer = 0;

function parameters() {
  const found = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (value && name !== "symbols") found.set(name, value);
  const symbols = [...form.elements.symbols.selectedOptions].map((option) => option.value).join(",");
  if (symbols) found.set("symbols", symbols);
  return found;
}

function soon(after) {
  clearTimeout(timer);
  asking?.abort();
  timer = setTimeout(ask, after);
}

function tell(progress) {
  working.hidden = false;
  const share = Math.round(100 * progress.share);
  if (progress.place) {
    bar.removeAttribute("value");
    words.textContent = progress.place === 1 ? "Waiting: one question is before yours." : `Waiting: ${progress.place} questions are before yours.`;
  } else {
    bar.value = share;
    words.textContent = [`${share} %`, progress.symbol, `${progress.elapsed_s.toFixed(0)} s`].filter(Boolean).join(" · ");
  }
}

async function* lines(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    for (const part of parts) if (part) yield JSON.parse(part);
  }
}

async function ask() {
  const mine = asking = new AbortController();
  const began = performance.now();
  const query = parameters();
  history.replaceState(null, "", `?${query}`);
  query.set("page", PAGE);
  form.classList.add("asking");
  try {
    const answer = await fetch(`/stream/lab?${query}`, { signal: mine.signal });
    if (!answer.ok) throw new Error(answer.status === 429 ? "The lab was asked too often; wait a minute." : `The lab does not answer now (${answer.status}).`);
    for await (const event of lines(answer)) {
      if (event.type === "progress" && performance.now() - began > PATIENCE_MS) tell(event);
      if (event.type === "outcome") show(event.html);
    }
    if (mine === asking) rest();
  } catch (error) {
    if (mine !== asking || mine.signal.aborted) return;
    rest();
    working.hidden = false;
    bar.value = 0;
    words.textContent = error instanceof TypeError ? "The program cannot be reached; press Try it once it is back." : error.message;
  }
}

function rest() {
  working.hidden = true;
  words.textContent = "";
  form.classList.remove("asking");
}

function show(html) {
  const fresh = new DOMParser().parseFromString(html, "text/html").getElementById("outcome");
  document.getElementById("outcome").replaceWith(fresh);
  field.setAttribute("aria-invalid", String(Boolean(fresh.querySelector(".mistake mark"))));
  draw();
}

form.addEventListener("input", () => soon(TYPING_MS));
form.addEventListener("submit", (event) => { event.preventDefault(); soon(0); });
document.getElementById("cancel").addEventListener("click", () => {
  clearTimeout(timer);
  asking?.abort();
  rest();
  field.focus();
});
document.getElementById("main").addEventListener("click", (event) => {
  const take = event.target.closest("#take");
  if (!take || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  field.value = take.dataset.expression;
  soon(0);
});
onThreshold((expression) => {
  field.value = expression;
  soon(MOVING_MS);
});
document.addEventListener("theme", paint);
matchMedia("(prefers-color-scheme: light)").addEventListener("change", paint);
draw();
