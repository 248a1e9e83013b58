"use strict";
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const byId = (id) => document.getElementById(id);

// Sort by a column: numbers by size, other text by name, what is not known last.
(() => {
  const key = (row, column) => {
    const cell = row.cells[column];
    return "sort" in cell.dataset ? cell.dataset.sort : cell.textContent;
  };
  const compare = (a, b) => {
    if (a === "" || b === "") return (a === "") - (b === "");
    return isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b;
  };
  for (const button of all(".sortable th button")) {
    button.addEventListener("click", () => {
      const head = button.parentElement;
      const body = head.closest("table").tBodies[0];
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].map((row) => [key(row, head.cellIndex), row]);
      rows.sort(([a], [b]) => {
        const known = a !== "" && b !== "";
        return known && down ? compare(b, a) : compare(a, b);
      });
      body.append(...rows.map(([, row]) => row));
    });
  }
})();

// A cut-out is a link to its clip: with a script it plays where it is.
const play = (link, on = !link.classList.contains("playing")) => {
  const image = link.firstElementChild;
  image.dataset.still ??= image.getAttribute("src");
  link.classList.toggle("playing", on);
  image.src = on ? link.getAttribute("href") : image.dataset.still;
};
document.addEventListener("click", (event) => {
  const link = event.target.closest("a.clip");
  if (!link) return;
  event.preventDefault();
  play(link);
});

// Show what meets the filters; a recording of which nothing is left goes too.
const filters = (() => {
  const checked = (id) => Boolean(byId(id)?.checked);
  const chosen = (id) => byId(id)?.value ?? "*";
  const moment = (id) => (byId(id)?.value ? Date.parse(byId(id).value + "Z") / 1000 : NaN);
  const sections = all(".recording").map((section) => [section, all("tbody tr", section)]);
  // By classes, not by asking what is visible: that would lay out the whole page.
  const marks = all(".overlay [data-label], .name[data-label], .timeline [data-label], .map [data-label]");
  const listed = all(".of-the-night tbody tr");
  let shown = [];
  // Classes of the body, not :has(): that would be asked again with every row that the page gets.
  const switches = () => {
    for (const box of all('.controls input[type="checkbox"]')) {
      const [, name] = box.id.split("-");
      document.body.classList.toggle(`show-${name}`, box.checked);
      document.body.classList.toggle(`hide-${name}`, !box.checked);
    }
  };
  const show = () => {
    switches();
    const label = chosen("by-label"), camera = chosen("by-camera"), review = chosen("by-review");
    const least = Number(chosen("by-probability")) || 0, since = moment("since"), until = moment("until");
    const kinds = { accepted: true, rejected: checked("show-rejected"), camera: checked("show-camera") };
    const meets = (row) =>
      (label === "*" || row.dataset.label === label) &&
      (row.dataset.kind === "camera" || !(Number(row.dataset.p ?? 0) < least)) &&
      !(Number(row.dataset.t ?? NaN) < since) && !(Number(row.dataset.t ?? NaN) >= until) &&
      (isNaN(since) && isNaN(until) || "t" in row.dataset) &&
      (review === "" || review === "*" || ("verdict" in row.dataset || "said" in row.dataset) === (review === "done"));
    const passed = new Set();
    shown = [];
    for (const [section, rows] of sections) {
      const own = camera === "*" || section.dataset.camera === camera;
      let left = false;
      for (const row of rows) {
        const passes = own && meets(row);
        row.classList.toggle("filtered", !passes);
        if (passes) passed.add(row.id);
        if (passes && kinds[row.dataset.kind]) {
          left = left || kinds.rejected || !section.classList.contains("rejected-only");
          if (row.dataset.id) shown.push(row);
        }
      }
      section.classList.toggle("filtered", !left);
    }
    for (const mark of marks) {
      const target = mark.dataset.of ?? (mark.getAttribute("href") ?? "").slice(1);
      mark.classList.toggle("filtered", !passed.has(target));
    }
    for (const row of listed) row.classList.toggle("filtered", !passed.has(row.dataset.of));
    byId("none-shown").hidden = shown.length > 0 || !sections.length || sections.some(([s]) => !s.classList.contains("filtered"));
  };
  const controls = document.querySelector(".controls");
  controls.addEventListener("change", show);
  controls.addEventListener("submit", (event) => event.preventDefault());
  show();
  return { show, rows: () => shown };
})();
