// Comforts on top of pages that work without them: link state, clock, theme, search keys, dismissed notices, live filter.

const root = document.documentElement;
const body = document.body;
const boot = document.querySelector('meta[name="boot"]').content;

// The stream: lost and found again. A beat comes every second; silence for five means that the line is dead.
let lastBeat = performance.now();
let failures = 0;
const stream = document.getElementById("stream");

function link(state) {
  if (body.dataset.link !== state) body.dataset.link = state;
}

function alive() {
  lastBeat = performance.now();
  failures = 0;
  link("live");
}

function reload() {
  if (document.activeElement?.matches("input") && document.activeElement.value) {
    document.activeElement.addEventListener("blur", () => location.reload(), { once: true });
  } else {
    location.reload();
  }
}

if (stream) {
  stream.addEventListener("htmx:sse:after:connection", alive);
  stream.addEventListener("htmx:sse:after:message", alive);
  stream.addEventListener("htmx:sse:before:connection", (event) => {
    if (event.detail.connection.attempt > 0 && !document.hidden) link("lost");
  });
  stream.addEventListener("htmx:sse:error", (event) => {
    link("lost");
    failures += 1;
    if (event.detail.status === 404 && failures > 2) reload();
  });
  for (const name of ["htmx:error", "htmx:response:error", "htmx:sse:close"]) {
    stream.addEventListener(name, () => { if (!document.hidden) link("lost"); });
  }
  setInterval(() => {
    if (!document.hidden && performance.now() - lastBeat > 5000) link("lost");
    if (!document.hidden && performance.now() - lastBeat > 60000) reload();
  }, 1000);
  document.addEventListener("visibilitychange", () => { lastBeat = performance.now(); });
}

// The clock goes on by itself and is set right by every beat. Another boot id means another program: load it.
const clock = document.getElementById("clock");
let offset = Number(clock.dataset.now) - Date.now();

function showTime() {
  const text = new Date(Date.now() + offset).toISOString().slice(11, 19) + " UTC";
  if (clock.textContent !== text) clock.textContent = text;
}

new MutationObserver(() => {
  offset = Number(clock.dataset.now) - Date.now();
  if (clock.dataset.boot !== boot) reload();
}).observe(clock, { attributes: true, attributeFilter: ["data-now", "data-boot"] });
if (body.dataset.source === "live" || body.dataset.source === "demo") setInterval(showTime, 1000);

// Theme: the buttons post without this; with it they act at once.
document.querySelector(".theme").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  event.preventDefault();
  document.cookie = `theme=${button.value}; path=/; max-age=31536000; samesite=lax`;
  if (button.value === "auto") delete root.dataset.theme;
  else root.dataset.theme = button.value;
  for (const other of button.parentElement.querySelectorAll("button")) other.setAttribute("aria-pressed", String(other === button));
  document.dispatchEvent(new CustomEvent("theme"));
});

// Search: "/" goes there, arrows walk through what was found, Escape leaves.
const search = document.getElementById("search");
const found = document.getElementById("found");

function walk(step) {
  const links = [...found.querySelectorAll("a:not(.star)")];
  const next = links.indexOf(document.activeElement) + step;
  if (next < 0) search.focus();
  else links[Math.min(next, links.length - 1)]?.focus();
}

document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && !event.target.matches("input, textarea, select")) {
    event.preventDefault();
    search.focus();
    search.select();
  }
});
search.form.addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    walk(event.key === "ArrowDown" ? 1 : -1);
  } else if (event.key === "Escape") {
    search.value = "";
    found.replaceChildren();
    search.blur();
  }
});
search.form.addEventListener("focusout", (event) => {
  if (!search.form.contains(event.relatedTarget)) setTimeout(() => { if (!search.form.contains(document.activeElement)) found.replaceChildren(); }, 120);
});

// Notices that were dismissed stay away for this tab.
function dismissed() {
  try { return JSON.parse(sessionStorage.getItem("dismissed") ?? "[]"); } catch { return []; }
}

function hideDismissed() {
  const keys = dismissed();
  for (const notice of document.querySelectorAll(".notice")) notice.hidden = keys.includes(notice.dataset.key);
}

document.addEventListener("click", (event) => {
  const notice = event.target.closest(".dismiss")?.closest(".notice");
  if (!notice) return;
  sessionStorage.setItem("dismissed", JSON.stringify([...dismissed(), notice.dataset.key].slice(-50)));
  hideDismissed();
});
hideDismissed();
new MutationObserver(hideDismissed).observe(document.querySelector("main"), { childList: true, subtree: false });
document.body.addEventListener("htmx:after:settle", (event) => { if (event.target.id === "notices") hideDismissed(); });

// The table's filter writes itself into the address, so that a reload and a shared link show the same.
document.querySelector(".filter")?.addEventListener("input", (event) => {
  const parameters = new URLSearchParams(new FormData(event.currentTarget));
  for (const [name, value] of [...parameters]) if (!value) parameters.delete(name);
  history.replaceState(null, "", parameters.size ? `?${parameters}` : location.pathname);
});

// Toasts: every alert that is told of shows once, on whichever page is open, and is remembered so that no other page repeats it.
// What a page finds when it opens shows only while it is fresh; what comes in while it is open always does.
const toasts = document.getElementById("toasts");
const FRESH_MS = 30000;
const STAYS_MS = 12000;
const MOST_TOASTS = 3;

function toldKeys() {
  try { return JSON.parse(localStorage.getItem("told") ?? "[]"); } catch { return []; }
}

// Two windows that are both seen learn of an alert in the same moment: one of them at a time looks and remembers.
function tell(oldest) {
  if (navigator.locks) navigator.locks.request("marketwatch-told", () => tellNow(oldest));
  else tellNow(oldest);
}

function tellNow(oldest) {
  const told = document.getElementById("told");
  const keys = toldKeys();
  const fresh = [...(told?.children ?? [])].reverse().filter((item) => !keys.includes(item.dataset.key));
  if (!fresh.length) return;
  localStorage.setItem("told", JSON.stringify([...keys, ...fresh.map((item) => item.dataset.key)].slice(-200)));
  for (const item of fresh) {
    if (Number(item.dataset.time) < oldest) continue;
    toast(item);
    document.dispatchEvent(new CustomEvent("alert", { detail: { ...item.dataset, title: item.children[0].textContent, text: item.children[1].textContent } }));
  }
}

// What the owner does by a button of `form.act`: sent without leaving the page, which the stream then brings up to date.
// The same thing is not sent twice at once; its button stays usable, for the stream may make another one of it before the answer is here.
const sending = new Set();

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.matches("form.act")) return;
  event.preventDefault();
  const box = form.closest(".toast");
  const body = new URLSearchParams(new FormData(form, event.submitter));
  const key = `${form.action}?${body}`;
  if (sending.has(key)) return;
  sending.add(key);
  try {
    const answer = await fetch(form.action, { method: "POST", body, redirect: "manual" });
    if (answer.type === "opaqueredirect") {
      box?.remove();
      if (!stream) location.reload();
    } else {
      say(answer.status === 401 ? "Only the owner may do this; sign in as the owner first." : "This did not work; load the page and try again.");
    }
  } catch {
    say("The program does not answer; nothing was changed.");
  } finally {
    sending.delete(key);
  }
});

function say(text) {
  const box = Object.assign(document.createElement("div"), { className: "toast critical" });
  box.append(Object.assign(document.createElement("i"), { className: "sev" }), Object.assign(document.createElement("p"), { textContent: text }));
  toasts.append(box);
  fade(box);
}

function act(item, action, label, name, value) {
  const form = Object.assign(document.createElement("form"), { className: "act", method: "post", action });
  const field = Object.assign(document.createElement("input"), { type: "hidden", name: "alert_id", value: item.dataset.id });
  const button = Object.assign(document.createElement("button"), { className: "chip", textContent: label });
  if (name) Object.assign(button, { name, value });
  form.append(field, button);
  return form;
}

function toast(item) {
  const box = Object.assign(document.createElement("div"), { className: `toast ${item.dataset.severity}` });
  const link = Object.assign(document.createElement("a"), { href: "/alerts" });
  link.append(...[...item.children].map((part) => part.cloneNode(true)));
  const close = Object.assign(document.createElement("button"), { className: "dismiss", type: "button", textContent: "×" });
  close.setAttribute("aria-label", "Dismiss this alert's notice");
  close.addEventListener("click", () => box.remove());
  const acts = Object.assign(document.createElement("div"), { className: "acts owner-only" });
  acts.append(
    act(item, "/alerts/acknowledge", "Acknowledge"),
    act(item, "/alerts/snooze", "Snooze 1 h", "for", "1h"),
    act(item, "/alerts/snooze", "Until tomorrow", "for", "tomorrow"),
  );
  box.append(Object.assign(document.createElement("i"), { className: "sev" }), link, close, acts);
  box.dataset.key = item.dataset.key;
  toasts.append(box);
  while (toasts.children.length > MOST_TOASTS) toasts.firstElementChild.remove();
  if (item.dataset.severity !== "critical") fade(box);
}

function fade(box) {
  setTimeout(() => { if (box.matches(":hover, :focus-within")) fade(box); else box.remove(); }, STAYS_MS);
}

tell(Number(clock.dataset.now) - FRESH_MS);
new MutationObserver(() => tell(0)).observe(document.querySelector(".state"), { childList: true, subtree: true });
