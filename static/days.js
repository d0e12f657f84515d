// The days of the search are those of this browser's clock; without scripts they are those of UTC.

/** @param {HTMLFormElement} form of the search, with its hidden `utc_offset_minutes` */
export function countLocalDays(form) {
  const days = [form.elements.from, form.elements.until];
  const offset = form.elements.utc_offset_minutes;
  const nameClock = (named) => {
    for (const clock of form.querySelectorAll(".clock")) clock.hidden = !named;
  };

  // A link may come from another clock, or from none: its days stay as they are, and named, until others are chosen.
  nameClock(Number(offset.value) !== Number(offsetOf(days)));
  for (const day of days) {
    day.addEventListener("input", () => {
      offset.value = offsetOf(days);
      nameClock(false);
    });
  }
}

/** How far this clock is ahead of UTC on the first of these days that is chosen; daylight saving makes it differ. */
function offsetOf(days) {
  const chosen = days.find((day) => day.value)?.value;
  return chosen ? String(-Math.round(new Date(`${chosen}T00:00`).getTimezoneOffset())) : "";
}
