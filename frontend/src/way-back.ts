/** Where the map was left, so that the way back from the data page leads to the same hour and place. */

const KEY = 'bluelamp.map';

export const mapAddress = {
  keep(): void {
    try {
      sessionStorage.setItem(KEY, location.pathname + location.search + location.hash);
    } catch {
      // Without storage the way back leads to the start of the map.
    }
  },
  /** The address within this site, or null where none was kept. */
  read(): string | null {
    try {
      const kept = sessionStorage.getItem(KEY);
      return kept !== null && /^\/(\?|#|$)/.test(kept) ? kept : null;
    } catch {
      return null;
    }
  },
};
