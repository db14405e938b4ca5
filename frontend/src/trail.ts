/** The way back: choices are steps in the browser's history; hours, the map's frame and colours only change the address. */

import { afterQuiet } from './dom';
import type { State } from './state';

const STEPS: ReadonlySet<keyof State> = new Set(['place', 'figure', 'view', 'rows', 'hotspots', 'list']);

export class Trail {
  private isReturning = false;
  /** The address that belongs to the latest state, as the browser tells it. */
  private known = location.hash;
  private readonly settleSoon = afterQuiet(250, () => this.settle());

  constructor(
    private readonly addressOf: (state: State) => string,
    private latest: State,
  ) {}

  /** Follows a change of the state. */
  follow(state: State, changed: ReadonlySet<keyof State>): void {
    const isStep = !this.isReturning && [...changed].some((key) => STEPS.has(key));
    if (isStep) {
      // The hour that was left must be found again on the way back.
      this.settle();
      history.pushState(null, '', this.addressOf(state));
      this.known = location.hash;
    }
    this.latest = state;
    if (!isStep) this.settleSoon();
  }

  /** Changes the state without a step: what the page does by itself, or the reader by going back. */
  without(change: () => void): void {
    this.isReturning = true;
    try {
      change();
    } finally {
      this.isReturning = false;
    }
  }

  /** Takes the address as it stands: somebody went back, forward or along a link. */
  arrive(change: () => void): void {
    this.known = location.hash;
    this.without(change);
  }

  /** Writes what is shown into the address, now. */
  settle(): void {
    // The browser goes back first and says so later: what it left must not be written over where it came to.
    if (location.hash !== this.known) return;
    const address = this.addressOf(this.latest);
    // Writing what stands there already could stop a way back that has just begun.
    if (address !== location.hash) history.replaceState(null, '', address);
    this.known = location.hash;
  }

  /** Puts the address of what is shown in the place of one that is none. */
  restore(): void {
    this.known = location.hash;
    this.settle();
  }
}
