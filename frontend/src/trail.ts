/** The way back: choices are steps in the browser's history; hours, the map's frame and colours only change the address. */

import { afterQuiet } from './dom';
import type { State } from './state';

const STEPS: ReadonlySet<keyof State> = new Set(['place', 'figure', 'view', 'rows', 'hotspots', 'list']);

export class Trail {
  private isReturning = false;
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

  /** Writes what is shown into the address, now. */
  settle(): void {
    const address = this.addressOf(this.latest);
    // Writing what stands there already could stop a way back that has just begun.
    if (address !== location.hash) history.replaceState(null, '', address);
  }
}
