const PAGE = 60;
let current = null, threshold = 0, filter = "all", limit = PAGE;

/* ---- table ---- */
const table = $("table");
const heads = [...table.tHead.rows[0].cells];
function sortBy(column, descending) {
  const body = table.tBodies[0];
  const value = (row) => {
    const cell = row.cells[column];
    const raw = cell.dataset.value;
    return raw === undefined ? cell.textContent : raw === "" ? null : Number(raw);
  };
  body.append(...[...body.rows].sort((a, b) => compare(value(a), value(b), descending)));
  heads.forEach((head, i) => {
    if (i === column) head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  });
}
heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
  const was = head.getAttribute("aria-sort");
  const numeric = head.dataset.kind === "number";
  sortBy(column, was ? was === "ascending" : numeric);
}));
table.tBodies[0].addEventListener("click", (event) => {
  const row = event.target.closest("tr.pick");
  if (!row) return;
  event.preventDefault();
  show(row.dataset.category, row.dataset.run);
  $("detail").scrollIntoView({behavior: "smooth", block: "start"});
});

/* ---- what is shown ---- */
function verdict(image) {
  const flagged = image.score > threshold;
  if (image.label === null) return flagged ? "flag" : "pass";
  if (image.label) return flagged ? "found" : "missed";
  return flagged ? "alarm" : "pass";
}
const WORDS = {found: "defect found", missed: "missed", alarm: "false alarm", pass: "passed",
  flag: "anomalous"};

function show(category, run) {
  const choices = data.blocks.filter((b) => b.category === category);
  current = choices.find((b) => String(b.run) === String(run)) || choices[0];
  if (!current) return;
  $("category").value = category;
  const models = $("run");
  models.replaceChildren(...choices.map((b) => option(b.run, data.runs[b.run])));
  models.value = current.run;
  $("detail-title").textContent = data.runs.length > 1
    ? `${category}, ${data.runs[current.run]}` : category;
  [...table.tBodies[0].rows].forEach((row) => row.classList.toggle("on",
    row.dataset.category === category && row.dataset.run === String(current.run)));
  const stored = $("plot-store").content.querySelector(`[data-block="${current.id}"]`);
  $("plots").replaceChildren(...[...stored.cloneNode(true).children]);
  const scores = current.images.map((i) => i.score);
  const known = current.threshold === null ? [] : [current.threshold];
  let low = Math.min(...scores, ...known), high = Math.max(...scores, ...known);
  const pad = (high - low || 1) * 0.02;
  current.low = low - pad;
  current.high = high + pad;
  limit = PAGE;
  const labelled = current.images.some((i) => i.label !== null);
  $("counts").hidden = !labelled;
  learned();
}
function learned() {
  setThreshold(current.threshold === null ? current.high : current.threshold);
}
function digits(value) { return Number(value.toPrecision(6)); }
function setThreshold(value, from) {
  threshold = value;
  const share = (value - current.low) / (current.high - current.low);
  if (from !== "slider") $("threshold").value = Math.round(1000 * share);
  if (from !== "number") $("threshold-value").value = digits(value);
  const same = value === current.threshold;
  $("reset").disabled = same;
  $("threshold-note").textContent = current.threshold === null
    ? "No threshold could be learned: too few training images."
    : `${same ? "" : "Learned: " + digits(current.threshold) + ", from "}`
      + `${same ? "Learned from " : ""}${current.source}. An image is anomalous where its score `
      + `is above the threshold; moving it here changes this page only.`;
  count();
  gallery();
}
function count() {
  const n = {found: 0, missed: 0, alarm: 0, pass: 0, flag: 0};
  current.images.forEach((image) => { n[verdict(image)] += 1; });
  const ratio = (a, b) => b ? (100 * a / b).toFixed(1) + " %" : "n/a";
  $("tp").textContent = n.found;
  $("fn").textContent = n.missed;
  $("fp").textContent = n.alarm;
  $("tn").textContent = n.pass;
  $("recall").textContent = ratio(n.found, n.found + n.missed);
  $("precision").textContent = ratio(n.found, n.found + n.alarm);
  const hist = document.querySelector("#plots .hist");
  if (hist) {
    const d = hist.dataset;
    const at = (threshold - d.low) / (d.high - d.low);
    const x = Number(d.left) + Math.min(1, Math.max(0, at)) * (d.right - d.left);
    hist.querySelector(".cut").setAttribute("transform", `translate(${x} 0)`);
  }
  const place = (kind, x, y) => {
    const dot = document.querySelector(`#plots .${kind} .dot`);
    if (!dot) return;
    const visible = Number.isFinite(x) && Number.isFinite(y);
    dot.setAttribute("cx", visible ? 44 + x * 242 : -20);
    dot.setAttribute("cy", visible ? 196 - y * 168 : -20);
  };
  const recall = n.found / (n.found + n.missed);
  place("roc", n.alarm / (n.alarm + n.pass), recall);
  place("pr", recall, n.found / (n.found + n.alarm));
}

/* ---- gallery ---- */
function wanted(image) {
  if (filter === "all") return true;
  if (filter === "defect") return image.label === 1;
  if (filter === "good") return image.label === 0;
  return verdict(image) === filter;
}
function picture(image, layers, caption) {
  const figure = make("figure");
  const box = make("span", "pic");
  box.style.aspectRatio = String(image.ratio || 1);
  if (layers.length) {
    for (const source of layers) {
      const img = make("img");
      img.loading = "lazy";
      img.decoding = "async";
      img.alt = caption;
      img.src = source;
      box.append(img);
    }
  } else {
    box.classList.add("none");
    box.textContent = caption === "mask" && image.label === 0 ? "no defect" : "n/a";
  }
  if (caption === "heat map" && layers.length) box.classList.add("turbo");
  figure.append(box, make("figcaption", "", caption));
  return figure;
}
function source(index) {
  return index === undefined ? null : data.pictures[index];
}
function tiles(image) {
  const box = make("div", "tiles");
  const base = source(image.image), heat = source(image.heat), mask = source(image.mask);
  box.append(picture(image, base ? [base] : [], "image"));
  if (current.masks) box.append(picture(image, mask ? [mask] : [], "mask"));
  if (current.maps) {
    box.append(picture(image, heat ? [heat] : [], "heat map"));
    box.append(picture(image, base && heat ? [base, heat] : [], "overlay"));
  }
  return box;
}
function head(image) {
  const bar = make("div", "head");
  const who = make("span", "who", image.name);
  who.title = image.path;
  bar.append(who, make("span", "score", image.score.toPrecision(5)),
    make("span", "badge", WORDS[verdict(image)]));
  return bar;
}
function gallery() {
  const order = $("order").value;
  const chosen = current.images.filter(wanted).sort((a, b) => order === "high" ? b.score - a.score
    : order === "low" ? a.score - b.score : a.name.localeCompare(b.name, undefined, {numeric: true}));
  $("gallery").replaceChildren(...chosen.slice(0, limit).map((image) => {
    const card = make("article", `shot ${verdict(image)}`);
    card.append(head(image));
    if (image.image !== undefined) {
      if (!image.tiles || image.tilesOf !== current) {
        image.tiles = tiles(image);
        image.tilesOf = current;
      }
      card.append(image.tiles);
      image.tiles.onclick = () => zoom(image);
    }
    return card;
  }));
  $("empty").hidden = chosen.length > 0;
  $("more").hidden = chosen.length <= limit;
  $("shown").textContent = `${chosen.length} of ${current.images.length} images`;
}
function zoom(image) {
  $("zoom-body").replaceChildren(head(image), tiles(image));
  $("zoom").showModal();
}

/* ---- controls ---- */
$("zoom").addEventListener("click", () => $("zoom").close());
$("threshold").addEventListener("input", (event) => setThreshold(
  current.low + event.target.value / 1000 * (current.high - current.low), "slider"));
onNumber((value) => setThreshold(value, "number"));
$("reset").addEventListener("click", learned);
$("order").addEventListener("change", gallery);
$("more").addEventListener("click", () => { limit += PAGE; gallery(); });
onFilter((name) => {
  filter = name;
  limit = PAGE;
  gallery();
});
$("category").addEventListener("change", (event) => show(event.target.value, current.run));
$("run").addEventListener("change", (event) => show(current.category, event.target.value));
const names = [...new Set(data.blocks.map((b) => b.category))];
$("category").append(...names.map((name) => option(name, name)));
$("run-box").hidden = data.runs.length < 2;
if (data.blocks.length) {
  $("detail").hidden = false;
  show(data.blocks[0].category, data.blocks[0].run);
}
