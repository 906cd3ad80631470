"use strict";
// Only what ties the libraries to the page: DataTables sorts and filters, Observable Plot draws.
const boards = JSON.parse(document.getElementById("data").textContent);
const SYMBOLS = ["circle", "square2", "triangle", "diamond", "cross", "star", "wye", "times", "asterisk"];
const EMPTY = (value) => value === "" || value === null || value === undefined;

// Gaps stand last in either direction.
const last = (sign) => (one, other) => EMPTY(one) ? (EMPTY(other) ? 0 : 1) : EMPTY(other) ? -1 : sign * (one - other);
DataTable.type("last", { order: { asc: last(1), desc: last(-1) } });

function scores(section) {
  const form = section.querySelector("form.filters");
  const element = section.querySelector("table.scores");
  const long = element.tBodies[0].rows.length > 60;  // drawing is what takes time in a sort
  const table = new DataTable(element, {
    paging: long, pageLength: 50, lengthMenu: [50, 100, { label: "all", value: -1 }], info: false, autoWidth: false, titleRow: 1, order: [[0, "asc"], [2, "asc"]],
    layout: { topStart: null, topEnd: null, bottomStart: long ? ["pageLength", "paging"] : null, bottomEnd: null },
    language: { lengthMenu: "_MENU_ encoders a page" },
  });
  const total = table.rows().count();
  const exactly = (wanted) => (value) => wanted === "" || value === wanted;
  table.on("draw", () => {
    const shown = new Set(table.rows({ search: "applied" }).nodes().toArray().map((row) => row.dataset.part));
    for (const part of section.querySelectorAll("details.encoder")) part.hidden = !shown.has(part.id);
    const count = shown.size === total ? `${total}` : `${shown.size} of ${total}`;
    form.querySelector("output").textContent = `${count} encoder${total === 1 ? "" : "s"}`;
  });
  const filter = () => {
    table.column("encoder:name").search(form.elements.encoder.value, { regex: false, smart: true });
    for (const { name, value } of form.querySelectorAll("[name=method], [name=pretraining]")) {
      table.column(`${name}:name`).search(exactly(value));
    }
    table.draw();
  };
  const columns = () => {
    const wanted = form.elements.quadrant.value;
    for (const box of form.querySelectorAll("[name=task]")) {
      const shown = box.checked && (wanted === "" || wanted === box.dataset.group);
      table.column(`task:${box.value}:name`).visible(shown, false);
    }
  };
  const all = () => { section.classList.toggle("spread", form.elements.intervals.checked); columns(); filter(); };
  form.addEventListener("input", (event) => {
    if (event.target.name === "intervals") section.classList.toggle("spread", event.target.checked);
    else if (["task", "quadrant"].includes(event.target.name)) columns();
    else filter();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(all));
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
