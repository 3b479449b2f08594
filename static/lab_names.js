// Names completed while one types: the word under the caret against the catalogue at the bottom of the page. A field says by
// `data-complete` which list is its own; the field of a rule needs not.
const MOST_NAMES = 8;
const names = new Map();
for (const row of document.querySelectorAll("#catalogue tr[data-name]")) {
  if (!names.has(row.dataset.name)) names.set(row.dataset.name, { signature: row.cells[0].textContent, doc: row.cells[1].textContent });
}

function complete(field, list) {
  field.setAttribute("role", "combobox");
  field.setAttribute("aria-autocomplete", "list");
  field.setAttribute("aria-controls", list.id);
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
      const item = Object.assign(document.createElement("li"), { id: `${list.id}-${at}`, role: "option" });
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
}

for (const field of document.querySelectorAll("#expression, [data-complete]")) {
  complete(field, document.getElementById(field.dataset.complete ?? "complete"));
}
