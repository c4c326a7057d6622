const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const make = (tag, cls, text) => {
  const node = document.createElement(tag);
  if (cls) node.className = cls;
  if (text !== undefined) node.textContent = text;
  return node;
};
/* Nothing comes last, whichever way. */
const compare = (x, y, down) => {
  if (x === null || y === null) return (x === null) - (y === null);
  const way = typeof x === "number" ? x - y : x.localeCompare(y, undefined, {numeric: true});
  return down ? -way : way;
};

/* ---- controls that every page has ---- */
const onNumber = (set) => $("threshold-value").addEventListener("input", (event) => {
  const value = Number(event.target.value);
  if (event.target.value !== "" && Number.isFinite(value)) set(value);
});
const onFilter = (set) => $("filters").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  for (const other of $("filters").querySelectorAll("button")) {
    other.setAttribute("aria-pressed", String(other === button));
  }
  set(button.dataset.filter);
});
const option = (value, text) => {
  const node = make("option", "", text);
  node.value = value;
  return node;
};
