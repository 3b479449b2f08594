// Browser notifications and a sound for new alerts, both off until somebody switches them on; remembered in this browser.

const KEY = "notify";
const SEVERITIES = ["info", "warning", "critical"];
const quiet = { shown: [], sound: [], volume: 0.5 };
const channel = "BroadcastChannel" in window ? new BroadcastChannel("marketwatch-notify") : null;
let context = null;

function choice() {
  try { return { ...quiet, ...JSON.parse(localStorage.getItem(KEY) ?? "{}") }; } catch { return { ...quiet }; }
}

function keep(wanted) {
  localStorage.setItem(KEY, JSON.stringify(wanted));
  channel?.postMessage("changed");
}

// One tab tells: the first that holds the lock of an alert, in this browser.
async function once(id, work) {
  if (!navigator.locks) return work();
  return navigator.locks.request(`marketwatch-${id}`, async () => {
    const told = (() => { try { return JSON.parse(localStorage.getItem("notified") ?? "[]"); } catch { return []; } })();
    if (told.includes(id)) return undefined;
    localStorage.setItem("notified", JSON.stringify([...told, id].slice(-200)));
    return work();
  });
}

function show(alert) {
  if (!("Notification" in window) || Notification.permission !== "granted") return;
  const notice = new Notification(alert.title, { body: alert.text, tag: alert.id, requireInteraction: alert.severity === "critical" });
  notice.addEventListener("click", () => {
    window.focus();
    location.assign(alert.replay);
    notice.close();
  });
}

// Two short tones, higher and more often the more it matters; made here, so that no file has to be loaded.
function beep(severity, volume) {
  context ??= new AudioContext();
  const tones = { info: [660], warning: [660, 880], critical: [880, 660, 880, 660] }[severity] ?? [660];
  const start = context.currentTime + 0.02;
  tones.forEach((hertz, number) => {
    const tone = context.createOscillator();
    const gain = context.createGain();
    const at = start + number * 0.16;
    tone.frequency.value = hertz;
    gain.gain.setValueAtTime(0, at);
    gain.gain.linearRampToValueAtTime(0.3 * volume, at + 0.01);
    gain.gain.exponentialRampToValueAtTime(0.0001, at + 0.14);
    tone.connect(gain).connect(context.destination);
    tone.start(at);
    tone.stop(at + 0.15);
  });
}

// A notification is for who looks elsewhere: in front of them the page has its toast. The sound is for who asked for it, always.
function tell(alert) {
  const wanted = choice();
  const shown = wanted.shown.includes(alert.severity) && !document.hasFocus();
  const heard = wanted.sound.includes(alert.severity) && wanted.volume > 0;
  if (!shown && !heard) return;
  once(alert.id, () => {
    if (shown) show(alert);
    if (heard) beep(alert.severity, wanted.volume);
  });
}

document.addEventListener("alert", (event) => tell(event.detail));

// A page in the background gets no fragments, so it listens to the alerts themselves, if anything is switched on.
let source = null;

function listen() {
  const wanted = choice();
  if (!document.hidden || wanted.shown.length + wanted.sound.length === 0) {
    source?.close();
    source = null;
  } else if (!source) {
    let known = null;
    source = new EventSource("/api/alerts/stream");
    source.addEventListener("message", (event) => {
      const told = JSON.parse(event.data).data.filter((alert) => alert.state === "firing" && alert.context.notices > 0);
      const fresh = known === null ? [] : told.filter((alert) => !known.has(alert.alert_id));
      known = new Set([...(known ?? []), ...told.map((alert) => alert.alert_id)]);
      for (const alert of fresh) {
        const id = alert.alert_id;
        const text = alert.trigger_value === null ? alert.metric : `${alert.metric} was ${Number(alert.trigger_value.toPrecision(5))}`;
        const replay = `/replay?alert_id=${encodeURIComponent(id)}`;
        tell({ id, text, replay, severity: alert.severity, title: `${alert.symbol}: ${alert.rule_name}` });
      }
    });
  }
}

document.addEventListener("visibilitychange", listen);
listen();

const form = document.getElementById("notify");
if (form) {
  const state = form.querySelector("output");

  function say() {
    if (!("Notification" in window)) state.textContent = "This browser cannot show notifications.";
    else if (Notification.permission === "denied") state.textContent = "Notifications are blocked for this page; allow them in the browser's settings.";
    else state.textContent = "";
  }

  function fill() {
    const wanted = choice();
    for (const box of form.querySelectorAll("input[type=checkbox]")) box.checked = wanted[box.name].includes(box.value);
    form.elements.volume.value = wanted.volume;
    say();
  }

  form.addEventListener("change", async (event) => {
    const wanted = { shown: [], sound: [], volume: Number(form.elements.volume.value) };
    for (const box of form.querySelectorAll("input[type=checkbox]")) if (box.checked && SEVERITIES.includes(box.value)) wanted[box.name].push(box.value);
    keep(wanted);
    const asks = event.target.name === "shown" && event.target.checked && "Notification" in window && Notification.permission === "default";
    if (asks && (await Notification.requestPermission()) !== "granted") keep({ ...wanted, shown: [] });
    fill();
    listen();
  });
  form.querySelector("button").addEventListener("click", () => {
    beep("warning", Number(form.elements.volume.value));
    show({ id: "test", title: "This is a test", text: "So shows a new alert.", severity: "warning", replay: "/alerts" });
  });
  channel?.addEventListener("message", fill);
  form.closest("details").hidden = false;
  fill();
}
