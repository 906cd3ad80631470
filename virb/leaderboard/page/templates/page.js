"use strict";
// Tables sort and filter here; Observable Plot draws.
const boards = JSON.parse(document.getElementById("data").textContent);
const SYMBOLS = ["circle", "square2", "triangle", "diamond", "cross", "star", "wye", "times", "asterisk"];

// Numbers by their value and words as a reader orders them; gaps stand last in either direction.
const WORDS = new Intl.Collator(undefined, { sensitivity: "accent" });
function sorted(rows, place, numeric, sign) {
  const keys = new Map(rows.map((row) => [row, row.cells[place].dataset.order ?? row.cells[place].textContent.trim()]));
  const apart = numeric ? (one, other) => one - other : WORDS.compare;
  return [...rows].sort((one, other) => {
    const [first, second] = [keys.get(one), keys.get(other)];
    if (first === "" || second === "") return (first === "") - (second === "");
    return sign * apart(first, second);
  });
}

// Make heads of columns buttons: each press turns the order, the better end of a score first.
function sortable(heads, order) {
  for (const [place, head] of heads.entries()) {
    const button = document.createElement("button"), words = document.createElement("span");
    words.append(...head.childNodes);
    button.append(words);
    head.append(button);
    const turns = head.dataset.first === "descending" ? ["descending", "ascending"] : ["ascending", "descending"];
    head.addEventListener("click", () => {
      const turn = turns[head.ariaSort === turns[0] ? 1 : 0];
      for (const other of heads) other.removeAttribute("aria-sort");
      head.ariaSort = turn;
      order(place, head.dataset.type === "number", turn === "ascending" ? 1 : -1);
    });
  }
  heads[0].ariaSort = "ascending";
}

function scores(section) {
  const form = section.querySelector("form.filters");
  const body = section.querySelector("table.scores").tBodies[0];
  const heads = [...section.querySelectorAll("table.scores thead tr:last-child > th")];
  const named = (name) => heads.findIndex((head) => head.dataset.name === name);
  const pages = section.querySelector(".pages");
  const everyone = sorted([...body.rows], 0, true, 1);  // by place, and as they come by mean rank
  let rows = everyone, first = 0;
  const draw = () => {
    const wanted = form.elements.encoder.value.toLowerCase().split(/\s+/);
    const chosen = [...form.querySelectorAll("[name=method], [name=pretraining]")].filter((one) => one.value !== "");
    const found = rows.filter((row) => {
      const name = row.cells[named("encoder")].textContent.toLowerCase();
      return wanted.every((word) => name.includes(word))
        && chosen.every((one) => row.cells[named(one.name)].textContent.trim() === one.value);
    });
    const shown = new Set(found.map((row) => row.dataset.part));
    for (const part of section.querySelectorAll("details.encoder")) part.hidden = !shown.has(part.id);
    const count = shown.size === rows.length ? `${rows.length}` : `${shown.size} of ${rows.length}`;
    form.querySelector("output").textContent = `${count} encoder${rows.length === 1 ? "" : "s"}`;
    const size = pages ? Number(pages.querySelector("select").value) || found.length : found.length;
    if (first >= found.length) first = 0;
    body.replaceChildren(...found.slice(first, first + size));
    if (pages) numbered(pages.querySelector("nav"), found.length, size);
  };
  const numbered = (nav, count, size) => nav.replaceChildren(...Array.from({ length: Math.ceil(count / size) }, (_, page) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = page + 1;
    if (page * size === first) button.ariaCurrent = "page";
    button.addEventListener("click", () => { first = page * size; draw(); nav.children[page].focus(); });
    return button;
  }));
  const columns = () => {
    const wanted = form.elements.quadrant.value;
    const boxes = [...form.querySelectorAll("[name=task]")].filter((box) => box.checked && ["", box.dataset.group].includes(wanted));
    const tasks = new Set(boxes.map((box) => `task:${box.value}`));
    const gone = heads.map(({ dataset: { name } }) => Boolean(name?.startsWith("task:") && !tasks.has(name)));
    for (const row of [heads[0].parentElement, ...everyone, ...section.querySelectorAll("table.scores tfoot tr")]) {
      gone.forEach((hidden, place) => { row.cells[place].hidden = hidden; });
    }
    for (const group of section.querySelectorAll("th[data-group]")) {
      const count = boxes.filter((box) => box.dataset.group === group.dataset.group).length;
      group.hidden = count === 0;
      group.colSpan = count || 1;
    }
  };
  sortable(heads, (...by) => { rows = sorted(everyone, ...by); first = 0; draw(); });
  const all = () => { section.classList.toggle("spread", form.elements.intervals.checked); columns(); first = 0; draw(); };
  form.addEventListener("input", (event) => {
    if (event.target.name === "intervals") section.classList.toggle("spread", event.target.checked);
    else if (["task", "quadrant"].includes(event.target.name)) columns();
    else { first = 0; draw(); }
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(all));
  pages?.querySelector("select").addEventListener("input", () => { first = 0; draw(); });
  draw();
}

function points(board, x, y) {
  const { divisor } = board.tasks[y];
  const across = board.tasks[x].divisor;
  return board.encoders.flatMap((encoder, place) => {
    const one = board.scores[x][place], other = board.scores[y][place];
    if (one === null || other === null) return [];
    const [value, low, high] = other.slice(0, 3).map((number) => number === null ? null : number / divisor);
    const title = `${encoder}\n${board.tasks[x].name}: ${one[3]}\n${board.tasks[y].name}: ${other[3]}`;
    return [{ place, x: one[0] / across, y: value, low, high, task: board.tasks[y].label, title }];
  });
}

function panel(board, x, members, mark, spread, width) {
  const labels = members.map((y) => board.tasks[y].label);
  const data = members.flatMap((y) => points(board, x, y));
  const colours = labels.map((_, place) => `var(--c${place % 9})`);
  const symbols = labels.map((_, place) => SYMBOLS[(place + Math.floor(place / 9)) % 9]);
  const seen = Map.groupBy(data, (point) => point.task);
  const fitted = data.filter((point) => new Set(seen.get(point.task).map((one) => one.x)).size > 2);
  const many = fitted.filter((point) => seen.get(point.task).length >= 5);  // a band over fewer hides everything
  const few = fitted.filter((point) => seen.get(point.task).length < 5);
  const marked = data.filter((point) => mark !== "" && point.place === Number(mark));
  const percent = (places) => places.every((place) => board.tasks[place].share);
  const look = data.length > 400 ? { r: 2, strokeWidth: 0.8, strokeOpacity: 0.6 } : { r: 3 };
  return Plot.plot({
    width, height: Math.min(420, Math.max(300, width * 0.62)), marginLeft: 46, marginBottom: 42, grid: true, inset: 6,
    style: { fontSize: "12px" },
    x: { label: `${board.tasks[x].label}${percent([x]) ? ", %" : ""} →`, labelAnchor: "center", percent: percent([x]) },
    y: { label: `↑ score${percent(members) ? ", %" : ""}`, nice: true, percent: percent(members) },
    color: { domain: labels, range: colours }, symbol: { domain: labels, range: symbols, legend: true },
    ariaLabel: `Scores of ${labels.join(", ")} against ${board.tasks[x].name}`,
    marks: [
      spread ? Plot.ruleX(data.filter((point) => point.low !== null), { x: "x", y1: "low", y2: "high", stroke: "task", strokeOpacity: 0.55 }) : null,
      Plot.dot(data, { x: "x", y: "y", stroke: "task", symbol: "task", fill: "task", fillOpacity: 0.35, ...look }),
      ...[[few, 0], [many, 0.95]].map(([part, ci]) =>
        Plot.linearRegressionY(part, { x: "x", y: "y", stroke: "task", strokeWidth: 1.6, fillOpacity: 0.14, ci, clip: "frame" })),
      Plot.dot(marked, { x: "x", y: "y", stroke: "currentColor", r: 8, strokeWidth: 2 }),
      Plot.tip(data, Plot.pointer({ x: "x", y: "y", title: "title", maxRadius: 30, lineWidth: 24 })),
    ],
  });
}

function coefficients(board, x, chosen) {
  const text = (span) => span[0] === null ? "–" : `${span[0].toFixed(2)} [${span[1].toFixed(2)}, ${span[2].toFixed(2)}]`;
  return chosen.map((y) => {
    const [count, ...spans] = board.pairs[`${Math.min(x, y)}-${Math.max(x, y)}`];
    const row = document.createElement("tr");
    row.dataset.task = board.tasks[y].name;
    [board.tasks[y].label, count, ...spans.map(text)].forEach((value, place) => {
      const cell = document.createElement(place ? "td" : "th");
      if (!place) cell.scope = "row";
      cell.textContent = value;
      row.append(cell);
    });
    return row;
  });
}

function plots(section, board) {
  const form = section.querySelector("form.axes");
  if (!form) return () => {};
  const panels = section.querySelector(".panels");
  const draw = () => {
    const x = Number(form.elements.x.value);
    const chosen = [...form.querySelectorAll("[name=y]:checked")].map((box) => Number(box.value)).filter((y) => y !== x);
    const groups = Map.groupBy(chosen, (y) => board.tasks[y].group);
    const width = parseFloat(getComputedStyle(panels).gridTemplateColumns);  // of the first column
    panels.replaceChildren(...[...groups].map(([name, members]) => {
      const box = document.createElement("section");
      const head = document.createElement("h4");
      head.textContent = name.replace("-", "-level, ");
      box.append(head, panel(board, x, members, form.elements.mark.value, form.elements.spread.checked, width));
      return box;
    }));
    section.querySelector(".coefficients tbody").replaceChildren(...coefficients(board, x, chosen));
  };
  form.addEventListener("input", draw);
  form.addEventListener("reset", () => setTimeout(draw));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.elements.nothing.addEventListener("click", () => {
    for (const box of form.querySelectorAll("[name=y]")) box.checked = false;
    draw();
  });
  return draw;
}

const drawn = new Map();
function show(id) {
  for (const section of document.querySelectorAll("section.board")) section.hidden = section.id !== id;
  const section = document.getElementById(id);
  if (!drawn.has(id)) {
    scores(section);
    drawn.set(id, plots(section, boards[Number(section.dataset.number)]));
  }
  drawn.get(id)();
}

// A link to an encoder opens its part, and the board it stands on.
function follow() {
  const target = location.hash.length > 1 ? document.getElementById(location.hash.slice(1)) : null;
  const section = target?.closest("section.board");
  if (!section) return;
  if (section.hidden) { which.value = section.id; show(section.id); }
  if (target.matches("details")) { target.open = true; target.querySelector("summary").focus(); }
  target.scrollIntoView();
}

const which = document.getElementById("which");
which?.addEventListener("input", () => show(which.value));
document.getElementById("scheme").addEventListener("input", (event) => {
  document.documentElement.style.colorScheme = event.target.value;
});
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll(".menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  const link = event.target.closest?.("a[href^='#encoder-']");
  if (link && link.getAttribute("href") === location.hash) follow();
});
document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && document.activeElement?.closest(".menu[open]");
  if (menu) { menu.open = false; menu.querySelector("summary").focus(); }
});
let before = innerWidth;
addEventListener("resize", () => {
  if (innerWidth === before) return;
  before = innerWidth;
  for (const [id, draw] of drawn) if (!document.getElementById(id).hidden) draw();
});
addEventListener("hashchange", follow);
if (boards.length) show("board-0");
follow();
