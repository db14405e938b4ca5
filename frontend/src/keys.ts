/** The keys of the page. They stay out of the way of whatever has the focus and needs them itself. */

export interface KeyActions {
  hour: (by: number) => void;
  day: (by: number) => void;
  first: () => void;
  last: () => void;
  play: () => void;
  find: () => void;
  table: () => void;
  export: () => void;
  data: () => void;
  hotspots: () => void;
  help: () => void;
  theme: () => void;
  wholeForce: () => void;
}

const OFF = 'bluelamp.single-keys-off';

/** Whether single letters act (WCAG 2.1.4: a person who speaks to the computer must be able to turn them off). */
export function singleKeysOn(): boolean {
  try {
    return localStorage.getItem(OFF) !== 'yes';
  } catch {
    return true;
  }
}

export function setSingleKeys(on: boolean): void {
  try {
    if (on) localStorage.removeItem(OFF);
    else localStorage.setItem(OFF, 'yes');
  } catch {
    // A file opened from disk may have no storage; the choice then lasts as long as the page.
  }
}

/** What the focused element needs for itself. */
export function keysTaken(target: { tagName?: string; type?: string; isContentEditable?: boolean; role?: string | null } | null): 'all' | 'arrows' | 'space' | 'slider' | 'none' {
  if (!target) return 'none';
  if (target.isContentEditable) return 'all';
  const tag = target.tagName?.toUpperCase();
  if (tag === 'TEXTAREA' || tag === 'SELECT') return 'all';
  if (tag === 'INPUT') return target.type === 'range' ? 'slider' : target.type === 'radio' ? 'arrows' : target.type === 'checkbox' ? 'space' : 'all';
  if (tag === 'BUTTON' || tag === 'A' || tag === 'SUMMARY') return 'space';
  if (target.role === 'region') return 'arrows';
  return 'none';
}

export function listenForKeys(actions: KeyActions): void {
  document.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (document.querySelector('dialog[open]')) return;
    const target = event.target instanceof HTMLElement ? event.target : null;
    const taken = keysTaken(target && { tagName: target.tagName, type: target.getAttribute('type') ?? '', isContentEditable: target.isContentEditable, role: target.getAttribute('role') });
    if (taken === 'all') return;
    const act = (action: () => void) => {
      event.preventDefault();
      action();
    };
    switch (event.key) {
      case 'ArrowLeft':
      case 'ArrowRight': {
        const by = event.key === 'ArrowLeft' ? -1 : 1;
        if (taken === 'arrows') return;
        if (event.shiftKey) return act(() => actions.day(by));
        // The slider moves by itself, and says so to a screen reader.
        if (taken !== 'slider') return act(() => actions.hour(by));
        return;
      }
      case 'Home':
        return taken === 'slider' || taken === 'arrows' ? undefined : act(actions.first);
      case 'End':
        return taken === 'slider' || taken === 'arrows' ? undefined : act(actions.last);
      case ' ':
        // Space presses a button and chooses a radio.
        return taken === 'space' || taken === 'arrows' ? undefined : act(actions.play);
      case 'Escape':
        return act(actions.wholeForce);
    }
    if (!singleKeysOn()) return;
    switch (event.key) {
      case '/':
        return act(actions.find);
      case 't':
        return act(actions.table);
      case 'e':
        return act(actions.export);
      case 'i':
        return act(actions.data);
      case 'h':
        return act(actions.hotspots);
      case '?':
        return act(actions.help);
      case 'd':
        return act(actions.theme);
    }
  });
}
