// The rule's form beside the completion of names in lab_names.js: symbols found by a few letters, the lab's link with what is written.
const form = document.getElementById("rule");

if (form) {
  const find = document.getElementById("find-symbol");
  const symbols = document.getElementById("symbols");
  find.hidden = symbols.options.length < 12;
  find.addEventListener("input", (event) => {
    event.stopPropagation();
    const wanted = find.value.trim().toUpperCase();
    for (const option of symbols.options) option.hidden = !option.selected && !option.value.toUpperCase().includes(wanted);
  });
  find.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    const first = [...symbols.options].find((option) => !option.hidden && !option.selected);
    if (!first || !find.value.trim()) return;
    first.selected = true;
    find.value = "";
    for (const option of symbols.options) option.hidden = false;
    symbols.dispatchEvent(new Event("input", { bubbles: true }));
  });

  const link = document.getElementById("to-lab");
  const address = () => {
    const data = new FormData(form);
    const given = new URLSearchParams();
    for (const name of ["expression", "for", "recover", "keep_firing_for", "cooldown", "schedule", "intrabar"]) if (data.get(name)) given.set(name, data.get(name));
    if (data.get("scope") === "some" && data.getAll("symbols").length) given.set("symbols", data.getAll("symbols").slice(0, 20).join(","));
    link.href = `/alerts/lab?${given}`;
  };
  form.addEventListener("input", address);

  const wrong = document.getElementById("problem");
  if (wrong) (form.querySelector("[aria-invalid='true']") ?? wrong).focus();
}
