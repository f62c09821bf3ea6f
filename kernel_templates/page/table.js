// A table that draws only the rows in sight, so that ten thousand rows stay quick.

const ROW_HEIGHT = 36;
const SPARE_ROWS = 12;
const PRINTED_ROWS = 200;
const COLLATOR = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

const compareValues = (one, other) =>
  typeof one === "number" && typeof other === "number" ? one - other : COLLATOR.compare(String(one), String(other));

const isEmpty = (value) => value === null || value === undefined || value === "" || Number.isNaN(value);

const classOf = (column) => [column.numeric ? "numeric" : "", column.class || ""].join(" ").trim() || null;

class VirtualTable {
  /**
   * @param place the element that holds the table
   * @param columns objects with `key`, `title`, `width` in pixels, `value(row)` to sort by, `cell(row)` to show, maybe `numeric`
   * @param options `label`; `rowOf(row)` gives attributes of the row; `onToggle(row)` is called on space, Enter or a click
   */
  constructor(place, columns, options) {
    this.columns = columns;
    this.options = options;
    this.rows = [];
    this.shown = [];
    this.sort = { key: "", down: false };
    this.active = 0;
    this.body = element("tbody", {});
    this.heads = new Map();
    this.place = place;
    this.build();
  }

  build() {
    const width = this.columns.reduce((sum, column) => sum + column.width, 0);
    const cols = this.columns.map((column) => element("col", {}));
    cols.forEach((col, index) => { col.style.width = `${(100 * this.columns[index].width) / width}%`; });
    const heads = this.columns.map((column) => this.head(column));
    this.table = element("table", { "aria-label": this.options.label, "aria-rowcount": 1 }, element("colgroup", {}, cols), element("thead", {}, element("tr", { "aria-rowindex": 1 }, heads)), this.body);
    this.table.style.minWidth = `${width}px`;
    this.box = element("div", { class: "scroll", role: "region", tabindex: 0, "aria-label": `${this.options.label}, scrolls`, onscroll: () => this.later(), onkeydown: (event) => this.onKey(event) }, this.table);
    this.body.addEventListener("click", (event) => this.onClick(event));
    this.place.replaceChildren(this.box);
  }

  head(column) {
    const button = element("button", { type: "button", onclick: () => this.sortBy(column.key) }, column.title, element("span", { class: "arrow", "aria-hidden": "true" }));
    const head = element("th", { scope: "col", "data-key": column.key, class: classOf(column), "aria-sort": column.value ? "none" : null }, column.value ? button : null,
      element("span", { class: column.value ? "printed" : "unsorted" }, column.title)); // Chromium prints a button on the first page only
    this.heads.set(column.key, head);
    return head;
  }

  sortBy(key) {
    this.sort = { key, down: this.sort.key === key && !this.sort.down };
    this.arrange();
    this.options.onSort?.();
  }

  show(rows) {
    this.rows = rows;
    this.arrange();
  }

  arrange() {
    const column = this.columns.find(({ key }) => key === this.sort.key);
    this.shown = this.rows;
    if (column) {
      const keyed = this.rows.map((row) => [column.value(row), row]);
      const filled = keyed.filter(([value]) => !isEmpty(value)).sort(([one], [other]) => compareValues(one, other));
      if (this.sort.down) filled.reverse();
      this.shown = [...filled, ...keyed.filter(([value]) => isEmpty(value))].map(([, row]) => row); // empty ones last
    }
    for (const [key, head] of this.heads) {
      if (head.hasAttribute("aria-sort")) head.setAttribute("aria-sort", key !== this.sort.key ? "none" : this.sort.down ? "descending" : "ascending");
    }
    this.active = Math.min(this.active, Math.max(0, this.shown.length - 1));
    this.table.setAttribute("aria-rowcount", this.shown.length + 1);
    this.draw();
  }

  later() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      this.draw();
    });
  }

  draw() {
    const whole = view.printing;
    const first = whole ? 0 : Math.max(0, Math.floor(this.box.scrollTop / ROW_HEIGHT) - SPARE_ROWS);
    const sight = Math.ceil((this.box.clientHeight || 480) / ROW_HEIGHT);
    const last = Math.min(this.shown.length, whole ? PRINTED_ROWS : first + sight + 2 * SPARE_ROWS);
    const focused = this.body.contains(document.activeElement);
    const rows = this.shown.slice(first, last).map((row, index) => this.row(row, first + index));
    const spacer = (count) => {
      const gap = element("tr", { class: "gap", "aria-hidden": "true" }, element("td", { colspan: this.columns.length }));
      gap.style.height = `${count * ROW_HEIGHT}px`;
      return gap;
    };
    const after = whole ? 0 : this.shown.length - last;
    this.body.replaceChildren(...(first ? [spacer(first)] : []), ...rows, ...(after ? [spacer(after)] : []));
    if (!this.shown.length) this.note("No row passes the filter.");
    if (whole && last < this.shown.length) this.note(`The first ${PRINTED_ROWS} of ${integer(this.shown.length)} rows are printed.`);
    if (focused) this.focusActive();
  }

  note(text) {
    this.body.append(element("tr", {}, element("td", { colspan: this.columns.length, class: "none" }, text)));
  }

  row(row, index) {
    const cells = this.columns.map((column) => element("td", { class: classOf(column), dir: column.numeric ? null : "auto" }, column.cell(row)));
    return element("tr", { "aria-rowindex": index + 2, tabindex: index === this.active ? 0 : -1, "data-index": index, ...this.options.rowOf(row) }, cells);
  }

  focusActive() {
    this.body.querySelector(`tr[data-index="${this.active}"]`)?.focus({ preventScroll: true });
  }

  onClick(event) {
    const found = event.target.closest("tr[data-index]");
    if (!found || event.target.closest("button, a") || String(getSelection()) !== "") return;
    this.active = Number(found.dataset.index);
    this.toggle();
  }

  toggle() {
    if (!this.options.onToggle || !this.shown[this.active]) return;
    this.options.onToggle(this.shown[this.active]);
    this.draw();
  }

  onKey(event) {
    const page = Math.max(1, Math.floor(this.box.clientHeight / ROW_HEIGHT) - 2);
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.target.closest("th") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in moves) {
      this.active = Math.max(0, Math.min(this.shown.length - 1, this.active + moves[event.key]));
      this.reveal();
    } else if ((event.key === " " || event.key === "Enter") && event.target.closest("tr[data-index]")) {
      this.toggle();
    } else return;
    event.preventDefault();
  }

  reveal() {
    const top = this.active * ROW_HEIGHT;
    const sight = this.box.clientHeight - 2 * ROW_HEIGHT;
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    else if (top > this.box.scrollTop + sight) this.box.scrollTop = top - sight;
    this.draw();
    this.focusActive();
  }
}
