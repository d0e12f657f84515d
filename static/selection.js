// The selected cards: checkboxes, ranges with Shift, all that are shown.

export class Selection {
  #list;
  #onChange;
  #all = document.getElementById("pick-all");
  /** Where a range starts. */
  #anchor = null;

  /**
   * @param {HTMLElement} list of cards with a checkbox each
   * @param {{onChange: (cards: HTMLElement[]) => void}} watcher told the selected cards, in page order
   */
  constructor(list, { onChange }) {
    this.#list = list;
    this.#onChange = onChange;
    this.#all.closest("label").hidden = false;
    list.addEventListener("click", (event) => {
      const box = event.target.closest?.("input[type=checkbox]");
      if (box) this.#pick(box, event.shiftKey);
    });
    this.#all.addEventListener("change", () => {
      for (const box of this.#boxes()) box.checked = this.#all.checked;
      this.refresh();
    });
    this.refresh();
  }

  get cards() {
    return this.#boxes().filter((box) => box.checked).map(cardOf);
  }

  /** Turns one card's selection round; with `range` all from the last one on become like it. */
  toggle(card, range) {
    const box = card.querySelector("input[type=checkbox]");
    box.checked = !box.checked;
    this.#pick(box, range);
  }

  clear() {
    for (const box of this.#boxes()) box.checked = false;
    this.refresh();
  }

  /** To be called when cards came, went, or were checked by others. */
  refresh() {
    const boxes = this.#boxes();
    const cards = this.cards;
    this.#all.checked = cards.length > 0 && cards.length === boxes.length;
    this.#all.indeterminate = cards.length > 0 && cards.length < boxes.length;
    this.#list.classList.toggle("selecting", cards.length > 0);
    this.#onChange(cards);
  }

  #pick(box, range) {
    const boxes = this.#boxes();
    const ends = [boxes.indexOf(this.#anchor), boxes.indexOf(box)];
    if (range && !ends.includes(-1)) {
      const between = boxes.slice(Math.min(...ends), Math.max(...ends) + 1);
      for (const other of between) other.checked = box.checked;
    }
    this.#anchor = box;
    this.refresh();
  }

  #boxes() {
    return [...this.#list.querySelectorAll("input[type=checkbox]")];
  }
}

const cardOf = (box) => box.closest(".caption-card");
