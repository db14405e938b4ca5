// Notes when the first view stands and when the hour of each key press is drawn. page.py says what counts as drawn.
(() => {
  const watch = (window.watch = { firstView: null, waiting: [], keys: [], painted: [], readsBack: true });
  const map = () => document.querySelector('#map canvas')?.getContext('webgl2');
  const finishDrawing = () => map()?.readPixels(0, 0, 1, 1, 6408, 5121, new Uint8Array(4));
  const panelText = () => document.getElementById('panel')?.textContent ?? '';
  const figuresShown = () => document.body?.dataset.phase === 'ready' && /\d/.test(panelText());
  const areasDrawn = () => window.bluelamp?.drawnHour() >= 0 && window.bluelamp.renderedAreas() >= window.areasToSee;
  const isViewed = () => figuresShown() && areasDrawn();
  const lookForView = () => {
    if (!isViewed()) return requestAnimationFrame(lookForView);
    finishDrawing();
    requestAnimationFrame(() => { watch.firstView = performance.now(); });
  };
  requestAnimationFrame(lookForView);
  const until = (isSo, seconds, words) => new Promise((resolve, reject) => {
    const last = performance.now() + seconds * 1000;
    const look = () => (isSo() ? resolve() : performance.now() > last ? reject(new Error(words)) : setTimeout(look, 4));
    look();
  });
  watch.viewed = () => until(() => watch.firstView !== null, 60, 'the first view did not come within 60 s');
  watch.drawn = (count) => until(() => watch.keys.length >= count, 10, `key ${count} was not followed by its hour in 10 s`);

  // In the bubbling phase on window: after the page's own listener, so that the map's frame is asked for before ours.
  let looking = false;
  const lookForHours = () => {
    const drawn = window.bluelamp.drawnHour();
    const now = watch.waiting.filter((press) => press.hour <= drawn);
    watch.waiting = watch.waiting.filter((press) => press.hour > drawn);
    if (now.length) {
      if (watch.readsBack) finishDrawing();
      const ready = performance.now();
      requestAnimationFrame(() => {
        const handed = performance.now();
        for (const { hour, at } of now) watch.keys.push({ hour, drawn, ready: ready - at, handed: handed - at });
      });
    }
    looking = watch.waiting.length > 0;
    if (looking) requestAnimationFrame(lookForHours);
  };
  addEventListener('keydown', (event) => {
    if (event.key !== 'ArrowRight') return;
    watch.waiting.push({ hour: window.bluelamp.state().hour, at: event.timeStamp });
    if (!looking) requestAnimationFrame(lookForHours);
    looking = true;
  });
  // The browser's own account: from an input to the next picture that it showed, to the nearest 8 ms.
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (entry.name === 'keydown') watch.painted.push(entry.duration);
  }).observe({ type: 'event', durationThreshold: 16 });
})();
