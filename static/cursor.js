// The time cursor: the address follows what is shown, the range follows the page, and charts are told of another moment.

const dragged = () => document.activeElement?.id === "cursor-scrub";
const text = (ms) => new Date(ms).toISOString().slice(0, 23).replace("T", " ").replace(/\.?0+$/, "");

document.addEventListener("input", (event) => {
  if (event.target.id !== "cursor-scrub") return;
  const words = text(Number(event.target.value));
  document.getElementById("cursor-time").textContent = words;
  event.target.setAttribute("aria-valuetext", `${words} UTC`);
  document.getElementById("cursor").dataset.state = "moving";
});

document.body.addEventListener("htmx:after:swap", () => {
  const app = document.getElementById("app");
  if (app.dataset.at === document.body.dataset.at) return;
  for (const name of ["source", "at"]) {
    if (app.dataset[name]) document.body.dataset[name] = app.dataset[name];
    else delete document.body.dataset[name];
  }
  if (app.dataset.address) history.replaceState(null, "", app.dataset.address);
  for (const field of document.querySelectorAll("#cursor input[name=at]")) {
    if (field !== document.activeElement || !dragged()) field.value = field.getAttribute("value");
  }
  document.dispatchEvent(new CustomEvent("moment"));
});
