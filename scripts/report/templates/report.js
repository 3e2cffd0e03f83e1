"use strict";
// Tables sort by the number behind a cell (data-sort), else by its text; cells without a value stay last.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = Array.from(table.tHead.rows[0].cells);
  const body = table.tBodies[0];
  const compare = new Intl.Collator(document.documentElement.lang, {numeric: true}).compare;
  heads.forEach((head, index) => {
    head.querySelector("button").addEventListener("click", () => {
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
// Figures enlarge in a dialog; a further click shows them at double width.
const dialog = document.getElementById("enlarged");
const canvas = dialog.querySelector(".canvas");
for (const button of document.querySelectorAll("figure .enlarge")) {
  button.addEventListener("click", () => {
    const image = button.querySelector("img").cloneNode();
    image.addEventListener("click", () => image.classList.toggle("full"));
    canvas.replaceChildren(image);
    dialog.querySelector("p").textContent = button.parentElement.querySelector("figcaption").textContent;
    dialog.showModal();
  });
}
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
