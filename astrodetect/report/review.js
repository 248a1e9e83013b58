// Judge detections by keyboard; what was said stays in the browser until it is saved as CSV.
(() => {
  const panel = byId("review");
  const { key, catalog, wanted } = panel.dataset;
  const store = `astrodetect-review-${key}`;
  const labels = all("option", byId("review-label")).map((option) => option.value);
  const accepts = new Set(wanted.split(" "));
  let said = {}, rows = [], at = 0;
  const read = (name) => { try { return localStorage.getItem(name); } catch { return null; } };
  const keep = (name, value) => { try { localStorage.setItem(name, value); } catch { /* private window */ } };
  try { said = JSON.parse(read(store) ?? "{}"); } catch { said = {}; }
  byId("review-name").value = read("astrodetect-reviewer") ?? "";

  const mark = (row) => {
    const one = said[row.dataset.id];
    if (one) row.dataset.verdict = one.label ? `${one.verdict}: ${one.label}` : one.verdict;
    else delete row.dataset.verdict;
    const cell = row.querySelector('[data-name="Outcome"]');
    cell.querySelector(".said")?.remove();
    if (one) {
      const badge = document.createElement("strong");
      badge.className = `said ${one.verdict}`;
      badge.textContent = `you: ${row.dataset.verdict}`;
      cell.append(badge);
    }
  };
  const byRow = () => all(".recording tr[data-id]");
  byRow().filter((row) => said[row.dataset.id]).forEach(mark);

  const show = () => {
    all("tr.current").forEach((row) => row.classList.remove("current"));
    const row = rows[at];
    const done = Object.keys(said).length;
    byId("review-count").textContent = row ? `${at + 1} of ${rows.length}, ${done} reviewed` : "Nothing to review";
    const picture = byId("review-picture"), facts = byId("review-facts");
    picture.replaceChildren();
    facts.replaceChildren();
    if (!row) return;
    row.classList.add("current");
    row.scrollIntoView({ block: "center" });
    const cell = (name) => row.querySelector(`[data-name="${name}"]`);
    const thumb = cell("Picture").firstElementChild?.cloneNode(true);
    if (thumb) {
      thumb.classList.remove("playing");
      const image = thumb.matches("img") ? thumb : thumb.firstElementChild;
      image.loading = "eager";
      image.src = image.dataset.still ?? image.getAttribute("src");
      picture.append(thumb);
      if (thumb.matches("a") && !matchMedia("(prefers-reduced-motion: reduce)").matches) play(thumb, true);
    }
    const curve = cell("Light curve").firstElementChild;
    if (curve) picture.append(curve.cloneNode(true));
    const title = document.createElement("p");
    const { label, verdict } = row.dataset;
    title.innerHTML = "<strong></strong> <span></span>";
    title.firstElementChild.textContent = `${label} ${cell("Probability").textContent}`;
    title.lastElementChild.textContent = verdict ? `\u2192 ${verdict}` : cell("Outcome").textContent;
    const more = document.createElement("p");
    const text = (name) => cell(name).textContent.replace(/\s+/g, " ");
    more.textContent = `${row.closest(".recording").dataset.path}, no. ${row.cells[0].textContent}; `
      + `frames ${text("Frames")}; ${text("Speed (px/frame)")} px/frame; S/N ${text("Peak S/N")}`;
    facts.append(title, more);
    byId("review-label").value = said[row.dataset.id]?.label || label;
  };

  const say = (verdict, label = "") => {
    const row = rows[at];
    if (!row) return;
    if (verdict) said[row.dataset.id] = { verdict, label, at: new Date().toISOString() };
    else delete said[row.dataset.id];
    keep(store, JSON.stringify(said));
    mark(row);
    if (verdict && at < rows.length - 1) at += 1;
    show();
  };
  const relabel = (label) => {
    if (label && rows[at]) say(accepts.has(label) ? "accept" : "reject", label);
  };
  const go = (step) => { at = Math.max(0, Math.min(rows.length - 1, at + step)); show(); };

  const quoted = (value) => (/[",\n\r]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  const csv = () => {
    const head = ["detection_id", "path", "verdict", "label", "label_automatic", "reviewer", "reviewed_at",
      "frame_first", "frame_last", "x_first", "y_first", "x_last", "y_last"];
    const name = byId("review-name").value.trim();
    const known = (values) => values.split(" ").map((value) => (value === "-" ? "" : value));
    const lines = byRow().filter((row) => said[row.dataset.id]).map((row) => {
      const { verdict, label, at: moment } = said[row.dataset.id];
      return [row.dataset.id, row.closest(".recording").dataset.path, verdict, label, row.dataset.label, name,
        moment, ...known(row.dataset.frames), ...known(row.dataset.ends)];
    });
    return [head, ...lines].map((cells) => cells.map(quoted).join(",")).join("\n") + "\n";
  };
  const save = () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
    link.download = `${catalog}-review.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };

  const open = () => {
    rows = filters.rows();
    const first = rows.findIndex((row) => !said[row.dataset.id]);
    at = Math.max(0, first);
    panel.hidden = false;
    document.body.classList.add("reviewing");
    show();
    panel.focus({ preventScroll: true });
  };
  const close = () => {
    panel.hidden = true;
    document.body.classList.remove("reviewing");
    all("tr.current").forEach((row) => row.classList.remove("current"));
    byId("review-start").focus({ preventScroll: true });
  };
  const actions = {
    a: () => say("accept"), r: () => say("reject"), u: () => say(""),
    k: () => go(-1), ArrowLeft: () => go(-1), j: () => go(1), ArrowRight: () => go(1),
    s: save, l: () => byId("review-label").focus(), Escape: close,
    p: () => { const link = byId("review-picture").querySelector("a.clip"); if (link) play(link); },
  };
  labels.slice(0, 9).forEach((label, i) => { actions[i + 1] = () => relabel(label); });
  // Keys count while the panel is open only, and not where somebody types.
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input:not([type=checkbox]), select, textarea") && event.key !== "Escape") return;
    if (panel.hidden && event.key === "v") { event.preventDefault(); open(); return; }
    if (panel.hidden || !(event.key in actions)) return;
    event.preventDefault();
    actions[event.key]();
  });
  byId("review-start").addEventListener("click", open);
  byId("review-close").addEventListener("click", close);
  for (const [name, run] of Object.entries({
    accept: actions.a, reject: actions.r, undo: actions.u, previous: actions.k, next: actions.j, save,
  })) byId(`review-${name}`).addEventListener("click", run);
  byId("review-label").addEventListener("change", (event) => { relabel(event.target.value); panel.focus(); });
  byId("review-name").addEventListener("change", (event) => keep("astrodetect-reviewer", event.target.value));
  document.querySelector(".controls").addEventListener("change", () => {
    if (!panel.hidden) { rows = filters.rows(); at = Math.min(at, Math.max(0, rows.length - 1)); show(); }
  });
})();
