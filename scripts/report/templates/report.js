"use strict";
// Buttons come from here, so that a page without script shows none that does nothing.
document.documentElement.classList.add("script");
const buttonAround = (...content) => {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...content);
  return button;
};
// Tables sort by the number behind a cell (data-sort), else by its text; cells without a value stay last.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = Array.from(table.tHead.rows[0].cells);
  const body = table.tBodies[0];
  const compare = new Intl.Collator(document.documentElement.lang, {numeric: true}).compare;
  heads.forEach((head, index) => {
    const sorter = buttonAround(...head.childNodes);
    head.append(sorter);
    sorter.addEventListener("click", () => {
      const rising = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", rising ? "ascending" : "descending");
      const sign = rising ? 1 : -1;
      const byNumber = head.classList.contains("number");
      const value = (row) => {
        const cell = row.cells[index];
        if (byNumber) { return cell.dataset.sort === undefined ? null : Number(cell.dataset.sort); }
        const text = cell.textContent.trim();
        return text === "\u2013" ? null : text;
      };
      const rows = Array.from(body.rows).map((row) => ({row, value: value(row)}));
      rows.sort((a, b) => {
        if (a.value === null || b.value === null) { return (a.value === null) - (b.value === null); }
        return sign * (byNumber ? a.value - b.value : compare(a.value, b.value));
      });
      body.append(...rows.map((entry) => entry.row));
    });
  });
}
// Figures enlarge in a dialog, at the window's width or twice as large. Escape closes it.
const dialog = document.getElementById("enlarged");
const canvas = dialog.querySelector(".canvas");
const twice = document.getElementById("twice");
const size = (large) => {
  twice.setAttribute("aria-pressed", String(large));
  canvas.firstElementChild?.classList.toggle("full", large);
};
for (const figure of document.querySelectorAll("figure")) {
  const image = figure.querySelector("img");
  const button = buttonAround();
  button.className = "enlarge";
  button.title = dialog.getAttribute("aria-label");
  image.replaceWith(button);
  button.append(image);
  button.addEventListener("click", () => {
    const shown = image.cloneNode();
    shown.addEventListener("click", () => size(!shown.classList.contains("full")));
    canvas.replaceChildren(shown);
    size(false);
    dialog.querySelector("p").textContent = figure.querySelector("figcaption").textContent;
    dialog.showModal();
  });
}
twice.addEventListener("click", () => size(twice.getAttribute("aria-pressed") !== "true"));
document.getElementById("close-enlarged").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => { if (event.target === dialog) { dialog.close(); } });
// On a phone the contents start closed; in print every long table is open.
const contents = document.getElementById("contents");
if (window.matchMedia("(max-width: 760px)").matches) { contents.open = false; }
const opened = [];
window.addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details.long:not([open])")) { part.open = true; opened.push(part); }
});
window.addEventListener("afterprint", () => { while (opened.length) { opened.pop().open = false; } });
