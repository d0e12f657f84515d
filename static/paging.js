// Endless paging: near the end of the list the next page is fetched, and its cards are put behind.

const AHEAD = "1000px";

/**
 * @param {HTMLElement} list
 * @param {(cards: HTMLElement[]) => void} onCards
 */
export function followPages(list, onCards) {
  const link = document.getElementById("older");
  if (!link) return;
  let loading = false;

  const sight = new IntersectionObserver(
    (changes) => {
      if (changes.some((change) => change.isIntersecting)) load();
    },
    { rootMargin: AHEAD },
  );
  sight.observe(link);

  async function load() {
    if (loading || !link.isConnected) return;
    loading = true;
    link.setAttribute("aria-busy", "true");
    try {
      const page = await fetchPage(link.href);
      const known = new Set([...list.children].map((card) => card.dataset.captionId));
      const cards = [...page.querySelectorAll("#cards > .caption-card")];
      const fresh = cards.filter((card) => !known.has(card.dataset.captionId)).map((card) => document.adoptNode(card));
      list.append(...fresh);
      const older = page.getElementById("older");
      if (older) link.href = older.getAttribute("href");
      else link.remove();
      onCards(fresh);
    } catch {
      // The link stays: pressed, it leads to the next page, or to the reason why there is none.
      sight.disconnect();
      return;
    } finally {
      loading = false;
      link.removeAttribute("aria-busy");
    }
    // Observed anew, since a link that is still in sight would report no change.
    sight.unobserve(link);
    if (link.isConnected) sight.observe(link);
  }
}

async function fetchPage(address) {
  const response = await fetch(address, { headers: { Accept: "text/html" } });
  if (!response.ok || response.redirected) throw new Error(`status ${response.status}`);
  return new DOMParser().parseFromString(await response.text(), "text/html");
}
