/** Making and finding elements. Text goes in as text, never as markup: names come from other people's files. */

type Attributes = Record<string, string | number | boolean | null | undefined>;
type Child = Node | string | null | undefined | false;

export function make<K extends keyof HTMLElementTagNameMap>(tag: K, attributes: Attributes = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children.filter((child): child is Node | string => child !== null && child !== undefined && child !== false));
  return element;
}

/** The element of page.html with this id. The page and the script are built together, so a missing one is our fault. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`page.html has no element “${id}”`);
  return found as T;
}

/** Writes only what changed: setting the same text again would make a screen reader or the layout start over. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function prefersLessMotion(): boolean {
  return matchMedia('(prefers-reduced-motion: reduce)').matches;
}

/** Calls once things have been quiet for a while. */
export function afterQuiet(milliseconds: number, action: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(action, milliseconds);
  };
}

/**
 * Calls at once, and then no more than once a frame: what is asked for in between waits for the next one.
 *
 * A key held down asks oftener than a screen can follow, and frames that nobody sees would hold up those that are seen.
 */
export function atOnceThenPerFrame(action: () => void): () => void {
  let inFrame = false;
  let asked = false;
  const run = () => {
    inFrame = true;
    asked = false;
    action();
    requestAnimationFrame(() => {
      inFrame = false;
      if (asked) run();
    });
  };
  return () => {
    asked = true;
    if (!inFrame) run();
  };
}
