const picture = (index, alt) => {
  const img = make("img");
  img.alt = alt;
  img.decoding = "async";
  img.src = data.pictures[index];
  return img;
};
const digits = (value) => String(Number(value.toPrecision(5)));
let threshold = data.threshold === null ? Infinity : data.threshold;
let filter = "all", key = "score", down = true, chosen = null;

/* ---- verdicts ---- */
const verdict = (image) => image.score === null ? "none" : image.score > threshold ? "1" : "0";
const WORDS = {1: data.words[1], 0: data.words[0], none: "not scored"};
const known = data.images.filter((i) => i.score !== null).map((i) => i.score);
const ends = data.threshold === null ? known : [...known, data.threshold];
const low = ends.length ? ends.reduce((a, b) => Math.min(a, b)) : 0;
const high = ends.length ? ends.reduce((a, b) => Math.max(a, b)) : 1;
const pad = (high - low || 1) * 0.02;
function setThreshold(value, from) {
  threshold = value;
  const share = (value - low + pad) / (high - low + 2 * pad);
  if (from !== "slider") $("threshold").value = Math.round(1000 * Math.min(1, Math.max(0, share)));
  if (from !== "number") $("threshold-value").value = Number.isFinite(value) ? digits(value) : "";
  const same = value === (data.threshold === null ? Infinity : data.threshold);
  $("reset").disabled = same;
  $("threshold-note").textContent = data.threshold === null
    ? "No threshold could be learned: too few good photos."
    : same ? "as learned; moving it changes this page only"
      : `learned: ${digits(data.threshold)}; moving it changes this page only`;
  const n = {1: 0, 0: 0, none: 0};
  for (const image of data.images) if (image.group === 0) n[verdict(image)] += 1;
  $("tally").replaceChildren(make("b", "hit", `${n[1]} ${WORDS[1]}`), make("b", "fine", `${n[0]} ${WORDS[0]}`));
  if (n.none) $("tally").append(make("b", "", `${n.none} not scored`));
  for (const image of data.images) mark(image);
  list();
  if (chosen) head();
}
function mark(image) {
  const now = verdict(image);
  if (image.now === now) return;
  image.now = now;
  const cell = image.row.cells[3];
  cell.replaceChildren(make("span", `badge v${now}`, WORDS[now]));
}

/* ---- table ---- */
const body = $("table").tBodies[0];
const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    seen.unobserve(entry.target);
    const image = data.images[entry.target.dataset.number];
    entry.target.append(picture(image.image, ""));
    if (image.heat !== undefined) entry.target.append(picture(image.heat, ""));
  }
}, {root: $("list"), rootMargin: "300px"});
data.images.forEach((image, number) => {
  const row = make("tr", "pick");
  const thumb = make("span", "thumb");
  thumb.dataset.number = number;
  if (image.image !== undefined) seen.observe(thumb);
  const button = make("button", "link", image.name);
  button.type = "button";
  button.title = image.path;
  button.tabIndex = -1;
  const cells = [make("td"), make("td", "name"), make("td", "", image.score === null ? "" : image.score.toPrecision(5)),
    make("td", "name"), make("td", "name told", image.warnings.map((w) => w.split(":")[0]).join(", "))];
  cells[0].append(thumb);
  cells[1].append(button);
  row.append(...cells);
  row.addEventListener("click", () => { choose(image); button.focus({preventScroll: true}); });
  image.row = row;
  image.button = button;
  image.text = `${image.path} ${image.warnings.join(" ")} ${image.error || ""}`.toLowerCase();
});
const VALUES = {
  name: (i) => i.path, score: (i) => i.score,
  verdict: (i) => ({none: 0, 0: 1, 1: 2})[verdict(i)], warnings: (i) => i.warnings.length,
};
function ordered(images) {
  const value = VALUES[key];
  return images.sort((a, b) => compare(value(a), value(b), down)
    || (b.score ?? -Infinity) - (a.score ?? -Infinity));
}
let visible = [];
function list() {
  const words = $("text").value.trim().toLowerCase(), warned = $("warned").value;
  const group = Number($("group").value);
  visible = ordered(data.images.filter((i) => i.group === group
    && (filter === "all" || verdict(i) === filter)
    && (!warned || (warned === "none" ? !i.warnings.length : warned === "some" ? i.warnings.length
      : i.warnings.some((w) => w.split(":")[0] === warned)))
    && i.text.includes(words)));
  const focused = document.activeElement;
  body.replaceChildren(...visible.map((i) => i.row));
  if (focused && focused.isConnected && body.contains(focused)) focused.focus({preventScroll: true});
  $("empty").hidden = visible.length > 0;
  $("shown").textContent = `${visible.length} of ${data.images.filter((i) => i.group === group).length} shown`;
  if (!visible.includes(chosen)) choose(visible[0] || null);
  rove();
}
function rove() {
  for (const image of visible) image.button.tabIndex = image === chosen ? 0 : -1;
}
$("table").tHead.addEventListener("click", (event) => {
  const head = event.target.closest("th");
  if (!head || !head.dataset.key) return;
  const was = head.getAttribute("aria-sort");
  key = head.dataset.key;
  down = was ? was === "ascending" : key !== "name";
  for (const other of $("table").tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  list();
});
body.addEventListener("keydown", (event) => {
  const at = visible.indexOf(chosen);
  const to = {ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: visible.length - 1,
    PageDown: Math.min(at + 10, visible.length - 1), PageUp: Math.max(at - 10, 0)}[event.key];
  if (to === undefined) return;
  event.preventDefault();
  if (!visible[to]) return;
  choose(visible[to]);
  chosen.button.focus({preventScroll: true});
  chosen.row.scrollIntoView({block: "nearest"});
});

/* ---- the chosen image ---- */
function head() {
  const now = verdict(chosen);
  $("verdict").className = `badge v${now}`;
  $("verdict").textContent = WORDS[now];
  $("verdict").hidden = !data.decides && now !== "none";
  const parts = chosen.score === null ? [] : [`${data.score} ${digits(chosen.score)}`];
  if (data.decides && Number.isFinite(threshold) && parts.length) parts.push(`threshold ${digits(threshold)}`);
  if (chosen.size) parts.push(`${chosen.size[0]} × ${chosen.size[1]} pixels`);
  $("figures").textContent = parts.join(" · ");
}
function boxed(figure, box, within, cls) {
  const mark = make("span", cls);
  const [x, y, width, height] = box, [left, top, wide, high] = within;
  mark.style.left = `${100 * (x - left) / wide}%`;
  mark.style.top = `${100 * (y - top) / high}%`;
  mark.style.width = `${100 * width / wide}%`;
  mark.style.height = `${100 * height / high}%`;
  figure.append(mark);
}
function crop(title, text, index, within, box) {
  const figure = make("figure"), frame = make("span", "pic crop");
  if (index === undefined) {
    frame.classList.add("none");
    frame.textContent = "no picture";
  } else {
    frame.style.aspectRatio = `${within[2]} / ${within[3]}`;
    frame.append(picture(index, `${title}: ${text}`));
    if (box) boxed(frame, box, within, "frame");
  }
  const caption = make("figcaption");
  caption.append(make("b", "", title), make("br"), text);
  figure.append(frame, caption);
  return figure;
}
function choose(image) {
  if (chosen) { chosen.row.classList.remove("on"); chosen.button.removeAttribute("aria-current"); }
  chosen = image;
  $("detail").hidden = !image;
  if (!image) return;
  image.row.classList.add("on");
  image.button.setAttribute("aria-current", "true");
  rove();
  $("who").textContent = image.name;
  $("who").title = image.path;
  head();
  const notes = [...image.warnings, ...(image.error ? [image.error] : [])];
  $("notes").replaceChildren(...notes.map((note) => make("span", "warn", note)));
  $("whole").hidden = image.image === undefined;
  $("pair").replaceChildren();
  if (image.image === undefined) {
    if (!image.error) $("pair").append(make("p", "soft", data.unpictured));
    return;
  }
  const stage = $("stage");
  stage.style.aspectRatio = `${image.size[0]} / ${image.size[1]}`;
  // As wide as fits the window: size follows the image.
  stage.style.maxWidth = `min(100%, ${Math.max(200, image.size[0])}px, calc(46vh * ${image.size[0] / image.size[1]}))`;
  stage.replaceChildren(picture(image.image, `${image.name}, whole`));
  const heat = image.heat !== undefined;
  if (heat) {
    const layer = picture(image.heat, "heat map");
    layer.id = "heat";
    stage.append(layer);
  }
  if (image.crop) boxed(stage, image.crop.at, [0, 0, ...image.size], "frame");
  $("whole").querySelector(".slim").hidden = !heat;
  $("legend").hidden = $("key").hidden = !heat;
  if (heat) { strength(); legend(image); }
  if (image.crop) {
    const [x, y, wide, high] = image.crop.at;
    $("pair").append(crop("Full resolution", `${wide} × ${high} pixels at (${x}, ${y}); circle: the highest value`,
      image.crop.picture, image.crop.at));
    const [px, py] = image.crop.peak, ring = Math.max(8, wide / 12);
    boxed($("pair").querySelector(".crop"), [px - ring / 2, py - ring / 2, ring, ring], image.crop.at, "ring");
  }
  const good = image.good;
  if (good && good.picture !== undefined) {
    const [x, y, wide, high] = good.at;
    const file = good.file.split("/").slice(-2).join("/");
    $("pair").append(crop("Nearest good photo", `${file}, ${wide} × ${high} pixels at (${x}, ${y})`
      + (good.box ? "; frame: the patch that the place was compared with" : "; the patch is of a turned copy"),
      good.picture, good.at, good.box));
    $("pair").lastChild.title = good.file;
  } else if (good || data.no_good) {
    $("pair").append(crop("Nearest good photo", good ? good.why : data.no_good));
  }
}
function strength() {
  const layer = $("heat");
  if (layer) layer.style.opacity = $("heat-on").checked ? $("strength").value / 100 : 0;
}
function legend(image) {
  const {floor, threshold: half} = data.scale;
  const unit = (value) => { const e = Math.max(0, value - floor); return e / (e + half - floor); };
  const marks = [[floor, "no colour below"], [image.top, "highest here"]];
  if (data.map_threshold !== null) marks.push([data.map_threshold, "map threshold"]);
  marks.sort((a, b) => a[0] - b[0]);
  $("ticks").replaceChildren(...marks.map(([value, name], i) => {
    const tick = make("span", "tick");
    tick.style.left = `${100 * unit(value)}%`;
    tick.style.top = `${i * 1.35}em`;
    const late = unit(value) > 0.6;
    tick.classList.toggle("late", late);
    tick.append(make("span", "", `${name} ${digits(value)}`));
    return tick;
  }));
  $("ticks").style.height = `${marks.length * 1.35}em`;
  $("legend").setAttribute("aria-label",
    `colours of the heat map: ${marks.map(([v, n]) => `${n} ${digits(v)}`).join(", ")}`);
  $("key").textContent = image.outlined ? "White line: defect regions at the learned threshold. Blue frame: shown at full resolution below."
    : "Blue frame: shown at full resolution below.";
}

/* ---- controls ---- */
$("threshold").addEventListener("input", (event) => setThreshold(
  low - pad + event.target.value / 1000 * (high - low + 2 * pad), "slider"));
onNumber((value) => setThreshold(value, "number"));
$("reset").addEventListener("click", () => setThreshold(data.threshold === null ? Infinity : data.threshold));
onFilter((name) => {
  filter = name;
  list();
});
for (const id of ["group", "warned"]) $(id).addEventListener("change", list);
$("text").addEventListener("input", list);
$("heat-on").addEventListener("change", strength);
$("strength").addEventListener("input", strength);
$("group").append(...data.groups.map((name, i) => option(i, name)));
$("group-box").hidden = data.groups.length < 2;
const kinds = [...new Set(data.images.flatMap((i) => i.warnings.map((w) => w.split(":")[0])))].sort();
$("warned").append(...kinds.map((kind) => option(kind, kind)));
$("decide").hidden = !data.decides;
for (const cell of ["1", "0"]) $("filters").querySelector(`[data-filter="${cell}"]`).hidden = !data.decides;
$("filters").querySelector('[data-filter="none"]').hidden = !data.images.some((i) => i.score === null);
$("table").classList.toggle("plainly", !data.decides);
if (data.strip !== null) $("strip").append(picture(data.strip, ""));
setThreshold(threshold);
