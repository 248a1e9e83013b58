"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // Sort by a column: numbers by size, other text by name, what is not known last.
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

  // Show one label only; a recording of which nothing is left goes too.
  const select = document.getElementById("by-label");
  const controls = document.querySelector(".controls");
  const sections = all(".recording");
  const checked = (id) => Boolean(document.getElementById(id)?.checked);
  const show = () => {
    const label = select.value;
    for (const item of all("[data-label]")) {
      item.classList.toggle("filtered", label !== "" && item.dataset.label !== label);
    }
    // By classes, not by asking what is visible: that would lay out the whole page.
    const kinds = { accepted: true, rejected: checked("show-rejected"), camera: checked("show-camera") };
    const meets = (row) => !row.classList.contains("filtered") && kinds[row.dataset.kind];
    const left = sections.map(
      (section) =>
        (kinds.rejected || !section.classList.contains("rejected-only")) && all("tbody tr", section).some(meets),
    );
    sections.forEach((section, i) => section.classList.toggle("filtered", !left[i]));
    document.getElementById("none-shown").hidden = left.includes(true) || !sections.length;
  };
  controls.addEventListener("change", show);
  controls.addEventListener("submit", (event) => event.preventDefault());
  show();
})();
